//! The council of small liquid networks in integers, as `docs/council-spec.md` (version 1) says it:
//! the same words on every machine.
//!
//! Bytes → [`CouncilFile`] (read, proved, self-tested) → [`Council`], which is the reference and an
//! [`Evaluator`] like every other way to compute the same words. Reading order: [`rounding`] →
//! [`curve`] → [`time`] → [`member`] → `cell` → [`logits`] → `proof` → [`mod@file`] → [`quorum`] →
//! [`run`] (what is computed at a time) → [`hearing`] (a round's ballot, tenant by tenant) →
//! [`recall`] (one vote once more) → [`explain`] (why it is what it is); beside them [`health`]
//! (who is listened to) → [`factor`] (what a word counts) → [`recount`] (votes as a log records
//! them) → [`shadow`] (a council beside the seat).

mod cell;
pub mod curve;
pub mod explain;
pub mod factor;
pub mod fast;
pub mod features;
pub mod file;
pub mod golden;
pub mod health;
pub mod hearing;
pub mod logits;
pub mod member;
mod proof;
pub mod quorum;
pub mod recall;
pub mod recount;
pub mod refusal;
pub mod rounding;
pub mod run;
pub mod shadow;
mod state;
pub mod time;

pub use curve::Curve;
pub use fast::FastCouncil;
pub use features::{FEATURE_COUNT, FeatureMask, Features};
pub use file::CouncilFile;
pub use golden::{GoldenSequence, GoldenStep, self_test};
pub use logits::{CONFIDENCE_MAX, Calibration, CouncilLogits, Logits, Margin, PerMille};
pub use member::{HiddenSize, Member, Rows};
pub use refusal::BadCouncil;
pub use run::{Ran, Run, Runner, Step};
pub use state::HiddenState;
pub use time::{TimeCode, TimeTable};

use crate::units::Hash32;
use serde::{Deserialize, Serialize};

/// The version of `docs/council-spec.md` that this is.
pub const COUNCIL_VERSION: u32 = 1;
/// Members of one council.
pub const MEMBERS_MAX: usize = 8;
/// Bytes of a member's label.
pub const LABEL_BYTES_MAX: usize = 32;

/// What a vote is computed with: the digest of a council's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(pub Hash32);

/// Which feature means what: the digest of a feature schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaHash(pub Hash32);

/// Numbers for the quorum ([`quorum`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumNumbers {
    /// Approvals need at least this much weight, in basis points.
    pub approve_bp: u16,
    /// Denials need at least this much weight, in basis points.
    pub deny_bp: u16,
    /// Less sure than this is no verdict.
    pub confidence_min: PerMille,
}

/// All of a council but its golden sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouncilParts {
    /// What its features mean.
    pub schema: SchemaHash,
    /// Hidden units of each member.
    pub hidden: HiddenSize,
    /// The curve of the states.
    pub tanh: Curve,
    /// The curve of the gates.
    pub sigmoid: Curve,
    /// Elapsed time.
    pub time: TimeTable,
    /// For the quorum.
    pub quorum: QuorumNumbers,
    /// 1 to 8 members.
    pub members: Vec<Member>,
}

/// A council for which is proved that nothing it computes leaves its range. The reference: it
/// computes as the specification reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Council {
    parts: CouncilParts,
}

impl Council {
    /// A council of `parts`.
    ///
    /// # Errors
    /// [`BadCouncil::OutOfRange`] or [`BadCouncil::RangeProof`].
    pub fn new(parts: CouncilParts) -> Result<Self, BadCouncil> {
        proof::prove(&parts)?;
        Ok(Self { parts })
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> &CouncilParts {
        &self.parts
    }

    /// Words of a tenant's state: M times H.
    #[must_use]
    pub fn words(&self) -> usize {
        self.parts.members.len() * self.parts.hidden.units()
    }
}

/// Something that computes steps of a council. Whatever it runs on, it finds the same words.
pub trait Evaluator {
    /// Steps all members of `state` on and says their logits after that.
    fn step(&self, state: &mut HiddenState, features: &Features, time: TimeCode) -> CouncilLogits;
}

impl Evaluator for Council {
    fn step(&self, state: &mut HiddenState, features: &Features, time: TimeCode) -> CouncilLogits {
        let words = state.words_mut();
        assert_eq!(words.len(), self.words(), "a state of another council");
        let (members, units) = (&self.parts.members, self.parts.hidden.units());
        CouncilLogits::of(members.len(), |index| {
            let h = &mut words[index * units..][..units];
            cell::step(self, &members[index], features, time, h);
            cell::logits(&members[index], h)
        })
    }
}
