//! What was validated, kept in files between runs, one per partition.

use super::AnyWatch;
use crate::cli::page::say;
use crate::error::{Error, ErrorKind, Result};
use crate::log::file;
use crate::validate::{Feed, Validator, Watch};
use crate::wire::RecordedReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two writes at least.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// Writing takes this part of the time at most: books of a million ids are 100 MB.
const WRITE_SHARE: u32 = 20;

/// Where one partition's books are kept.
pub(super) struct Keeper {
    directory: PathBuf,
    name: String,
    /// Decisions and findings at the last write.
    written: (u64, usize),
    due: Instant,
}

impl Keeper {
    /// Keeps the books of `partition` in `directory`, which is made when it is missing.
    pub(super) fn open(directory: &Path, partition: i64) -> Result<Self> {
        file::create_directory(directory).map_err(|error| refused(directory, error))?;
        Ok(Self {
            directory: directory.to_owned(),
            name: format!("validated-{partition}.json"),
            written: (0, 0),
            due: Instant::now(),
        })
    }

    /// Goes on with what is kept, or at the beginning when there is nothing of use.
    ///
    /// # Errors
    /// `Corrupt` when the log does not hold what was validated, or the file is damaged.
    pub(super) fn resume(
        &mut self,
        partition: i64,
        feed: Box<dyn Feed>,
        reader: impl Fn() -> RecordedReader,
    ) -> Result<AnyWatch> {
        let path = self.directory.join(&self.name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Watch::new(feed, Validator::new(partition, reader(), &[])));
            }
            Err(error) => return Err(refused(&path, error)),
        };
        let shown = path.display();
        let (validator, places) = match Validator::of_kept(&bytes, partition, reader()) {
            Ok(kept) => kept,
            Err(error) if error.kind == ErrorKind::Corrupt => {
                let sentence = format!("{shown}: {error}. To begin at the beginning, remove it");
                return Err(Error::corrupt(sentence));
            }
            Err(error) => {
                say(&format!("{shown} is of no use, so it begins at the beginning: {error}"));
                return Ok(Watch::new(feed, Validator::new(partition, reader(), &[])));
            }
        };
        let watch = Watch::resume(feed, validator, places).map_err(|error| match error.kind {
            ErrorKind::Corrupt => {
                Error::corrupt(format!("{error}. To begin at the beginning, remove {shown}"))
            }
            _ => error,
        })?;
        say(&format!("partition {partition}: on from decision {}", watch.validator().covered()));
        self.written = state_of(&watch);
        Ok(watch)
    }

    /// Writes what `watch` knows, when that is due and it is at rest.
    pub(super) fn keep(&mut self, watch: &AnyWatch) -> Result<()> {
        let began = Instant::now();
        if began < self.due || state_of(watch) == self.written {
            return Ok(());
        }
        let Some(bytes) = watch.kept()? else { return Ok(()) };
        let done = file::replace(&self.directory, &self.name, &bytes);
        done.map_err(|error| refused(&self.directory, error))?;
        self.written = state_of(watch);
        self.due = Instant::now() + WRITE_EVERY.max(began.elapsed() * WRITE_SHARE);
        Ok(())
    }
}

fn state_of(watch: &AnyWatch) -> (u64, usize) {
    let validator = watch.validator();
    (validator.decision_count(), validator.findings().len())
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    let shown = path.display();
    let sentence = format!("{shown} cannot be used for --state: mend it, or name another");
    Error::unavailable(sentence).caused_by(error)
}
