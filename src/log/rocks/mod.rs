//! The embedded log: blocks in `RocksDB`, and `heads.log` beside it.
//!
//! A data directory holds `VERSION` (its format), `writer.lock`, `heads.log` and the store under
//! `rocks/`. An accepted batch is one write, a round with its dead letters and its coverage is
//! another; both are there in one piece or not at all. What the store says when it opens is
//! believed only as far as `heads.log` agrees.

mod accept;
mod directory;
mod families;
mod heads_keeper;
mod limit;
mod loss;
mod outbox_store;
mod reader;
mod scratch;
mod shared;
mod skip;
mod snapshot_store;
mod snapshots;
mod store;
mod wal;

pub use outbox_store::{KeptCommand, OutboxStore, held_bytes};
pub use reader::RocksReader;
pub use shared::SharedReader;
pub use skip::skip;
pub use snapshot_store::SnapshotStore;

use crate::error::{Error, ErrorKind, Result};
use crate::log::block::{self, BlockKind, plus};
use crate::log::skip::Skip;
use crate::log::{
    CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog, LogEnds, LogReader,
    RoundRecord, StoredCommand, check_dense, check_round,
};
use conclave_core::units::Offset;
use heads_keeper::HeadsKeeper;
use rocksdb::{DB, WriteBatch, WriteOptions};
use shared::SharedEnds;
use std::io;
use std::path::Path;
use std::sync::Arc;
use store::{Store, store_error};

/// What an acknowledged write outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, kill -9 included.
    #[default]
    Os,
    /// A power cut as well: every write waits for the disk.
    Fsync,
    /// Nothing for sure: a kill takes the newest second or so. What is left is a whole beginning of
    /// the log.
    None,
}

impl Durability {
    /// The durability as settings and reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Fsync => "fsync",
            Self::None => "none",
        }
    }
}

/// How to open a log for writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// What an acknowledged write outlives.
    pub durability: Durability,
    /// The operator's consent to lose everything from this offset on, which an error named. The
    /// damaged files are kept beside the new ones under names that end in `lost-` and the offset.
    pub accept_loss_at: Option<Offset>,
}

/// The embedded log, open for writing.
pub struct RocksLog {
    // Dropped in this order: the heads are written, the store is closed, the lock is released.
    keeper: HeadsKeeper,
    store: Arc<Store>,
    _lock: directory::WriterLock,
    durability: Durability,
    ends: LogEnds,
    shared_ends: SharedEnds,
    /// Why nothing is written any more until the log is opened again.
    failure: Option<String>,
}

impl RocksLog {
    /// Opens the log in `dir`, or creates one when the directory is empty or missing.
    ///
    /// # Errors
    /// `Unavailable` when another process writes to it or the disk refuses, `Invalid` when the
    /// directory is not ours or of another format, `Corrupt` when it holds less than `heads.log`
    /// names or cannot be read: then the message names the offset whose loss would have to be
    /// accepted.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<Self> {
        let lock = directory::lock(dir)?;
        directory::claim(dir)?;
        directory::check_format(dir)?;
        if let Some(offset) = options.accept_loss_at {
            accept::accept(dir, offset)?;
        }
        let named = loss::named(dir)?;
        let durability = options.durability;
        let (store, ends) =
            open_whole(dir, &named, durability).map_err(|error| loss::explain(dir, error))?;
        let flush = (durability == Durability::None).then(|| Arc::clone(&store.db));
        let keeper = HeadsKeeper::start(dir, named, flush)
            .map_err(|error| directory::refused(error, "cannot start a thread"))?;
        let (store, shared_ends) = (Arc::new(store), SharedEnds::default());
        shared_ends.set(ends);
        let mut log =
            Self { keeper, store, _lock: lock, durability, ends, shared_ends, failure: None };
        log.sync()?;
        Ok(log)
    }

    /// What an acknowledged write outlives.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// The same log for reading in other threads, for as long as it is open.
    #[must_use]
    pub fn reader(&self) -> SharedReader {
        SharedReader::of(&self.store, &self.shared_ends)
    }

    fn write_options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.durability == Durability::Fsync);
        options.disable_wal(self.durability == Durability::None);
        options
    }

    fn check_writable(&mut self) -> Result<()> {
        if self.failure.is_none() {
            self.failure = self.keeper.failure().map(|why| format!("heads.log: {why}"));
        }
        match &self.failure {
            None => Ok(()),
            Some(why) => Err(Error::unavailable(format!(
                "an earlier write failed ({why}): make room on the disk and open the log again"
            ))),
        }
    }

    /// Remembers that a write failed: nothing may follow what may be half written.
    fn fail(&mut self, error: Error) -> Error {
        self.failure = Some(error.to_string());
        error
    }

    /// Writes a batch that moves the log's ends, and what names them.
    fn write(&mut self, mut batch: WriteBatch, ends: LogEnds, what: &str) -> Result<()> {
        self.store.put_coverage(&mut batch, &ends);
        let written = self.store.db.write_opt(batch, &self.write_options());
        if let Err(error) = written {
            return Err(self.fail(store_error(error, what)));
        }
        let is_first_commit =
            self.ends.decisions_next == Offset(0) && ends.decisions_next > Offset(0);
        self.ends = ends;
        self.shared_ends.set(ends);
        self.keeper.note(ends);
        let written = match self.durability {
            _ if is_first_commit => self.keeper.sync(),
            Durability::Fsync => self.keeper.write(),
            Durability::Os | Durability::None => Ok(()),
        };
        if let Err(error) = self.check_heads(written) {
            // This write is stored and may be acknowledged; the next one finds the failure.
            tracing::error!(%error, "the log stops accepting writes");
        }
        Ok(())
    }

    fn check_heads(&mut self, written: io::Result<()>) -> Result<()> {
        written.map_err(|error| self.fail(directory::refused(error, "cannot replace heads.log")))
    }
}

