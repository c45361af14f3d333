//! From margins to confidence, and how sure a denial has to be to be a veto: section 7 of the
//! specification and section 4 of the design behind it. Both are fitted to the calibration part
//! alone, by integer logits.

use crate::number::nearest_within;
use conclave_core::council::logits::{CALIBRATION_ENTRIES, CONFIDENCE_MAX};
use conclave_core::council::{Calibration, Logits, Margin, PerMille};
use conclave_core::decision::Verdict;

/// Approvals that hindsight agrees with may be vetoed this often.
pub const FALSE_VETOES_MAX: f64 = 0.01;

/// Answers by entry of the table: how many were right, and how many there were.
#[derive(Clone, Copy, Debug)]
pub struct Counts([(f64, f64); CALIBRATION_ENTRIES]);

impl Counts {
    /// Counts `answers`: a margin, and whether the verdict was right.
    #[must_use]
    pub fn of(answers: impl Iterator<Item = (Margin, bool)>) -> Self {
        let mut counts = [(0.0, 0.0); CALIBRATION_ENTRIES];
        for (margin, is_right) in answers {
            let (right, all) = &mut counts[usize::from(margin.0 >> 8).min(CALIBRATION_ENTRIES - 1)];
            *right += f64::from(u8::from(is_right));
            *all += 1.0;
        }
        Self(counts)
    }

    fn all(&self) -> f64 {
        self.0.iter().map(|(_, all)| all).sum()
    }

    /// The sum of `all`, each by its weight.
    fn sum<'a>(all: impl Iterator<Item = (&'a Self, f64)>) -> Self {
        let mut sum = [(0.0, 0.0); CALIBRATION_ENTRIES];
        for (counts, weight) in all {
            for (sum, (right, all)) in sum.iter_mut().zip(counts.0) {
                *sum = (sum.0 + weight * right, sum.1 + weight * all);
            }
        }
        Self(sum)
    }

    /// The mean distance between what `calibration` says and how often that is right, less what it
    /// would be by chance were `calibration` right.
    fn excess(&self, calibration: &Calibration) -> f64 {
        let entries: Vec<_> = calibration.entries().iter().zip(self.0).collect();
        let groups = entries.chunk_by(|(one, _), (other, _)| one == other);
        let distance = groups.map(|group| {
            let said = f64::from(*group[0].0) / 1_000.0;
            let right: f64 = group.iter().map(|(_, (right, _))| right).sum();
            let all: f64 = group.iter().map(|(_, (_, all))| all).sum();
            let by_chance = std::f64::consts::FRAC_2_PI * said * (1.0 - said) * all;
            (said * all - right).abs() - by_chance.sqrt()
        });
        distance.sum::<f64>() / self.all().max(1.0)
    }
}

/// Rounds in which the weights of sources change.
const ROUNDS: usize = 40;
/// How fast at first; slower round by round, or the weights would swing.
const PACE: f64 = 16.0;

/// How often a verdict was right, by margin, in sources that differ: one table for all, so that the
/// source where it is furthest off is as little off as can be found. All count the same at first;
/// then those count more where confidence is further from the truth.
///
/// # Panics
/// Never: there is a first round.
#[must_use]
pub fn calibration(sources: &[Counts]) -> Calibration {
    let known: Vec<_> = sources.iter().filter(|source| 0.0 < source.all()).collect();
    let all: f64 = known.iter().map(|source| source.all()).sum();
    let mut weights = vec![1.0; known.len()];
    let mut best: Option<(f64, Calibration)> = None;
    for round in 0..ROUNDS {
        let total: f64 = weights.iter().sum();
        let each = known.iter().zip(&weights);
        let each = each.map(|(source, weight)| (*source, all * weight / total / source.all()));
        let fit = pooled(&Counts::sum(each));
        let off: Vec<_> = known.iter().map(|source| source.excess(&fit)).collect();
        let most = off.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if best.as_ref().is_none_or(|(least, _)| most < *least) {
            best = Some((most, fit));
        }
        for (weight, off) in weights.iter_mut().zip(off) {
            *weight *= (PACE / (round + 1) as f64 * off).exp();
        }
    }
    best.expect("there is a first round").1
}

