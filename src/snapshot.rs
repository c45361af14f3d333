//! The bytes of a snapshot: a version, the chain's head and the whole state.

use crate::error::{Error, Result};
use crate::fold::Folded;
use conclave_core::state::State;
use conclave_core::units::{Hash32, Offset};
use serde::{Deserialize, Serialize};

/// Version of the layout below, the state's included: it rises whenever the same fold would be
/// other bytes, which `tests/golden_log.rs` watches. A snapshot of another version is passed over
/// and the log is folded.
pub const SNAPSHOT_VERSION: u32 = 8;

#[derive(Serialize, Deserialize)]
struct Snapshot<S> {
    version: u32,
    head: Hash32,
    state: S,
}

/// Encodes a fold.
///
/// # Panics
/// Never: every part of a state can be encoded.
#[must_use]
pub fn encode(folded: &Folded) -> Vec<u8> {
    let Folded { state, head } = folded;
    let snapshot = Snapshot { version: SNAPSHOT_VERSION, head: *head, state };
    postcard::to_stdvec(&snapshot).expect("a state holds nothing that postcard cannot write")
}

/// Reads the snapshot at `at`.
///
/// # Errors
/// `Corrupt` when the bytes are no snapshot of this version, or of another offset.
pub fn decode(bytes: &[u8], at: Offset) -> Result<Folded> {
    let (version, _) = postcard::take_from_bytes::<u32>(bytes)
        .map_err(|error| Error::corrupt(format!("snapshot {at} is empty")).caused_by(error))?;
    if version != SNAPSHOT_VERSION {
        return Err(Error::corrupt(format!(
            "snapshot {at} has version {version} and this release reads {SNAPSHOT_VERSION}"
        )));
    }
    let snapshot: Snapshot<State> = postcard::from_bytes(bytes).map_err(|error| {
        Error::corrupt(format!("snapshot {at} cannot be read")).caused_by(error)
    })?;
    let Snapshot { version: _, head, state } = snapshot;
    let folded = Folded { state, head };
    if folded.next() != at {
        let next = folded.next();
        return Err(Error::corrupt(format!("snapshot {at} holds the state of {next}")));
    }
    Ok(folded)
}
