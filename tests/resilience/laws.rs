//! What holds whatever happens.

use conclave::resilience::{
    Breaker, BreakerSettings, BreakerState, Budget, BudgetSettings, Bulkhead, BulkheadSettings,
    Entry, Moment, Outcome, WindowSize,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

const PROBES: u64 = 3;

fn settings(by_time: bool) -> BreakerSettings {
    let span = WindowSize::Span(Duration::from_millis(400));
    BreakerSettings {
        window: if by_time { span } else { WindowSize::Calls(6) },
        calls_min: 4,
        slow_after: Duration::from_millis(60),
        failures_in_a_row: 3,
        open_for: Duration::from_millis(100),
        open_for_max: Duration::from_millis(300),
        probes: PROBES,
        probe_timeout: Duration::from_millis(150),
        ..BreakerSettings::default()
    }
}

fn outcome(draw: u8) -> Outcome {
    match draw % 3 {
        0 => Outcome::Success,
        1 => Outcome::Failure,
        _ => Outcome::Neutral,
    }
}

proptest! {
    /// Steps are (milliseconds that pass, what happens, a draw).
    #[test]
    fn a_breaker_lets_no_more_than_its_probes_through_and_never_stays_open(
        by_time in any::<bool>(),
        steps in vec((0_u64..80, 0_u8..3, any::<u8>()), 0..200),
    ) {
        let mut breaker = Breaker::new(settings(by_time));
        let (mut now, mut under_way, mut probing) = (0, Vec::new(), 0_u64);
        for (passed, what, draw) in steps {
            now += passed;
            if what == 0 && !under_way.is_empty() {
                let index = usize::from(draw) % under_way.len();
                let (permit, began_in): (_, u64) = under_way.swap_remove(index);
                let was_probing = breaker.state() == BreakerState::HalfOpen;
                breaker.finish(permit, Moment::ms(now), outcome(draw));
                let is_given_back = outcome(draw) == Outcome::Neutral;
                if was_probing && is_given_back && began_in == breaker.opened() {
                    probing = probing.saturating_sub(1);
                }
            } else if let Ok(permit) = breaker.ask(Moment::ms(now)) {
                prop_assert_ne!(breaker.state(), BreakerState::Open);
                let is_probe = breaker.state() == BreakerState::HalfOpen;
                probing += u64::from(is_probe);
                let episode = if is_probe { breaker.opened() } else { u64::MAX };
                under_way.push((permit, episode));
            }
            if breaker.state() != BreakerState::HalfOpen {
                probing = 0;
            }
            prop_assert!(probing <= PROBES, "{} probes", probing);
        }
        // Whatever happened: once its times are over, a probe gets through.
        let first = breaker.ask(Moment::ms(now + 1_000)).is_ok();
        prop_assert!(first || breaker.ask(Moment::ms(now + 2_000)).is_ok());
    }

    #[test]
    fn a_budget_never_gives_more_than_was_paid_in(
        steps in vec((0_u64..2_000, any::<bool>()), 0..200),
        ratio_bp in 0_u64..3_000,
        per_second in 0_u64..3,
        retries_max in 0_u64..5,
    ) {
        let mut budget = Budget::new(BudgetSettings { ratio_bp, per_second, retries_max });
        let (mut now, mut calls, mut given) = (0, 0, 0);
        for (passed, is_call) in steps {
            now += passed;
            if is_call {
                budget.deposit(Moment::ms(now));
                calls += 1;
            } else {
                given += u64::from(budget.withdraw(Moment::ms(now)));
            }
            prop_assert!(budget.retries() <= retries_max);
            let paid = retries_max * 1_000 + calls * ratio_bp / 10 + now * per_second;
            prop_assert!(given * 1_000 <= paid, "{} of {}", given, paid);
        }
    }

    #[test]
    fn a_bulkhead_holds_its_bounds_and_its_order(steps in vec((0_u8..4, any::<u8>()), 0..200)) {
        let settings = BulkheadSettings { running_max: 2, queued_max: 3 };
        let mut bulkhead = Bulkhead::new(settings);
        let mut waiting: Vec<u64> = Vec::new();
        for (what, draw) in steps {
            match what {
                0 => match bulkhead.enter() {
                    Entry::Queued(number) => waiting.push(number),
                    Entry::Running => prop_assert!(waiting.is_empty()),
                    Entry::Full => prop_assert_eq!(waiting.len(), settings.queued_max),
                },
                1 if bulkhead.running() > 0 => bulkhead.leave(),
                2 if !waiting.is_empty() => {
                    let number = waiting[usize::from(draw) % waiting.len()];
                    let has_room = bulkhead.running() < settings.running_max;
                    let is_first = waiting[0] == number;
                    prop_assert_eq!(bulkhead.claim(number), has_room && is_first);
                    waiting.retain(|other| !(has_room && is_first) || *other != number);
                }
                3 if !waiting.is_empty() => {
                    let number = waiting.remove(usize::from(draw) % waiting.len());
                    bulkhead.give_up(number);
                }
                _ => {}
            }
            prop_assert!(bulkhead.running() <= settings.running_max);
            prop_assert_eq!(bulkhead.queued(), waiting.len());
        }
    }
}
