//! A partition of an archive, read like any other log. It ends at the cut, for ever.

use super::frame::Placed;
use super::index::Entry;
use super::{ArchiveFile, PartitionCut, damaged};
use crate::error::{Error, Result};
use crate::log::block::{Block, BlockKind, Record, plus};
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use conclave_core::units::Offset;
use std::sync::{Arc, Mutex, PoisonError};

/// One partition, up to its cut.
#[derive(Debug)]
pub struct ArchiveReader {
    file: Arc<ArchiveFile>,
    partition: i64,
    ends: LogEnds,
    commands: Frames,
    decisions: Frames,
    dead_letters: Frames,
}

/// The frames of one kind, and the one that was read last: reading goes on in it as a rule.
#[derive(Debug)]
struct Frames {
    entries: Vec<Entry>,
    held: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl ArchiveReader {
    pub(super) fn open(file: Arc<ArchiveFile>, partition: i64) -> Result<Self> {
        let held: Vec<_> = file.manifest().partitions.iter().map(|cut| cut.partition).collect();
        let cut = file.manifest().partitions.iter().find(|cut| cut.partition == partition);
        let Some(cut) = cut.cloned() else {
            return Err(Error::invalid(format!(
                "the archive {} does not hold partition {partition}: it holds {held:?}",
                file.path().display()
            )));
        };
        let frames =
            |kind| Frames { entries: file.entries(partition, kind), held: Mutex::new(None) };
        let kinds = [BlockKind::Commands, BlockKind::Decisions, BlockKind::DeadLetters];
        let [commands, decisions, dead_letters] = kinds.map(frames);
        let ends = LogEnds::default();
        let mut reader = Self { file, partition, ends, commands, decisions, dead_letters };
        reader.ends = reader.find_ends()?;
        reader.check(&cut)?;
        Ok(reader)
    }

    /// The last decision says where the partition ends: everything before it is decided.
    fn find_ends(&self) -> Result<LogEnds> {
        let Some(last) = self.decisions.entries.last() else { return Ok(LogEnds::default()) };
        let found =
            self.records::<DecisionRecord>(&self.decisions, last.last, Offset(i64::MAX), 0)?;
        let Some(record) = found.first() else {
            return Err(damaged(self.file.path(), "its last decision is not there"));
        };
        let next = plus(record.offset, 1);
        Ok(LogEnds { commands_next: next, decisions_next: next, head: record.hash })
    }

    /// That the manifest is about these records.
    fn check(&self, cut: &PartitionCut) -> Result<()> {
        let count = |frames: &Frames| -> u64 {
            frames.entries.iter().map(|entry| u64::from(entry.count)).sum()
        };
        let counts = [&self.commands, &self.decisions, &self.dead_letters].map(count);
        let is_same = cut.cut == self.ends.decisions_next.0
            && cut.head == self.ends.head.to_string()
            && counts == [cut.commands, cut.decisions, cut.dead_letters];
        if is_same {
            return Ok(());
        }
        let what = format!("its manifest is not about the records of partition {}", self.partition);
        Err(damaged(self.file.path(), &what))
    }

    /// Records in `from..before`, at least one if there is one, stopping once `bytes_max` is
    /// passed.
    fn records<R: Record>(
        &self,
        frames: &Frames,
        from: Offset,
        before: Offset,
        bytes_max: usize,
    ) -> Result<Vec<R>> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let begin = frames.entries.partition_point(|entry| entry.last < from);
        for (index, entry) in frames.entries.iter().enumerate().skip(begin) {
            let raw = self.frame(frames, index, entry)?;
            let block = Block::read(R::KIND, entry.first, &raw).map_err(|e| self.named(&e))?;
            for index in first_of::<R>(&block, from)?..block.count() {
                let Placed(record) = block.record::<Placed<R>>(index)?;
                if record.offset() >= before || bytes > bytes_max {
                    return Ok(taken);
                }
                bytes += record.weight();
                taken.push(record);
            }
            if bytes > bytes_max {
                break;
            }
        }
        Ok(taken)
    }

    fn frame(&self, frames: &Frames, index: usize, entry: &Entry) -> Result<Arc<Vec<u8>>> {
        let mut held = frames.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, raw)) = held.as_ref().filter(|(held, _)| *held == index) {
            return Ok(Arc::clone(raw));
        }
        let raw = Arc::new(self.file.frame(entry)?);
        *held = Some((index, Arc::clone(&raw)));
        Ok(raw)
    }

    fn named(&self, error: &Error) -> Error {
        damaged(self.file.path(), &error.to_string())
    }
}

/// Index of the first record that stands at `from` or behind it.
fn first_of<R: Record>(block: &Block<'_>, from: Offset) -> Result<usize> {
    let (mut low, mut high) = (0, block.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if block.record::<Placed<R>>(middle)?.0.offset() < from {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl LogReader for ArchiveReader {
    fn partition(&self) -> i64 {
        self.partition
    }

    fn ends(&self) -> Result<LogEnds> {
        Ok(self.ends)
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.records(&self.commands, from, self.ends.commands_next, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.records(&self.decisions, from, self.ends.decisions_next, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.records(&self.dead_letters, from, self.ends.decisions_next, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        Ok(vec![])
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        Err(Error::corrupt(format!("an archive holds no snapshots, so none at {offset}")))
    }
}
