//! A partition whose commands are framed with a registry's ids: it decides, waits, goes on, and is
//! proved without the registry.

use crate::registry_common::{Fault, StandIn};
use crate::source::{known, registry, wait_for};
use crate::system_common::{
    Disk, NO_SNAPSHOT, POOL, bytes, command, node, open_log, policy, quota, record, set,
};
use conclave::engine::Engine;
use conclave::error::ErrorKind;
use conclave::log::rocks::{self, OpenOptions, RocksLog};
use conclave::log::skip::Skip;
use conclave::log::{CommandRecord, EventLog, LogReader};
use conclave::registry::texts;
use conclave::verify::{Report, Scope, Verdict, verify_with_progress};
use conclave::wire::{encode_command, reframe};
use conclave_core::command::{Payload, TimeSource};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::rejection::RejectionCode;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{Offset, UserId};
use std::path::Path;

type Deciding = Engine<Disk, RuleSeat>;

/// A command with the ids that [`known`]'s registry gave.
fn framed(id: &str, payload: Payload) -> CommandRecord {
    let mut record = record(0, &command(id, payload));
    reframe(&mut record.value, [700, 701, 702, 703]);
    record
}

/// The first command of a log, and a pool.
fn beginning(time_source: TimeSource) -> Vec<CommandRecord> {
    let Payload::OpenLog(mut open) = open_log() else { panic!() };
    open.time_source = time_source;
    let payloads = [Payload::OpenLog(open), set(policy()), node("a", 8, "A100")];
    payloads.into_iter().zip(0..).map(|(payload, n)| framed(&format!("c{n}"), payload)).collect()
}

/// A command that nobody can read without knowing the schema `id`.
fn foreign(id: u32) -> CommandRecord {
    let mut value = encode_command(&command("foreign", quota("t", 0, 9)));
    value[1..5].copy_from_slice(&id.to_be_bytes());
    bytes(0, POOL.as_bytes(), value)
}

