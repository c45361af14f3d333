//! Records that say by themselves where they belong, and checks of whole logs.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::log::{CommandRecord, DecisionRecord, EventLog, Headers, LogReader, RoundRecord};
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::fs;
use std::path::{Path, PathBuf};

/// Commands of a batch, and of the round that answers it.
pub(crate) const ROUND: i64 = 64;

pub(crate) fn command(offset: i64) -> CommandRecord {
    CommandRecord {
        time_ms: TimeMs(offset),
        key: b"pool".to_vec(),
        value: offset.to_le_bytes().repeat(25),
        headers: Headers::new(),
    }
}

pub(crate) fn decision(offset: i64) -> DecisionRecord {
    let body = offset.to_be_bytes().repeat(44);
    let hash = Hash32(*blake3::hash(&body).as_bytes());
    DecisionRecord { offset: Offset(offset), hash, body, headers: Headers::new() }
}

pub(crate) fn round(offsets: std::ops::Range<i64>) -> RoundRecord {
    RoundRecord { decisions: offsets.map(decision).collect(), dead_letters: vec![] }
}

/// Appends `rounds` batches and their rounds.
pub(crate) fn write_rounds(log: &mut impl EventLog, rounds: i64) {
    for _ in 0..rounds {
        let next = log.ends().unwrap().commands_next.0;
        let batch: Vec<_> = (next..next + ROUND).map(command).collect();
        assert_eq!(log.accept(&batch).unwrap(), Offset(next));
        log.commit(&round(next..next + ROUND)).unwrap();
    }
}

/// Reads all there is and checks that every record is the one that belongs there; returns the ends.
pub(crate) fn check_all(log: &impl LogReader) -> (i64, i64) {
    let ends = log.ends().unwrap();
    let mut next = 0;
    while next < ends.commands_next.0 {
        for stored in log.commands(Offset(next), 1 << 20).unwrap() {
            assert_eq!((stored.offset, stored.record), (Offset(next), command(next)));
            next += 1;
        }
    }
    let mut next = 0;
    while next < ends.decisions_next.0 {
        for read in log.decisions(Offset(next), 1 << 20).unwrap() {
            assert_eq!(read, decision(next));
            next += 1;
        }
    }
    let head = if next == 0 { Hash32::default() } else { decision(next - 1).hash };
    assert_eq!(ends.head, head);
    (ends.commands_next.0, ends.decisions_next.0)
}

/// Copies a data directory as it lies on the disk: what a killed process leaves behind.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

/// The store's files of this kind that hold something, oldest first.
pub(crate) fn store_files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("rocks")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| fs::metadata(path).unwrap().len() > 0)
        .collect();
    files.sort();
    files
}

pub(crate) fn flip(path: &Path, from_end: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - from_end(bytes.len());
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn cut(path: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}
