//! Bounded overtaking: W is an hour, and nobody who came later passes a request that has waited it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{CouncilMode, Payload, SetPoolPolicy};
use conclave_core::units::{DurationMs, RequestId};
use story::*;

fn behind(protected: &str) -> Option<Blocker> {
    Some(Blocker::BehindProtected { protected: RequestId::from(protected) })
}

fn no_room(replicas_fit: i64, replicas: i64) -> Option<Blocker> {
    Some(Blocker::NoRoom { replicas_fit, replicas })
}

#[test]
fn behind_a_head_that_waited_w_nobody_starts_who_could_want_one_of_its_models() {
    let nodes = [node("a", 4, "A100"), node("t", 4, "T4"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").gpus(2).hours(9).on(&["A100"]), &["r1 runs on a"]);
    pool.check(0, ask("early", "t").gpus(3).priority(1).on(&["A100"]), &["early waits"]);
    pool.check(1, ask("head", "t").gpus(4).on(&["A100"]), &["head waits"]);
    pool.check(HOUR, ask("before", "t").on(&["A100"]), &["before runs on a"]);
    let late = HOUR + 1;
    for (asked, expected, blocker) in [
        (ask("same", "t").on(&["A100"]), "same waits", behind("head")),
        (ask("any", "t").slice(1), "any waits", behind("head")),
        (ask("either", "t").on(&["T4", "A100"]), "either waits", behind("head")),
        (ask("cpu", "t").cpu_only(1), "cpu waits", behind("head")),
        (ask("other", "t").on(&["T4"]), "other runs on t", None),
    ] {
        let name = asked.0.request.0.clone();
        pool.check(late, asked, &[expected]);
        assert_eq!(pool.blocker(&name), blocker, "{name}");
    }
    // Who came before the head is not held back by it.
    let released = pool.release("before");
    pool.check(late, released, &["before is released"]);
    pool.check(late, node("b", 3, "A100"), &["b joins", "early runs on b"]);
    let released = pool.release("r1");
    let then = ["r1 is released", "head runs on a"];
    let after = ["any runs on t", "either runs on t", "cpu runs on a"];
    let told = pool.send(late, released);
    assert_eq!(told[..2], then);
    assert_eq!(told[2..], after, "the others follow as far as there is room");
    assert_eq!(pool.blocker("same"), no_room(0, 1));
}

#[test]
fn a_head_that_its_tenant_holds_back_holds_nobody_back() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 4), quota("u", 0, 8)]);
    pool.check(0, ask("r1", "t").gpus(4).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("over", "t").gpus(1), &["over waits"]);
    pool.check(2 * HOUR, ask("new", "u"), &["new runs on a"]);
}

#[test]
fn a_tenant_at_its_share_does_not_make_others_leave_their_guarantee_idle() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 8), quota("u", 6, 8)]);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("more", "t"), &["more waits"]);
    pool.check(2 * HOUR, ask("r2", "u").gpus(6), &["r2 runs on a"]);
    let released = pool.release("r2");
    pool.check(2 * HOUR, released, &["r2 is released"]);
    pool.check(2 * HOUR, ask("r3", "u"), &["r3 runs on a"]);
}

#[test]
fn who_waits_for_what_others_hold_beside_the_guarantees_is_not_overtaken_for_ever() {
    let quotas = [quota("t", 0, 8), quota("u", 3, 8), quota("v", 0, 8)];
    let mut pool = Story::given([node("a", 8, "A100")].into_iter().chain(quotas));
    pool.check(0, ask("v1", "v").gpus(1).hours(9), &["v1 runs on a"]);
    pool.check(0, ask("v2", "v").gpus(4).hours(9), &["v2 runs on a"]);
    pool.check(0, ask("two", "t").gpus(2), &["two waits"]);
    let released = pool.release("v1");
    pool.check(2 * HOUR, released, &["v1 is released"]);
    // One GPU is free beside the three of u: a smaller request has to wait behind the larger one.
    pool.check(2 * HOUR, ask("v3", "v"), &["v3 waits"]);
    assert_eq!(pool.blocker("v3"), behind("two"));
    let released = pool.release("v2");
    pool.check(2 * HOUR, released, &["v2 is released", "two runs on a", "v3 runs on a"]);
}

#[test]
fn a_cancelled_head_lets_the_others_pass() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(4), &["head waits"]);
    pool.check(HOUR, ask("small", "t"), &["small waits"]);
    pool.check(HOUR, cancel("head"), &["head is cancelled", "small runs on a"]);
}

