//! Who gets which GPUs, and who has to wait for whom.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::units::{GpuMilli, TenantId};
use story::{HOUR, MINUTE, Story, ask, cancel, drain, node, policy, quota, release, remove, set};

fn no_room(replicas_fit: i64, replicas: i64) -> Option<Blocker> {
    Some(Blocker::NoRoom { replicas_fit, replicas })
}

// Gangs.

#[test]
fn a_gang_is_granted_whole_or_not_at_all() {
    let mut pool = Story::given([node("a", 4, "A100"), node("b", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(3).replicas(2), &["r1 runs on a+b"]);
    pool.check(0, ask("r2", "t").gpus(2).replicas(1), &["r2 waits"]);
    pool.check(0, ask("r3", "t").gpus(1).replicas(2), &["r3 runs on a+b"]);
    pool.check(0, ask("r4", "t").gpus(1).replicas(3), &["r4 waits"]);
    let released = pool.release("r3");
    // Two of the three replicas of r4 would fit, and neither of them starts.
    pool.check(1, released, &["r3 is released"]);
    assert_eq!(pool.blocker("r4"), no_room(2, 3));
    assert_eq!(pool.blocker("r2"), no_room(0, 1));
    let released = pool.release("r1");
    pool.check(2, released, &["r1 is released", "r2 runs on a", "r4 runs on a+a+b"]);
}

#[test]
fn a_slice_stays_on_one_gpu_and_whole_gpus_on_one_node() {
    let mut pool = Story::given([node("a", 2, "T4"), node("b", 2, "T4"), quota("t", 0, 99)]);
    pool.check(0, ask("s1", "t").slice(600), &["s1 runs on a"]);
    pool.check(0, ask("s2", "t").slice(600), &["s2 runs on a"]);
    // 400 + 400 are left on two GPUs of a: no slice of 500 there.
    pool.check(0, ask("s3", "t").slice(500), &["s3 runs on b"]);
    pool.check(0, ask("s4", "t").slice(400), &["s4 runs on a"]);
    pool.check(0, ask("w1", "t").gpus(2), &["w1 waits"]);
    pool.check(0, ask("w2", "t").gpus(1), &["w2 runs on b"]);
}

#[test]
fn what_the_empty_pool_could_not_hold_is_refused() {
    let pool = || Story::given([node("a", 4, "A100"), node("b", 2, "T4"), quota("t", 0, 99)]);
    for (asked, expected) in [
        (ask("r", "t").gpus(4), "r runs on a"),
        (ask("r", "t").gpus(5), "refused: exceeds_pool"),
        (ask("r", "t").gpus(2).replicas(3), "r runs on a+a+b"),
        (ask("r", "t").gpus(2).replicas(4), "refused: exceeds_pool"),
        (ask("r", "t").gpus(3).on(&["T4"]), "refused: exceeds_pool"),
        (ask("r", "t").on(&["H100"]), "refused: exceeds_pool"),
        (ask("r", "t").cpu_only(64_000), "r runs on a"),
        (ask("r", "t").cpu_only(64_001), "refused: exceeds_pool"),
    ] {
        let told = pool().send(0, asked.clone().into());
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        // Best fit may turn replicas around; what counts is whether it runs.
        assert_eq!(told.len(), 1, "{asked:?}: {told:?}");
        assert_eq!(told[0].split(" on ").next(), expected.split(" on ").next(), "{:?}", asked.0);
    }
}

// Models.

#[test]
fn the_first_model_that_can_hold_the_gang_is_taken_whatever_is_free_elsewhere() {
    let nodes = [node("h", 8, "H100"), node("a", 2, "A100"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    let either = ["A100", "H100"];
    pool.check(0, ask("r1", "t").on(&either), &["r1 runs on a"]);
    // Preference comes before tightness of fit, and before spreading a gang over two models.
    pool.check(0, ask("r2", "t").gpus(1).replicas(2).on(&either), &["r2 runs on h+h"]);
    pool.check(0, ask("r3", "t").on(&either), &["r3 runs on a"]);
    pool.check(0, ask("r4", "t").on(&either), &["r4 runs on h"]);
    pool.check(0, ask("r5", "t").on(&["A100"]), &["r5 waits"]);
    assert_eq!(pool.blocker("r5"), no_room(0, 1));
}

#[test]
fn a_gang_with_preferences_never_mixes_models_and_one_without_may() {
    let pool = || Story::given([node("h", 4, "H100"), node("a", 2, "A100"), quota("t", 0, 99)]);
    let mixed = ask("r", "t").gpus(2).replicas(3);
    pool().check(0, mixed.clone().on(&["A100", "H100"]), &["refused: exceeds_pool"]);
    pool().check(0, mixed, &["r runs on a+h+h"]);
}

// Quota.

#[test]
fn beyond_its_limit_a_tenant_waits_and_beyond_all_hope_it_is_refused() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 4), quota("u", 0, 8)]);
    pool.check(0, ask("r1", "t").gpus(3), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t").gpus(2), &["r2 waits"]);
    let (used_gpu_milli, limit_gpu_milli) = (GpuMilli(3_000), GpuMilli(4_000));
    let wanted_gpu_milli = GpuMilli(2_000);
    let tenant = TenantId::from("t");
    let limit = Blocker::TenantLimit { tenant, used_gpu_milli, limit_gpu_milli, wanted_gpu_milli };
    assert_eq!(pool.blocker("r2"), Some(limit));
    pool.check(0, ask("r3", "t").gpus(5), &["refused: exceeds_limit"]);
    pool.check(0, ask("r4", "t").gpus(1), &["r4 runs on a"]);
    pool.check(0, ask("r5", "t").cpu_only(500), &["r5 runs on a"]);
    pool.check(0, ask("r6", "u").gpus(4), &["r6 runs on a"]);
    let released = pool.release("r1");
    pool.check(1, released, &["r1 is released", "r2 runs on a"]);
}

#[test]
fn a_limit_that_falls_ends_no_lease_and_one_that_rises_starts_waiters() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 4)]);
    pool.check(0, ask("r1", "t").gpus(4), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t").gpus(2), &["r2 waits"]);
    pool.check(1, quota("t", 0, 2), &["t has a quota"]);
    assert!(pool.request("r1").lease().is_some());
    pool.check(2, quota("t", 0, 6), &["t has a quota", "r2 runs on a"]);
}

