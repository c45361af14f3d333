//! Logs, snapshots and directories that are not what was written, and disks that are full.

use super::check_refusal;
use crate::system_common::*;
use conclave::engine::Engine;
use conclave::error::{Error, ErrorKind};
use conclave::log::block::COMMAND_RECORD_BYTES_MAX;
use conclave::log::memory::{Faults, MemoryLog};
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave::log::{CommandRecord, DecisionRecord, EventLog, Headers, LogReader, RoundRecord};
use conclave::snapshot::SNAPSHOT_VERSION;
use conclave::wire::{body_hash, decode_decision, encode_decision};
use conclave_core::command::Payload;
use conclave_core::decision::{Decision, Outcome};
use conclave_core::rejection::RejectionCode as Code;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{Hash32, Offset};
use std::fs;

fn opening() -> Vec<CommandRecord> {
    let pool = [open_log(), set(policy()), node("a", 8, "A100"), quota("t", 0, 99)];
    let asks = (0..40).map(|index| ask(&format!("r{index}"), "t").slice(100).into());
    let payloads = pool.into_iter().chain(asks).enumerate();
    payloads.map(|(index, payload)| record(0, &command(&format!("c{index}"), payload))).collect()
}

/// Runs the opening on `log` and returns it, with snapshots at 15 and 30 decisions or little later.
fn written<L: EventLog>(mut log: L) -> L {
    for part in opening().chunks(15) {
        let (mut engine, _) = Engine::open(log, RuleSeat, 15).unwrap();
        for record in part {
            engine.accept(std::slice::from_ref(record)).unwrap();
            engine.run_to_end(|_| {}).unwrap();
        }
        // Waits for the snapshot.
        log = engine.close().unwrap();
    }
    log
}

