//! One suite for every log: whatever implements `EventLog` obeys these laws.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../live/broker.rs"]
mod broker;
mod sent;
mod subjects;

use broker::Broker;
use conclave::error::ErrorKind;
use conclave::log::block::{BLOCK_BYTES_MAX, RECORD_HELD_BYTES};
use conclave::log::memory::MemoryLog;
use conclave::log::rocks::Durability;
use conclave::log::{
    CommandRecord, DeadLetterRecord, DecisionRecord, EventLog, Headers, LogReader, RoundRecord,
};
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use subjects::{Kafka, Memory, Rocks, Subject};

/// Runs a law against every log.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $law() { super::$law(super::Memory(super::MemoryLog::new())); })*
        }
        mod rocks_os {
            $(#[test] fn $law() { super::$law(super::Rocks::new(super::Durability::Os)); })*
        }
        mod rocks_fsync {
            $(#[test] fn $law() { super::$law(super::Rocks::new(super::Durability::Fsync)); })*
        }
        mod rocks_none {
            $(#[test] fn $law() { super::$law(super::Rocks::new(super::Durability::None)); })*
        }
        mod kafka {
            $(#[test] fn $law() {
                if let Some(broker) = super::Broker::shared("the laws of a log, on Kafka") {
                    super::$law(super::Kafka::new(&broker.brokers()));
                }
            })*
        }
    };
}

laws![
    an_empty_log_has_nothing_and_says_so,
    what_is_appended_is_read,
    offsets_are_dense_from_zero,
    ends_follow_every_write,
    a_round_and_its_dead_letters_are_one,
    a_round_that_does_not_fit_panics_and_stores_nothing,
    undecided_commands_survive_and_are_decided_later,
    everything_survives_a_reopening,
    reading_starts_anywhere,
    a_byte_limit_ends_a_read_once_it_is_passed,
    records_larger_than_a_block_are_kept,
    dead_letters_are_sparse,
    two_snapshots_are_kept,
    a_damaged_snapshot_is_corrupt_and_the_older_one_is_whole,
    a_snapshot_never_leads,
];

fn command(number: usize, length: usize) -> CommandRecord {
    let number_ms = i64::try_from(number).unwrap();
    CommandRecord {
        time_ms: TimeMs(number_ms * 10),
        key: format!("pool-{}", number % 3).into_bytes(),
        value: number.to_le_bytes().iter().copied().cycle().take(length).collect(),
        headers: Headers::from([("correlation_id", vec![1, 2, 3])]),
    }
}

fn commands(numbers: std::ops::Range<usize>) -> Vec<CommandRecord> {
    numbers.map(|number| command(number, 40)).collect()
}

fn decision(offset: i64, length: usize) -> DecisionRecord {
    let body: Vec<u8> = offset.to_le_bytes().iter().copied().cycle().take(length).collect();
    let hash = Hash32(*blake3::hash(&body).as_bytes());
    let headers = Headers::from([("traceparent", b"00-1")]);
    DecisionRecord { offset: Offset(offset), hash, body, headers }
}

fn dead_letter(offset: i64) -> DeadLetterRecord {
    let headers = Headers::from([("code", b"unreadable")]);
    DeadLetterRecord { offset: Offset(offset), key: vec![1], value: vec![2; 9], headers }
}

fn round(offsets: std::ops::Range<i64>) -> RoundRecord {
    let decisions = offsets.map(|offset| decision(offset, 60)).collect();
    RoundRecord { decisions, dead_letters: vec![] }
}

/// A log with 300 commands in batches of 100 and 200 decisions in rounds of 20.
fn filled<S: Subject>(subject: &mut S) {
    for batch in 0..3 {
        subject.log().accept(&commands(batch * 100..(batch + 1) * 100)).unwrap();
    }
    for start in (0..200).step_by(20) {
        subject.log().commit(&round(start..start + 20)).unwrap();
    }
}

fn all_commands(log: &impl LogReader) -> Vec<CommandRecord> {
    let read = log.commands(Offset(0), usize::MAX).unwrap();
    for (stored, offset) in read.iter().zip(0..) {
        assert_eq!(stored.offset, Offset(offset));
    }
    read.into_iter().map(|stored| stored.record).collect()
}

