//! What a pool remembers of a tenant: every event that counts, and what of it is left days later.

mod story;

use conclave_core::command::{CouncilMode, Payload, ReleaseLease, SetPoolPolicy, WorkOutcome};
use conclave_core::state::History;
use conclave_core::state::history::{Counted, DAY_MS, Faded};
use conclave_core::units::{GpuMilliSeconds, Offset, TimeMs};
use story::{
    Ask, HOUR, MINUTE, POOL, SECOND, Story, appeal, approve, ask, cancel, end, node, policy, quota,
    renew, set, shrink,
};

fn pool(council: CouncilMode) -> Story {
    let rules = set(SetPoolPolicy { council, ..policy() });
    Story::given([rules, node("a", 16, "A100"), quota("t", 0, 99), quota("u", 0, 99)])
}

fn history(story: &Story, tenant: &str) -> History {
    story.state.pools[POOL].tenants[tenant].history
}

/// On the first day nothing has faded.
#[track_caller]
fn check(story: &Story, expected: &[(Counted, i64)]) {
    let history = history(story, "t");
    for what in Counted::ALL {
        let times = expected.iter().find(|(named, _)| *named == what).map_or(0, |(_, n)| *n);
        assert_eq!(history.count(what), Faded(times * Faded::ONCE), "{what:?}: {history:?}");
    }
    assert_eq!(self::history(story, "u"), History::default(), "u did nothing");
}

fn give_back(story: &Story, name: &str, outcome: WorkOutcome, used_bp: Option<i64>) -> Payload {
    let (request, fencing) = (name.into(), Offset(story.fencing(name)));
    Payload::ReleaseLease(ReleaseLease { request, fencing, outcome, utilisation_bp: used_bp })
}

/// 100 points.
fn good(name: &str) -> Ask {
    ask(name, "t").priority(10).preemptible()
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
fn requests_that_wait_end_and_start_are_counted() {
    let mut pool = pool(CouncilMode::Off);
    pool.send(1, ask("r1", "t").gpus(16).into());
    check(&pool, &[(Counted::Asked, 1), (Counted::Granted, 1)]);
    pool.send(2, ask("r2", "t").into());
    pool.send(3, ask("r3", "t").deadline(MINUTE).into());
    pool.send(4, ask("r4", "t").into());
    let tenant = &pool.state.pools[POOL].tenants["t"];
    assert_eq!((tenant.waiting_count, tenant.running_count), (3, 1));
    pool.send(5, cancel("r2"));
    pool.send(MINUTE, Payload::Tick);
    // Neither its doing nor the council's.
    pool.send(MINUTE, end("r4"));
    check(&pool, &[(Counted::Asked, 4), (Counted::Granted, 1), (Counted::Withdrawn, 2)]);
    let tenant = &pool.state.pools[POOL].tenants["t"];
    assert_eq!((tenant.waiting_count, tenant.running_count), (0, 1));
}

#[test]
fn a_refusal_by_hard_rules_is_nobodys_history() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.check(1, good("r").gpus(16).replicas(7), &["refused: exceeds_limit"]);
    pool.check(1, good("r").deadline(1), &["refused: deadline_passed"]);
    check(&pool, &[]);
}

#[test]
fn denials_count_for_whom_they_hit_at_once_later_and_after_an_appeal() {
    let mut pool = pool(CouncilMode::Enforce);
    pool.check(1, bad("r1"), &["refused: council_denied", "Rules on r1: Deny with 14"]);
    check(&pool, &[(Counted::Asked, 1), (Counted::Denied, 1)]);
    // An operator appeals for the tenant: the denial before says whose request it is.
    let told = pool.send(2, appeal("r1", Some(bad("r1"))));
    assert_eq!(told[2], "RulesFinal on r1: Deny with 14");
    check(&pool, &[(Counted::Asked, 2), (Counted::Denied, 2)]);

    pool.send(3, poor("r2").into());
    let mut last = vec![];
    for attempt in 1..=3 {
        let due = 3 + attempt * 30 * MINUTE;
        pool.send(due, Payload::Tick);
        last = pool.send(due, Payload::Tick);
    }
    assert_eq!(last, ["RulesFinal on r2: Deny with 55", "r2 is denied"]);
    check(&pool, &[(Counted::Asked, 3), (Counted::Denied, 3)]);

    pool.send(2 * HOUR, approve("r3", Some(bad("r3"))));
    check(&pool, &[(Counted::Asked, 4), (Counted::Denied, 3), (Counted::Granted, 1)]);
}

