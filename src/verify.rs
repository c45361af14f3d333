//! Proving a log: every decision is computed again from its command and compared byte for byte.
//!
//! Verify evolves with the *recorded* decisions, so one divergence does not spread. Rounds are taken
//! as they were recorded: they are input, like the commands. What cannot be checked is reported as
//! such and never as clean.

use crate::error::Result;
use crate::fold::{FOLD_BYTES_MAX, Folded, evolve_recorded, fold};
use crate::log::{DecisionRecord, LogReader, StoredCommand};
use crate::wire::{CommandReader, body_hash, decode_decision, encode_decision};
use conclave_core::decide::decide;
use conclave_core::decision::Decision;
use conclave_core::input::Input;
use conclave_core::limits::{DECIDE_VERSION, ROUND_COMMANDS_MAX};
use conclave_core::round::{Round, open_round};
use conclave_core::seat::Seat;
use conclave_core::state::State;
use conclave_core::units::{Hash32, Offset};
use serde::Serialize;
use std::collections::VecDeque;

/// Divergences that a report lists one by one; all are counted.
const DIVERGENCES_LISTED_MAX: usize = 20;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Decisions read.
    pub decisions: u64,
    /// Computed again, with the same bytes.
    pub verified: u64,
    /// Computed again, with other bytes; or not continuing the chain.
    pub divergences: u64,
    /// Commands without a decision although later ones have one.
    pub uncovered: u64,
    /// Decisions about a command that had one before.
    pub duplicates: u64,
    /// Decisions whose command is not in the log.
    pub input_missing: u64,
    /// Decisions of a version that this release cannot compute.
    pub other_version: u64,
    /// Commands accepted and not decided yet: no fault.
    pub undecided: u64,
    /// Digest over the heads of all partitions.
    pub chain_head: String,
    /// The first divergences.
    pub first_divergences: Vec<Divergence>,
    /// Why reading stopped before the end, if it did.
    pub stopped: Option<String>,
}

/// One decision that is not what its command gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Which decision.
    pub offset: i64,
    /// What differs.
    pub what: String,
}

impl Report {
    /// Whether every decision was verified and nothing else was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verified == self.decisions
            && self.divergences + self.uncovered + self.duplicates == 0
            && !self.has_unchecked()
    }

    /// Whether a part could not be checked.
    #[must_use]
    pub fn has_unchecked(&self) -> bool {
        self.input_missing + self.other_version > 0 || self.stopped.is_some()
    }
}

/// Verifies the whole log of one partition with the votes of `seat`.
///
/// # Errors
/// When the log cannot be read at all. Damage in the middle ends the report, which says so.
pub fn verify(log: &dyn LogReader, partition: i64, seat: &mut dyn Seat) -> Result<Report> {
    verify_with_progress(log, partition, seat, |_| {})
}

/// The same, telling `progress` the next offset now and then.
///
/// # Errors
/// As [`verify`].
pub fn verify_with_progress(
    log: &dyn LogReader,
    partition: i64,
    seat: &mut dyn Seat,
    mut progress: impl FnMut(Offset),
) -> Result<Report> {
    let ends = log.ends()?;
    let mut verifier = Verifier::new(log, partition, seat);
    let mut from = Offset(0);
    while from < ends.decisions_next {
        let records = match log.decisions(from, FOLD_BYTES_MAX) {
            Ok(records) => records,
            Err(error) => {
                verifier.report.stopped = Some(error.to_string());
                break;
            }
        };
        let Some(last) = records.last() else {
            let what = format!("decisions {from} to {} are missing", ends.decisions_next);
            verifier.report.stopped = Some(what);
            break;
        };
        from = Offset(last.offset.0 + 1);
        for record in records {
            if verifier.take(record).is_err() {
                return Ok(verifier.finish(&ends.commands_next));
            }
        }
        progress(from);
    }
    Ok(verifier.finish(&ends.commands_next))
}

/// Reading cannot go on; the report says why.
struct Stop;

