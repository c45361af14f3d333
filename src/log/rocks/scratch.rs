//! A directory of a reader's own: for what `RocksDB` insists on writing while it reads, and for a
//! mirror of a store that it must not read as it lies there.

use super::directory;
use super::wal::Damage;
use crate::error::Result;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Removed, with all that is in it, when it is dropped.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(super) fn create() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = std::env::temp_dir();
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(format!("conclave-reader-{process}-{count}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left over by a process of the same number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = format!("cannot create a directory in {}", parent.display());
                    return Err(directory::refused(error, &what));
                }
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The store at `store` with each damaged file cut where its damage begins: links to its files,
    /// and copies of the damaged ones. Later write-ahead logs stay, since only `RocksDB` knows
    /// which of them it still needs; a gap shows, because offsets are dense.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn mirror(&self, store: &Path, damages: &[Damage]) -> Result<PathBuf> {
        let mirror = self.path.join("mirror");
        let build = || -> io::Result<()> {
            if mirror.exists() {
                fs::remove_dir_all(&mirror)?;
            }
            fs::create_dir(&mirror)?;
            for entry in fs::read_dir(fs::canonicalize(store)?)? {
                let path = entry?.path();
                let Some(name) = path.file_name().filter(|_| is_of_the_store(&path)) else {
                    continue;
                };
                let damage = damages.iter().find(|damage| damage.path.file_name() == Some(name));
                match damage {
                    Some(damage) => copy_before(damage.byte, &path, &mirror.join(name))?,
                    None => link(&path, &mirror.join(name))?,
                }
            }
            Ok(())
        };
        build().map_err(|error| {
            directory::refused(
                error,
                &format!("cannot mirror {} in temporary files", store.display()),
            )
        })?;
        Ok(mirror)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "temporary files are left over");
        }
    }
}

/// Whether a file holds part of the store. The lock and the notes are what `RocksDB` might write
/// to, and a link would let it.
fn is_of_the_store(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.is_file() && !name.starts_with("LO")
}

fn copy_before(byte: u64, from: &Path, to: &Path) -> io::Result<()> {
    io::copy(&mut File::open(from)?.take(byte), &mut File::create(to)?).map(|_| ())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map(|_| ())
}
