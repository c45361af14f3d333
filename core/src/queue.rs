//! Granting those who wait, in one documented order: priority descending, then arrival; or in a
//! pool with fair share priority, then the tenant that has used least for its weight, then arrival.
//!
//! - Whoever fits starts, in that order; somebody who does not fit is passed by smaller ones, but
//!   not for ever: see [`overtaking`](crate::overtaking).
//!   Whoever came later and ends before one who is protected could start passes him all the same:
//!   see `backfill.rs`.
//! - After every decision without carry-over nobody waits who could start. That is why a newcomer
//!   only has to be tried alone when nothing was freed.

mod first;
mod place;

pub(crate) use first::firsts_in_order;
pub(crate) use place::{Found, place_beside, place_gang, preferences};

use crate::backfill::{Backfill, LengthLimit, Past};
use crate::command::RequestAllocation;
use crate::decision::{
    BudgetAwaited, Event, LeaseGranted, LeaseLetPast, QueueCarriedOver, QueueCaughtUp,
};
use crate::draft::{CARRIED_POOLS_MAX, Draft};
use crate::fairness::FairOrder;
use crate::limits::TIME_MS_MAX;
use crate::no_place::NoPlace;
use crate::overtaking::Barriers;
use crate::preemption::{Search, preempt_for_waiters};
use crate::quota::{Demand, may_grant};
use crate::state::{Group, LetPast, Pool};
use crate::units::{PoolId, RequestId, TimeMs};
use first::{First, firsts_of_groups, next_of, shorter_of, shorter_that_fits};
use place::find_place;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Grants whatever this decision made possible. What has no room in it is carried over.
pub(crate) fn work_off_queues(draft: &mut Draft) {
    let carried = draft.state.carried_over.iter().take(CARRIED_POOLS_MAX).cloned();
    let mut pools: BTreeSet<PoolId> = carried.collect();
    pools.append(&mut draft.freed.clone());
    let timers_are_left = draft.state.overdue_timer().is_some();
    let mut newcomers: BTreeMap<PoolId, Vec<RequestId>> = BTreeMap::new();
    for (pool, request) in draft.newcomers.clone() {
        newcomers.entry(pool).or_default().push(request);
    }
    for pool in &pools {
        let came = newcomers.remove(pool).unwrap_or_default();
        if timers_are_left || !grant_waiters(draft, pool, &came) {
            carry_over(draft, pool);
        } else if draft.state.carried_over.contains(pool) {
            draft.emit(Event::QueueCaughtUp(QueueCaughtUp { pool: pool.clone() }));
        }
    }
    for (pool, requests) in &newcomers {
        if draft.state.carried_over.contains(pool) {
            continue;
        }
        if timers_are_left || !grant_newcomers(draft, pool, requests) {
            carry_over(draft, pool);
        }
    }
}

fn carry_over(draft: &mut Draft, pool: &PoolId) {
    let somebody_waits = draft.state.pools.get(pool).is_some_and(|pool| !pool.queue.is_empty());
    if somebody_waits && !draft.state.carried_over.contains(pool) {
        draft.emit(Event::QueueCarriedOver(QueueCarriedOver { pool: pool.clone() }));
    }
}

/// Nobody else could start before the newcomers came, and they take no protection away: a single
/// one is tried alone. Returns whether all is done.
fn grant_newcomers(draft: &mut Draft, pool_id: &PoolId, ids: &[RequestId]) -> bool {
    let [id] = ids else { return grant_waiters(draft, pool_id, ids) };
    let pool = draft.state.pool(pool_id);
    let Some(request) = pool.request(id).filter(|request| request.lease().is_none()) else {
        return true;
    };
    let mut barriers = Barriers::of(pool, draft.now);
    let look = changes_by_time(pool, &request.ask, draft.now);
    let look = [pool.budget_look_ms, look].into_iter().flatten().min();
    let is_kept_back = barriers.before(pool, request).is_some();
    if is_kept_back && !Backfill::is_on(draft.state) {
        look_again_at(draft, pool_id, look);
        return true;
    }
    if pool.may_start(request, draft.now).is_err() {
        look_again_at(draft, pool_id, look);
        return is_kept_back || make_room(draft, pool_id, ids);
    }
    if pool.over_budget(&request.ask, draft.now).is_some() {
        let fits_at = pool.fits_budget_at(&request.ask, draft.now).filter(|_| !is_kept_back);
        look_again_at(draft, pool_id, [look, fits_at].into_iter().flatten().min());
        return true;
    }
    let mut backfill = Backfill::default();
    let past = is_kept_back.then_some((&barriers, &mut backfill));
    match try_grant(draft, pool_id, id, past) {
        Try::NoRoom => false,
        Try::NoPlace | Try::Reserved | Try::TooLong(_) => {
            look_again_at(draft, pool_id, look);
            is_kept_back || make_room(draft, pool_id, ids)
        }
        Try::Granted if barriers.after_grant(draft.state.pool(pool_id), draft.now) => {
            grant_waiters(draft, pool_id, ids)
        }
        // What it took may be what others were kept back for: now they wait for room.
        Try::Granted => make_room(draft, pool_id, ids),
    }
}

