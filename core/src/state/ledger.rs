//! What a tenant's leases have used of a pool: exactly, and faded for the fair share.
//!
//! A lease is charged from its grant to its end, whichever command notices that end, and a replica
//! that is given back early until then: every millisecond of every GPU is charged once.
//!
//! What is faded counts in windows of the half-life, [k·h, (k+1)·h) of log time: use of the current
//! window counts whole, of the one before it half, and so on. Halving is a shift, so it makes no
//! difference whether time passes in one step or in many.

use crate::command::RequestAllocation;
use crate::units::{DurationMs, TimeMs};
use serde::{Deserialize, Serialize};

/// Halvings after which nothing is left of anything, and what is added is as much as ever.
const HALVINGS_MAX: i64 = 127;

/// Amounts of each resource that leases hold, or times these: thousandths of a GPU, thousandths of
/// a CPU, mebibytes; with time each times a millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts(pub [i128; 3]);

/// What a tenant's leases have used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// What they hold.
    held: Amounts,
    /// GPU milli times milliseconds of what was given back.
    settled_gpu_milli_ms: i128,
    /// What was used up to `faded_to_ms`, faded.
    faded: Amounts,
    faded_to_ms: TimeMs,
}

impl Amounts {
    /// What `replicas` of a gang hold.
    #[must_use]
    pub fn of(ask: &RequestAllocation, replicas: i64) -> Self {
        let each = [ask.replica_gpu_milli().0, ask.cpu_milli.0, ask.memory_mib.0];
        Self(each.map(|amount| i128::from(replicas) * i128::from(amount)))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let mut sum = self;
        sum.change(other, 1);
        sum
    }

    fn change(&mut self, by: &Self, times: i128) {
        for (amount, by) in self.0.iter_mut().zip(by.0) {
            *amount += times * by;
        }
    }
}

impl Ledger {
    /// What its leases hold.
    #[must_use]
    pub fn held(&self) -> Amounts {
        self.held
    }

    /// GPU milli times milliseconds of what was given back. What live leases have used so far comes
    /// on top of it.
    #[must_use]
    pub fn settled_gpu_milli_ms(&self) -> i128 {
        self.settled_gpu_milli_ms
    }

    /// What was used until `now`, each amount times milliseconds, where `half_life` halves it.
    #[must_use]
    pub fn faded_at(&self, now: TimeMs, half_life: DurationMs) -> Amounts {
        let mut faded = self.clone();
        faded.fade_to(now, half_life);
        faded.faded
    }

    /// Follows a grant.
    pub(crate) fn take(&mut self, taken: &Amounts, now: TimeMs, half_life: DurationMs) {
        self.fade_to(now, half_life);
        self.held.change(taken, 1);
    }

    /// Follows the end of a lease, or of a part of it, that began at `since` and was held for
    /// `span`. That end may lie before `now`, the time of the command that noticed it.
    pub(crate) fn give_back(
        &mut self,
        given: &Amounts,
        since: TimeMs,
        span: DurationMs,
        half_life: DurationMs,
    ) {
        let end = since.plus(span);
        self.fade_to(end, half_life);
        self.held.change(given, -1);
        self.settled_gpu_milli_ms += given.0[0] * i128::from(span.0);
        // Counted beyond its end already, when other leases' ends were noticed before it: that is
        // taken off as far as it has faded since, to the rounding of each half.
        let mut beyond = Self { held: *given, faded_to_ms: end, ..Self::default() };
        beyond.fade_to(self.faded_to_ms, half_life);
        for (faded, beyond) in self.faded.0.iter_mut().zip(beyond.faded.0) {
            *faded = (*faded - beyond).max(0);
        }
    }

    /// Counts all of another ledger in, `times` 1, or out, `times` -1.
    pub(crate) fn add(&mut self, other: &Self, times: i128, now: TimeMs, half_life: DurationMs) {
        let mut other = other.clone();
        other.fade_to(now, half_life);
        self.fade_to(now, half_life);
        self.held.change(&other.held, times);
        self.settled_gpu_milli_ms += times * other.settled_gpu_milli_ms;
        self.faded.change(&other.faded, times);
        // Halves of sums are not sums of halves, by a little.
        self.faded.0.iter_mut().for_each(|faded| *faded = (*faded).max(0));
    }

