//! Reading a log beside its writer, or without one, and without ever writing to its directory.

use super::store::{Store, store_error};
use super::{directory, families, limit, loss};
use crate::error::{Error, ErrorKind, Result};
use crate::log::block::Record;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand, heads};
use conclave_core::units::Offset;
use rocksdb::DB;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A writer that deletes a file between two of our reads makes an attempt fail or look short.
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(30);

/// A log, read up to where it ended at the last [`RocksReader::refresh`].
pub struct RocksReader {
    // Dropped in this order: the store is closed before its scratch directory goes.
    store: Store,
    scratch: Scratch,
    directory: PathBuf,
    is_catching_up: bool,
    ends: LogEnds,
    damage: Option<Error>,
}

impl RocksReader {
    /// Opens the log in `dir` for reading, whether somebody writes to it or not. A damaged one is
    /// opened too, as far as it can be: see [`RocksReader::damage`].
    ///
    /// # Errors
    /// `Invalid` when the directory is not ours or of another format, `Unavailable` when its log is
    /// just being created or there is no room for temporary files, `Corrupt` when nothing of it can
    /// be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let directory = dir.to_owned();
        limit::opened(&directory::store(dir), move || Self::open_at_once(&directory))
    }

    fn open_at_once(dir: &Path) -> Result<Self> {
        directory::check_format(dir)?;
        let path = directory::store(dir);
        if !path.join("CURRENT").exists() {
            return Err(match heads::read(dir)? {
                Some(named) if named != LogEnds::default() => {
                    Error::corrupt(format!("{} holds no log any more", path.display()))
                }
                _ => Error::unavailable(format!("{} has no log yet: try again", dir.display())),
            });
        }
        let scratch = Scratch::create()?;
        let (store, is_catching_up) = open_store(&path, &scratch)?;
        let (ends, damage) = (LogEnds::default(), None);
        let directory = dir.to_owned();
        let mut reader = Self { store, scratch, directory, is_catching_up, ends, damage };
        reader.look()?;
        Ok(reader)
    }

    /// Moves on to where the log ends now.
    ///
    /// # Errors
    /// `Corrupt` when nothing of the log can be read any more, `Unavailable` when the disk refuses.
    pub fn refresh(&mut self) -> Result<()> {
        if !self.is_catching_up {
            // Opened as damaged: it may have been mended since, and does not follow a writer.
            (self.store, self.is_catching_up) =
                open_store(&directory::store(&self.directory), &self.scratch)?;
        }
        self.look()
    }

    /// What is wrong with the log, as far as opening it tells; damage inside shows when it is read.
    /// Everything before [`LogReader::ends`] can still be asked for.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// The offset whose loss would have to be accepted to go on with this log: nothing from there
    /// on is whole. Reads everything; none when nothing is lost.
    #[must_use]
    pub fn lost_from(&self) -> Option<Offset> {
        loss::lost_from(&self.directory, self)
    }

    fn look(&mut self) -> Result<()> {
        for attempt in 1..=ATTEMPTS_MAX {
            // Read before catching up: what it names is stored, so catching up has to find it.
            let named = heads::read(&self.directory);
            // Twice: see `records`. Dead letters are sparse, so a hole in them would not show.
            let caught_up = || (0..2).try_for_each(|_| self.store.db.try_catch_up_with_primary());
            if self.is_catching_up && caught_up().is_err() {
                let path = directory::store(&self.directory);
                (self.store, self.is_catching_up) = open_store(&path, &self.scratch)?;
            }
            (self.ends, self.damage) = self.judge(named)?;
            if self.damage.is_none() || !self.is_catching_up {
                return Ok(());
            }
            if attempt < ATTEMPTS_MAX {
                std::thread::sleep(ATTEMPT_PAUSE);
            }
        }
        if self.starts_at_zero(&self.ends).is_err() {
            // Following stops at the first file that is missing; whoever only reads sees the rest.
            self.store = open_damaged(&directory::store(&self.directory), &self.scratch)?;
            self.is_catching_up = false;
            (self.ends, self.damage) = self.judge(heads::read(&self.directory))?;
        }
        Ok(())
    }

    fn judge(&self, named: Result<Option<LogEnds>>) -> Result<(LogEnds, Option<Error>)> {
        let hint = named.as_ref().ok().and_then(|named| *named).unwrap_or_default();
        let unnamed = match named {
            Ok(Some(_)) => None,
            Ok(None) => Some(loss::no_heads(&self.directory)),
            Err(error) => Some(error),
        };
        let (seen, unseen) = match self.store.ends(hint.commands_next) {
            Ok(seen) => (seen, None),
            Err(error) if error.kind == ErrorKind::Corrupt => (hint, Some(error)),
            Err(error) => return Err(error),
        };
        if self.is_catching_up {
            let checks =
                [loss::check(&hint, &seen, &self.store).err(), self.starts_at_zero(&seen).err()];
            let found = checks.into_iter().flatten().next();
            let damage = unnamed.or(unseen).or(found);
            return Ok((seen, damage));
        }
        let readable = loss::readable(&self.store, &seen);
        let lost = readable.decisions_next;
        let damage = Error::corrupt(format!(
            "the log in {} is damaged: it can be read before offset {lost} only",
            self.directory.display()
        ));
        Ok((readable, Some(damage)))
    }

    /// Whether the first records are there: those of the oldest files.
    fn starts_at_zero(&self, ends: &LogEnds) -> Result<()> {
        self.store.records::<StoredCommand>(Offset(0), ends.commands_next, 0)?;
        self.store.records::<DecisionRecord>(Offset(0), ends.decisions_next, 0)?;
        Ok(())
    }

    /// Beside a busy writer the newest records have a hole at times, which is gone after catching
    /// up once more (measured): presumably a write-ahead log was deleted after we had read the
    /// manifest and before we came to the logs.
    fn records<R: Record>(&self, from: Offset, before: Offset, bytes: usize) -> Result<Vec<R>> {
        let mut read = self.store.records(from, before, bytes);
        for _ in 1..ATTEMPTS_MAX {
            let is_hole = self.is_catching_up
                && read.as_ref().is_err_and(|error| error.kind == ErrorKind::Corrupt);
            if !is_hole || self.store.db.try_catch_up_with_primary().is_err() {
                break;
            }
            read = self.store.records(from, before, bytes);
        }
        read
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// Opens the store to follow its writer, or else, when it is damaged, to read what there is. Says
/// which of the two.
fn open_store(path: &Path, scratch: &Scratch) -> Result<(Store, bool)> {
    let mut damage = None;
    for _ in 0..ATTEMPTS_MAX {
        let (options, families) = (families::secondary(), families::descriptors());
        let secondary = scratch.path.as_path();
        match DB::open_cf_descriptors_as_secondary(&options, path, secondary, families) {
            Ok(db) => return Ok((Store { db }, true)),
            Err(error) => {
                let error = store_error(error, &format!("cannot read {}", path.display()));
                if error.kind != ErrorKind::Corrupt {
                    return Err(error);
                }
                damage = Some(error);
            }
        }
        std::thread::sleep(ATTEMPT_PAUSE);
    }
    open_damaged(path, scratch).map(|store| (store, false)).inspect_err(|_| {
        tracing::warn!(?damage, "the log could not be followed either");
    })
}

fn open_damaged(path: &Path, scratch: &Scratch) -> Result<Store> {
    let mut options = families::damaged();
    options.set_db_log_dir(&scratch.path);
    DB::open_cf_descriptors_read_only(&options, path, families::descriptors(), false)
        .map(|db| Store { db })
        .map_err(|error| store_error(error, &format!("nothing of {} can be read", path.display())))
}

impl LogReader for RocksReader {
    fn ends(&self) -> Result<LogEnds> {
        Ok(self.ends)
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.records(from, self.ends.commands_next, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.records(from, self.ends.decisions_next, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.records(from, self.ends.decisions_next, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.store.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.store.snapshot(offset)
    }
}

impl std::fmt::Debug for RocksReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { directory, ends, damage, .. } = self;
        f.debug_struct("RocksReader")
            .field("directory", directory)
            .field("ends", ends)
            .field("damage", damage)
            .finish_non_exhaustive()
    }
}

/// A directory of our own for what the store insists on writing while it reads.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn create() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = std::env::temp_dir();
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(format!("conclave-reader-{process}-{count}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left over by a process of the same number that was killed.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = format!("cannot create a directory in {}", parent.display());
                    return Err(directory::refused(error, &what));
                }
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "temporary files are left over");
        }
    }
}
