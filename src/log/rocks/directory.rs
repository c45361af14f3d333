//! The data directory: whether it is ours, of which format, and that nobody else writes to it.

use crate::error::{Error, Result};
use crate::log::file;
use conclave_core::units::Offset;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The format that this release writes and reads.
const FORMAT: u32 = 1;
const TITLE: &str = "conclave data directory, format";

const VERSION_FILE: &str = "VERSION";
/// Where councils are kept beside the log; `crate::council` calls it so as well.
const MODELS_DIRECTORY: &str = "models";
const LOCK_FILE: &str = "writer.lock";
const STORE_DIRECTORY: &str = "rocks";
const STORE_DIRECTORY_NEW: &str = "rocks.new";

/// Where the store is.
pub(super) fn store(directory: &Path) -> PathBuf {
    directory.join(STORE_DIRECTORY)
}

/// Where what is left of a damaged store is copied to.
pub(super) fn store_new(directory: &Path) -> PathBuf {
    directory.join(STORE_DIRECTORY_NEW)
}

/// Where a damaged store is kept once its loss from `offset` on was accepted.
pub(super) fn store_lost(directory: &Path, offset: Offset) -> PathBuf {
    directory.join(format!("{STORE_DIRECTORY}.lost-{offset}"))
}

/// Whether a crash interrupted the acceptance of a loss while the new store was taking the place of
/// the damaged one. The new one is whole then: it is moved only once it is.
pub(super) fn is_half_replaced(directory: &Path) -> bool {
    !store(directory).exists() && store_new(directory).exists()
}

/// Where a reader finds the store.
pub(super) fn store_to_read(directory: &Path) -> PathBuf {
    if is_half_replaced(directory) { store_new(directory) } else { store(directory) }
}

/// Checks that a store which holds something can be opened at all.
///
/// # Errors
/// `Corrupt` when it is missing, or the file that names its manifest is.
pub(super) fn check_store(store: &Path) -> Result<()> {
    if !store.exists() {
        return Err(Error::corrupt(format!("{} is missing", store.display())));
    }
    let current = store.join("CURRENT");
    match fs::metadata(&current) {
        Ok(found) if found.len() > 0 => Ok(()),
        _ => Err(Error::corrupt(format!(
            "{} is missing or empty, and nothing can be opened without it",
            current.display()
        ))),
    }
}

/// Creates the place of the store, under a name that outlives a power cut.
///
/// # Errors
/// `Unavailable` when the disk refuses.
pub(super) fn create_store(directory: &Path) -> Result<()> {
    let path = store(directory);
    if path.exists() {
        return Ok(());
    }
    file::create_directory(&path)
        .map_err(|error| refused(error, &format!("cannot create {}", path.display())))
}

/// Keeps other writers out of a directory until it is dropped.
pub(super) struct WriterLock(File);

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is being started just now has a copy
        // of it until its program begins, and the lock would live as long as that copy.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the writer's lock ends with the process, not before");
        }
    }
}

/// Locks the directory against other writers until the lock is dropped, creating it first.
///
/// # Errors
/// `Unavailable` when somebody holds it, `Invalid` when the directory is not ours.
pub(super) fn lock(directory: &Path) -> Result<WriterLock> {
    let shown = directory.display();
    file::create_directory(directory)
        .map_err(|error| refused(error, &format!("cannot create the data directory {shown}")))?;
    if !is_ours(directory)? {
        return Err(Error::invalid(format!(
            "{shown} is not empty and not a data directory of conclave: name an empty one"
        )));
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))
        .map_err(|error| refused(error, &format!("cannot write to {shown}")))?;
    match file.try_lock() {
        Ok(()) => Ok(WriterLock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::unavailable(format!(
            "{shown} is in use by another conclave process: stop it first; reading works beside it"
        ))),
        Err(TryLockError::Error(error)) => Err(refused(error, &format!("cannot lock {shown}"))),
    }
}

fn is_ours(directory: &Path) -> Result<bool> {
    let unreadable =
        |error| refused(error, &format!("cannot list the directory {}", directory.display()));
    let mut is_empty = true;
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if name == VERSION_FILE {
            return Ok(true);
        }
        // A crash may have left the lock, or the format half written, in an otherwise empty place;
        // and a council may have been laid there for a log that is to come.
        is_empty &= name == LOCK_FILE
            || name == MODELS_DIRECTORY
            || name.to_str() == Some(&format!("{VERSION_FILE}.new"));
    }
    Ok(is_empty)
}

/// Writes the format into a directory that has none yet. The caller holds the lock.
///
/// # Errors
/// `Unavailable` when the disk refuses.
pub(super) fn claim(directory: &Path) -> Result<()> {
    let path = directory.join(VERSION_FILE);
    if path.exists() {
        return Ok(());
    }
    let text = format!("{TITLE} {FORMAT}\n");
    file::replace(directory, VERSION_FILE, text.as_bytes())
        .and_then(|()| file::sync_names(directory))
        .map_err(|error| refused(error, &format!("cannot write {}", path.display())))
}

/// Checks that this release reads the directory's format.
///
/// # Errors
/// `Invalid` when the directory is not ours, or of another format.
pub(super) fn check_format(directory: &Path) -> Result<()> {
    let shown = directory.display();
    let text = match fs::read_to_string(directory.join(VERSION_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::invalid(format!(
                "{shown} is not a data directory of conclave: name one, or create it with \
                 `conclave demo`"
            )));
        }
        Err(error) => return Err(refused(error, &format!("cannot read the format of {shown}"))),
    };
    match text.trim_end().strip_prefix(TITLE).map(str::trim) {
        Some(format) if format == FORMAT.to_string() => Ok(()),
        Some(format) => Err(Error::invalid(format!(
            "{shown} has format {format}, this release reads format {FORMAT}: use the release that \
             wrote it"
        ))),
        None => Err(Error::invalid(format!(
            "{shown} does not say its format in the file {VERSION_FILE}: restore that file"
        ))),
    }
}

/// An error of the file system, which only its administrator can mend.
pub(super) fn refused(error: io::Error, what: &str) -> Error {
    Error::unavailable(what).caused_by(error)
}
