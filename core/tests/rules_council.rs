//! What the council's verdict does to a request.
//!
//! The rule score holds the seat: priority × 4, up to 30 points for small and 20 for short
//! requests, 10 when preemptible and 5 when not. 70 approve, 50 defer, fewer deny.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{CouncilMode, Payload, SetPoolPolicy};
use conclave_core::limits::DUE_VOTES_MAX;
use conclave_core::units::TimeMs;
use story::{Ask, HOUR, MINUTE, Story, ask, cancel, node, policy, quota, set};

const RETRY: i64 = 30 * MINUTE;

fn mode(council: CouncilMode) -> Payload {
    set(SetPoolPolicy { council, ..policy() })
}

/// A pool of 16 GPUs under a council.
fn pool(council: CouncilMode) -> Story {
    Story::given([mode(council), node("a", 16, "A100"), quota("t", 0, 99)])
}

/// 100 points.
fn good(name: &str) -> Ask {
    ask(name, "t").priority(10).preemptible()
}

/// 60 points: deferred, and approved at last.
fn fair(name: &str) -> Ask {
    ask(name, "t").priority(5).hours(25)
}

/// 55 points: deferred, and denied at last.
fn poor(name: &str) -> Ask {
    ask(name, "t").priority(5).gpus(4).hours(25).preemptible()
}

/// 14 points.
fn bad(name: &str) -> Ask {
    ask(name, "t").priority(1).gpus(9).hours(25)
}

#[test]
fn under_enforce_the_verdict_decides() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.check(0, good("r1"), &["Rules on r1: Approve with 100", "r1 runs on a"]);
    pool.check(
        0,
        fair("r2"),
        &["Rules on r2: Defer with 60", &format!("r2 is deferred until {RETRY}")],
    );
    pool.check(0, bad("r3"), &["refused: council_denied", "Rules on r3: Deny with 14"]);
    let retry_at_ms = TimeMs(RETRY);
    assert_eq!(pool.blocker("r2"), Some(Blocker::Deferred { attempts: 1, retry_at_ms }));
    // Denied is not live: its name is free.
    pool.check(1, good("r3"), &["Rules on r3: Approve with 100", "r3 runs on a"]);
}

#[test]
fn under_advise_votes_are_recorded_and_change_nothing_and_under_off_nobody_votes() {
    let mut advised = pool(CouncilMode::Advise);
    advised.check(0, bad("r1"), &["Rules on r1: Deny with 14", "r1 runs on a"]);
    advised.check(0, fair("r2"), &["Rules on r2: Defer with 60", "r2 runs on a"]);
    let mut off = pool(CouncilMode::Off);
    off.check(0, bad("r1"), &["r1 runs on a"]);
}

#[test]
fn a_vote_never_overrides_a_hard_rule() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.check(0, good("r1").gpus(1).replicas(17), &["refused: exceeds_pool"]);
    pool.check(0, good("r2").deadline(0), &["refused: deadline_passed"]);
    pool.check(0, good("r3").gpus(16).replicas(7), &["refused: exceeds_limit"]);
}

#[test]
fn a_deferred_request_is_looked_at_again_and_after_three_deferrals_for_the_last_time() {
    for (asked, last) in [
        (fair("r"), ["RulesFinal on r: Approve with 60", "r runs on a"]),
        (poor("r"), ["RulesFinal on r: Deny with 55", "r is denied"]),
    ] {
        let mut pool = pool(CouncilMode::Enforce);
        let mut told = pool.send(0, asked.into());
        for attempt in 1..=3 {
            let retry = attempt * RETRY;
            assert_eq!(told[1], format!("r is deferred until {retry}"));
            pool.check(retry - 1, Payload::Tick, &[]);
            // Its timer only marks it due; the vote is taken when the next round opens.
            pool.check(retry, Payload::Tick, &["r is due"]);
            assert_eq!(pool.blocker("r"), Some(Blocker::VoteDue));
            told = pool.send(retry, Payload::Tick);
        }
        assert_eq!(told, last);
    }
}

#[test]
fn a_due_vote_is_taken_once_per_round_at_its_first_command() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.send(0, fair("r").into());
    let told = pool.send_round(RETRY, vec![Payload::Tick, Payload::Tick]);
    assert_eq!(told, [vec!["r is due".to_owned()], vec![]]);
    let told = pool.send_round(RETRY, vec![Payload::Tick, Payload::Tick]);
    let again = format!("r is deferred until {}", 2 * RETRY);
    assert_eq!(told, [vec!["Rules on r: Defer with 60".to_owned(), again], vec![]]);
}

