//! What happens in the service: each struct writes its log line and counts itself, together, so
//! that a line without its counter, or a counter nobody can explain, cannot be written.
//!
//! A line about a command bears all of its ids. No line quotes what a sender wrote: payloads,
//! foreign headers and a rejection's detail stay in the log, where `replay` shows them to whoever
//! may read it.

mod engines;

pub use engines::{AfterFault, GpuAbsent, GpuFailed, GpuOpened, GpuRefused};

use super::counters::{Counters, outcome_text};
use super::latency::LatencyRow;
use super::{Correlation, Step, members, names};
use crate::log::Headers;
use conclave_core::decision::{Decision, Outcome};
use conclave_core::units::Offset;
use std::fmt::Display;
use std::time::Duration;

/// A command was answered and its decision is stored.
#[derive(Clone, Copy, Debug)]
pub struct DecisionCommitted<'a> {
    /// The decision's envelope.
    pub headers: &'a Headers,
    /// The decision.
    pub decision: &'a Decision,
}

/// A command's bytes went to the dead letters; its decision is stored.
#[derive(Clone, Copy, Debug)]
pub struct DeadLettered<'a> {
    /// The decision's envelope.
    pub headers: &'a Headers,
    /// The decision, a rejection.
    pub decision: &'a Decision,
}

/// A round is stored.
#[derive(Clone, Copy, Debug)]
pub struct RoundCommitted {
    /// The partition.
    pub partition: i64,
    /// Its first command.
    pub round: Offset,
    /// How many it has.
    pub decision_count: usize,
    /// How long storing it took.
    pub elapsed: Duration,
}

/// A round was not stored; its commands are cut anew.
#[derive(Clone, Copy, Debug)]
pub struct RoundAborted<'a> {
    /// The partition.
    pub partition: i64,
    /// Its first command.
    pub round: Offset,
    /// Why.
    pub reason: &'a str,
}

/// A snapshot is stored.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotKept {
    /// The partition.
    pub partition: i64,
    /// It is the fold of all decisions before this one.
    pub offset: Offset,
    /// Its size.
    pub bytes: usize,
    /// How long it took to write.
    pub elapsed: Duration,
}

/// A snapshot is damaged; an older one is used, or none.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotDamaged<'a, E> {
    /// The partition.
    pub partition: i64,
    /// It should be the fold of all decisions before this one.
    pub offset: Offset,
    /// What is wrong with it.
    pub error: &'a E,
}

/// A start folded the decisions after its snapshot.
#[derive(Clone, Copy, Debug)]
pub struct TailFolded {
    /// The partition.
    pub partition: i64,
    /// The first decision after the snapshot.
    pub offset: Offset,
    /// How many were folded.
    pub decision_count: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A command had headers that make no sense; they were ignored.
#[derive(Clone, Copy, Debug)]
pub struct HeadersMalformed {
    /// The partition.
    pub partition: i64,
    /// The command.
    pub offset: Offset,
    /// How many.
    pub header_count: u64,
}

/// A process is done: how long one of its steps took each time.
#[derive(Clone, Copy, Debug)]
pub struct StepTimed<'a> {
    /// The partition.
    pub partition: i64,
    /// What the step's histogram says.
    pub row: &'a LatencyRow,
}

/// Writes a line about a decision, with every id of it. Reads the envelope only when somebody wants
/// the line.
macro_rules! decision_line {
    ($level:ident, $about:expr, $msg:literal) => {
        if tracing::enabled!(tracing::Level::$level) {
            let (decision, (correlation, _)) =
                ($about.decision, Correlation::parse($about.headers));
            let trace = correlation.traceparent;
            tracing::event!(
                tracing::Level::$level,
                { names::STEP } = Step::Commit.as_str(),
                { names::PARTITION } = decision.partition,
                { names::OFFSET } = decision.offset.0,
                { names::KIND } = decision.kind.as_str(),
                { names::POOL } = decision.pool.0.as_str(),
                { names::TENANT } = decision.tenant.0.as_str(),
                { names::REQUEST } = decision.request.0.as_str(),
                { names::COMMAND_ID } = decision.command_id.0.as_str(),
                { names::CORRELATION_ID } = correlation.correlation_id,
                { names::CAUSATION_ID } = correlation.causation_id,
                { names::TRACE_ID } =
                    trace.as_ref().map(|at| tracing::field::display(at.trace_hex())),
                { names::SPAN_ID } =
                    trace.as_ref().map(|at| tracing::field::display(at.span_hex())),
                { names::OUTCOME } = outcome_text(&decision.outcome),
                { names::CODE } = code_text(decision),
                { names::EVENT_COUNT } = decision.events.len(),
                $msg
            );
        }
    };
}

