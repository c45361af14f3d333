//! Commands that wait for a log that is kept elsewhere: a store of its own, on this machine, that
//! forgets what was delivered.
//!
//! A key is the position of a command, a value the partition that it goes to and one block of one
//! command, which checks itself. Positions only grow and are never given out twice: the newest
//! write also says which comes next.

use super::store::store_error;
use super::{Durability, families};
use crate::error::{Error, Result};
use crate::log::block::{Block, BlockKind, NumberedCommand, RECORD_HELD_BYTES, Record as _, pack};
use crate::log::{CommandRecord, Headers, StoredCommand};
use conclave_core::units::Offset;
use rocksdb::{DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};
use std::path::Path;

/// Key of the next position. Behind all positions, which begin with a zero.
const NEXT_KEY: &[u8] = b"next";
const MEMTABLE_BYTES: usize = 16 * 1024 * 1024;

/// A command that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCommand {
    /// Its place among all that were ever kept here.
    pub position: i64,
    /// Where it goes.
    pub partition: i32,
    /// The command. Its time is the log's affair.
    pub record: CommandRecord,
}

impl KeptCommand {
    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let CommandRecord { key, value, headers, .. } = &self.record;
        held_bytes(key, value, headers)
    }
}

/// Bytes that a command takes while it is kept, about.
#[must_use]
pub fn held_bytes(key: &[u8], value: &[u8], headers: &Headers) -> u64 {
    (RECORD_HELD_BYTES + key.len() + value.len() + headers.bytes()) as u64
}

/// Where commands are kept until they are delivered.
pub struct OutboxStore {
    db: DB,
    next: i64,
    durability: Durability,
}

impl std::fmt::Debug for OutboxStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxStore").field("next", &self.next).finish_non_exhaustive()
    }
}

impl OutboxStore {
    /// Opens the store in `dir`, or makes one. What a kill cut off at the end was never accepted.
    ///
    /// # Errors
    /// `Unavailable` when another process uses it or the disk refuses, `Corrupt` when it is
    /// damaged.
    pub fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let what =
            format!("the outbox in {} cannot be used (docs/runbooks/kafka-away.md)", dir.display());
        std::fs::create_dir_all(dir)
            .map_err(|error| Error::unavailable(what.clone()).caused_by(error))?;
        let opened = DB::open(&options(), dir).map_err(|error| store_error(error, &what))?;
        let mut store = Self { db: opened, next: 0, durability };
        let next = store.db.get(NEXT_KEY).map_err(|error| store_error(error, &what))?;
        if let Some(next) = next {
            let next = next.try_into().map_err(|_| Error::corrupt(what))?;
            store.next = i64::from_be_bytes(next);
        }
        Ok(store)
    }

    /// The position that comes next.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// How many commands are kept, and their bytes. Looks at each.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held(&self) -> Result<(u64, u64)> {
        let (mut commands, mut bytes) = (0, 0);
        for entry in self.db.iterator(IteratorMode::Start) {
            let (key, value) = entry.map_err(unreadable)?;
            if position_of(&key).is_some() {
                commands += 1;
                bytes += value.len() as u64;
            }
        }
        Ok((commands, bytes))
    }

    /// Keeps commands, each with the partition that it goes to, as durably as the store was opened
    /// for, and forgets those at `delivered`. Returns the position of the first one.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses: nobody knows whether they are kept, and the store is of
    /// no further use until it is opened again. `Invalid` when one is too long.
    pub fn keep(&mut self, commands: &[(i32, &CommandRecord)], delivered: &[i64]) -> Result<i64> {
        let (first, mut batch) = (self.next, WriteBatch::default());
        for (position, (partition, record)) in (first..).zip(commands) {
            let numbered = NumberedCommand { offset: Offset(position), record };
            for block in pack(&[numbered])? {
                let value = [&partition.to_be_bytes(), block.bytes.as_slice()].concat();
                batch.put(position.to_be_bytes(), value);
            }
            self.next = position + 1;
        }
        batch.put(NEXT_KEY, self.next.to_be_bytes());
        forget(&mut batch, delivered);
        let mut how = WriteOptions::default();
        how.set_sync(self.durability == Durability::Fsync);
        how.disable_wal(self.durability == Durability::None);
        self.db
            .write_opt(batch, &how)
            .map_err(|error| store_error(error, "the outbox could not be written"))?;
        Ok(first)
    }

    /// Forgets commands that were delivered. After a power cut some may be there again.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn forget(&self, delivered: &[i64]) -> Result<()> {
        let (mut batch, mut how) = (WriteBatch::default(), WriteOptions::default());
        forget(&mut batch, delivered);
        how.disable_wal(self.durability == Durability::None);
        self.db
            .write_opt(batch, &how)
            .map_err(|error| store_error(error, "the outbox could not be written"))
    }

    /// Commands from `from` on, in the order in which they were kept, at least one if there is one,
    /// stopping once `bytes_max` is passed.
    ///
    /// # Errors
    /// `Corrupt` when one is damaged, `Unavailable` when the disk refuses.
    pub fn read(&self, from: i64, bytes_max: usize) -> Result<Vec<KeptCommand>> {
        let start = from.to_be_bytes();
        let entries = self.db.iterator(IteratorMode::From(&start, Direction::Forward));
        let (mut kept, mut bytes) = (Vec::new(), 0);
        for entry in entries {
            let (key, value) = entry.map_err(unreadable)?;
            let Some(position) = position_of(&key) else { break };
            let cut = || Error::corrupt(format!("command {position} of the outbox is cut off"));
            let (partition, block) = value.split_first_chunk().ok_or_else(cut)?;
            let partition = i32::from_be_bytes(*partition);
            let block = Block::read(BlockKind::Commands, Offset(position), block)?;
            let stored: StoredCommand = block.record(0)?;
            bytes += stored.weight();
            kept.push(KeptCommand { position, partition, record: stored.record });
            if bytes > bytes_max {
                break;
            }
        }
        Ok(kept)
    }
}

