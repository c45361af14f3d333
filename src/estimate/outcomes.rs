//! What came of the estimates of a pool, and what is made of it: a factor that follows the errors.
//!
//! Waits grow while a queue does, and what ended lately began long ago: its quantiles lag. So what
//! is said is multiplied by a factor that grows by nine steps with each estimate that did not hold
//! and shrinks by one with each that did, and so stays where nine of ten do, in the long run and
//! whatever the waits do (adaptive conformal inference, Gibbs and Candès 2021). The half
//! has one of its own, of five steps up and five down. An estimate has not held as soon as it is
//! over, which is told apart from how long the wait is in the end.

use super::report::Held;
use super::window::Quantiles;
use conclave_core::units::TimeMs;
use std::collections::VecDeque;

/// Estimates of a pool whose outcome is kept: the newest ones.
const OUTCOMES_MAX: usize = 500;
/// A factor of one.
const ONE: i64 = 1_000_000;
/// Steps of a factor make all of it.
const STEPS: i64 = 500;
/// Bounds of a factor.
const FACTOR: std::ops::RangeInclusive<i64> = ONE / 10..=ONE * 100;

/// What is said of half of the cases, or of nine tenths of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Half,
    NineTenths,
}

/// What came of the estimates of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    half: Record,
    nine_tenths: Record,
    /// Estimates of which nothing can be said: the request was withdrawn before they were over.
    withdrawn: usize,
    /// Requests that wait and have waited longer than was said of nine of ten cases.
    overdue: usize,
}

/// What came of one part of the estimates, and the factor that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Whether they held; the newest last.
    recent: VecDeque<bool>,
    /// In millionths.
    factor: i64,
}

impl Default for Record {
    fn default() -> Self {
        Self { recent: VecDeque::new(), factor: ONE }
    }
}

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Half, Self::NineTenths];
}

impl Quantiles {
    /// When a part of what was said at `since` is over.
    pub(super) fn until(&self, part: Part, since: TimeMs) -> TimeMs {
        let span_ms = match part {
            Part::Half => self.p50_ms,
            Part::NineTenths => self.p90_ms,
        };
        TimeMs(since.0.saturating_add(span_ms))
    }
}

impl Outcomes {
    /// A request waits for longer than was said.
    pub(super) fn passed(&mut self, part: Part) {
        match part {
            Part::Half => self.half.add(false, 5),
            Part::NineTenths => {
                self.overdue += 1;
                self.nine_tenths.add(false, 9);
            }
        }
    }

    /// A request that has waited longer than was said of nine of ten cases does not wait any more.
    pub(super) fn left(&mut self) {
        self.overdue = self.overdue.saturating_sub(1);
    }

    /// A request started within what was said.
    pub(super) fn in_time(&mut self, part: Part) {
        match part {
            Part::Half => self.half.add(true, -5),
            Part::NineTenths => self.nine_tenths.add(true, -1),
        }
    }

    /// A request was withdrawn before what was said of nine of ten cases was over.
    pub(super) fn withdrawn(&mut self) {
        self.withdrawn += 1;
    }

    /// What is said, where `found` is what waits were lately.
    pub(super) fn corrected(&self, found: Quantiles) -> Quantiles {
        let p50_ms = self.half.times(found.p50_ms);
        let p90_ms = self.nine_tenths.times(found.p90_ms).max(p50_ms);
        Quantiles { p50_ms, p90_ms, ..found }
    }

    pub(super) fn held(&self, learnt_from: i64) -> Held {
        Held {
            known_p50: self.half.recent.len(),
            within_p50: self.half.held(),
            known_p90: self.nine_tenths.recent.len(),
            within_p90: self.nine_tenths.held(),
            withdrawn: self.withdrawn,
            overdue: self.overdue,
            learnt_from,
        }
    }
}

impl Record {
    fn add(&mut self, held: bool, steps: i64) {
        if self.recent.len() == OUTCOMES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(held);
        let moved = self.factor + self.factor * steps / STEPS;
        self.factor = moved.clamp(*FACTOR.start(), *FACTOR.end());
    }

    fn times(&self, ms: i64) -> i64 {
        let product = i128::from(ms) * i128::from(self.factor) / i128::from(ONE);
        i64::try_from(product).unwrap_or(i64::MAX)
    }

    fn held(&self) -> usize {
        self.recent.iter().filter(|held| **held).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Level;
    use super::*;

    fn said(outcomes: &Outcomes) -> (i64, i64) {
        let found = Quantiles { p50_ms: 100_000, p90_ms: 200_000, waits: 20, level: Level::Pool };
        let said = outcomes.corrected(found);
        (said.p50_ms, said.p90_ms)
    }

    fn all(outcomes: &mut Outcomes, held: bool, times: usize) {
        for part in Part::ALL.repeat(times) {
            if held { outcomes.in_time(part) } else { outcomes.passed(part) }
        }
    }

    #[test]
    fn factors_follow_what_held() {
        let mut outcomes = Outcomes::default();
        assert_eq!(said(&outcomes), (100_000, 200_000));
        all(&mut outcomes, false, 1);
        assert_eq!(said(&outcomes), (101_000, 203_600));
        all(&mut outcomes, true, 1);
        assert_eq!(said(&outcomes), (99_990, 203_192));
        all(&mut outcomes, true, 10_000);
        assert_eq!(said(&outcomes), (10_000, 20_000), "bounded below");
        all(&mut outcomes, false, 10_000);
        assert_eq!(said(&outcomes), (10_000_000, 20_000_000), "and above");
        assert_eq!(outcomes.held(7).known_p90, OUTCOMES_MAX);
    }

    #[test]
    fn waits_that_grow_for_ever_are_within_what_is_said_all_the_same() {
        let mut outcomes = Outcomes::default();
        let mut within = [0, 0];
        for n in 0..10_000_i64 {
            // What ended lately says 200 s, and waits are twice as long at the end.
            let waited_ms = (n * 7 % 10 + 1) * (20_000 + n * 2);
            let (half, nine) = said(&outcomes);
            for (at, (part, limit)) in Part::ALL.into_iter().zip([half, nine]).enumerate() {
                if waited_ms <= limit {
                    outcomes.in_time(part);
                    within[at] += 1;
                } else {
                    outcomes.passed(part);
                }
            }
        }
        assert!((4_900..=5_100).contains(&within[0]), "{within:?}");
        assert!((8_900..=9_100).contains(&within[1]), "{within:?}");
    }
}
