//! The log in memory, for simulations and tests: it behaves like the stored ones, and fails on
//! purpose, always in the same places for the same seed.

use crate::error::{Error, Result};
use crate::log::block::{self, Record, numbered, plus};
use crate::log::{
    CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog, LogEnds, LogReader,
    RoundRecord, StoredCommand, check_round,
};
use conclave_core::units::{Hash32, Offset};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a write goes wrong, each per thousand writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// An accept finds the disk full: nothing is stored, and the log has to be opened again.
    pub full_per_mille: u64,
    /// A commit is aborted: nothing is stored, and the next one may succeed.
    pub aborted_per_mille: u64,
    /// A commit ends unknown: stored in half of the cases; the log has to be opened again.
    pub unknown_per_mille: u64,
    /// The process dies during a write, which is stored in half of the cases.
    pub crash_per_mille: u64,
    /// What a crash takes with it.
    pub loss: CrashLoss,
}

/// What a crash takes with it, besides the write that it interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrashLoss {
    /// Nothing: durability `os` under kill -9, `fsync` under a power cut.
    #[default]
    Nothing,
    /// The newest writes since the last sync, however many: `os` under a power cut.
    Unsynced,
}

/// A log in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    partition: i64,
    /// Offsets left out before every append but the first.
    hole: usize,
    stored: Stored,
    /// What the log was after each write since the last sync, oldest first: a crash under
    /// [`CrashLoss::Unsynced`] goes back to one of them. Starts with the synced state.
    unsynced: Vec<Mark>,
    faults: Faults,
    random: Random,
    /// Why nothing works until the log is opened again.
    down: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
struct Stored {
    commands: Vec<StoredCommand>,
    decisions: Vec<DecisionRecord>,
    dead_letters: Vec<DeadLetterRecord>,
    snapshots: BTreeMap<Offset, Snapshot>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    bytes: Arc<[u8]>,
    is_damaged: bool,
}

#[derive(Clone, Debug, Default)]
struct Mark {
    command_count: usize,
    decision_count: usize,
    dead_letter_count: usize,
    snapshots: BTreeMap<Offset, Snapshot>,
}

impl MemoryLog {
    /// An empty log that never fails.
    #[must_use]
    pub fn new() -> Self {
        Self::with_faults(0, Faults::default())
    }

    /// An empty log that fails as `seed` says.
    #[must_use]
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        Self { faults, random: Random(seed), unsynced: vec![Mark::default()], ..Self::default() }
    }

    /// An empty log of `partition`, like a Kafka partition whose producers use transactions: before
    /// every append but the first, `hole` offsets stay empty.
    #[must_use]
    pub fn with_holes(partition: i64, hole: usize) -> Self {
        Self { partition, hole, ..Self::new() }
    }

    /// Opens the log again after a crash or an unknown end, with what survived.
    pub fn reopen(&mut self) {
        self.down = None;
    }

    /// Whether nothing works until [`MemoryLog::reopen`].
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// The process dies now.
    pub fn crash(&mut self) {
        self.down = Some("the process died; open the log again");
        if self.faults.loss == CrashLoss::Unsynced {
            let kept = self.random.below(self.unsynced.len());
            self.unsynced.truncate(kept + 1);
            let Mark { command_count, decision_count, dead_letter_count, snapshots } =
                self.unsynced[kept].clone();
            self.stored.commands.truncate(command_count);
            self.stored.decisions.truncate(decision_count);
            self.stored.dead_letters.truncate(dead_letter_count);
            self.stored.snapshots = snapshots;
        }
        // Whatever survived lies on the disk now.
        self.mark_synced();
    }

    /// Damages the snapshot at `offset`: from now on it reads as corrupt.
    ///
    /// # Panics
    /// When there is none.
    pub fn damage_snapshot(&mut self, offset: Offset) {
        self.stored.snapshots.get_mut(&offset).expect("the snapshot exists").is_damaged = true;
    }

    fn check_up(&self) -> Result<()> {
        self.down.map_or(Ok(()), |why| Err(Error::unavailable(why)))
    }

    /// Stores `change` unless the process dies over it; then in half of the cases.
    fn write(&mut self, change: impl FnOnce(&mut Stored)) -> Result<()> {
        let dies = self.random.per_mille(self.faults.crash_per_mille);
        if !dies || self.random.per_mille(500) {
            change(&mut self.stored);
            if self.faults.loss == CrashLoss::Unsynced {
                self.unsynced.push(self.mark());
            }
        }
        if dies {
            self.crash();
        }
        self.check_up()
    }

    /// # Panics
    /// When `round` does not answer the first commands without a decision.
    fn check_coverage(&self, round: &RoundRecord) {
        let undecided = &self.stored.commands[self.stored.decisions.len()..];
        for (decision, command) in round.decisions.iter().zip(undecided) {
            let next = command.offset;
            assert_eq!(decision.offset, next, "a round continues the decisions without a gap");
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            command_count: self.stored.commands.len(),
            decision_count: self.stored.decisions.len(),
            dead_letter_count: self.stored.dead_letters.len(),
            snapshots: self.stored.snapshots.clone(),
        }
    }

    fn mark_synced(&mut self) {
        self.unsynced = vec![self.mark()];
    }
}