/// The error of opening `log`, whichever step finds it.
fn refusal(log: Result<RocksLog, Error>) -> Error {
    match log.and_then(|log| Engine::open(log, RuleSeat, NO_SNAPSHOT)) {
        Ok(_) => panic!("a damaged log was taken up"),
        Err(error) => error,
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_an_older_one_and_said() {
    let disk = written(Disk::default());
    let kept = disk.snapshots().unwrap();
    assert_eq!(kept.len(), 2, "the newest and one to fall back on");
    let (whole, report) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    assert_eq!((report.snapshot, report.damaged.len()), (Some(kept[0]), 0));
    disk.log_mut().damage_snapshot(kept[0]);
    let (engine, report) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    assert_eq!((report.snapshot, report.damaged[0].0), (Some(kept[1]), kept[0]));
    assert!(report.damaged[0].1.contains(&format!("snapshot {}", kept[0])), "{report:?}");
    assert_eq!(engine.folded(), whole.folded());
    disk.log_mut().damage_snapshot(kept[1]);
    let (engine, report) = Engine::open(disk, RuleSeat, NO_SNAPSHOT).unwrap();
    assert_eq!((report.snapshot, report.damaged.len()), (None, 2));
    assert_eq!(engine.folded(), whole.folded());
}

#[test]
fn a_snapshot_of_nonsense_or_of_another_version_or_offset_is_passed_over() {
    let disk = written(Disk::default());
    let kept = disk.snapshots().unwrap();
    let (whole, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    let sound = disk.snapshot(kept[0]).unwrap();
    let of_version = |version: u32| {
        let version = u8::try_from(version).unwrap();
        [&[version], &sound[1..]].concat()
    };
    assert_eq!(of_version(SNAPSHOT_VERSION), sound, "a version takes one byte");
    let (last, next) = (of_version(SNAPSHOT_VERSION - 1), of_version(SNAPSHOT_VERSION + 1));
    let cut = sound[..sound.len() / 2].to_vec();
    let other_offset = disk.snapshot(kept[1]).unwrap();
    for bytes in [vec![], vec![0xff; 64], vec![1], last, next, cut, other_offset] {
        disk.log_mut().keep_snapshot(kept[0], &bytes).unwrap();
        let (engine, report) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
        assert_eq!((report.snapshot, report.damaged[0].0), (Some(kept[1]), kept[0]));
        assert_eq!(engine.folded(), whole.folded());
    }
}

/// A log of the same commands with other decisions.
fn forged(forge: impl FnOnce(&mut Vec<Decision>)) -> Disk {
    let disk = written(Disk::default());
    let records = disk.all_decisions();
    let read = records.iter().map(|record| decode_decision(&record.body).unwrap());
    let mut decisions: Vec<Decision> = read.collect();
    forge(&mut decisions);
    let bodies = decisions.iter().map(encode_decision);
    let forged = records.iter().zip(bodies).map(|(record, body)| DecisionRecord {
        hash: body_hash(&body),
        body,
        ..record.clone()
    });
    let mut again = Disk::default();
    let commands = disk.all_commands().into_iter().map(|stored| stored.record);
    again.accept(&commands.collect::<Vec<_>>()).unwrap();
    let decisions = forged.collect();
    again.commit(&RoundRecord { decisions, dead_letters: vec![] }).unwrap();
    again
}

/// Links decisions to each other again, as somebody would who rewrites a log.
fn chain(decisions: &mut [Decision]) {
    let mut head = Hash32::default();
    for decision in decisions {
        decision.prev_hash = head;
        head = body_hash(&encode_decision(decision));
    }
}

#[test]
fn a_log_whose_chain_is_broken_is_not_taken_up_and_the_offset_is_named() {
    let disk = forged(|decisions| decisions[20].time_ms.0 += 1);
    let error = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.contains("sound up to offset 21"), "{error}");
    let report = disk.verify();
    assert!(!report.is_clean());
    assert!(report.stopped.is_some_and(|why| why.contains("21")));
}

#[test]
fn a_log_that_was_rewritten_with_a_sound_chain_is_found_by_verify() {
    let disk = forged(|decisions| {
        decisions[20].time_ms.0 += 1;
        decisions[21..].iter_mut().for_each(|decision| decision.time_ms.0 += 1);
        chain(decisions);
    });
    let report = disk.verify();
    assert_eq!((report.divergences > 0, report.stopped.as_deref()), (true, None), "{report:?}");
}

#[test]
fn a_log_that_says_what_cannot_have_happened_is_refused_and_nothing_panics() {
    let disk = forged(|decisions| {
        decisions[20].events = decisions[19].events.clone();
        chain(decisions);
    });
    let error = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.contains("decision 20 cannot have happened"), "{error}");
    assert!(error.message.contains("run `replay verify`"), "{error}");
    assert!(!disk.verify().is_clean());
}

/// Invariant 5: a control command is alone in its round.
#[test]
fn a_log_whose_rounds_were_joined_is_found_by_verify_and_nothing_panics() {
    let council = conclave_core::command::SetPoolPolicy {
        council: conclave_core::command::CouncilMode::Enforce,
        ..policy()
    };
    for opening in [set(policy()), set(council)] {
        let mut partition = Partition::empty();
        for payload in [open_log(), opening, node("a", 8, "A100"), quota("t", 0, 9)] {
            partition.send(0, payload);
        }
        partition.send(0, ask("r", "t").into());
        let records = partition.disk.all_decisions();
        let count = i64::try_from(records.len()).unwrap();
        let mut decisions: Vec<Decision> =
            records.iter().map(|record| decode_decision(&record.body).unwrap()).collect();
        for (index, decision) in (0..).zip(&mut decisions) {
            (decision.round, decision.round_index) = (Offset(0), index);
            decision.round_count = (index + 1 == count).then_some(count);
        }
        chain(&mut decisions);
        let mut joined = Disk::default();
        let commands = partition.disk.all_commands().into_iter().map(|stored| stored.record);
        joined.accept(&commands.collect::<Vec<_>>()).unwrap();
        let decisions = decisions.iter().map(|decision| {
            let body = encode_decision(decision);
            DecisionRecord {
                offset: decision.offset,
                hash: body_hash(&body),
                body,
                headers: Headers::new(),
            }
        });
        let decisions = decisions.collect();
        joined.commit(&RoundRecord { decisions, dead_letters: vec![] }).unwrap();
        let report = joined.verify();
        assert!(!report.is_clean(), "{report:?}");
    }
}

#[test]
fn a_log_whose_commands_were_exchanged_is_found_by_verify() {
    let disk = written(Disk::default());
    let mut commands: Vec<_> =
        disk.all_commands().into_iter().map(|stored| stored.record).collect();
    commands.swap(20, 21);
    let mut exchanged = Disk::default();
    exchanged.accept(&commands).unwrap();
    let decisions = disk.all_decisions();
    exchanged.commit(&RoundRecord { decisions, dead_letters: vec![] }).unwrap();
    let report = exchanged.verify();
    assert_eq!(report.divergences, 2, "{report:?}");
}

#[test]
fn a_data_directory_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(written(RocksLog::open(directory.path(), &OpenOptions::default()).unwrap()));
    let path = directory.path().join("VERSION");
    let format = fs::read_to_string(&path).unwrap();
    assert!(format.contains('1'), "{format}");
    fs::write(path, format.replace('1', "999")).unwrap();
    let error = refusal(RocksLog::open(directory.path(), &OpenOptions::default()));
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("999"), "{error}");
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "do not lose this").unwrap();
    let error = refusal(RocksLog::open(directory.path(), &OpenOptions::default()));
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let kept = fs::read_to_string(directory.path().join("thesis.txt")).unwrap();
    assert_eq!(kept, "do not lose this");
}