struct Verifier<'a> {
    log: &'a dyn LogReader,
    partition: i64,
    seat: &'a mut dyn Seat,
    reader: CommandReader,
    commands: VecDeque<StoredCommand>,
    commands_end: Offset,
    /// Decides. Equal to the recorded fold as long as nothing diverged.
    state: State,
    /// The recorded fold, kept beside `state` once something diverged.
    recorded: Option<State>,
    head: Hash32,
    covered: Offset,
    round: Vec<(DecisionRecord, Decision)>,
    report: Report,
}

impl<'a> Verifier<'a> {
    fn new(log: &'a dyn LogReader, partition: i64, seat: &'a mut dyn Seat) -> Self {
        Self {
            log,
            partition,
            seat,
            reader: CommandReader::new(),
            commands: VecDeque::new(),
            commands_end: Offset(0),
            state: State::new(partition),
            recorded: None,
            head: Hash32::default(),
            covered: Offset(-1),
            round: vec![],
            report: Report::default(),
        }
    }

    /// Takes the next record; a full round is checked at once.
    fn take(&mut self, record: DecisionRecord) -> std::result::Result<(), Stop> {
        self.report.decisions += 1;
        let offset = record.offset;
        let decision = match decode_decision(&record.body) {
            Ok(decision) => decision,
            Err(error) => {
                self.diverge(offset, format!("cannot be read: {error}"));
                return self.stop(format!("the fold cannot pass the unreadable decision {offset}"));
            }
        };
        if !self.continues(&record, &decision) {
            return self.stop(format!("the log is sound up to {offset} and should end there"));
        }
        self.head = record.hash;
        self.covered = offset;
        let ends_round = decision.round_count.is_some();
        self.round.push((record, decision));
        if ends_round {
            return self.check_round();
        }
        let commands_max = usize::try_from(ROUND_COMMANDS_MAX).expect("a small constant");
        if self.round.len() > commands_max {
            return self.stop(format!("the round before {offset} never ends"));
        }
        Ok(())
    }

    /// The chain, and one decision per command in order.
    fn continues(&mut self, record: &DecisionRecord, decision: &Decision) -> bool {
        let offset = record.offset;
        if offset <= self.covered || decision.offset <= self.covered {
            self.report.duplicates += 1;
            self.diverge(offset, "its command has a decision already".into());
            return false;
        }
        let gap = offset.0 - self.covered.0 - 1;
        if gap > 0 {
            self.report.uncovered += gap.unsigned_abs();
        }
        if body_hash(&record.body) != record.hash {
            self.diverge(offset, "its body is not what its digest says".into());
            return false;
        }
        if decision.prev_hash != self.head || decision.covered_before != self.covered {
            self.diverge(offset, "it does not continue the chain".into());
            return false;
        }
        if decision.offset != offset {
            self.diverge(offset, format!("it calls itself decision {}", decision.offset));
            return false;
        }
        gap == 0
    }

    fn check_round(&mut self) -> std::result::Result<(), Stop> {
        let round = std::mem::take(&mut self.round);
        if let Some(version) = foreign_version(&round) {
            self.report.other_version += round.len() as u64;
            return self
                .stop(format!("decide_version {version} needs another release of conclave"));
        }
        let Some(inputs) = self.inputs(&round)? else {
            self.report.input_missing += round.len() as u64;
            return self.fold_recorded(&round);
        };
        let again = self.decide_again(inputs);
        let mut is_same = again.len() == round.len();
        for ((record, decision), again) in round.iter().zip(&again) {
            match difference(record, decision, again) {
                None => self.report.verified += 1,
                Some(what) => {
                    is_same = false;
                    self.diverge(record.offset, what);
                }
            }
        }
        self.settle(is_same, &round)
    }

    fn decide_again(&mut self, inputs: Vec<Input>) -> Vec<Decision> {
        let round = Round { inputs };
        let votes = self.seat.vote(&open_round(&self.state, &round.inputs));
        decide(&mut self.state, &round, &votes)
    }