impl LogReader for MemoryLog {
    fn partition(&self) -> i64 {
        self.partition
    }

    fn ends(&self) -> Result<LogEnds> {
        self.check_up()?;
        let Stored { commands, decisions, .. } = &self.stored;
        Ok(LogEnds {
            commands_next: commands.last().map_or(Offset(0), |last| plus(last.offset, 1)),
            decisions_next: decisions.last().map_or(Offset(0), |last| plus(last.offset, 1)),
            head: decisions.last().map_or_else(Hash32::default, |last| last.hash),
        })
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.check_up()?;
        Ok(limited(&self.stored.commands, from, bytes_max))
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.check_up()?;
        Ok(limited(&self.stored.decisions, from, bytes_max))
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.check_up()?;
        Ok(limited(&self.stored.dead_letters, from, bytes_max))
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.check_up()?;
        Ok(self.stored.snapshots.keys().rev().copied().collect())
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.check_up()?;
        match self.stored.snapshots.get(&offset) {
            Some(snapshot) if !snapshot.is_damaged => Ok(snapshot.bytes.to_vec()),
            Some(_) => Err(Error::corrupt(format!("snapshot {offset} is damaged"))),
            None => Err(Error::corrupt(format!("there is no snapshot {offset}"))),
        }
    }
}

fn limited<R: Record + Clone>(records: &[R], from: Offset, bytes_max: usize) -> Vec<R> {
    let start = records.partition_point(|record| record.offset() < from);
    let mut bytes = 0;
    let mut taken = Vec::new();
    for record in &records[start..] {
        bytes += record.weight();
        taken.push(record.clone());
        if bytes > bytes_max {
            break;
        }
    }
    taken
}

impl EventLog for MemoryLog {
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        let next = self.ends()?.commands_next;
        if commands.is_empty() {
            return Ok(next);
        }
        let first = if next == Offset(0) { next } else { plus(next, self.hole) };
        block::pack(&numbered(first, commands))?;
        if self.random.per_mille(self.faults.full_per_mille) {
            self.down = Some("the disk is full; make room and open the log again");
            return Err(Error::unavailable("the disk is full: nothing was accepted"));
        }
        let stored_commands = commands.iter().enumerate().map(|(index, record)| StoredCommand {
            offset: plus(first, index),
            record: record.clone(),
        });
        self.write(|stored| stored.commands.extend(stored_commands))?;
        Ok(first)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        let ends = self.ends().map_err(CommitError::Failed)?;
        check_round(&ends, round);
        self.check_coverage(round);
        if round.decisions.is_empty() {
            return Ok(());
        }
        block::pack(&round.decisions).map_err(CommitError::Failed)?;
        block::pack(&round.dead_letters).map_err(CommitError::Failed)?;
        if self.random.per_mille(self.faults.aborted_per_mille) {
            return Err(CommitError::Aborted("the round was aborted".to_owned()));
        }
        let is_unknown = self.random.per_mille(self.faults.unknown_per_mille);
        let is_stored = !is_unknown || self.random.per_mille(500);
        let written = self.write(|stored| {
            if is_stored {
                stored.decisions.extend_from_slice(&round.decisions);
                stored.dead_letters.extend_from_slice(&round.dead_letters);
            }
        });
        if is_unknown {
            self.down.get_or_insert("a commit ended unknown; open the log again");
        }
        written.and_then(|()| self.check_up()).map_err(|error| CommitError::Unknown(error.message))
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        let ends = self.ends()?;
        assert!(offset <= ends.decisions_next, "stored state never leads the committed log");
        let snapshot = Snapshot { bytes: bytes.into(), is_damaged: false };
        self.write(|stored| {
            stored.snapshots.insert(offset, snapshot);
            while stored.snapshots.len() > crate::log::SNAPSHOTS_KEPT {
                stored.snapshots.pop_first();
            }
        })
    }

    fn sync(&mut self) -> Result<()> {
        self.check_up()?;
        self.mark_synced();
        Ok(())
    }
}

/// `SplitMix64` (public domain): a few good bits from a counter are all that faults need.
#[derive(Clone, Debug, Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn per_mille(&mut self, rate: u64) -> bool {
        self.next() % 1000 < rate
    }

    /// An index of a list of `count` items.
    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a list is shorter than 2^64");
        usize::try_from(self.next() % count).expect("less than a list's length")
    }
}
