//! The members as one file, with sequences that whoever reads it computes again.

use crate::draw::Draw;
use crate::error::{Error, Result};
use crate::number::{nearest, nearest_within};
use conclave_core::council::features::{FEATURES, schema_text};
use conclave_core::council::file::encode;
use conclave_core::council::{
    Council, CouncilFile, Features, GoldenSequence, ModelId, PerMille, QuorumNumbers, SchemaHash,
};
use conclave_core::units::{DurationMs, Hash32};

/// Numbers for the quorum that others are compared with: section 4 of the design.
pub const QUORUM: QuorumNumbers =
    QuorumNumbers { approve_bp: 7_500, deny_bp: 5_000, confidence_min: PerMille(700) };
/// Golden sequences, and the steps of each.
const SEQUENCES: usize = 24;
const STEPS: usize = 16;

/// What the features mean.
#[must_use]
pub fn schema() -> SchemaHash {
    SchemaHash(Hash32(*blake3::hash(schema_text().as_bytes()).as_bytes()))
}

/// The name of a file: its digest.
#[must_use]
pub fn model_id(bytes: &[u8]) -> ModelId {
    ModelId(Hash32(*blake3::hash(bytes).as_bytes()))
}

/// The file of `council`, read back and found the same.
///
/// # Errors
/// [`Error::Bug`] when it cannot be written, or is read as something else.
pub fn file(council: &Council, seed: u64) -> Result<Vec<u8>> {
    let mut draw = Draw::new(seed, "golden sequences");
    let golden: Vec<_> = (0..SEQUENCES).map(|index| sequence(council, index, &mut draw)).collect();
    let bad = |why| Error::Bug(format!("the council cannot be written: {why}"));
    let bytes = encode(council, &golden).map_err(bad)?;
    let bad = |why| Error::Bug(format!("the council that was written is refused: {why}"));
    let read = CouncilFile::read(&bytes, model_id).map_err(bad)?;
    if read.council() == council && read.to_bytes() == bytes {
        return Ok(bytes);
    }
    Err(Error::Bug("the council that was written is read as another".to_owned()))
}

/// Drawn, and never anybody's: a file holds no row of a trace. The first are extremes.
fn sequence(council: &Council, index: usize, draw: &mut Draw) -> GoldenSequence {
    let inputs = (0..STEPS).map(|_| {
        let values = FEATURES.each_ref().map(|row| {
            let (least, most) = row.scale.range();
            let value = match index {
                0 => f64::from(least),
                1 => f64::from(most),
                2 => f64::from(if draw.happens(0.5) { i8::MAX } else { -i8::MAX }),
                _ => draw.between(f64::from(least), f64::from(most)),
            };
            i8::try_from(nearest_within(value, -127, 127)).expect("clamped")
        });
        // From none to three weeks, each order of magnitude as often.
        let elapsed = if draw.happens(0.05) { 0.0 } else { draw.between(0.0, 31.0).exp2() };
        let features = Features::new(values).expect("none is -128");
        (DurationMs(nearest(elapsed)), features)
    });
    GoldenSequence::of(council, &inputs.collect::<Vec<_>>())
}
