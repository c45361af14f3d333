//! Leases: how they end, move and shrink, and who may touch them.

mod story;

use conclave_core::command::{Payload, Role};
use conclave_core::units::GpuMilli;
use story::{HOUR, MINUTE, Story, ask, cancel, node, quota, release, renew, shrink};

/// The usual request runs for an hour and has a minute of grace.
const END: i64 = HOUR + MINUTE;

fn pool() -> Story {
    Story::given([node("a", 4, "A100"), node("b", 4, "A100"), quota("t", 0, 99), quota("u", 0, 9)])
}

#[test]
fn a_lease_ends_by_itself_a_grace_after_the_expected_duration() {
    let mut pool = pool();
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(END - 1, Payload::Tick, &[]);
    pool.check(END, Payload::Tick, &["r1 expires"]);
    pool.check(END, cancel("r1"), &["refused: unknown_request"]);
}

#[test]
fn no_lease_is_longer_than_the_pool_allows() {
    let mut pool = pool();
    pool.check(0, ask("r1", "t").hours(100), &["r1 runs on a"]);
    let fencing = pool.fencing("r1");
    pool.check(0, renew("r1", fencing, 48 * HOUR + 1), &["refused: exceeds_lease_max"]);
    pool.check(48 * HOUR + MINUTE, Payload::Tick, &["r1 expires"]);
}

#[test]
fn expired_leases_make_room_in_the_order_of_their_ends_before_the_command_is_looked_at() {
    let mut pool = pool();
    pool.check(0, ask("late", "t").gpus(4).hours(2), &["late runs on a"]);
    pool.check(0, ask("b-early", "t").gpus(2), &["b-early runs on b"]);
    pool.check(0, ask("a-early", "t").gpus(2), &["a-early runs on b"]);
    pool.check(0, ask("next", "t").gpus(4).replicas(2), &["next waits"]);
    // At one time by name, then by time.
    let ends = ["a-early expires", "b-early expires", "late expires", "next runs on a+b"];
    pool.check(9 * HOUR, Payload::Tick, &ends);
}

#[test]
fn a_renewal_counts_from_its_own_time_and_changes_the_fencing_number() {
    let mut pool = pool();
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    let granted = pool.fencing("r1");
    let renewed = format!("r1 runs until {}", 10 + 2 * HOUR);
    pool.check(10, renew("r1", granted, 2 * HOUR), &[&renewed]);
    assert!(pool.fencing("r1") > granted);
    pool.check(11, renew("r1", granted, 2 * HOUR), &["refused: stale_fencing"]);
    pool.check(11, release("r1", granted), &["refused: stale_fencing"]);
    pool.check(END, Payload::Tick, &[]);
    pool.check(10 + 2 * HOUR, Payload::Tick, &["r1 expires"]);
}

#[test]
fn a_renewal_at_the_end_or_after_it_comes_too_late() {
    for late in [0, 1, HOUR] {
        let mut pool = pool();
        pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
        let renewal = renew("r1", pool.fencing("r1"), HOUR);
        pool.check(END + late, renewal, &["refused: unknown_request", "r1 expires"]);
    }
}

#[test]
fn shrinking_keeps_the_first_replicas_and_starts_who_fits_into_the_others() {
    let mut pool = pool();
    pool.check(0, ask("gang", "t").gpus(2).replicas(4), &["gang runs on a+a+b+b"]);
    pool.check(0, ask("next", "t").gpus(3), &["next waits"]);
    let fencing = pool.fencing("gang");
    let before = pool.request("gang").lease().unwrap().replicas.clone();
    for (replicas, code) in [(0, "out_of_range"), (4, "not_smaller"), (5, "not_smaller")] {
        pool.check(1, shrink("gang", fencing, replicas), &[&format!("refused: {code}")]);
    }
    pool.check(1, shrink("gang", fencing, 2), &["gang keeps 2", "next runs on b"]);
    let lease = pool.request("gang").lease().unwrap();
    assert_eq!(lease.replicas, before[..2]);
    assert_eq!(pool.state.pools["p"].tenants["t"].used_gpu_milli, GpuMilli(7_000));
    pool.check(2, shrink("gang", fencing, 1), &["refused: stale_fencing"]);
    let released = pool.release("gang");
    pool.check(3, released, &["gang is released"]);
    assert_eq!(pool.state.pools["p"].tenants["t"].used_gpu_milli, GpuMilli(3_000));
}

