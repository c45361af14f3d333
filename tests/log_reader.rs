//! A reader leaves no trace. One test only: it counts the temporary directories of its process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod log_common;

use conclave::log::rocks::{OpenOptions, RocksLog, RocksReader};
use log_common::{ROUND, check_all, write_rounds};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Name, size and time of every file.
fn listing(directory: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            files.extend(listing(&path));
        }
        files.insert(path, (metadata.len(), metadata.modified().unwrap()));
    }
    files
}

#[test]
fn a_reader_writes_nothing_into_the_data_directory_and_cleans_up_after_itself() {
    let directory = tempfile::tempdir().unwrap();
    write_rounds(&mut RocksLog::open(directory.path(), &OpenOptions::default()).unwrap(), 5);
    let before = listing(directory.path());
    let mut reader = RocksReader::open(directory.path()).unwrap();
    reader.refresh().unwrap();
    assert_eq!(check_all(&reader), (5 * ROUND, 5 * ROUND));
    assert_eq!(scratch_directories(), 1);
    drop(reader);
    assert_eq!(listing(directory.path()), before);
    assert_eq!(scratch_directories(), 0);

    // Nor when the log is damaged, and read in another way.
    let wal = log_common::store_files(directory.path(), "log").pop().unwrap();
    log_common::flip(&wal, |length| length / 2);
    let before_damaged = listing(directory.path());
    let reader = RocksReader::open(directory.path()).unwrap();
    assert!(reader.damage().is_some());
    drop(reader);
    assert_eq!(listing(directory.path()), before_damaged);
    assert_eq!(scratch_directories(), 0);
}

fn scratch_directories() -> usize {
    let own = format!("conclave-reader-{}-", std::process::id());
    let entries = fs::read_dir(std::env::temp_dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&own)).count()
}