#[test]
fn what_is_guaranteed_to_others_is_kept_free_for_them() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 8), quota("u", 6, 8)]);
    pool.check(0, ask("r1", "t").gpus(2), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t").gpus(1), &["r2 waits"]);
    let (free_gpu_milli, held_gpu_milli) = (GpuMilli(6_000), GpuMilli(6_000));
    let wanted_gpu_milli = GpuMilli(1_000);
    let held = Blocker::HeldForOthers { free_gpu_milli, held_gpu_milli, wanted_gpu_milli };
    assert_eq!(pool.blocker("r2"), Some(held));
    pool.check(0, ask("r3", "u").gpus(6), &["r3 runs on a"]);
    let released = pool.release("r1");
    // Its guarantee used up, u asks on equal terms.
    pool.check(1, released, &["r1 is released", "r2 runs on a"]);
    pool.check(1, ask("r4", "u"), &["r4 runs on a"]);
}

#[test]
fn a_guarantee_serves_the_part_of_a_request_that_it_covers() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 4, 8), quota("u", 3, 8)]);
    // 4 are its own, 1 is free, 3 are held for u.
    pool.check(0, ask("r1", "t").gpus(6), &["r1 waits"]);
    pool.check(0, ask("r2", "t").gpus(5), &["r2 runs on a"]);
    pool.check(0, ask("r3", "u").gpus(3), &["r3 runs on a"]);
}

// Order.

#[test]
fn waiters_start_by_priority_then_arrival_in_the_decision_that_freed_capacity() {
    let mut pool = Story::given([node("a", 3, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("all", "t").gpus(3), &["all runs on a"]);
    pool.check(1, ask("five", "t"), &["five waits"]);
    pool.check(2, ask("one", "t").priority(1), &["one waits"]);
    pool.check(3, ask("nine", "t").priority(9), &["nine waits"]);
    pool.check(4, ask("five-too", "t"), &["five-too waits"]);
    let released = pool.release("all");
    let starts = ["nine runs on a", "five runs on a", "five-too runs on a"];
    pool.check(5, released, &[&["all is released"], &starts[..]].concat());
    assert_eq!(pool.blocker("one"), no_room(0, 1));
}

#[test]
fn who_does_not_fit_is_passed_by_smaller_ones_while_he_has_not_waited_long() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2), &["r1 runs on a"]);
    pool.check(0, ask("big", "t").gpus(4), &["big waits"]);
    pool.check(HOUR - 1, ask("small", "t").hours(2), &["small runs on a"]);
}

