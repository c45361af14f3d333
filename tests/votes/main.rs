//! Votes of networks in whole logs. Proved in two passes: what was decided is accepted, and nothing
//! else is; each forgery keeps the chain whole, and is found by a seat that votes at once, too, at
//! the same decision. Beside the seat: what a council would have said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod errs;
mod forge;
mod liars;
mod shadow;
#[path = "../system_common/mod.rs"]
mod system_common;
mod words;

use conclave::council::{CouncilSeat, Models};
use conclave::engine::Engine;
use conclave::log::{CommandRecord, LogReader};
use conclave::verify::{Report, Scope, Verdict, verify, verify_by_councils};
use conclave_core::command::*;
use conclave_core::seat::Seat;
use conclave_core::state::Stage;
use conclave_core::units::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;
use system_common::*;

/// The councils of this test, kept where a log would look for them.
static COUNCILS: LazyLock<(tempfile::TempDir, Models)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    drop(council::seat(dir.path()));
    let models = Models::beside(dir.path());
    (dir, models)
});

fn models() -> &'static Models {
    &COUNCILS.1
}

fn networks() -> CouncilSeat {
    CouncilSeat::new(models().clone())
}

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    Ask {
        tenant: usize,
        priority: i64,
        hours: i64,
        slice: i64,
    },
    /// The lease that has such a place among those that run.
    Release(usize),
    Wait {
        minutes: i64,
    },
    Unreadable,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ask = (0..3_usize, 1..=10_i64, 1..40_i64, 1..=1_000_i64)
        .prop_map(|(tenant, priority, hours, slice)| Act::Ask { tenant, priority, hours, slice });
    let act = prop_oneof![
        9 => ask,
        3 => (0..9_usize).prop_map(Act::Release),
        2 => (1..50_i64).prop_map(|minutes| Act::Wait { minutes }),
        1 => Just(Act::Unreadable),
    ];
    vec(act, 20..90)
}

/// Acts in batches, decided by `seat` in rounds of eight, under networks from the first one on.
fn told<S: Seat>(acts: &[Act], seat: S) -> Disk {
    told_in(CouncilMode::Enforce, acts, seat)
}

fn told_in<S: Seat>(mode: CouncilMode, acts: &[Act], seat: S) -> Disk {
    let disk = Disk::default();
    let (mut engine, _) = Engine::open(disk.clone(), seat, NO_SNAPSHOT).unwrap();
    engine.accept(&beginning(mode)).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    let mut now = HOUR;
    for (batch, acts) in acts.chunks(13).enumerate() {
        let running: Vec<(RequestId, i64)> = running(&engine);
        let mut records = vec![];
        for (index, act) in acts.iter().enumerate() {
            now += 7_000;
            let name = format!("r{batch}-{index}");
            let payload = match act {
                Act::Ask { tenant, priority, hours, slice } => {
                    let asked = ask(&name, ["t", "u", "v"][*tenant]).slice(*slice);
                    Some(asked.priority(*priority).hours(*hours).into())
                }
                Act::Release(place) if running.is_empty() => {
                    now += *place as i64;
                    Some(Payload::Tick)
                }
                Act::Release(place) => {
                    let (request, fencing) = &running[place % running.len()];
                    Some(release(&request.0, *fencing))
                }
                Act::Wait { minutes } => {
                    now += minutes * MINUTE;
                    Some(Payload::Tick)
                }
                Act::Unreadable => None,
            };
            records.push(match payload {
                Some(payload) => record(now, &command(&format!("c{name}"), payload)),
                None => bytes(now, POOL.as_bytes(), b"no command".to_vec()),
            });
        }
        engine.accept(&records).unwrap();
        engine.run_to_end(|_| {}).unwrap();
    }
    disk
}

fn running<S: Seat>(engine: &Engine<Disk, S>) -> Vec<(RequestId, i64)> {
    let requests = engine.folded().state.pools[POOL].requests.values();
    let lease = |stage: &Stage| match stage {
        Stage::Running(lease) => Some(lease.fencing.0),
        _ => None,
    };
    requests.filter_map(|one| Some((one.ask.request.clone(), lease(&one.stage)?))).collect()
}

fn beginning(mode: CouncilMode) -> Vec<CommandRecord> {
    let Payload::OpenLog(open) = open_log() else { unreachable!() };
    let open = OpenLog { round_commands: 8, duplicate_ids: 1_000, ..open };
    let rules = SetPoolPolicy { council: mode, ..policy() };
    let tenants = ["t", "u", "v"].map(|name| quota(name, 0, 99));
    let mut all = vec![Payload::OpenLog(open), set(rules), node("a", 8, "A100")];
    all.extend(tenants);
    all.extend([version(), seat(&council::untrained_id().0.to_string())]);
    all.into_iter()
        .enumerate()
        .map(|(at, one)| record(0, &command(&format!("b{at}"), one)))
        .collect()
}

