//! What a seat is worth on ranges of several sources, beside nobody in it.

use crate::trial::{Range, Trial};
use std::collections::BTreeMap;

/// The council has to start this part of the good work that starts with nobody in the seat.
pub const GOOD_MIN: f64 = 0.95;

/// What a council is worth on ranges of several sources. Every source counts the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worth {
    /// The mean over the sources of their mean utility.
    pub utility: f64,
    /// By source, in the order in which they first come up.
    pub sources: Vec<OfSource>,
}

/// What it is worth on the ranges of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct OfSource {
    /// Its name.
    pub name: String,
    /// How many ranges there are.
    pub ranges: usize,
    /// Mean utility.
    pub utility: f64,
    /// What that is more than nobody's: the mean.
    pub gain: f64,
    /// What is lost to nobody on the stretches where anything is, in the mean of their loads: the
    /// mean over all stretches.
    pub loss: f64,
    /// The good work that starts, by what starts with nobody in the seat: the mean.
    pub good: f64,
}

impl Worth {
    /// Of `trials`, one for each of `ranges`, and `open`, the same with nobody in the seat.
    #[must_use]
    pub fn of(ranges: &[Range], trials: &[Trial], open: &[Trial]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for range in ranges {
            if !names.contains(&range.name.as_str()) {
                names.push(&range.name);
            }
        }
        let of = |name: &str| {
            let all = ranges.iter().zip(trials).zip(open);
            let mine: Vec<_> = all
                .filter(|((range, _), _)| range.name == name)
                .map(|((range, trial), open)| (range.stretch, trial, open))
                .collect();
            OfSource::of(name, &mine)
        };
        let sources: Vec<_> = names.into_iter().map(of).collect();
        Self { utility: mean(sources.iter().map(|source| source.utility)), sources }
    }

    /// Better choices rank higher. What is gained elsewhere does not make up for good work that is
    /// missing somewhere, and for utility that is lost there only when there is `strictness` times
    /// as much.
    #[must_use]
    pub fn rank(&self, strictness: f64) -> f64 {
        let punished = self
            .sources
            .iter()
            .map(|source| 100.0 * (GOOD_MIN - source.good).max(0.0) + strictness * source.loss);
        self.utility - punished.sum::<f64>()
    }
}

impl OfSource {
    /// Of trials by stretch, each with nobody's.
    fn of(name: &str, trials: &[(usize, &Trial, &Trial)]) -> Self {
        let gain = |trial: &Trial, open: &Trial| trial.utility - open.utility;
        let mut stretches: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (stretch, trial, open) in trials {
            stretches.entry(*stretch).or_default().push(gain(trial, open));
        }
        let lost = |gains: &Vec<f64>| (-mean(gains.iter().copied())).max(0.0);
        Self {
            name: name.to_owned(),
            ranges: trials.len(),
            utility: mean(trials.iter().map(|(_, trial, _)| trial.utility)),
            gain: mean(trials.iter().map(|(_, trial, open)| gain(trial, open))),
            loss: mean(stretches.values().map(lost)),
            good: mean(trials.iter().map(|(_, trial, open)| trial.good / open.good.max(1e-9))),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Scenario;

    fn range(name: &str, stretch: usize) -> Range {
        let (nodes, tenants, jobs) = (vec![], vec![], vec![]);
        let scenario = Scenario { name: "made up", nodes, tenants, wait_bound_ms: 1, jobs };
        Range { stretch, ..Range::new(name, scenario, 0) }
    }

    fn trial(utility: f64, good: f64) -> Trial {
        Trial { utility, good, ..Trial::default() }
    }

    #[test]
    fn every_source_counts_the_same_and_losses_do_not_average_out() {
        let ranges = [range("one", 0), range("one", 1), range("other", 0)];
        let open = [trial(0.5, 1.0), trial(0.5, 1.0), trial(0.9, 0.5)];
        let of = |trials: [Trial; 3]| Worth::of(&ranges, &trials, &open);
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        let mixed = of([trial(0.7, 1.0), trial(0.4, 1.0), trial(0.9, 0.5)]);
        close(mixed.utility, (0.55 + 0.9) / 2.0);
        close(mixed.sources[0].gain, 0.05);
        close(mixed.sources[0].loss, 0.05);
        close(mixed.sources[1].good, 1.0);
        // What is lost on the second range is not made up for by the first one.
        let even = of(open);
        assert!(even.rank(0.0) < mixed.rank(0.0) && mixed.rank(10.0) < even.rank(10.0));
        // Two loads of one stretch are one.
        let loads = [range("one", 0), range("one", 0), range("other", 0)];
        let trials = [trial(0.7, 1.0), trial(0.4, 1.0), trial(0.9, 0.5)];
        close(Worth::of(&loads, &trials, &open).sources[0].loss, 0.0);
        // Nor good work that does not start of the last source by anything.
        let missing = of([trial(0.9, 1.0), trial(0.9, 1.0), trial(0.9, 0.45)]);
        close(missing.sources[1].good, 0.9);
        assert!(missing.rank(0.0) < even.rank(0.0));
    }
}