fn all_decisions(log: &impl LogReader) -> Vec<DecisionRecord> {
    log.decisions(Offset(0), usize::MAX).unwrap()
}

fn ends(log: &impl LogReader) -> (i64, i64, Hash32) {
    let ends = log.ends().unwrap();
    (ends.commands_next.0, ends.decisions_next.0, ends.head)
}

fn an_empty_log_has_nothing_and_says_so(mut subject: impl Subject) {
    let log = subject.log();
    assert_eq!(ends(log), (0, 0, Hash32::default()));
    assert_eq!(log.accept(&[]).unwrap(), Offset(0));
    log.commit(&RoundRecord::default()).unwrap();
    assert_eq!(log.commands(Offset(0), 9).unwrap(), []);
    assert_eq!(log.decisions(Offset(5), 9).unwrap(), []);
    assert_eq!(log.dead_letters(Offset(0), 9).unwrap(), []);
    assert_eq!(log.snapshots().unwrap(), []);
    assert_eq!(log.snapshot(Offset(0)).unwrap_err().kind, ErrorKind::Corrupt);
}

fn what_is_appended_is_read(mut subject: impl Subject) {
    filled(&mut subject);
    assert_eq!(all_commands(subject.log()), commands(0..300));
    let decided: Vec<_> = (0..200).map(|offset| decision(offset, 60)).collect();
    assert_eq!(all_decisions(subject.log()), decided);
    let empty =
        CommandRecord { time_ms: TimeMs(-1), key: vec![], value: vec![], headers: Headers::new() };
    let offset = subject.log().accept(std::slice::from_ref(&empty)).unwrap();
    assert_eq!(subject.log().commands(offset, 0).unwrap()[0].record, empty);
}

fn offsets_are_dense_from_zero(mut subject: impl Subject) {
    let mut next = 0;
    for count in [1, 3, 0, 100, 1] {
        assert_eq!(subject.log().accept(&commands(0..count)).unwrap(), Offset(next));
        next += i64::try_from(count).unwrap();
    }
    assert_eq!(all_commands(subject.log()).len(), 105);
}

fn ends_follow_every_write(mut subject: impl Subject) {
    let log = subject.log();
    log.accept(&commands(0..5)).unwrap();
    assert_eq!(ends(log), (5, 0, Hash32::default()));
    log.commit(&round(0..2)).unwrap();
    assert_eq!(ends(log), (5, 2, decision(1, 60).hash));
    log.accept(&commands(5..6)).unwrap();
    log.commit(&round(2..6)).unwrap();
    assert_eq!(ends(log), (6, 6, decision(5, 60).hash));
    log.sync().unwrap();
    assert_eq!(ends(log), (6, 6, decision(5, 60).hash));
}

fn a_round_and_its_dead_letters_are_one(mut subject: impl Subject) {
    subject.log().accept(&commands(0..4)).unwrap();
    let both = RoundRecord { dead_letters: vec![dead_letter(1)], ..round(0..2) };
    subject.log().commit(&both).unwrap();
    // The first of these letters belongs to an earlier round: neither part may be stored.
    let refused = RoundRecord { dead_letters: vec![dead_letter(1)], ..round(2..4) };
    let commit = AssertUnwindSafe(|| subject.log().commit(&refused));
    assert!(catch_unwind(commit).is_err());
    subject.reopen();
    assert_eq!(all_decisions(subject.log()).len(), 2);
    assert_eq!(subject.log().dead_letters(Offset(0), 99).unwrap(), [dead_letter(1)]);
}

