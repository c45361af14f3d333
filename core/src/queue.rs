//! Granting those who wait, in one documented order: priority descending, then arrival.
//!
//! - Whoever fits starts, in that order; somebody who does not fit is passed by smaller ones.
//! - Bounded overtaking: the *head* is the first in the order that waits for capacity: once enough
//!   of the others' leases ended it would start, which neither its tenant's quota nor the size of
//!   the pool forbids. Once it has waited W (`wait_bound_ms`), nobody who arrived later and could
//!   want one of its GPU models is granted anything until it starts.
//! - After every decision without carry-over nobody waits who could start. That is why a newcomer
//!   only has to be tried alone when nothing was freed.

use crate::blocker::could_ever_hold;
use crate::command::RequestAllocation;
use crate::decision::{Event, LeaseGranted, Placement, QueueCarriedOver, QueueCaughtUp};
use crate::draft::{CARRIED_POOLS_MAX, Draft};
use crate::limits::TIME_MS_MAX;
use crate::placement::{Fleet, Shape, Spot, seed_of};
use crate::quota::{self, may_grant};
use crate::state::{GangNeed, Group, Pool, Request, Stage, Waiter};
use crate::units::{GpuModel, Offset, PoolId, RequestId, TimeMs};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// The head of a queue when it has waited so long that later arrivals must not overtake it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The request that waits.
    pub request: RequestId,
    arrival: Offset,
    need: GangNeed,
}

impl Barrier {
    /// Whether it keeps a request back.
    #[must_use]
    pub fn keeps_back(&self, arrival: Offset, need: &GangNeed) -> bool {
        arrival > self.arrival && need.shares_a_model_with(&self.need)
    }
}

/// The pool's barrier at `now`, if its head has waited long enough.
#[must_use]
pub fn barrier(pool: &Pool, now: TimeMs) -> Option<Barrier> {
    barrier_beside(pool, now, None)
}

/// The same as if `newcomer` had not come.
fn barrier_beside(pool: &Pool, now: TimeMs, newcomer: Option<&RequestId>) -> Option<Barrier> {
    let (group, arrival, waiter) = head_beside(pool, newcomer)?;
    has_waited_enough(pool, waiter.since_ms, now).then(|| Barrier {
        request: waiter.request.clone(),
        arrival,
        need: group.need.clone(),
    })
}

/// The first in the order, `newcomer` left out, that waits for capacity.
fn head_beside<'a>(
    pool: &'a Pool,
    newcomer: Option<&RequestId>,
) -> Option<(&'a Group, Offset, &'a Waiter)> {
    let mut first: Option<(&Group, Offset, &Waiter)> = None;
    for (group, waiters) in pool.queue.groups() {
        // Groups come by priority: once one was found, a lower priority cannot stand before it.
        if first.is_some_and(|(found, ..)| found.priority != group.priority) {
            break;
        }
        let mut others = waiters.iter().filter(|(_, waiter)| Some(&waiter.request) != newcomer);
        let Some((arrival, waiter)) = others.next() else { continue };
        let is_earlier = first.is_none_or(|(_, earliest, _)| *arrival < earliest);
        if is_earlier && waits_for_capacity(pool, &pool.requests[&waiter.request]) {
            first = Some((group, *arrival, waiter));
        }
    }
    first
}

fn waits_for_capacity(pool: &Pool, request: &Request) -> bool {
    let ask = &request.ask;
    quota::waits_for_capacity(pool, &ask.tenant, ask.total_gpu_milli())
        && could_ever_hold(pool, ask)
}

fn is_head(pool: &Pool, id: &RequestId) -> bool {
    head_beside(pool, None).is_some_and(|(_, _, waiter)| waiter.request == *id)
}

fn has_waited_enough(pool: &Pool, since_ms: TimeMs, now: TimeMs) -> bool {
    since_ms.plus(pool.policy.wait_bound_ms) <= now
}

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

/// Nobody else could start before the newcomers came: a single one is tried alone, unless it
/// changes what the others may. Returns whether all is done.
fn grant_newcomers(draft: &mut Draft, pool_id: &PoolId, ids: &[RequestId]) -> bool {
    let [id] = ids else { return grant_waiters(draft, pool_id) };
    let pool = draft.state.pool(pool_id);
    let Some(request) = pool.request(id).filter(|request| request.lease().is_none()) else {
        return true;
    };
    let need = Group::of(&request.ask).need;
    let barrier = barrier_beside(pool, draft.now, Some(id));
    if let Some(barrier) = &barrier {
        if is_head(pool, id) {
            // It stands before the head of until now, whose barrier is gone: others may pass.
            return grant_waiters(draft, pool_id);
        }
        if barrier.keeps_back(request.arrival, &need) {
            return true;
        }
    }
    if may_grant(pool, &request.ask.tenant, need.total_gpu_milli()).is_err() {
        return true;
    }
    match try_grant(draft, pool_id, id) {
        Try::NoRoom => false,
        Try::NoPlace => true,
        // The grant may have used up the quota of the head: then its barrier is gone.
        Try::Granted if barrier.is_some() => grant_waiters(draft, pool_id),
        Try::Granted => true,
    }
}

