//! Backfill: who may pass a protected request, because it delays him by nothing.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::Payload;
use conclave_core::decision::Outcome;
use story::*;

fn behind(protected: &str) -> Option<Blocker> {
    Some(Blocker::BehindProtected { protected: protected.into() })
}

/// Two nodes; `r1` runs for nine hours, `r2` for three and a minute; `head` wants all GPUs of a
/// node, has waited for longer than W, and can start when `r2` ends.
fn pool() -> Story {
    let nodes = [activate(3), node("a", 4, "A100"), node("b", 4, "A100")];
    let quotas = [quota("t", 0, 99), quota("u", 0, 99)];
    let mut pool = Story::given(nodes.into_iter().chain(quotas));
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t").gpus(3).hours(3), &["r2 runs on b"]);
    pool.check(0, ask("head", "t").gpus(4).hours(2), &["head waits"]);
    pool
}

const R2_ENDS: i64 = 3 * HOUR + MINUTE;

#[test]
fn who_ends_before_a_protected_request_could_start_passes_it() {
    let mut pool = pool();
    // An hour later, to the millisecond as long as there is left.
    pool.check(HOUR, ask("long", "u").lease_minutes(122), &["long waits"]);
    assert_eq!(pool.blocker("long"), behind("head"));
    let short = ask("short", "u").lease_minutes(121);
    pool.check(HOUR, short, &["short runs on b", "short passes head until 10860000"]);
    let told = ["r2 expires", "short expires", "head runs on b", "long runs on a"];
    pool.check(R2_ENDS, Payload::Tick, &told);
}

#[test]
fn nobody_passes_before_version_3() {
    let nodes = [node("a", 4, "A100"), quota("t", 0, 99)];
    let mut pool = Story::given(nodes);
    pool.check(0, ask("r1", "t").gpus(2).hours(9), &["r1 runs on a"]);
    pool.check(0, ask("head", "t").gpus(4), &["head waits"]);
    pool.check(HOUR, ask("short", "t").hours(1), &["short waits"]);
    assert_eq!(pool.blocker("short"), behind("head"));
}

#[test]
fn a_lease_that_was_let_past_is_not_renewed_past_that_time() {
    let mut pool = pool();
    let told = ["short runs on b", "short passes head until 10860000"];
    pool.check(HOUR, ask("short", "u").hours(1), &told);
    let fencing = pool.fencing("short");
    let command = pool.command(renew("short", fencing, 2 * HOUR + MINUTE + 1));
    let decision = pool.decide(HOUR, vec![command]).remove(0);
    let Outcome::Rejected(refused) = decision.outcome else { panic!("it is renewed") };
    assert_eq!(refused.code.as_str(), "would_delay");
    assert_eq!(
        refused.detail,
        "the lease was granted before that of a request that waits longer and could start at \
         10860000: extend_ms is 7260000 at the most while it waits"
    );
    let as_long = renew("short", fencing, 2 * HOUR + MINUTE);
    pool.check(HOUR, as_long, &["short runs until 10860000"]);
    // Nobody is delayed once the protected one is gone.
    pool.check(HOUR, cancel("head"), &["head is cancelled"]);
    let fencing = pool.fencing("short");
    pool.check(HOUR, renew("short", fencing, 5 * HOUR), &["short runs until 21600000"]);
}

#[test]
fn of_those_alike_the_next_that_is_short_enough_passes() {
    let mut pool = pool();
    for (name, hours) in [("w1", 5), ("w2", 4), ("w3", 2), ("w4", 1), ("w5", 1)] {
        let sent = pool.send(HOUR - 1, ask(name, "u").gpus(2).hours(hours).into());
        // Before W everybody may pass who fits.
        assert_eq!(sent.len(), 1, "{sent:?}");
    }
    // w1 took the rest of a.
    let fencing = pool.fencing("w1");
    pool.check(
        HOUR,
        release("w1", fencing),
        &["w1 is released", "w3 runs on a", "w3 passes head until 10860000"],
    );
    assert_eq!((pool.blocker("w2"), pool.blocker("w4")), (behind("head"), behind("head")));
}

#[test]
fn who_waits_for_something_else_than_room_is_passed_by_nobody() {
    let mut pool = pool();
    let demo = reserve("demo", "x", 1, 0, 1);
    pool.check(0, reserving(demo), &["refused: unknown_tenant"]);
    pool.check(0, quota("v", 5, 5), &["v has a quota"]);
    pool.check(0, cancel("head"), &["head is cancelled"]);
    // Room for three, two of it beside what is guaranteed to v: it waits, and has room.
    let told = pool.send(0, ask("kept", "t").gpus(1).hours(2).into());
    assert_eq!(told, ["kept waits"]);
    pool.check(HOUR, ask("short", "u").lease_minutes(2), &["short waits"]);
}

#[test]
fn a_reservation_that_keeps_a_protected_request_waiting_is_no_room_either() {
    let nodes = [activate(3), node("a", 4, "A100")];
    let quotas = [quota("t", 0, 99), quota("u", 0, 99)];
    let mut pool = Story::given(nodes.into_iter().chain(quotas));
    let demo = reserve("demo", "t", 4, 5 * HOUR, 6 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    pool.check(0, ask("head", "u").gpus(4).hours(9), &["head waits"]);
    let told = ["short runs on a", "short passes head until 21600000"];
    pool.check(HOUR, ask("short", "u").gpus(4).hours(3), &told);
}

#[test]
fn gangs_that_wish_to_be_near_are_looked_at_where_they_wish() {
    let quotas = [activate(3), quota("t", 0, 99), quota("u", 0, 99)];
    let nodes = ["w1", "w2", "e1"].map(|name| node_in(&name[..1], name, 2, "A100"));
    let mut pool = Story::given(quotas.into_iter().chain(nodes));
    pool.check(0, ask("r1", "t").gpus(2).hours(3), &["r1 runs on w1"]);
    pool.check(0, ask("r2", "t").gpus(1).hours(9), &["r2 runs on w2"]);
    let head = ask("head", "t").gpus(1).replicas(3);
    let head = Ask(conclave_core::command::RequestAllocation {
        topology: conclave_core::command::Topology::SameGroup,
        ..head.0
    });
    pool.check(0, head, &["head waits"]);
    let told = ["short runs on w2", "short passes head until 10860000"];
    pool.check(HOUR, ask("short", "u").hours(1), &told);
}
