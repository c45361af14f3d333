//! What the council of networks leaves in the log: who sits, what was said, what is remembered.

use super::Verdict;
use crate::command::CouncilMode;
use crate::council::ModelId;
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
