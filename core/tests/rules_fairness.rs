//! Who comes first in a queue that is ordered by fair share, and what is charged to whom.

mod story;

use conclave_core::command::Payload;
use conclave_core::fairness::{Resource, WHOLE_SHARE};
use conclave_core::units::{PoolId, TenantId, TimeMs};
use story::{
    HOUR, MINUTE, POOL, Story, activate, ask, fair_share, node, quota, remove, shrink, weighted,
};

/// GPU milliseconds of a tenant that were settled, and its key in the order at `at_ms`.
fn used(story: &Story, tenant: &str, at_ms: i64) -> (i128, i128) {
    let pool = &story.state.pools[&PoolId::from(POOL)];
    let tenant = &pool.tenants[&TenantId::from(tenant)];
    let key = pool.fair_use(tenant, TimeMs(at_ms)).key;
    (tenant.ledger.settled_gpu_milli_ms() / 1_000, key)
}

/// One GPU, two tenants, and a half-life of an hour.
fn one_gpu() -> Story {
    Story::given([
        activate(3),
        node("a", 1, "A100"),
        weighted("s", 9, 1),
        weighted("t", 9, 1),
        fair_share(Some(HOUR)),
    ])
}

#[test]
fn the_tenant_that_has_used_least_comes_first_whenever_it_came() {
    let mut pool = one_gpu();
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    pool.check(1, ask("s2", "s"), &["s2 waits"]);
    pool.check(2, ask("s3", "s"), &["s3 waits"]);
    pool.check(3, ask("t1", "t"), &["t1 waits"]);
    let released = pool.release("s1");
    pool.check(10 * MINUTE, released, &["s1 is released", "t1 runs on a"]);
    // t has used the GPU for as long as s by now, and then for longer.
    let released = pool.release("t1");
    pool.check(21 * MINUTE, released, &["t1 is released", "s2 runs on a"]);
}

#[test]
fn priority_comes_before_fair_share_and_arrival_after_it() {
    let mut pool = one_gpu();
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    pool.check(1, ask("t1", "t").priority(4), &["t1 waits"]);
    pool.check(2, ask("s2", "s").priority(6), &["s2 waits"]);
    pool.check(3, ask("s3", "s").priority(6), &["s3 waits"]);
    let released = pool.release("s1");
    pool.check(MINUTE, released, &["s1 is released", "s2 runs on a"]);
    let released = pool.release("s2");
    pool.check(2 * MINUTE, released, &["s2 is released", "s3 runs on a"]);
    let released = pool.release("s3");
    pool.check(3 * MINUTE, released, &["s3 is released", "t1 runs on a"]);
}

#[test]
fn what_a_tenant_is_granted_moves_it_back_at_once() {
    let nodes = [activate(3), node("a", 4, "A100"), weighted("s", 9, 1), weighted("t", 9, 1)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("s0", "s").gpus(4), &["s0 runs on a"]);
    for (name, tenant) in [("s1", "s"), ("s2", "s"), ("s3", "s"), ("s4", "s")] {
        pool.check(1, ask(name, tenant), &[&format!("{name} waits")]);
    }
    for (name, tenant) in [("t1", "t"), ("t2", "t"), ("t3", "t")] {
        pool.check(2, ask(name, tenant), &[&format!("{name} waits")]);
    }
    pool.check(3, fair_share(Some(24 * HOUR)), &["the queue is fair, by half after 86400000"]);
    let released = pool.release("s0");
    // One each in turn, t first: s has used four GPUs for four milliseconds.
    let runs = ["t1 runs on a", "s1 runs on a", "t2 runs on a", "s2 runs on a"];
    let told = pool.send(4, released);
    assert_eq!(told[1..], runs);
}

