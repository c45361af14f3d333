//! Devices against the reference, on every adapter that there is; and devices that lie, hang or are
//! lost.
//!
//! `CONCLAVE_NEED_GPU=1` makes a machine without any adapter a failure, `CONCLAVE_GPU_SOFTWARE=0`
//! leaves software adapters out. `CONCLAVE_GPU_COUNCILS` says how many random councils to draw.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod choice;
mod differential;
mod drawn;
mod faults;
mod found;
mod golden;
mod large;
mod shims;
mod snapshots;
mod words;

use conclave_core::council::{CouncilFile, ModelId};
use conclave_core::units::Hash32;
use std::path::PathBuf;
use std::sync::Arc;

/// Files that `dev/golden-council` made.
const COUNCILS: [&str; 3] = ["five", "narrow", "wide"];

fn golden_file(name: &str) -> Arc<CouncilFile> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/council"));
    let bytes = std::fs::read(folder.join(format!("{name}.council"))).unwrap();
    Arc::new(CouncilFile::read(&bytes, |_| ModelId(Hash32::default())).unwrap())
}
