//! From the verdicts of five members to one: section 14 of `docs/council-spec.md`.
//!
//! Four of five approve, three of five deny, everything else puts off. While at most one member is
//! wrong or missing, it can neither approve with two others nor keep them from being asked again;
//! a veto turns an approval into a deferral and never into a denial.

use super::factor::Factor;
use super::{CONFIDENCE_MAX, CouncilLogits, CouncilParts, Member, PerMille};
use crate::decision::Verdict;
use serde::{Deserialize, Serialize};

/// Members of a council that may sit in the seat.
pub const SEATED_MEMBERS: usize = 5;

/// What one member says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Its verdict.
    pub verdict: Verdict,
    /// How often it is right when it is that sure.
    pub confidence: PerMille,
}

/// Why the council says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Enough members said so, and were sure enough.
    Agreed,
    /// Too few members, or too little weight, for either.
    NoQuorum,
    /// Enough members agreed and are not sure enough.
    Unsure,
    /// Enough members approve and one is too sure of the opposite.
    Vetoed,
    /// So few members are left that the rule score decides instead.
    Fallback,
}

/// What each member's word counts when votes are tallied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// How often outcomes had changed them since the council was activated.
    pub seq: i64,
    /// What the file's weights are multiplied with; none of a member in quarantine, to which nobody
    /// listens.
    pub members: [Option<Factor>; SEATED_MEMBERS],
}

impl Default for Weights {
    fn default() -> Self {
        Self { seq: 0, members: [Some(Factor::ONE); SEATED_MEMBERS] }
    }
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What the council says.
    pub verdict: Verdict,
    /// Why.
    pub ground: Ground,
    /// Mean confidence, by weight, of the members that enough others agreed with; 0 without a
    /// quorum.
    pub confidence: PerMille,
}

/// What `voices` come to; a member that is missing has none, and one in quarantine is as good as
/// missing. No answer when only two are left: then the rules decide.
///
/// # Panics
/// When there are not [`SEATED_MEMBERS`] voices.
#[must_use]
pub fn tally(parts: &CouncilParts, weights: &Weights, voices: &[Option<Voice>]) -> Option<Tally> {
    let sizes = [voices.len(), parts.members.len()];
    assert_eq!(sizes, [SEATED_MEMBERS; 2], "a council of another size has no quorum");
    let heard = parts.members.iter().zip(&weights.members).zip(voices);
    let present =
        heard.filter_map(|((member, factor), voice)| Present::of(member, *factor, *voice));
    let present: Vec<Present> = present.collect();
    let to_approve = match present.len() {
        5 => 4,
        4 | 3 => 3,
        _ => return None,
    };
    let numbers = &parts.quorum;
    let approving = Side::of(&present, Verdict::Approve);
    let denying = Side::of(&present, Verdict::Deny);
    let all: u64 = present.iter().map(|present| present.weight).sum();
    let agreed = if approving.is_enough(to_approve, numbers.approve_bp, all) {
        (Verdict::Approve, approving)
    } else if denying.is_enough(3, numbers.deny_bp, all) {
        (Verdict::Deny, denying)
    } else {
        let (verdict, ground) = (Verdict::Defer, Ground::NoQuorum);
        return Some(Tally { verdict, ground, confidence: PerMille(0) });
    };
    let (verdict, side) = agreed;
    let confidence = side.confidence();
    let is_vetoed = verdict == Verdict::Approve && present.iter().any(Present::vetoes);
    let (verdict, ground) = match (is_vetoed, confidence < numbers.confidence_min) {
        (true, _) => (Verdict::Defer, Ground::Vetoed),
        (false, true) => (Verdict::Defer, Ground::Unsure),
        (false, false) => (verdict, Ground::Agreed),
    };
    Some(Tally { verdict, ground, confidence })
}

/// What each member makes of its logits.
#[must_use]
pub fn voices(parts: &CouncilParts, logits: &CouncilLogits) -> Vec<Voice> {
    let of = |(logits, member): (&super::Logits, &Member)| Voice {
        verdict: logits.verdict(),
        confidence: member.calibration.confidence(logits.margin()),
    };
    logits.members().iter().zip(&parts.members).map(of).collect()
}

/// A member that is listened to.
struct Present<'m> {
    member: &'m Member,
    voice: Voice,
    /// Its weight in basis points times its factor, below 2^31.
    weight: u64,
}

impl<'m> Present<'m> {
    fn of(member: &'m Member, factor: Option<Factor>, voice: Option<Voice>) -> Option<Self> {
        let (Factor(factor), voice) = (factor?, voice?);
        let factor = u64::try_from(factor).expect("a factor is at least a half");
        Some(Self { member, voice, weight: u64::from(member.weight_bp) * factor })
    }

    /// A denial that is sure enough.
    fn vetoes(&self) -> bool {
        self.voice.verdict == Verdict::Deny && self.voice.confidence >= self.member.veto
    }
}

/// The members that say the same.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    count: usize,
    weight: u64,
    /// Sum of their confidences, each by its weight.
    sure: u64,
}

impl Side {
    fn of(present: &[Present<'_>], verdict: Verdict) -> Self {
        let same = present.iter().filter(|present| present.voice.verdict == verdict);
        same.fold(Self::default(), |side, Present { weight, voice, .. }| Self {
            count: side.count + 1,
            weight: side.weight + weight,
            sure: side.sure + weight * u64::from(voice.confidence.0),
        })
    }

    /// Whether it has `count` members, and `share_bp` of the weight of `all` that are present.
    fn is_enough(self, count: usize, share_bp: u16, all: u64) -> bool {
        self.count >= count && self.weight * 10_000 >= u64::from(share_bp) * all
    }

    /// Members without weight are sure of nothing.
    fn confidence(self) -> PerMille {
        let mean = self.sure.checked_div(self.weight).unwrap_or(0);
        PerMille(u16::try_from(mean).unwrap_or(CONFIDENCE_MAX.0).min(CONFIDENCE_MAX.0))
    }
}
