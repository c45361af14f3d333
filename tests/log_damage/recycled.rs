//! Records whose type says that their file was recycled: `RocksDB` reads such a file for ever, so
//! it must never get to see one.

use super::*;

/// The last piece of a record.
const LAST: u8 = 4;
/// Far less than the time limit on opening, far more than reading takes.
const SOON: Duration = Duration::from_secs(30);

/// Where the headers of a log file's records are.
fn headers(bytes: &[u8]) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + 7 <= bytes.len() {
        let left = 32_768 - at % 32_768;
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        if left < 7 || bytes[at + 6] == 0 {
            at += left;
        } else {
            found.push(at);
            at += 7 + length;
        }
    }
    found
}

/// Flips the bit in the record that `choose` chooses of so many, and returns its place.
fn recycle(path: &Path, choose: impl Fn(usize) -> usize) -> usize {
    let mut bytes = fs::read(path).unwrap();
    let headers = headers(&bytes);
    let header = headers[choose(headers.len())];
    // One bit makes any type of ours one of a recycled file.
    bytes[header + 6] ^= if bytes[header + 6] == LAST { 1 } else { 4 };
    fs::write(path, bytes).unwrap();
    header
}

fn newest_wal(directory: &Path) -> PathBuf {
    store_files(directory, "log").pop().unwrap()
}

fn heads_one_round_earlier(directory: &Path) {
    let ends = LogEnds {
        commands_next: Offset(END),
        decisions_next: Offset(END - ROUND),
        head: decision(END - ROUND - 1).hash,
    };
    heads::replace(directory, &ends).unwrap();
}

#[test]
fn it_is_refused_by_file_and_byte_read_up_to_and_accepted_like_any_other_damage() {
    for choose in [|_| 0, |count| count / 2, |count: usize| count - 1] {
        let left = killed();
        let wal = newest_wal(left.path());
        let started = Instant::now();
        let byte = recycle(&wal, choose);
        let error = open(left.path()).unwrap_err();
        let name = wal.file_name().unwrap().to_str().unwrap();
        assert!(error.message.contains(name), "{error}");
        assert!(error.message.contains(&format!("byte {byte}:")), "{error}");
        let lost = named_offset(&error);
        assert!((ROUNDS_IN_TABLES * ROUND..END).contains(&lost), "{lost}");
        let reader = RocksReader::open(left.path()).unwrap();
        assert!(reader.damage().unwrap().message.contains(name));
        drop(reader);
        check_loss(left.path(), lost);
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[test]
fn what_was_cut_may_have_been_acknowledged_after_heads_log_was_written() {
    let left = killed();
    heads_one_round_earlier(left.path());
    recycle(&newest_wal(left.path()), |count| count - 1);
    check_loss(left.path(), END - ROUND);
}

#[test]
fn so_may_what_was_skipped_of_a_log_that_cannot_be_followed() {
    let left = killed();
    heads_one_round_earlier(left.path());
    flip(&newest_wal(left.path()), |_| 200);
    check_loss(left.path(), END - ROUND);
}

#[test]
fn in_a_file_that_is_no_longer_needed_it_costs_nothing() {
    let left = killed();
    let old = left.path().join("rocks/000001.log");
    fs::copy(newest_wal(left.path()), &old).unwrap();
    recycle(&old, |_| 0);
    assert_eq!(named_offset(&open(left.path()).unwrap_err()), END);
    assert_eq!(check_all(&RocksReader::open(left.path()).unwrap()), (END, END));
    assert_eq!(check_all(&accept(left.path(), END).unwrap()), (END, END));
}

#[test]
fn in_the_manifest_it_leaves_nothing_to_read() {
    let left = killed();
    let name = fs::read_to_string(left.path().join("rocks/CURRENT")).unwrap();
    let started = Instant::now();
    recycle(&left.path().join("rocks").join(name.trim_end()), |count| count - 1);
    for error in [open(left.path()).unwrap_err(), RocksReader::open(left.path()).unwrap_err()] {
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.message.contains(name.trim_end()), "{error}");
    }
    assert!(open(left.path()).unwrap_err().message.contains("restore a copy"));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn a_reader_that_follows_meets_it_before_rocksdb_does() {
    let left = killed();
    let mut reader = RocksReader::open(left.path()).unwrap();
    assert_eq!(check_all(&reader), (END, END));
    recycle(&newest_wal(left.path()), |count| count - 1);
    reader.refresh().unwrap();
    assert!(reader.damage().is_some());
    assert_eq!(check_all(&reader), (END, END - ROUND));
}
