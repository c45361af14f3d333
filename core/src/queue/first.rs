//! Who of a queue is asked next: the first of each group, in the order of the queue.

use super::place::{Found, find_place};
use crate::fairness::{FairKey, FairOrder};
use crate::state::{Group, Pool, Waiters};
use crate::units::{DurationMs, Offset, RequestId, TimeMs};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The first of a group, by its place in the order; or somebody for whom room was made.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct First {
    /// Before all others.
    pub(super) is_served: Reverse<bool>,
    pub(super) priority: Reverse<i64>,
    pub(super) fair_key: FairKey,
    pub(super) arrival: Offset,
    pub(super) group: Arc<Group>,
    /// Those of its group whose work takes as long cannot start, as was seen.
    pub(super) too_long: Option<DurationMs>,
}

impl First {
    pub(super) fn of_served(pool: &Pool, id: &RequestId) -> Reverse<Self> {
        let request = &pool.requests[id];
        let (priority, arrival) = (Reverse(request.ask.priority), request.arrival);
        let (is_served, group) = (Reverse(true), Arc::new(pool.group_of(request)));
        Reverse(Self {
            is_served,
            priority,
            fair_key: FairKey::default(),
            arrival,
            group,
            too_long: None,
        })
    }
}

pub(super) fn firsts_of_groups(pool: &Pool, order: &mut FairOrder) -> BinaryHeap<Reverse<First>> {
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
    Some(Reverse(First { is_served, priority, fair_key, arrival, group, too_long: None }))
}

/// Who comes next in a group after `started` did: the first, or the next whose lease is short
/// enough.
pub(super) fn next_of(
    pool: &Pool,
    started: &First,
    order: &mut FairOrder,
) -> Option<Reverse<First>> {
    let Some(length) = started.too_long else { return first_of(pool, &started.group, order) };
    let Reverse(next) = shorter_of(pool, started, length)?;
    Some(Reverse(First { fair_key: order.key(pool, &next.group.tenant), ..next }))
}

/// The next of a group after `before` whose work takes less than `length`.
pub(super) fn shorter_of(
    pool: &Pool,
    before: &First,
    length: DurationMs,
) -> Option<Reverse<First>> {
    let waiters = pool.queue.groups().get(&before.group)?;
    let (arrival, _) = waiters.next_shorter(before.arrival, length)?;
    let (priority, fair_key, group) =
        (before.priority, before.fair_key.clone(), before.group.clone());
    let (is_served, too_long) = (Reverse(false), Some(length));
    Some(Reverse(First { is_served, priority, fair_key, arrival, group, too_long }))
}

/// The next of a group whose lease is shorter than that of `failed`, which ran into what is
/// reserved: none unless the shortest fits.
pub(super) fn shorter_that_fits(
    pool: &mut Pool,
    failed: &First,
    now: TimeMs,
) -> Option<Reverse<First>> {
    // Leases are no longer than the pool lets them.
    let length = pool.waiter(&failed.group, failed.arrival).ask.expected_duration_ms;
    let length = length.min(pool.policy.lease_max_ms);
    let shortest = pool.queue.groups().get(&failed.group)?.shortest()?;
    if shortest.expected_duration_ms >= length {
        return None;
    }
    let shortest = shortest.request.clone();
    if !matches!(find_place(pool, &shortest, now), Found::At(..)) {
        return None;
    }
    shorter_of(pool, failed, length)
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
