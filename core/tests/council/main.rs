//! The council against a second implementation, against itself in other layouts, and against bytes
//! that are none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod curves;
mod drawn;
mod explain;
mod files;
mod flips;
mod golden;
mod layouts;
#[path = "../story/mod.rs"]
mod story;

use conclave_core::council::{CouncilFile, ModelId};
use conclave_core::units::Hash32;
use std::path::PathBuf;

/// Files that `dev/golden-council` made.
const COUNCILS: [&str; 3] = ["five", "narrow", "wide"];

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/council")).join(name)
}

fn golden_bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden_path(&format!("{name}.council"))).unwrap()
}

fn golden_council(name: &str) -> CouncilFile {
    CouncilFile::read(&golden_bytes(name), no_digest).unwrap()
}

/// The core brings no BLAKE3; tests/council computes digests.
fn no_digest(_: &[u8]) -> ModelId {
    ModelId(Hash32::default())
}