fn deciding(disk: &Disk, stand_in: &StandIn, directory: &Path) -> Deciding {
    let (mut engine, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    engine.ask_for_schemas(registry(stand_in, directory).source());
    engine
}

fn decide_all(engine: &mut Deciding) -> Vec<Decision> {
    let mut decided = Vec::new();
    engine.run_to_end(|round| decided.extend_from_slice(round)).unwrap();
    decided
}

fn verified(disk: &Disk, kept: &[String]) -> Report {
    let scope = Scope { schemas: Some(kept), ..Scope::default() };
    verify_with_progress(disk, 0, &mut RuleSeat, &scope, |_| {}).unwrap()
}

#[track_caller]
fn check_verdict(disk: &Disk, kept: &[String], verdict: Verdict) -> Report {
    let report = verified(disk, kept);
    assert_eq!(report.verdict(), verdict, "{report:?}");
    report
}

#[test]
fn commands_with_a_registrys_ids_are_decided_and_proved_without_it() {
    let (stand_in, directory) = known();
    let mut disk = Disk::default();
    disk.accept(&beginning(TimeSource::Carried)).unwrap();
    disk.accept(&[foreign(9_999), framed("c9", quota("t", 0, 9))]).unwrap();
    let decided = decide_all(&mut deciding(&disk, &stand_in, directory.path()));
    let outcomes: Vec<_> = decided.iter().map(|decision| &decision.outcome).collect();
    let [Outcome::Accepted, Outcome::Accepted, Outcome::Accepted, rejected, Outcome::Accepted] =
        outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    let Outcome::Rejected(rejected) = rejected else { panic!("{rejected:?}") };
    assert_eq!(rejected.code, RejectionCode::UnknownSchema);
    assert_eq!(disk.all_dead_letters().len(), 1, "its sender has to mend it");
    drop(stand_in);
    // Our own texts are known to every release, whatever number they bear.
    check_verdict(&disk, &texts(directory.path()).unwrap(), Verdict::Clean);
    check_verdict(&disk, &[], Verdict::Clean);
    let by_table = disk.verify();
    assert_eq!(by_table.verdict(), Verdict::Differs, "ids mean nothing to the local table");
}

#[test]
fn the_same_command_has_one_digest_whatever_number_its_schema_bears() {
    let digest = |first_id: u32| {
        let stand_in = StandIn::start(first_id);
        for text in conclave::wire::schemas::COMMAND_SCHEMAS {
            stand_in.register("s", text);
        }
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::default();
        let mut record = record(0, &command("c", open_log()));
        reframe(&mut record.value, [first_id, first_id + 1, first_id + 2, first_id + 3]);
        disk.accept(&[record]).unwrap();
        let mut engine = deciding(&disk, &stand_in, directory.path());
        let head = decide_all(&mut engine)[0].input_hash;
        (head, engine.folded().head)
    };
    assert_eq!(digest(1), digest(4_000_000));
}

/// A newer schema of commands, as a writer of a later release has it.
fn newer() -> String {
    let text = conclave::wire::schemas::COMMAND_SCHEMA;
    let mut schema: serde_json::Value = serde_json::from_str(text).unwrap();
    let field = serde_json::json!({ "name": "later", "type": "long", "default": 0 });
    // Last, so that a datum of ours with a zero behind it is one of theirs.
    schema["fields"].as_array_mut().unwrap().push(field);
    schema.to_string()
}

#[test]
fn a_proof_needs_the_texts_of_other_writers_and_says_which_are_missing() {
    let (stand_in, directory) = known();
    let id = stand_in.register(crate::source::SUBJECT, &newer());
    let mut disk = Disk::default();
    disk.accept(&beginning(TimeSource::Carried)).unwrap();
    let mut theirs = foreign(id);
    theirs.value.push(0);
    disk.accept(&[theirs]).unwrap();
    let decided = decide_all(&mut deciding(&disk, &stand_in, directory.path()));
    assert_eq!(decided[3].outcome, Outcome::Accepted, "{:?}", decided[3]);
    let kept = texts(directory.path()).unwrap();
    check_verdict(&disk, &kept, Verdict::Clean);
    let report = check_verdict(&disk, &[], Verdict::Unchecked);
    assert_eq!((report.input_missing, report.schemas_missing), (1, vec![id]));
}

/// Waits for `fault` to end: what came before is decided or not, nothing is lost, and the end is
/// the same as without it.
#[track_caller]
fn check_waits(time_source: TimeSource, fault: Fault, decided_meanwhile: i64) {
    let (stand_in, directory) = known();
    let mut disk = Disk::default();
    let mut engine = deciding(&disk, &stand_in, directory.path());
    disk.accept(&beginning(time_source)).unwrap();
    decide_all(&mut engine);
    let later = stand_in.register("s", r#"{"type": "string"}"#);
    stand_in.set(fault);
    disk.accept(&[framed("d0", quota("t", 0, 9)), foreign(later)]).unwrap();
    disk.accept(&[framed("d1", quota("u", 0, 9))]).unwrap();
    let error = loop {
        match engine.turn() {
            Ok(decisions) => assert!(!decisions.is_empty()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.message.contains("offset 4 waits for its schema"), "{error}");
    assert_eq!(engine.waiting(), Some(error.message.as_str()));
    assert_eq!(disk.ends().unwrap().decisions_next, Offset(3 + decided_meanwhile));
    stand_in.set(Fault::None);
    let mut decided = Vec::new();
    wait_for(|| {
        decided.extend(engine.turn().ok()?);
        (disk.ends().unwrap().decisions_next == Offset(6)).then_some(())
    });
    assert_eq!(engine.waiting(), None);
    check_verdict(&disk, &texts(directory.path()).unwrap(), Verdict::Clean);
}

#[test]
fn a_partition_waits_for_a_registry_that_is_away_and_loses_nothing() {
    check_waits(TimeSource::LogAppend, Fault::Status(500), 1);
    check_waits(TimeSource::LogAppend, Fault::SlowMs(2_000), 1);
    check_waits(TimeSource::Carried, Fault::Status(500), 0);
}

#[test]
fn an_operator_who_cannot_wait_skips_the_command() {
    let (mut stand_in, directory) = known();
    let data = tempfile::tempdir().unwrap();
    let open = |stand_in: &StandIn| {
        let log = RocksLog::open(data.path(), &OpenOptions::default()).unwrap();
        let (mut engine, _) = Engine::open(log, RuleSeat, NO_SNAPSHOT).unwrap();
        engine.ask_for_schemas(registry(stand_in, directory.path()).source());
        engine
    };
    let mut engine = open(&stand_in);
    engine.accept(&beginning(TimeSource::Carried)).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    stand_in.stop();
    engine.accept(&[foreign(9_999), framed("d", quota("t", 0, 9))]).unwrap();
    assert!(engine.turn().is_err() && engine.waiting().is_some());
    drop(engine);
    let (operator, reason) = (UserId::from("ada"), "its registry is gone".to_owned());
    rocks::skip(data.path(), &Skip { offset: Offset(3), operator, reason }).unwrap();
    let mut engine = open(&stand_in);
    let mut decided = Vec::new();
    engine.run_to_end(|round| decided.extend_from_slice(round)).unwrap();
    let outcomes: Vec<_> = decided.iter().map(|decision| &decision.outcome).collect();
    assert!(matches!(outcomes[..], [Outcome::Failed(_), Outcome::Accepted]), "{outcomes:?}");
    let scope = Scope { schemas: Some(&[]), ..Scope::default() };
    let report = verify_with_progress(engine.log(), 0, &mut RuleSeat, &scope, |_| {}).unwrap();
    assert_eq!((report.verdict(), report.skipped), (Verdict::Clean, 1), "{report:?}");
}

#[test]
fn rounds_of_a_carried_log_are_cut_alike_whether_a_registry_was_away_or_not() {
    let head = |is_away: bool| {
        let (stand_in, directory) = known();
        let mut disk = Disk::default();
        let mut engine = deciding(&disk, &stand_in, directory.path());
        disk.accept(&beginning(TimeSource::Carried)).unwrap();
        decide_all(&mut engine);
        let later = stand_in.register("s", r#"{"type": "string"}"#);
        let tick = |n: i64| framed(&format!("t{n}"), Payload::Tick);
        disk.accept(&[tick(0), foreign(later), tick(1)]).unwrap();
        if is_away {
            stand_in.set(Fault::Status(500));
            assert!(engine.turn().is_err());
            stand_in.set(Fault::None);
        }
        wait_for(|| {
            engine.turn().ok();
            (disk.ends().unwrap().decisions_next == Offset(6)).then_some(engine.folded().head)
        })
    };
    assert_eq!(head(true), head(false));
}
