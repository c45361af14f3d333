//! One walk along the decisions: chain, coverage, and every round computed again (`rounds`).

mod rounds;

use super::reading::Reading;
use super::recorded::{Recorded, linked};
use super::recount::Recount;
use super::report::Report;
use super::snapshots::Snapshots;
use super::{Scope, after, chain_head, is_corrupt};
use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, caught};
use crate::log::{DecisionRecord, LogReader, StoredCommand};
use crate::validate::line::{Line, Misplaced};
use crate::wire::{DecisionHead, MissingSchema, decode_decision};
use conclave_core::input::Input;
use conclave_core::invariants;
use conclave_core::limits::{ROUND_COMMANDS_MAX, knows_version};
use conclave_core::seat::Seat;
use conclave_core::state::State;
use conclave_core::units::{Hash32, Offset};
use std::collections::VecDeque;

/// Verifying cannot go on; the report says why.
pub(super) struct Stop;

type Step<T = ()> = std::result::Result<T, Stop>;

pub(super) struct Verifier<'a> {
    log: &'a dyn LogReader,
    partition: i64,
    /// Votes when it has to be seen what differs, and whenever nothing is recounted.
    seat: &'a mut dyn Seat,
    /// The second pass; none when the seat votes on everything.
    recount: Option<Recount>,
    reader: Reading,
    commands: VecDeque<StoredCommand>,
    commands_end: Offset,
    /// Decides. Equal to the recorded fold as long as nothing diverged.
    state: State,
    /// The recorded fold, kept beside `state` once something diverged.
    recorded: Option<State>,
    line: Line,
    round: Vec<Recorded>,
    snapshots: Snapshots,
    expected_head: Option<Hash32>,
    end: Offset,
    /// Another version's decision came by: nothing after it can be folded, only counted.
    is_blind: bool,
    /// Whether the state is the fold of everything covered.
    is_folded: bool,
    report: Report,
}

impl<'a> Verifier<'a> {
    pub(super) fn new(
        log: &'a dyn LogReader,
        partition: i64,
        seat: &'a mut dyn Seat,
        recount: Option<Recount>,
        scope: &Scope<'_>,
        end: Offset,
    ) -> Result<Self> {
        let mut verifier = Self {
            log,
            partition,
            seat,
            recount,
            reader: Reading::of(scope.schemas),
            commands: VecDeque::new(),
            commands_end: Offset(0),
            state: State::new(partition),
            recorded: None,
            line: Line::default(),
            round: vec![],
            snapshots: Snapshots::of(log)?,
            expected_head: scope.expected_head,
            end,
            is_blind: false,
            is_folded: true,
            report: Report::default(),
        };
        verifier.compare_snapshots();
        Ok(verifier)
    }

    /// Takes the next record; a full round is checked at once.
    pub(super) fn take(&mut self, record: DecisionRecord) -> Step {
        self.report.decisions += 1;
        let offset = record.offset;
        let Some(head) = self.head_of(&record)? else { return Ok(()) };
        self.check_coverage(offset, &head)?;
        let is_linked = self.check_link(&record, &head);
        self.line.go_on(offset, record.hash);
        if let Some(expected) = self.expected_head
            && chain_head(&[self.line.head]) == expected
        {
            self.report.expected_head_at = Some(offset.0);
        }
        self.round.push(Recorded { offset, body: record.body, is_linked });
        if head.round_count.is_some() {
            self.check_round()?;
            self.compare_snapshots();
            return Ok(());
        }
        let commands_max = usize::try_from(ROUND_COMMANDS_MAX).expect("a small constant");
        if self.round.len() > commands_max {
            return self.stop(format!("the round before {offset} never ends"));
        }
        Ok(())
    }

    /// Where the record says that it stands. None when it can only be counted, which was done.
    fn head_of(&mut self, record: &DecisionRecord) -> Step<Option<DecisionHead>> {
        let offset = record.offset;
        let head = DecisionHead::read(&record.body);
        let is_ours = head.is_some_and(|head| knows_version(head.decide_version));
        let read = match head.filter(|_| is_ours) {
            Some(head) => Ok(head),
            None => decode_decision(&record.body).map(|decision| DecisionHead::of(&decision)),
        };
        match read {
            Ok(_) if self.is_blind => self.report.unchecked += 1,
            Ok(head) => return Ok(Some(head)),
            Err(error) if is_corrupt(&error) => {
                self.diverge(offset, &error.to_string());
                return self.stop(format!("nothing can be folded after decision {offset}"));
            }
            Err(error) => {
                self.report.other_version += 1;
                self.is_blind = true;
                self.report.stopped.get_or_insert_with(|| error.to_string());
            }
        }
        Ok(None)
    }

    /// One decision per command, in order.
    fn check_coverage(&mut self, offset: Offset, head: &DecisionHead) -> Step {
        let placed = self.line.check_place(offset, head);
        if let Err(Misplaced::Behind { .. }) = placed {
            self.report.duplicates += 1;
            self.report.list(offset.0, "its command has a decision already");
            return self.stop(format!("what follows decision {offset} continues another log"));
        }
        let next = self.next();
        if offset > next {
            self.check_hole(next, offset, head)?;
        }
        if let Err(misplaced) = placed {
            self.diverge(offset, &misplaced.to_string());
            return self.stop(format!("nothing can be folded after decision {offset}"));
        }
        Ok(())
    }

