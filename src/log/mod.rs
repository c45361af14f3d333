//! The log of one partition: commands as they were accepted, and one decision for each.
//!
//! A command is accepted by an append of its own; a round's decisions and dead letters are a
//! second, atomic one. A command without a decision is undecided: it is cut into rounds anew after
//! a crash. A decision has its command's offset. Offsets grow and may have holes (on Kafka, where
//! transactions leave markers): what makes a decision the next one is that it names the offset
//! covered before it. The embedded log has none: its offsets are dense, from 0.

pub mod archive;
pub mod block;
pub(crate) mod file;
mod headers;
pub mod heads;
pub mod kafka;
pub mod memory;
pub mod own;
pub mod rocks;
pub mod skip;

pub use headers::Headers;

use crate::error::Result;
use conclave_core::units::{Hash32, Offset, TimeMs};

/// A command to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRecord {
    /// The record's time. Never before its predecessor's under `LogAppend`; as carried otherwise.
    pub time_ms: TimeMs,
    /// The record's key.
    pub key: Vec<u8>,
    /// The record's bytes, framing included.
    pub value: Vec<u8>,
    /// Correlation, causation, trace.
    pub headers: Headers,
}

/// A command of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// Where it stands.
    pub offset: Offset,
    /// What stands there.
    pub record: CommandRecord,
}

/// A decision of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Offset of the command that it answers, and its own.
    pub offset: Offset,
    /// Digest of `body`: whoever reads a log computes it from the bytes that it read.
    pub hash: Hash32,
    /// The Avro datum, without framing: what the chain covers.
    pub body: Vec<u8>,
    /// The envelope.
    pub headers: Headers,
}

/// The original bytes of a command that its sender has to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRecord {
    /// Offset of the command.
    pub offset: Offset,
    /// Its key.
    pub key: Vec<u8>,
    /// Its bytes.
    pub value: Vec<u8>,
    /// Its headers, and why it is here.
    pub headers: Headers,
}

/// What one round adds to the log, in one piece or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundRecord {
    /// One decision per command of the round, in order.
    pub decisions: Vec<DecisionRecord>,
    /// For those whose rejection says so.
    pub dead_letters: Vec<DeadLetterRecord>,
}

/// Where a log ends; by default, at its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEnds {
    /// Where the next command comes to stand, or before it.
    pub commands_next: Offset,
    /// The offset after the last decision's: the first command without a decision stands there or,
    /// behind a hole, later. ≤ `commands_next`.
    pub decisions_next: Offset,
    /// Digest of the last decision's body; zeros when there is none.
    pub head: Hash32,
}

/// How a commit ended when it did not simply succeed.
#[derive(Debug)]
pub enum CommitError {
    /// Nothing of the round was stored: fold again and cut the same commands anew.
    Aborted(String),
    /// It may have been stored: open the log again and look.
    Unknown(String),
    /// It failed for good.
    Failed(crate::error::Error),
}

/// Reading a log; every implementation answers alike.
pub trait LogReader {
    /// Number of the partition whose log this is; the embedded log has one, number 0.
    fn partition(&self) -> i64 {
        0
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn ends(&self) -> Result<LogEnds>;

    /// Commands from `from` on, at least one if there is one, stopping once `bytes_max` is passed.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>>;

    /// Decisions from `from` on, at least one if there is one, stopping once `bytes_max` is passed.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>>;

    /// Dead letters from `from` on, at least one if there is one, stopping once `bytes_max` is
    /// passed.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>>;

    /// Offsets of the snapshots, newest first: each is the fold of all decisions *before* it.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn snapshots(&self) -> Result<Vec<Offset>>;

    /// The snapshot at `offset`.
    ///
    /// # Errors
    /// `Corrupt` when a chunk is missing or its digest differs.
    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>>;
}

/// Bytes of commands that one look ahead of the round asks for where they are stored.
const BYTES_PER_READ: usize = 4 * 1024 * 1024;

/// Writing a log: one writer at a time.
pub trait EventLog: LogReader {
    /// Appends commands in one piece and returns the offset of the first.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full: nothing was accepted.
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset>;

    /// Appends the answers to the next commands in one piece: whole rounds, one or several.
    ///
    /// # Errors
    /// See [`CommitError`].
    ///
    /// # Panics
    /// When the round does not continue the decisions, or answers commands that do not exist.
    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError>;

    /// Commands that a commit is worth waiting for: rounds of what is already here are committed
    /// together until so many are answered. One where a commit costs little.
    fn commands_per_commit(&self) -> usize {
        1
    }

    /// Bytes of commands that one look ahead of the round asks for. Few where what is read is in
    /// memory already: a second copy of much of it only drives other things out of the caches.
    fn bytes_per_read(&self) -> usize {
        BYTES_PER_READ
    }

    /// Keeps a snapshot of the fold of all decisions before `offset`, and the one before it.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full.
    ///
    /// # Panics
    /// When `offset` is beyond the decisions that are committed: stored state never leads.
    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()>;

    /// Commands that a person wants to be answered `Failed` instead of being decided, by offset;
    /// those that have a decision mean nothing any more.
    ///
    /// # Errors
    /// When that cannot be read.
    fn skips(&self) -> Result<Vec<skip::Skip>> {
        Ok(vec![])
    }

    /// Makes sure that everything so far outlives what the chosen durability promises, and that a
    /// later opening finds it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync(&mut self) -> Result<()>;
}

/// Snapshots that a log keeps: the newest, and the one to fall back on when that is damaged.
pub const SNAPSHOTS_KEPT: usize = 2;

/// What every implementation asserts before it stores a round.
///
/// # Panics
/// When `round` does not continue the decisions of a log that ends at `ends`, answers commands that
/// do not exist, or carries dead letters of other commands. Whether it passes over a command only
/// the log itself can tell: see [`check_dense`].
fn check_round(ends: &LogEnds, round: &RoundRecord) {
    let mut next = ends.decisions_next;
    for decision in &round.decisions {
        assert!(decision.offset >= next, "a round's decisions come after those before, in order");
        next = block::plus(decision.offset, 1);
    }
    assert!(next <= ends.commands_next, "a round answers only commands that exist");
    if let Some(last) = round.decisions.last() {
        let digest = Hash32(*blake3::hash(&last.body).as_bytes());
        assert_eq!(last.hash, digest, "a decision's hash is the digest of its body");
    }
    let mut letter_next = ends.decisions_next;
    for letter in &round.dead_letters {
        let is_ours = letter_next <= letter.offset && letter.offset < next;
        assert!(is_ours, "a round's dead letters are its own commands, in order");
        letter_next = block::plus(letter.offset, 1);
    }
}

/// What a log with dense offsets asserts besides.
///
/// # Panics
/// When `round` leaves out an offset.
fn check_dense(ends: &LogEnds, round: &RoundRecord) {
    for (index, decision) in round.decisions.iter().enumerate() {
        let next = block::plus(ends.decisions_next, index);
        assert_eq!(decision.offset, next, "a round continues the decisions without a gap");
    }
}
