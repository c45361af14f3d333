//! Who stands before a waiting request, by which rule, and which of them are in its way.

use super::report::{Ahead, InItsWay};
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::overtaking::Barriers;
use conclave_core::state::{Group, Pool, Request, State, Waiter};
use conclave_core::units::{Offset, PoolId, RequestId, TimeMs};

/// Requests that are named one by one.
const NAMED_MAX: usize = 5;

/// Those before `request`; none when it does not wait in the queue.
#[must_use]
pub fn ahead(state: &State, pool: &PoolId, request: &RequestId, viewer: &Viewer) -> Option<Ahead> {
    let pool = state.pools.get(pool)?;
    let request = pool.request(request)?;
    let since_ms = request.waits_since()?;
    let own = Group::of(&request.ask);
    let look = Look { pool, viewer };
    let mut before = look.before(&own, request.arrival);
    before.sort_by_key(|(group, arrival, _)| (group.priority, *arrival));
    let by_priority = before.iter().filter(|(group, ..)| group.priority < own.priority).count();
    let shares = |(group, ..): &&Before<'_>| group.need.shares_a_model_with(&own.need);
    let in_its_way = before.iter().filter(shares).take(NAMED_MAX);
    let barriers = Barriers::of(pool, state.time_ms);
    let protected = barriers.all_before(pool, request).take(NAMED_MAX);
    Some(Ahead {
        place: before.len() + 1,
        by_priority,
        by_arrival: before.len() - by_priority,
        sharing_a_model: before.iter().filter(shares).count(),
        first: before.iter().take(NAMED_MAX).map(|(group, _, one)| look.name(group, one)).collect(),
        in_its_way: in_its_way.map(|(group, _, one)| look.row(group, one, &own)).collect(),
        protected: protected.filter_map(|one| look.protected(&one.request)).collect(),
        is_protected: barriers.protect(&request.ask.request),
        protected_from_ms: look.protected_from(request, since_ms, state.time_ms),
    })
}

type Before<'a> = (&'a Group, Offset, &'a Waiter);

struct Look<'a> {
    pool: &'a Pool,
    viewer: &'a Viewer,
}

impl<'a> Look<'a> {
    /// Everybody of a higher priority, and whoever of the same came earlier.
    fn before(&self, own: &Group, arrival: Offset) -> Vec<Before<'a>> {
        let mut before = Vec::new();
        for (group, waiters) in self.pool.queue.groups() {
            if group.priority > own.priority {
                continue;
            }
            let is_higher = group.priority < own.priority;
            let earlier = waiters.iter().take_while(|(at, _)| is_higher || **at < arrival);
            before.extend(earlier.map(|(at, waiter)| (group, *at, waiter)));
        }
        before
    }

    fn name(&self, group: &Group, waiter: &Waiter) -> String {
        if self.viewer.sees(&group.tenant) {
            waiter.request.to_string()
        } else {
            format!("a request of {ANOTHER_TENANT}")
        }
    }

    fn row(&self, group: &Group, waiter: &Waiter, own: &Group) -> InItsWay {
        let rule = if group.priority < own.priority { "priority" } else { "arrival" };
        InItsWay {
            request: self.name(group, waiter),
            tenant: self.viewer.name_of(&group.tenant),
            rule: rule.to_owned(),
            priority: group.priority.0,
            since_ms: waiter.since_ms.0,
        }
    }

    fn protected(&self, id: &RequestId) -> Option<InItsWay> {
        let request = self.pool.request(id)?;
        let group = Group::of(&request.ask);
        let waiter = Waiter { request: id.clone(), since_ms: request.waits_since()? };
        let row = self.row(&group, &waiter, &group);
        Some(InItsWay { rule: "bounded_overtaking".to_owned(), ..row })
    }

    /// When W is over, if it would be protected then with everybody waiting on.
    fn protected_from(&self, request: &Request, since_ms: TimeMs, now: TimeMs) -> Option<i64> {
        let from = since_ms.plus(self.pool.policy.wait_bound_ms);
        let barriers = Barriers::of(self.pool, from.max(now));
        barriers.protect(&request.ask.request).then_some(from.0)
    }
}
