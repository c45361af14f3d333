//! Preemption: waiting requests take the places of running ones, as few as possible.
//!
//! A request that waits for room may have leases of preemptible requests end, if its priority is
//! higher than theirs, or if its tenant's guarantee covers it. What another tenant's guarantee
//! covers is nobody's to take. Those leases get their notice together and end together, when each
//! has run its minimum and the grace is over; their requests wait again at the places of their
//! arrival. Whoever is guaranteed what it asks for takes what was borrowed first.
//! `docs/preemption.md` says why this cannot go on for ever: every notice uses up one of the few
//! that a request may get in its life.

mod pending;
mod shift;
mod victims;

use crate::command::{PreemptionRules, Topology};
use crate::decision::{Event, LeasePreempted, PreemptionNoticed, RequestEnd, RequestEnded};
use crate::draft::Draft;
use crate::limits::PREEMPTORS_MAX;
use crate::overtaking::Barriers;
use crate::queue::firsts_in_order;
use crate::state::{Group, Pool, Request, Stage};
use crate::units::{PoolId, RequestId, TimeMs};
use pending::Pending;
use std::collections::VecDeque;
use std::sync::Arc;
use victims::{Ground, Victim, Victims};

/// What came of looking for leases to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// None was found, or they end later.
    Nothing,
    /// Some ended at once, or gave back to a budget: those who wait have to be asked again.
    Freed,
    /// The decision has no room for more.
    NoRoom,
}

/// Whether a lease that ends now ends for another request, before its time.
pub(crate) fn ends_early(draft: &Draft, pool: &PoolId, request: &RequestId) -> bool {
    let request = draft.state.pool(pool).request(request);
    let notice = request.and_then(|request| request.lease()?.notice.as_ref());
    notice.is_some_and(|notice| notice.is_early)
}

/// Ends a lease that has notice. Its request waits again, unless its deadline passed meanwhile.
///
/// # Panics
/// When it has no lease or no notice.
pub(crate) fn preempt(draft: &mut Draft, pool: &PoolId, id: &RequestId) {
    let request = &draft.state.pool(pool).requests[id];
    let lease = request.lease().expect("what is preempted runs");
    let notice = lease.notice.as_ref().expect("what is preempted has notice");
    let (by, by_tenant) = (notice.by.clone(), notice.by_tenant.clone());
    let (count, deadline_ms) = (request.preemptions + 1, request.ask.deadline_ms);
    let (pool, request) = (pool.clone(), id.clone());
    draft.freed.insert(pool.clone());
    draft.emit(Event::LeasePreempted(LeasePreempted {
        pool: pool.clone(),
        request: request.clone(),
        by,
        by_tenant,
        count,
    }));
    if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= draft.now) {
        let reason = RequestEnd::DeadlinePassed;
        draft.emit(Event::RequestEnded(RequestEnded { pool, request, reason }));
    }
}

/// Has leases end for the first of those who wait, and for `newcomers`, who were never looked at.
pub(crate) fn preempt_for_waiters(
    draft: &mut Draft,
    pool_id: &PoolId,
    newcomers: &[RequestId],
) -> Search {
    let pool = draft.state.pool(pool_id);
    let Some(rules) = pool.preemption.rules else { return Search::Nothing };
    let mut pending = Pending::of(pool);
    let mut left: VecDeque<_> = preemptors(pool, draft.now, newcomers, &pending).into();
    let mut alike_left = PREEMPTORS_MAX;
    while let Some((group, id)) = left.pop_front() {
        match preempt_for(draft, pool_id, &id, (rules, &pending)) {
            Some(Search::Nothing) => {}
            Some(search) => return search,
            None => continue,
        }
        let pool = draft.state.pool(pool_id);
        pending = Pending::of(pool);
        let may = |(group, id): &(Arc<Group>, RequestId)| {
            pending.keeps_limits(pool, group)
                && pending.keeps_budget(pool, &pool.requests[id].ask, draft.now)
        };
        // Whoever is behind it in its group may have leases end as well.
        let next = next_of_group(pool, &group).map(|request| request.ask.request.clone());
        let next = next.filter(|next| alike_left > 0 && left.iter().all(|(_, id)| id != next));
        if let Some(next) = next {
            alike_left -= 1;
            left.push_front((group, next));
        }
        left.retain(may);
    }
    Search::Nothing
}