/// Opens the store and checks that it holds all that `named` says.
fn open_whole(dir: &Path, named: &LogEnds, durability: Durability) -> Result<(Store, LogEnds)> {
    let path = directory::store(dir);
    let is_expected = named.commands_next > Offset(0) || directory::is_half_replaced(dir);
    if is_expected {
        directory::check_store(&path)?;
    }
    directory::create_store(dir)?;
    wal::check(&path)?;
    let store = limit::opened(&path.clone(), limit::OPENING, move || {
        let options = if is_expected { families::database() } else { families::new_database() };
        let options = match durability {
            Durability::Os | Durability::Fsync => options,
            Durability::None => families::flushed_together(options),
        };
        DB::open_cf_descriptors(&options, &path, families::descriptors())
            .map(Store::new)
            .map_err(|error| store_error(error, &format!("cannot open {}", path.display())))
    })?;
    let ends = store.ends(named.commands_next)?;
    store.check_coverage(&ends)?;
    loss::check(named, &ends, &store)?;
    Ok((store, ends))
}

impl LogReader for RocksLog {
    fn ends(&self) -> Result<LogEnds> {
        Ok(self.ends)
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.store.records(from, self.ends.commands_next, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.store.records(from, self.ends.decisions_next, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.store.records(from, self.ends.decisions_next, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.store.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.store.snapshot(offset)
    }
}

impl EventLog for RocksLog {
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        let first = self.ends.commands_next;
        if commands.is_empty() {
            return Ok(first);
        }
        self.check_writable()?;
        let blocks = block::pack(&block::numbered(first, commands))?;
        let mut batch = WriteBatch::default();
        self.store.put(&mut batch, BlockKind::Commands, &blocks);
        let ends = LogEnds { commands_next: plus(first, commands.len()), ..self.ends };
        self.write(batch, ends, "the commands were not accepted")?;
        Ok(first)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        // First, since after a failed write a caller may well be ahead of the log.
        self.check_writable().map_err(CommitError::Failed)?;
        check_round(&self.ends, round);
        check_dense(&self.ends, round);
        let Some(last) = round.decisions.last() else {
            return Ok(());
        };
        let decisions = block::pack(&round.decisions).map_err(CommitError::Failed)?;
        let dead_letters = block::pack(&round.dead_letters).map_err(CommitError::Failed)?;
        let mut batch = WriteBatch::default();
        self.store.put(&mut batch, BlockKind::Decisions, &decisions);
        self.store.put(&mut batch, BlockKind::DeadLetters, &dead_letters);
        let ends = LogEnds { decisions_next: plus(last.offset, 1), head: last.hash, ..self.ends };
        self.write(batch, ends, "the round may not be stored").map_err(|error| match error.kind {
            ErrorKind::Unavailable => CommitError::Unknown(error.to_string()),
            ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::Bug => CommitError::Failed(error),
        })
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        assert!(offset <= self.ends.decisions_next, "stored state never leads the committed log");
        self.check_writable()?;
        let kept = self.store.keep_snapshot(offset, bytes, &self.write_options());
        kept.map_err(|error| self.fail(error))
    }

    fn skips(&self) -> Result<Vec<Skip>> {
        crate::log::skip::read(self.keeper.directory())
    }

    fn sync(&mut self) -> Result<()> {
        self.check_writable()?;
        let stored = match self.durability {
            Durability::Os | Durability::Fsync => {
                let synced = self.store.db.flush_wal(true);
                synced.map_err(|error| store_error(error, "the log could not be synced"))
            }
            Durability::None => Store::flush(&self.store.db),
        };
        stored.map_err(|error| self.fail(error))?;
        self.keeper.note(self.ends);
        let written = self.keeper.sync();
        self.check_heads(written)
    }
}

impl std::fmt::Debug for RocksLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { durability, ends, failure, .. } = self;
        f.debug_struct("RocksLog")
            .field("durability", durability)
            .field("ends", ends)
            .field("failure", failure)
            .finish_non_exhaustive()
    }
}