#[test]
fn a_weight_is_what_a_tenant_may_use_beside_others() {
    let nodes = [activate(3), node("a", 8, "A100"), weighted("s", 9, 3), weighted("t", 9, 1)];
    let mut pool = Story::given(nodes);
    pool.check(0, fair_share(Some(HOUR)), &["the queue is fair, by half after 3600000"]);
    pool.check(0, ask("all", "s").gpus(8), &["all runs on a"]);
    for (index, tenant) in ["t", "s", "t", "s", "t", "s", "s", "s", "s", "s"].iter().enumerate() {
        pool.send(0, ask(&format!("{tenant}{index}"), tenant).into());
    }
    let released = pool.release("all");
    let told = pool.send(0, released);
    let runs = |tenant| told.iter().filter(|line| line.starts_with(tenant)).count();
    assert_eq!((runs("s"), runs("t")), (6, 2), "{told:?}");
}

#[test]
fn the_resource_of_which_most_is_used_counts() {
    let nodes = [activate(3), node("a", 8, "A100"), weighted("s", 9, 1), weighted("t", 9, 2)];
    let mut pool = Story::given(nodes);
    // Half of the CPU, and an eighth of the GPUs; nothing of either before.
    pool.check(0, ask("s1", "s").cpu_only(32_000), &["s1 runs on a"]);
    pool.check(0, ask("t1", "t").gpus(1), &["t1 runs on a"]);
    let state = &pool.state.pools[&PoolId::from(POOL)];
    let fair_use = |name: &str| state.fair_use(&state.tenants[&TenantId::from(name)], TimeMs(0));
    let (cpu, gpu) = (fair_use("s"), fair_use("t"));
    assert_eq!((cpu.dominant, cpu.share, cpu.key), (Resource::Cpu, WHOLE_SHARE / 4, cpu.share));
    assert_eq!((gpu.dominant, gpu.share), (Resource::Gpu, WHOLE_SHARE / 16));
    assert_eq!(gpu.key, WHOLE_SHARE / 32);
}

#[test]
fn a_lease_is_charged_to_its_end_and_a_shrunk_one_by_parts() {
    let nodes = [activate(3), node("a", 4, "A100"), weighted("s", 9, 1), weighted("t", 9, 1)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("g", "s").gpus(2).replicas(2), &["g runs on a+a"]);
    pool.check(MINUTE, shrink("g", pool.fencing("g"), 1), &["g keeps 1"]);
    assert_eq!(used(&pool, "s", MINUTE).0, i128::from(2 * MINUTE));
    let released = pool.release("g");
    pool.check(3 * MINUTE, released, &["g is released"]);
    assert_eq!(used(&pool, "s", MINUTE).0, i128::from(2 * MINUTE + 2 * 3 * MINUTE));
    // Its end is noticed a day after it.
    pool.check(3 * MINUTE, ask("late", "t"), &["late runs on a"]);
    pool.check(27 * HOUR, ask("next", "t"), &["late expires", "next runs on a"]);
    assert_eq!(used(&pool, "t", 0).0, i128::from(HOUR + MINUTE));
}

#[test]
fn what_was_used_long_ago_is_forgotten() {
    let mut pool = one_gpu();
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    let released = pool.release("s1");
    pool.check(HOUR - 1, released, &["s1 is released"]);
    let keys = [1, 2, 3, 200].map(|hours| used(&pool, "s", hours * HOUR).1);
    assert!(keys[0] > 0 && keys[0] <= WHOLE_SHARE / 2, "{keys:?}");
    assert!(keys[0] / 2 - keys[1] <= 1 && keys[1] / 2 - keys[2] <= 1, "{keys:?}");
    assert_eq!(keys[3], 0);
}

#[test]
fn without_nodes_nothing_is_anybodys_share() {
    let mut pool = one_gpu();
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    let released = pool.release("s1");
    pool.check(MINUTE, released, &["s1 is released"]);
    pool.check(MINUTE, remove("a"), &["a leaves"]);
    assert_eq!(used(&pool, "s", MINUTE).1, 0);
}