fn a_round_that_does_not_fit_panics_and_stores_nothing<S: Subject>(mut subject: S) {
    subject.log().accept(&commands(0..6)).unwrap();
    subject.log().commit(&round(0..2)).unwrap();
    let gap = RoundRecord { decisions: vec![decision(2, 9), decision(4, 9)], ..round(0..0) };
    let wrong_hash = DecisionRecord { hash: Hash32([1; 32]), ..decision(2, 9) };
    let wrong_hash = RoundRecord { decisions: vec![wrong_hash], dead_letters: vec![] };
    let never = [round(0..2), round(1..3), round(2..7), wrong_hash];
    let gaps = if S::IS_DENSE { vec![round(3..4), gap] } else { vec![] };
    for refused in never.into_iter().chain(gaps) {
        let commit = AssertUnwindSafe(|| subject.log().commit(&refused));
        assert!(catch_unwind(commit).is_err(), "{refused:?}");
        assert_eq!(ends(subject.log()).1, 2);
        assert_eq!(all_decisions(subject.log()).len(), 2);
    }
    subject.log().commit(&round(2..6)).unwrap();
}

fn undecided_commands_survive_and_are_decided_later(mut subject: impl Subject) {
    filled(&mut subject);
    subject.reopen();
    assert_eq!(ends(subject.log()), (300, 200, decision(199, 60).hash));
    let undecided = subject.log().commands(Offset(200), usize::MAX).unwrap();
    let undecided: Vec<_> = undecided.into_iter().map(|stored| stored.record).collect();
    assert_eq!(undecided, commands(200..300));
    subject.log().commit(&round(200..300)).unwrap();
    assert_eq!(ends(subject.log()), (300, 300, decision(299, 60).hash));
}

fn everything_survives_a_reopening(mut subject: impl Subject) {
    filled(&mut subject);
    let letters = RoundRecord { dead_letters: vec![dead_letter(204)], ..round(200..220) };
    subject.log().commit(&letters).unwrap();
    subject.log().keep_snapshot(Offset(150), b"state").unwrap();
    for _ in 0..2 {
        subject.reopen();
        let log = subject.log();
        assert_eq!(ends(log), (300, 220, decision(219, 60).hash));
        assert_eq!(all_commands(log), commands(0..300));
        assert_eq!(all_decisions(log).len(), 220);
        assert_eq!(log.dead_letters(Offset(0), 1).unwrap(), [dead_letter(204)]);
        assert_eq!(log.snapshot(Offset(150)).unwrap(), b"state");
    }
    assert_eq!(subject.log().accept(&commands(300..301)).unwrap(), Offset(300));
}

fn reading_starts_anywhere(mut subject: impl Subject) {
    filled(&mut subject);
    let log = subject.log();
    for from in 0..=301 {
        let read = log.commands(Offset(from), 0).unwrap();
        let expected = (from < 300).then_some(Offset(from));
        assert_eq!(read.first().map(|stored| stored.offset), expected);
        let read = log.decisions(Offset(from), usize::MAX).unwrap();
        // The digest is of the bytes that were read.
        assert!(read.iter().all(|one| one.hash.0 == *blake3::hash(&one.body).as_bytes()));
        assert_eq!(read.len(), usize::try_from((200 - from).max(0)).unwrap());
        assert!(read.first().is_none_or(|decision| decision.offset == Offset(from)));
    }
}

fn a_byte_limit_ends_a_read_once_it_is_passed(mut subject: impl Subject) {
    subject.log().accept(&commands(0..50)).unwrap();
    // Key, value, and a header with its two lengths.
    let weight = RECORD_HELD_BYTES + 6 + 40 + (8 + 14 + 3);
    let table = [(0, 1), (weight - 1, 1), (weight, 2), (2 * weight - 1, 2), (2 * weight, 3)];
    for (bytes_max, count) in table {
        let read = subject.log().commands(Offset(7), bytes_max).unwrap();
        assert_eq!(read.len(), count, "{bytes_max} bytes");
    }
    assert_eq!(subject.log().commands(Offset(48), usize::MAX).unwrap().len(), 2);
}

