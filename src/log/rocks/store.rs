//! Blocks in `RocksDB`: finding them, reading over and up to damage. Writer and reader share it.

use super::families::{COMMANDS, DEAD_LETTERS, DECISIONS, META, SNAPSHOTS};
use crate::error::{Error, Result};
use crate::log::LogEnds;
use crate::log::block::{Block, BlockKind, PackedBlock, Record, plus};
use crate::log::{DecisionRecord, StoredCommand};
use conclave_core::units::{Hash32, Offset};
use rocksdb::{ColumnFamily, DB, DBRawIterator, FlushOptions, WriteBatch};
use std::sync::Arc;

/// Key in `meta` of the ends that the newest write named.
const COVERAGE_KEY: &[u8] = b"coverage";

pub(super) struct Store {
    pub(super) db: Arc<DB>,
}

impl Store {
    pub(super) fn new(db: DB) -> Self {
        Self { db: Arc::new(db) }
    }

    /// Brings what was written without a write-ahead log to the disk: all families up to one write,
    /// when the store was opened for that.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn flush(db: &DB) -> Result<()> {
        let families = [COMMANDS, DECISIONS, DEAD_LETTERS, SNAPSHOTS, META];
        let families =
            families.map(|name| db.cf_handle(name).expect("every family is opened with the store"));
        db.flush_cfs_opt(&families.each_ref().map(|family| *family), &FlushOptions::default())
            .map_err(|error| store_error(error, "the log could not be flushed"))
    }

    pub(super) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family is opened with the store")
    }

    /// Adds blocks to what will be written in one piece.
    pub(super) fn put(&self, batch: &mut WriteBatch, kind: BlockKind, blocks: &[PackedBlock]) {
        let family = self.family(family_of(kind));
        for block in blocks {
            batch.put_cf(family, key_of(block.first), &block.bytes);
        }
    }

    /// Adds the log's ends: they are covered by the same write that moves them.
    pub(super) fn put_coverage(&self, batch: &mut WriteBatch, ends: &LogEnds) {
        let mut value = key_of(ends.commands_next).to_vec();
        value.extend_from_slice(&key_of(ends.decisions_next));
        value.extend_from_slice(&ends.head.0);
        batch.put_cf(self.family(META), COVERAGE_KEY, value);
    }

    /// Checks that the blocks end where the newest write said they would.
    pub(super) fn check_coverage(&self, ends: &LogEnds) -> Result<()> {
        let what = "the store's record of its own ends";
        let stored = self.db.get_pinned_cf(self.family(META), COVERAGE_KEY);
        let stored =
            stored.map_err(|error| store_error(error, &format!("{what} is unreadable")))?;
        let covered = match &stored {
            Some(value) => {
                parse_coverage(value).ok_or_else(|| Error::corrupt(format!("{what} is damaged")))?
            }
            None => LogEnds::default(),
        };
        if covered == *ends {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "the log holds commands before offset {} and decisions before offset {}, but its \
             newest write ended at {} and {}",
            ends.commands_next, ends.decisions_next, covered.commands_next, covered.decisions_next
        )))
    }

    /// Where the stored blocks end. `hint` is an offset near the end, for when the end is damaged.
    pub(super) fn ends(&self, hint: Offset) -> Result<LogEnds> {
        let commands_next = self.last::<StoredCommand>(hint)?.map_or(Offset(0), |last| last.0);
        let last = self.last::<DecisionRecord>(hint)?;
        let head = last.as_ref().map_or_else(Hash32::default, |(_, record)| record.hash);
        let decisions_next = last.map_or(Offset(0), |last| last.0);
        Ok(LogEnds { commands_next, decisions_next, head })
    }

    /// The last readable record, and the offset after it.
    fn last<R: Record>(&self, hint: Offset) -> Result<Option<(Offset, R)>> {
        let mut blocks = self.db.raw_iterator_cf(self.family(family_of(R::KIND)));
        blocks.seek_to_last();
        if blocks.status().is_err() {
            seek_over_damage(&mut blocks, hint);
        }
        let Some((key, value)) = blocks.item() else {
            blocks.status().map_err(|error| unreadable(R::KIND, hint, error))?;
            return Ok(None);
        };
        let block = Block::read(R::KIND, offset_of(key, R::KIND)?, value)?;
        let record = block.record::<R>(block.count() - 1)?;
        Ok(Some((plus(record.offset(), 1), record)))
    }

    /// Records in `from..before`, at least one if there is one, stopping once `bytes_max` is
    /// passed.
    ///
    /// Records before a damaged place are handed out first: the call that fails is the one that
    /// starts at the first unreadable offset.
    pub(super) fn records<R: Record>(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
    ) -> Result<Vec<R>> {
        let mut taken = Vec::new();
        match self.collect(from.max(Offset(0)), before, bytes_max, &mut taken) {
            Err(error) if taken.is_empty() => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    fn collect<R: Record>(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        taken: &mut Vec<R>,
    ) -> Result<()> {
        let mut blocks = self.db.raw_iterator_cf(self.family(family_of(R::KIND)));
        let is_dense = R::KIND != BlockKind::DeadLetters;
        let mut next = from;
        let mut bytes = 0;
        let mut damage = if next < before { seek(&mut blocks, next).err() } else { None };
        // A block that the search met and could not read is not missing.
        let mut absent = |next| match damage.take() {
            Some(error) => unreadable(R::KIND, next, error),
            None => missing(R::KIND, next),
        };
        while next < before {
            let Some((key, value)) = blocks.item() else {
                blocks.status().map_err(|error| unreadable(R::KIND, next, error))?;
                return if is_dense { Err(absent(next)) } else { Ok(()) };
            };
            let first = offset_of(key, R::KIND)?;
            let block = Block::read(R::KIND, first, value)?;
            if is_dense && !(first <= next && next < plus(first, block.count())) {
                return Err(absent(next));
            }
            let skipped = if is_dense { index_of(first, next) } else { 0 };
            for index in skipped..block.count() {
                let record = block.record::<R>(index)?;
                if record.offset() < from {
                    continue;
                }
                if record.offset() >= before || bytes > bytes_max {
                    return Ok(());
                }
                next = plus(record.offset(), 1);
                bytes += record.weight();
                taken.push(record);
            }
            blocks.next();
        }
        Ok(())
    }
}

fn parse_coverage(value: &[u8]) -> Option<LogEnds> {
    let (commands_next, rest) = value.split_first_chunk()?;
    let (decisions_next, head) = rest.split_first_chunk()?;
    Some(LogEnds {
        commands_next: Offset(i64::from_be_bytes(*commands_next)),
        decisions_next: Offset(i64::from_be_bytes(*decisions_next)),
        head: Hash32(head.try_into().ok()?),
    })
}

fn family_of(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Commands => COMMANDS,
        BlockKind::Decisions => DECISIONS,
        BlockKind::DeadLetters => DEAD_LETTERS,
    }
}

