//! Networks in the seat of a whole partition: the switch from `decide_version` 1 to 2, a council
//! whose file is missing, and the proof afterwards.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod system_common;

use conclave::archive::{Archived, Plan, make};
use conclave::council::{CouncilSeat, Models, file_name, keep};
use conclave::engine::Engine;
use conclave::error::ErrorKind;
use conclave::log::archive::{ArchiveFile, Origin};
use conclave::log::{CommandRecord, LogReader as _};
use conclave::verify::{Report, Verdict, verify};
use conclave::wire::decode_decision;
use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::decision::*;
use conclave_core::rejection::RejectionCode;
use conclave_core::seat::RuleSeat;
use conclave_core::units::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use system_common::*;

/// The file of a council that may sit, and what the log calls it.
fn council_file(dir: &Path) -> (PathBuf, ModelId) {
    (council::write(dir), council::untrained_id())
}

fn record(at: i64, payload: Payload) -> CommandRecord {
    let id = format!("c{at}-{}", payload.name());
    system_common::record(at, &command(&id, payload))
}

fn seat(ModelId(digest): ModelId) -> Payload {
    Payload::ActivateCouncil(ActivateCouncil { model: digest.to_string() })
}

fn version() -> Payload {
    Payload::ActivateDecider(ActivateDecider { version: 2 })
}

/// A pool under a council that is listened to.
fn beginning() -> Vec<CommandRecord> {
    let rules = set(SetPoolPolicy { council: CouncilMode::Enforce, ..policy() });
    let tenants = ["t", "u"].map(|name| quota(name, 0, 99));
    let all = [open_log(), rules, node("a", 8, "A100")].into_iter().chain(tenants);
    (0..).zip(all).map(|(at, payload)| record(at, payload)).collect()
}

/// Requests of two tenants, some of them given back.
fn requests(from: i64, count: i64) -> Vec<CommandRecord> {
    let ask = |at: i64| {
        let tenant = if at % 3 == 0 { "u" } else { "t" };
        let asked = ask(&format!("r{at}"), tenant).priority(1 + at % 10).hours(1 + at % 30);
        record(at * HOUR / 4, asked.into())
    };
    let mut all: Vec<_> = (from..from + count).map(ask).collect();
    all.push(record((from + count) * HOUR / 4, Payload::Tick));
    all
}

struct Told {
    voted: usize,
    ruled: usize,
    remembered: usize,
}

fn told(disk: &Disk) -> Told {
    let mut told = Told { voted: 0, ruled: 0, remembered: 0 };
    for record in disk.all_decisions() {
        for event in decode_decision(&record.body).unwrap().events {
            match event {
                Event::CouncilVoted(_) => told.voted += 1,
                Event::RequestVoted(_) => told.ruled += 1,
                Event::CouncilRemembered(_) => told.remembered += 1,
                _ => {}
            }
        }
    }
    told
}

fn proved(disk: &Disk, seat: &mut CouncilSeat) -> Report {
    verify(disk, 0, seat).unwrap()
}

#[test]
fn a_log_of_version_1_goes_on_under_version_2_with_networks_and_is_proved() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = council_file(dir.path());
    assert_eq!(keep(&path, dir.path()).unwrap(), model);
    let mut sitting = CouncilSeat::new(Models::beside(dir.path()));

    let disk = Disk::default();
    let (mut engine, _) = Engine::open(disk.clone(), sitting.clone(), NO_SNAPSHOT).unwrap();
    // All of it is there before anything is read: what is read ahead is read by version 1.
    let mut all = beginning();
    all.extend(requests(1, 20));
    all.push(record(6 * HOUR, seat(model)));
    all.push(record(6 * HOUR, version()));
    all.push(record(6 * HOUR + 1, seat(model)));
    all.extend(requests(30, 60));
    engine.accept(&all).unwrap();
    engine.run_to_end(|_| {}).unwrap();

    let decisions: Vec<Decision> =
        disk.all_decisions().iter().map(|record| decode_decision(&record.body).unwrap()).collect();
    let activations: Vec<_> = decisions
        .iter()
        .filter(|one| one.kind == "ActivateCouncil" || one.time_ms == TimeMs(6 * HOUR))
        .map(|one| (one.decide_version, one.outcome.clone()))
        .collect();
    let Outcome::Rejected(unread) = &activations[0].1 else { panic!("{activations:?}") };
    assert_eq!((activations[0].0, unread.code), (1, RejectionCode::Unreadable));
    let said = "branch 16 of a union of which this version knows 16";
    assert!(unread.detail.starts_with(said), "{unread:?}");
    assert_eq!(activations[1], (1, Outcome::Accepted), "the switch is version 1's last decision");
    assert_eq!(activations[2], (2, Outcome::Accepted));
    let Told { voted, ruled, remembered } = told(&disk);
    assert_eq!((ruled >= 20, voted >= 60, remembered >= 2), (true, true, true));

    let report = proved(&disk, &mut sitting);
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
    // Whoever has not the file can check what the rules decided, and says what is missing.
    let report = verify(&disk, 0, &mut RuleSeat).unwrap();
    assert_eq!(report.verdict(), Verdict::Unchecked, "{report:#?}");
    assert!(report.input_missing > 0 && report.divergences == 0);
    assert!(report.councils_missing[0].contains(&model.0.to_string()), "{report:#?}");
}

