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
#[derive(Debug)]
pub struct Latencies;
impl Latencies {
    pub fn new() -> Self {
        Self
    }
    pub fn record(&mut self, _: Step, _: std::time::Duration) {}
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