fn code_text(decision: &Decision) -> Option<&'static str> {
    match &decision.outcome {
        Outcome::Rejected(rejected) => Some(rejected.code.as_str()),
        Outcome::Accepted | Outcome::Duplicate(_) | Outcome::Failed(_) => None,
    }
}

impl DecisionCommitted<'_> {
    /// Logs it at debug, because there may be a hundred thousand a second, and counts it. Members
    /// of the council that it sets aside or takes back have lines of their own.
    pub fn emit(self, counters: &mut Counters) {
        counters.add_outcome(&self.decision.outcome);
        members::note(self.decision, counters);
        decision_line!(DEBUG, self, "decision committed");
    }
}

impl DeadLettered<'_> {
    /// Logs it as a warning and counts it.
    ///
    /// # Panics
    /// When the decision is no rejection: only those have dead letters.
    pub fn emit(self, counters: &mut Counters) {
        let Outcome::Rejected(rejected) = &self.decision.outcome else {
            panic!("the decision at {} has a dead letter and no rejection", self.decision.offset)
        };
        counters.dead_letters.add(rejected.code);
        decision_line!(WARN, self, "command dead-lettered");
    }
}

impl RoundCommitted {
    /// Logs it at debug and counts it.
    pub fn emit(self, counters: &mut Counters) {
        counters.rounds += 1;
        tracing::debug!(
            { names::STEP } = Step::Commit.as_str(),
            { names::PARTITION } = self.partition,
            { names::ROUND_OFFSET } = self.round.0,
            { names::DECISION_COUNT } = self.decision_count,
            { names::ELAPSED_US } = micros(self.elapsed),
            "round committed"
        );
    }
}

impl RoundAborted<'_> {
    /// Logs it as a warning and counts it.
    pub fn emit(self, counters: &mut Counters) {
        counters.rounds_aborted += 1;
        tracing::warn!(
            { names::STEP } = Step::Commit.as_str(),
            { names::PARTITION } = self.partition,
            { names::ROUND_OFFSET } = self.round.0,
            { names::REASON } = self.reason,
            "round aborted: its commands are cut anew"
        );
    }
}

impl SnapshotKept {
    /// Logs it and counts it.
    pub fn emit(self, counters: &mut Counters) {
        counters.snapshots += 1;
        tracing::info!(
            { names::STEP } = Step::Snapshot.as_str(),
            { names::PARTITION } = self.partition,
            { names::OFFSET } = self.offset.0,
            { names::SNAPSHOT_BYTES } = self.bytes,
            { names::ELAPSED_US } = micros(self.elapsed),
            "snapshot kept"
        );
    }
}

impl<E: Display> SnapshotDamaged<'_, E> {
    /// Logs it as an error and counts it.
    pub fn emit(self, counters: &mut Counters) {
        counters.snapshots_damaged += 1;
        tracing::error!(
            { names::STEP } = Step::Fold.as_str(),
            { names::PARTITION } = self.partition,
            { names::OFFSET } = self.offset.0,
            { names::ERROR } = %self.error,
            "snapshot damaged: an older one is used, or the whole log is folded"
        );
    }
}

impl TailFolded {
    /// Logs it and counts its decisions.
    pub fn emit(self, counters: &mut Counters) {
        counters.decisions_folded += self.decision_count;
        tracing::info!(
            { names::STEP } = Step::Fold.as_str(),
            { names::PARTITION } = self.partition,
            { names::OFFSET } = self.offset.0,
            { names::DECISION_COUNT } = self.decision_count,
            { names::ELAPSED_US } = micros(self.elapsed),
            "tail of the log folded"
        );
    }
}

impl StepTimed<'_> {
    /// Logs it; the histogram counted it.
    pub fn emit(self) {
        let LatencyRow { step, count, p50_us, p90_us: _, p99_us, max_us } = self.row;
        tracing::info!(
            { names::STEP } = step,
            { names::PARTITION } = self.partition,
            { names::TAKEN_COUNT } = count,
            { names::P50_US } = p50_us,
            { names::P99_US } = p99_us,
            { names::MAX_US } = max_us,
            "step timed"
        );
    }
}

impl HeadersMalformed {
    /// Logs it at debug, because one broken sender breaks all of its records, and counts it.
    pub fn emit(self, counters: &mut Counters) {
        counters.headers_malformed += self.header_count;
        tracing::debug!(
            { names::STEP } = Step::Ingest.as_str(),
            { names::PARTITION } = self.partition,
            { names::OFFSET } = self.offset.0,
            { names::HEADER_COUNT } = self.header_count,
            "headers ignored: they make no sense"
        );
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