/// Has leases end for newcomers that did not start; where they end at once, goes on with the queue.
/// Returns whether all is done.
fn make_room(draft: &mut Draft, pool: &PoolId, newcomers: &[RequestId]) -> bool {
    match preempt_for_waiters(draft, pool, newcomers) {
        Search::Nothing => true,
        Search::NoRoom => false,
        Search::Freed => grant_waiters(draft, pool, newcomers),
    }
}

/// Goes through the queue in order until nobody who waits could start, and has leases end for those
/// who wait on, `newcomers` among them. Returns whether all is done.
fn grant_waiters(draft: &mut Draft, pool: &PoolId, newcomers: &[RequestId]) -> bool {
    loop {
        match walk(draft, pool) {
            Walk::Ended { look } => match preempt_for_waiters(draft, pool, newcomers) {
                Search::Nothing => {
                    let by_time = waiters_change_by_time(draft.state.pool(pool), draft.now);
                    look_again_at(draft, pool, [look, by_time].into_iter().flatten().min());
                    return true;
                }
                Search::NoRoom => return false,
                Search::Freed => {}
            },
            Walk::NoRoom => return false,
        }
    }
}

/// The queue is looked at again when time alone may let somebody start.
fn look_again_at(draft: &mut Draft, pool: &PoolId, look: Option<TimeMs>) {
    let until_ms = look.filter(|at_ms| *at_ms <= TIME_MS_MAX);
    if draft.state.pool(pool).budget_look_ms != until_ms {
        draft.emit(Event::BudgetAwaited(BudgetAwaited { pool: pool.clone(), until_ms }));
    }
}

