//! What a failed attempt means for the next one.

use super::breaker::Outcome;
use crate::error::{Error, ErrorKind};

/// The class of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It was not done: try again.
    Transient,
    /// Nobody knows whether it was done: try again only what may be done twice.
    Ambiguous,
    /// The dependency answered, and would answer the same again.
    Final,
    /// It went wrong on our side.
    Ours,
}

impl Class {
    /// What our own errors say by themselves.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error.kind {
            ErrorKind::Unavailable => Self::Transient,
            ErrorKind::Invalid => Self::Final,
            ErrorKind::Corrupt | ErrorKind::Bug => Self::Ours,
        }
    }

    /// Whether another attempt may be made of what may, or may not, be done twice.
    #[must_use]
    pub fn may_retry(self, is_idempotent: bool) -> bool {
        match self {
            Self::Transient => true,
            Self::Ambiguous => is_idempotent,
            Self::Final | Self::Ours => false,
        }
    }

    /// What it says about the dependency.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Transient | Self::Ambiguous => Outcome::Failure,
            Self::Final => Outcome::Success,
            Self::Ours => Outcome::Neutral,
        }
    }
}