    /// Goes on from the recorded fold, which is what was decided unless something diverged.
    fn settle(
        &mut self,
        is_same: bool,
        round: &[(DecisionRecord, Decision)],
    ) -> std::result::Result<(), Stop> {
        if is_same && self.recorded.is_none() {
            return Ok(());
        }
        if self.recorded.is_none() {
            let first = round.first().map_or(Offset(0), |(record, _)| record.offset);
            match fold(self.log, self.partition, Some(first)) {
                Ok((Folded { state, head: _ }, _)) => self.recorded = Some(state),
                Err(error) => return self.stop(format!("the fold before {first}: {error}")),
            }
        }
        let recorded = self.recorded.as_mut().expect("it was folded just now");
        let folded = round.iter().try_for_each(|(_, decision)| evolve_recorded(recorded, decision));
        if !is_same {
            self.state = recorded.clone();
        }
        folded.or_else(|error| self.stop(error.to_string()))
    }

    fn fold_recorded(
        &mut self,
        round: &[(DecisionRecord, Decision)],
    ) -> std::result::Result<(), Stop> {
        for state in std::iter::once(&mut self.state).chain(&mut self.recorded) {
            for (_, decision) in round {
                if let Err(error) = evolve_recorded(state, decision) {
                    return self.stop(error.to_string());
                }
            }
        }
        Ok(())
    }

    /// The commands of a round; none when one of them is missing.
    fn inputs(
        &mut self,
        round: &[(DecisionRecord, Decision)],
    ) -> std::result::Result<Option<Vec<Input>>, Stop> {
        let mut inputs = Vec::with_capacity(round.len());
        for (record, _) in round {
            match self.command(record.offset) {
                Ok(Some(stored)) => inputs.push(self.reader.read(self.partition, &stored)),
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.report.input_missing += round.len() as u64;
                    self.stop(error.to_string())?;
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
            self.commands_end =
                Offset(self.commands.back().map_or(offset, |last| last.offset).0 + 1);
        }
        let is_next = self.commands.front().is_some_and(|stored| stored.offset == offset);
        Ok(if is_next { self.commands.pop_front() } else { None })
    }

    fn diverge(&mut self, offset: Offset, what: String) {
        self.report.divergences += 1;
        if self.report.first_divergences.len() < DIVERGENCES_LISTED_MAX {
            self.report.first_divergences.push(Divergence { offset: offset.0, what });
        }
    }

    fn stop(&mut self, why: String) -> std::result::Result<(), Stop> {
        self.report.stopped = Some(why);
        Err(Stop)
    }

    fn finish(mut self, commands_next: &Offset) -> Report {
        if let Some((first, _)) = self.round.first()
            && self.report.stopped.is_none()
        {
            let first = first.offset;
            self.report.stopped = Some(format!("the round at {first} is not complete"));
        }
        let undecided = commands_next.0 - self.covered.0 - 1;
        self.report.undecided = undecided.max(0).unsigned_abs();
        self.report.chain_head = chain_head(&[self.head]).to_string();
        self.report
    }
}

fn foreign_version(round: &[(DecisionRecord, Decision)]) -> Option<i64> {
    let mut versions = round.iter().map(|(_, decision)| decision.decide_version);
    versions.find(|version| !(1..=DECIDE_VERSION).contains(version))
}

/// What differs between a record and the decision that its command gives; none when every byte is
/// the same.
fn difference(record: &DecisionRecord, recorded: &Decision, again: &Decision) -> Option<String> {
    let again = Decision { prev_hash: recorded.prev_hash, ..again.clone() };
    if encode_decision(&again) == record.body {
        return None;
    }
    let field = if again.outcome != recorded.outcome {
        format!("outcome: recorded {:?}, computed {:?}", recorded.outcome, again.outcome)
    } else if again.events != recorded.events {
        format!("events: recorded {:?}, computed {:?}", recorded.events, again.events)
    } else if again.input_hash != recorded.input_hash {
        "the command is not the one that was decided".to_owned()
    } else {
        format!("recorded {recorded:?}, computed {again:?}")
    };
    Some(field)
}

/// Digest over the heads of all partitions in order: what two runs compare.
#[must_use]
pub fn chain_head(heads: &[Hash32]) -> Hash32 {
    let mut hasher = blake3::Hasher::new();
    for head in heads {
        hasher.update(&head.0);
    }
    Hash32(*hasher.finalize().as_bytes())
}