#[test]
fn a_head_that_the_pool_can_no_longer_hold_holds_nobody_back() {
    let nodes = [node("a", 8, "A100"), node("b", 2, "A100"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").gpus(7).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(8), &["head waits"]);
    pool.check(2 * HOUR, ask("small", "t"), &["small waits"]);
    pool.check(2 * HOUR, drain("a"), &["a drains", "small runs on b"]);
    let out = Blocker::NodesOutOfService { draining_nodes: 1, unhealthy_nodes: 0 };
    assert_eq!(pool.blocker("head"), Some(out));
    pool.check(2 * HOUR, ask("more", "t"), &["more runs on b"]);
}

/// Before W a higher priority goes first; after it, it waits like everybody who came later.
#[test]
fn a_higher_priority_that_comes_after_w_takes_no_protection_away() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(4), &["head waits"]);
    pool.check(HOUR - 1, ask("early", "t").priority(6).hours(9), &["early runs on a"]);
    pool.check(HOUR, ask("small", "t"), &["small waits"]);
    pool.check(HOUR, ask("urgent", "t").gpus(1).priority(10), &["urgent waits"]);
    assert_eq!((pool.blocker("small"), pool.blocker("urgent")), (behind("head"), behind("head")));
    let released = pool.release("early");
    pool.check(HOUR, released, &["early is released"]);
    let released = pool.release("r1");
    pool.check(HOUR, released, &["r1 is released", "head runs on a"]);
}

#[test]
fn a_higher_priority_that_came_before_w_goes_first_and_is_protected_in_turn() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(3), &["head waits"]);
    pool.check(HOUR - 1, ask("urgent", "t").gpus(4).priority(10), &["urgent waits"]);
    // Neither is protected: one stands behind somebody older than its W, the other has not waited.
    pool.check(HOUR, ask("small", "t").hours(9), &["small runs on a"]);
    pool.check(2 * HOUR, ask("late", "t").hours(9), &["late waits"]);
    assert_eq!(pool.blocker("late"), behind("urgent"));
}

#[test]
fn asking_urgently_and_cancelling_lets_nobody_pass() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99), quota("x", 0, 99)]);
    pool.check(0, ask("r1", "x").hours(47), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(4), &["head waits"]);
    for hour in 1..40 {
        let (small, urgent) = (format!("small{hour}"), format!("urgent{hour}"));
        pool.send(hour * HOUR, ask(&small, "x").hours(2).into());
        pool.send(hour * HOUR, ask(&urgent, "x").gpus(4).priority(10).into());
        pool.send(hour * HOUR, cancel(&urgent));
        assert_eq!(pool.blocker(&small), behind("head"));
    }
}