/// Goes through the queue in order until nobody who waits could start. Returns whether all is done.
fn grant_waiters(draft: &mut Draft, pool: &PoolId) -> bool {
    loop {
        match pass(draft, pool) {
            // A grant can use up the quota of a barrier's tenant, and so lift the barrier.
            Pass { ended: true, had_barrier: true, granted: true } => {}
            Pass { ended, had_barrier: _, granted: _ } => return ended,
        }
    }
}

struct Pass {
    ended: bool,
    had_barrier: bool,
    granted: bool,
}

/// One walk along the queue. Once the first of a group cannot start, none of the group can.
fn pass(draft: &mut Draft, pool_id: &PoolId) -> Pass {
    let mut firsts = firsts_of_groups(draft.state.pool(pool_id));
    let mut no_place: BTreeSet<GangNeed> = BTreeSet::new();
    let (mut head_found, mut held_back) = (false, None::<Barrier>);
    let mut granted = false;
    while let Some(Reverse((_, arrival, id))) = firsts.pop() {
        let pool = draft.state.pool(pool_id);
        let request = &pool.requests[&id];
        let group = Group::of(&request.ask);
        let may_start = may_grant(pool, &group.tenant, group.need.total_gpu_milli()).is_ok();
        let is_kept_back = held_back.as_ref().is_some_and(|b| b.keeps_back(arrival, &group.need));
        if is_kept_back || (head_found && !may_start) {
            continue;
        }
        let outcome = match may_start && !no_place.contains(&group.need) {
            true => try_grant(draft, pool_id, &id),
            false => Try::NoPlace,
        };
        match outcome {
            Try::NoRoom => return Pass { ended: false, had_barrier: false, granted },
            Try::Granted => {
                granted = true;
                firsts.extend(first_of(draft.state.pool(pool_id), &group));
            }
            Try::NoPlace => {
                let pool = draft.state.pool(pool_id);
                if !head_found && waits_for_capacity(pool, &pool.requests[&id]) {
                    head_found = true;
                    held_back = barrier_of(draft, pool_id, id, arrival, &group.need);
                }
                if may_start {
                    no_place.insert(group.need);
                }
            }
        }
    }
    Pass { ended: true, had_barrier: held_back.is_some(), granted }
}

type First = Reverse<(Reverse<i64>, Offset, RequestId)>;

fn firsts_of_groups(pool: &Pool) -> BinaryHeap<First> {
    pool.queue.groups().keys().filter_map(|group| first_of(pool, group)).collect()
}

fn first_of(pool: &Pool, group: &Group) -> Option<First> {
    let (arrival, waiter) = pool.queue.groups().get(group)?.first_key_value()?;
    Some(Reverse((group.priority, *arrival, waiter.request.clone())))
}

fn barrier_of(
    draft: &Draft,
    pool_id: &PoolId,
    request: RequestId,
    arrival: Offset,
    need: &GangNeed,
) -> Option<Barrier> {
    let pool = draft.state.pool(pool_id);
    let since_ms = waiting_since(&pool.requests[&request]);
    let need = need.clone();
    has_waited_enough(pool, since_ms, draft.now).then_some(Barrier { request, arrival, need })
}

fn waiting_since(request: &Request) -> TimeMs {
    let Stage::Waiting { since_ms } = request.stage else {
        panic!("{} is in the queue and stands as {:?}", request.ask.request, request.stage);
    };
    since_ms
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
    let Some((gpu_model, replicas_at)) = place(pool, id) else { return Try::NoPlace };
    let policy = &pool.policy;
    let term_ms = pool.requests[id].ask.expected_duration_ms.min(policy.lease_max_ms);
    let ends_at_ms = now.plus(term_ms).plus(policy.lease_grace_ms).min(TIME_MS_MAX);
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
fn place(pool: &mut Pool, id: &RequestId) -> Option<(GpuModel, Vec<Placement>)> {
    let Pool { fleet, placer, requests, .. } = pool;
    let ask = &requests[id].ask;
    let seed = seed_of(&id.0);
    let spots = preferences(ask).find_map(|models| {
        placer.choose_gang(fleet, &Shape::of(ask, models), ask.replicas, seed)
    })?;
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
