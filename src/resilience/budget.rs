//! How many retries there may be: a bucket that calls fill a little and retries empty. When
//! everything fails, retries are a small part of the load and not a multiple of it.

use super::Moment;
use std::time::Duration;

/// Thousandths of a retry that make one.
const ONE: u64 = 1_000;

/// How a bucket fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Retries per call, in basis points: 1,000 is one retry for ten calls.
    pub ratio_bp: u64,
    /// Retries that each second adds, so that a quiet client may retry as well.
    pub per_second: u64,
    /// Retries that it holds at most, and at first.
    pub retries_max: u64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { ratio_bp: 1_000, per_second: 1, retries_max: 10 }
    }
}

/// The bucket.
#[derive(Debug)]
pub struct Budget {
    settings: BudgetSettings,
    milli: u64,
    /// Up to when the seconds were added.
    filled: Moment,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub fn new(settings: BudgetSettings) -> Self {
        Self { settings, milli: settings.retries_max * ONE, filled: Moment::default() }
    }

    /// A call is made.
    pub fn deposit(&mut self, now: Moment) {
        self.fill(now);
        self.add(self.settings.ratio_bp / 10);
    }

    /// Takes one retry out, if there is one.
    pub fn withdraw(&mut self, now: Moment) -> bool {
        self.fill(now);
        let left = self.milli.checked_sub(ONE);
        self.milli = left.unwrap_or(self.milli);
        left.is_some()
    }

    /// Whole retries in it.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.milli / ONE
    }

    fn fill(&mut self, now: Moment) {
        let ms = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            return;
        }
        self.add(ms.saturating_mul(self.settings.per_second));
        // What is less than a millisecond is counted next time.
        self.filled = self.filled.after(Duration::from_millis(ms));
    }

    fn add(&mut self, milli: u64) {
        let max = self.settings.retries_max * ONE;
        self.milli = self.milli.saturating_add(milli).min(max);
    }
}