fn records_larger_than_a_block_are_kept(mut subject: impl Subject) {
    let lengths = [10, BLOCK_BYTES_MAX - 100, BLOCK_BYTES_MAX, 3 * BLOCK_BYTES_MAX, 0];
    let batch: Vec<_> = lengths.iter().map(|&length| command(7, length)).collect();
    subject.log().accept(&batch).unwrap();
    let decisions: Vec<_> =
        (0..).zip(lengths).map(|(offset, length)| decision(offset, length)).collect();
    subject
        .log()
        .commit(&RoundRecord { decisions: decisions.clone(), dead_letters: vec![] })
        .unwrap();
    subject.reopen();
    assert_eq!(all_commands(subject.log()), batch);
    assert_eq!(all_decisions(subject.log()), decisions);
    assert_eq!(subject.log().decisions(Offset(3), 0).unwrap(), decisions[3..4]);
    let too_long = command(0, 17 * 1024 * 1024);
    let error = subject.log().accept(&[command(8, 1), too_long]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(ends(subject.log()).0, 5, "a batch is accepted whole or not at all");
}

fn dead_letters_are_sparse(mut subject: impl Subject) {
    subject.log().accept(&commands(0..100)).unwrap();
    let letters = [3, 4, 19, 61];
    for start in (0..100).step_by(20) {
        let own = letters.iter().filter(|&&offset| (start..start + 20).contains(&offset));
        let dead_letters = own.map(|&offset| dead_letter(offset)).collect();
        let round = RoundRecord { dead_letters, ..round(start..start + 20) };
        subject.log().commit(&round).unwrap();
    }
    for from in 0..100 {
        let read = subject.log().dead_letters(Offset(from), usize::MAX).unwrap();
        let expected: Vec<_> =
            letters.iter().filter(|&&offset| offset >= from).map(|&o| dead_letter(o)).collect();
        assert_eq!(read, expected, "from {from}");
    }
}

fn two_snapshots_are_kept(mut subject: impl Subject) {
    filled(&mut subject);
    let bytes = |length: usize| (0..length).map(|at| at.to_le_bytes()[1]).collect::<Vec<u8>>();
    let table = [
        (10, 0, &[10][..]),
        (50, 100, &[50, 10]),
        (90, 3 * BLOCK_BYTES_MAX, &[90, 50]),
        (90, 20 * BLOCK_BYTES_MAX + 1, &[90, 50]), // The same one again.
        (200, BLOCK_BYTES_MAX, &[200, 90]),
        (60, 5, &[200, 90]), // Older than both.
    ];
    for (offset, length, kept) in table {
        subject.log().keep_snapshot(Offset(offset), &bytes(length)).unwrap();
        let kept: Vec<_> = kept.iter().copied().map(Offset).collect();
        assert_eq!(subject.log().snapshots().unwrap(), kept);
        if kept.contains(&Offset(offset)) {
            assert_eq!(subject.log().snapshot(Offset(offset)).unwrap(), bytes(length));
        }
        subject.reopen();
        assert_eq!(subject.log().snapshots().unwrap(), kept);
    }
    assert_eq!(subject.log().snapshot(Offset(50)).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(subject.log().snapshot(Offset(90)).unwrap(), bytes(20 * BLOCK_BYTES_MAX + 1));
}

fn a_damaged_snapshot_is_corrupt_and_the_older_one_is_whole(mut subject: impl Subject) {
    filled(&mut subject);
    subject.log().keep_snapshot(Offset(100), &[1; 1000]).unwrap();
    subject.log().keep_snapshot(Offset(200), &vec![2; 2 * BLOCK_BYTES_MAX]).unwrap();
    subject.damage_snapshot(Offset(200));
    let log = subject.log();
    assert_eq!(log.snapshots().unwrap(), [Offset(200), Offset(100)]);
    assert_eq!(log.snapshot(Offset(200)).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(log.snapshot(Offset(100)).unwrap(), [1; 1000]);
    log.keep_snapshot(Offset(200), &[3; 10]).unwrap();
    assert_eq!(log.snapshot(Offset(200)).unwrap(), [3; 10]);
}

fn a_snapshot_never_leads(mut subject: impl Subject) {
    filled(&mut subject);
    subject.log().keep_snapshot(Offset(200), b"all").unwrap();
    let keep = AssertUnwindSafe(|| subject.log().keep_snapshot(Offset(201), b"more"));
    assert!(catch_unwind(keep).is_err());
    assert_eq!(subject.log().snapshots().unwrap(), [Offset(200)]);
}
