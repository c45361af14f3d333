//! `conclave schemas`, as people call it.

use crate::registry_common::{Fault, StandIn};
use serde_json::Value;
use std::process::{Command, Output};

fn schemas(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.arg("schemas").args(arguments).env_remove("CONCLAVE_REGISTRY_TOKEN");
    command.envs(variables.iter().copied()).output().unwrap()
}

/// Runs it and checks its exit code; what it says, on both.
#[track_caller]
fn check(stand_in: &StandIn, what: &str, variables: &[(&str, &str)], code: i32) -> String {
    let ended = schemas(&[what, "--registry", &stand_in.url()], variables);
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(ended.status.code(), Some(code), "{said}");
    said
}

#[test]
fn exit_codes_say_what_was_found() {
    let mut stand_in = StandIn::start(1);
    let differs = check(&stand_in, "check", &[], 1);
    assert!(differs.contains("WRONG  conclave.commands-value"), "{differs}");
    check(&stand_in, "register", &[], 0);
    let same = check(&stand_in, "check", &[], 0);
    assert!(same.contains("BACKWARD_TRANSITIVE") && !same.contains("WRONG"), "{same}");
    let json = schemas(&["check", "--registry", &stand_in.url(), "--output", "json"], &[]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["ok"], json["findings"].as_array().unwrap().len()), (&true.into(), 9));
    stand_in.set(Fault::Status(500));
    check(&stand_in, "check", &[], 3);
    stand_in.stop();
    check(&stand_in, "register", &[], 3);
    assert_eq!(schemas(&["check"], &[]).status.code(), Some(2), "which registry?");
}

#[test]
fn a_token_is_sent_and_not_shown() {
    let stand_in = StandIn::start(1);
    stand_in.require("Bearer hush-hush");
    check(&stand_in, "register", &[], 2);
    let wrong = check(&stand_in, "check", &[("CONCLAVE_REGISTRY_TOKEN", "wrong-one")], 2);
    assert!(!wrong.contains("wrong-one"), "{wrong}");
    let right = [("CONCLAVE_REGISTRY_TOKEN", "hush-hush"), ("CONCLAVE_LOG", "trace")];
    let said = check(&stand_in, "register", &right, 0);
    assert!(!said.contains("hush-hush"), "{said}");
}
