//! A command that cannot be decided stops its partition; a person has it skipped, and the next
//! start goes on. What was skipped stands in the log, and verify says how much it was.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod system_common;

use conclave::engine::Engine;
use conclave::error::ErrorKind;
use conclave::log::rocks::{self, OpenOptions, RocksLog, RocksReader};
use conclave::log::skip::{SKIPS_MAX, Skip};
use conclave::log::{EventLog, LogReader};
use conclave::verify::{Report, verify};
use conclave::wire::decode_decision;
use conclave_core::decision::{Failed, Outcome};
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, RuleSeat, Seat};
use conclave_core::units::{Offset, UserId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use system_common::*;

/// Votes by the rules, and panics when it is asked about priority 7: a bug of a release.
#[derive(Debug)]
struct Faulty;

impl Seat for Faulty {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let is_poison = ballot.newcomers.values().any(|asked| asked.priority == 7);
        assert!(!is_poison, "as this test wants it");
        RuleSeat.vote(ballot)
    }
}

fn open(directory: &Path) -> Engine<RocksLog, Faulty> {
    let log = RocksLog::open(directory, &OpenOptions::default()).unwrap();
    Engine::open(log, Faulty, NO_SNAPSHOT).unwrap().0
}

/// Decides all it can. Whether it came to the end.
fn run(engine: &mut Engine<RocksLog, Faulty>) -> bool {
    catch_unwind(AssertUnwindSafe(|| engine.run_to_end(|_| {}).unwrap())).is_ok()
}

/// A pool, and requests of which those at `poison` cannot be voted on. The first has offset 4.
fn sent(directory: &Path, requests: i64, poison: &[i64]) -> Engine<RocksLog, Faulty> {
    let mut engine = open(directory);
    let mut rules = policy();
    rules.council = conclave_core::command::CouncilMode::Enforce;
    let mut payloads = vec![open_log(), set(rules), node("a", 8, "A100"), quota("t", 0, 99)];
    for index in 0..requests {
        let priority = if poison.contains(&index) { 7 } else { 9 };
        let asked = ask(&format!("r{index}"), "t").priority(priority).slice(10);
        payloads.push(asked.into());
    }
    let commands = (0..)
        .zip(payloads)
        .map(|(index, payload): (i64, _)| record(index, &command(&format!("c{index}"), payload)));
    engine.accept(&commands.collect::<Vec<_>>()).unwrap();
    engine
}

fn skip(offset: i64) -> Skip {
    let (operator, reason) = (UserId::from("ada"), "stops the partition".to_owned());
    Skip { offset: Offset(offset), operator, reason }
}

fn verified(directory: &Path) -> Report {
    verify(&RocksReader::open(directory).unwrap(), 0, &mut Faulty).unwrap()
}

#[test]
fn a_skipped_command_fails_with_its_reason_and_everything_else_is_decided() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut engine = sent(path, 6, &[2, 4]);
    assert!(!run(&mut engine), "the partition stops");
    let busy = rocks::skip(path, &skip(6)).unwrap_err();
    assert_eq!(busy.kind, ErrorKind::Unavailable, "{busy}");
    drop(engine);
    rocks::skip(path, &skip(6)).unwrap();
    assert!(!run(&mut open(path)), "the other one stops it as well");
    rocks::skip(path, &skip(8)).unwrap();
    let mut engine = open(path);
    assert!(run(&mut engine));
    let state = engine.folded().state.clone();
    assert_eq!(engine.counters().failed, 1, "the other was skipped by an earlier start");
    engine.close().unwrap();
    let log = RocksReader::open(path).unwrap();
    let failed = |offset: i64| {
        let record = log.decisions(Offset(offset), 1).unwrap().remove(0);
        match decode_decision(&record.body).unwrap().outcome {
            Outcome::Failed(failed) => Some(failed),
            _ => None,
        }
    };
    let said = Failed { operator: "ada".into(), reason: "stops the partition".to_owned() };
    for offset in 0..10 {
        let expected = [6, 8].contains(&offset).then(|| said.clone());
        assert_eq!(failed(offset), expected, "decision {offset}");
    }
    let pool = &state.pools[POOL];
    let live: Vec<_> = pool.requests.keys().map(|name| name.0.to_string()).collect();
    assert_eq!(live, ["r0", "r1", "r3", "r5"]);
    let report = verified(path);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.decisions, report.skipped), (10, 2));
    assert_eq!(engine_state(path), state, "it is what the decisions fold to");
}

fn engine_state(path: &Path) -> conclave_core::state::State {
    open(path).folded().state.clone()
}

/// What is skipped is an input, like a command: a sound one is not decided either.
#[test]
fn a_command_that_could_be_decided_is_skipped_as_well_and_its_id_stays_free() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(sent(path, 3, &[]));
    rocks::skip(path, &skip(0)).unwrap_or_else(|error| panic!("{error}"));
    rocks::skip(path, &skip(5)).unwrap();
    let mut engine = open(path);
    assert!(run(&mut engine));
    let state = &engine.folded().state;
    assert!(state.pools.is_empty(), "nobody opened the log");
    drop(engine);
    let report = verified(path);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.skipped, 2);
}

#[test]
fn only_undecided_commands_are_skipped_and_only_with_a_name_and_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut engine = sent(path, 2, &[]);
    run(&mut engine);
    engine.accept(&[record(9, &command("late", ask("late", "t").into()))]).unwrap();
    drop(engine);
    let nobody = Skip { operator: UserId::default(), ..skip(6) };
    let silent = Skip { reason: " ".to_owned(), ..skip(6) };
    let long = Skip { reason: "x".repeat(1_025), ..skip(6) };
    for (wrong, why) in [
        (skip(-1), "has its decision"),
        (skip(5), "has its decision"),
        (skip(7), "there is no command 7"),
        (nobody, "operator"),
        (silent, "reason"),
        (long, "1025 bytes"),
    ] {
        let error = rocks::skip(path, &wrong).expect_err(why);
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.message.contains(why), "{error}");
    }
    let nowhere = rocks::skip(&path.join("nowhere"), &skip(0)).unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::Invalid);
    assert!(!path.join("nowhere").exists());
    rocks::skip(path, &skip(6)).unwrap();
    rocks::skip(path, &Skip { reason: "again".to_owned(), ..skip(6) }).unwrap();
    let log = RocksLog::open(path, &OpenOptions::default()).unwrap();
    let skips = log.skips().unwrap();
    assert_eq!(skips.len(), 1);
    assert_eq!(skips[0].reason, "again");
}

#[test]
fn too_many_skips_and_a_damaged_file_are_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let count = i64::try_from(SKIPS_MAX).unwrap();
    drop(sent(path, count, &[]));
    for offset in 0..count {
        rocks::skip(path, &skip(offset)).unwrap();
    }
    let error = rocks::skip(path, &skip(count)).unwrap_err();
    assert!(error.message.contains("100 commands"), "{error}");
    std::fs::write(path.join("skips.log"), "{").unwrap();
    let log = RocksLog::open(path, &OpenOptions::default()).unwrap();
    let error = Engine::open(log, Faulty, NO_SNAPSHOT).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.contains("remove it"), "{error}");
}
