//! Nodes that break and work again, as robots report them.

mod story;

use conclave_core::blocker::Blocker;
use story::{HOUR, Story, ask, breaks, drain, node, quota, remove, works};

fn two_nodes() -> Story {
    Story::given([node("a", 2, "A100"), node("b", 2, "A100"), quota("t", 0, 9)])
}

#[test]
fn an_unhealthy_node_keeps_its_leases_and_takes_nothing_new_until_it_works_again() {
    let mut pool = two_nodes();
    pool.check(0, ask("one", "t").gpus(2), &["one runs on a"]);
    pool.check(1, breaks("b"), &["b is Unhealthy"]);
    pool.check(2, ask("two", "t").gpus(1), &["two waits"]);
    assert_eq!(pool.blocker("two"), Some(Blocker::NoRoom { replicas_fit: 0, replicas: 1 }));
    pool.check(3, works("b"), &["b is Healthy", "two runs on b"]);
    pool.check(4, breaks("b"), &["b is Unhealthy"]);
    let release = pool.release("two");
    pool.check(5, release, &["two is released"]);
    pool.check(6, remove("b"), &["b leaves"]);
    pool.check(7, works("b"), &["refused: unknown_node"]);
}

#[test]
fn a_report_of_what_is_known_changes_nothing_and_needs_no_round_of_its_own() {
    let mut pool = two_nodes();
    let round = vec![
        works("a"),
        ask("one", "t").gpus(2).into(),
        breaks("b"),
        breaks("b"),
        ask("two", "t").into(),
        works("b"),
    ];
    let nothing: &[&str] = &[];
    let told = pool.send_round(1, round);
    let expected = [
        nothing,
        &["one runs on a"],
        &["b is Unhealthy"],
        nothing,
        &["two waits"],
        &["b is Healthy", "two runs on b"],
    ];
    assert_eq!(told, expected);
}

#[test]
fn draining_and_health_hold_side_by_side() {
    let mut pool = two_nodes();
    pool.check(0, breaks("b"), &["b is Unhealthy"]);
    pool.check(1, drain("b"), &["b drains"]);
    pool.check(2, works("b"), &["b is Healthy"]);
    pool.check(3, ask("one", "t").gpus(2), &["one runs on a"]);
    pool.check(4, ask("two", "t"), &["two waits"]);
    pool.check(5, breaks("a"), &["a is Unhealthy"]);
    pool.check(6, drain("a"), &["a drains"]);
    pool.check(7, works("a"), &["a is Healthy"]);
    let out = Blocker::NodesOutOfService { draining_nodes: 2, unhealthy_nodes: 0 };
    assert_eq!(pool.blocker("two"), Some(out));
    pool.check(HOUR, remove("b"), &["b leaves"]);
}

#[test]
fn a_request_that_only_broken_nodes_could_hold_waits_for_them() {
    let mut pool = two_nodes();
    pool.check(0, ask("one", "t").gpus(2), &["one runs on a"]);
    pool.check(1, ask("gang", "t").gpus(2).replicas(2), &["gang waits"]);
    pool.check(2, breaks("b"), &["b is Unhealthy"]);
    let out = Blocker::NodesOutOfService { draining_nodes: 0, unhealthy_nodes: 1 };
    assert_eq!(pool.blocker("gang"), Some(out));
    pool.check(3, ask("late", "t").gpus(2).replicas(2), &["refused: exceeds_pool"]);
    pool.check(4, remove("b"), &["b leaves"]);
    assert_eq!(pool.blocker("gang"), Some(Blocker::PoolTooSmall));
}
