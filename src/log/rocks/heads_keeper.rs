//! Keeps `heads.log` at most a second old, off the path of commits. Without a write-ahead log that is
//! also how much a crash takes: what is to be named is flushed first, in the background.

use super::store::Store;
use crate::log::{LogEnds, file, heads};
use rocksdb::DB;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the file is replaced while the log grows.
const INTERVAL: Duration = Duration::from_millis(900);

pub(super) struct HeadsKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    directory: PathBuf,
    /// The store whose writes have to be flushed before they are named; none when they are in its
    /// write-ahead log.
    flush: Option<Arc<DB>>,
    /// What may be named: written already, never ahead of the log.
    newest: Mutex<Newest>,
    closing: Condvar,
    /// Held over a replacement, so that an older one never overtakes a newer one.
    written: Mutex<Written>,
}

struct Written {
    ends: LogEnds,
    /// Whether a power cut leaves this file and not an older one.
    is_name_synced: bool,
}

struct Newest {
    ends: LogEnds,
    is_closing: bool,
    failure: Option<String>,
}

impl HeadsKeeper {
    /// Starts keeping the file, which says `ends` now. What is written to `flush` is flushed before
    /// the file names it.
    pub(super) fn start(
        directory: &Path,
        ends: LogEnds,
        flush: Option<Arc<DB>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            flush,
            newest: Mutex::new(Newest { ends, is_closing: false, failure: None }),
            closing: Condvar::new(),
            written: Mutex::new(Written { ends, is_name_synced: true }),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("heads".to_owned())
            .spawn(move || of_thread.keep_until_closing())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Tells where the log ends now.
    pub(super) fn note(&self, ends: LogEnds) {
        lock(&self.shared.newest).ends = ends;
    }

    /// Writes what was told last. Its name is synced within an interval: syncing it at every write
    /// made durability `fsync` a quarter slower (measured), and all that a power cut brings back
    /// before that is an older file, which names less of a log that is whole.
    pub(super) fn write(&self) -> io::Result<()> {
        self.shared.write()
    }

    /// The same, and waits until a power cut leaves it there.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.shared.sync()
    }

    /// Why the file could not be replaced since the last call, if so.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.shared.newest).failure.take()
    }
}

impl Shared {
    fn keep_until_closing(&self) {
        let mut newest = lock(&self.newest);
        while !newest.is_closing {
            newest = self
                .closing
                .wait_timeout(newest, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            drop(newest);
            let written = self.sync();
            newest = lock(&self.newest);
            newest.failure = written.err().map(|error| error.to_string());
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut written = lock(&self.written);
        let ends = lock(&self.newest).ends;
        if written.ends != ends {
            if let Some(db) = &self.flush {
                Store::flush(db).map_err(io::Error::other)?;
            }
            heads::replace(&self.directory, &ends)?;
            *written = Written { ends, is_name_synced: false };
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.write()?;
        let mut written = lock(&self.written);
        if !written.is_name_synced {
            file::sync_names(&self.directory)?;
            written.is_name_synced = true;
        }
        Ok(())
    }
}

impl Drop for HeadsKeeper {
    fn drop(&mut self) {
        lock(&self.shared.newest).is_closing = true;
        self.shared.closing.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps heads.log panicked");
        }
        if let Err(error) = self.shared.sync() {
            tracing::warn!(%error, "heads.log could not be replaced while closing");
        }
    }
}

/// Nothing here is left half changed by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
