//! What people do about the council: operators override it, tenants appeal.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{CouncilMode, Payload, Role, SetPoolPolicy};
use conclave_core::limits::DENIAL_WINDOW_MS;
use story::{
    Ask, HOUR, MINUTE, Story, activate, appeal, approve, ask, budget, cancel, end, node, policy,
    priced, quota, release, set,
};

const RETRY: i64 = 30 * MINUTE;
const APPROVED: &str = "somebody says Approve";

/// A pool of 16 GPUs under a council that is followed.
fn pool() -> Story {
    let rules = set(SetPoolPolicy { council: CouncilMode::Enforce, ..policy() });
    Story::given([rules, node("a", 16, "A100"), quota("t", 0, 99), quota("u", 0, 99)])
}

/// 60 points: deferred, and approved at last.
fn fair(name: &str) -> Ask {
    ask(name, "t").hours(25)
}

/// 14 points.
fn bad(name: &str) -> Ask {
    ask(name, "t").priority(1).gpus(9).hours(25)
}

/// Puts `fair` off and denies `bad`.
fn both(pool: &mut Story) {
    let until = format!("fair is deferred until {RETRY}");
    pool.check(0, fair("fair"), &["Rules on fair: Defer with 60", &until]);
    pool.check(0, bad("bad"), &["refused: council_denied", "Rules on bad: Deny with 14"]);
}

#[test]
fn an_operator_lets_a_request_start_that_was_put_off() {
    let mut pool = pool();
    both(&mut pool);
    pool.check(1, approve("fair", Some(fair("fair"))), &["refused: duplicate_request"]);
    let said = format!("{APPROVED} fair: on call");
    pool.check(1, approve("fair", None), &[&said, "fair runs on a"]);
    pool.check(2, approve("fair", None), &["refused: not_held_back"]);
    // Nobody votes on it any more.
    pool.check(RETRY, Payload::Tick, &[]);
}

#[test]
fn an_operator_starts_what_was_denied_and_hard_rules_stay() {
    let mut pool = pool();
    both(&mut pool);
    pool.check(1, approve("bad", None), &["refused: unknown_request"]);
    pool.check(1, approve("bad", Some(bad("bad").gpus(8).replicas(3))), &["refused: exceeds_pool"]);
    pool.check(1, approve("bad", Some(ask("bad", "x"))), &["refused: unknown_tenant"]);
    let said = format!("{APPROVED} bad: on call");
    pool.check(2, approve("bad", Some(bad("bad"))), &[&said, "bad runs on a"]);
    let more = format!("{APPROVED} more: on call");
    pool.check(3, approve("more", Some(bad("more"))), &[&more, "more waits"]);
    assert_eq!(pool.blocker("more"), Some(Blocker::NoRoom { replicas_fit: 0, replicas: 1 }));
}

#[test]
fn an_operator_ends_a_request_whatever_its_stage() {
    let mut pool = pool();
    both(&mut pool);
    let approved = |name| format!("{APPROVED} {name}: on call");
    let ended = |name| format!("somebody says End {name}: on call");
    pool.check(1, end("fair"), &[&ended("fair"), "fair is ended"]);
    pool.check(1, end("fair"), &["refused: unknown_request"]);
    pool.check(2, approve("runs", Some(bad("runs"))), &[&approved("runs"), "runs runs on a"]);
    let fencing = pool.fencing("runs");
    pool.check(3, approve("next", Some(bad("next"))), &[&approved("next"), "next waits"]);
    pool.check(3, approve("last", Some(bad("last"))), &[&approved("last"), "last waits"]);
    pool.check(4, end("last"), &[&ended("last"), "last is ended"]);
    let told = [&*ended("runs"), "runs is revoked", "next runs on a"];
    pool.check(5, end("runs"), &told);
    // Its holder finds out.
    pool.check(6, release("runs", fencing), &["refused: unknown_request"]);
}

#[test]
fn ending_a_protected_request_lets_others_start() {
    let mut pool = pool();
    let approved = |name| format!("{APPROVED} {name}: on call");
    let start = |name, gpus| approve(name, Some(ask(name, "t").gpus(gpus).hours(9)));
    pool.check(0, start("runs", 9), &[&approved("runs"), "runs runs on a"]);
    pool.check(0, start("waits", 9), &[&approved("waits"), "waits waits"]);
    pool.check(2 * HOUR, start("small", 1), &[&approved("small"), "small waits"]);
    let told = ["somebody says End waits: on call", "waits is ended", "small runs on a"];
    pool.check(2 * HOUR, end("waits"), &told);
}

#[test]
fn a_tenant_appeals_once_against_being_put_off_and_is_voted_on_at_the_next_round() {
    let mut pool = pool();
    both(&mut pool);
    pool.check(1, appeal("fair", Some(fair("fair"))), &["refused: duplicate_request"]);
    pool.check(1, appeal("fair", None), &["fair appeals: a deadline", "fair is due"]);
    assert_eq!(pool.blocker("fair"), Some(Blocker::VoteDue));
    let until = format!("fair is deferred until {}", RETRY + 2);
    pool.check(2, Payload::Tick, &["Rules on fair: Defer with 60", &until]);
    pool.check(3, appeal("fair", None), &["refused: already_appealed"]);
    pool.check(RETRY + 2, Payload::Tick, &["fair is due"]);
    pool.check(
        RETRY + 3,
        cancel("fair"),
        &[
            "Rules on fair: Defer with 60",
            &format!("fair is deferred until {}", 2 * RETRY + 3),
            "fair is cancelled",
        ],
    );
}