fn forget(batch: &mut WriteBatch, delivered: &[i64]) {
    delivered.iter().for_each(|position| batch.delete(position.to_be_bytes()));
}

fn position_of(key: &[u8]) -> Option<i64> {
    key.try_into().ok().map(i64::from_be_bytes)
}

fn unreadable(error: rocksdb::Error) -> Error {
    store_error(error, "the outbox cannot be read (docs/runbooks/kafka-away.md)")
}

fn options() -> Options {
    let mut options = families::new_database();
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::*;
    use conclave_core::units::TimeMs;
    use std::fs;

    fn command(name: &str) -> CommandRecord {
        let headers = Headers::from([("traceparent", name.as_bytes())]);
        let value = vec![7; 300];
        CommandRecord { time_ms: TimeMs(0), key: name.as_bytes().to_vec(), value, headers }
    }

    fn open(dir: &Path) -> OutboxStore {
        OutboxStore::open(dir, Durability::Os).unwrap()
    }

    /// What is kept, from `from` on: position, partition and key of each.
    fn kept(store: &OutboxStore, from: i64) -> Vec<(i64, i32, String)> {
        let kept = store.read(from, usize::MAX).unwrap();
        let named = |one: KeptCommand| {
            assert_eq!(one.record, command(&String::from_utf8(one.record.key.clone()).unwrap()));
            (one.position, one.partition, String::from_utf8(one.record.key).unwrap())
        };
        kept.into_iter().map(named).collect()
    }

    fn at(position: i64, partition: i32, name: &str) -> (i64, i32, String) {
        (position, partition, name.to_owned())
    }

    #[test]
    fn what_is_kept_is_there_again_until_it_is_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let (a, b, c) = (command("a"), command("b"), command("c"));
        assert_eq!(store.keep(&[(3, &a), (0, &b)], &[]).unwrap(), 0);
        assert_eq!(store.keep(&[(3, &c)], &[0]).unwrap(), 2);
        drop(store);
        let store = open(folder.path());
        assert_eq!(kept(&store, 0), [at(1, 0, "b"), at(2, 3, "c")]);
        assert_eq!(kept(&store, 2), [at(2, 3, "c")]);
        assert_eq!((store.held().unwrap().0, store.next()), (2, 3));
        assert_eq!(store.read(0, 0).unwrap().len(), 1, "one at least");
    }

    #[test]
    fn a_position_is_never_given_out_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        store.keep(&[(0, &command("a")), (0, &command("b"))], &[]).unwrap();
        store.forget(&[0, 1]).unwrap();
        drop(store);
        let mut store = open(folder.path());
        assert_eq!((store.held().unwrap(), store.next()), ((0, 0), 2));
        assert_eq!(store.keep(&[(0, &command("c"))], &[]).unwrap(), 2);
    }

    #[test]
    fn two_processes_never_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let _store = open(folder.path());
        let error = OutboxStore::open(folder.path(), Durability::Os).unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Unavailable, "{error}");
    }

    /// A copy of the files as a kill left them, without the last `torn` bytes of the newest write.
    fn torn_copy(from: &Path, to: &Path, torn: usize) {
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            let mut bytes = fs::read(file.path()).unwrap();
            let is_log = file.path().extension().is_some_and(|name| name == "log");
            if is_log {
                // The file is as long as was written: nothing is preallocated.
                bytes.truncate(bytes.len() - torn);
            }
            fs::write(to.join(file.file_name()), bytes).unwrap();
        }
    }

    #[test]
    fn a_torn_end_costs_the_newest_write_and_nothing_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        store.keep(&[(0, &command("a"))], &[]).unwrap();
        store.keep(&[(0, &command("b")), (0, &command("c"))], &[0]).unwrap();
        for torn in [1, 7, 100, 500] {
            let copy = tempfile::tempdir().unwrap();
            torn_copy(folder.path(), copy.path(), torn);
            let mut store = open(copy.path());
            assert_eq!(kept(&store, 0), [at(0, 0, "a")], "{torn} bytes torn off");
            assert_eq!(store.next(), 1, "{torn} bytes torn off");
            assert_eq!(store.keep(&[(1, &command("d"))], &[]).unwrap(), 1);
        }
        let copy = tempfile::tempdir().unwrap();
        torn_copy(folder.path(), copy.path(), 0);
        assert_eq!(kept(&open(copy.path()), 0), [at(1, 0, "b"), at(2, 0, "c")]);
    }

    #[test]
    fn a_damaged_command_is_never_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        store.keep(&[(0, &command("a"))], &[]).unwrap();
        let mut value = store.db.get(0_i64.to_be_bytes()).unwrap().unwrap();
        value[40] ^= 1;
        store.db.put(0_i64.to_be_bytes(), value).unwrap();
        let error = store.read(0, 9).unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Corrupt, "{error}");
    }
}
