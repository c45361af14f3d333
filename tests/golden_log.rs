//! Golden logs: what was decided once is decided for ever, byte for byte, until somebody raises
//! `decide_version`.
//!
//! `tests/golden/log/commands.jsonl` holds the records of a log, `decisions.jsonl` the digest of
//! the body of each decision about them and, for people, what it says. `heads.json` holds the heads
//! of larger logs that are made anew each time, `snapshot.json` the digest of a snapshot of the
//! golden log's fold, `features.json` digests of what the council would have been told along it.
//! `CONCLAVE_BLESS=1 cargo test --release --test golden_log -- --test-threads=1` writes all five,
//! one after the other: the first test writes the commands that the others read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "golden_log/council.rs"]
mod council;
#[path = "golden_log/story.rs"]
mod story;
mod system_common;
#[path = "golden_log/tree.rs"]
mod tree;

use conclave::demo::{Scale, Source, feed_to_the_end};
use conclave::engine::Engine;
use conclave::fold::fold;
use conclave::log::{CommandRecord, Headers, LogReader};
use conclave::snapshot;
use conclave::verify::verify;
use conclave::wire::decode_decision;
use conclave_core::command::PlacementPolicy;
use conclave_core::decide::COMMANDS;
use conclave_core::decision::{Event, Outcome};
use conclave_core::rejection::RejectionCode as Code;
use conclave_core::seat::RuleSeat;
use conclave_core::units::TimeMs;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use system_common::*;

const WHAT_TO_DO: &str = "either restore the bytes or raise decide_version";

/// Rejections that no small log brings about.
const NOT_COVERED: &[Code] = &[Code::LogFull];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/log").join(name)
}

fn is_blessing() -> bool {
    std::env::var_os("CONCLAVE_BLESS").is_some()
}

