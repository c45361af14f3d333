//! One partition, from a log into an archive, up to the end of a whole round.

use crate::error::{Error, Result};
use crate::fold::FOLD_BYTES_MAX;
use crate::log::archive::{ArchiveWriter, PartitionCut};
use crate::log::block::{BLOCK_BYTES_MAX, Record};
use crate::log::{DecisionRecord, LogReader};
use crate::wire::{DecisionHead, decode_decision};
use conclave_core::command::{OpenLog, TimeSource};
use conclave_core::council::ModelId;
use conclave_core::decision::Event;
use conclave_core::limits::ROUND_COMMANDS_MAX;
use conclave_core::units::{Hash32, Offset};
use std::collections::BTreeSet;

/// What records weigh that are written together: a few blocks.
const BATCH_BYTES: usize = 4 * BLOCK_BYTES_MAX;

/// Why copying ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The log or the disk.
    Broken(Error),
    /// A sentence about a record that does not stand where it may.
    Misplaced(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// A partition that was copied.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) cut: PartitionCut,
    /// Digest of its last decision's body.
    pub(super) head: Hash32,
    /// The councils that sat.
    pub(super) models: BTreeSet<ModelId>,
}

type Step<T = ()> = std::result::Result<T, Stop>;

/// Copies everything before the cut, and says where that is.
pub(super) fn copy(
    log: &impl LogReader,
    until: Option<Offset>,
    to: &mut ArchiveWriter,
) -> Step<Copied> {
    let partition = log.partition();
    let mut decisions = Decisions::default();
    let mut batch = Batch::new(partition, to);
    decisions.copy(log, until, &mut batch)?;
    let (decision_count, decision_bytes) = batch.end()?;
    let cut = decisions.cut;
    let mut batch = Batch::new(partition, to);
    let read = |from| log.commands(from, FOLD_BYTES_MAX);
    records(read, cut, &mut batch)?;
    let (command_count, command_bytes) = batch.end()?;
    let mut batch = Batch::new(partition, to);
    let read = |from| log.dead_letters(from, FOLD_BYTES_MAX);
    records(read, cut, &mut batch)?;
    let (letter_count, letter_bytes) = batch.end()?;
    let (log_id, time_source) = decisions.opened.map_or_else(Default::default, |open| {
        (open.log_id.to_string(), time_source(open.time_source).to_owned())
    });
    let head = decisions.head;
    let cut = PartitionCut {
        partition,
        log_id,
        time_source,
        cut: cut.0,
        head: head.to_string(),
        decisions: decision_count,
        commands: command_count,
        dead_letters: letter_count,
        bytes: decision_bytes + command_bytes + letter_bytes,
    };
    Ok(Copied { cut, head, models: decisions.models })
}

fn time_source(source: TimeSource) -> &'static str {
    match source {
        TimeSource::LogAppend => "log_append",
        TimeSource::Carried => "carried",
    }
}

/// The decisions so far.
#[derive(Debug, Default)]
struct Decisions {
    /// Those of a round whose end was not met yet.
    round: Vec<DecisionRecord>,
    /// The end of the last whole round.
    cut: Offset,
    /// Digest of the last decision before it.
    head: Hash32,
    /// What the log was opened with.
    opened: Option<OpenLog>,
    /// The councils that sat.
    models: BTreeSet<ModelId>,
}

impl Decisions {
    fn copy(
        &mut self,
        log: &impl LogReader,
        until: Option<Offset>,
        to: &mut Batch<'_, DecisionRecord>,
    ) -> Step {
        let mut from = Offset(0);
        loop {
            // At the end of a topic this also meets a second answer to an earlier command.
            let records = log.decisions(from, FOLD_BYTES_MAX)?;
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                if record.offset < from {
                    return Err(second("decision", record.offset));
                }
                if until.is_some_and(|until| record.offset > until) {
                    return Ok(());
                }
                from = after(record.offset);
                self.take(record, to)?;
            }
        }
    }

    fn take(&mut self, record: DecisionRecord, to: &mut Batch<'_, DecisionRecord>) -> Result<()> {
        let at = record.offset;
        let broken = |what: &str| Error::corrupt(format!("decision {at} {what}: `replay verify`"));
        let head = DecisionHead::read(&record.body).ok_or_else(|| broken("cannot be read"))?;
        if self.opened.is_none() {
            let events = decode_decision(&record.body)?.events;
            self.opened = events.into_iter().find_map(|event| match event {
                Event::LogOpened(opened) => Some(opened.log),
                _ => None,
            });
        }
        let last = (after(at), record.hash);
        self.round.push(record);
        let commands_max = usize::try_from(ROUND_COMMANDS_MAX).expect("a small constant");
        if self.round.len() > commands_max {
            return Err(broken("is of a round that never ends"));
        }
        // Whoever takes the seat has a round alone.
        if head.round_count == Some(1) {
            self.models.extend(activated(&self.round)?);
        }
        if head.round_count.is_some() {
            (self.cut, self.head) = last;
            self.round.drain(..).try_for_each(|record| to.add(record))?;
        }
        Ok(())
    }
}

/// The council that the only decision of `round` puts into the seat.
fn activated(round: &[DecisionRecord]) -> Result<Option<ModelId>> {
    let [record] = round else { return Ok(None) };
    let events = decode_decision(&record.body)?.events;
    Ok(events.into_iter().find_map(|event| match event {
        Event::CouncilActivated(activated) => activated.model,
        _ => None,
    }))
}

/// Copies the records before `cut`.
fn records<R: Record>(
    read: impl Fn(Offset) -> Result<Vec<R>>,
    cut: Offset,
    to: &mut Batch<'_, R>,
) -> Step {
    let mut from = Offset(0);
    while from < cut {
        let records = read(from)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            if record.offset() < from {
                return Err(second("record", record.offset()));
            }
            from = after(record.offset());
            if record.offset() < cut {
                to.add(record)?;
            }
        }
    }
    Ok(())
}

fn second(what: &str, offset: Offset) -> Stop {
    Stop::Misplaced(format!("{what} {offset} stands there once more, behind later ones"))
}

fn after(offset: Offset) -> Offset {
    Offset(offset.0.saturating_add(1))
}

/// Records that are written together.
#[derive(Debug)]
struct Batch<'w, R> {
    partition: i64,
    to: &'w mut ArchiveWriter,
    held: Vec<R>,
    weight: usize,
    count: u64,
    bytes: u64,
}

impl<'w, R: Record> Batch<'w, R> {
    fn new(partition: i64, to: &'w mut ArchiveWriter) -> Self {
        Self { partition, to, held: vec![], weight: 0, count: 0, bytes: 0 }
    }

    fn add(&mut self, record: R) -> Result<()> {
        self.weight += record.weight();
        self.count += 1;
        self.held.push(record);
        if self.weight > BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.weight = 0;
        self.bytes += self.to.add(self.partition, std::mem::take(&mut self.held))?;
        Ok(())
    }

    /// Writes what is left; returns how many there were and the bytes that they take.
    fn end(mut self) -> Result<(u64, u64)> {
        self.write()?;
        Ok((self.count, self.bytes))
    }
}
