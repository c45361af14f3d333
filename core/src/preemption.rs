//! Preemption: waiting requests take the places of running ones, as few as possible.
//!
//! A request that waits for room may have leases of preemptible requests end, if its priority is
//! higher than theirs, or if its tenant's guarantee covers it. What another tenant's guarantee
//! covers is nobody's to take. Those leases get their notice together and end together, when each
//! has run its minimum and the grace is over; their requests wait again at the places of their
//! arrival. Whoever is guaranteed what it asks for takes what was borrowed first.
//! `docs/preemption.md` says why this cannot go on for ever: every notice uses up one of the few
//! that a request may get in its life.

mod shift;
mod victims;

use crate::command::Topology;
use crate::decision::{Event, LeasePreempted, PreemptionNoticed, RequestEnd, RequestEnded};
use crate::draft::Draft;
use crate::limits::PREEMPTORS_MAX;
use crate::overtaking::Barriers;
use crate::queue::firsts_in_order;
use crate::quota::{Demand, QuotaBlock, may_grant};
use crate::state::{Group, Pool, Request, Stage};
use crate::units::{Offset, PoolId, RequestId, TimeMs};
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
    for id in preemptors(pool, draft.now, newcomers) {
        let (pool, now) = (draft.state.pool_mut(pool_id), draft.now);
        let latest = now.plus(rules.min_run_ms.max(rules.grace_ms));
        let kept_out = pool.nodes_kept_from(&pool.requests[&id].ask, (now, latest));
        let grounds = Ground::of(pool, &id, now, &kept_out);
        let victims = Victims { pool: draft.state.pool(pool_id), rules, now, kept_out };
        let Some(chosen) = victims.of(&id, &grounds) else { continue };
        // A notice, an end, and a deadline that passed.
        if !draft.has_room_for_preemption(3 * chosen.len()) {
            return Search::NoRoom;
        }
        let ends_at_ms = victims.end(&chosen);
        let notices: Vec<_> = chosen.iter().map(|one| victims.notice(one, ends_at_ms)).collect();
        let (is_now, tenants) = (ends_at_ms <= draft.now, &victims.pool.tenants);
        let of = |victim: &Victim<'_>| &tenants[&victim.request.ask.tenant];
        let gives_back = chosen.iter().any(|victim| of(victim).may_wait_for_budget());
        let by_tenant = draft.state.pool(pool_id).requests[&id].ask.tenant.clone();
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
        if is_now || gives_back {
            return Search::Freed;
        }
    }
    Search::Nothing
}

/// The first in the order who wait for room and for nothing else, and for whom no lease ends
/// already; then those of `newcomers` who do. Room is made wherever it is, so never for a gang that
/// has to sit together.
fn preemptors(pool: &Pool, now: TimeMs, newcomers: &[RequestId]) -> Vec<RequestId> {
    let barriers = Barriers::of(pool, now);
    let may = |(group, arrival): &(Arc<Group>, Offset)| {
        group.need.topology == Topology::None
            && !barriers.keep_back(pool, *arrival, group)
            && is_within_limit(pool, group)
    };
    let may_pay = |request: &&Request| {
        let has_claims = pool.preemption.claims.contains_key(&request.ask.request);
        !has_claims && pool.always_fits_budget(&request.ask, now)
    };
    let waits = |id: &RequestId| {
        let request = pool.request(id)?;
        let waits = matches!(request.stage, Stage::Waiting { .. });
        waits.then(|| (Arc::new(pool.group_of(request)), request.arrival))
    };
    let found = |(group, arrival): (Arc<Group>, Offset)| pool.waiter(&group, arrival);
    let name = |request: &Request| request.ask.request.clone();
    let firsts = firsts_in_order(pool, now).filter(may).map(found).filter(may_pay);
    let mut all: Vec<_> = firsts.take(PREEMPTORS_MAX).map(name).collect();
    if pool.borrowed.0 > 0 {
        // Whoever lent is not kept waiting by others for whom there is nothing to take.
        let is_covered = |(group, _): &(Arc<Group>, Offset)| {
            pool.covered_by(&group.tenant, group.need.total_gpu_milli()).is_some()
        };
        let covered = firsts_in_order(pool, now).filter(is_covered).filter(may).map(found);
        let more = covered.filter(may_pay).map(name).filter(|id| !all.contains(id));
        let more: Vec<_> = more.take(PREEMPTORS_MAX).collect();
        all.extend(more);
    }
    let newcomers = newcomers.iter().filter_map(waits).filter(may).map(found).filter(may_pay);
    let more = newcomers.map(name).filter(|id| !all.contains(id)).take(PREEMPTORS_MAX);
    let more: Vec<_> = more.collect();
    all.extend(more);
    all
}

fn is_within_limit(pool: &Pool, group: &Group) -> bool {
    let may = may_grant(pool, &Demand::of_group(group));
    !matches!(may, Err(QuotaBlock::Limit { .. }))
}
