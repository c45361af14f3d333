//! Snapshots beside a log that is kept elsewhere: a store of its own, on this machine, and nothing
//! but a cache. What is damaged or missing is folded again.

use super::families;
use super::store::{Store, store_error};
use crate::error::{Error, Result};
use conclave_core::units::Offset;
use rocksdb::{DB, WriteOptions};
use std::path::Path;

/// Where the snapshots of one partition are kept.
pub struct SnapshotStore {
    store: Store,
}

impl std::fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotStore").finish_non_exhaustive()
    }
}

impl SnapshotStore {
    /// Opens the store in `dir`, or makes one.
    ///
    /// # Errors
    /// `Unavailable` when another process uses it or the disk refuses.
    pub fn open(dir: &Path) -> Result<Self> {
        let what = format!("snapshots in {} cannot be used", dir.display());
        std::fs::create_dir_all(dir)
            .map_err(|error| Error::unavailable(what.clone()).caused_by(error))?;
        let opened =
            DB::open_cf_descriptors(&families::new_database(), dir, families::descriptors());
        Ok(Self { store: Store::new(opened.map_err(|error| store_error(error, &what))?) })
    }

    /// Offsets of the snapshots, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn offsets(&self) -> Result<Vec<Offset>> {
        self.store.snapshots()
    }

    /// The snapshot at `offset`.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged or missing.
    pub fn read(&self, offset: Offset) -> Result<Vec<u8>> {
        self.store.snapshot(offset)
    }

    /// Keeps a snapshot, and the newest one before it.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn keep(&self, offset: Offset, bytes: &[u8]) -> Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.store.keep_snapshot(offset, bytes, &options)
    }
}