#[test]
fn each_model_has_its_own_protected_request() {
    let nodes = [node("a", 4, "A100"), node("t", 4, "T4"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").hours(47).on(&["T4"]), &["r1 runs on t"]);
    pool.check(0, ask("first", "t").gpus(4).on(&["T4"]), &["first waits"]);
    pool.check(0, ask("r2", "t").hours(47).on(&["A100"]), &["r2 runs on a"]);
    pool.check(1, ask("gang", "t").gpus(4).on(&["A100"]), &["gang waits"]);
    for (model, protected) in [("T4", "first"), ("A100", "gang")] {
        pool.check(2 * HOUR, ask(protected, "t"), &["refused: duplicate_request"]);
        let late = format!("late-{model}");
        pool.send(2 * HOUR, ask(&late, "t").priority(9).on(&[model]).into());
        assert_eq!(pool.blocker(&late), behind(protected));
    }
    // Whoever takes any model stands behind both, and says the first in the order.
    pool.send(2 * HOUR, ask("any", "t").into());
    assert_eq!(pool.blocker("any"), behind("first"));
    let released = pool.release("r2");
    pool.check(2 * HOUR, released, &["r2 is released", "gang runs on a"]);
}

#[test]
fn leases_on_a_draining_node_take_no_protection_away() {
    let quotas = [quota("t", 0, 99), quota("u", 1, 99), quota("x", 0, 99)];
    let mut pool = Story::given([node("b", 8, "A100")].into_iter().chain(quotas));
    pool.check(0, ask("old", "t").gpus(4).hours(47), &["old runs on b"]);
    pool.check(0, drain("b"), &["b drains"]);
    pool.check(0, node("a", 8, "A100"), &["a joins"]);
    pool.check(0, ask("r1", "x").gpus(4).hours(47), &["r1 runs on a"]);
    pool.check(0, ask("gang", "t").gpus(6), &["gang waits"]);
    assert_eq!(pool.blocker("gang"), no_room(0, 1));
    pool.check(2 * HOUR, ask("late", "x").gpus(2), &["late waits"]);
    assert_eq!(pool.blocker("late"), behind("gang"));
}

#[test]
fn a_guarantee_is_nobody_elses_to_wait_for() {
    let quotas = [quota("t", 0, 8), quota("u", 6, 8), quota("v", 0, 8)];
    let mut pool = Story::given([node("a", 8, "A100")].into_iter().chain(quotas));
    pool.check(0, ask("v1", "v").gpus(2).hours(47), &["v1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(2), &["head waits"]);
    pool.check(2 * HOUR, ask("own", "u").gpus(3).hours(9), &["own runs on a"]);
    // Beyond its guarantee it is a later arrival like any other.
    pool.check(2 * HOUR, ask("more", "u").gpus(4), &["more waits"]);
    assert_eq!(pool.blocker("more"), behind("head"));
    pool.check(2 * HOUR, ask("rest", "u").gpus(3), &["rest runs on a"]);
}

#[test]
fn a_guarantee_does_not_pass_its_own_tenants_protected_request() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("u", 6, 99)]);
    pool.check(0, ask("r1", "u").gpus(4).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("big", "u").gpus(6), &["big waits"]);
    pool.check(HOUR, ask("small", "u"), &["small waits"]);
    assert_eq!(pool.blocker("small"), behind("big"));
}

/// A request that the council put off keeps the place of its arrival, but not the time that it did
/// not wait for capacity.
#[test]
fn a_late_approval_takes_no_protection_away() {
    let rules = SetPoolPolicy { council: CouncilMode::Enforce, ..policy() };
    let quotas = [quota("t", 0, 99), quota("x", 0, 99)];
    let mut pool = Story::given([set(rules), node("a", 4, "A100")].into_iter().chain(quotas));
    pool.send(0, ask("r1", "t").gpus(2).priority(10).hours(4).into());
    pool.send(0, ask("put-off", "x").gpus(2).replicas(2).priority(9).hours(25).into());
    pool.send(1, ask("head", "t").gpus(4).priority(9).preemptible().into());
    for minute in [30, 30, 60, 60] {
        pool.send(minute * MINUTE, Payload::Tick);
    }
    let small = ask("small", "x").priority(9).preemptible().hours(9);
    pool.send(75 * MINUTE, small.into());
    assert_eq!(pool.blocker("small"), behind("head"));
    for _ in 0..2 {
        pool.send(90 * MINUTE, Payload::Tick);
    }
    assert!(pool.request("small").lease().is_none(), "it passed a protected request");
    assert_eq!(pool.blocker("small"), behind("head"));
}

/// A late approval stands before its group-mate by arrival, and does not hide how long that waited.
#[test]
fn a_late_approval_of_the_same_kind_takes_no_protection_away() {
    let rules = SetPoolPolicy { council: CouncilMode::Enforce, ..policy() };
    let quotas = [quota("t", 0, 99), quota("x", 0, 99)];
    let mut pool = Story::given([set(rules), node("a", 4, "A100")].into_iter().chain(quotas));
    let of_a_kind = |name| ask(name, "x").gpus(4).priority(8).hours(9);
    pool.send(0, ask("r1", "t").gpus(2).priority(10).hours(4).into());
    // Longer work scores less and is put off; the class and the need are the same.
    pool.send(0, of_a_kind("put-off").hours(25).into());
    pool.send(1, of_a_kind("head").hours(3).into());
    assert_eq!(pool.blocker("head"), no_room(0, 1));
    for minute in [30, 30, 60, 60] {
        pool.send(minute * MINUTE, Payload::Tick);
    }
    pool.send(75 * MINUTE, ask("small", "t").priority(10).hours(2).into());
    assert_eq!(pool.blocker("small"), behind("head"));
    for _ in 0..2 {
        pool.send(90 * MINUTE, Payload::Tick);
    }
    assert_eq!(pool.blocker("put-off"), no_room(0, 1), "it waits, before its mate");
    assert_eq!(pool.blocker("small"), behind("head"));
    pool.send(91 * MINUTE, ask("late", "t").priority(10).hours(2).into());
    assert_eq!(pool.blocker("late"), behind("head"));
}

/// As long as an elder waits, it is the one that is protected.
#[test]
fn an_elder_that_could_want_one_of_its_models_is_protected_first() {
    let nodes = [node("a", 4, "A100"), node("t", 4, "T4"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").hours(47).on(&["T4"]), &["r1 runs on t"]);
    pool.check(0, ask("elder", "t").gpus(4).on(&["T4"]), &["elder waits"]);
    pool.check(0, ask("r2", "t").hours(47).on(&["A100"]), &["r2 runs on a"]);
    pool.check(1, ask("either", "t").gpus(4).on(&["T4", "A100"]), &["either waits"]);
    pool.check(2 * HOUR, ask("other", "t").hours(47).on(&["A100"]), &["other runs on a"]);
    assert_eq!(pool.blocker("either"), behind("elder"));
    let released = pool.release("r1");
    pool.check(2 * HOUR, released, &["r1 is released", "elder runs on t"]);
    pool.check(2 * HOUR, ask("late", "t").on(&["A100"]), &["late waits"]);
    assert_eq!(pool.blocker("late"), behind("either"));
}

#[test]
fn what_another_tenant_holds_on_a_draining_node_protects_nobody() {
    let quotas = [quota("t", 0, 99), quota("u", 4, 99), quota("x", 0, 99)];
    let mut pool = Story::given([node("b", 8, "A100")].into_iter().chain(quotas));
    pool.check(0, ask("old", "x").gpus(4).hours(47), &["old runs on b"]);
    pool.check(0, drain("b"), &["b drains"]);
    pool.check(0, node("a", 8, "A100"), &["a joins"]);
    // Beside what is guaranteed to u there are never more than four.
    pool.check(0, ask("gang", "t").gpus(6), &["gang waits"]);
    pool.check(2 * HOUR, ask("late", "x").gpus(4), &["late runs on a"]);
}

/// The newcomer's grant brings the protected request to its tenant's limit.
#[test]
fn a_newcomer_that_uses_up_a_protected_tenants_quota_lets_the_others_pass() {
    let quotas = [quota("t", 0, 8), quota("u", 0, 8)];
    let nodes = [node("a", 8, "A100"), node("t", 1, "T4")];
    let mut pool = Story::given(nodes.into_iter().chain(quotas));
    pool.check(0, ask("r1", "u").gpus(2).hours(9).on(&["A100"]), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(8).on(&["A100"]), &["head waits"]);
    pool.check(HOUR, ask("small", "u").on(&["A100"]), &["small waits"]);
    assert_eq!(pool.blocker("small"), behind("head"));
    let other = ask("other", "t").slice(1).on(&["T4"]);
    pool.check(HOUR, other, &["other runs on t", "small runs on a"]);
}

/// They come before it in the order, so the queue was gone through to their end before it started.
#[test]
fn when_a_protected_request_starts_those_before_it_in_the_order_follow_at_once() {
    let mut pool = Story::given([node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(3), &["head waits"]);
    pool.check(HOUR, ask("urgent", "t").priority(10), &["urgent waits"]);
    assert_eq!(pool.blocker("urgent"), behind("head"));
    let released = pool.release("r1");
    let then = ["r1 is released", "head runs on a", "urgent runs on a"];
    pool.check(HOUR, released, &then);
}

/// A pool where `head` is protected, and `small` waits for it beside a GPU that is free.
fn small_behind_head(head: Ask) -> Story {
    let nodes = [node("a", 4, "A100"), node("b", 4, "A100"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").gpus(3).hours(9), &["r1 runs on a"]);
    pool.check(0, head, &["head waits"]);
    pool.check(HOUR, ask("small", "t"), &["small waits"]);
    assert_eq!(pool.blocker("small"), behind("head"));
    pool
}

/// Half of it would fit.
fn head() -> Ask {
    ask("head", "t").gpus(4).replicas(2)
}

#[test]
fn whatever_ends_a_protection_lets_the_others_start_in_the_same_decision() {
    let patient = SetPoolPolicy { wait_bound_ms: DurationMs(3 * HOUR), ..policy() };
    let rows = [
        (head(), set(patient), ["the rules are set", "small runs on a"]),
        // Without b the pool could never hold it.
        (head(), remove("b"), ["b leaves", "small runs on a"]),
        (head(), cancel("head"), ["head is cancelled", "small runs on a"]),
        (head(), quota("t", 0, 10), ["t has a quota", "small runs on a"]),
        (head().deadline(HOUR + 1), Payload::Tick, ["head missed its deadline", "small runs on a"]),
    ];
    for (head, payload, told) in rows {
        small_behind_head(head).check(HOUR + 1, payload, &told);
    }
}

#[test]
fn w_counts_from_joining_the_queue_not_from_arrival() {
    let rules = SetPoolPolicy { council: CouncilMode::Enforce, ..policy() };
    let mut pool = Story::given([set(rules), node("a", 4, "A100"), quota("t", 0, 99)]);
    pool.send(0, ask("r1", "t").gpus(2).priority(10).hours(9).into());
    pool.send(0, ask("put-off", "t").gpus(2).replicas(2).priority(9).hours(25).into());
    for minute in [30, 30, 60, 60, 90, 90] {
        pool.send(minute * MINUTE, Payload::Tick);
    }
    assert_eq!(pool.blocker("put-off"), no_room(1, 2));
    // It was put off for longer than W, and has waited for less.
    for (minute, name, blocker) in [(149, "early", None), (150, "late", behind("put-off"))] {
        let asked = ask(name, "t").priority(9).preemptible().hours(9);
        pool.send(minute * MINUTE, asked.into());
        assert_eq!(pool.blocker(name), blocker, "{name}");
    }
}
