//! The line of a partition's decisions: each names the one before it and holds its digest. Whoever
//! proves a log and whoever watches one ask the same questions here.

use crate::log::DecisionRecord;
use crate::wire::{DecisionHead, body_hash};
use conclave_core::units::{Hash32, Offset};
use std::fmt;

/// Where a line of decisions ends; at first, before the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Offset of the last decision; -1 before the first.
    pub(crate) covered: Offset,
    /// Digest of its body; zeros before the first.
    pub(crate) head: Hash32,
}

impl Default for Line {
    fn default() -> Self {
        Self { covered: Offset(-1), head: Hash32::default() }
    }
}

/// Why a decision does not stand where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// The line has passed it.
    Behind {
        /// Where the line ends.
        covered: Offset,
    },
    /// It names one before it that the line does not have.
    Gap {
        /// The decision that it names.
        names: Offset,
        /// Where the line ends.
        covered: Offset,
    },
    /// Its record and its body do not say the same place.
    Misnamed {
        /// The offset that its body names.
        own: Offset,
        /// The one before it that its body names.
        names: Offset,
    },
}

/// Why a decision does not continue the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Its body is not what its digest says.
    Digest,
    /// It holds another digest than that of the decision before it.
    Link,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { covered } => write!(f, "it stands behind decision {covered}"),
            Self::Gap { names, covered } => {
                write!(f, "it names decision {names} before it, and the log has {covered} there")
            }
            Self::Misnamed { own, names } => {
                write!(f, "it calls itself {own}, after {names}")
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest => "its body is not what its digest says",
            Self::Link => "it does not continue the chain",
        })
    }
}

impl Line {
    /// Whether a decision stands right behind the line. Offsets may have holes: only what a
    /// decision names as its predecessor says whether one is missing.
    pub(crate) fn check_place(&self, at: Offset, head: &DecisionHead) -> Result<(), Misplaced> {
        let DecisionHead { offset: own, covered_before: names, .. } = *head;
        let covered = self.covered;
        if at <= covered || own <= covered {
            return Err(Misplaced::Behind { covered });
        }
        if own != at || names >= own || names < covered {
            return Err(Misplaced::Misnamed { own, names });
        }
        if names > covered {
            return Err(Misplaced::Gap { names, covered });
        }
        Ok(())
    }

    /// Whether a decision continues the chain.
    pub(crate) fn check_link(
        &self,
        record: &DecisionRecord,
        prev_hash: Hash32,
    ) -> Result<(), Broken> {
        if body_hash(&record.body) != record.hash {
            return Err(Broken::Digest);
        }
        if prev_hash != self.head {
            return Err(Broken::Link);
        }
        Ok(())
    }

    /// Goes on behind a decision, whatever it is worth.
    pub(crate) fn go_on(&mut self, offset: Offset, head: Hash32) {
        (self.covered, self.head) = (offset, head);
    }
}
