//! Acknowledged records that are gone: noticing it, naming the first one, and going on without them
//! once the operator has named it too.

use super::reader::RocksReader;
use super::store::{Store, store_error};
use super::{directory, families};
use crate::error::{Error, ErrorKind, Result};
use crate::log::block::{self, Record, plus};
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, SNAPSHOTS_KEPT, StoredCommand, heads};
use conclave_core::units::{Hash32, Offset};
use rocksdb::{DB, WriteBatch, WriteOptions};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes copied at once.
const COPY_BYTES: usize = 4 * 1024 * 1024;

/// What `heads.log` says of a directory that is ours; written first when nothing was stored yet.
///
/// # Errors
/// `Corrupt` when it is damaged, or missing beside a store.
pub(super) fn named(dir: &Path) -> Result<LogEnds> {
    match heads::read(dir) {
        Ok(Some(named)) => Ok(named),
        Ok(None) if directory::store(dir).exists() => Err(explain(dir, no_heads(dir))),
        Ok(None) => {
            let named = LogEnds::default();
            heads::replace(dir, &named)
                .map_err(|error| directory::refused(error, "cannot write heads.log"))?;
            Ok(named)
        }
        Err(error) => Err(explain(dir, error)),
    }
}

pub(super) fn no_heads(dir: &Path) -> Error {
    let path = heads::path(dir);
    Error::corrupt(format!(
        "{} is missing: nobody can tell whether the log is whole",
        path.display()
    ))
}

/// Checks that a log that ends at `found` holds all that `named` says, and the same.
///
/// # Errors
/// `Corrupt`, naming the offsets.
pub(super) fn check(named: &LogEnds, found: &LogEnds, store: &Store) -> Result<()> {
    let pairs = [
        ("decisions", found.decisions_next, named.decisions_next),
        ("commands", found.commands_next, named.commands_next),
    ];
    for (what, found, named) in pairs {
        if found < named {
            return Err(Error::corrupt(format!(
                "acknowledged {what} are gone: the log ends before offset {found}, heads.log says \
                 before offset {named}"
            )));
        }
    }
    if found.decisions_next > found.commands_next {
        return Err(Error::corrupt(format!(
            "commands are gone: they end before offset {}, their decisions before offset {}",
            found.commands_next, found.decisions_next
        )));
    }
    if head_at(named.decisions_next, store)? != named.head {
        return Err(Error::corrupt(format!(
            "decision {} is not the one that heads.log names",
            named.decisions_next.0 - 1
        )));
    }
    Ok(())
}

fn head_at(decisions_next: Offset, store: &Store) -> Result<Hash32> {
    if decisions_next == Offset(0) {
        return Ok(Hash32::default());
    }
    let last = Offset(decisions_next.0 - 1);
    let read = store.records::<DecisionRecord>(last, decisions_next, 0)?;
    Ok(read.first().map_or_else(Hash32::default, |decision| decision.hash))
}

/// How far the log can be read without a gap: decisions only as far as their commands.
pub(super) fn readable(store: &Store, seen: &LogEnds) -> LogEnds {
    let commands_next = readable_end::<StoredCommand>(store, seen.commands_next);
    let decisions_end = readable_end::<DecisionRecord>(store, seen.decisions_next);
    let decisions_next = decisions_end.min(commands_next);
    let head = head_at(decisions_next, store).unwrap_or_default();
    LogEnds { commands_next, decisions_next, head }
}

fn readable_end<R: Record>(store: &Store, seen: Offset) -> Offset {
    let mut next = Offset(0);
    while let Ok(records) = store.records::<R>(next, seen, COPY_BYTES) {
        match records.last() {
            Some(last) => next = plus(last.offset(), 1),
            None => break,
        }
    }
    next
}

/// The first offset of which something acknowledged is gone, with what is left before it.
struct Loss {
    offset: Option<Offset>,
    left: LogEnds,
}

