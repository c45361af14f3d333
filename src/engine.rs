//! The one loop of a partition: read → cut → vote → decide → commit → snapshot, in this order.
//!
//! Effects are performed here and nowhere else. `decide` leaves the state ahead of the log until
//! the round is committed; whatever goes wrong in between, the state is folded from the log again.

mod batch;
mod reading;
mod warm;

use batch::Batch;
pub use warm::Warm;
use warm::folded_of;

use crate::error::{Error, Result};
use crate::fold::{FoldReport, Folded, with_advice};
use crate::log::skip::Skip;
use crate::log::{CommandRecord, CommitError, EventLog, RoundRecord, StoredCommand};
use crate::snapshot;
use crate::telemetry::events::{
    DeadLettered, DecisionCommitted, RoundAborted, RoundCommitted, SnapshotDamaged, SnapshotKept,
    StepTimed, TailFolded,
};
use crate::telemetry::{Counters, Latencies, Step};
use crate::wire::{SchemaSource, SourcedReader};
use conclave_core::decide::{decide, fail};
use conclave_core::decision::{Decision, Failed};
use conclave_core::input::Input;
use conclave_core::round::{Round, open_round};
use conclave_core::seat::{Absent, Seat};
use conclave_core::units::Offset;
use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Times that one round is cut anew after an aborted commit before the partition stops.
const ABORTS_MAX: u32 = 16;
/// Bytes of decisions and dead letters behind which no further round is committed with them.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Decisions between two snapshots when nobody says otherwise.
pub const SNAPSHOT_EVERY_DEFAULT: i64 = 250_000;

/// A partition at work.
#[derive(Debug)]
pub struct Engine<L, S> {
    log: L,
    seat: S,
    warm: Option<Warm>,
    reader: SourcedReader,
    folded: Folded,
    read_ahead: VecDeque<(StoredCommand, Input)>,
    /// Undecided commands that a person had skipped, by offset.
    skips: VecDeque<Skip>,
    /// Whether the state holds a round of which nobody knows that it is committed.
    is_ahead: bool,
    /// Why the seat could not answer the last ballot.
    absent: Option<String>,
    snapshot_every: i64,
    snapshot_due: bool,
    snapshot_being_made: Option<(Offset, JoinHandle<Vec<u8>>)>,
    aborts_in_a_row: u32,
    latencies: Latencies,
    counters: Counters,
}

impl<L: EventLog, S: Seat> Engine<L, S> {
    /// Takes up a log where it ends.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    ///
    /// # Panics
    /// When `snapshot_every` is not positive.
    pub fn open(log: L, seat: S, snapshot_every: i64) -> Result<(Self, FoldReport)> {
        Self::open_warm(log, seat, snapshot_every, None)
    }

    /// The same, beginning from a fold that somebody else keeps, if there is one; it is asked for
    /// again whenever a round has to be taken back.
    ///
    /// # Errors
    /// As [`Engine::open`].
    ///
    /// # Panics
    /// As [`Engine::open`].
    pub fn open_warm(
        log: L,
        seat: S,
        snapshot_every: i64,
        warm: Option<Warm>,
    ) -> Result<(Self, FoldReport)> {
        assert!(snapshot_every > 0, "a snapshot every {snapshot_every} decisions");
        let started = Instant::now();
        let (folded, report) = folded_of(&log, warm.as_ref())?;
        let skips = log.skips()?.into();
        let mut engine = Self {
            log,
            seat,
            warm,
            reader: SourcedReader::local(),
            folded,
            read_ahead: VecDeque::new(),
            skips,
            is_ahead: false,
            absent: None,
            snapshot_every,
            snapshot_due: false,
            snapshot_being_made: None,
            aborts_in_a_row: 0,
            latencies: Latencies::default(),
            counters: Counters::default(),
        };
        engine.check_head()?;
        engine.note_fold(&report, started.elapsed());
        Ok((engine, report))
    }

    /// Asks `source` for the schemas of writers, instead of the local table.
    pub fn ask_for_schemas(&mut self, source: Box<dyn SchemaSource>) {
        self.reader = SourcedReader::asking(source);
    }

    /// The fold of everything that is committed.
    #[must_use]
    pub fn folded(&self) -> &Folded {
        &self.folded
    }

    /// How long each step took.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Why the next command cannot be answered yet: nobody can tell its schema just now, or the
    /// council that has to vote is not here. The engine is sound, and the next turn asks again.
    #[must_use]
    pub fn waiting(&self) -> Option<&str> {
        self.absent.as_deref().or_else(|| self.reader.waiting())
    }