#[test]
fn a_partition_waits_for_the_file_of_its_council_and_then_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = council_file(dir.path());
    let sitting = || CouncilSeat::new(Models::beside(dir.path()));
    let disk = Disk::default();
    let (mut engine, _) = Engine::open(disk.clone(), sitting(), NO_SNAPSHOT).unwrap();
    let mut all = beginning();
    all.extend([record(1, version()), record(2, seat(model))]);
    all.extend(requests(1, 8));
    engine.accept(&all).unwrap();
    let error = engine.run_to_end(|_| {}).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(engine.waiting(), Some(error.message.as_str()));
    assert!(error.message.contains(&file_name(model)), "{error}");
    // Before the command that puts it into the seat: that one can be skipped.
    let decided = disk.all_decisions().len();
    assert_eq!(decided, beginning().len() + 1);
    for _ in 0..3 {
        engine.turn().unwrap_err();
    }
    assert_eq!(disk.all_decisions().len(), decided);

    keep(&path, dir.path()).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    assert_eq!(engine.waiting(), None);
    assert_eq!(disk.all_decisions().len(), all.len());

    // An instance that never waited decides the same.
    let other = Disk::default();
    let (mut engine, _) = Engine::open(other.clone(), sitting(), NO_SNAPSHOT).unwrap();
    engine.accept(&all).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    assert_eq!(other.ends().unwrap(), disk.ends().unwrap());
}

#[test]
fn a_file_that_is_damaged_or_cut_keeps_the_partition_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = council_file(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let models = dir.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let disk = Disk::default();
    let sitting = CouncilSeat::new(Models::beside(dir.path()));
    let (mut engine, _) = Engine::open(disk.clone(), sitting, NO_SNAPSHOT).unwrap();
    let mut all = beginning();
    all.extend([record(1, version()), record(2, seat(model))]);
    engine.accept(&all).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for wrong in [&bytes[..bytes.len() - 1], &flipped, b""] {
        std::fs::write(models.join(file_name(model)), wrong).unwrap();
        let error = engine.run_to_end(|_| {}).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("has the digest"), "{error}");
    }
    std::fs::write(models.join(file_name(model)), &bytes).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    assert_eq!(disk.all_decisions().len(), all.len());
}

#[test]
fn a_council_for_other_features_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/council/five.council");
    let error = keep(Path::new(golden), dir.path()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(!dir.path().join("models").exists());
}

#[test]
fn an_archive_brings_the_councils_that_sat_and_is_not_made_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = council_file(dir.path());
    keep(&path, dir.path()).unwrap();
    let here = Models::beside(dir.path());
    let disk = Disk::default();
    let seated = CouncilSeat::new(here.clone());
    let (mut engine, _) = Engine::open(disk.clone(), seated, NO_SNAPSHOT).unwrap();
    let mut all = beginning();
    all.extend([record(1, version()), record(2, seat(model))]);
    all.extend(requests(1, 20));
    engine.accept(&all).unwrap();
    engine.run_to_end(|_| {}).unwrap();

    let archive = |models: Models| {
        let (to, origin) = (&dir.path().join("archive"), Origin::Directory);
        let (partitions, schemas, made_at) = (vec![(0, None)], vec![], TimeMs(0));
        let plan = Plan { to, origin, partition_count: 1, partitions, schemas, models, made_at };
        make(&plan, |_| Ok(disk.clone())).unwrap()
    };
    let Archived::Refused(refusal) = archive(Models::in_dirs([])) else { panic!("it was made") };
    assert_eq!((refusal.partition, refusal.verdict), (0, Verdict::Unchecked));
    assert!(refusal.sentences[0].contains(&model.0.to_string()), "{refusal:?}");
    let Archived::Made { file, .. } = archive(here) else { panic!("it was refused") };
    assert_eq!(file.manifest().models, [model.0.to_string()]);

    // Whoever has nothing but the archive proves every vote.
    let mut brought =
        CouncilSeat::new(Models::in_dirs([]).or_from(Arc::new(file.models().clone())));
    let copy = file.reader(0).unwrap();
    let report = verify(&copy, 0, &mut brought).unwrap();
    assert_eq!((report.verdict(), report.decisions), (Verdict::Clean, all.len() as u64));
    // What is not the council that sat is no archive.
    let bytes = std::fs::read(file.path()).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(dir.path().join("damaged"), damaged).unwrap();
    let error = ArchiveFile::open(&dir.path().join("damaged")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
}

#[test]
fn a_bad_copy_hides_no_good_one() {
    let (bad, good) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, model) = council_file(good.path());
    keep(&path, good.path()).unwrap();
    let dir = |of: &tempfile::TempDir| of.path().join("models");
    std::fs::create_dir(dir(&bad)).unwrap();
    std::fs::write(dir(&bad).join(file_name(model)), "").unwrap();
    let only_bad = Models::in_dirs([dir(&bad)]);
    let why = only_bad.get(model).unwrap_err();
    assert!(why.contains("take the file from its release again"), "{why}");
    Models::in_dirs([dir(&bad), dir(&good)]).get(model).unwrap();
    // Nor one that came along with the log.
    let file = std::fs::read(&path).unwrap();
    let depot = std::collections::BTreeMap::from([(model, file)]);
    let models = only_bad.or_from(Arc::new(depot));
    assert!(models.seated(model).is_none(), "nobody has looked for it");
    models.get(model).unwrap();
    assert!(models.seated(model).is_some());
}
