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
    /// Decisions of a round that has not ended.
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
        let (commands, round) = (VecDeque::new(), vec![]);
        Self { partition, feed, reader, commands, line, round, shadow, seated }
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
    /// `Corrupt` when the log is not what was written, `Unavailable` when it cannot be read now.
    pub fn look(&mut self, sums: &mut Sums) -> Result<bool> {
        self.feed.look()?;
        let mut is_news = false;
        for _ in 0..LOOK_BATCHES_MAX {
            let records = self.feed.decisions(BATCH_BYTES_MAX)?;
            // What is none of ours proves nothing: the chain says whether anything is missing.
            drop(self.feed.foreign());
            if records.is_empty() {
                break;
            }
            is_news = true;
            for record in &records {
                self.take(record)?;
                if self.shadow.open_steps() >= BATCH_STEPS {
                    self.settle(sums);
                }
            }
        }
        self.settle(sums);
        Ok(is_news)
    }

    fn settle(&mut self, sums: &mut Sums) {
        let opinions = self.shadow.settle(self.seated.file().council(), &self.seated.engine().bulk());
        opinions.into_iter().for_each(|opinion| sums.note(self.partition, opinion));
    }

    fn take(&mut self, record: &DecisionRecord) -> Result<()> {
        let (at, partition) = (record.offset, self.partition);
        let broken = |what: &dyn std::fmt::Display| {
            Error::corrupt(format!(
                "decision {at} of partition {partition}: {what}; `replay verify` says more"
            ))
        };
        let decision = decode_decision(&record.body)?;
        self.line
            .check_place(at, &DecisionHead::of(&decision))
            .map_err(|misplaced| broken(&misplaced))?;
        self.line.check_link(record, decision.prev_hash).map_err(|link| broken(&link))?;
        self.line.go_on(at, record.hash);
        let is_last = decision.round_count.is_some();
        self.round.push(decision);
        if is_last {
            let decisions = std::mem::take(&mut self.round);
            let commands = self.inputs(&decisions)?;
            let (shadow, council) = (&mut self.shadow, self.seated.file().council());
            caught(|| shadow.take(council, commands.as_deref(), decisions))
                .map_err(|why| broken(&format!("its round cannot have happened: {why}")))?;
        }
        Ok(())
    }

    /// The commands of a round; none when one is not there, or its schema is not kept.
    fn inputs(&mut self, decisions: &[Decision]) -> Result<Option<Vec<Input>>> {
        let version = self.shadow.decide_version();
        let mut inputs = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let Some(stored) = self.command(decision.offset)? else { return Ok(None) };
            let recorded = || decision.input_hash;
            match self.reader.read_as(self.partition, &stored, recorded, version) {
                Ok(input) => inputs.push(input),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(inputs))
    }

    fn command(&mut self, offset: Offset) -> Result<Option<StoredCommand>> {
        loop {
            while self.commands.front().is_some_and(|stored| stored.offset < offset) {
                self.commands.pop_front();
            }
            if !self.commands.is_empty() {
                return Ok(self.commands.pop_front_if(|stored| stored.offset == offset));
            }
            let more = self.feed.commands(BATCH_BYTES_MAX)?;
            if more.is_empty() {
                return Ok(None);
            }
            self.commands.extend(more);
        }
    }
}
