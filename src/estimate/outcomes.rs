//! What came of the estimates of a pool, and what is made of it: a factor that follows the errors.
//!
//! Waits grow while a queue does, and what ended lately began long ago: its quantiles lag. So what
//! is said is multiplied by a factor that grows by nine steps with each estimate that did not hold
//! and shrinks by one with each that did, and so stays where nine of ten do, in the long run and
//! whatever the waits do (adaptive conformal inference, Gibbs and Candès, NeurIPS 2021). The half
//! has one of its own, of five steps up and five down.

use super::report::Held;
use super::window::Quantiles;
use std::collections::VecDeque;

/// Estimates of a pool whose outcome is kept: the newest ones.
pub(super) const OUTCOMES_MAX: usize = 500;
/// A factor of one.
const ONE: i64 = 1_000_000;
/// A step: of the factor, a thousandth.
const STEP: i64 = 1_000;
/// Bounds of a factor.
const FACTOR: std::ops::RangeInclusive<i64> = ONE / 10..=ONE * 100;

/// What came of the estimates of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcomes {
    /// Whether the wait was within the half, and within nine tenths; the newest last.
    recent: VecDeque<(bool, bool)>,
    /// Estimates of which nothing can be said: the request was withdrawn before they were over.
    withdrawn: usize,
    /// Requests that wait and have waited longer than was said.
    overdue: usize,
    /// In millionths.
    half: i64,
    nine_tenths: i64,
}

impl Default for Outcomes {
    fn default() -> Self {
        let (recent, half, nine_tenths) = (VecDeque::new(), ONE, ONE);
        Self { recent, withdrawn: 0, overdue: 0, half, nine_tenths }
    }
}

impl Outcomes {
    /// A request waits for longer than was said of nine of ten cases.
    pub(super) fn passed(&mut self) {
        self.overdue += 1;
        self.add((false, false));
    }

    /// Such a request does not wait any more.
    pub(super) fn left(&mut self) {
        self.overdue = self.overdue.saturating_sub(1);
    }

    /// A request started within what was said.
    pub(super) fn in_time(&mut self, is_within_half: bool) {
        self.add((is_within_half, true));
    }

    /// A request was withdrawn before what was said was over.
    pub(super) fn withdrawn(&mut self) {
        self.withdrawn += 1;
    }

    fn add(&mut self, outcome: (bool, bool)) {
        if self.recent.len() == OUTCOMES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(outcome);
        self.half = moved(self.half, if outcome.0 { -5 } else { 5 });
        self.nine_tenths = moved(self.nine_tenths, if outcome.1 { -1 } else { 9 });
    }

    /// What is said, where `found` is what waits were lately.
    pub(super) fn corrected(&self, found: Quantiles) -> Quantiles {
        let times = |ms: i64, factor: i64| {
            let product = i128::from(ms) * i128::from(factor) / i128::from(ONE);
            i64::try_from(product).unwrap_or(i64::MAX)
        };
        let p50_ms = times(found.p50_ms, self.half);
        Quantiles { p50_ms, p90_ms: times(found.p90_ms, self.nine_tenths).max(p50_ms), ..found }
    }

    pub(super) fn held(&self, learnt_from: i64) -> Held {
        let count = |is_it: fn(&&(bool, bool)) -> bool| self.recent.iter().filter(is_it).count();
        Held {
            estimates: self.recent.len(),
            within_p50: count(|(half, _)| *half),
            within_p90: count(|(_, nine)| *nine),
            withdrawn: self.withdrawn,
            overdue: self.overdue,
            learnt_from,
        }
    }
}

fn moved(factor: i64, steps: i64) -> i64 {
    let moved = factor + factor * steps / (ONE / STEP);
    moved.clamp(*FACTOR.start(), *FACTOR.end())
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

    #[test]
    fn factors_follow_what_held() {
        let mut outcomes = Outcomes::default();
        assert_eq!(said(&outcomes), (100_000, 200_000));
        outcomes.passed();
        assert_eq!(said(&outcomes), (100_500, 201_800));
        outcomes.in_time(true);
        assert_eq!(said(&outcomes), (99_997, 201_598));
        (0..100_000).for_each(|_| outcomes.in_time(true));
        assert_eq!(said(&outcomes), (10_000, 20_000), "bounded below");
        (0..100_000).for_each(|_| outcomes.passed());
        assert_eq!(said(&outcomes), (10_000_000, 20_000_000), "and above");
    }

    #[test]
    fn waits_that_grow_for_ever_are_within_nine_tenths_all_the_same() {
        let (mut outcomes, mut within) = (Outcomes::default(), 0);
        for n in 0..10_000_i64 {
            // What ended lately says 200 s, and waits are twice as long at the end.
            let waited_ms = (n % 10 + 1) * (20_000 + n * 2);
            let (half, nine) = said(&outcomes);
            if waited_ms <= nine {
                outcomes.in_time(waited_ms <= half);
                within += 1;
            } else {
                outcomes.passed();
            }
        }
        assert!((8_900..=9_100).contains(&within), "{within}");
    }
}
