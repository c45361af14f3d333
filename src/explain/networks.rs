//! What an explanation holds of a vote of networks: who said what, why, and what would change it.
//! `docs/council-explain.md` says what the numbers mean.

use super::report::Moment;
use crate::report::council::ground;
use crate::report::sentence;
use conclave_core::decision::{CouncilVoted, MemberVote};
use conclave_core::explain::{Field, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A vote of networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Networks {
    /// The decision that records it; none of a vote that was only planned.
    pub at: Option<Moment>,
    /// Which vote it was, from 1.
    pub attempt: i64,
    /// Which council, by the digest of its file.
    pub model: String,
    /// `approve`, `deny` or `defer`.
    pub verdict: String,
    /// Why: `agreed`, `no_quorum`, `unsure` or `vetoed`; `fallback` when so few members were
    /// listened to that the rule score decided.
    pub ground: String,
    /// How sure the members were that agreed, in thousandths; 0 without a quorum.
    pub confidence_per_mille: i64,
    /// What each member said, in the order of the council's file.
    pub members: Vec<MemberSaid>,
    /// What the council was told, by feature; empty without reasons.
    pub told: Vec<Told>,
    /// The nearest value of each field of the request that would have led to another verdict of the
    /// council, the smallest change first.
    pub flips: Vec<FlipSaid>,
    /// Why no reasons are given; none when they are.
    pub unexplained: Option<Unexplained>,
}

/// What one network said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberSaid {
    /// What the council's file calls it; none without reasons.
    pub label: Option<String>,
    /// `approve`, `deny` or `defer`.
    pub verdict: String,
    /// How often it is right when it is that sure, in thousandths.
    pub confidence_per_mille: i64,
    /// Its logits in 1/2048: approve, deny, defer.
    pub logits: [i64; 3],
    /// Whether it counted: nobody listens to a member in quarantine.
    pub counted: bool,
    /// Where its verdict comes from, computed again from the log.
    pub why: Option<Why>,
}

/// Where a member's verdict comes from. What is for the verdict is above zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The verdict of the next largest logit.
    pub runner_up: String,
    /// The largest logit less the next, in 1/2048.
    pub lead: i64,
    /// The same if the council were told nothing.
    pub baseline_lead: i64,
    /// What the memory of the tenant adds to the lead, in 1/2048. It is in none of the groups.
    pub history: i64,
    /// What each group of features adds to the lead: they sum to 60 times (lead less
    /// `baseline_lead`).
    pub groups: Vec<GroupPush>,
    /// What the lead loses without one feature alone, in 1/2048, in the order of `told`.
    pub occlusions: Vec<i64>,
    /// The groups that do most, the strongest first.
    pub top: Vec<TopReason>,
}

/// What a group of features adds to a lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupPush {
    /// The group.
    pub group: String,
    /// Its Shapley value in 1/60 of 1/2048.
    pub push_sixtieths: i64,
}

/// One of the strongest groups, and its strongest feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopReason {
    /// The group.
    pub group: String,
    /// Its Shapley value in 1/60 of 1/2048.
    pub push_sixtieths: i64,
    /// The feature of the group that does most by itself the same way; none when no single one does
    /// a hundredth of a logit.
    pub feature: Option<String>,
    /// What the lead loses without that feature, in 1/2048.
    pub feature_push: i64,
    /// What that feature says, in words; empty without one.
    pub words: String,
}

/// What the council was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// Which feature (docs/council-features.md).
    pub feature: String,
    /// Its group.
    pub group: String,
    /// Its value in 1/64.
    pub value: i64,
    /// The same in words and in its own unit.
    pub words: String,
}

/// One field changed, and what the council would have said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlipSaid {
    /// Which field of the request.
    #[schema(value_type = String)]
    pub field: Field,
    /// What it is.
    #[schema(value_type = Object)]
    pub from: Value,
    /// The nearest value that leads to the verdict.
    #[schema(value_type = Object)]
    pub to: Value,
    /// `approve`, `deny` or `defer`.
    pub verdict: String,
}

/// Why a vote has no reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unexplained {
    /// `unavailable`: something is not at hand; `corrupt`: the vote does not follow from the log.
    pub kind: String,
    /// The same in a sentence that says what to do.
    pub sentence: String,
}

/// [`Unexplained::kind`] of a vote that does not follow from the log.
pub const CORRUPT: &str = "corrupt";

impl Networks {
    /// What `voted` says, without reasons. `at` is the decision that holds it.
    #[must_use]
    pub fn of(voted: &CouncilVoted, at: Option<Moment>) -> Self {
        let said = |member: &MemberVote| MemberSaid {
            label: None,
            verdict: sentence::verdict(member.verdict).to_owned(),
            confidence_per_mille: member.confidence_per_mille,
            logits: [member.approve, member.deny, member.defer],
            counted: member.counted,
            why: None,
        };
        Self {
            at,
            attempt: voted.attempt,
            model: voted.model.0.to_string(),
            verdict: sentence::verdict(voted.verdict).to_owned(),
            ground: ground(voted.ground).to_owned(),
            confidence_per_mille: voted.confidence_per_mille,
            members: voted.members.iter().map(said).collect(),
            told: vec![],
            flips: vec![],
            unexplained: None,
        }
    }

    /// The sentence about a vote that does not follow from the log; none of any other.
    #[must_use]
    pub fn corruption(&self) -> Option<&str> {
        let unexplained = self.unexplained.as_ref().filter(|one| one.kind == CORRUPT)?;
        Some(&unexplained.sentence)
    }
}
