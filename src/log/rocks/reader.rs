//! Reading a log beside its writer, or without one, and without ever writing to its directory.

use super::store::{Store, store_error};
use super::{directory, families, loss};
use crate::error::{Error, ErrorKind, Result};
use crate::log::{
    DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand, heads,
};
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

    fn look(&mut self) -> Result<()> {
        for attempt in 1..=ATTEMPTS_MAX {
            // Read before catching up: what it names is stored, so catching up has to find it.
            let named = heads::read(&self.directory);
            if self.is_catching_up && self.store.db.try_catch_up_with_primary().is_err() {
                let path = directory::store(&self.directory);
                (self.store, self.is_catching_up) = open_store(&path, &self.scratch)?;
            }
            (self.ends, self.damage) = self.judge(named)?;
            if self.damage.is_none() || !self.is_catching_up || attempt == ATTEMPTS_MAX {
                break;
            }
            std::thread::sleep(ATTEMPT_PAUSE);
        }
        Ok(())
    }

    fn judge(&self, named: Result<Option<LogEnds>>) -> Result<(LogEnds, Option<Error>)> {
        let hint = named.as_ref().ok().and_then(|named| *named).unwrap_or_default();
        let seen = self.store.ends(hint.commands_next)?;
        let (named, unnamed) = match named {
            Ok(Some(named)) => (named, None),
            Ok(None) => (hint, Some(loss::no_heads(&self.directory))),
            Err(error) => (hint, Some(error)),
        };
        if self.is_catching_up {
            let damage = unnamed.or_else(|| loss::check(&named, &seen, &self.store).err());
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
    let mut options = families::damaged();
    options.set_db_log_dir(&scratch.path);
    let families = families::descriptors();
    match DB::open_cf_descriptors_read_only(&options, path, families, false) {
        Ok(db) => Ok((Store { db }, false)),
        Err(error) => {
            tracing::warn!(?damage, "the log could not be followed either");
            Err(store_error(error, &format!("nothing of {} can be read", path.display())))
        }
    }
}

impl LogReader for RocksReader {
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
