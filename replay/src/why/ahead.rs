//! Who stands before a waiting request, and by which rule.

use conclave_core::state::{State, Waiter};
use conclave_core::units::PoolId;
use serde::Serialize;

/// Requests that are named one by one.
const NAMED_MAX: usize = 5;

/// Those before a request in the order of its queue.
#[derive(Serialize)]
pub(super) struct Ahead {
    /// Its place in the order, from 1.
    pub(super) place: usize,
    /// How many stand before it because their priority is higher.
    pub(super) by_priority: usize,
    /// How many of its own priority stand before it because they came earlier.
    pub(super) by_arrival: usize,
    /// The first of them.
    pub(super) first: Vec<String>,
}

impl Ahead {
    /// None when the request does not wait in the queue.
    pub(super) fn of(state: &State, pool: &PoolId, request: &str) -> Option<Self> {
        let queue = &state.pools.get(pool)?.queue;
        let mut before: Vec<(i64, &Waiter)> = Vec::new();
        for (group, _, waiter) in queue.in_order() {
            let priority = group.priority.0;
            if waiter.request.0 == *request {
                let by_priority = before.iter().filter(|(other, _)| *other > priority).count();
                let named = before.iter().take(NAMED_MAX);
                return Some(Self {
                    place: before.len() + 1,
                    by_priority,
                    by_arrival: before.len() - by_priority,
                    first: named.map(|(_, waiter)| waiter.request.to_string()).collect(),
                });
            }
            before.push((priority, waiter));
        }
        None
    }
}