    /// Counts what is held up to `now`; nothing when it is counted already.
    pub(crate) fn fade_to(&mut self, now: TimeMs, half_life: DurationMs) {
        let from = self.faded_to_ms;
        if now <= from {
            return;
        }
        self.faded_to_ms = now;
        let (window, width) = (|time: TimeMs| time.0.div_euclid(half_life.0), half_life.0);
        let (first, last) = (window(from), window(now));
        for (faded, held) in self.faded.0.iter_mut().zip(self.held.0) {
            let mut start = from.0;
            if first < last {
                *faded = (*faded + held * i128::from((first + 1) * width - start)) >> 1;
                for _ in 1..(last - first).min(HALVINGS_MAX) {
                    *faded = (*faded + held * i128::from(width)) >> 1;
                }
                start = last * width;
            }
            *faded += held * i128::from(now.0 - start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: DurationMs = DurationMs(3_600_000);

    fn gpus(milli: i128) -> Amounts {
        Amounts([milli, 0, 0])
    }

    #[test]
    fn use_counts_half_with_every_window_that_passes() {
        let mut ledger = Ledger::default();
        ledger.take(&gpus(1_000), TimeMs(HOUR.0 / 2), HOUR);
        let half_an_hour = 500 * i128::from(HOUR.0);
        assert_eq!(ledger.faded_at(TimeMs(HOUR.0 - 1), HOUR).0[0], half_an_hour - 1_000);
        assert_eq!(ledger.faded_at(TimeMs(HOUR.0), HOUR).0[0], half_an_hour / 2);
        ledger.give_back(&gpus(1_000), TimeMs(HOUR.0 / 2), DurationMs(HOUR.0 / 2), HOUR);
        assert_eq!(ledger.settled_gpu_milli_ms(), half_an_hour);
        assert_eq!(ledger.held(), gpus(0));
        assert_eq!(ledger.faded_at(TimeMs(3 * HOUR.0), HOUR).0[0], half_an_hour / 8);
    }

    #[test]
    fn what_is_held_for_ever_is_never_more_than_two_windows() {
        let mut ledger = Ledger::default();
        ledger.take(&gpus(8_000), TimeMs(0), HOUR);
        let all = 8_000 * i128::from(HOUR.0);
        let faded = ledger.faded_at(TimeMs(10_000 * HOUR.0 - 1), HOUR).0[0];
        assert!((2 * all - 2 * 8_000..2 * all).contains(&faded), "{faded} of {all}");
    }

    #[test]
    fn a_lease_is_charged_to_its_end_whoever_notices_it() {
        let mut ledger = Ledger::default();
        ledger.take(&gpus(1_000), TimeMs(0), HOUR);
        ledger.take(&gpus(2_000), TimeMs(0), HOUR);
        ledger.give_back(&gpus(2_000), TimeMs(0), DurationMs(500), HOUR);
        // It ended before the other one, and its timer was carried over.
        ledger.give_back(&gpus(1_000), TimeMs(0), DurationMs(100), HOUR);
        assert_eq!(ledger.settled_gpu_milli_ms(), 2_000 * 500 + 1_000 * 100);
        assert_eq!(ledger.faded_at(TimeMs(900), HOUR).0[0], 2_000 * 500 + 1_000 * 100);
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_in_how_many_steps_time_passes(
            start in 0..1_000_000_000_i64,
            mut stops in prop::collection::vec(0..500_000_000_i64, 0..20),
            half_life in 60_000..100_000_000_i64,
            held in 0..1_000_000_i128,
        ) {
            let half_life = DurationMs(half_life);
            let mut at_once = Ledger::default();
            at_once.take(&Amounts([held, held / 3, held * 7]), TimeMs(start), half_life);
            let mut in_steps = at_once.clone();
            stops.sort_unstable();
            for stop in &stops {
                in_steps.fade_to(TimeMs(start + stop), half_life);
            }
            let end = TimeMs(start + stops.last().copied().unwrap_or(0));
            at_once.fade_to(end, half_life);
            prop_assert_eq!(at_once, in_steps);
        }
    }
}
