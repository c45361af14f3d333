//! A start, in a process of its own: its memory is then the service's and not the bench's.

use crate::commands::Scribe;
use crate::machine;
use conclave::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave::snapshot;
use conclave_core::command::Payload;
use conclave_core::seat::RuleSeat;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The argument that makes this program the child.
pub(crate) const CHILD_ARGUMENT: &str = "--start-in";

/// What a start took and left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) first_decision_ms: f64,
    pub(crate) open_ms: f64,
    pub(crate) tail: u64,
    pub(crate) resident_mb: f64,
    pub(crate) highest_mb: f64,
    pub(crate) live_requests: usize,
    pub(crate) duplicate_ids: usize,
    pub(crate) snapshot_bytes: usize,
    pub(crate) copy_ms: f64,
    pub(crate) encode_ms: f64,
    pub(crate) highest_with_snapshot_mb: f64,
}

/// Starts on the log in `dir` in a child process.
pub(crate) fn measure(dir: &Path) -> Start {
    let program = std::env::current_exe().expect("this program has a file");
    let output = Command::new(program).arg(CHILD_ARGUMENT).arg(dir).output();
    let output = output.expect("the child starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the child prints one object")
}

/// The child: opens the log, decides one command, and says what that took.
pub(crate) fn child(dir: &Path) -> Start {
    let started = Instant::now();
    let log = RocksLog::open(dir, &OpenOptions::default()).expect("the log is sound");
    let (mut engine, report) =
        Engine::open(log, RuleSeat, SNAPSHOT_EVERY_DEFAULT).expect("the log is sound");
    let open_ms = ms_since(started);
    let tick = Scribe::at(engine.folded().next()).operator(Payload::Tick);
    engine.accept(&[tick]).expect("there is room on the disk");
    let decisions = engine.turn().expect("the log can be written");
    let first_decision_ms = ms_since(started);
    assert_eq!(decisions.len(), 1, "one command, one decision");
    let (resident_mb, highest_mb) = machine::resident_mb();
    assert!(report.snapshot.is_some(), "there is a snapshot to start from");

    let copying = Instant::now();
    let copy = engine.folded().clone();
    let copy_ms = ms_since(copying);
    let encoding = Instant::now();
    let bytes = snapshot::encode(&copy);
    let encode_ms = ms_since(encoding);
    let pools = &engine.folded().state.pools;
    Start {
        first_decision_ms,
        open_ms,
        tail: report.decisions,
        resident_mb,
        highest_mb,
        live_requests: pools.values().map(|pool| pool.requests.len()).sum(),
        duplicate_ids: pools.values().map(|pool| pool.duplicates.len()).sum(),
        snapshot_bytes: bytes.len(),
        copy_ms,
        encode_ms,
        highest_with_snapshot_mb: machine::resident_mb().1,
    }
}

fn ms_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