/// Has leases end for one request; none when none was found. [`Search::Nothing`] says that they
/// end later.
fn preempt_for(
    draft: &mut Draft,
    pool_id: &PoolId,
    id: &RequestId,
    (rules, pending): (PreemptionRules, &Pending),
) -> Option<Search> {
    let (pool, now) = (draft.state.pool_mut(pool_id), draft.now);
    let latest = now.plus(rules.min_run_ms.max(rules.grace_ms));
    let kept_out = pool.nodes_kept_from(&pool.requests[id].ask, (now, latest));
    let grounds = Ground::of(pool, id, now, &kept_out, pending);
    let pool = draft.state.pool(pool_id);
    let victims = Victims { pool, rules, now, kept_out, pending };
    let chosen = victims.of(id, &grounds)?;
    let ends_at_ms = victims.end(&chosen);
    let ask = &pool.requests[id].ask;
    if ask.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= ends_at_ms) {
        return None;
    }
    // A notice, an end, and a deadline that passed.
    if !draft.has_room_for_preemption(3 * chosen.len()) {
        return Some(Search::NoRoom);
    }
    let notices: Vec<_> = chosen.iter().map(|one| victims.notice(one, ends_at_ms)).collect();
    let is_now = ends_at_ms <= draft.now;
    let of = |victim: &Victim<'_>| &pool.tenants[&victim.request.ask.tenant];
    let gives_back = chosen.iter().any(|victim| of(victim).may_wait_for_budget());
    let by_tenant = ask.tenant.clone();
    for (request, right, ends_at_ms) in notices {
        draft.emit(Event::PreemptionNoticed(PreemptionNoticed {
            pool: pool_id.clone(),
            request: request.clone(),
            by: id.clone(),
            by_tenant: by_tenant.clone(),
            right,
            ends_at_ms,
        }));
        if is_now {
            preempt(draft, pool_id, &request);
        }
    }
    Some(if is_now || gives_back { Search::Freed } else { Search::Nothing })
}

/// The first of each group in the order who wait for room and for nothing else, and for whom no
/// lease ends already; then those of `newcomers` who do. Room is made wherever it is, so never for
/// a gang that has to sit together.
fn preemptors(
    pool: &Pool,
    now: TimeMs,
    newcomers: &[RequestId],
    pending: &Pending,
) -> Vec<(Arc<Group>, RequestId)> {
    let barriers = Barriers::of(pool, now);
    let may = |(group, request): &(Arc<Group>, &Request)| {
        group.need.topology == Topology::None
            && !barriers.keep_back(pool, request.arrival, group)
            && pending.keeps_limits(pool, group)
            && pending.keeps_budget(pool, &request.ask, now)
    };
    let name = |(group, request): (Arc<Group>, &Request)| (group, request.ask.request.clone());
    let firsts = || {
        let firsts = firsts_in_order(pool, now).map(|(group, _)| group);
        firsts.filter_map(|group| next_of_group(pool, &group).map(|request| (group, request)))
    };
    let mut all: Vec<_> = firsts().filter(may).take(PREEMPTORS_MAX).map(name).collect();
    if pool.borrowed.0 > 0 {
        // Whoever lent is not kept waiting by others for whom there is nothing to take.
        let is_covered = |(group, _): &(Arc<Group>, &Request)| {
            let wanted = group.need.total_gpu_milli().0;
            pending.covered_by(pool, &group.tenant, wanted).is_some()
        };
        let covered = firsts().filter(is_covered).filter(may).map(name);
        let more = covered.filter(|one| !all.contains(one)).take(PREEMPTORS_MAX);
        let more: Vec<_> = more.collect();
        all.extend(more);
    }
    let waits = |id: &RequestId| {
        let request = pool.request(id).filter(|request| has_no_claims(pool, request))?;
        let waits = matches!(request.stage, Stage::Waiting { .. });
        waits.then(|| (Arc::new(pool.group_of(request)), request))
    };
    let newcomers = newcomers.iter().filter_map(waits).filter(may).map(name);
    let more = newcomers.filter(|one| !all.contains(one)).take(PREEMPTORS_MAX);
    let more: Vec<_> = more.collect();
    all.extend(more);
    all
}

/// The first of a group for whom no lease ends already.
fn next_of_group<'p>(pool: &'p Pool, group: &Group) -> Option<&'p Request> {
    let waiters = pool.queue.groups().get(group)?.iter();
    let mut requests = waiters.map(|(_, waiter)| &pool.requests[&waiter.request]);
    requests.find(|request| has_no_claims(pool, request))
}

fn has_no_claims(pool: &Pool, request: &Request) -> bool {
    !pool.preemption.claims.contains_key(&request.ask.request)
}
