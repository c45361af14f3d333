#![allow(missing_docs, clippy::all)]
use crate::log::{Headers, RoundRecord, StoredCommand};
use conclave_core::decision::Decision;
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Accept,
    Fold,
    Ingest,
    Vote,
    Decide,
    Encode,
    Commit,
    Snapshot,
}
#[derive(Debug, Default)]
pub struct Latencies([std::time::Duration; 8]);
impl Latencies {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn record(&mut self, step: Step, took: std::time::Duration) {
        self.0[step as usize] += took;
    }
    pub fn total(&self, step: Step) -> std::time::Duration {
        self.0[step as usize]
    }
}
#[derive(Debug)]
pub struct Correlation;
impl Correlation {
    pub fn of_decision(_: &StoredCommand, _: &Decision) -> Self {
        Self
    }
    pub fn to_headers(&self) -> Headers {
        vec![]
    }
}
pub mod events {
    use super::*;
    use conclave_core::units::Offset;
    pub fn tail_folded(_: &crate::fold::FoldReport, _: Offset) {}
    pub fn round_committed(_: &RoundRecord, _: &[Decision]) {}
    pub fn round_aborted(_: Offset, _: &str) {}
    pub fn snapshot_kept(_: Offset, _: usize) {}
}