/// The best fit that never falls (pooling adjacent violators). The origin's calibration fell as its
/// network grew surer; this one cannot.
fn pooled(counts: &Counts) -> Calibration {
    let mut blocks: Vec<Block> = Vec::new();
    for (entry, (right, all)) in counts.0.into_iter().enumerate() {
        if all == 0.0 {
            continue;
        }
        let mut block = Block { from: entry, right, all };
        while let Some(before) = blocks.pop_if(|before| block.mean() <= before.mean()) {
            let (right, all) = (before.right + block.right, before.all + block.all);
            block = Block { from: before.from, right, all };
        }
        blocks.push(block);
    }
    let mut entries = [0; CALIBRATION_ENTRIES];
    for (entry, value) in entries.iter_mut().enumerate() {
        // Where nothing was seen, what is known of smaller margins; of larger ones, at the start.
        let block =
            blocks.iter().rev().find(|block| block.from <= entry).or_else(|| blocks.first());
        let mean = block.map_or(0.0, Block::mean);
        let most = i64::from(CONFIDENCE_MAX.0);
        *value = u16::try_from(nearest_within(1_000.0 * mean, 0, most)).expect("clamped");
    }
    Calibration::new(entries).expect("pooled blocks never fall")
}

/// Entries with one mean.
struct Block {
    from: usize,
    right: f64,
    all: f64,
}

impl Block {
    /// One right and one wrong answer are added, so that no one is ever certain.
    fn mean(&self) -> f64 {
        (self.right + 1.0) / (self.all + 2.0)
    }
}

/// A veto is more likely right than not, however few of them would be false.
const VETO_MIN: PerMille = PerMille(500);

/// The least level, from 500 per mille on, at which at most [`FALSE_VETOES_MAX`] of what hindsight
/// would approve is denied with that much confidence or more.
#[must_use]
pub fn veto(answers: &[(Logits, Verdict)], calibration: &Calibration) -> PerMille {
    let rightly = answers.iter().filter(|(_, verdict)| *verdict == Verdict::Approve);
    let denials = rightly.clone().filter(|(logits, _)| logits.verdict() == Verdict::Deny);
    let mut sure: Vec<_> =
        denials.map(|(logits, _)| calibration.confidence(logits.margin())).collect();
    sure.sort_unstable();
    let allowed = crate::number::index(crate::number::nearest(
        (rightly.count() as f64 * FALSE_VETOES_MAX).floor(),
    ));
    // All but the `allowed` surest are below the level.
    let level = sure.len().checked_sub(allowed + 1).map_or(0, |at| sure[at].0 + 1);
    PerMille(level).clamp(VETO_MIN, CONFIDENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    /// A network whose larger margins are more often wrong, as the origin's calibration had it.
    #[test]
    fn an_inverted_relation_becomes_flat_and_never_falls() {
        let mut draw = Draw::new(3, "inverted");
        let answers: Vec<_> = (0..4_000_u16)
            .map(|n| (Margin(n * 4), draw.happens(0.9 - 0.8 * f64::from(n) / 4_000.0)))
            .collect();
        let calibration = calibration(&[Counts::of(answers.into_iter())]);
        assert!(calibration.entries().is_sorted());
        let [first, .., last] = calibration.entries();
        assert_eq!(first, last, "what falls is pooled into one mean");
    }

    #[test]
    fn confidence_is_how_often_it_was_right() {
        let mut draw = Draw::new(4, "sound");
        let answers: Vec<_> = (0..16_000_u16)
            .map(|n| (Margin(n), draw.happens(0.4 + 0.5 * f64::from(n) / 16_000.0)))
            .collect();
        let calibration = calibration(&[Counts::of(answers.into_iter())]);
        for (margin, share) in [(1_000, 431), (8_000, 650), (15_000, 869)] {
            let said = calibration.confidence(Margin(margin)).0;
            assert!(said.abs_diff(share) < 60, "{margin}: {said}");
        }
        assert_eq!(super::calibration(&[]).entries(), &[0; CALIBRATION_ENTRIES]);
    }

    #[test]
    fn the_source_that_is_furthest_off_counts_most() {
        let source =
            |count: usize, right: usize| Counts::of((0..count).map(|n| (Margin(1_000), n < right)));
        // Equal weights would say 0.7: a long source that is right at that, two that are not.
        let sources = [source(10_000, 9_000), source(10_000, 9_000), source(10_000, 3_000)];
        let said = calibration(&sources).confidence(Margin(1_000)).0;
        assert!((580..=620).contains(&said), "{said}");
    }

    #[test]
    fn a_veto_is_false_for_one_approval_in_a_hundred_at_most() {
        let calibration =
            Calibration::new(std::array::from_fn(|n| u16::try_from(n).expect("small") * 15));
        let calibration = calibration.expect("it rises");
        let deny = |margin: i16| Logits([0, margin, -9_000]);
        let answers: Vec<_> = (0..1_000_i16)
            .map(|n| (if n < 50 { deny(n * 256) } else { Logits([9_000, 0, 0]) }, Verdict::Approve))
            .collect();
        let level = veto(&answers, &calibration);
        let false_ones = answers.iter().filter(|(logits, _)| {
            let confidence = calibration.confidence(logits.margin());
            logits.verdict() == Verdict::Deny && level <= confidence
        });
        assert_eq!(false_ones.count(), 10);
    }
}
