//! The one driver: makes calls with real time, real pauses and real threads. It decides nothing by
//! itself; the state machines beside it do.

use super::breaker::{Breaker, BreakerSettings, Outcome, Permit, Rejected};
use super::budget::{Budget, BudgetSettings};
use super::bulkhead::{Bulkhead, BulkheadSettings, Entry};
use super::class::Class;
use super::delays::{DelaySettings, Delays};
use super::{Moment, Standing};
use crate::error::{Error, Result};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a dependency is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When it is left alone.
    pub breaker: BreakerSettings,
    /// How many calls may be under way.
    pub bulkhead: BulkheadSettings,
    /// How many retries there may be.
    pub budget: BudgetSettings,
    /// When they are made.
    pub delays: DelaySettings,
    /// How long a call may take with all its attempts and pauses. No attempt begins after that; one
    /// that has begun is bounded by its own timeout.
    pub deadline: Duration,
    /// Whether what is called may be done twice.
    pub is_idempotent: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            breaker: BreakerSettings::default(),
            bulkhead: BulkheadSettings::default(),
            budget: BudgetSettings::default(),
            delays: DelaySettings::default(),
            deadline: Duration::from_secs(6),
            is_idempotent: false,
        }
    }
}

/// Tells the time and lets it pass.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Moment;
    /// Lets `span` pass.
    fn sleep(&self, span: Duration);
}

/// This machine's clock, which no correction moves.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

/// Stands before one dependency. Threads share it.
#[derive(Debug)]
pub struct Guard<C = SystemClock> {
    policy: Policy,
    clock: C,
    seed: u64,
    parts: Mutex<Parts>,
    left: Condvar,
}

#[derive(Debug)]
struct Parts {
    breaker: Breaker,
    bulkhead: Bulkhead,
    budget: Budget,
    standing: Standing,
}

impl<C: Clock> Guard<C> {
    /// Stands before `name`; `seed` draws the pauses.
    #[must_use]
    pub fn new(name: &'static str, policy: Policy, clock: C, seed: u64) -> Self {
        let breaker = Breaker::new(policy.breaker);
        let standing = Standing {
            name,
            breaker: breaker.state(),
            calls: 0,
            attempts: 0,
            failures: 0,
            slow: 0,
            retries: 0,
            rejected: 0,
            full: 0,
            budget_spent: 0,
            opened: 0,
            running: 0,
            queued: 0,
            last_error: None,
        };
        let bulkhead = Bulkhead::new(policy.bulkhead);
        let budget = Budget::new(policy.budget);
        let parts = Mutex::new(Parts { breaker, bulkhead, budget, standing });
        Self { policy, clock, seed, parts, left: Condvar::new() }
    }

    /// Calls `attempt` until it succeeds, or another attempt makes no sense. Blocks.
    ///
    /// # Errors
    /// The last attempt's; `Unavailable` when none was made.
    pub fn call<T>(
        &self,
        classify: impl Fn(&Error) -> Class,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let until = self.clock.now().after(self.policy.deadline);
        let call = {
            let mut parts = self.parts();
            parts.standing.calls += 1;
            parts.budget.deposit(self.clock.now());
            parts.standing.calls
        };
        let _place = self.enter(until)?;
        let mut delays = Delays::new(&self.policy.delays, self.seed.wrapping_add(call));
        loop {
            let mut lent = self.ask()?;
            let answer = attempt();
            let class = answer.as_ref().err().map(&classify);
            lent.outcome = class.map_or(Outcome::Success, Class::outcome);
            drop(lent);
            let (error, class) = match (answer, class) {
                (Err(error), Some(class)) => (error, class),
                (answer, _) => return answer,
            };
            self.note(&error, class);
            let may_retry = class.may_retry(self.policy.is_idempotent);
            match delays.next().filter(|_| may_retry) {
                Some(pause) if self.may_pause(pause, until) => self.clock.sleep(pause),
                _ => return Err(error),
            }
            self.parts().standing.retries += 1;
        }
    }