#[test]
fn the_order_is_by_arrival_until_it_is_set_and_after_it_was_unset() {
    let mut pool = one_gpu();
    pool.check(0, fair_share(Some(HOUR)), &[]);
    pool.check(0, fair_share(None), &["the queue is by arrival"]);
    pool.check(0, fair_share(None), &[]);
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    pool.check(1, ask("s2", "s"), &["s2 waits"]);
    pool.check(2, ask("t1", "t"), &["t1 waits"]);
    let released = pool.release("s1");
    pool.check(MINUTE, released, &["s1 is released", "s2 runs on a"]);
}

#[test]
fn a_protected_request_is_passed_by_nobody_however_little_he_used() {
    let nodes = [activate(3), node("a", 2, "A100"), weighted("s", 9, 1), weighted("t", 9, 1)];
    let mut pool = Story::given(nodes);
    pool.check(0, fair_share(Some(HOUR)), &["the queue is fair, by half after 3600000"]);
    pool.check(0, ask("s1", "s"), &["s1 runs on a"]);
    pool.check(0, ask("s2", "s"), &["s2 runs on a"]);
    pool.check(0, ask("big", "s").gpus(2), &["big waits"]);
    pool.check(MINUTE, ask("t1", "t"), &["t1 waits"]);
    // W is an hour: big is protected now.
    let released = pool.release("s1");
    pool.check(HOUR, released, &["s1 is released"]);
    let released = pool.release("s2");
    pool.check(HOUR, released, &["s2 is released", "big runs on a"]);
}

#[test]
fn fair_share_and_weights_come_with_version_3() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("t", 0, 9)]);
    pool.check(0, fair_share(Some(HOUR)), &["refused: unknown_version"]);
    pool.check(0, weighted("t", 9, 2), &["refused: unsupported"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    pool.check(0, weighted("t", 9, 2), &["t has a quota"]);
    pool.check(0, weighted("t", 9, 0), &["refused: out_of_range"]);
    pool.check(0, weighted("t", 9, 1_001), &["refused: out_of_range"]);
    pool.check(0, fair_share(Some(MINUTE - 1)), &["refused: out_of_range"]);
    pool.check(0, fair_share(Some(MINUTE)), &["the queue is fair, by half after 60000"]);
}

/// More than 250 leases are overdue when somebody looks: what is charged is the same, and what is
/// faded but for the rounding of each lease at each half.
#[test]
fn what_is_noticed_late_fades_as_what_is_noticed_in_time() {
    let used = [false, true].map(|in_time| {
        let mut pool = Story::given([activate(3), fair_share(Some(HOUR)), quota("t", 0, 999)]);
        pool.send(0, node("a", 16, "A100"));
        pool.send(0, node("b", 16, "A100"));
        pool.check(0, ask("long", "t").gpus(8).hours(47), &["long runs on a"]);
        for index in 0..300 {
            let short = ask(&format!("s{index}"), "t").slice(40).no_cpu().lease_minutes(2);
            pool.send(0, short.into());
        }
        if in_time {
            pool.send(2 * MINUTE, Payload::Tick);
            pool.send(2 * MINUTE, Payload::Tick);
        }
        let (late, released) = (40 * HOUR + 30 * MINUTE, pool.release("long"));
        pool.send(late, released);
        pool.send(late, Payload::Tick);
        assert!(!pool.state.needs_a_tick());
        let state = &pool.state.pools[&PoolId::from(POOL)];
        let ledger = &state.tenants[&TenantId::from("t")].ledger;
        (ledger.settled_gpu_milli_ms(), ledger.faded_at(TimeMs(late), state.half_life()).0[0])
    });
    let [(settled, faded), (settled_in_time, faded_in_time)] = used;
    assert_eq!(settled, settled_in_time);
    assert!((faded - faded_in_time).abs() < 2 * 300, "{faded} and {faded_in_time}");
}
