//! The breaker, transition by transition.

use conclave::resilience::BreakerState::{Closed, ForcedClosed, ForcedOpen, HalfOpen, Open};
use conclave::resilience::Outcome::{Failure, Neutral, Success};
use conclave::resilience::{Breaker, BreakerSettings, BreakerState, Moment, Outcome, WindowSize};
use std::time::Duration;

/// Half of four calls, or three in a row; slow from 100 ms; open for 1 s, 2 s, 3 s; two probes.
fn settings() -> BreakerSettings {
    BreakerSettings {
        window: WindowSize::Calls(8),
        calls_min: 4,
        failure_rate_bp: 5_000,
        slow_after: Duration::from_millis(100),
        slow_rate_bp: 7_500,
        failures_in_a_row: 3,
        open_for: Duration::from_secs(1),
        open_for_max: Duration::from_secs(3),
        probes: 2,
        probe_timeout: Duration::from_millis(500),
    }
}

/// What happens, at a time in milliseconds.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call that takes so many milliseconds and ends like this; it is let through.
    Call(u64, u64, Outcome),
    /// A call that is not let through, and when to ask again.
    Refused(u64, Option<u64>),
    /// A call begins; it is let through and has not ended yet.
    Begin(u64),
    /// The oldest call under way ends.
    End(u64, Outcome),
    /// An operator holds it open or closed, or lets go.
    Force(u64, bool),
    Release(u64),
}
use Event::{Begin, Call, End, Force, Refused, Release};

/// The state after all of `events`.
#[track_caller]
fn check(settings: BreakerSettings, events: &[Event], state: BreakerState) -> Breaker {
    let mut breaker = Breaker::new(settings);
    let mut under_way = std::collections::VecDeque::new();
    for event in events {
        match *event {
            Call(at, took, outcome) => {
                let permit = breaker.ask(Moment::ms(at)).unwrap_or_else(|_| panic!("{event:?}"));
                breaker.finish(permit, Moment::ms(at + took), outcome);
            }
            Refused(at, until) => {
                let rejected = breaker.ask(Moment::ms(at)).expect_err(&format!("{event:?}"));
                assert_eq!(rejected.until, until.map(Moment::ms), "{event:?}");
            }
            Begin(at) => under_way.push_back(breaker.ask(Moment::ms(at)).unwrap()),
            End(at, outcome) => {
                let permit = under_way.pop_front().unwrap();
                breaker.finish(permit, Moment::ms(at), outcome);
            }
            Force(at, open) => breaker.force(open, Moment::ms(at)),
            Release(at) => breaker.release(Moment::ms(at)),
        }
    }
    assert_eq!(breaker.state(), state, "{events:?}");
    breaker
}

/// Three failures in a row by time 2 open it.
const OPENED: [Event; 3] = [Call(0, 0, Failure), Call(1, 0, Failure), Call(2, 0, Failure)];

fn after_opening(events: &[Event]) -> Vec<Event> {
    OPENED.iter().chain(events).copied().collect()
}

#[test]
fn it_opens_at_a_rate_of_failures_once_there_are_enough_calls() {
    let half = [Call(0, 0, Failure), Call(1, 0, Success), Call(2, 0, Failure)];
    check(settings(), &half, Closed);
    let enough: Vec<_> = half.into_iter().chain([Call(3, 0, Success)]).collect();
    check(settings(), &enough, Open);
    let third = [Success, Success, Failure, Success, Success, Failure].map(|end| Call(0, 0, end));
    check(settings(), &third, Closed);
}

#[test]
fn it_opens_after_failures_in_a_row_however_few_calls_there_are() {
    check(settings(), &OPENED[..2], Closed);
    assert_eq!(check(settings(), &OPENED, Open).opened(), 1);
    let broken = [Call(0, 0, Failure), Call(1, 0, Failure), Call(2, 0, Success)];
    check(settings(), &broken, Closed);
    let neutral = [Call(0, 0, Failure), Call(1, 0, Failure), Call(2, 0, Neutral)];
    check(settings(), &neutral, Closed);
}

#[test]
fn it_opens_when_most_calls_are_slow_though_they_succeed() {
    let slow = Call(0, 101, Success);
    check(settings(), &[slow, slow, slow, Call(0, 100, Success)], Open);
    check(settings(), &[slow, slow, Call(0, 0, Success), Call(0, 100, Success)], Closed);
}

