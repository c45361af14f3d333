//! Aborts, unknown ends, full disks and crashes at moments that a seed chooses: whatever happens, a
//! demo arrives at the head of the run in which nothing happened.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod system_common;

use conclave::demo::{Scale, Source, Summary, Workload, feed_to_the_end};
use conclave::engine::Engine;
use conclave::error::{Error, ErrorKind, Result};
use conclave::log::memory::{CrashLoss, Faults, MemoryLog};
use conclave::log::{
    CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog, LogEnds, LogReader,
    RoundRecord, StoredCommand,
};
use conclave_core::command::PlacementPolicy;
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use std::cell::Cell;
use std::rc::Rc;
use system_common::{Disk, NO_SNAPSHOT};

const SEEDS: u64 = 24;
const REQUESTS: usize = 150;
/// Times that one run may be opened again.
const LIVES_MAX: usize = 2_000;

const OFTEN: Faults = Faults {
    full_per_mille: 40,
    aborted_per_mille: 100,
    unknown_per_mille: 80,
    crash_per_mille: 80,
    loss: CrashLoss::Nothing,
};

fn workload(seed: u64) -> Workload {
    let placement = match seed % 3 {
        0 => PlacementPolicy::Random,
        1 => PlacementPolicy::BestFit,
        _ => PlacementPolicy::Fgd,
    };
    let scale = Scale { nodes_permille: 5, time_permille: None, placement };
    scale.apply(&Source::synthetic(seed, REQUESTS))
}

/// A disk, and how much of it was acknowledged.
#[derive(Clone, Debug)]
struct Witness {
    disk: Disk,
    acknowledged: Rc<Cell<LogEnds>>,
    /// Whether the next commit fails for good.
    is_failing: Rc<Cell<bool>>,
    /// Commands up to which rounds are committed together.
    per_commit: usize,
}

impl Witness {
    fn of(disk: Disk, per_commit: usize) -> Self {
        Self { disk, acknowledged: Rc::default(), is_failing: Rc::default(), per_commit }
    }

    /// Everything acknowledged is there, in its place.
    fn check(&self, what_stood: &[DecisionRecord]) {
        let (acknowledged, ends) = (self.acknowledged.get(), self.disk.ends().unwrap());
        assert!(ends.commands_next >= acknowledged.commands_next, "an accepted command is gone");
        assert!(ends.decisions_next >= acknowledged.decisions_next, "a decision is gone");
        let decisions = self.disk.all_decisions();
        assert_eq!(&decisions[..what_stood.len()], what_stood, "a decision was changed");
    }
}

impl LogReader for Witness {
    fn ends(&self) -> Result<LogEnds> {
        self.disk.ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.disk.commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.disk.decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.disk.dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.disk.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.disk.snapshot(offset)
    }
}

impl EventLog for Witness {
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        let first = self.disk.accept(commands)?;
        let commands_next = Offset(first.0 + i64::try_from(commands.len()).unwrap());
        self.acknowledged.set(LogEnds { commands_next, ..self.acknowledged.get() });
        Ok(first)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        if self.is_failing.take() {
            return Err(CommitError::Failed(Error::unavailable("the disk is full")));
        }
        self.disk.commit(round)?;
        let decisions_next = self.disk.ends().unwrap().decisions_next;
        self.acknowledged.set(LogEnds { decisions_next, ..self.acknowledged.get() });
        Ok(())
    }

    fn commands_per_commit(&self) -> usize {
        self.per_commit
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        self.disk.keep_snapshot(offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.sync()
    }
}

/// Feeds `workload` to its end, opening the log again whenever it is down, and returns the summary
/// and in how many lives that took.
fn live(workload: &Workload, seed: u64, faults: Faults, snapshot_every: i64) -> (Summary, usize) {
    let disk = Disk::new(MemoryLog::with_faults(seed, faults));
    // Each round for itself, or many together as on Kafka.
    let per_commit = if seed.is_multiple_of(2) { 1 } else { 1_000 };
    let witness = Witness::of(disk.clone(), per_commit);
    let mut stood: Vec<DecisionRecord> = vec![];
    for life in 1..=LIVES_MAX {
        let done = Engine::open(witness.clone(), RuleSeat, snapshot_every)
            .and_then(|(engine, _)| feed_to_the_end(workload, engine, |_, _| {}));
        let Err(error) = done else {
            let report = disk.verify();
            assert!(report.is_clean(), "seed {seed}: {report:?}");
            let (summary, _) = done.unwrap();
            assert_eq!(report.chain_head, summary.chain_head);
            return (summary, life);
        };
        assert_eq!(error.kind, ErrorKind::Unavailable, "seed {seed}: {error}");
        disk.log_mut().reopen();
        if faults.loss == CrashLoss::Nothing {
            witness.check(&stood);
            stood = disk.all_decisions();
        }
    }
    panic!("seed {seed}: no end after {LIVES_MAX} lives");
}

/// What a run did, whatever happened to it and however long it took.
fn outcome(summary: Summary) -> Summary {
    Summary { elapsed_ms: 0, resumed_at: 0, ..summary }
}

fn check(faults: Faults, snapshot_every: i64) {
    let mut lives_in_all = 0;
    for seed in 0..SEEDS {
        let workload = workload(seed);
        let (calm, one) = live(&workload, seed, Faults::default(), NO_SNAPSHOT);
        assert_eq!(one, 1);
        let (stormy, lives) = live(&workload, seed, faults, snapshot_every);
        assert_eq!(outcome(stormy), outcome(calm), "seed {seed} after {lives} lives");
        lives_in_all += lives;
    }
    assert!(lives_in_all > 6 * usize::try_from(SEEDS).unwrap(), "only {lives_in_all} lives");
}

#[test]
fn a_run_with_faults_ends_with_the_head_of_the_run_without() {
    check(OFTEN, NO_SNAPSHOT);
}

/// Snapshots are made beside the decisions: when they fall is not in the seed, what follows is.
#[test]
fn the_same_with_snapshots() {
    check(OFTEN, 20);
}

/// What was not synced is decided again, to the same bytes.
#[test]
fn the_same_when_a_power_cut_takes_the_newest_writes() {
    check(Faults { loss: CrashLoss::Unsynced, crash_per_mille: 20, ..OFTEN }, 20);
}

#[test]
fn an_engine_whose_round_was_not_committed_never_says_that_all_is_decided() {
    let disk = Disk::new(MemoryLog::new());
    let witness = Witness::of(disk.clone(), 1);
    witness.is_failing.set(true);
    let (mut engine, _) = Engine::open(witness, RuleSeat, NO_SNAPSHOT).unwrap();
    engine.accept(&[system_common::bytes(0, b"", vec![1, 2, 3])]).unwrap();
    for _ in 0..3 {
        let error = engine.run_to_end(|_| panic!("nothing is decided")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
    assert_eq!(disk.ends().unwrap().decisions_next, Offset(0));
    let (mut opened_again, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    opened_again.run_to_end(|_| {}).unwrap();
    assert_eq!(disk.ends().unwrap().decisions_next, Offset(1));
}

#[test]
fn a_round_that_is_always_aborted_stops_the_partition_with_a_reason() {
    let faults = Faults { aborted_per_mille: 1_000, ..Faults::default() };
    let disk = Disk::new(MemoryLog::with_faults(1, faults));
    let (engine, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    let error = feed_to_the_end(&workload(1), engine, |_, _| {}).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("offset 0"), "{error}");
    assert_eq!(disk.ends().unwrap().decisions_next, Offset(0));
}
