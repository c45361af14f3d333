//! How good predictions of a yes or no are.

use crate::draw::Draw;
use crate::number::{index, nearest};

/// Bins of the expected calibration error, of equal mass.
const BINS: usize = 15;
/// Resamples of an interval.
const RESAMPLES: usize = 200;

/// A prediction, and what happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Larger is more likely.
    pub score: f64,
    /// Whether it happened.
    pub happened: bool,
    /// Predictions of one block are resampled together.
    pub block: usize,
}

/// Measures of one way to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Area under the ROC curve: how often a yes is scored above a no.
    pub auc: f64,
    /// 95 % of resamples of blocks lie between.
    pub auc_interval: (f64, f64),
    /// Average precision.
    pub pr_auc: f64,
    /// Mean squared error of the probability.
    pub brier: f64,
    /// Expected calibration error.
    pub ece: f64,
}

impl Measures {
    /// All of them. Scores are probabilities but for `auc` and `pr_auc`.
    #[must_use]
    pub fn of(all: &[Scored], draw: &mut Draw) -> Self {
        Self {
            auc: auc(all),
            auc_interval: interval(all, draw, auc),
            pr_auc: pr_auc(all),
            brier: brier(all),
            ece: ece(all),
        }
    }
}

/// Share of what happened.
#[must_use]
pub fn base_rate(all: &[Scored]) -> f64 {
    let happened = all.iter().filter(|scored| scored.happened).count();
    happened as f64 / all.len().max(1) as f64
}

/// How often a yes is scored above a no; ties count half. NaN without both.
#[must_use]
pub fn auc(all: &[Scored]) -> f64 {
    let mut ordered: Vec<_> = all.iter().collect();
    ordered.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut ranks, mut yes, mut at) = (0.0, 0.0, 0.0);
    for tied in ordered.chunk_by(|a, b| a.score == b.score) {
        let size = tied.len() as f64;
        let here = tied.iter().filter(|scored| scored.happened).count() as f64;
        ranks += here * (at + (size + 1.0) / 2.0);
        yes += here;
        at += size;
    }
    (ranks - yes * (yes + 1.0) / 2.0) / (yes * (at - yes))
}

/// Average precision: the mean over every yes of the share of yes among all that are scored at
/// least as high.
#[must_use]
pub fn pr_auc(all: &[Scored]) -> f64 {
    let mut ordered: Vec<_> = all.iter().collect();
    ordered.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut sum, mut yes, mut at) = (0.0, 0.0, 0.0);
    for tied in ordered.chunk_by(|a, b| a.score == b.score) {
        let here = tied.iter().filter(|scored| scored.happened).count() as f64;
        at += tied.len() as f64;
        yes += here;
        sum += here * yes / at;
    }
    sum / yes
}

/// Mean squared error.
#[must_use]
pub fn brier(all: &[Scored]) -> f64 {
    let error = |scored: &Scored| (scored.score - f64::from(u8::from(scored.happened))).powi(2);
    all.iter().map(error).sum::<f64>() / all.len().max(1) as f64
}

/// Mean distance of predicted and observed share in at most 15 bins of about equal mass. What is
/// scored the same is in the same bin: split by anything else, bins would differ by that.
#[must_use]
pub fn ece(all: &[Scored]) -> f64 {
    let distance = |inside: Vec<Scored>| {
        let said: f64 = inside.iter().map(|scored| scored.score).sum();
        let seen = inside.iter().filter(|scored| scored.happened).count() as f64;
        (said - seen).abs()
    };
    bins(all).into_iter().map(distance).sum::<f64>() / all.len().max(1) as f64
}

/// What [`ece`] would be in the mean of predictions that are right: shares of finite bins differ by
/// chance, by sqrt(2/π) of a standard deviation.
#[must_use]
pub fn ece_by_chance(all: &[Scored]) -> f64 {
    let of_bin = |inside: Vec<Scored>| {
        let variance: f64 = inside.iter().map(|Scored { score: p, .. }| p * (1.0 - p)).sum();
        (std::f64::consts::FRAC_2_PI * variance).sqrt()
    };
    bins(all).into_iter().map(of_bin).sum::<f64>() / all.len().max(1) as f64
}