/// Offsets are never negative, so their big-endian bytes sort as they do.
pub(super) fn key_of(offset: Offset) -> [u8; 8] {
    assert!(offset.0 >= 0, "offsets start at 0");
    offset.0.to_be_bytes()
}

fn offset_of(key: &[u8], kind: BlockKind) -> Result<Offset> {
    let bytes = key.try_into().map_err(|_| {
        Error::corrupt(format!("a key of the {} is {} bytes long, not 8", kind.as_str(), key.len()))
    })?;
    Ok(Offset(i64::from_be_bytes(bytes)))
}

fn index_of(first: Offset, offset: Offset) -> usize {
    usize::try_from(offset.0 - first.0).expect("an offset within a block")
}

/// Moves to the block that holds `from`, or else to the first one. An error is the damage that was
/// met on the way: the block may be readable all the same.
fn seek(blocks: &mut DBRawIterator<'_>, from: Offset) -> std::result::Result<(), rocksdb::Error> {
    blocks.seek_for_prev(key_of(from));
    let met = blocks.status();
    if met.is_err() {
        seek_over_damage(blocks, from);
    } else if !blocks.valid() {
        blocks.seek_to_first();
    }
    met
}

/// The same when the store cannot search backwards from `from`: it looks at the block behind as
/// well, and that one may be damaged. Goes back in growing steps, then forward block by block.
fn seek_over_damage(blocks: &mut DBRawIterator<'_>, from: Offset) {
    let mut step = 1_i64;
    while !blocks.valid() {
        let before = from.0.saturating_sub(step);
        if before <= 0 {
            blocks.seek_to_first();
            break;
        }
        blocks.seek_for_prev(key_of(Offset(before)));
        step = step.saturating_mul(2);
    }
    let mut last_key = None;
    while let Some(key) = blocks.key().filter(|&key| *key <= key_of(from)[..]) {
        last_key = Some(key.to_vec());
        blocks.next();
    }
    if let Some(key) = last_key {
        blocks.seek(key);
    }
}

fn missing(kind: BlockKind, offset: Offset) -> Error {
    let kind = kind.as_str();
    Error::corrupt(format!("the {kind} cannot be read from offset {offset} on: they are missing"))
}

fn unreadable(kind: BlockKind, offset: Offset, error: rocksdb::Error) -> Error {
    let kind = kind.as_str();
    store_error(error, &format!("the {kind} cannot be read from offset {offset} on"))
}

/// An error of the store, sorted by what to do next.
pub(super) fn store_error(error: rocksdb::Error, what: &str) -> Error {
    // A file that is gone is damage, however the system call that noticed it puts that; and so is a
    // family that the manifest does not name.
    let is_gone = error.as_ref().contains("No such file");
    let lacks_family = error.as_ref().contains("Column family not found");
    match error.kind() {
        rocksdb::ErrorKind::Corruption => Error::corrupt(what),
        rocksdb::ErrorKind::IOError if is_gone => Error::corrupt(what),
        rocksdb::ErrorKind::InvalidArgument if lacks_family => Error::corrupt(what),
        _ => Error::unavailable(what),
    }
    .caused_by(error)
}
