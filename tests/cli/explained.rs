//! `conclave explain` of requests that networks voted on: who said what, why, and what would change
//! it. `UPDATE_GOLDEN=1` writes the outputs anew.

use crate::commands::compare;
use crate::system_common::{
    HOUR, MINUTE, ask, command, council, node, open_log, policy, quota, record, release, set,
};
use crate::tale::conclave;
use conclave::council::model_id;
use conclave::engine::Engine;
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave_core::command::{
    ActivateCouncil, ActivateDecider, CouncilMode, Payload, SetPoolPolicy,
};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A tenant that runs some work, gives it back and asks for more, and another one beside it.
fn payloads(model: String) -> Vec<(i64, Payload)> {
    let rules = set(SetPoolPolicy { council: CouncilMode::Enforce, ..policy() });
    let large = ask("large", "vision").gpus(8).hours(40).priority(3);
    vec![
        (0, open_log()),
        (0, rules),
        (0, node("a", 8, "A100")),
        (0, node("b", 8, "A100")),
        (0, quota("vision", 4, 12)),
        (0, quota("speech", 0, 8)),
        (0, Payload::ActivateDecider(ActivateDecider { version: 2 })),
        (0, Payload::ActivateCouncil(ActivateCouncil { model })),
        (9 * HOUR, ask("first", "vision").gpus(2).hours(2).priority(8).into()),
        (9 * HOUR + MINUTE, ask("second", "speech").gpus(1).hours(1).preemptible().into()),
        (11 * HOUR, release("first", 8)),
        (11 * HOUR, release("second", 9)),
        (12 * HOUR, large.into()),
        (12 * HOUR, ask("small", "vision").gpus(1).hours(1).priority(9).into()),
        (13 * HOUR, Payload::Tick),
        (13 * HOUR, Payload::Tick),
    ]
}

/// A data directory in which the council of `file` voted.
fn voted(file: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let log = RocksLog::open(data, &OpenOptions::default()).unwrap();
    let seat = council::seat_of(file, data);
    let told = payloads(model_id(file).0.to_string());
    let commands = (0..)
        .zip(told)
        .map(|(number, (at_ms, payload))| record(at_ms, &command(&format!("c-{number}"), payload)));
    let commands: Vec<_> = commands.collect();
    let (mut engine, _) = Engine::open(log, seat, 1_000_000).unwrap();
    engine.accept(&commands).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    drop(engine.close().unwrap());
    directory
}

fn trained() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/council-1.council");
    fs::read(path).unwrap()
}

/// Compares what is said of both requests with golden files.
#[track_caller]
fn check(name: &str, file: &[u8]) {
    let directory = voted(file);
    for request in ["large", "small"] {
        let arguments = format!("explain {request}");
        let answer = conclave(&arguments, Some(directory.path()));
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
        compare(&format!("explain-{name}-{request}.txt"), &answer.out, &arguments);
        let from = answer.out.lines().position(|line| line.starts_with("  council  ")).unwrap();
        let of_vote =
            answer.out.lines().skip(from).take_while(|line| {
                line.starts_with("  council  ") || line.starts_with("           ")
            });
        assert!(of_vote.count() <= 25, "{}", answer.out);
    }
    let arguments = "explain large --output json";
    let answer = conclave(arguments, Some(directory.path()));
    let json = serde_json::to_string_pretty(&answer.json()["networks"]).unwrap();
    compare(&format!("explain-{name}-large.json"), &json, arguments);
}

#[test]
fn a_council_that_nobody_trained_is_explained() {
    check("untrained", &council::untrained());
}

#[test]
fn a_council_that_answers_by_size_is_explained() {
    check("plain", &council::plain());
}

#[test]
fn the_released_council_is_explained() {
    check("council-1", &trained());
}

#[test]
fn a_council_that_is_not_here_is_named_with_where_it_belongs() {
    let file = council::untrained();
    let directory = voted(&file);
    fs::remove_dir_all(directory.path().join("models")).unwrap();
    let answer = conclave("explain large", Some(directory.path()));
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
    let file = format!("its file {}.council is not in", model_id(&file).0);
    assert!(answer.out.contains(&file) && answer.out.contains("put it there"), "{answer:?}");
    assert!(answer.out.contains("member 5: "), "{answer:?}");
}
