//! A file that is there under its name whole, or not at all.

use crate::error::{Error, Result};
use crate::log::file::sync_names;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file while it is written: `NAME.part`. It goes when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// Holds the lock: who makes the same archive at the same time is refused.
    file: File,
    is_named: bool,
}

impl Part {
    /// Begins the file that will be called `to`. One that a killed process left is written over.
    ///
    /// # Errors
    /// `Invalid` when `to` is there already or names no file; `Unavailable` when somebody else
    /// makes it, or the disk refuses.
    pub(super) fn create(to: &Path) -> Result<Self> {
        check_absent(to)?;
        let Some(name) = to.file_name() else {
            return Err(Error::invalid(format!("{} names no file", to.display())));
        };
        let mut name = name.to_owned();
        name.push(".part");
        let path = to.with_file_name(name);
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(false).read(true).write(true).open(&path);
        let file = opened.map_err(|error| refused(to, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                return Err(Error::unavailable(format!("somebody is writing {path}: wait for it")));
            }
            Err(TryLockError::Error(error)) => return Err(refused(to, error)),
        }
        // Whoever held the lock until now may have given this very file its name.
        check_absent(to)?;
        file.set_len(0).map_err(|error| refused(to, error))?;
        Ok(Self { path, file, is_named: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written.
    pub(super) fn file(&self) -> Result<File> {
        self.file.try_clone().map_err(|error| refused(&self.path, error))
    }

    /// Gives the file its name, for good.
    ///
    /// # Errors
    /// `Invalid` when that name was taken meanwhile, `Unavailable` when the disk refuses.
    pub(super) fn put(mut self, to: &Path) -> Result<()> {
        check_absent(to)?;
        self.file.sync_all().map_err(|error| refused(to, error))?;
        fs::rename(&self.path, to).map_err(|error| refused(to, error))?;
        self.is_named = true;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_names(parent.unwrap_or_else(|| Path::new("."))).map_err(|error| refused(to, error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_named {
            // What stays is written over by the next one.
            let _ignored = fs::remove_file(&self.path);
        }
    }
}

fn check_absent(to: &Path) -> Result<()> {
    if !to.exists() {
        return Ok(());
    }
    let to = to.display();
    Err(Error::invalid(format!("{to} is there already: choose another name, or move it away")))
}

fn refused(to: &Path, error: io::Error) -> Error {
    let to = to.display();
    Error::unavailable(format!(
        "{to} cannot be written: check that its folder exists, may be written to and has room"
    ))
    .caused_by(error)
}