    /// How the dependency stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let parts = self.parts();
        Standing {
            breaker: parts.breaker.state(),
            opened: parts.breaker.opened(),
            running: parts.bulkhead.running(),
            queued: parts.bulkhead.queued(),
            ..parts.standing.clone()
        }
    }

    /// Holds the breaker open (true) or closed until [`Guard::release`].
    pub fn force(&self, open: bool) {
        self.parts().breaker.force(open, self.clock.now());
    }

    /// Lets the breaker go on by itself, closed.
    pub fn release(&self) {
        self.parts().breaker.release(self.clock.now());
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the bulkhead, waiting for one if need be.
    fn enter(&self, until: Moment) -> Result<Place<'_, C>> {
        let mut parts = self.parts();
        let number = match parts.bulkhead.enter() {
            Entry::Running => return Ok(Place(self)),
            Entry::Queued(number) => number,
            Entry::Full => {
                parts.standing.full += 1;
                let name = parts.standing.name;
                let what = format!("{name}: too many calls wait for it already, try again");
                return Err(Error::unavailable(what));
            }
        };
        while !parts.bulkhead.claim(number) {
            let now = self.clock.now();
            if now >= until {
                parts.bulkhead.give_up(number);
                let name = parts.standing.name;
                drop(parts);
                self.left.notify_all();
                let what = format!("{name}: calls before this one took too long, try again");
                return Err(Error::unavailable(what));
            }
            let waited = self.left.wait_timeout(parts, until.since(now));
            parts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Place(self))
    }

    /// The breaker's leave for one attempt.
    fn ask(&self) -> Result<Lent<'_, C>> {
        let mut parts = self.parts();
        let now = self.clock.now();
        match parts.breaker.ask(now) {
            Ok(permit) => {
                parts.standing.attempts += 1;
                Ok(Lent { guard: self, permit: Some(permit), outcome: Outcome::Neutral })
            }
            Err(rejected) => {
                parts.standing.rejected += 1;
                Err(parts.rejection(rejected, now))
            }
        }
    }

    fn note(&self, error: &Error, class: Class) {
        let mut parts = self.parts();
        if class.outcome() == Outcome::Failure {
            parts.standing.failures += 1;
            parts.standing.last_error = Some(error.to_string());
        }
    }

    /// Whether there is time for the pause and the budget for what comes after it.
    fn may_pause(&self, pause: Duration, until: Moment) -> bool {
        let now = self.clock.now();
        if now.after(pause) >= until {
            return false;
        }
        let mut parts = self.parts();
        let has_budget = parts.budget.withdraw(now);
        parts.standing.budget_spent += u64::from(!has_budget);
        has_budget
    }
}

impl Parts {
    fn rejection(&self, rejected: Rejected, now: Moment) -> Error {
        let name = self.standing.name;
        let when = match rejected.until {
            Some(until) => format!("for another {} ms", until.since(now).as_millis()),
            None => "until an operator releases it".to_owned(),
        };
        let why = self.standing.last_error.as_deref().unwrap_or("an operator said so");
        Error::unavailable(format!("{name} is left alone {when}, because: {why}"))
    }
}

/// A place in the bulkhead, given back when it goes.
struct Place<'g, C: Clock>(&'g Guard<C>);

impl<C: Clock> Drop for Place<'_, C> {
    fn drop(&mut self) {
        self.0.parts().bulkhead.leave();
        self.0.left.notify_all();
    }
}

/// A permit, given back when it goes: a panic of the attempt says nothing about the dependency.
struct Lent<'g, C: Clock> {
    guard: &'g Guard<C>,
    permit: Option<Permit>,
    outcome: Outcome,
}

impl<C: Clock> Drop for Lent<'_, C> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let now = self.guard.clock.now();
        let mut parts = self.guard.parts();
        let is_slow = parts.breaker.finish(permit, now, self.outcome);
        parts.standing.slow += u64::from(is_slow);
    }
}
