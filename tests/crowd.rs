//! Ten thousand requests that wait on a large fleet: what it takes to say so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/story/mod.rs"]
mod story;

use conclave::report::pools::PoolReport;
use conclave::report::queue::QueueReport;
use conclave::report::quotas::QuotasReport;
use conclave::report::requests::RequestsReport;
use conclave::report::status::StatusReport;
use conclave::report::viewer::Viewer;
use conclave_core::command::SetPoolPolicy;
use conclave_core::state::State;
use conclave_core::units::{CpuMilli, Hash32, PoolId};
use std::time::{Duration, Instant};
use story::{HOUR, Story, ask, node, policy, quota, set};

const NODES: usize = 1_213;
const WAITERS: i64 = 10_000;
/// The middle of a few runs: others may be using the machine.
const TIMES: usize = 5;

/// Everything is taken, and no two of those who wait want the same.
fn crowd() -> State {
    let rules = SetPoolPolicy { queue_max: 20_000, ..policy() };
    let mut pool = Story::given([set(rules), quota("t", 0, 9_000_000), quota("u", 0, 9)]);
    for n in 0..NODES {
        let node = pool.command(node(&format!("n{n:05}"), 8, ["A", "B", "C", "D"][n % 4]));
        pool.decide_unchecked(0, vec![node]);
    }
    for n in 0..NODES {
        let full = pool.command(ask(&format!("full{n:05}"), "t").gpus(8).hours(40).no_cpu().into());
        pool.decide_unchecked(0, vec![full]);
    }
    for n in 0..WAITERS {
        let mut waiter = ask(&format!("w{n:05}"), "t").on(&["B", "D"]).priority(1 + n % 10);
        waiter.0.cpu_milli = CpuMilli(n + 1);
        let waiter = pool.command(waiter.into());
        // The first half has waited for W at the end, and the last one brings the time for it.
        let at_ms = if n < WAITERS / 2 { 1 } else { HOUR / 2 };
        let at_ms = if n == WAITERS - 1 { HOUR + 2 } else { at_ms };
        pool.decide_unchecked(at_ms, vec![waiter]);
    }
    pool.state
}

#[track_caller]
fn within<T>(bound_ms: u64, what: &str, report: impl Fn() -> T) {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            let _report = report();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what}: {:?}", times[TIMES / 2]);
    assert!(times[TIMES / 2] < Duration::from_millis(bound_ms), "{what}: {times:?}");
}

#[test]
fn a_crowd_is_reported_in_milliseconds() {
    let (state, p, all) = (crowd(), PoolId::from(story::POOL), Viewer::Everything);
    let waiting = QueueReport::of(&state, &p, &all, 100).unwrap();
    assert_eq!((waiting.waiting, waiting.queue.len()), (WAITERS, 100));
    let blockers = waiting.queue.iter().map(|row| &row.blocked_by.as_ref().unwrap()["blocker"]);
    assert!(blockers.clone().any(|blocker| blocker == "no_room"), "{waiting:?}");
    within(20, "status", || StatusReport::of(&state, Hash32::default(), &all));
    within(20, "pool", || PoolReport::of(&state, &p, &all).unwrap());
    within(20, "queue, first 100", || QueueReport::of(&state, &p, &all, 100).unwrap());
    within(20, "quotas", || QuotasReport::of(&state, &p, &all).unwrap());
    within(50, "requests, first 100", || RequestsReport::of(&state, &p, &all, None, 100).unwrap());
}