#[test]
fn an_advised_denial_is_none() {
    let mut pool = pool(CouncilMode::Advise);
    pool.check(1, bad("r"), &["Rules on r: Deny with 14", "r runs on a"]);
    check(&pool, &[(Counted::Asked, 1), (Counted::Granted, 1)]);
}

#[test]
fn every_way_a_lease_ends_is_counted_with_its_use() {
    use WorkOutcome::{Failed, Stopped, Succeeded, Unknown};
    let mut pool = pool(CouncilMode::Off);
    for (name, outcome, used) in [
        ("r1", Succeeded, Some(8_000)),
        ("r2", Failed, Some(1_000)),
        ("r3", Stopped, None),
        ("r4", Unknown, None),
    ] {
        pool.send(1, ask(name, "t").into());
        let release = give_back(&pool, name, outcome, used);
        pool.send(2, release);
    }
    pool.send(3, ask("r5", "t").into());
    pool.send(4, end("r5"));
    pool.send(5, ask("r6", "t").into());
    pool.check(3 * HOUR, Payload::Tick, &["r6 expires"]);
    check(
        &pool,
        &[
            (Counted::Asked, 6),
            (Counted::Granted, 6),
            (Counted::Succeeded, 1),
            (Counted::Failed, 1),
            (Counted::Stopped, 2),
            (Counted::Unknown, 1),
            (Counted::Expired, 1),
            (Counted::Measured, 2),
        ],
    );
    let history = history(&pool, "t");
    assert_eq!(history.ended(), Faded(6 * Faded::ONCE));
    assert_eq!(history.utilisation_sum_bp(), Faded(9_000 * Faded::ONCE));
}

#[test]
fn gpu_time_is_what_was_held_until_the_end_and_what_was_expected_of_it() {
    let mut pool = pool(CouncilMode::Off);
    let gpus = |count: i64, seconds: i64| GpuMilliSeconds(count * 1_000 * seconds);
    // Three replicas of two GPUs for an hour.
    pool.send(0, ask("r", "t").gpus(2).replicas(3).into());
    let fencing = pool.fencing("r");
    pool.send(60 * SECOND, shrink("r", fencing, 1));
    let expected = history(&pool, "t");
    assert_eq!((expected.held(), expected.expected()), (gpus(4, 60), gpus(4, 3_600)));
    // It is renewed until two hours after its grant, and two more pass before anybody notices.
    let fencing = pool.fencing("r");
    pool.send(30 * MINUTE, renew("r", fencing, 90 * MINUTE));
    pool.check(4 * HOUR, Payload::Tick, &["r expires"]);
    let expected = history(&pool, "t");
    assert_eq!(expected.held(), gpus(4, 60).plus(gpus(2, 2 * 3_600)));
    assert_eq!(expected.expected(), gpus(6, 3_600));

    // A slice; CPU only holds no GPUs.
    pool.send(5 * HOUR, ask("s", "t").slice(250).into());
    pool.send(5 * HOUR, ask("c", "t").cpu_only(500).into());
    let before = history(&pool, "t");
    for name in ["s", "c"] {
        let release = pool.release(name);
        pool.send(5 * HOUR + 1_500, release);
    }
    let after = history(&pool, "t");
    assert_eq!(after.held(), before.held().plus(GpuMilliSeconds(375)));
    assert_eq!(after.expected(), before.expected().plus(GpuMilliSeconds(250 * 3_600)));
}

#[test]
fn half_of_it_is_left_when_log_time_passes_midnight() {
    let mut pool = pool(CouncilMode::Off);
    let midnight = DAY_MS.0;
    pool.send(midnight - 1, ask("r1", "t").into());
    pool.send(midnight, ask("r2", "t").into());
    let count = |at: i64| history(&pool, "t").at(TimeMs(at)).count(Counted::Asked).0;
    assert_eq!(count(midnight), 64 + 32);
    assert_eq!(count(2 * midnight), 48);
    assert_eq!(count(8 * midnight), 0);
}