fn version() -> Payload {
    Payload::ActivateDecider(ActivateDecider { version: 2 })
}

fn seat(model: &str) -> Payload {
    Payload::ActivateCouncil(ActivateCouncil { model: model.to_owned() })
}

/// Verifies in two passes, and checks that every decision is counted once.
fn in_two_passes(log: &dyn LogReader) -> Report {
    let report = verify_by_councils(log, 0, models(), &Scope::default(), |_| {}).unwrap();
    check_sum(&report);
    report
}

fn at_once(log: &dyn LogReader) -> Report {
    let report = verify(log, 0, &mut networks()).unwrap();
    check_sum(&report);
    report
}

#[track_caller]
fn check_sum(report: &Report) {
    let Report { verified, divergences, duplicates, input_missing, other_version, .. } = report;
    let sum = verified + divergences + duplicates + input_missing + other_version;
    assert_eq!(report.decisions, sum + report.unchecked, "{report:#?}");
}

/// That both ways to prove a log find fault with it, first in the decision at `offset`.
#[track_caller]
fn check_found(disk: &Disk, offset: Offset) -> Report {
    let (report, at_once) = (in_two_passes(disk), at_once(disk));
    assert_eq!(report.verdict(), Verdict::Differs, "{report:#?}");
    assert_eq!(at_once.verdict(), Verdict::Differs, "{at_once:#?}");
    let first = [&report, &at_once].map(|report| report.first_divergences[0].offset);
    assert_eq!(first, [offset.0; 2], "{report:#?} {at_once:#?}");
    report
}

/// A story with all that can happen to a vote: two pools of acts, one after the other.
fn story() -> Vec<Act> {
    let ask = |at: usize| Act::Ask {
        tenant: at % 3,
        priority: 1 + (at as i64 * 7) % 10,
        hours: 1 + (at as i64 * 11) % 39,
        slice: 50 + (at as i64 * 37) % 500,
    };
    let act = |at: usize| match at % 11 {
        4 => Act::Release(at),
        7 => Act::Wait { minutes: 20 },
        9 if at.is_multiple_of(3) => Act::Unreadable,
        _ => ask(at),
    };
    (0..220).map(act).collect()
}

#[test]
fn what_was_decided_is_clean_and_every_vote_of_it_is_counted() {
    for mode in [CouncilMode::Enforce, CouncilMode::Advise] {
        let disk = told_in(mode, &story(), networks());
        let report = in_two_passes(&disk);
        assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
        assert_eq!(report.council_votes, forge::votes(&disk));
        assert!(report.council_votes > 150, "{report:#?}");
        assert_eq!(report, at_once(&disk));
    }
}

#[test]
fn without_its_file_nothing_that_a_council_said_is_believed() {
    let disk = told(&story(), networks());
    let nowhere = Models::in_dirs([]);
    let report = verify_by_councils(&disk, 0, &nowhere, &Scope::default(), |_| {}).unwrap();
    check_sum(&report);
    assert_eq!(report.verdict(), Verdict::Unchecked, "{report:#?}");
    assert!(report.input_missing > 100 && report.council_votes == 0, "{report:#?}");
    assert_eq!(report, verify(&disk, 0, &mut CouncilSeat::new(nowhere)).unwrap());
}

#[test]
fn a_part_of_a_log_is_proved_by_itself() {
    let disk = told(&story(), networks());
    let ends: Vec<Offset> = forge::decisions(&disk)
        .iter()
        .filter(|decision| decision.round_count.is_some())
        .map(|decision| decision.offset)
        .collect();
    for until in ends.iter().step_by(9) {
        let scope = Scope { until: Some(*until), ..Scope::default() };
        let report = verify_by_councils(&disk, 0, models(), &scope, |_| {}).unwrap();
        assert!(report.is_clean(), "{until}: {report:#?}");
        assert_eq!(report.decisions, until.0.unsigned_abs() + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_networks_decide_is_accepted(acts in acts()) {
        let disk = told(&acts, networks());
        let report = in_two_passes(&disk);
        prop_assert!(report.is_clean(), "{:#?}", report);
        prop_assert_eq!(report.council_votes, forge::votes(&disk));
    }

    #[test]
    fn a_changed_word_is_found_where_it_stands(
        acts in acts(),
        words in vec((any::<usize>(), any::<usize>()), 6),
    ) {
        let disk = told(&acts, networks());
        let said = words::said(&forge::decisions(&disk));
        for (place, word) in words.into_iter().filter(|_| !said.is_empty()) {
            let (at, event) = said[place % said.len()];
            let forged = forge::changed(&disk, |decisions| {
                words::change(&mut decisions[at].events[event], word);
            });
            check_found(&forged, Offset(i64::try_from(at).unwrap()));
        }
    }
}
