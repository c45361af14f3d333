//! Granting those who wait, in one documented order: priority descending, then arrival; or in a
//! pool with fair share priority, then the tenant that has used least for its weight, then arrival.
//!
//! - Whoever fits starts, in that order; somebody who does not fit is passed by smaller ones, but
//!   not for ever: see [`overtaking`](crate::overtaking).
//! - After every decision without carry-over nobody waits who could start. That is why a newcomer
//!   only has to be tried alone when nothing was freed.

use crate::command::RequestAllocation;
use crate::decision::{
    BudgetAwaited, Event, LeaseGranted, Placement, QueueCarriedOver, QueueCaughtUp,
};
use crate::draft::{CARRIED_POOLS_MAX, Draft};
use crate::fairness::{FairKey, FairOrder};
use crate::limits::TIME_MS_MAX;
use crate::no_place::NoPlace;
use crate::overtaking::Barriers;
use crate::placement::{Fleet, Gang, Placer, Spot, seed_of};
use crate::preemption::{Search, preempt_for_waiters};
use crate::quota::{Demand, may_grant};
use crate::state::{Group, Pool, Waiters};
use crate::units::{GpuModel, Offset, PoolId, RequestId, TimeMs};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Grants whatever this decision made possible. What has no room in it is carried over.
pub(crate) fn work_off_queues(draft: &mut Draft) {
    let carried = draft.state.carried_over.iter().take(CARRIED_POOLS_MAX).cloned();
    let mut pools: BTreeSet<PoolId> = carried.collect();
    pools.append(&mut draft.freed.clone());
    let timers_are_left = draft.state.overdue_timer().is_some();
    for pool in &pools {
        if timers_are_left || !grant_waiters(draft, pool) {
            carry_over(draft, pool);
        } else if draft.state.carried_over.contains(pool) {
            draft.emit(Event::QueueCaughtUp(QueueCaughtUp { pool: pool.clone() }));
        }
    }
    let mut newcomers: BTreeMap<PoolId, Vec<RequestId>> = BTreeMap::new();
    for (pool, request) in draft.newcomers.clone() {
        newcomers.entry(pool).or_default().push(request);
    }
    for (pool, requests) in &newcomers {
        if pools.contains(pool) || draft.state.carried_over.contains(pool) {
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
    let [id] = ids else { return grant_waiters(draft, pool_id) };
    let pool = draft.state.pool(pool_id);
    let Some(request) = pool.request(id).filter(|request| request.lease().is_none()) else {
        return true;
    };
    let mut barriers = Barriers::of(pool, draft.now);
    let look = changes_by_time(pool, &request.ask, draft.now);
    let look = [pool.budget_look_ms, look].into_iter().flatten().min();
    if barriers.before(pool, request).is_some() {
        look_again_at(draft, pool_id, look);
        return true;
    }
    if may_grant(pool, &Demand::of(request)).is_err() {
        look_again_at(draft, pool_id, look);
        return make_room(draft, pool_id, ids);
    }
    if pool.over_budget(&request.ask, draft.now).is_some() {
        let fits_at = pool.fits_budget_at(&request.ask, draft.now);
        look_again_at(draft, pool_id, [look, fits_at].into_iter().flatten().min());
        return true;
    }
    match try_grant(draft, pool_id, id) {
        Try::NoRoom => false,
        Try::NoPlace => {
            look_again_at(draft, pool_id, look);
            make_room(draft, pool_id, ids)
        }
        Try::Granted if barriers.after_grant(draft.state.pool(pool_id), draft.now) => {
            grant_waiters(draft, pool_id)
        }
        Try::Granted => true,
    }
}

/// Has leases end for newcomers that did not start; where they end at once, goes on with the queue.
/// Returns whether all is done.
fn make_room(draft: &mut Draft, pool: &PoolId, newcomers: &[RequestId]) -> bool {
    match preempt_for_waiters(draft, pool, newcomers) {
        Search::Nothing => true,
        Search::NoRoom => false,
        Search::Freed => grant_waiters(draft, pool),
    }
}

/// Goes through the queue in order until nobody who waits could start. Returns whether all is done.
fn grant_waiters(draft: &mut Draft, pool: &PoolId) -> bool {
    loop {
        match walk(draft, pool) {
            Walk::Ended { look } => match preempt_for_waiters(draft, pool, &[]) {
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

/// One walk along the queue. Once the first of a group cannot start, none of the group can. Grants
/// only take away: whoever found no place, or none beside what is promised to others, finds none
/// later. Only those wait for more whom a barrier kept back that is gone.
fn walk(draft: &mut Draft, pool_id: &PoolId) -> Walk {
    let pool = draft.state.pool(pool_id);
    let mut barriers = Barriers::of(pool, draft.now);
    let mut order = FairOrder::of(pool, draft.now);
    let (mut firsts, mut no_place) = (firsts_of_groups(pool, &mut order), NoPlace::default());
    let stand_twice = !pool.preemption.served.is_empty();
    firsts.extend(pool.preemption.served.iter().map(|served| First::of_served(pool, served)));
    // Whom a barrier keeps back, and who waits for a budget, which has to be asked again then.
    let (mut kept_back, mut awaiting, mut look) = (vec![], vec![], None);
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
        if barriers.keep_back(pool, first.arrival, &first.group) {
            kept_back.push(Reverse(first));
            continue;
        }
        let demand = Demand::of_group(&first.group);
        let is_too_large = terms.is_none() && demand.gpu_milli > pool.free_gpu_milli();
        if is_too_large || may_grant(pool, &demand).is_err() || no_place.rules_out(need) {
            continue;
        }
        let request = pool.waiter(&first.group, first.arrival);
        // Without terms neither a budget nor a cap counts.
        if terms.is_some() && pool.over_budget(&request.ask, draft.now).is_some() {
            let fits_at = pool.fits_budget_at(&request.ask, draft.now);
            look = [look, fits_at].into_iter().flatten().min();
            awaiting.push(Reverse(first));
            continue;
        }
        let ask_has_cap = request.ask.budget_cap_micro_usd.is_some();
        let id = request.ask.request.clone();
        match try_grant(draft, pool_id, &id) {
            Try::NoRoom => return Walk::NoRoom,
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
                firsts.extend(first_of(pool, &first.group, &mut order));
            }
        }
    }
    Walk::Ended { look }
}

/// The first of a group, by its place in the order; or somebody for whom room was made.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct First {
    /// Before all others.
    is_served: Reverse<bool>,
    priority: Reverse<i64>,
    fair_key: FairKey,
    arrival: Offset,
    group: Arc<Group>,
}

impl First {
    fn of_served(pool: &Pool, id: &RequestId) -> Reverse<Self> {
        let request = &pool.requests[id];
        let (priority, arrival) = (Reverse(request.ask.priority), request.arrival);
        let (is_served, group) = (Reverse(true), Arc::new(pool.group_of(request)));
        Reverse(Self { is_served, priority, fair_key: FairKey::default(), arrival, group })
    }
}

fn firsts_of_groups(pool: &Pool, order: &mut FairOrder) -> BinaryHeap<Reverse<First>> {
    let groups = pool.queue.groups().iter();
    groups.filter_map(|(group, waiters)| first_among(pool, group, waiters, order)).collect()
}

fn first_of(pool: &Pool, group: &Arc<Group>, order: &mut FairOrder) -> Option<Reverse<First>> {
    first_among(pool, group, pool.queue.groups().get(group)?, order)
}

fn first_among(
    pool: &Pool,
    group: &Arc<Group>,
    waiters: &Waiters,
    order: &mut FairOrder,
) -> Option<Reverse<First>> {
    let (arrival, _) = waiters.first_key_value()?;
    let (priority, fair_key) = (group.priority, order.key(pool, &group.tenant));
    let (arrival, group, is_served) = (*arrival, Arc::clone(group), Reverse(false));
    Some(Reverse(First { is_served, priority, fair_key, arrival, group }))
}

/// The first of each group that waits, in the order of the queue: priority by priority, for whoever
/// does not need all of them.
pub(crate) fn firsts_in_order(
    pool: &Pool,
    now: TimeMs,
) -> impl Iterator<Item = (Arc<Group>, Offset)> {
    let mut order = FairOrder::of(pool, now);
    // Groups are kept by priority, the highest first.
    let mut left = pool.queue.groups().iter().peekable();
    let mut firsts: BinaryHeap<Reverse<First>> = BinaryHeap::new();
    std::iter::from_fn(move || {
        if firsts.is_empty() {
            let (highest, _) = left.peek()?;
            let priority = highest.priority;
            let is_of_it = |(group, _): &(&Arc<Group>, &Waiters)| group.priority == priority;
            while let Some((group, waiters)) = left.next_if(is_of_it) {
                firsts.extend(first_among(pool, group, waiters, &mut order));
            }
        }
        firsts.pop().map(|Reverse(first)| (first.group, first.arrival))
    })
}

enum Try {
    Granted,
    NoPlace,
    NoRoom,
}

fn try_grant(draft: &mut Draft, pool_id: &PoolId, id: &RequestId) -> Try {
    let now = draft.now;
    let pool = draft.state.pool_mut(pool_id);
    let ask = &pool.requests[id].ask;
    let replicas = usize::try_from(ask.replicas).expect("a gang is bounded");
    let Some((gpu_model, replicas_at)) = place(pool, id, now) else { return Try::NoPlace };
    let ends_at_ms = pool.lease_end(&pool.requests[id].ask, now);
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
    Try::Granted
}

/// Nodes for a whole gang: the first model of its preference that can hold it.
fn place(pool: &mut Pool, id: &RequestId, now: TimeMs) -> Option<(GpuModel, Vec<Placement>)> {
    // Most requests have no cap: then nothing is copied.
    let paid = pool.affordable(&pool.requests[id].ask, now)?;
    let paid = match paid {
        Cow::Borrowed(_) => None,
        Cow::Owned(ask) => Some(ask),
    };
    let Pool { fleet, placer, requests, .. } = pool;
    place_gang(fleet, placer, paid.as_ref().unwrap_or_else(|| &requests[id].ask))
}

/// The same for a request that need not be of the pool yet. The fleet stays as it is.
pub(crate) fn place_gang(
    fleet: &mut Fleet,
    placer: &mut Placer,
    ask: &RequestAllocation,
) -> Option<(GpuModel, Vec<Placement>)> {
    let seed = seed_of(&ask.request.0);
    let spots = preferences(ask)
        .find_map(|models| placer.choose_gang(fleet, &Gang::of(ask, models), seed))?;
    let replicas = spots.iter().map(|spot| Placement {
        node: fleet.node(spot.node).id().clone(),
        gpus: spot.gpus.indices(),
    });
    Some((common_model(fleet, ask, &spots), replicas.collect()))
}

/// The sets of models to try, in order: each acceptable model alone, or any.
pub(crate) fn preferences(ask: &RequestAllocation) -> impl Iterator<Item = &[GpuModel]> {
    let any = ask.gpu_count == 0 || ask.gpu_models.is_empty();
    let each = if any { &[] } else { ask.gpu_models.as_slice() };
    let no_wish: Option<&[GpuModel]> = any.then_some(&[]);
    each.iter().map(std::slice::from_ref).chain(no_wish)
}

fn common_model(fleet: &Fleet, ask: &RequestAllocation, spots: &[Spot]) -> GpuModel {
    let model = |spot: &Spot| fleet.model_of(fleet.node(spot.node));
    let first = model(spots.first().expect("a gang has a replica"));
    let is_common = ask.gpu_count > 0 && spots.iter().all(|spot| model(spot) == first);
    if is_common { first.clone() } else { GpuModel::default() }
}
