//! Acknowledged records that are gone: noticing it, and naming the first one.

use super::directory;
use super::reader::RocksReader;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::log::block::{Record, plus};
use crate::log::{DecisionRecord, LogEnds, StoredCommand, file, heads};
use conclave_core::units::{Hash32, Offset};
use std::path::Path;

/// Bytes read at once.
pub(super) const READ_BYTES: usize = 4 * 1024 * 1024;

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
                .and_then(|()| file::sync_names(dir))
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
///
/// # Errors
/// When the disk refuses: that is no end of what is readable.
pub(super) fn readable(store: &Store, seen: &LogEnds) -> Result<LogEnds> {
    let commands_next =
        readable_end(|next| store.records::<StoredCommand>(next, seen.commands_next, READ_BYTES))?;
    let decisions_end = readable_end(|next| {
        store.records::<DecisionRecord>(next, seen.decisions_next, READ_BYTES)
    })?;
    let decisions_next = decisions_end.min(commands_next);
    let head = unless_corrupt(head_at(decisions_next, store))?.unwrap_or_default();
    Ok(LogEnds { commands_next, decisions_next, head })
}

/// The offset after the last record that `read` hands out, starting with the first.
fn readable_end<R: Record>(mut read: impl FnMut(Offset) -> Result<Vec<R>>) -> Result<Offset> {
    let mut next = Offset(0);
    while let Some(records) = unless_corrupt(read(next))? {
        match records.last() {
            Some(last) => next = plus(last.offset(), 1),
            None => break,
        }
    }
    Ok(next)
}

/// Nothing when what was read is damaged: that is an answer here. Other errors are none, since
/// trying again may end otherwise.
fn unless_corrupt<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first offset of which something acknowledged is gone, or may be, with what is left before.
pub(super) struct Loss {
    pub(super) offset: Option<Offset>,
    pub(super) left: LogEnds,
}

/// Reads all there is and compares it with what `heads.log` names.
///
/// # Errors
/// When the disk refuses: nothing is known then.
pub(super) fn assess(dir: &Path, reader: &RocksReader) -> Result<Loss> {
    let store = reader.store();
    let named = unless_corrupt(heads::read(dir))?.flatten();
    let hint = named.unwrap_or_default();
    let seen = unless_corrupt(store.ends(hint.commands_next))?.unwrap_or(hint);
    let mut left = readable(store, &seen)?;
    let decisions_end = seen.decisions_next.max(hint.decisions_next);
    let commands_end = seen.commands_next.max(hint.commands_next);
    let offset = if left.decisions_next < decisions_end {
        Some(left.decisions_next)
    } else if left.commands_next < commands_end {
        Some(left.commands_next)
    } else if unless_corrupt(head_at(hint.decisions_next, store))? != Some(hint.head) {
        // The decision is there, but it is another one: it goes, and is made again.
        left.decisions_next = Offset(hint.decisions_next.0 - 1);
        left.head = unless_corrupt(head_at(left.decisions_next, store))?.unwrap_or_default();
        Some(left.decisions_next)
    } else if named.is_none()
        || !reader.is_whole()
        || unless_corrupt(store.check_coverage(&seen))?.is_none()
    {
        // Whatever stood behind the last record may have been acknowledged after `heads.log` was
        // written: nobody can tell, so the operator has to accept it.
        Some(left.decisions_next)
    } else {
        None
    };
    Ok(Loss { offset, left })
}

/// What the operator has to know before accepting that everything from `offset` on is lost.
pub(super) fn price(offset: Offset) -> String {
    format!(
        "commands from there on that can still be read are decided anew, so fencing numbers of \
         {offset} and more are given out again: executors have to drop every lease that has one \
         first (docs/runbooks/corrupt-log.md)"
    )
}

/// Adds to a `Corrupt` error which offset's loss would have to be accepted.
pub(super) fn explain(dir: &Path, error: Error) -> Error {
    if error.kind != ErrorKind::Corrupt {
        return error;
    }
    let assessed = RocksReader::open(dir).and_then(|reader| assess(dir, &reader));
    let advice = match assessed.map(|loss| loss.offset) {
        Ok(Some(offset)) => format!(
            "restore a copy, or accept the loss of everything from offset {offset} on by naming \
             that offset; {}",
            price(offset)
        ),
        Err(other) if other.kind != ErrorKind::Corrupt => {
            format!("what is left of it is not known: {other}")
        }
        Ok(None) | Err(_) => "restore a copy: what is left cannot be opened (see \
             docs/runbooks/corrupt-log.md)"
            .to_owned(),
    };
    // The cause belongs to what broke, before what to do.
    Error::corrupt(format!("{error}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Headers;

    fn decision(offset: Offset) -> DecisionRecord {
        DecisionRecord { offset, hash: Hash32::default(), body: vec![], headers: Headers::new() }
    }

    /// What `readable_end` answers when offset 2 is answered by `at_two`.
    fn end_when(at_two: fn() -> Result<Vec<DecisionRecord>>) -> Result<Offset> {
        readable_end(|next| if next < Offset(2) { Ok(vec![decision(next)]) } else { at_two() })
    }

    #[test]
    fn only_the_end_and_damage_end_what_is_readable() {
        assert_eq!(end_when(|| Ok(vec![])).unwrap(), Offset(2));
        assert_eq!(end_when(|| Err(Error::corrupt("a hole"))).unwrap(), Offset(2));
        let error = end_when(|| Err(Error::unavailable("too many open files"))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "a disk that refuses loses nothing");
    }
}
