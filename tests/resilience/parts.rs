//! Budget, pauses, bulkhead and classes.

use conclave::error::Error;
use conclave::resilience::{
    Budget, BudgetSettings, Bulkhead, BulkheadSettings, Class, DelaySettings, Delays, Entry,
    Moment, Outcome,
};
use std::time::Duration;

#[test]
fn a_budget_allows_a_part_of_the_calls_and_a_trickle() {
    let settings = BudgetSettings { ratio_bp: 1_000, per_second: 1, retries_max: 2 };
    let mut budget = Budget::new(settings);
    let now = Moment::default();
    assert_eq!([(); 3].map(|()| budget.withdraw(now)), [true, true, false]);
    for _ in 0..9 {
        budget.deposit(now);
    }
    assert!(!budget.withdraw(now), "nine tenths of a retry are none");
    budget.deposit(now);
    assert!(budget.withdraw(now));
    assert!(!budget.withdraw(Moment::ms(999)));
    assert!(budget.withdraw(Moment::ms(1_000)), "a second adds one");
    assert!(!budget.withdraw(Moment::ms(1_999)));
    let later = Moment::ms(1_000_000);
    assert_eq!([(); 3].map(|()| budget.withdraw(later)), [true, true, false], "no more than two");
}

#[test]
fn pauses_double_are_drawn_by_the_seed_and_end() {
    let settings = DelaySettings {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(350),
        retries_max: 4,
    };
    let (mut widest, mut narrowest) = ([Duration::ZERO; 4], [Duration::MAX; 4]);
    for seed in 0..500 {
        let pauses: Vec<_> = Delays::new(&settings, seed).collect();
        assert_eq!(pauses, Delays::new(&settings, seed).collect::<Vec<_>>());
        assert_eq!(pauses.len(), 4);
        for (index, pause) in pauses.into_iter().enumerate() {
            widest[index] = widest[index].max(pause);
            narrowest[index] = narrowest[index].min(pause);
        }
    }
    for (index, ceiling) in [100, 200, 350, 350].into_iter().enumerate() {
        let ceiling = Duration::from_millis(ceiling);
        assert!(widest[index] < ceiling, "{index}: {:?}", widest[index]);
        assert!(widest[index] > ceiling * 19 / 20, "{index}: {:?}", widest[index]);
        assert!(narrowest[index] < ceiling / 20, "{index}: {:?}", narrowest[index]);
    }
}

#[test]
fn a_bulkhead_serves_in_order_and_turns_the_others_away() {
    let mut bulkhead = Bulkhead::new(BulkheadSettings { running_max: 1, queued_max: 2 });
    assert_eq!(bulkhead.enter(), Entry::Running);
    let (first, second) = (bulkhead.enter(), bulkhead.enter());
    let (Entry::Queued(first), Entry::Queued(second)) = (first, second) else {
        panic!("{first:?} {second:?}")
    };
    assert_eq!(bulkhead.enter(), Entry::Full);
    assert!(!bulkhead.claim(first), "somebody is in");
    bulkhead.leave();
    assert!(!bulkhead.claim(second), "not its turn");
    assert_ne!(bulkhead.enter(), Entry::Running, "nobody overtakes those who wait");
    assert!(bulkhead.claim(first));
    bulkhead.give_up(second);
    assert_eq!((bulkhead.running(), bulkhead.queued()), (1, 1));
}

#[test]
fn classes_say_who_is_asked_again_and_what_it_says_of_the_dependency() {
    for (class, once, again, outcome) in [
        (Class::of(&Error::unavailable("")), true, true, Outcome::Failure),
        (Class::Ambiguous, false, true, Outcome::Failure),
        (Class::of(&Error::invalid("")), false, false, Outcome::Success),
        (Class::of(&Error::corrupt("")), false, false, Outcome::Neutral),
        (Class::of(&Error::bug("")), false, false, Outcome::Neutral),
    ] {
        let found = (class.may_retry(false), class.may_retry(true), class.outcome());
        assert_eq!(found, (once, again, outcome), "{class:?}");
    }
}
