//! Damaged data directories: refused with the offset, readable up to it, opened again once the
//! operator has named it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "log_damage/accepted.rs"]
mod accepted;
mod log_common;
#[path = "log_damage/recycled.rs"]
mod recycled;

use conclave::error::{Error, ErrorKind};
use conclave::log::rocks::{OpenOptions, RocksLog, RocksReader};
use conclave::log::{EventLog, LogEnds, LogReader, heads};
use conclave_core::units::{Hash32, Offset};
use log_common::{
    ROUND, check_all, copy_directory, cut, decision, flip, round, store_files, write_rounds,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Rounds in tables, and further ones in the write-ahead log.
const ROUNDS_IN_TABLES: i64 = 30;
const ROUNDS_IN_WAL: i64 = 10;
const END: i64 = (ROUNDS_IN_TABLES + ROUNDS_IN_WAL) * ROUND;

/// What a process killed right after a sync leaves behind, with records in both kinds of files.
fn killed() -> TempDir {
    let (lived, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_rounds(&mut open(lived.path()).unwrap(), ROUNDS_IN_TABLES);
    let mut log = open(lived.path()).unwrap(); // Opening moves the log's records into tables.
    write_rounds(&mut log, ROUNDS_IN_WAL);
    log.sync().unwrap();
    copy_directory(lived.path(), left.path());
    left
}

fn open(directory: &Path) -> Result<RocksLog, Error> {
    RocksLog::open(directory, &OpenOptions::default())
}

fn accept(directory: &Path, offset: i64) -> Result<RocksLog, Error> {
    let accept_loss_at = Some(Offset(offset));
    RocksLog::open(directory, &OpenOptions { accept_loss_at, ..OpenOptions::default() })
}

/// The offset whose loss an error asks to accept.
fn named_offset(error: &Error) -> i64 {
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    let (_, rest) = error.message.split_once("everything from offset ").expect(&error.message);
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

/// What must hold for every damage that loses everything from `lost` on.
#[track_caller]
fn check_loss(directory: &Path, lost: i64) {
    let error = open(directory).unwrap_err();
    assert_eq!(named_offset(&error), lost, "{error}");
    assert_eq!(named_offset(&open(directory).unwrap_err()), lost, "a refusal changes nothing");

    let reader = RocksReader::open(directory).unwrap();
    assert_eq!(reader.damage().expect("the reader knows").kind, ErrorKind::Corrupt);
    assert_eq!(check_all(&reader).1, lost, "all before it is readable");
    drop(reader);

    for other in [lost - 1, lost + 1, END + ROUND] {
        let error = accept(directory, other).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        assert!(error.message.contains(&format!("offset {lost}")), "{error}");
    }
    let mut log = accept(directory, lost).unwrap();
    let (commands_next, decisions_next) = check_all(&log);
    assert_eq!(decisions_next, lost);
    log.commit(&round(lost..commands_next)).unwrap();
    write_rounds(&mut log, 2);
    drop(log);
    let heads_lost = heads::path_of_lost(directory, Offset(lost));
    assert!(heads_lost.exists(), "the old heads.log is kept");
    let log = open(directory).unwrap();
    assert_eq!(check_all(&log), (commands_next + 2 * ROUND, commands_next + 2 * ROUND));
    drop(log);
    assert_eq!(RocksReader::open(directory).unwrap().damage().map(ToString::to_string), None);
    assert_eq!(accept(directory, lost).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn what_a_killed_process_leaves_is_whole() {
    let left = killed();
    assert_eq!(check_all(&RocksReader::open(left.path()).unwrap()), (END, END));
    assert_eq!(check_all(&open(left.path()).unwrap()), (END, END));
}

#[test]
fn a_byte_changed_in_the_middle_of_the_write_ahead_log() {
    let left = killed();
    flip(store_files(left.path(), "log").last().unwrap(), |length| length / 2);
    let lost = named_offset(&open(left.path()).unwrap_err());
    assert!((ROUNDS_IN_TABLES * ROUND..END).contains(&lost), "{lost}");
    check_loss(left.path(), lost);
}

#[test]
fn a_byte_changed_in_its_last_record() {
    let left = killed();
    flip(store_files(left.path(), "log").last().unwrap(), |_| 200);
    check_loss(left.path(), END - ROUND);
}

#[test]
fn a_tail_cut_off() {
    let left = killed();
    cut(store_files(left.path(), "log").last().unwrap(), 200);
    check_loss(left.path(), END - ROUND);
}

#[test]
fn a_write_ahead_log_deleted() {
    let left = killed();
    fs::remove_file(store_files(left.path(), "log").last().unwrap()).unwrap();
    check_loss(left.path(), ROUNDS_IN_TABLES * ROUND);
}

/// Without `CURRENT` the store would be made anew, and what is left of it removed.
#[test]
fn a_store_without_its_first_file_is_refused_and_nothing_of_it_is_touched() {
    for damage in
        [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "").unwrap()]
    {
        let left = killed();
        let current = left.path().join("rocks/CURRENT");
        let kept = fs::read(&current).unwrap();
        damage(&current);
        let count = || fs::read_dir(left.path().join("rocks")).unwrap().count();
        let files = count();
        for _ in 0..3 {
            let error = open(left.path()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
            assert!(error.message.contains("CURRENT"), "{error}");
            assert_eq!(RocksReader::open(left.path()).unwrap_err().kind, ErrorKind::Corrupt);
            assert_eq!(accept(left.path(), 0).unwrap_err().kind, ErrorKind::Corrupt);
        }
        assert_eq!(count(), files);
        fs::write(&current, kept).unwrap();
        assert_eq!(check_all(&open(left.path()).unwrap()), (END, END));
    }
}

/// Where the newest write said that the log ends is stored, too. Without it everything is readable
/// and nobody can tell whether it is all: so its end is named, and accepting that mends it.
#[test]
fn a_byte_changed_where_the_log_keeps_its_own_ends() {
    let ended = || {
        let left = tempfile::tempdir().unwrap();
        write_rounds(&mut open(left.path()).unwrap(), ROUNDS_IN_TABLES);
        drop(open(left.path()).unwrap()); // Opening moves the log's records into tables.
        left
    };
    let end = ROUNDS_IN_TABLES * ROUND;
    let places: [fn(usize) -> usize; 4] = [|_| 1, |_| 60, |length| length / 2, |length| length];
    for (at, place) in places.into_iter().enumerate() {
        let left = ended();
        flip(store_files(left.path(), "sst").last().unwrap(), place);
        let reader = RocksReader::open(left.path());
        let Err(error) = open(left.path()) else {
            // Bytes that nothing depends on: the log is whole, and everybody says so.
            assert!(reader.unwrap().damage().is_none(), "place {at}");
            continue;
        };
        assert_eq!(named_offset(&error), end, "place {at}: {error}");
        assert!(reader.unwrap().damage().is_some(), "place {at}");
        assert_eq!(check_all(&accept(left.path(), end).unwrap()), (end, end));
        assert_eq!(check_all(&open(left.path()).unwrap()), (end, end));
    }
}

#[test]
fn a_table_deleted() {
    let left = killed();
    // One table per family, in the order of the families: the second is the decisions'.
    fs::remove_file(&store_files(left.path(), "sst")[1]).unwrap();
    check_loss(left.path(), 0);
}

#[test]
fn a_torn_write_that_nobody_was_told_of_is_no_loss() {
    let left = killed();
    let one_round_earlier = LogEnds {
        commands_next: Offset(END),
        decisions_next: Offset(END - ROUND),
        head: decision(END - ROUND - 1).hash,
    };
    heads::replace(left.path(), &one_round_earlier).unwrap();
    cut(store_files(left.path(), "log").last().unwrap(), 200);
    assert_eq!(RocksReader::open(left.path()).unwrap().damage().map(ToString::to_string), None);
    assert_eq!(check_all(&open(left.path()).unwrap()), (END, END - ROUND));
}

#[test]
fn a_byte_changed_in_a_table_is_found_by_reading_and_all_before_it_is_readable() {
    let left = killed();
    flip(&store_files(left.path(), "sst")[1], |length| length / 2);
    let mut log = open(left.path()).unwrap();
    let reader = RocksReader::open(left.path()).unwrap();
    let first_unreadable = |log: &dyn LogReader| {
        let mut next = 0;
        loop {
            match log.decisions(Offset(next), 1000) {
                Ok(read) => {
                    for found in read {
                        assert_eq!(found, decision(next));
                        next += 1;
                    }
                }
                Err(error) => return (next, error),
            }
        }
    };
    let (unreadable, error) = first_unreadable(&log);
    assert!(0 < unreadable && unreadable < ROUNDS_IN_TABLES * ROUND, "{unreadable}");
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.contains(&format!("offset {unreadable}")), "{error}");
    let said = error.to_string();
    assert!(said.contains("checksum") && !said.contains("missing"), "{said}");
    assert_eq!(first_unreadable(&reader).0, unreadable);
    // A search that starts within the last good block looks at the damaged one behind it.
    for from in unreadable - ROUND..unreadable {
        assert_eq!(log.decisions(Offset(from), 0).unwrap()[0], decision(from));
    }
    assert_eq!(log.decisions(Offset(END - 1), 0).unwrap()[0], decision(END - 1));
    write_rounds(&mut log, 1);
    drop((log, reader));
    assert_eq!(check_all(&accept(left.path(), unreadable).unwrap()).1, unreadable);
}

#[test]
fn a_missing_or_damaged_heads_log_is_refused_until_accepted() {
    for damage in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| flip(path, |length| length / 2),
        |path: &Path| fs::write(path, "").unwrap(),
    ] {
        let left = killed();
        damage(&heads::path(left.path()));
        assert_eq!(named_offset(&open(left.path()).unwrap_err()), END);
        let reader = RocksReader::open(left.path()).unwrap();
        assert_eq!(reader.damage().unwrap().kind, ErrorKind::Corrupt);
        assert_eq!(check_all(&reader), (END, END));
        drop(reader);
        assert_eq!(check_all(&accept(left.path(), END).unwrap()), (END, END));
        assert_eq!(check_all(&open(left.path()).unwrap()), (END, END));
    }
}

#[test]
fn a_decision_that_is_not_the_one_named_is_refused() {
    let left = killed();
    let named = heads::read(left.path()).unwrap().unwrap();
    heads::replace(left.path(), &LogEnds { head: Hash32([3; 32]), ..named }).unwrap();
    assert_eq!(named_offset(&open(left.path()).unwrap_err()), END - 1);
    let reader = RocksReader::open(left.path()).unwrap();
    assert_eq!(reader.damage().unwrap().kind, ErrorKind::Corrupt);
    assert_eq!(check_all(&reader), (END, END), "it is all there to be looked at");
    drop(reader);
    let log = accept(left.path(), END - 1).unwrap();
    assert_eq!(check_all(&log), (END, END - 1), "and made again by the next round");
}

/// A writer creates `heads.log`, the store and its families in this order.
#[test]
fn a_log_that_is_just_being_created_is_not_there_yet_and_no_damage() {
    let young = tempfile::tempdir().unwrap();
    drop(open(young.path()).unwrap());
    let rocks = young.path().join("rocks");
    fs::remove_dir_all(&rocks).unwrap();
    let named = LogEnds { commands_next: Offset(3), ..LogEnds::default() };
    let create: [fn(&Path); 3] = [
        |_| {},
        |rocks| fs::create_dir(rocks).unwrap(),
        |rocks| drop(rocksdb::DB::open_default(rocks).unwrap()),
    ];
    for create in create {
        create(&rocks);
        heads::replace(young.path(), &LogEnds::default()).unwrap();
        let error = RocksReader::open(young.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.message.contains("has no log yet: try again"), "{error}");
        // The same under a promise is damage.
        heads::replace(young.path(), &named).unwrap();
        let error = RocksReader::open(young.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        drop(fs::remove_dir_all(&rocks));
    }
    heads::replace(young.path(), &LogEnds::default()).unwrap();
    rocksdb::DB::open_default(&rocks).unwrap();
    assert_eq!(check_all(&open(young.path()).unwrap()), (0, 0), "the next writer finishes it");
}

#[test]
fn only_directories_of_ours_and_of_this_format_are_opened() {
    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("letters.txt"), "dear").unwrap();
    let other_format = tempfile::tempdir().unwrap();
    drop(open(other_format.path()).unwrap());
    let version = other_format.path().join("VERSION");
    let text = fs::read_to_string(&version).unwrap().replace('1', "2");
    fs::write(&version, text).unwrap();
    for (directory, what) in [(&foreign, "not empty"), (&other_format, "format 2")] {
        let error = open(directory.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(what), "{error}");
        assert_eq!(RocksReader::open(directory.path()).unwrap_err().kind, ErrorKind::Invalid);
    }
    assert_eq!(fs::read_dir(foreign.path()).unwrap().count(), 1, "nothing was written there");
    let missing = foreign.path().join("missing");
    assert_eq!(RocksReader::open(&missing).unwrap_err().kind, ErrorKind::Invalid);
    assert!(!missing.exists());
}
