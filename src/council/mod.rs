//! Councils on this machine: files with their digests, and the way to compute that its processor is
//! fastest at. `docs/council-spec.md` says what is computed; nothing here can change a word of it,
//! and every way computes the file's golden sequences before anything else.

mod depot;
pub mod engine;
mod keep;
mod seat;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use depot::Depot;
pub use engine::{CouncilEngine, EngineChoice, EngineKind, Engines};
pub use keep::{RELEASED, fit, keep, keep_released};
pub use seat::{CouncilSeat, Models, Seated, digest, dir_beside, file_name};

use crate::error::{Error, Result};
use conclave_core::council::features::schema_text;
use conclave_core::council::{
    CouncilFile, CouncilLogits, Evaluator, FastCouncil, Features, HiddenState, ModelId, SchemaHash,
    TimeCode, self_test,
};
use conclave_core::units::Hash32;

/// The model id of a file: BLAKE3 of all of it.
#[must_use]
pub fn model_id(bytes: &[u8]) -> ModelId {
    ModelId(Hash32(*blake3::hash(bytes).as_bytes()))
}

/// Reads a council, proves its ranges and computes its golden sequences with the reference.
///
/// # Errors
/// `Invalid` says why it is refused.
pub fn read(bytes: &[u8]) -> Result<CouncilFile> {
    CouncilFile::read(bytes, model_id)
        .map_err(|reason| Error::invalid("this council is refused").caused_by(reason))
}

/// Reads the council that the log calls `id`.
///
/// # Errors
/// `Corrupt` when the bytes are those of another file, `Invalid` as [`read`].
pub fn read_as(bytes: &[u8], id: ModelId) -> Result<CouncilFile> {
    let found = model_id(bytes);
    if found != id {
        return Err(Error::corrupt(format!(
            "the council {} has the digest {}; take the file from its release again",
            id.0, found.0
        )));
    }
    read(bytes)
}

/// Reads the council that the log calls `id`, to vote with it.
///
/// # Errors
/// `Invalid` when it wants other features than this release computes; otherwise as [`read_as`].
pub fn read_to_vote(bytes: &[u8], id: ModelId) -> Result<CouncilFile> {
    let file = read_as(bytes, id)?;
    check_features(&file)?;
    Ok(file)
}

/// That a council wants the features that this release computes.
///
/// # Errors
/// `Invalid` when it wants others.
pub fn check_features(file: &CouncilFile) -> Result<()> {
    let (wanted, ours) = (file.council().parts().schema, feature_schema());
    if wanted == ours {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "this council was trained on features of the schema {} and this release computes {}: take \
         one that was made for this release (docs/council-features.md)",
        wanted.0, ours.0
    )))
}

/// The digest of the schema by which features are computed.
#[must_use]
pub fn feature_schema() -> SchemaHash {
    SchemaHash(Hash32(*blake3::hash(schema_text().as_bytes()).as_bytes()))
}

/// A way to compute on this processor.
#[derive(Clone, Copy, Debug)]
pub struct Way(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Sse2(x86::Sse2Lanes),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2Lanes),
}

impl Way {
    /// All that this processor can, the fastest last.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut ways = vec![Kind::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            ways.extend(x86::Sse2Lanes::detect().map(Kind::Sse2));
            ways.extend(x86::Avx2Lanes::detect().map(Kind::Avx2));
        }
        ways.into_iter().map(Self).collect()
    }

    /// The fastest that this processor can.
    ///
    /// # Panics
    /// Never: there is one for every processor.
    #[must_use]
    pub fn fastest() -> Self {
        Self::all().pop().expect("portable code runs everywhere")
    }

    /// Its name, as reports and benches write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(_) => "sse2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
        }
    }
}

/// A council that this processor computes.
#[derive(Clone, Debug)]
pub struct CpuCouncil {
    fast: FastCouncil,
    way: Way,
}

impl CpuCouncil {
    /// The council of `file`, computed in `way`.
    ///
    /// # Errors
    /// `Bug` when the golden sequences come out otherwise: nothing may be voted on in this way.
    pub fn new(file: &CouncilFile, way: Way) -> Result<Self> {
        let council = Self { fast: FastCouncil::new(file.council()), way };
        self_test(&council, file.council(), file.golden()).map_err(|reason| {
            let way = way.name();
            Error::bug(format!("this processor computes other votes ({way})")).caused_by(reason)
        })?;
        Ok(council)
    }
}

impl Evaluator for CpuCouncil {
    fn step(&self, state: &mut HiddenState, features: &Features, time: TimeCode) -> CouncilLogits {
        match self.way.0 {
            Kind::Portable => self.fast.step(state, features, time),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(lanes) => lanes.step(&self.fast, state, features, time),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(lanes) => lanes.step(&self.fast, state, features, time),
        }
    }
}
