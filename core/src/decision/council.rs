//! What the council of networks leaves in the log: who sits, what was said, what is remembered.

use super::Verdict;
use crate::command::CouncilMode;
use crate::council::ModelId;
use crate::council::health::Cause;
use crate::council::quorum::Ground;
use crate::units::{DurationMs, Hash8, PoolId, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// Somebody else sits in the council seat: every tenant's hidden state begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouncilActivated {
    /// The networks, by the digest of their file; none when the rules sit there again.
    pub model: Option<ModelId>,
    /// Who sat there before.
    pub previous: Option<ModelId>,
}

/// The networks voted on a request: everything that is needed to compute the vote again but the
/// hidden state itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouncilVoted {
    /// The request's pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// 1 for the first vote.
    pub attempt: i64,
    /// Whether the verdict counts.
    pub mode: CouncilMode,
    /// What the members come to.
    pub verdict: Verdict,
    /// Why.
    pub ground: Ground,
    /// Mean confidence of the members that agreed, in thousandths; 0 without a quorum.
    pub confidence_per_mille: i64,
    /// Which council, by the digest of its file.
    pub model: ModelId,
    /// First bytes of the digest of the hidden state before this vote.
    pub memory: Hash8,
    /// Log time since the state's step before; 0 for the first.
    pub elapsed_ms: DurationMs,
    /// What the council was told: 32 numbers (docs/council-features.md).
    pub features: Vec<i64>,
    /// Which weights held: how often outcomes had changed them since the council was activated.
    pub weights_seq: i64,
    /// What each member said, in the order of the council's file.
    pub members: Vec<MemberVote>,
}

/// What one member said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberVote {
    /// Its verdict.
    pub verdict: Verdict,
    /// How often it is right when it is that sure, in thousandths.
    pub confidence_per_mille: i64,
    /// Its logit for approve, in 1/2048.
    pub approve: i64,
    /// For deny.
    pub deny: i64,
    /// For defer.
    pub defer: i64,
    /// Whether it counted: a member in quarantine votes, and nobody listens.
    pub counted: bool,
}

/// The hidden state of a tenant after a round in which it was voted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouncilRemembered {
    /// In this pool.
    pub pool: PoolId,
    /// Whose state.
    pub tenant: TenantId,
    /// Log time of its latest step.
    pub stepped_at_ms: TimeMs,
    /// How many leases of the tenant ended since the council was activated and are behind it.
    pub heard: i64,
    /// The state, member by member, unit by unit, in 1/16384.
    pub words: Vec<i64>,
}

/// A member of the council is not listened to for a while. Its votes are still recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberQuarantined {
    /// Which one, in the order of the council's file: 1 to 5.
    pub member: i64,
    /// What for.
    pub cause: Cause,
    /// What was found: votes for a stuck member, basis points of its words for a saturated one,
    /// 1/256 of a vote for a drifting one.
    pub found: i64,
    /// The bound that this has reached, in the same unit.
    pub bound: i64,
    /// Votes of the council since it was activated.
    pub votes: i64,
}

/// A member behaved for so long that it is listened to again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReturned {
    /// Which one, in the order of the council's file: 1 to 5.
    pub member: i64,
    /// Votes of the council since it was activated.
    pub votes: i64,
    /// The latest of them, in which it behaved.
    pub calm_votes: i64,
}

/// Work ended, and whoever had been right about it counts a little more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouncilWeighed {
    /// The lease's pool.
    pub pool: PoolId,
    /// Whose work it was.
    pub request: RequestId,
    /// 1 for the first change of the weights since the council was activated.
    pub seq: i64,
    /// Whether the work succeeded; else it failed.
    pub ended_well: bool,
    /// What became of each member, in the order of the council's file.
    pub members: Vec<MemberWeight>,
}

/// What became of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberWeight {
    /// How wrong it had been, in 1/65536; none when it was in quarantine and nobody listened.
    pub loss: Option<i64>,
    /// What its weight is multiplied with from now on, in 1/65536.
    pub factor: i64,
}