#[test]
fn an_appeal_between_timer_and_vote_adds_nothing_but_itself() {
    let mut pool = pool();
    both(&mut pool);
    let round = vec![Payload::Tick, appeal("fair", None)];
    let told = pool.send_round(RETRY, round);
    assert_eq!(told, [vec!["fair is due"], vec!["fair appeals: a deadline"]]);
}

#[test]
fn a_denied_request_gets_one_more_vote_without_a_defer_band() {
    let mut pool = pool();
    both(&mut pool);
    pool.check(1, appeal("never", None), &["refused: unknown_request"]);
    pool.check(1, appeal("bad", None), &["refused: unknown_request"]);
    pool.check(1, appeal("bad", Some(ask("bad", "u"))), &["refused: not_permitted"]);
    let told =
        ["refused: council_denied", "bad appeals: a deadline", "RulesFinal on bad: Deny with 14"];
    pool.check(2, appeal("bad", Some(bad("bad"))), &told);
    pool.check(3, appeal("bad", Some(bad("bad"))), &["refused: already_appealed"]);
    // A new request is a new one, and asks for less.
    pool.check(4, bad("bad"), &["refused: council_denied", "Rules on bad: Deny with 14"]);
    let told = ["bad appeals: a deadline", "RulesFinal on bad: Approve with 60", "bad runs on a"];
    pool.check(5, appeal("bad", Some(fair("bad"))), &told);
    pool.check(6, appeal("bad", None), &["refused: not_held_back"]);
}

#[test]
fn whoever_was_denied_by_a_later_vote_after_an_appeal_does_not_appeal_again() {
    let mut pool = pool();
    // 55 points: put off three times, and denied at last.
    let poor = || ask("poor", "t").gpus(4).hours(25).preemptible();
    pool.send(0, poor().into());
    for (at, payload) in [
        (1, appeal("poor", None)),
        (2, Payload::Tick),
        (RETRY + 2, Payload::Tick),
        (RETRY + 3, Payload::Tick),
        (2 * RETRY + 3, Payload::Tick),
    ] {
        pool.send(at, payload);
    }
    let told = ["RulesFinal on poor: Deny with 55", "poor is denied"];
    pool.check(2 * RETRY + 4, Payload::Tick, &told);
    let again = appeal("poor", Some(poor()));
    pool.check(2 * RETRY + 5, again, &["refused: already_appealed"]);
}

#[test]
fn a_denial_is_remembered_for_a_day_and_is_its_tenants_own() {
    let mut pool = pool();
    both(&mut pool);
    let foreign = pool.command_of(Role::Tenant, "u", appeal("bad", Some(bad("bad"))));
    pool.check_command(1, &foreign, &["refused: not_permitted"]);
    let foreign = pool.command_of(Role::Tenant, "u", appeal("fair", None));
    pool.check_command(1, &foreign, &["refused: not_permitted"]);
    pool.send(2, end("fair"));
    let late = appeal("bad", Some(bad("bad")));
    pool.check(DENIAL_WINDOW_MS.0, late, &["refused: unknown_request"]);
}

#[test]
fn hard_rules_stand_above_appeals_and_overrides() {
    let mut pool = pool();
    both(&mut pool);
    let council = CouncilMode::Enforce;
    pool.check(1, set(SetPoolPolicy { council, queue_max: 1, ..policy() }), &["the rules are set"]);
    let full = &["refused: queue_full"];
    pool.check(2, appeal("bad", Some(bad("bad"))), full);
    pool.check(2, approve("bad", Some(bad("bad"))), full);
    pool.check(3, end("fair"), &["somebody says End fair: on call", "fair is ended"]);
    let over = || bad("bad").gpus(10).replicas(10);
    pool.check(4, quota("t", 0, 10), &["t has a quota"]);
    pool.check(5, appeal("bad", Some(over())), &["refused: exceeds_limit"]);
    pool.check(5, approve("bad", Some(over())), &["refused: exceeds_limit"]);
}

#[test]
fn budgets_and_caps_stand_above_appeals() {
    let mut pool = pool();
    pool.check(0, activate(3), &["version 3 decides"]);
    let capped = || bad("bad").cap(9);
    pool.check(0, capped(), &["refused: council_denied", "Rules on bad: Deny with 14"]);
    let Payload::SetPoolPolicy(prices) = priced(&[("A100", 1_000_000)]) else { panic!("prices") };
    let dear = set(SetPoolPolicy { council: CouncilMode::Enforce, ..prices });
    pool.check(1, dear, &["the rules are set"]);
    pool.check(2, appeal("bad", Some(capped())), &["refused: exceeds_cap"]);
    pool.check(3, budget("t", 99, 1, HOUR), &["t has a quota"]);
    pool.check(4, appeal("bad", Some(bad("bad"))), &["refused: exceeds_budget"]);
}

#[test]
fn where_nobody_votes_an_appeal_goes_on() {
    let mut pool = pool();
    both(&mut pool);
    pool.check(1, set(policy()), &["the rules are set"]);
    let told = ["bad appeals: a deadline", "bad runs on a"];
    pool.check(2, appeal("bad", Some(bad("bad"))), &told);
}