#[test]
fn it_forgets_calls_by_count() {
    let mut events = vec![Call(0, 0, Failure), Call(1, 0, Success)];
    events.extend([Call(2, 0, Success); 8]);
    events.extend([Call(3, 0, Failure), Call(4, 0, Success), Call(5, 0, Failure)]);
    check(settings(), &events, Closed);
    events.extend([Call(6, 0, Success), Call(7, 0, Failure), Call(8, 0, Failure)]);
    check(settings(), &events, Open);
}

#[test]
fn it_forgets_calls_by_time() {
    let by_time =
        BreakerSettings { window: WindowSize::Span(Duration::from_secs(1)), ..settings() };
    let late = |at| [Call(0, 0, Failure), Call(1, 0, Failure), Call(at, 0, Success)];
    let then = |at| [late(at).to_vec(), vec![Call(at, 0, Success)]].concat();
    check(by_time, &then(950), Open);
    check(by_time, &then(1_000), Closed);
}

#[test]
fn an_open_breaker_refuses_until_its_time_is_over() {
    let refusals = [Refused(2, Some(1_002)), Refused(1_001, Some(1_002))];
    check(settings(), &after_opening(&refusals), Open);
    check(settings(), &after_opening(&[Begin(1_002)]), HalfOpen);
}

#[test]
fn probes_close_it_or_open_it_for_longer() {
    let one = [Call(1_002, 0, Success)];
    check(settings(), &after_opening(&one), HalfOpen);
    check(settings(), &after_opening(&[one[0], Call(1_003, 0, Success)]), Closed);
    let failed = [Call(1_002, 0, Failure), Refused(3_001, Some(3_002))];
    check(settings(), &after_opening(&failed), Open);
    let slow = [Call(1_002, 101, Success), Refused(1_200, Some(3_103))];
    check(settings(), &after_opening(&slow), Open);
    let thrice = [
        Call(1_002, 0, Failure),
        Call(3_002, 0, Failure),
        Call(6_002, 0, Failure),
        Refused(6_003, Some(9_002)),
    ];
    check(settings(), &after_opening(&thrice), Open);
    let healed = [
        Call(1_002, 0, Failure),
        Call(3_002, 0, Success),
        Call(3_003, 0, Success),
        Call(3_004, 0, Failure),
        Call(3_005, 0, Failure),
        Call(3_006, 0, Failure),
        Refused(3_007, Some(4_006)),
    ];
    check(settings(), &after_opening(&healed), Open);
}

#[test]
fn no_more_than_the_allowed_probes_are_under_way() {
    let two = [Begin(1_002), Begin(1_003), Refused(1_004, Some(1_503))];
    check(settings(), &after_opening(&two), HalfOpen);
}

#[test]
fn a_probe_that_says_nothing_gives_its_place_back() {
    let given_up = [Begin(1_002), Begin(1_002), End(1_010, Neutral), Begin(1_011)];
    check(settings(), &after_opening(&given_up), HalfOpen);
}

#[test]
fn a_probe_that_hangs_counts_as_failed() {
    let hangs = [Begin(1_002), Refused(1_502, Some(3_502)), End(1_503, Success)];
    check(settings(), &after_opening(&hangs), Open);
    let long_after_another = [Call(1_002, 0, Neutral), Begin(9_000), Begin(9_001)];
    check(settings(), &after_opening(&long_after_another), HalfOpen);
}

#[test]
fn an_answer_from_before_the_state_changed_decides_nothing() {
    let late = |end| {
        let begun = [Begin(0)].into_iter().chain(OPENED);
        begun.chain([Begin(1_002), End(1_003, end)]).collect::<Vec<_>>()
    };
    check(settings(), &late(Failure), HalfOpen);
    check(settings(), &late(Success), HalfOpen);
}

#[test]
fn an_operator_has_the_last_word() {
    let open = [Force(0, true), Refused(999_999, None)];
    check(settings(), &open, ForcedOpen);
    let closed: Vec<_> = [Force(0, false)].into_iter().chain(OPENED).collect();
    check(settings(), &closed, ForcedClosed);
    check(settings(), &after_opening(&[Release(3), Call(4, 0, Success)]), Closed);
    assert_eq!(check(settings(), &open, ForcedOpen).opened(), 0, "only by itself");
}
