//! Going on without what is lost, once the operator has named its first offset.

use super::loss::{self, Loss, READ_BYTES};
use super::reader::RocksReader;
use super::store::{Store, store_error};
use super::{directory, families};
use crate::error::{Error, Result};
use crate::log::block::{self, Record, plus};
use crate::log::{
    DeadLetterRecord, DecisionRecord, LogEnds, SNAPSHOTS_KEPT, StoredCommand, file, heads,
};
use conclave_core::units::Offset;
use rocksdb::{DB, WriteBatch, WriteOptions};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Goes on without everything from `offset` on: what is left is copied into a new store, and the
/// old one and its `heads.log` are kept under names that end in `lost-` and the offset. The caller
/// holds the lock.
///
/// # Errors
/// `Invalid` when nothing is lost, `Corrupt` when something is lost at another offset or nothing
/// can be read, `Unavailable` when the disk refuses.
pub(super) fn accept(dir: &Path, offset: Offset) -> Result<()> {
    let refused = |error| directory::refused(error, "cannot replace the damaged log");
    let reader = RocksReader::open(dir)?;
    let loss = loss::assess(dir, &reader)?;
    check_consent(&loss, offset)?;
    tracing::warn!(
        %offset,
        "the operator accepts the loss of everything from this offset on: {}",
        loss::price(offset)
    );
    if !directory::is_half_replaced(dir) {
        let path_new = directory::store_new(dir);
        remove_if_there(&path_new).map_err(refused)?;
        copy(reader.store(), &loss.left, &path_new)?;
        drop(reader);
        set_aside(dir, offset).map_err(refused)?;
    }
    let take_place = || -> io::Result<()> {
        fs::rename(directory::store_new(dir), directory::store(dir))?;
        file::sync_names(dir)?;
        heads::replace(dir, &loss.left)?;
        file::sync_names(dir)
    };
    take_place().map_err(refused)
}

fn check_consent(loss: &Loss, offset: Offset) -> Result<()> {
    match loss.offset {
        Some(first) if first == offset => Ok(()),
        Some(first) => Err(Error::corrupt(format!(
            "what is lost starts at offset {first}, not at {offset}: accept that, or restore a copy"
        ))),
        None => Err(Error::invalid(format!(
            "nothing is lost at offset {offset}: open the log without accepting a loss"
        ))),
    }
}

/// Keeps the evidence. The store's own name is free after this, which is what tells a later opening
/// that the new one is whole and takes its place.
fn set_aside(dir: &Path, offset: Offset) -> io::Result<()> {
    if heads::path(dir).exists() {
        fs::copy(heads::path(dir), free_name(heads::path_of_lost(dir, offset)))?;
    }
    file::sync_names(dir)?;
    fs::rename(directory::store(dir), free_name(directory::store_lost(dir, offset)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    if path.exists() { fs::remove_dir_all(path) } else { Ok(()) }
}

/// `path`, or that name with the first number that is free: evidence is never overwritten.
fn free_name(path: PathBuf) -> PathBuf {
    if !path.exists() {
        return path;
    }
    let mut numbered = (2_u32..).map(|number| path.with_added_extension(number.to_string()));
    numbered.find(|name| !name.exists()).expect("numbers do not end")
}

fn copy(from: &Store, left: &LogEnds, path: &Path) -> Result<()> {
    let refused = |error| store_error(error, "cannot write the new store");
    let db = DB::open_cf_descriptors(&families::new_database(), path, families::descriptors())
        .map_err(refused)?;
    let to = Store::new(db);
    copy_records::<StoredCommand>(from, &to, left.commands_next)?;
    copy_records::<DecisionRecord>(from, &to, left.decisions_next)?;
    if let Err(error) = copy_records::<DeadLetterRecord>(from, &to, left.decisions_next) {
        tracing::warn!(%error, "dead letters are lost as well");
    }
    let snapshots = from.snapshots().unwrap_or_default();
    let before = snapshots.into_iter().filter(|&offset| offset <= left.decisions_next);
    for offset in before.take(SNAPSHOTS_KEPT) {
        match from.snapshot(offset) {
            Ok(bytes) => to.keep_snapshot(offset, &bytes, &WriteOptions::default())?,
            Err(error) => tracing::warn!(%error, "a snapshot is lost as well"),
        }
    }
    let mut batch = WriteBatch::default();
    to.put_coverage(&mut batch, left);
    to.db.write_opt(batch, &WriteOptions::default()).map_err(refused)?;
    to.db.flush_wal(true).map_err(refused)
}

fn copy_records<R: Record>(from: &Store, to: &Store, before: Offset) -> Result<()> {
    let mut next = Offset(0);
    loop {
        let records = from.records::<R>(next, before, READ_BYTES)?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        next = plus(last.offset(), 1);
        let mut batch = WriteBatch::default();
        to.put(&mut batch, R::KIND, &block::pack(&records)?);
        to.db
            .write_opt(batch, &WriteOptions::default())
            .map_err(|error| store_error(error, "cannot write the new store"))?;
    }
}