#[test]
fn at_most_64_due_votes_are_taken_at_one_round_open() {
    let mut pool = pool(CouncilMode::Enforce);
    let count = DUE_VOTES_MAX + 6;
    for index in 0..count {
        pool.send(0, fair(&format!("r{index:02}")).into());
    }
    assert_eq!(pool.send(RETRY, Payload::Tick).len(), count);
    let votes = |told: Vec<String>| told.iter().filter(|line| line.starts_with("Rules on")).count();
    assert_eq!(votes(pool.send(RETRY, Payload::Tick)), DUE_VOTES_MAX);
    assert_eq!(votes(pool.send(RETRY, Payload::Tick)), 6);
    assert_eq!(votes(pool.send(RETRY, Payload::Tick)), 0);
}

#[test]
fn a_deferred_request_can_be_cancelled_or_miss_its_deadline() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.send(0, fair("r1").into());
    pool.check(1, cancel("r1"), &["r1 is cancelled"]);
    pool.send(2, fair("r2").deadline(RETRY).into());
    pool.check(RETRY, Payload::Tick, &["r2 missed its deadline"]);
    // It was deferred until 2 ms after that.
    pool.check(RETRY + 2, Payload::Tick, &[]);
    pool.check(RETRY + 2, Payload::Tick, &[]);
}

#[test]
fn a_request_that_ends_when_its_vote_is_due_has_no_use_for_the_vote() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.send(0, fair("r1").deadline(RETRY + 1).into());
    pool.check(RETRY, Payload::Tick, &["r1 is due"]);
    pool.check(RETRY + 1, Payload::Tick, &["r1 missed its deadline"]);
    pool.send(HOUR, fair("r2").into());
    pool.check(HOUR + RETRY, Payload::Tick, &["r2 is due"]);
    let told = pool.send(HOUR + RETRY, cancel("r2"));
    // The vote was taken at round open and comes before the command.
    let again = format!("r2 is deferred until {}", HOUR + 2 * RETRY);
    assert_eq!(told, ["Rules on r2: Defer with 60", again.as_str(), "r2 is cancelled"]);
}

#[test]
fn requests_that_are_approved_together_start_in_the_order_not_as_they_were_voted_on() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.send(0, ask("a-low", "t").priority(2).hours(9).into());
    pool.send(0, ask("b-high", "t").priority(4).hours(25).into());
    pool.send(0, good("holder").gpus(15).hours(1).into());
    pool.check(1, mode(CouncilMode::Off), &["the rules are set"]);
    let due = ["a-low is due", "b-high is due"];
    pool.check(RETRY, Payload::Tick, &due);
    pool.check(RETRY, Payload::Tick, &["a-low waits", "b-high runs on a"]);
}

#[test]
fn deferred_requests_count_towards_the_queue() {
    let mut pool = pool(CouncilMode::Enforce);
    let full = SetPoolPolicy { council: CouncilMode::Enforce, queue_max: 1, ..policy() };
    pool.check(0, set(full), &["the rules are set"]);
    pool.send(0, fair("r1").into());
    pool.check(0, fair("r2"), &["refused: queue_full"]);
    pool.check(1, cancel("r1"), &["r1 is cancelled"]);
    assert_eq!(pool.send(1, fair("r2").into())[0], "Rules on r2: Defer with 60");
}

#[test]
fn the_mode_at_the_time_of_a_vote_is_the_one_that_counts() {
    let mut advised = pool(CouncilMode::Enforce);
    advised.send(0, poor("r").into());
    advised.check(1, mode(CouncilMode::Advise), &["the rules are set"]);
    advised.check(RETRY, Payload::Tick, &["r is due"]);
    advised.check(RETRY, Payload::Tick, &["Rules on r: Defer with 55", "r runs on a"]);

    let mut off = pool(CouncilMode::Enforce);
    off.send(0, poor("r").into());
    off.check(1, mode(CouncilMode::Off), &["the rules are set"]);
    off.check(RETRY, Payload::Tick, &["r is due"]);
    off.check(RETRY, Payload::Tick, &["r runs on a"]);
}
