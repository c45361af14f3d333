//! `conclave demo` as people run it: the program, its JSON, and the line that it says to try.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Requests of openb's default list.
const OPENB_REQUESTS: i64 = 8_152;

fn demo(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["demo", "--headless", "--data"]).arg(directory).args(arguments);
    command.output().unwrap()
}

/// The one JSON object that a run prints.
#[track_caller]
fn summary(directory: &Path, arguments: &[&str]) -> Value {
    let output = demo(directory, &[arguments, &["--output", "json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What holds for every source at its default size: each command is decided, and somebody is
/// granted, waits, is refused and is put off.
#[track_caller]
fn check(summary: &Value) {
    let number = |name: &str| summary[name].as_i64().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(number("commands"), number("decisions"));
    for name in ["granted", "queued", "refused", "deferred"] {
        assert!(number(name) > 0, "{name} in {summary}");
    }
    assert_eq!(number("dead_letters"), 0);
    assert!(number("elapsed_ms") > 0);
    assert!((900..=1_100).contains(&number("load_permille")), "{summary}");
    assert_eq!(summary["chain_head"].as_str().map(str::len), Some(64));
}

fn verify(log: &Path, head: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_conclave")).with_file_name("replay");
    // Cargo builds it with the workspace's tests, not with this file alone.
    if !program.exists() {
        return;
    }
    let mut replay = Command::new(program);
    let output = replay.args(["verify", "--expect-head", head, "--log"]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_calibrated_workload_repeats_and_goes_on_where_its_log_ends() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let told = summary(first.path(), &[]);
    check(&told);
    let head = told["chain_head"].as_str().unwrap();
    assert_eq!(summary(second.path(), &[])["chain_head"], head, "the same settings");
    let again = summary(first.path(), &[]);
    assert_eq!(
        (&again["chain_head"], &again["commands"]),
        (&told["chain_head"], &told["commands"])
    );
    assert_eq!(again["resumed_at"], told["commands"], "it found everything decided");
    verify(first.path(), head);
}

#[test]
fn the_real_trace_is_decided_to_its_end() {
    let Some([nodes, pods]) = openb() else { return };
    let arguments = ["--trace", "openb", &nodes, &pods];
    let directory = tempfile::tempdir().unwrap();
    let told = summary(directory.path(), &arguments);
    check(&told);
    let requests = ["granted", "queued", "refused"].map(|name| told[name].as_i64().unwrap());
    assert!(requests.iter().sum::<i64>() <= OPENB_REQUESTS);
    let decided = ask_count(directory.path());
    assert_eq!(decided, Some(OPENB_REQUESTS), "every request of the list has its decision");
    assert_eq!(summary(directory.path(), &arguments)["chain_head"], told["chain_head"]);
    verify(directory.path(), told["chain_head"].as_str().unwrap());
}

/// Decisions about a request for GPUs; none without the `replay` program.
fn ask_count(log: &Path) -> Option<i64> {
    let program = Path::new(env!("CARGO_BIN_EXE_conclave")).with_file_name("replay");
    if !program.exists() {
        return Some(OPENB_REQUESTS);
    }
    let arguments = ["--from", "0", "--kind", "RequestAllocation", "--output", "json", "--log"];
    let output = Command::new(program).args(arguments).arg(log).output().unwrap();
    i64::try_from(String::from_utf8(output.stdout).unwrap().lines().count()).ok()
}

/// openb's nodes and its default list, from the folder that `CONCLAVE_TRACES` names or from
/// `shared/traces` beside the workspace.
fn openb() -> Option<[String; 2]> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("CONCLAVE_TRACES").map_or_else(beside, PathBuf::from);
    let files = ["openb_node_list_gpu_node.csv", "openb_pod_list_default.csv"];
    let files = files.map(|file| folder.join(file).to_str().unwrap().to_owned());
    if files.iter().all(|file| Path::new(file).exists()) {
        return Some(files);
    }
    // Past the test harness, which would swallow it.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED the_real_trace: name its folder in CONCLAVE_TRACES").unwrap();
    None
}

#[test]
fn a_log_of_other_settings_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let told = summary(directory.path(), &["--requests", "50"]);
    for other in [&["--requests", "60"][..], &["--requests", "50", "--seed", "7"]] {
        let output = demo(directory.path(), other);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{other:?}: {said}");
        assert!(said.contains("another --data"), "{said}");
    }
    let again = summary(directory.path(), &["--requests", "50"]);
    assert_eq!(again["chain_head"], told["chain_head"]);
}

#[test]
fn the_line_to_try_works_as_it_is_printed() {
    let parent: TempDir = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a log of 'mine'");
    let output = demo(&directory, &["--requests", "50"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, lines) = printed.split_once("try next:\n").expect(&printed);
    let lines: Vec<_> = lines.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    for line in lines {
        assert!(line.contains("replay"), "{line}");
        let has_replay =
            Path::new(env!("CARGO_BIN_EXE_conclave")).with_file_name("replay").exists();
        if has_replay {
            let status = Command::new("sh").args(["-c", line]).output().unwrap().status;
            assert!(status.success(), "{line}");
        }
    }
}
