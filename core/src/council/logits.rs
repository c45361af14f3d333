//! From a state to a verdict: the second half of section 7 of `docs/council-spec.md`.

use super::MEMBERS_MAX;
use crate::decision::Verdict;

/// Logits of a member: approve, deny, defer.
pub const LOGITS: usize = 3;
/// Entries of a calibration.
pub const CALIBRATION_ENTRIES: usize = 64;
/// Largest confidence.
pub const CONFIDENCE_MAX: PerMille = PerMille(1_000);

/// A share in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMille(pub u16);

/// How far the largest logit is above the next, in 1/2048.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Margin(pub u16);

/// What a member makes of a question, in 1/2048: approve, deny, defer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logits(pub [i16; LOGITS]);

impl Logits {
    /// The verdict of the largest logit; among equal ones deny, then defer, then approve.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        let [approve, deny, defer] = self.0;
        if deny >= defer && deny >= approve {
            Verdict::Deny
        } else if defer >= approve {
            Verdict::Defer
        } else {
            Verdict::Approve
        }
    }

    /// The largest logit less the next, which is 0 when two are equal.
    #[must_use]
    pub fn margin(self) -> Margin {
        let mut ordered = self.0;
        ordered.sort_unstable();
        Margin(ordered[2].abs_diff(ordered[1]))
    }
}

/// How often a member is right, by its margin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    entries: [u16; CALIBRATION_ENTRIES],
}

impl Calibration {
    /// None when an entry is above 1000, or below the one before it.
    #[must_use]
    pub fn new(entries: [u16; CALIBRATION_ENTRIES]) -> Option<Self> {
        let is_within = entries.iter().all(|entry| *entry <= CONFIDENCE_MAX.0);
        (is_within && entries.is_sorted()).then_some(Self { entries })
    }

    /// The confidence that goes with `margin`.
    #[must_use]
    pub fn confidence(&self, margin: Margin) -> PerMille {
        PerMille(self.entries[usize::from(margin.0 >> 8).min(CALIBRATION_ENTRIES - 1)])
    }

    /// The entries, in per mille.
    #[must_use]
    pub fn entries(&self) -> &[u16; CALIBRATION_ENTRIES] {
        &self.entries
    }
}

/// The logits of all members of a council.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CouncilLogits {
    members: usize,
    logits: [Logits; MEMBERS_MAX],
}

impl CouncilLogits {
    /// Those that `of` says of each of `members` members.
    #[inline(always)]
    pub(super) fn of(members: usize, mut of: impl FnMut(usize) -> Logits) -> Self {
        let mut logits = [Logits::default(); MEMBERS_MAX];
        logits[..members].iter_mut().enumerate().for_each(|(index, logits)| *logits = of(index));
        Self { members, logits }
    }

    /// Those that something outside of this crate computed, by member. None for as many members as
    /// no council has.
    #[must_use]
    pub fn from_members(logits: &[Logits]) -> Option<Self> {
        let is_council = (1..=MEMBERS_MAX).contains(&logits.len());
        is_council.then(|| Self::of(logits.len(), |index| logits[index]))
    }

    /// By member.
    #[must_use]
    pub fn members(&self) -> &[Logits] {
        &self.logits[..self.members]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(logits: [i16; LOGITS], verdict: Verdict, margin: u16) {
        let logits = Logits(logits);
        assert_eq!((logits.verdict(), logits.margin()), (verdict, Margin(margin)), "{logits:?}");
    }

    #[test]
    fn the_largest_logit_wins_and_ties_go_to_deny_then_defer() {
        use Verdict::{Approve, Defer, Deny};
        check([3, 1, 2], Approve, 1);
        check([1, 3, -2], Deny, 2);
        check([1, 0, 9], Defer, 8);
        check([5, 5, 4], Deny, 0);
        check([5, 5, 5], Deny, 0);
        check([5, 4, 5], Defer, 0);
        check([4, 5, 5], Deny, 0);
        check([i16::MAX, i16::MIN, i16::MIN], Approve, u16::MAX);
    }

    #[test]
    fn confidence_is_looked_up_by_the_margin_and_never_falls() {
        let entries = std::array::from_fn(|index| u16::try_from(index).expect("small") * 10);
        let calibration = Calibration::new(entries).expect("it rises");
        for (margin, confidence) in
            [(0, 0), (255, 0), (256, 10), (16_127, 620), (16_128, 630), (u16::MAX, 630)]
        {
            assert_eq!(calibration.confidence(Margin(margin)), PerMille(confidence), "{margin}");
        }
        // The origin's calibration fell as the network grew surer.
        let falling = std::array::from_fn(|index| 63 - u16::try_from(index).expect("small"));
        assert_eq!(Calibration::new(falling), None);
        assert_eq!(Calibration::new([1_001; CALIBRATION_ENTRIES]), None);
    }
}
