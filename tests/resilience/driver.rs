//! The driver, with a clock that only moves when somebody sleeps or calls.

use conclave::error::{Error, Result};
use conclave::resilience::{
    BreakerState, BulkheadSettings, Class, Clock, DelaySettings, Guard, Moment, Policy, Standing,
    SystemClock,
};
use std::cell::Cell;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// A clock in the hands of a test.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<Mutex<Duration>>);

impl Hand {
    fn turn(&self, ms: u64) {
        *self.0.lock().unwrap() += Duration::from_millis(ms);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment(*self.0.lock().unwrap())
    }

    fn sleep(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

fn policy() -> Policy {
    let delays = DelaySettings { retries_max: 2, ..DelaySettings::default() };
    Policy { delays, is_idempotent: true, ..Policy::default() }
}

/// How many attempts one call makes, and how it stands then.
#[track_caller]
fn check(policy: Policy, answer: fn(u32) -> Result<()>, attempts: u32, is_ok: bool) -> Standing {
    let guard = Guard::new("it", policy, Hand::default(), 7);
    let made = Cell::new(0);
    let answered = guard.call(Class::of, || {
        made.set(made.get() + 1);
        answer(made.get())
    });
    assert_eq!((made.get(), answered.is_ok()), (attempts, is_ok), "{answered:?}");
    guard.standing()
}

fn away(_: u32) -> Result<()> {
    Err(Error::unavailable("it is away"))
}

#[test]
fn what_may_succeed_the_next_time_is_tried_again() {
    let standing = check(policy(), |attempt| if attempt < 3 { away(0) } else { Ok(()) }, 3, true);
    let counts = (standing.calls, standing.attempts, standing.failures, standing.retries);
    assert_eq!(counts, (1, 3, 2, 2));
    assert_eq!(standing.last_error.as_deref(), Some("it is away"));
    assert_eq!(check(policy(), away, 3, false).failures, 3);
    let refused = check(policy(), |_| Err(Error::invalid("no")), 1, false);
    assert_eq!((refused.failures, refused.last_error), (0, None), "it answered");
}

#[test]
fn retries_end_with_the_budget_and_the_deadline() {
    let mut broke = policy();
    (broke.budget.retries_max, broke.budget.per_second) = (1, 0);
    let standing = check(broke, away, 2, false);
    assert_eq!(standing.budget_spent, 1);
    let hasty = Policy { deadline: Duration::ZERO, ..policy() };
    assert_eq!(check(hasty, away, 1, false).budget_spent, 0);
}

#[test]
fn what_must_not_be_done_twice_is_not_when_nobody_knows() {
    for (is_idempotent, attempts) in [(false, 1), (true, 3)] {
        let policy = Policy { is_idempotent, ..policy() };
        let guard = Guard::new("it", policy, Hand::default(), 7);
        let made = Cell::new(0);
        let answered: Result<()> = guard.call(
            |_| Class::Ambiguous,
            || {
                made.set(made.get() + 1);
                away(0)
            },
        );
        assert!(answered.is_err());
        assert_eq!(made.get(), attempts);
    }
}

#[test]
fn a_dependency_that_fails_is_left_alone_and_asked_again_later() {
    let hand = Hand::default();
    let guard = Guard::new("it", policy(), hand.clone(), 7);
    for _ in 0..2 {
        assert!(guard.call(Class::of, || away(0)).is_err());
    }
    assert_eq!((guard.standing().breaker, guard.standing().opened), (BreakerState::Open, 1));
    let refused = guard.call(Class::of, || -> Result<()> { panic!("it is left alone") });
    let why = refused.unwrap_err().to_string();
    assert!(why.starts_with("it is left alone for another") && why.contains("it is away"), "{why}");
    hand.turn(1_001);
    for state in [BreakerState::HalfOpen, BreakerState::Closed] {
        guard.call(Class::of, || Ok(())).unwrap();
        assert_eq!(guard.standing().breaker, state);
    }
    guard.force(true);
    assert!(guard.call(Class::of, || Ok(())).unwrap_err().message.contains("operator"));
    guard.release();
    guard.call(Class::of, || Ok(())).unwrap();
}

#[test]
fn a_panic_gives_back_what_was_lent() {
    let policy =
        Policy { bulkhead: BulkheadSettings { running_max: 1, queued_max: 0 }, ..policy() };
    let guard = Guard::new("it", policy, Hand::default(), 7);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        guard.call(Class::of, || -> Result<()> { panic!("as this test wants it") })
    }));
    assert!(panicked.is_err());
    guard.call(Class::of, || Ok(())).unwrap();
    assert_eq!((guard.standing().running, guard.standing().failures), (0, 0));
}

#[test]
fn threads_wait_for_a_place_in_turn_and_no_longer_than_their_deadline() {
    let policy = Policy {
        bulkhead: BulkheadSettings { running_max: 1, queued_max: 1 },
        deadline: Duration::from_secs(1),
        ..policy()
    };
    let guard = Guard::new("it", policy, SystemClock::default(), 7);
    let (entered, is_in) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    std::thread::scope(|scope| {
        let guard = &guard;
        scope.spawn(move || {
            guard.call(Class::of, || {
                entered.send(()).unwrap();
                may_go.recv().unwrap();
                Ok(())
            })
        });
        is_in.recv().unwrap();
        let late = guard.call(Class::of, || Ok(())).unwrap_err();
        assert!(late.message.contains("took too long"), "{late}");
        let waits = scope.spawn(move || guard.call(Class::of, || Ok(1)));
        while guard.standing().queued == 0 {
            std::thread::yield_now();
        }
        let turned_away = guard.call(Class::of, || Ok(())).unwrap_err();
        assert!(turned_away.message.contains("too many"), "{turned_away}");
        go.send(()).unwrap();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
    });
    let standing = guard.standing();
    assert_eq!((standing.running, standing.queued, standing.full), (0, 0, 1));
}
