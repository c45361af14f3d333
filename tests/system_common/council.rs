//! A council that nobody trained and that may sit: for the features of this release.

use conclave::council::{CouncilSeat, Models, feature_schema, keep, model_id, read};
use conclave_core::council::file::encode;
use conclave_core::council::{Council, ModelId};
use std::path::Path;

/// Its file.
pub(crate) fn untrained() -> Vec<u8> {
    let golden = include_bytes!("../golden/council/five.council");
    let file = read(golden).unwrap();
    let mut parts = file.council().parts().clone();
    parts.schema = feature_schema();
    encode(&Council::new(parts).unwrap(), file.golden()).unwrap()
}

pub(crate) fn untrained_id() -> ModelId {
    model_id(&untrained())
}

/// Writes its file into `dir`, not where a log would look for it.
pub(crate) fn write(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("untrained.council");
    std::fs::write(&path, untrained()).unwrap();
    path
}

/// The seat beside a log in `dir`, with this council.
pub(crate) fn seat(dir: &Path) -> CouncilSeat {
    keep(&write(dir), dir).unwrap();
    CouncilSeat::new(Models::beside(dir))
}
