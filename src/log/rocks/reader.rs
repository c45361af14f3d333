//! Reading a log beside its writer, or without one, and without ever writing to its directory.

use super::scratch::Scratch;
use super::store::{Store, store_error};
use super::wal::{self, Damage};
use super::{directory, families, limit, loss};
use crate::error::{Error, ErrorKind, Result};
use crate::log::block::Record;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand, heads};
use conclave_core::units::Offset;
use rocksdb::DB;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A writer that deletes a file between two of our reads makes an attempt fail or look short.
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(30);

/// A store, and how it was opened.
struct Opened {
    store: Store,
    /// Whether it follows a writer. If not, it is damaged, and what there is of it is read.
    is_catching_up: bool,
    /// What was cut off it, since `RocksDB` would not come to an end with it.
    cut: Option<Error>,
}

/// A log, read up to where it ended at the last [`RocksReader::refresh`].
pub struct RocksReader {
    // Dropped in this order: the store is closed before its scratch directory goes.
    opened: Opened,
    scratch: Scratch,
    directory: PathBuf,
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
        let current = directory::store_to_read(dir).join("CURRENT");
        let is_there = current.try_exists().map_err(|error| {
            directory::refused(error, &format!("cannot read {}", current.display()))
        })?;
        if !is_there {
            return Err(incomplete(dir));
        }
        let scratch = Scratch::create()?;
        let opened = open_store(dir, &scratch)?;
        let (ends, damage) = (LogEnds::default(), None);
        let directory = dir.to_owned();
        let mut reader = Self { opened, scratch, directory, ends, damage };
        reader.look()?;
        Ok(reader)
    }

    /// Moves on to where the log ends now.
    ///
    /// # Errors
    /// `Corrupt` when nothing of the log can be read any more, `Unavailable` when the disk refuses.
    pub fn refresh(&mut self) -> Result<()> {
        let is_readable = self.opened.is_catching_up
            && wal::damages(&directory::store_to_read(&self.directory))?.is_empty();
        if !is_readable {
            // Opened as damaged: it may have been mended since, and does not follow a writer.
            self.opened = open_store(&self.directory, &self.scratch)?;
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
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses: nothing is known then.
    pub fn lost_from(&self) -> Result<Option<Offset>> {
        Ok(loss::assess(&self.directory, self)?.offset)
    }

    fn look(&mut self) -> Result<()> {
        for attempt in 1..=ATTEMPTS_MAX {
            // Read before catching up: what it names is stored, so catching up has to find it.
            let named = heads::read(&self.directory);
            // Twice: see `records`. Dead letters are sparse, so a hole in them would not show.
            let db = &self.opened.store.db;
            let caught_up = || (0..2).try_for_each(|_| db.try_catch_up_with_primary());
            if self.opened.is_catching_up && caught_up().is_err() {
                self.opened = open_store(&self.directory, &self.scratch)?;
            }
            (self.ends, self.damage) = self.judge(named)?;
            if self.damage.is_none() || !self.opened.is_catching_up {
                return Ok(());
            }
            if attempt < ATTEMPTS_MAX {
                std::thread::sleep(ATTEMPT_PAUSE);
            }
        }
        if self.starts_at_zero(&self.ends).is_err() {
            // Following stops at the first file that is missing; whoever only reads sees the rest.
            let path = directory::store_to_read(&self.directory);
            self.opened = open_damaged(&path, &self.scratch, None)?;
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
        let (seen, unseen) = match self.store().ends(hint.commands_next) {
            Ok(seen) => (seen, None),
            Err(error) if error.kind == ErrorKind::Corrupt => (hint, Some(error)),
            Err(error) => return Err(error),
        };
        if self.opened.is_catching_up {
            let checks = [
                loss::check(&hint, &seen, self.store()).err(),
                self.store().check_coverage(&seen).err(),
                self.starts_at_zero(&seen).err(),
            ];
            let found = checks.into_iter().flatten().next();
            let damage = unnamed.or(unseen).or(found);
            return Ok((seen, damage));
        }
        let readable = loss::readable(self.store(), &seen)?;
        let lost = readable.decisions_next;
        let why = match &self.opened.cut {
            Some(cut) => cut.to_string(),
            None => format!("the log in {} is damaged", self.directory.display()),
        };
        let damage = Error::corrupt(format!("{why}: it can be read before offset {lost} only"));
        Ok((readable, Some(damage)))
    }

    /// Whether the first records are there: those of the oldest files.
    fn starts_at_zero(&self, ends: &LogEnds) -> Result<()> {
        self.store().records::<StoredCommand>(Offset(0), ends.commands_next, 0)?;
        self.store().records::<DecisionRecord>(Offset(0), ends.decisions_next, 0)?;
        Ok(())
    }

    /// Beside a busy writer the newest records have a hole at times, which is gone after catching
    /// up once more (measured): presumably a write-ahead log was deleted after we had read the
    /// manifest and before we came to the logs.
    fn records<R: Record>(&self, from: Offset, before: Offset, bytes: usize) -> Result<Vec<R>> {
        let Opened { store, is_catching_up, cut: _ } = &self.opened;
        let mut read = store.records(from, before, bytes);
        for _ in 1..ATTEMPTS_MAX {
            let is_hole = *is_catching_up
                && read.as_ref().is_err_and(|error| error.kind == ErrorKind::Corrupt);
            if !is_hole || store.db.try_catch_up_with_primary().is_err() {
                break;
            }
            read = store.records(from, before, bytes);
        }
        read
    }

    pub(super) fn store(&self) -> &Store {
        &self.opened.store
    }

    /// Whether the store can be opened for writing as it lies there.
    pub(super) fn is_whole(&self) -> bool {
        self.opened.is_catching_up && !directory::is_half_replaced(&self.directory)
    }
}

/// What is wrong with a store that lacks what its writer creates before anything else. Until
/// `heads.log` names something, that writer was killed early, or is just being slow.
fn incomplete(dir: &Path) -> Error {
    match heads::read(dir) {
        Ok(Some(named)) if named != LogEnds::default() => Error::corrupt(format!(
            "{} holds no log any more: heads.log names {} commands",
            directory::store(dir).display(),
            named.commands_next
        )),
        Ok(_) => Error::unavailable(format!("{} has no log yet: try again", dir.display())),
        Err(error) => error,
    }
}

/// Opens the store of `dir` to follow its writer, or else, when it is damaged, to read what there
/// is.
fn open_store(dir: &Path, scratch: &Scratch) -> Result<Opened> {
    let path = directory::store_to_read(dir);
    let mut attempt = 1;
    loop {
        // Before every attempt, since RocksDB must not meet such a damage at all.
        let damages = wal::damages(&path)?;
        let refusal = match damages.first() {
            None => match follow(&path, scratch) {
                Err(error) if lacks_family(&error) => return Err(incomplete(dir)),
                Err(error) if error.kind == ErrorKind::Corrupt => error,
                answer => return answer,
            },
            Some(_) => match open_cut(&path, scratch, &damages) {
                Err(error) if error.kind == ErrorKind::Corrupt => error,
                answer => return answer,
            },
        };
        if attempt == ATTEMPTS_MAX {
            if !damages.is_empty() {
                return Err(refusal);
            }
            return open_damaged(&path, scratch, None).inspect_err(|_| {
                tracing::warn!(error = %refusal, "the log could not be followed either");
            });
        }
        attempt += 1;
        std::thread::sleep(ATTEMPT_PAUSE);
    }
}

/// Families are created one by one after the store itself.
fn lacks_family(error: &Error) -> bool {
    error.to_string().contains("Column family not found")
}

fn follow(path: &Path, scratch: &Scratch) -> Result<Opened> {
    let (path, secondary) = (path.to_owned(), scratch.path().to_owned());
    limit::opened(&path.clone(), limit::OPENING, move || {
        let (options, families) = (families::secondary(), families::descriptors());
        DB::open_cf_descriptors_as_secondary(&options, &path, &secondary, families)
            .map(|db| Opened { store: Store::new(db), is_catching_up: true, cut: None })
            .map_err(|error| store_error(error, &format!("cannot read {}", path.display())))
    })
}

fn open_cut(path: &Path, scratch: &Scratch, damages: &[Damage]) -> Result<Opened> {
    let mirror = scratch.mirror(path, damages)?;
    open_damaged(&mirror, scratch, damages.first().map(Damage::error))
}

fn open_damaged(path: &Path, scratch: &Scratch, cut: Option<Error>) -> Result<Opened> {
    let (path, notes) = (path.to_owned(), scratch.path().to_owned());
    limit::opened(&path.clone(), limit::OPENING, move || {
        let mut options = families::damaged();
        options.set_db_log_dir(&notes);
        DB::open_cf_descriptors_read_only(&options, &path, families::descriptors(), false)
            .map(|db| Opened { store: Store::new(db), is_catching_up: false, cut })
            .map_err(|error| {
                store_error(error, &format!("nothing of {} can be read", path.display()))
            })
    })
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
        self.store().snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.store().snapshot(offset)
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