#[test]
fn a_full_disk_stops_the_engine_with_an_error_and_loses_nothing_acknowledged() {
    for seed in 0..20 {
        let faults = Faults { full_per_mille: 100, ..Faults::default() };
        let disk = Disk::new(MemoryLog::with_faults(seed, faults));
        let mut acknowledged = 0;
        let mut refused = 0;
        let all = opening();
        let (mut engine, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
        while acknowledged < all.len() {
            match engine.accept(&all[acknowledged..=acknowledged]) {
                Ok(offset) => {
                    assert_eq!(offset.0, i64::try_from(acknowledged).unwrap());
                    acknowledged += 1;
                    engine.run_to_end(|_| {}).unwrap();
                }
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unavailable);
                    assert!(error.message.contains("full"), "{error}");
                    refused += 1;
                    // It goes on refusing, in words, until somebody makes room and opens it again.
                    let again = engine.accept(&all[acknowledged..=acknowledged]).unwrap_err();
                    assert_eq!(again.kind, ErrorKind::Unavailable);
                    assert_eq!(engine.turn().unwrap_err().kind, ErrorKind::Unavailable);
                    disk.log_mut().reopen();
                    engine = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap().0;
                    assert_eq!(disk.all_commands().len(), acknowledged);
                }
            }
        }
        assert!(refused > 0, "seed {seed} never filled the disk");
        assert!(disk.verify().is_clean());
        let whole = written(Disk::default());
        assert_eq!(disk.ends().unwrap(), whole.ends().unwrap());
    }
}

/// Its dead letter holds more than the command did, and its decision repeats its headers.
#[test]
fn a_command_that_the_log_takes_can_be_answered_however_long_it_is() {
    let mut partition = Partition::with_a_pool();
    let (mut taken, mut refused) = (0, 0);
    for spare in [0, 1, 60, 100, 300, 1_000] {
        let length = COMMAND_RECORD_BYTES_MAX - spare;
        let long_value = bytes(0, b"p", vec![1; length]);
        let mut long_headers = bytes(0, b"p", vec![1]);
        long_headers.headers = Headers::from([("correlation_id", vec![b'x'; length])]);
        for long in [long_value, long_headers] {
            match partition.engine.accept(std::slice::from_ref(&long)) {
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Invalid);
                    refused += 1;
                }
                Ok(_) => {
                    let decided = partition.engine.turn().unwrap();
                    check_refusal(&decided[0], Code::Unreadable, "bytes");
                    taken += 1;
                }
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    assert_eq!(partition.disk.all_dead_letters().len(), taken);
    let decision = partition.send(0, ask("r", "t").into());
    assert_eq!(decision.outcome, Outcome::Accepted);
}

/// Rounds are cut by what is in the log, not by how much of it happened to be read ahead: otherwise
/// a run that was interrupted would end with another head.
#[test]
fn long_commands_do_not_make_the_cut_depend_on_where_reading_began() {
    let mut records = opening();
    let padded = |id: String, bytes_long: usize| {
        let mut cancel = command(&id, cancel("nobody"));
        cancel.command_id = (id + &"x".repeat(bytes_long)).into();
        record(0, &cancel)
    };
    records.extend((0..64).map(|index| padded(format!("short{index}"), 1)));
    records.extend((0..56).map(|index| padded(format!("middle{index}"), 60_000)));
    records.extend((0..80).map(|index| padded(format!("long{index}"), 200_000)));
    let run = |interrupted: bool| {
        let mut disk = Disk::default();
        disk.accept(&records).unwrap();
        let mut engine = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap().0;
        while !engine.turn().unwrap().is_empty() {
            if interrupted {
                engine = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap().0;
            }
        }
        assert!(disk.verify().is_clean());
        disk.ends().unwrap().head
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn ticks_on_an_open_log_do_no_harm_however_many() {
    let mut partition = Partition::with_a_pool();
    let tick = record(0, &command("t", Payload::Tick));
    let decisions = partition.records(&vec![tick; 500]);
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Accepted));
    assert!(partition.disk.verify().is_clean());
}