/// When time alone changes what keeps `ask` waiting, or whom it keeps back: when its budget lets it
/// start at any moment from then on, or, where it has a cap, when prices change.
fn changes_by_time(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Option<TimeMs> {
    let always = pool.always_fits_budget_from(ask, now).filter(|from| *from > now);
    let cap = ask.budget_cap_micro_usd;
    let prices = cap.and_then(|_| pool.prices_change_at(now));
    [always, prices].into_iter().flatten().min()
}

/// The first such moment of all who wait. Without terms neither a budget nor a cap counts.
fn waiters_change_by_time(pool: &Pool, now: TimeMs) -> Option<TimeMs> {
    let with_terms = pool.queue.groups().iter().filter(|(group, _)| group.terms.is_some());
    let firsts = with_terms.filter_map(|(_, waiters)| waiters.first_key_value());
    let asks = firsts.map(|(_, waiter)| &pool.requests[&waiter.request].ask);
    asks.filter_map(|ask| changes_by_time(pool, ask, now)).min()
}

/// How a walk along the queue ended.
enum Walk {
    /// Nobody is left who could start.
    Ended {
        /// When the first of those may whom a budget makes wait.
        look: Option<TimeMs>,
    },
    /// The decision has no room for the next grant.
    NoRoom,
}

/// One walk along the queue. Once the first of a group cannot start, none of the group can, unless
/// it is for the length of its lease. Grants
/// only take away: whoever found no place, or none beside what is promised to others, finds none
/// later. Only those wait for more whom a barrier kept back that is gone.
fn walk(draft: &mut Draft, pool_id: &PoolId) -> Walk {
    let pool = draft.state.pool(pool_id);
    let mut barriers = Barriers::of(pool, draft.now);
    let mut order = FairOrder::of(pool, draft.now);
    let (mut firsts, mut no_place) = (firsts_of_groups(pool, &mut order), NoPlace::default());
    let mut stand_twice = !pool.preemption.served.is_empty();
    firsts.extend(pool.preemption.served.iter().map(|served| First::of_served(pool, served)));
    // Whom a barrier keeps back, and who waits for a budget, which has to be asked again then.
    let (mut kept_back, mut awaiting, mut look) = (vec![], vec![], None);
    let mut backfill = Backfill::default();
    while let Some(Reverse(first)) = firsts.pop() {
        let pool = draft.state.pool(pool_id);
        let Group { tenant, need, terms, .. } = &*first.group;
        if stand_twice && !pool.queue.holds(&first.group, first.arrival) {
            // For itself, and as the first of its group: it was granted meanwhile.
            continue;
        }
        if order.has_moved(pool, tenant) && first.is_served == Reverse(false) {
            let fair_key = order.key(pool, tenant);
            if fair_key > first.fair_key {
                // Its tenant was granted something since: others come first now.
                firsts.push(Reverse(First { fair_key, ..first }));
                continue;
            }
        }
        let is_kept_back = barriers.keep_back(pool, first.arrival, &first.group);
        if is_kept_back && !Backfill::is_on(draft.state) {
            kept_back.push(Reverse(first));
            continue;
        }
        if is_ruled_out(pool, &first.group, &no_place) {
            continue;
        }
        let request = pool.waiter(&first.group, first.arrival);
        if pool.may_start(request, draft.now).is_err() {
            continue;
        }
        // Without terms neither a budget nor a cap counts.
        if terms.is_some() && pool.over_budget(&request.ask, draft.now).is_some() {
            let fits_at = pool.fits_budget_at(&request.ask, draft.now).filter(|_| !is_kept_back);
            look = [look, fits_at].into_iter().flatten().min();
            awaiting.push(Reverse(first));
            continue;
        }
        let ask_has_cap = request.ask.budget_cap_micro_usd.is_some();
        let id = request.ask.request.clone();
        let past = is_kept_back.then_some((&barriers, &mut backfill));
        match try_grant(draft, pool_id, &id, past) {
            Try::NoRoom => return Walk::NoRoom,
            Try::TooLong(limit) => {
                firsts.extend(shorter_of(draft.state.pool(pool_id), &first, limit.0));
                stand_twice = true;
                kept_back.push(Reverse(first));
            }
            Try::Reserved => {
                let pool = draft.state.pool_mut(pool_id);
                firsts.extend(shorter_that_fits(pool, &first, draft.now));
                stand_twice = true;
            }
            // What it cannot pay for, others can.
            Try::NoPlace if ask_has_cap => {}
            Try::NoPlace => no_place.add(&draft.state.pool(pool_id).fleet, need.clone()),
            Try::Granted => {
                no_place.after_grant();
                let pool = draft.state.pool(pool_id);
                order.after_grant(pool, tenant);
                if barriers.after_grant(pool, draft.now) && !kept_back.is_empty() {
                    firsts.extend(kept_back.drain(..).chain(awaiting.drain(..)));
                    look = None;
                }
                firsts.extend(next_of(pool, &first, &mut order));
            }
        }
    }
    Walk::Ended { look }
}

/// Whether none of a group can start now, as far as is told without looking at any one of it.
fn is_ruled_out(pool: &Pool, group: &Group, no_place: &NoPlace) -> bool {
    let demand = Demand::of_group(group);
    let is_too_large = group.terms.is_none() && demand.gpu_milli > pool.free_gpu_milli();
    // What is reserved for a tenant needs no guarantee: whether it is, its request says.
    let may = || may_grant(pool, &demand).is_ok() || pool.has_active_reservation(&group.tenant);
    is_too_large || !may() || no_place.rules_out(&group.need)
}

enum Try {
    Granted,
    NoPlace,
    /// There is a place, but its lease would run into what is reserved for others.
    Reserved,
    /// There is a place, but with so long a lease nobody passes whoever is protected.
    TooLong(LengthLimit),
    NoRoom,
}

/// Grants a request if it has a place; past the barriers that keep it back, when some do, only a
/// lease that delays none of them.
fn try_grant(
    draft: &mut Draft,
    pool_id: &PoolId,
    id: &RequestId,
    backfill: Option<(&Barriers, &mut Backfill)>,
) -> Try {
    let now = draft.now;
    let pool = draft.state.pool_mut(pool_id);
    let ask = &pool.requests[id].ask;
    let replicas = usize::try_from(ask.replicas).expect("a gang is bounded");
    let (gpu_model, replicas_at) = match find_place(pool, id, now) {
        Found::At(gpu_model, replicas_at) => (gpu_model, replicas_at),
        Found::Reserved => return Try::Reserved,
        Found::Nowhere => return Try::NoPlace,
    };
    let ends_at_ms = pool.lease_end(&pool.requests[id].ask, now);
    let mut past = None;
    if let Some((barriers, backfill)) = backfill {
        match backfill.past(pool, barriers, &pool.requests[id], now) {
            Past::Free(let_past) => past = Some(let_past),
            Past::TooLong(limit) => return Try::TooLong(limit),
        }
    }
    if !draft.has_room_for_grant(replicas) {
        return Try::NoRoom;
    }
    draft.emit(Event::LeaseGranted(LeaseGranted {
        pool: pool_id.clone(),
        request: id.clone(),
        fencing: draft.offset,
        ends_at_ms,
        gpu_model,
        replicas: replicas_at,
    }));
    if let Some(LetPast { protected, until_ms, .. }) = past {
        let (pool, request) = (pool_id.clone(), id.clone());
        draft.emit(Event::LeaseLetPast(LeaseLetPast { pool, request, protected, until_ms }));
    }
    Try::Granted
}
