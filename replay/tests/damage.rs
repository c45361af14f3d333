//! Damaged files: always noticed, read up to, and told where the log should end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;
#[path = "../../tests/log_common/mod.rs"]
mod log_common;

use common::{Answer, STORY, decide_all, one_more, open, replay, story, tell};
use conclave::engine::Engine;
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave::log::{EventLog, LogReader, heads};
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use log_common::{copy_directory, cut, flip, store_files};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Decisions that lie in tables, and behind them in the write-ahead log.
const IN_TABLES: i64 = 600;
const IN_WAL: i64 = 40;

/// What a killed process leaves: half in tables, half in the write-ahead log, `heads.log` current.
fn killed() -> TempDir {
    let (lived, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut log = decide_all(open(lived.path()), &story());
    let next = log.ends().unwrap().commands_next.0;
    let late: Vec<_> = (next..IN_TABLES).map(one_more).collect();
    log = decide_all(log, &late);
    drop(log);
    let late: Vec<_> = (IN_TABLES..IN_TABLES + IN_WAL).map(one_more).collect();
    let mut log = open(lived.path()); // Opening moves the log's records into tables.
    for command in late {
        log = decide_all(log, &[command]);
    }
    log.sync().unwrap();
    copy_directory(lived.path(), left.path());
    left
}

/// The offset that stderr asks to accept the loss of.
#[track_caller]
fn named_offset(answer: &Answer) -> i64 {
    assert_eq!(answer.code, 4, "{answer:?}");
    let (_, rest) = answer.err.split_once("--accept-loss-at ").expect(&answer.err);
    rest.trim().parse().unwrap()
}

/// What holds for every damage: noticed by all reports, all before it read, and the named offset is
/// the one that opening accepts.
#[track_caller]
fn check_noticed(directory: &Path) -> i64 {
    let verified = replay(directory, "verify --output json");
    let lost = named_offset(&verified);
    let report = verified.json();
    assert_eq!(report["verdict"], "corrupt");
    assert_eq!(report["should_end_before"], lost);
    assert_eq!(report["divergences"], 0, "damage is no divergence: {report}");
    assert!(report["verified"].as_i64().unwrap() <= lost);

    if lost > 0 {
        let shown = replay(directory, "--from 0");
        assert_eq!(named_offset(&shown), lost);
        let decisions = shown.out.lines().filter(|line| !line.starts_with("            "));
        assert_eq!(decisions.count(), usize::try_from(lost).unwrap());
        let state = replay(directory, &format!("state --at {}", lost - 1));
        assert!(state.out.contains("pool lab"), "{state:?}");
    }
    let accept_loss_at = Some(Offset(lost));
    let options = OpenOptions { accept_loss_at, ..OpenOptions::default() };
    let log = RocksLog::open(directory, &options).unwrap();
    assert_eq!(log.ends().unwrap().decisions_next, Offset(lost));
    drop(log);
    lost
}

#[test]
fn a_killed_writer_leaves_a_clean_log() {
    let answer = replay(killed().path(), "verify --output json");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["verified"], IN_TABLES + IN_WAL);
}

#[test]
fn a_flipped_byte_in_a_table_of_decisions() {
    let left = killed();
    // One table per family, in the order of the families: the second is the decisions'.
    flip(&store_files(left.path(), "sst")[1], |length| length / 2);
    let error = Engine::open(open(left.path()), RuleSeat, i64::MAX).unwrap_err().to_string();
    for said in ["checksum", "run `replay verify`", "--accept-loss-at", "docs/runbooks/"] {
        assert!(error.contains(said), "{error}");
    }
    assert!(!error.contains("missing"), "{error}");
    let lost = check_noticed(left.path());
    assert!(lost < IN_TABLES, "{lost}");
}

#[test]
fn a_flipped_byte_in_a_table_of_commands() {
    let left = killed();
    flip(&store_files(left.path(), "sst")[0], |length| length / 2);
    let lost = check_noticed(left.path());
    assert!(lost < IN_TABLES, "{lost}");
}

#[test]
fn a_flipped_byte_in_the_write_ahead_log() {
    let left = killed();
    flip(store_files(left.path(), "log").last().unwrap(), |length| length / 2);
    let lost = check_noticed(left.path());
    assert!((IN_TABLES..IN_TABLES + IN_WAL).contains(&lost), "{lost}");
}

/// One bit of a record's type: `RocksDB` alone would read the file for ever.
#[test]
fn a_flipped_bit_in_the_type_of_a_record() {
    let left = killed();
    let wal = store_files(left.path(), "log").pop().unwrap();
    let mut bytes = fs::read(&wal).unwrap();
    bytes[6] ^= 4; // The first record begins the file; its type is the last byte of its header.
    fs::write(&wal, bytes).unwrap();
    assert_eq!(check_noticed(left.path()), IN_TABLES);
}

#[test]
fn a_tail_cut_off() {
    let left = killed();
    cut(store_files(left.path(), "log").last().unwrap(), 100);
    assert_eq!(check_noticed(left.path()), IN_TABLES + IN_WAL - 1);
}

#[test]
fn every_flipped_byte_of_a_stored_decision_is_noticed() {
    let whole = killed();
    let table = &store_files(whole.path(), "sst")[1];
    let length = usize::try_from(fs::metadata(table).unwrap().len()).unwrap();
    for eighth in 1..8 {
        let left = tempfile::tempdir().unwrap();
        copy_directory(whole.path(), left.path());
        flip(&store_files(left.path(), "sst")[1], |_| length * eighth / 8);
        let answer = replay(left.path(), "verify");
        assert_ne!(answer.code, 0, "at {eighth}/8: {answer:?}");
    }
}

#[test]
fn a_missing_heads_log_is_noticed_and_everything_is_read() {
    let left = killed();
    fs::remove_file(heads::path(left.path())).unwrap();
    let answer = replay(left.path(), "verify --output json");
    assert_eq!(named_offset(&answer), IN_TABLES + IN_WAL);
    assert_eq!(answer.json()["verified"], IN_TABLES + IN_WAL);
}

#[test]
fn a_damaged_snapshot_leaves_the_log_verified_and_is_3() {
    let directory = tempfile::tempdir().unwrap();
    tell(directory.path());
    drop(open(directory.path())); // Opening moves the log's records into tables.
    // Behind those of commands, decisions and dead letters.
    flip(&store_files(directory.path(), "sst")[3], |length| length * 3 / 4);
    let answer = replay(directory.path(), "verify --output json");
    let report = answer.json();
    assert_eq!((answer.code, &report["verdict"]), (3, &"unchecked".into()), "{answer:?}");
    assert_eq!((&report["verified"], &report["snapshots_damaged"]), (&STORY.into(), &1.into()));
    let text = replay(directory.path(), "verify");
    assert!(text.out.contains("a start passes a damaged snapshot over"), "{text:?}");
    // A state is folded from what is left.
    let state = replay(directory.path(), "state --at 20");
    assert_eq!(state.code, 0, "{state:?}");
}