    /// What happened how often.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The log, for reading.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.log
    }

    /// Accepts commands in one piece: from here on each of them gets a decision, whatever happens.
    ///
    /// # Errors
    /// When the log cannot take them: nothing was accepted.
    pub fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        let started = Instant::now();
        let first = self.log.accept(commands)?;
        self.latencies.record(Step::Accept, started.elapsed());
        Ok(first)
    }

    /// Decides the next round of accepted commands and commits it, with further rounds of commands
    /// that are already here if the log takes them in one piece. Nothing when all are decided.
    ///
    /// # Errors
    /// When the log cannot be read or written, or a round was aborted too often. Once a round could
    /// not be committed, every turn fails: its state is ahead of the log, which has to be opened
    /// again. `Unavailable` as well while [`Engine::waiting`] says why.
    pub fn turn(&mut self) -> Result<Vec<Decision>> {
        if self.is_ahead {
            return Err(Error::unavailable(
                "an earlier round was not committed: open the log again, nothing is lost",
            ));
        }
        self.finish_snapshot(false)?;
        let Some((stored, round)) = self.cut()? else { return Ok(vec![]) };
        let (mut batch, first) = (Batch::behind(self.folded.head), round.first());
        self.decide(stored, round, &mut batch)?;
        while self.has_room(&batch) && !self.read_ahead.is_empty() {
            // What stands in the way shows again in the next turn, when these rounds are safe.
            let Ok(Some((stored, next))) = self.cut() else { break };
            if self.decide(stored, next, &mut batch).is_err() {
                break;
            }
        }
        self.commit(batch, first)
    }

    /// Whether another round may go with those of `batch`. After an abort each goes alone: less is
    /// lost with the next one, and what is too much for one commit gets smaller.
    fn has_room(&self, batch: &Batch) -> bool {
        self.aborts_in_a_row == 0
            && batch.len() < self.log.commands_per_commit()
            && batch.bytes() < BATCH_BYTES_MAX
    }

    /// Decides a round into `batch`. When the seat cannot answer its ballot, nothing has happened
    /// and the round stands where it stood.
    fn decide(
        &mut self,
        stored: Vec<StoredCommand>,
        round: Round,
        batch: &mut Batch,
    ) -> Result<()> {
        let version = self.folded.state.decide_version;
        let decisions = match self.answer(&round) {
            Ok(decisions) => decisions,
            Err(absent) => {
                let at = round.first();
                let why = format!("the round at offset {at} waits: {absent}");
                let commands = stored.into_iter().zip(round.inputs);
                commands.rev().for_each(|command| self.read_ahead.push_front(command));
                self.absent = Some(why.clone());
                return Err(Error::unavailable(why));
            }
        };
        (self.is_ahead, self.absent) = (true, None);
        let started = Instant::now();
        batch.add(self.log.partition(), &stored, decisions, &mut self.counters);
        self.latencies.record(Step::Encode, started.elapsed());
        if self.folded.state.decide_version != version {
            self.read_again();
        }
        Ok(())
    }

    /// Commits rounds of which `first` is the first; nothing when they have to be cut anew.
    fn commit(&mut self, batch: Batch, first: Offset) -> Result<Vec<Decision>> {
        let Batch { record, decisions, head, .. } = batch;
        let started = Instant::now();
        match self.log.commit(&record) {
            Ok(()) => {}
            Err(CommitError::Failed(error)) => return Err(error),
            Err(CommitError::Aborted(why)) => {
                return self.start_over(first, &why).map(|()| vec![]);
            }
            Err(CommitError::Unknown(why)) => {
                // It may stand in the log: only the log knows.
                if self.log.ends()?.head != head {
                    return self.start_over(first, &why).map(|()| vec![]);
                }
            }
        }
        self.is_ahead = false;
        self.aborts_in_a_row = 0;
        self.folded.head = head;
        let next = self.folded.next();
        while self.skips.pop_front_if(|skip| skip.offset < next).is_some() {}
        self.note_commit(&record, &decisions, started.elapsed());
        self.note_snapshot(decisions.first());
        self.start_snapshot();
        Ok(decisions)
    }

    /// Decides everything that is accepted, telling `seen` of each round once it is committed.
    ///
    /// # Errors
    /// As [`Engine::turn`].
    pub fn run_to_end(&mut self, mut seen: impl FnMut(&[Decision])) -> Result<()> {
        loop {
            let decisions = self.turn()?;
            if decisions.is_empty() && self.is_at_end()? {
                return Ok(());
            }
            seen(&decisions);
        }
    }

    /// Whether every command has its decision. What lies before the log's end may be a hole.
    fn is_at_end(&self) -> Result<bool> {
        let next = self.folded.next();
        Ok(self.log.ends()?.commands_next <= next || self.log.commands(next, 0)?.is_empty())
    }

    /// Finishes what runs in the background and makes everything durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(mut self) -> Result<L> {
        self.finish_snapshot(true)?;
        self.log.sync()?;
        for row in &self.latencies.summary() {
            StepTimed { partition: self.log.partition(), row }.emit();
        }
        Ok(self.log)
    }

    fn answer(&mut self, round: &Round) -> std::result::Result<Vec<Decision>, Absent> {
        if let Some(skip) = self.skips.iter().find(|skip| skip.offset == round.first()) {
            let Skip { offset: _, operator, reason } = skip.clone();
            let state = &mut self.folded.state;
            return Ok(vec![fail(state, &round.inputs[0], Failed { operator, reason })]);
        }
        let opened = Instant::now();
        let votes = self.seat.vote(&open_round(&self.folded.state, &round.inputs))?;
        let voted = Instant::now();
        let decisions = decide(&mut self.folded.state, round, &votes);
        self.latencies.record(Step::Vote, voted - opened);
        self.latencies.record(Step::Decide, voted.elapsed());
        Ok(decisions)
    }

    /// Drops rounds from `first` on that were not committed: the state is folded again and the
    /// commands are cut anew.
    fn start_over(&mut self, first: Offset, why: &str) -> Result<()> {
        self.aborts_in_a_row += 1;
        let aborted = RoundAborted { partition: self.log.partition(), round: first, reason: why };
        aborted.emit(&mut self.counters);
        if self.aborts_in_a_row > ABORTS_MAX {
            return Err(Error::unavailable(format!(
                "the round at offset {first} was aborted {ABORTS_MAX} times in a row: {why}"
            )));
        }
        self.read_ahead.clear();
        self.absent = None;
        let started = Instant::now();
        let (folded, report) = folded_of(&self.log, self.warm.as_ref())?;
        self.folded = folded;
        self.note_fold(&report, started.elapsed());
        self.check_head()?;
        self.is_ahead = false;
        Ok(())
    }

    fn check_head(&self) -> Result<()> {
        let ends = self.log.ends()?;
        if ends.head == self.folded.head && ends.decisions_next == self.folded.next() {
            return Ok(());
        }
        let (next, head) = (self.folded.next(), self.folded.head);
        Err(with_advice(Error::corrupt(format!(
            "the fold ends at {next} with head {head}, the log at {} with {}",
            ends.decisions_next, ends.head
        ))))
    }

    /// A snapshot is due once a round, which began with `first`, ends beyond one of the offsets
    /// that lie `snapshot_every` apart.
    fn note_snapshot(&mut self, first: Option<&Decision>) {
        let Some(first) = first else { return };
        let every = self.snapshot_every;
        let phase = snapshot_phase(self.log.partition(), every);
        let (before, after) = (first.covered_before.0 + 1 + phase, self.folded.next().0 + phase);
        self.snapshot_due |= after / every > before / every;
    }

    /// Copies the state and encodes it in the background: deciding goes on meanwhile.
    fn start_snapshot(&mut self) {
        if !self.snapshot_due || self.snapshot_being_made.is_some() {
            return;
        }
        self.snapshot_due = false;
        let copy = self.folded.clone();
        let at = copy.next();
        let made = std::thread::spawn(move || snapshot::encode(&copy));
        self.snapshot_being_made = Some((at, made));
    }

    fn finish_snapshot(&mut self, wait: bool) -> Result<()> {
        let is_ready = |(_, made): &(Offset, JoinHandle<_>)| wait || made.is_finished();
        let Some((at, made)) = self.snapshot_being_made.take_if(|making| is_ready(making)) else {
            return Ok(());
        };
        let started = Instant::now();
        let bytes =
            made.join().map_err(|_| Error::bug(format!("encoding snapshot {at} panicked")))?;
        self.log.keep_snapshot(at, &bytes)?;
        let elapsed = started.elapsed();
        self.latencies.record(Step::Snapshot, elapsed);
        let (partition, bytes) = (self.log.partition(), bytes.len());
        SnapshotKept { partition, offset: at, bytes, elapsed }.emit(&mut self.counters);
        Ok(())
    }

    fn note_commit(&mut self, record: &RoundRecord, decisions: &[Decision], elapsed: Duration) {
        self.latencies.record(Step::Commit, elapsed);
        let mut letters = record.dead_letters.iter().peekable();
        for (stored, decision) in record.decisions.iter().zip(decisions) {
            let headers = &stored.headers;
            DecisionCommitted { headers, decision }.emit(&mut self.counters);
            if letters.next_if(|letter| letter.offset == stored.offset).is_some() {
                DeadLettered { headers, decision }.emit(&mut self.counters);
            }
        }
        for round in decisions.chunk_by(|one, next| one.round == next.round) {
            let (partition, decision_count) = (self.log.partition(), round.len());
            let round = round[0].round;
            RoundCommitted { partition, round, decision_count, elapsed }.emit(&mut self.counters);
        }
    }

    fn note_fold(&mut self, report: &FoldReport, elapsed: Duration) {
        self.latencies.record(Step::Fold, elapsed);
        let partition = self.log.partition();
        for (offset, error) in &report.damaged {
            SnapshotDamaged { partition, offset: *offset, error }.emit(&mut self.counters);
        }
        let (offset, decision_count) = (report.snapshot.unwrap_or_default(), report.decisions);
        TailFolded { partition, offset, decision_count, elapsed }.emit(&mut self.counters);
    }
}

/// How far a partition keeps its snapshots before the multiples of `every` offsets. Partitions that
/// share a machine and are sent alike would all encode theirs at the same moment; multiples of the
/// golden ratio lie far apart, however many there are.
fn snapshot_phase(partition: i64, every: i64) -> i64 {
    const GOLDEN_PERMILLE: i64 = 618;
    every / 1_000 * (partition % 1_000 * GOLDEN_PERMILLE % 1_000)
}
