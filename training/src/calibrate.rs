//! From margins to confidence, and how sure a denial has to be to be a veto: section 7 of the
//! specification and section 4 of the design behind it. Both are fitted to the calibration part
//! alone, by integer logits.

use crate::number::nearest_within;
use conclave_core::council::logits::{CALIBRATION_ENTRIES, CONFIDENCE_MAX};
use conclave_core::council::{Calibration, Logits, Margin, PerMille};
use conclave_core::decision::Verdict;

/// Approvals that hindsight agrees with may be vetoed this often.
pub const FALSE_VETOES_MAX: f64 = 0.01;

/// How often a verdict was right, by margin: the best fit that never falls (pooling adjacent
/// violators). The origin's calibration fell as its network grew surer; this one cannot. Each
/// answer has a weight.
///
/// # Panics
/// Never: what is pooled never falls.
#[must_use]
pub fn calibration(answers: &[(Margin, bool, f64)]) -> Calibration {
    let mut counts = [(0.0, 0.0); CALIBRATION_ENTRIES];
    for (margin, is_right, weight) in answers {
        let (right, all) = &mut counts[usize::from(margin.0 >> 8).min(CALIBRATION_ENTRIES - 1)];
        *right += weight * f64::from(u8::from(*is_right));
        *all += weight;
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (entry, (right, all)) in counts.into_iter().enumerate() {
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
            .map(|n| (Margin(n * 4), draw.happens(0.9 - 0.8 * f64::from(n) / 4_000.0), 1.0))
            .collect();
        let calibration = calibration(&answers);
        assert!(calibration.entries().is_sorted());
        let [first, .., last] = calibration.entries();
        assert_eq!(first, last, "what falls is pooled into one mean");
    }

    #[test]
    fn confidence_is_how_often_it_was_right() {
        let mut draw = Draw::new(4, "sound");
        let answers: Vec<_> = (0..16_000_u16)
            .map(|n| (Margin(n), draw.happens(0.4 + 0.5 * f64::from(n) / 16_000.0), 1.0))
            .collect();
        let calibration = calibration(&answers);
        for (margin, share) in [(1_000, 431), (8_000, 650), (15_000, 869)] {
            let said = calibration.confidence(Margin(margin)).0;
            assert!(said.abs_diff(share) < 60, "{margin}: {said}");
        }
        assert_eq!(super::calibration(&[]).entries(), &[0; CALIBRATION_ENTRIES]);
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