/// By score, from the least on.
fn bins(all: &[Scored]) -> Vec<Vec<Scored>> {
    let mut ordered = all.to_vec();
    ordered.sort_by(|a, b| a.score.total_cmp(&b.score));
    let mut bins: Vec<Vec<Scored>> = Vec::new();
    for tied in ordered.chunk_by(|a, b| a.score == b.score) {
        match bins.last_mut() {
            Some(bin) if BINS * bin.len() < all.len() => bin.extend_from_slice(tied),
            _ => bins.push(tied.to_vec()),
        }
    }
    bins
}

/// Between which values 95 % of resamples lie: whole blocks are drawn, with repetition.
fn interval(all: &[Scored], draw: &mut Draw, measure: fn(&[Scored]) -> f64) -> (f64, f64) {
    let mut ordered = all.to_vec();
    ordered.sort_by_key(|scored| scored.block);
    let blocks: Vec<_> = ordered.chunk_by(|a, b| a.block == b.block).collect();
    if blocks.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let resample = |_| {
        let drawn = (0..blocks.len()).flat_map(|_| blocks[draw.below(blocks.len())].to_vec());
        measure(&drawn.collect::<Vec<_>>())
    };
    let mut found: Vec<_> = (0..RESAMPLES).map(resample).filter(|value| !value.is_nan()).collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = index(nearest(share * (found.len().max(1) - 1) as f64));
        found.get(place).copied().unwrap_or(f64::NAN)
    };
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(pairs: &[(f64, bool)]) -> Vec<Scored> {
        let of = |(block, (score, happened)): (usize, &(f64, bool))| Scored {
            score: *score,
            happened: *happened,
            block,
        };
        pairs.iter().enumerate().map(of).collect()
    }

    #[test]
    fn measures_are_what_their_definitions_say() {
        let all = scored(&[(0.1, false), (0.4, true), (0.4, false), (0.8, true)]);
        // Of four pairs three are in order and one is tied.
        assert!((auc(&all) - 3.5 / 4.0).abs() < 1e-12);
        // Precision 1 at the first yes; at the tie two of three are.
        assert!((pr_auc(&all) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!((brier(&all) - (0.01 + 0.36 + 0.16 + 0.04) / 4.0).abs() < 1e-12);
        assert!((base_rate(&all) - 0.5).abs() < 1e-12);
        assert!(auc(&scored(&[(0.1, true)])).is_nan());
    }

    #[test]
    fn who_says_what_happens_has_no_calibration_error() {
        // A third: no bin holds both.
        let of = |n| if n % 3 == 0 { (1.0, true) } else { (0.0, false) };
        let sure: Vec<_> = (0..300).map(of).collect();
        assert!(ece(&scored(&sure)) < 1e-12);
        assert!(ece_by_chance(&scored(&sure)) < 1e-12);
        let coins: Vec<_> = (0..1_500).map(|n| (0.5, n % 2 == 0)).collect();
        // One bin: what is scored the same is not split.
        assert!((ece_by_chance(&scored(&coins)) - 0.0103).abs() < 1e-3);
        assert!(ece(&scored(&coins)) < 1e-12);
        let spread = |n| ((0.5 + f64::from(n) * 1e-6), n % 2 == 0);
        let coins: Vec<_> = (0..1_500).map(spread).collect();
        // Fifteen bins of a hundred coins each.
        assert!((ece_by_chance(&scored(&coins)) - 0.0399).abs() < 1e-3);
        let wrong: Vec<_> = sure.iter().map(|(score, happened)| (1.0 - score, *happened)).collect();
        assert!((ece(&scored(&wrong)) - 1.0).abs() < 1e-12);
    }
}
