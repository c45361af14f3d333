//! The order of a queue, sorted anew from every request that waits.

mod common;

use common::{config, streams, streams_of_groups, streams_of_reservations};
use conclave_core::state::{Pool, Request};
use conclave_core::units::TimeMs;
use proptest::prelude::*;
use std::cmp::Reverse;

fn check_order(pool: &Pool, now: TimeMs) {
    let place = |request: &&Request| {
        let key = pool.half_life_ms.map(|_| pool.fair_key(&request.ask.tenant, now));
        (Reverse(request.ask.priority), key, request.arrival)
    };
    let waits = |request: &&Request| request.waits_since().is_some();
    let mut waiting: Vec<&Request> = pool.requests.values().filter(waits).collect();
    waiting.sort_by_cached_key(place);
    let order: Vec<_> = pool.in_order(now).map(|(.., waiter)| &waiter.request).collect();
    let sorted: Vec<_> = waiting.iter().map(|request| &request.ask.request).collect();
    assert_eq!(order, sorted);
    for (place, request) in waiting.iter().enumerate() {
        let own = pool.group_of(request).need;
        let before = pool.groups_before(request, now);
        assert_eq!(before.iter().map(|(_, count)| count).sum::<usize>(), place, "{request:?}");
        let is_rival = |other: &Request| pool.group_of(other).need.shares_a_model_with(&own);
        let rivals: Vec<_> = waiting.iter().filter(|other| is_rival(other)).collect();
        let rivals: Vec<_> = rivals.into_iter().map(|other| &other.ask.request).collect();
        let among = pool.in_order_among(now, |group| group.need.shares_a_model_with(&own));
        assert_eq!(among.map(|(.., waiter)| &waiter.request).collect::<Vec<_>>(), rivals);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_queue_is_in_order_of_priority_then_fair_share_then_arrival(
        stream in prop_oneof![streams(), streams_of_groups(), streams_of_reservations()],
    ) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            world.state.pools.values().for_each(|pool| check_order(pool, world.state.time_ms));
        }
    }
}
