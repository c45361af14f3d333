//! Reading a partition of the log from the brokers: without a group, without a trace.

use super::cursor::{Cursor, Enough};
use super::index::{Index, Search};
use super::record;
use super::settings::KafkaSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::fold::FOLD_BYTES_MAX;
use crate::log::block::Record as _;
use crate::log::rocks::SnapshotStore;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use conclave_core::units::{Hash32, Offset};
use rdkafka::message::{BorrowedMessage, Message as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Positions before the end among which the last record is looked for first.
const TAIL: i64 = 8;

/// One partition, as a reader of committed records sees it.
pub struct KafkaReader {
    partition: i32,
    settings: KafkaSettings,
    commands: Mutex<Cursor>,
    decisions: Mutex<Answers>,
    dead_letters: Mutex<Option<Answers>>,
    snapshots: Option<Arc<SnapshotStore>>,
}

/// A topic whose records answer commands, by the offsets of those.
struct Answers {
    cursor: Cursor,
    index: Index,
    /// The last record, and the end of the topic when it was that.
    last: Option<(i64, LastDecision)>,
    /// Where reading goes on, and behind which offset.
    resume: Option<(Offset, i64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LastDecision {
    next: Offset,
    head: Hash32,
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaReader").field("partition", &self.partition).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KafkaReader {
    /// A reader of `partition`. Nothing is asked of the brokers yet.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused.
    pub fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        let topics = &settings.topics;
        Ok(Self {
            partition,
            settings: settings.clone(),
            commands: Mutex::new(Cursor::open(settings, &topics.commands, partition)?),
            decisions: Mutex::new(Answers::open(settings, &topics.decisions, partition)?),
            dead_letters: Mutex::new(None),
            snapshots: None,
        })
    }

    /// The same reader, which also finds the snapshots that are kept on this machine.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Arc<SnapshotStore>) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    /// Where the topics begin by now: Kafka's own offsets of the first command and the first record
    /// about one that retention, or somebody, left.
    pub(super) fn beginnings(&self) -> Result<(Offset, i64)> {
        let commands = locked(&self.commands).bounds()?.low;
        Ok((Offset(commands), locked(&self.decisions).cursor.bounds()?.low))
    }

    /// Where the log ends as far as its decisions can be read: before the first record that is none
    /// of ours. Reads everything.
    pub(super) fn sound_ends(&self) -> Result<LogEnds> {
        let mut ends = LogEnds::default();
        loop {
            let records = match self.decisions(ends.decisions_next, FOLD_BYTES_MAX) {
                Ok(records) => records,
                Err(error) if error.kind == ErrorKind::Corrupt => break,
                Err(error) => return Err(error),
            };
            let Some(last) = records.iter().max_by_key(|record| record.offset) else { break };
            if last.offset >= ends.decisions_next {
                ends.decisions_next = Offset(last.offset.0 + 1);
                ends.head = last.hash;
            }
        }
        ends.commands_next = self.commands_next()?.max(ends.decisions_next);
        Ok(ends)
    }

    /// Offset after the last command that can be read now.
    pub(super) fn commands_next(&self) -> Result<Offset> {
        let mut cursor = locked(&self.commands);
        let bounds = cursor.bounds()?;
        let mut next = bounds.low.min(bounds.end);
        let mut from = (bounds.end - 1).max(bounds.low);
        // Usually the last position is a record; marks behind it are rare here.
        while next == bounds.low && from < bounds.end {
            read_on(&mut cursor, from, bounds.end, |message| {
                next = message.offset() + 1;
                Ok(())
            })?;
            if from == bounds.low {
                break;
            }
            from = (bounds.end - (bounds.end - from) * 8).max(bounds.low);
        }
        Ok(Offset(next))
    }
}

/// Reads all there is from `from` up to `end`.
fn read_on(
    cursor: &mut Cursor,
    from: i64,
    end: i64,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    let mut at = from;
    while at < end {
        let before = at;
        at = cursor.read(at, |message| {
            take(message)?;
            Ok(if message.offset() + 1 >= end { Enough::Yes } else { Enough::No })
        })?;
        if at == before {
            return Ok(());
        }
    }
    Ok(())
}

impl Answers {
    fn open(settings: &KafkaSettings, topic: &str, partition: i32) -> Result<Self> {
        let cursor = Cursor::open(settings, topic, partition)?;
        Ok(Self { cursor, index: Index::default(), last: None, resume: None })
    }

    /// The last decision that can be read.
    fn last(&mut self) -> Result<LastDecision> {
        let bounds = self.cursor.bounds()?;
        if let Some((_, last)) = self.last.filter(|(end, _)| *end == bounds.end) {
            return Ok(last);
        }
        let (mut distance, mut last) = (TAIL, LastDecision::default());
        loop {
            let from = (bounds.end - distance).max(bounds.low);
            let index = &mut self.index;
            read_on(&mut self.cursor, from, bounds.end, |message| {
                let found = record::decision(message)?;
                // One that comes after a later one is a second answer: no reader is led back.
                if found.offset >= last.next {
                    index.note(found.offset, message.offset());
                    last = LastDecision { next: Offset(found.offset.0 + 1), head: found.hash };
                }
                Ok(())
            })?;
            if from == bounds.low || last.next > Offset(0) {
                break;
            }
            distance *= 8;
        }
        self.resume = None;
        self.last = Some((bounds.end, last));
        Ok(last)
    }

    /// Where to read from to find the first record at or behind `from`.
    fn position(&mut self, from: Offset) -> Result<i64> {
        if let Some((_, position)) = self.resume.filter(|(offset, _)| *offset == from) {
            return Ok(position);
        }
        let bounds = self.cursor.bounds()?;
        let mut end = bounds.end;
        loop {
            match self.index.search(from, bounds.low, end) {
                Search::Read(position) => return Ok(position),
                Search::Probe(position) => {
                    let mut found = None;
                    self.cursor.read(position, |message| {
                        found = record::about(message).map(|offset| (offset, message.offset()));
                        Ok(Enough::Yes)
                    })?;
                    match found {
                        Some((offset, at)) if at < end => self.index.note_probe(offset, at),
                        _ => end = position,
                    }
                }
            }
        }
    }

    /// Records from `from` on, at least one if there is one, stopping once `bytes_max` is passed.
    /// Whoever reads on from where it stopped misses nothing: second answers are shown as they
    /// stand. What comes before a record that is none of ours is handed out first.
    fn read<R>(
        &mut self,
        from: Offset,
        bytes_max: usize,
        decode: impl Fn(&BorrowedMessage<'_>) -> Result<R>,
    ) -> Result<Vec<R>>
    where
        R: crate::log::block::Record,
    {
        let reads_on = self.resume.is_some_and(|(offset, _)| offset == from);
        let mut at = self.position(from)?;
        let (mut records, mut bytes): (Vec<R>, usize) = (Vec::new(), 0);
        loop {
            let (before, index) = (at, &mut self.index);
            let read = self.cursor.read(at, |message| {
                let found = decode(message)?;
                let is_asked = found.offset() >= from;
                if is_asked {
                    index.note(found.offset(), message.offset());
                }
                if is_asked || reads_on {
                    bytes += found.weight();
                    records.push(found);
                }
                at = message.offset() + 1;
                Ok(if bytes > bytes_max { Enough::Yes } else { Enough::No })
            });
            match read {
                Ok(next) => at = next,
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => {}
            }
            if at == before || bytes > bytes_max || !records.is_empty() {
                break;
            }
        }
        let next = records.iter().map(|record| Offset(record.offset().0 + 1)).max();
        let next = next.unwrap_or(from).max(from);
        self.resume = Some((next, at));
        Ok(records)
    }
}

impl LogReader for KafkaReader {
    fn partition(&self) -> i64 {
        i64::from(self.partition)
    }

    fn ends(&self) -> Result<LogEnds> {
        let LastDecision { next, head } = locked(&self.decisions).last()?;
        let commands_next = self.commands_next()?;
        if next > commands_next {
            return Err(Error::corrupt(format!(
                "partition {}: decisions reach offset {next} and commands only {commands_next}: \
                 the command topic lost records, or is another one; see \
                 docs/runbooks/corrupt-log.md",
                self.partition
            )));
        }
        Ok(LogEnds { commands_next, decisions_next: next, head })
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        let (mut commands, mut bytes) = (Vec::new(), 0);
        locked(&self.commands).read(from.0, |message| {
            let command = record::command(message);
            bytes += command.weight();
            commands.push(command);
            Ok(if bytes > bytes_max { Enough::Yes } else { Enough::No })
        })?;
        Ok(commands)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        locked(&self.decisions).read(from, bytes_max, record::decision)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        let mut letters = locked(&self.dead_letters);
        if letters.is_none() {
            let topic = &self.settings.topics.dead_letters;
            *letters = Some(Answers::open(&self.settings, topic, self.partition)?);
        }
        let letters = letters.as_mut().expect("it was opened above");
        letters.read(from, bytes_max, record::dead_letter)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.snapshots.as_ref().map_or(Ok(vec![]), |snapshots| snapshots.offsets())
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        match &self.snapshots {
            Some(snapshots) => snapshots.read(offset),
            None => Err(Error::corrupt(format!("there is no snapshot {offset}"))),
        }
    }
}