    /// Offsets may have holes, but no command may stand in one, and no decision be missing.
    fn check_hole(&mut self, next: Offset, offset: Offset, head: &DecisionHead) -> Step {
        let passed_over = match self.count_commands(next, offset) {
            Ok(0) if head.covered_before < next => return Ok(()),
            // Its command is missing as well.
            Ok(0) => 1,
            Ok(count) => count,
            Err(error) => {
                self.report.unchecked += 1;
                self.stop_reading(&error);
                return Err(Stop);
            }
        };
        self.report.uncovered += passed_over;
        self.report.unchecked += 1;
        let what = format!("commands {next} to {} have no decision", offset.0 - 1);
        self.report.list(next.0, &what);
        self.stop(format!("nothing can be folded over a gap: {what}"))
    }

    /// How many commands stand in `from..to`. When there are any, nothing is verified after them.
    fn count_commands(&mut self, from: Offset, to: Offset) -> Result<u64> {
        let stands = |stored: &&StoredCommand| (from..to).contains(&stored.offset);
        let mut count = self.commands.iter().filter(stands).count();
        let mut next = self.commands_end;
        while next < to {
            let commands = self.log.commands(next, FOLD_BYTES_MAX)?;
            count += commands.iter().filter(stands).count();
            next = after(commands.last().map_or(to, |last| last.offset));
            if count == 0 {
                // The decisions after the hole want them.
                self.commands.extend(commands);
                self.commands_end = next;
            }
        }
        Ok(count as u64)
    }

    fn check_link(&mut self, record: &DecisionRecord, head: &DecisionHead) -> bool {
        let linked = self.line.check_link(record, head.prev_hash);
        if let Err(broken) = linked {
            self.diverge(record.offset, &broken.to_string());
        }
        linked.is_ok()
    }

    /// The commands of a round; none when one of them is missing.
    fn inputs(&mut self, round: &[Recorded]) -> Step<Option<Vec<Input>>> {
        let version = self.state.decide_version;
        let mut inputs = Vec::with_capacity(round.len());
        for recorded in round {
            match self.command(recorded.offset) {
                Ok(Some(stored)) => {
                    match self.reader.read(self.partition, &stored, &recorded.body, version) {
                        Ok(input) => inputs.push(input),
                        Err(MissingSchema { id }) => {
                            self.report.list_schema(id);
                            return Ok(None);
                        }
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.report.unchecked += linked(round);
                    self.stop_reading(&error);
                    return Err(Stop);
                }
            }
        }
        Ok(Some(inputs))
    }

    fn command(&mut self, offset: Offset) -> Result<Option<StoredCommand>> {
        while self.commands.front().is_some_and(|stored| stored.offset < offset) {
            self.commands.pop_front();
        }
        if self.commands.is_empty() && self.commands_end <= offset {
            self.commands = self.log.commands(offset, FOLD_BYTES_MAX)?.into();
            self.commands_end = after(self.commands.back().map_or(offset, |last| last.offset));
        }
        Ok(self.commands.pop_front_if(|stored| stored.offset == offset))
    }

    /// Whether `record`, which comes after what is to be verified, does not follow what was taken:
    /// then what lies between is more than a hole.
    pub(super) fn misses_one_before(&self, record: &DecisionRecord) -> bool {
        let head = DecisionHead::read(&record.body);
        !self.is_blind && head.is_none_or(|head| head.covered_before > self.line.covered)
    }

    /// Offset of the next decision, or one before it where offsets have a hole.
    pub(super) fn next(&self) -> Offset {
        after(self.line.covered)
    }

    fn compare_snapshots(&mut self) {
        let state = self.recorded.as_ref().unwrap_or(&self.state);
        let fold = (state, self.line.head, self.next());
        self.snapshots.compare(self.log, fold, &mut self.report);
    }

    fn diverge(&mut self, offset: Offset, what: &str) {
        self.report.divergences += 1;
        self.report.list(offset.0, what);
    }

    fn stop<T>(&mut self, why: String) -> Step<T> {
        self.report.stopped.get_or_insert(why);
        Err(Stop)
    }

    fn stop_folding(&mut self, error: &Error) -> Step {
        self.is_folded = false;
        self.report.broken_invariant.get_or_insert_with(|| error.to_string());
        self.stop(error.to_string())
    }

    /// The log cannot be read on.
    pub(super) fn stop_reading(&mut self, error: &Error) {
        self.report.is_corrupt |= is_corrupt(error);
        self.report.stopped.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.report.stopped.is_some()
    }

    /// The report, given that everything before `read` was taken. Where reading stopped early, what
    /// was left unread is counted by offsets: at most as many as there are.
    pub(super) fn finish(mut self, read: Offset, undecided: i64) -> Report {
        if let Some(first) = self.round.first() {
            let why = format!("the round at {} is not complete", first.offset);
            self.report.stopped.get_or_insert(why);
        }
        let unread = (self.end.0 - read.0).max(0).unsigned_abs();
        self.report.decisions += unread;
        self.report.unchecked += unread + linked(&self.round);
        if self.report.stopped.is_none()
            && self.log.ends().is_ok_and(|ends| ends.decisions_next == self.end)
        {
            self.snapshots.ahead(&mut self.report);
        }
        if self.is_folded {
            let state = self.recorded.as_ref().unwrap_or(&self.state);
            self.report.broken_invariant = caught(|| invariants::check(state)).err();
        }
        self.report.undecided = undecided.max(0).unsigned_abs();
        // A broken link is seen before the content of the round is.
        self.report.first_divergences.sort_by_key(|found| found.offset);
        if let Some(recount) = self.recount.take() {
            recount.finish(&mut self.report);
        }
        let head = chain_head(&[self.line.head]);
        self.report.chain_head = head.to_string();
        self.report.head = self.line.head;
        self.report.expected_head = self.expected_head.map(|expected| expected == head);
        self.report
    }
}
