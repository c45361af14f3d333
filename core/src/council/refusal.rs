//! Why a council is refused: section 11 of `docs/council-spec.md`.

use std::fmt;

/// Why no vote can be computed with a council's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCouncil {
    /// Longer than any council is.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It does not begin like a council.
    NoMagic,
    /// Made for another version of the specification.
    UnknownVersion {
        /// Which.
        version: u32,
    },
    /// It ends within a part.
    Truncated {
        /// The part that is not all there.
        part: Part,
        /// How much of it is missing.
        missing_bytes: usize,
    },
    /// It goes on after its last part.
    TrailingBytes {
        /// For so long.
        bytes: usize,
    },
    /// A number is none that the specification allows.
    OutOfRange {
        /// Which.
        part: Part,
        /// What it is.
        found: i64,
        /// What it may be.
        allowed: &'static str,
    },
    /// An entry of a table is out of range, or below the one before it.
    BadTable {
        /// Which table.
        part: Part,
        /// What entries may be.
        allowed: &'static str,
    },
    /// A row's sums could leave their range.
    RangeProof {
        /// Which row.
        part: Part,
        /// How large its accumulator can become.
        bound: i64,
    },
    /// A golden sequence does not end in the words that the file says.
    Golden(Difference),
}

/// A part of a council.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub what: &'static str,
    /// Whose.
    pub place: Place,
}

/// Where in a council.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What members share.
    Council,
    /// In a member, by its index.
    Member(usize),
    /// In a row of a member's heads.
    HeadRow(usize, usize),
    /// In a row of a member's readout.
    ReadoutRow(usize, usize),
    /// In a golden sequence.
    Sequence(usize),
    /// In a step of a golden sequence.
    Step(usize, usize),
}

/// The first word that is not what a golden sequence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In this sequence.
    pub sequence: usize,
    /// After this step.
    pub step: usize,
    /// Of this member.
    pub member: usize,
    /// This word.
    pub word: Word,
    /// What the file says.
    pub expected: i16,
    /// What was computed.
    pub found: i16,
}

/// A word of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A logit: approve, deny, defer.
    Logit(usize),
    /// A hidden unit.
    Unit(usize),
}

impl fmt::Display for BadCouncil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are no council"),
            Self::NoMagic => write!(f, "it does not begin with CONCLCFC: no council"),
            Self::UnknownVersion { version } => {
                write!(f, "made for version {version} of docs/council-spec.md, known is 1")
            }
            Self::Truncated { part, missing_bytes } => {
                write!(f, "truncated: {missing_bytes} bytes of {part} are missing")
            }
            Self::TrailingBytes { bytes } => write!(f, "{bytes} bytes follow after its end"),
            Self::OutOfRange { part, found, allowed } => {
                write!(f, "{part} is {found}, allowed is {allowed}")
            }
            Self::BadTable { part, allowed } => {
                write!(f, "{part} falls, or has entries other than {allowed}")
            }
            Self::RangeProof { part, bound } => {
                write!(f, "no range proof: {part} reaches {bound}")
            }
            Self::Golden(difference) => difference.fmt(f),
        }?;
        match self {
            Self::UnknownVersion { .. } => write!(f, "; upgrade, or take an older file"),
            Self::TooLong { .. }
            | Self::NoMagic
            | Self::Truncated { .. }
            | Self::TrailingBytes { .. }
            | Self::OutOfRange { .. }
            | Self::BadTable { .. }
            | Self::RangeProof { .. }
            | Self::Golden(_) => write!(f, "; take the file from its release again"),
        }
    }
}

impl std::error::Error for BadCouncil {}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        match self.place {
            Place::Council => Ok(()),
            Place::Member(member) => write!(f, " of member {member}"),
            Place::HeadRow(member, row) => write!(f, " of row {row} of member {member}"),
            Place::ReadoutRow(member, row) => write!(f, " of logit {row} of member {member}"),
            Place::Sequence(sequence) => write!(f, " of golden sequence {sequence}"),
            Place::Step(sequence, step) => {
                write!(f, " of step {step} of golden sequence {sequence}")
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, step, member, word, expected, found } = self;
        let (kind, index) = match word {
            Word::Logit(index) => ("logit", index),
            Word::Unit(index) => ("hidden unit", index),
        };
        write!(
            f,
            "golden sequence {sequence}, step {step}: {kind} {index} of member {member} is {found} \
             and should be {expected}"
        )
    }
}
