//! A council that votes beside the seat of a log, without any effect: what it would have said, and
//! how often the seat said the same. Reads only, also beside a running writer.
//!
//! [`Watch`] (a log → rounds → `conclave_core::council::shadow`) → [`Sums`] (what opinions come to)
//! → [`Figures`] (for Prometheus).

mod figures;
mod sums;

pub use figures::Figures;
pub use sums::{Disagreement, MemberSums, Pairs, Report, Sums, Verdicts};

use crate::council::Seated;
use crate::error::{Error, Result};
use crate::fold::caught;
use crate::log::{DecisionRecord, StoredCommand};
use crate::validate::Feed;
use crate::validate::line::Line;
use crate::verify::Reading;
use crate::wire::{DecisionHead, decode_decision};
use conclave_core::council::shadow::{Counts, Shadow};
use conclave_core::decision::Decision;
use conclave_core::input::Input;
use conclave_core::units::Offset;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of one stream read at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Batches of one look: sums are shown in between.
const LOOK_BATCHES_MAX: usize = 64;
/// Steps that are computed at once.
const BATCH_STEPS: usize = 4_096;

/// A council beside the seat of one partition, and where that partition's records come from.
#[derive(Debug)]
pub struct Watch<F> {
    partition: i64,
    feed: F,
    reader: Reading,
    /// Read, and not needed yet.
    commands: VecDeque<StoredCommand>,
    line: Line,
    /// Decisions that were read, and are not taken yet.
    waiting: VecDeque<DecisionRecord>,
    /// Decisions of a round that has not ended, or whose commands could not be read yet.
    round: Vec<Decision>,
    shadow: Shadow,
    seated: Arc<Seated>,
}

impl<F: Feed> Watch<F> {
    /// The council `seated` beside the seat of what `feed` shows, from its beginning. `schemas`
    /// are the texts of writers' schemas that are kept beside the log; none where no registry was
    /// asked.
    pub fn new(partition: i64, feed: F, schemas: Option<&[String]>, seated: Arc<Seated>) -> Self {
        let shadow = Shadow::new(partition, seated.file().id());
        let (reader, line) = (Reading::of(schemas), Line::default());
        let (commands, waiting, round) = (VecDeque::new(), VecDeque::new(), vec![]);
        Self { partition, feed, reader, commands, line, waiting, round, shadow, seated }
    }

    /// What was counted so far besides opinions.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shadow.counts()
    }

    /// Decisions that the log had at the last look and that were not read, about.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.feed.left()
    }

    /// What is wrong with the log beyond its last record, if anything is.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.feed.damage()
    }

    /// Looks where the log ends and votes up to there, or a good part of it, telling `sums` each
    /// opinion. Whether anything was new.
    ///
    /// # Errors
    /// `Corrupt` when the log is not what was written, `Unavailable` when it cannot be read now:
    /// the next look goes on where this one stopped.
    pub fn look(&mut self, sums: &mut Sums) -> Result<bool> {
        self.feed.look()?;
        let mut is_news = false;
        for _ in 0..LOOK_BATCHES_MAX {
            // What a look before this one could not finish.
            self.end_round()?;
            if self.waiting.is_empty() {
                self.waiting.extend(self.feed.decisions(BATCH_BYTES_MAX)?);
                // What is none of ours proves nothing: the chain says whether anything is missing.
                drop(self.feed.foreign());
            }
            if self.waiting.is_empty() {
                break;
            }
            is_news = true;
            while let Some(record) = self.waiting.pop_front() {
                self.take(&record)?;
                self.end_round()?;
                if self.shadow.open_steps() >= BATCH_STEPS {
                    self.settle(sums);
                }
            }
        }
        self.settle(sums);
        Ok(is_news)
    }

    fn settle(&mut self, sums: &mut Sums) {
        let opinions = self.shadow.settle(self.seated.council(), &self.seated.engine().bulk());
        opinions.into_iter().for_each(|opinion| sums.note(self.partition, opinion));
    }

    fn broken(&self, at: Offset, what: &dyn std::fmt::Display) -> Error {
        let partition = self.partition;
        Error::corrupt(format!(
            "decision {at} of partition {partition}: {what}; `replay verify` says more"
        ))
    }

    fn take(&mut self, record: &DecisionRecord) -> Result<()> {
        let at = record.offset;
        let decision = decode_decision(&record.body)?;
        self.line
            .check_place(at, &DecisionHead::of(&decision))
            .map_err(|misplaced| self.broken(at, &misplaced))?;
        self.line.check_link(record, decision.prev_hash).map_err(|link| self.broken(at, &link))?;
        self.line.go_on(at, record.hash);
        self.round.push(decision);
        Ok(())
    }

    /// Votes on the round when it is complete. It stays as it is while its commands cannot be read.
    fn end_round(&mut self) -> Result<()> {
        let Some(last) = self.round.last().filter(|last| last.round_count.is_some()) else {
            return Ok(());
        };
        let last = last.offset;
        self.read_commands(last)?;
        let decisions = std::mem::take(&mut self.round);
        let commands = self.inputs(&decisions);
        let (shadow, council) = (&mut self.shadow, self.seated.council());
        let taken = caught(|| shadow.take(council, commands.as_deref(), decisions));
        taken.map_err(|why| self.broken(last, &format!("its round cannot have happened: {why}")))
    }

    /// Reads commands up to the one at `last`, as far as there are any.
    fn read_commands(&mut self, last: Offset) -> Result<()> {
        while self.commands.back().is_none_or(|stored| stored.offset < last) {
            let more = self.feed.commands(BATCH_BYTES_MAX)?;
            if more.is_empty() {
                break;
            }
            self.commands.extend(more);
        }
        Ok(())
    }

    /// The commands of a round, which were read; none when one is not there, or its schema is not
    /// kept.
    fn inputs(&mut self, decisions: &[Decision]) -> Option<Vec<Input>> {
        let version = self.shadow.decide_version();
        let mut inputs = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let stored = self.command(decision.offset)?;
            let recorded = || decision.input_hash;
            inputs.push(self.reader.read_as(self.partition, &stored, recorded, version).ok()?);
        }
        Some(inputs)
    }

    fn command(&mut self, offset: Offset) -> Option<StoredCommand> {
        while self.commands.front().is_some_and(|stored| stored.offset < offset) {
            self.commands.pop_front();
        }
        self.commands.pop_front_if(|stored| stored.offset == offset)
    }
}