fn assess(dir: &Path, reader: &RocksReader) -> Loss {
    let store = reader.store();
    let named = heads::read(dir).ok().flatten();
    let hint = named.unwrap_or_default();
    let seen = store.ends(hint.commands_next).unwrap_or(hint);
    let mut left = readable(store, &seen);
    let decisions_end = seen.decisions_next.max(hint.decisions_next);
    let commands_end = seen.commands_next.max(hint.commands_next);
    let offset = if left.decisions_next < decisions_end {
        Some(left.decisions_next)
    } else if left.commands_next < commands_end {
        Some(left.commands_next)
    } else if head_at(hint.decisions_next, store).ok() != Some(hint.head) {
        // The decision is there, but it is another one: it goes, and is made again.
        left.decisions_next = Offset(hint.decisions_next.0 - 1);
        left.head = head_at(left.decisions_next, store).unwrap_or_default();
        Some(left.decisions_next)
    } else if named.is_none() {
        Some(left.decisions_next)
    } else {
        None
    };
    Loss { offset, left }
}

/// The first offset of which something acknowledged is gone.
pub(super) fn lost_from(dir: &Path, reader: &RocksReader) -> Option<Offset> {
    assess(dir, reader).offset
}

/// Adds to a `Corrupt` error which offset's loss would have to be accepted.
pub(super) fn explain(dir: &Path, error: Error) -> Error {
    if error.kind != ErrorKind::Corrupt {
        return error;
    }
    let advice = match RocksReader::open(dir).map(|reader| assess(dir, &reader).offset) {
        Ok(Some(offset)) => format!(
            "restore a copy, or accept the loss of everything from offset {offset} on by naming \
             that offset"
        ),
        Ok(None) | Err(_) => "restore a copy: what is left cannot be opened".to_owned(),
    };
    Error { message: format!("{}; {advice}", error.message), ..error }
}

/// Goes on without everything from `offset` on: what is left is copied into a new store, and the
/// old one and its `heads.log` are kept under names that end in `lost-` and the offset. The caller
/// holds the lock.
///
/// # Errors
/// `Invalid` when nothing is lost, `Corrupt` when something is lost at another offset or nothing
/// can be read, `Unavailable` when the disk refuses.
pub(super) fn accept(dir: &Path, offset: Offset) -> Result<()> {
    let refused = |error| directory::refused(error, "cannot replace the damaged log");
    let path = directory::store(dir);
    let path_lost = dir.join(format!("rocks.lost-{offset}"));
    if !path.exists() && path_lost.exists() {
        // An earlier acceptance was interrupted between the two renames below.
        fs::rename(&path_lost, &path).map_err(refused)?;
    }
    let reader = RocksReader::open(dir)?;
    let loss = assess(dir, &reader);
    match loss.offset {
        Some(first) if first == offset => {}
        Some(first) => {
            return Err(Error::corrupt(format!(
                "what is lost starts at offset {first}, not at {offset}: accept that, or restore a \
                 copy"
            )));
        }
        None => {
            return Err(Error::invalid(format!(
                "nothing is lost at offset {offset}: open the log without accepting a loss"
            )));
        }
    }
    tracing::warn!(%offset, "the operator accepts the loss of everything from this offset on");
    let path_new = dir.join("rocks.new");
    remove_if_there(&path_new).map_err(refused)?;
    copy(reader.store(), &loss.left, &path_new)?;
    drop(reader);
    let swap = || -> io::Result<()> {
        if heads::path(dir).exists() {
            fs::copy(heads::path(dir), heads::path_of_lost(dir, offset))?;
        }
        fs::rename(&path, free_name(path_lost))?;
        fs::rename(&path_new, &path)?;
        heads::replace(dir, &loss.left)
    };
    swap().map_err(refused)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    if path.exists() { fs::remove_dir_all(path) } else { Ok(()) }
}

/// `path`, or that name with the first number that is free: evidence is never overwritten.
fn free_name(path: PathBuf) -> PathBuf {
    if !path.exists() {
        return path;
    }
    let numbered = (2_u32..).map(|number| path.with_added_extension(number.to_string()));
    numbered.into_iter().find(|name| !name.exists()).expect("numbers do not end")
}

fn copy(from: &Store, left: &LogEnds, path: &Path) -> Result<()> {
    let refused = |error| store_error(error, "cannot write the new store");
    let db = DB::open_cf_descriptors(&families::database(), path, families::descriptors())
        .map_err(refused)?;
    let to = Store { db };
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
        let records = from.records::<R>(next, before, COPY_BYTES)?;
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
