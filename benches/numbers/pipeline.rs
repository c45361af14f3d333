//! Commands through the whole pipeline on the embedded log: accept, then a turn, round by round.

use crate::figures::{Figures, Goal};
use crate::machine::Spent;
use conclave::engine::Engine;
use conclave::fold::{FOLD_BYTES_MAX, Folded};
use conclave::log::rocks::{Durability, OpenOptions, RocksLog};
use conclave::log::{CommandRecord, LogReader};
use conclave::telemetry::Step;
use conclave::verify::verify;
use conclave_core::decision::Decision;
use conclave_core::seat::{RuleSeat, Seat};
use hdrhistogram::Histogram;
use std::path::Path;
use std::time::{Duration, Instant};

/// The steps of a turn, and the append that comes before it.
const STEPS: [(Step, &str); 6] = [
    (Step::Accept, "accept"),
    (Step::Ingest, "ingest"),
    (Step::Vote, "vote"),
    (Step::Decide, "decide"),
    (Step::Encode, "encode"),
    (Step::Commit, "commit"),
];

/// The longest time that is told apart: ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// A partition at work, and what it took so far.
pub(crate) struct Pipeline<S: Seat = RuleSeat> {
    engine: Engine<RocksLog, S>,
    round_commands: usize,
    pub(crate) spent: Spent,
    pub(crate) decided: usize,
    steps: [Duration; STEPS.len()],
    longest: Duration,
}

impl Pipeline {
    /// Under the rules.
    pub(crate) fn open(
        dir: &Path,
        durability: Durability,
        round_commands: usize,
        snapshot_every: i64,
    ) -> Self {
        Self::under(RuleSeat, dir, durability, round_commands, snapshot_every)
    }
}

impl<S: Seat> Pipeline<S> {
    pub(crate) fn under(
        seat: S,
        dir: &Path,
        durability: Durability,
        round_commands: usize,
        snapshot_every: i64,
    ) -> Self {
        let options = OpenOptions { durability, ..OpenOptions::default() };
        let log = RocksLog::open(dir, &options).expect("an empty directory can be opened");
        let (engine, _) = Engine::open(log, seat, snapshot_every).expect("it holds no log yet");
        let steps = [Duration::ZERO; STEPS.len()];
        let (spent, longest) = (Spent::default(), Duration::ZERO);
        Self { engine, round_commands, spent, decided: 0, steps, longest }
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.engine.folded().next().0
    }

    /// Decides commands that are not measured.
    pub(crate) fn prepare(&mut self, records: &[CommandRecord], mut seen: impl FnMut(&[Decision])) {
        for records in records.chunks(1_000) {
            self.engine.accept(records).expect("there is room on the disk");
            self.engine.run_to_end(&mut seen).expect("the log can be written");
        }
    }

    /// Decides commands batch by batch, each batch a round; `seen` is not measured.
    pub(crate) fn measure(
        &mut self,
        records: &[CommandRecord],
        mut seen: impl FnMut(usize, &[Decision]),
    ) {
        let before = self.step_totals();
        let mut answers = Vec::with_capacity(records.len() / self.round_commands + 1);
        let Self { engine, spent, longest, round_commands, .. } = self;
        spent.on(|| {
            for records in records.chunks(*round_commands) {
                let started = Instant::now();
                engine.accept(records).expect("there is room on the disk");
                let decisions = engine.turn().expect("the log can be written");
                *longest = started.elapsed().max(*longest);
                assert_eq!(decisions.len(), records.len(), "a batch is a round");
                answers.push(decisions);
            }
        });
        self.decided += records.len();
        let after = self.step_totals();
        for (step, (before, after)) in self.steps.iter_mut().zip(before.iter().zip(after)) {
            *step += after - *before;
        }
        let mut from = 0;
        for decisions in answers {
            seen(from, &decisions);
            from += decisions.len();
        }
    }

    fn step_totals(&self) -> [Duration; STEPS.len()] {
        STEPS.map(|(step, _)| self.engine.latencies().total(step))
    }

    /// Decisions per second, and the share of each step.
    pub(crate) fn report(&self, name: &str, goal: Option<Goal>, figures: &mut Figures) {
        let rate = self.spent.wall_per_second(self.decided);
        let row = format!("{name}: decisions");
        match goal {
            Some(goal) => figures.add_with_goal(&row, rate, "1/s", goal),
            None => figures.add(&row, rate, "1/s"),
        }
        let rate = self.spent.core_per_second(self.decided);
        figures.add(&format!("{name}: decisions per second of its core"), rate, "1/s");
        for ((_, step), total) in STEPS.iter().zip(&self.steps) {
            let share = total.as_secs_f64() / self.spent.wall.as_secs_f64() * 100.0;
            let each = total.as_secs_f64() * 1e6 / self.decided as f64;
            figures.add(&format!("{name}: {step}, share of the time"), share, "%");
            figures.add(&format!("{name}: {step}, each"), each, "µs");
        }
        let longest = self.longest.as_secs_f64() * 1e3;
        figures.add(&format!("{name}: longest turn, snapshots included"), longest, "ms");
    }

    /// The tail of one command alone: accepted, decided, committed.
    pub(crate) fn measure_alone(&mut self, records: &[CommandRecord]) -> Histogram<u64> {
        // A histogram without bounds would cut off what it saturates at, at 2 ms.
        let bounded = Histogram::new_with_bounds(1, MICROS_MAX, 3);
        let mut histogram = bounded.expect("three digits are few");
        for record in records {
            let started = Instant::now();
            self.engine.accept(std::slice::from_ref(record)).expect("there is room on the disk");
            let decisions = self.engine.turn().expect("the log can be written");
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            histogram.saturating_record(micros);
            assert_eq!(decisions.len(), 1, "one command, one decision");
        }
        histogram
    }

    pub(crate) fn close(self) -> RocksLog {
        self.engine.close().expect("the log can be closed")
    }
}

/// Verifies a log from its first decision to its last.
pub(crate) fn measure_verify(log: &RocksLog, seat: &mut dyn Seat) -> (Spent, usize) {
    let mut spent = Spent::default();
    let report = spent.on(|| verify(log, 0, seat)).expect("the log can be read");
    assert!(report.is_clean(), "what was just decided verifies: {report:?}");
    (spent, usize::try_from(report.decisions).expect("a count in memory"))
}

/// Folds a log from its first decision to its last, without a snapshot.
pub(crate) fn measure_fold(log: &RocksLog) -> (Spent, usize) {
    let mut spent = Spent::default();
    let end = log.ends().expect("an open log").decisions_next;
    let mut folded = Folded::nothing(0);
    spent.on(|| {
        while folded.next() < end {
            let records = log.decisions(folded.next(), FOLD_BYTES_MAX).expect("the log is sound");
            folded.add(&records).expect("the chain is sound");
        }
    });
    (spent, usize::try_from(end.0).expect("a count in memory"))
}