fn lines(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_lines(name: &str, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::create_dir_all(path("")).unwrap();
    fs::write(path(name), text).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The committed records, in batches that are decided before the next one is sent.
fn committed_batches() -> Vec<Vec<CommandRecord>> {
    let mut batches: Vec<Vec<CommandRecord>> = vec![];
    for line in lines("commands.jsonl") {
        let batch = usize::try_from(line["batch"].as_u64().unwrap()).unwrap();
        batches.resize(batches.len().max(batch + 1), vec![]);
        let time_ms = TimeMs(line["time_ms"].as_i64().unwrap());
        let (key, value) = (unhex(&line["key"]), unhex(&line["value"]));
        batches[batch].push(CommandRecord { time_ms, key, value, headers: Headers::new() });
    }
    batches
}

fn bless_commands() {
    let mut lines = vec![];
    for (batch, records) in story::batches().into_iter().enumerate() {
        for record in records {
            let CommandRecord { time_ms, key, value, headers: _ } = record;
            let (key, value) = (hex(&key), hex(&value));
            let time_ms = time_ms.0;
            lines.push(json!({ "batch": batch, "time_ms": time_ms, "key": key, "value": value }));
        }
    }
    write_lines("commands.jsonl", &lines);
}

/// Decides batches and returns the log.
fn decide(batches: &[Vec<CommandRecord>]) -> Disk {
    let (disk, models) = (Disk::default(), tempfile::tempdir().unwrap());
    let seat = system_common::council::seat(models.path());
    let (mut engine, _) = Engine::open(disk.clone(), seat, NO_SNAPSHOT).unwrap();
    for batch in batches {
        engine.accept(batch).unwrap();
        engine.run_to_end(|_| {}).unwrap();
    }
    disk
}

/// What a line of `decisions.jsonl` says of a decision.
fn said(disk: &Disk) -> Vec<Value> {
    let decisions = disk.all_decisions();
    let line = |record: &conclave::log::DecisionRecord| {
        let decision = decode_decision(&record.body)
            .unwrap_or_else(|error| panic!("decision {}: {error}", record.offset));
        let outcome = match &decision.outcome {
            Outcome::Accepted => "accepted".to_owned(),
            Outcome::Rejected(rejected) => rejected.code.as_str().to_owned(),
            Outcome::Duplicate(duplicate) => format!("duplicate of {}", duplicate.first_offset),
            Outcome::Failed(failed) => format!("skipped: {}", failed.reason),
        };
        let events: Vec<String> = decision.events.iter().map(event_name).collect();
        let hash = record.hash.to_string();
        let (offset, kind) = (record.offset.0, decision.kind);
        let what = json!({ "kind": kind, "outcome": outcome, "events": events });
        json!({ "offset": offset, "said": what, "hash": hash })
    };
    decisions.iter().map(line).collect()
}

fn event_name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split('(').next().unwrap().to_owned()
}

#[test]
fn a_golden_log_is_decided_to_the_same_bytes() {
    if is_blessing() {
        bless_commands();
    }
    let disk = decide(&committed_batches());
    let said = said(&disk);
    if is_blessing() {
        write_lines("decisions.jsonl", &said);
    }
    let golden = lines("decisions.jsonl");
    assert_eq!(said.len(), golden.len(), "{WHAT_TO_DO}");
    for (now, then) in said.iter().zip(&golden) {
        assert_eq!(now, then, "decision {} has other bytes: {WHAT_TO_DO}", then["offset"]);
    }
    let models = tempfile::tempdir().unwrap();
    let mut seat = system_common::council::seat(models.path());
    let report = verify(&disk, 0, &mut seat).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn the_golden_log_covers_every_command_event_and_rejection() {
    let mut left: BTreeSet<String> = COMMANDS.iter().map(|row| row.name.to_owned()).collect();
    let events = COMMANDS.iter().flat_map(|row| row.events).map(|event| (*event).to_owned());
    left.extend(events);
    // Those of timers and of later votes, which belong to no command.
    left.extend(["DeferralDue", "RequestEnded", "LeaseEnded"].map(str::to_owned));
    let codes = Code::ALL.iter().filter(|code| !NOT_COVERED.contains(code));
    left.extend(codes.map(|code| code.as_str().to_owned()));
    for line in lines("decisions.jsonl") {
        let said = &line["said"];
        left.remove(said["kind"].as_str().unwrap());
        left.remove(said["outcome"].as_str().unwrap());
        for event in said["events"].as_array().unwrap() {
            left.remove(event.as_str().unwrap());
        }
    }
    assert_eq!(left, BTreeSet::new(), "the golden log lacks these");
}

/// A snapshot does not describe itself: bytes of another layout may well be read as a state.
#[test]
fn a_snapshot_of_another_layout_has_another_version() {
    let disk = decide(&committed_batches());
    let (folded, _) = fold(&disk, 0, None).unwrap();
    let bytes = snapshot::encode(&folded);
    assert_eq!(snapshot::decode(&bytes, folded.next()).unwrap(), folded);
    let now = json!({
        "head": folded.head.to_string(),
        "version": snapshot::SNAPSHOT_VERSION,
        "digest": blake3::hash(&bytes).to_hex().as_str(),
    });
    let read = fs::read(path("snapshot.json"));
    let then: Value = read.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
    let is_same_layout = (&now["head"], &now["version"]) == (&then["head"], &then["version"]);
    if is_blessing() && !is_same_layout {
        fs::write(path("snapshot.json"), format!("{now:#}\n")).unwrap();
        return;
    }
    assert_eq!(now, then, "restore the layout of the state or raise SNAPSHOT_VERSION and bless");
}

/// Decisions about many: a demo per placement policy, and a queue that is carried over.
#[test]
fn larger_logs_end_with_the_same_heads() {
    let mut heads = serde_json::Map::new();
    for placement in [PlacementPolicy::Random, PlacementPolicy::BestFit, PlacementPolicy::Fgd] {
        let scale = Scale { nodes_permille: 10, time_permille: None, placement };
        let workload = scale.apply(&Source::synthetic(42, 400));
        let (engine, _) = Engine::open(Disk::default(), RuleSeat, NO_SNAPSHOT).unwrap();
        let (summary, _) = feed_to_the_end(&workload, engine, |_, _| {}).unwrap();
        heads.insert(format!("demo {placement:?}"), summary.chain_head.into());
    }
    let carried = decide(&story::carried_over());
    let events: BTreeSet<String> = said(&carried)
        .iter()
        .flat_map(|line| line["said"]["events"].as_array().unwrap().clone())
        .map(|event| event.as_str().unwrap().to_owned())
        .collect();
    assert!(events.contains("QueueCarriedOver") && events.contains("QueueCaughtUp"));
    heads.insert("carried over".to_owned(), carried.ends().unwrap().head.to_string().into());
    let heads = Value::Object(heads);
    if is_blessing() {
        fs::create_dir_all(path("")).unwrap();
        fs::write(path("heads.json"), format!("{heads:#}\n")).unwrap();
    }
    let golden: Value = serde_json::from_slice(&fs::read(path("heads.json")).unwrap()).unwrap();
    assert_eq!(heads, golden, "{WHAT_TO_DO}");
}
