//! Who stands before a waiting request, by which rule, and which of them are in its way.

use super::passed::billionths;
use super::report::{Ahead, InItsWay};
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::overtaking::Barriers;
use conclave_core::state::{Group, Pool, Request, State, Waiter};
use conclave_core::units::{Offset, PoolId, RequestId, TenantId, TimeMs};
use std::collections::BTreeMap;

/// Requests that are named one by one.
const NAMED_MAX: usize = 5;

/// The rules by which somebody stands before a request, or keeps it back.
const PRIORITY: &str = "priority";
const FAIR_SHARE: &str = "fair_share";
const ARRIVAL: &str = "arrival";
const BOUNDED_OVERTAKING: &str = "bounded_overtaking";

/// Those before `request`; none when it does not wait in the queue.
#[must_use]
pub fn ahead(state: &State, pool: &PoolId, request: &RequestId, viewer: &Viewer) -> Option<Ahead> {
    let pool = state.pools.get(pool)?;
    let request = pool.request(request)?;
    let since_ms = request.waits_since()?;
    let own = pool.group_of(request);
    let look = Look::of(pool, viewer, request, state.time_ms);
    let before = pool.groups_before(request, state.time_ms);
    let count = |holds: &dyn Fn(&Group) -> bool| {
        before.iter().filter(|(group, _)| holds(group)).map(|(_, count)| count).sum::<usize>()
    };
    let by = |rule| count(&|group| look.rule(group, request) == rule);
    let (all, by_priority, by_fair_share) = (count(&|_| true), by(PRIORITY), by(FAIR_SHARE));
    // Its own group does, so that what is found ends with the request.
    let shares = |group: &Group| group.need.shares_a_model_with(&own.need);
    let is_before = |(.., waiter): &Before<'_>| waiter.request != request.ask.request;
    let first = pool.in_order(state.time_ms).take_while(is_before).take(NAMED_MAX);
    let in_its_way = pool.in_order_among(state.time_ms, shares).take_while(is_before);
    let barriers = Barriers::of(pool, state.time_ms);
    let protected = barriers.all_before(pool, request).take(NAMED_MAX);
    Some(Ahead {
        place: all + 1,
        by_priority,
        by_fair_share,
        by_arrival: all - by_priority - by_fair_share,
        sharing_a_model: count(&shares),
        first: first.map(|(group, _, one)| look.name(group, one)).collect(),
        in_its_way: in_its_way
            .take(NAMED_MAX)
            .map(|one| look.row(&one, look.rule(one.0, request)))
            .collect(),
        protected: protected.filter_map(|one| look.protected(&one.request)).collect(),
        is_protected: barriers.protect(&request.ask.request),
        protected_from_ms: look.protected_from(request, since_ms, state.time_ms),
    })
}

type Before<'a> = (&'a Group, Offset, &'a Waiter);

struct Look<'a> {
    pool: &'a Pool,
    viewer: &'a Viewer,
    /// Tenants that come before the request's own in the fair share, with what they and it used
    /// where their ways down the tree part.
    used_less: BTreeMap<&'a TenantId, (i128, i128)>,
}

impl<'a> Look<'a> {
    fn of(pool: &'a Pool, viewer: &'a Viewer, request: &Request, now: TimeMs) -> Self {
        let own = pool.fair_key(&request.ask.tenant, now);
        let names = pool.tenants.keys().filter(|_| pool.half_life_ms.is_some());
        let keys = names.map(|name| (name, pool.fair_key(name, now)));
        let less = keys.filter(|(_, key)| *key < own);
        let used_less = less.map(|(name, key)| (name, key.against(&own))).collect();
        Self { pool, viewer, used_less }
    }

    /// Why one of those before `request` stands there. Arrival says nothing of two tenants of which
    /// one has used less.
    fn rule(&self, group: &Group, request: &Request) -> &'static str {
        if group.priority.0 > request.ask.priority {
            PRIORITY
        } else if self.used_less.contains_key(&group.tenant) {
            FAIR_SHARE
        } else {
            ARRIVAL
        }
    }

    fn name(&self, group: &Group, waiter: &Waiter) -> String {
        if self.viewer.sees(&group.tenant) {
            waiter.request.to_string()
        } else {
            format!("a request of {ANOTHER_TENANT}")
        }
    }

    fn row(&self, (group, _, waiter): &Before<'_>, rule: &str) -> InItsWay {
        let used = self.used_less.get(&group.tenant).filter(|_| rule == FAIR_SHARE);
        let its = used.filter(|_| self.viewer.sees(&group.tenant));
        InItsWay {
            request: self.name(group, waiter),
            tenant: self.viewer.name_of(&group.tenant),
            rule: rule.to_owned(),
            priority: group.priority.0,
            since_ms: waiter.since_ms.0,
            its_use_per_billion: its.map(|(its, _)| billionths(*its)),
            own_use_per_billion: used.map(|(_, own)| billionths(*own)),
        }
    }

    fn protected(&self, id: &RequestId) -> Option<InItsWay> {
        let request = self.pool.request(id)?;
        let group = self.pool.group_of(request);
        let waiter = Waiter::of(&request.ask, request.waits_since()?);
        Some(self.row(&(&group, request.arrival, &waiter), BOUNDED_OVERTAKING))
    }

    /// When W is over, if it would be protected then with everybody waiting on.
    fn protected_from(&self, request: &Request, since_ms: TimeMs, now: TimeMs) -> Option<i64> {
        let from = since_ms.plus(self.pool.policy.wait_bound_ms);
        let barriers = Barriers::of(self.pool, from.max(now));
        barriers.protect(&request.ask.request).then_some(from.0)
    }
}
