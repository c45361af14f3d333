//! The file of a council: sections 10 and 11 of `docs/council-spec.md`.

mod read;
mod write;

use super::golden::{GoldenSequence, self_test};
use super::refusal::BadCouncil;
use super::{Council, ModelId};

/// What a file begins with.
pub const MAGIC: [u8; 8] = *b"CONCLCFC";
/// Bytes of the longest file.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A council that was read, proved and tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouncilFile {
    id: ModelId,
    council: Council,
    golden: Vec<GoldenSequence>,
}

impl CouncilFile {
    /// Reads a file, proves its ranges and computes its golden sequences. `digest` is BLAKE3: the
    /// core brings none.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn read(bytes: &[u8], digest: fn(&[u8]) -> ModelId) -> Result<Self, BadCouncil> {
        let (parts, golden) = read::read(bytes)?;
        let council = Council::new(parts)?;
        self_test(&council, &council, &golden)?;
        Ok(Self { id: digest(bytes), council, golden })
    }

    /// The digest of the file.
    #[must_use]
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// What votes are computed with.
    #[must_use]
    pub fn council(&self) -> &Council {
        &self.council
    }

    /// What every way to compute has to compute first.
    #[must_use]
    pub fn golden(&self) -> &[GoldenSequence] {
        &self.golden
    }

    /// The file again, byte for byte.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write::write(&self.council, &self.golden)
    }
}

/// The file of `council` with `golden` sequences.
///
/// # Errors
/// [`BadCouncil::Golden`] or [`BadCouncil::OutOfRange`] when the sequences are not its own.
pub fn encode(council: &Council, golden: &[GoldenSequence]) -> Result<Vec<u8>, BadCouncil> {
    self_test(council, council, golden)?;
    Ok(write::write(council, golden))
}