#[test]
fn however_many_do_not_fit_whoever_fits_starts() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("large", "t").gpus(7), &["large runs on a"]);
    pool.check(0, ask("one", "t"), &["one runs on a"]);
    for index in 0..50 {
        // None of them needs less than another.
        let mut asked = ask(&format!("r{index}"), "t").gpus(2);
        (asked.0.cpu_milli.0, asked.0.memory_mib.0) = (1_000 + index, 1_000 - index);
        pool.send(0, asked.into());
    }
    pool.check(0, ask("small", "t"), &["small waits"]);
    let released = pool.release("one");
    pool.check(0, released, &["one is released", "small runs on a"]);
}

#[test]
fn a_newcomer_cannot_overtake_a_waiter_that_fits_into_what_its_own_command_frees() {
    let held = || {
        let mut pool = Story::given([node("a", 1, "A100"), quota("t", 0, 99), quota("u", 0, 99)]);
        pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
        // It has not waited W when that lease ends.
        pool.check(2 * MINUTE, ask("waiter", "t"), &["waiter waits"]);
        pool
    };
    // The lease of r1 ends by itself: the command that notices it is the newcomer's.
    let end = HOUR + MINUTE;
    held().check(end, ask("new", "u"), &["r1 expires", "new waits", "waiter runs on a"]);
    let higher = ask("new", "u").priority(6);
    held().check(end, higher, &["r1 expires", "new runs on a"]);
}

// Nodes.

#[test]
fn a_draining_node_keeps_its_leases_takes_nothing_new_and_leaves_when_it_is_empty() {
    let mut pool = Story::given([node("a", 2, "A100"), node("b", 1, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2), &["r1 runs on a"]);
    pool.check(1, drain("a"), &["a drains"]);
    pool.check(2, remove("a"), &["refused: node_in_use"]);
    pool.check(3, ask("r2", "t").gpus(2), &["refused: exceeds_pool"]);
    pool.check(4, ask("r3", "t"), &["r3 runs on b"]);
    pool.check(5, ask("r4", "t"), &["r4 waits"]);
    let released = pool.release("r1");
    pool.check(6, released, &["r1 is released"]);
    assert_eq!(pool.blocker("r4"), no_room(0, 1));
    pool.check(7, remove("a"), &["a leaves"]);
    pool.check(8, remove("a"), &["refused: unknown_node"]);
    pool.check(9, drain("a"), &["refused: unknown_node"]);
    pool.check(10, node("a", 2, "A100"), &["a joins", "r4 runs on a"]);
    pool.check(11, node("a", 2, "A100"), &["refused: duplicate_node"]);
}

#[test]
fn a_waiter_for_a_pool_that_shrank_says_so_and_starts_when_it_grows_again() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(1), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t").gpus(4), &["r2 waits"]);
    pool.check(1, drain("a"), &["a drains"]);
    let out = Blocker::NodesOutOfService { draining_nodes: 1, unhealthy_nodes: 0 };
    assert_eq!(pool.blocker("r2"), Some(out));
    pool.check(2, node("b", 4, "A100"), &["b joins", "r2 runs on b"]);
}

// The queue.

#[test]
fn a_full_queue_refuses_and_room_in_it_does_not() {
    let full = conclave_core::command::SetPoolPolicy { queue_max: 1, ..policy() };
    let mut pool = Story::given([set(full), node("a", 1, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t"), &["r2 waits"]);
    pool.check(0, ask("r3", "t"), &["refused: queue_full"]);
    pool.check(1, cancel("r2"), &["r2 is cancelled"]);
    pool.check(2, ask("r3", "t"), &["r3 waits"]);
}

#[test]
fn a_request_is_cancelled_only_before_it_runs_and_named_only_once_while_it_lives() {
    let mut pool = Story::given([node("a", 1, "A100"), quota("t", 0, 99)]);
    pool.check(0, cancel("r1"), &["refused: unknown_request"]);
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(0, cancel("r1"), &["refused: request_running"]);
    pool.check(0, ask("r1", "t").gpus(1).priority(9), &["refused: duplicate_request"]);
    pool.check(0, release("r1", 4), &["refused: stale_fencing"]);
    let released = pool.release("r1");
    pool.check(1, released, &["r1 is released"]);
    pool.check(2, ask("r1", "t"), &["r1 runs on a"]);
}