#[test]
fn only_its_tenant_and_operators_touch_a_request_or_its_lease() {
    let story = || {
        let mut pool = pool();
        pool.check(0, ask("runs", "t").gpus(4).replicas(2), &["runs runs on a+b"]);
        pool.check(0, ask("waits", "t"), &["waits waits"]);
        pool
    };
    let fencing = story().fencing("runs");
    for (payload, done) in [
        (cancel("waits"), "waits is cancelled"),
        (renew("runs", fencing, HOUR), "runs runs until 3600000"),
        (shrink("runs", fencing, 1), "runs keeps 1"),
        (release("runs", fencing), "runs is released"),
    ] {
        for (role, tenant, expected) in [
            (Role::Reader, "t", "refused: not_permitted"),
            (Role::Tenant, "u", "refused: not_permitted"),
            (Role::Tenant, "nobody", "refused: unknown_tenant"),
            (Role::Tenant, "t", done),
            (Role::Operator, "", done),
            (Role::Operator, "u", done),
            (Role::Administrator, "", done),
        ] {
            let mut pool = story();
            let command = pool.command_of(role, tenant, payload.clone());
            let told = pool.decide(0, vec![command]);
            assert_eq!(story::tell(&told[0])[0], expected, "{role:?} {tenant}: {payload:?}");
        }
    }
}

#[test]
fn a_request_without_a_lease_has_nothing_to_renew_shrink_or_release() {
    let mut pool = pool();
    pool.check(0, ask("runs", "t").gpus(4).replicas(2), &["runs runs on a+b"]);
    pool.check(0, ask("waits", "t"), &["waits waits"]);
    for payload in [renew("waits", 1, HOUR), shrink("waits", 1, 1), release("waits", 1)] {
        pool.check(0, payload, &["refused: no_lease"]);
    }
    for payload in [renew("x", 1, HOUR), shrink("x", 1, 1), release("x", 1), cancel("x")] {
        pool.check(0, payload, &["refused: unknown_request"]);
    }
}

#[test]
fn a_deadline_ends_a_request_that_has_not_started_and_no_other() {
    let mut pool = pool();
    pool.check(0, ask("runs", "t").gpus(4).replicas(2).deadline(10), &["runs runs on a+b"]);
    pool.check(0, ask("waits", "t").deadline(10), &["waits waits"]);
    pool.check(0, ask("late", "t").deadline(0), &["refused: deadline_passed"]);
    pool.check(9, Payload::Tick, &[]);
    pool.check(10, Payload::Tick, &["waits missed its deadline"]);
    pool.check(11, Payload::Tick, &[]);
    pool.check(12, ask("late", "t").deadline(12), &["refused: deadline_passed"]);
    pool.check(12, ask("late", "t").deadline(13), &["late waits"]);
}

#[test]
fn time_never_goes_back() {
    let mut pool = pool();
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(HOUR, ask("r2", "t"), &["r2 runs on a"]);
    // A record that is older than its predecessor happens when its predecessor happened.
    pool.check(10, renew("r2", pool.fencing("r2"), HOUR), &["r2 runs until 7200000"]);
    for time_ms in [i64::MIN, -1, 0] {
        pool.check(time_ms, Payload::Tick, &[]);
        assert_eq!(pool.state.time_ms.0, HOUR);
    }
}

#[test]
fn the_latest_time_is_the_end_of_the_year_9999_and_nothing_overflows_there() {
    let mut pool = pool();
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(i64::MAX, ask("r2", "t"), &["r1 expires", "r2 runs on a"]);
    assert_eq!(pool.state.time_ms, conclave_core::limits::TIME_MS_MAX);
    // A lease cannot end later than time does.
    pool.check(i64::MAX, ask("r3", "t"), &["r2 expires", "r3 runs on a"]);
    pool.check(i64::MAX, Payload::Tick, &["r3 expires"]);
    pool.check(i64::MAX, Payload::Tick, &[]);
}

#[test]
fn no_renewal_outlasts_time() {
    let mut pool = pool();
    let last = conclave_core::limits::TIME_MS_MAX.0;
    pool.check(last - 1, ask("r1", "t"), &["r1 runs on a"]);
    let renewal = renew("r1", pool.fencing("r1"), HOUR);
    pool.check(last - 1, renewal, &[&format!("r1 runs until {last}")]);
    pool.check(i64::MAX, Payload::Tick, &["r1 expires"]);
}
