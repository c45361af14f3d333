//! `conclave import` as people run it: exit codes, what it says, `kill -9`, and the published
//! traces where they are at hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[allow(dead_code, reason = "each test file uses its part")]
mod import_common;

use import_common::{NODES, PODS, philly_jobs, write};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.arg("import").args(arguments).arg("--data").arg(data);
    command
}

fn import(arguments: &[&str], data: &Path) -> Output {
    command(arguments, data).output().unwrap()
}

#[track_caller]
fn summary(arguments: &[&str], data: &Path) -> Value {
    json(&import(&[arguments, &["--output", "json"]].concat(), data))
}

#[track_caller]
fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The program refuses with exit code 2, prints no result and says all of `wanted` on stderr.
#[track_caller]
fn check_refused(arguments: &[&str], data: &Path, wanted: &[&str]) {
    let output = import(arguments, data);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    for wanted in wanted {
        assert!(said.contains(wanted), "{said}\n\nlacks: {wanted}");
    }
}

fn replay(arguments: &[&str], data: &Path) -> Option<Output> {
    let program = Path::new(env!("CARGO_BIN_EXE_conclave")).with_file_name("replay");
    // Cargo builds it with the workspace's tests, not with this file alone.
    let mut replay = Command::new(program.exists().then_some(program)?);
    Some(replay.args(arguments).arg("--log").arg(data).output().unwrap())
}

#[track_caller]
fn check_verified(data: &Path, head: &Value) {
    let arguments = ["verify", "--expect-head", head.as_str().unwrap()];
    let Some(output) = replay(&arguments, data) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn damage_stops_the_import_until_somebody_says_to_skip_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let text = format!("{}2020-02-30 00:00:00,60.0,-1,60.0,blue\n", philly_jobs(20));
    let jobs = write(folder.path(), "jobs.csv", text);
    let jobs = jobs.to_str().unwrap();
    let timestamp = format!("{jobs}:22: timestamp '2020-02-30 00:00:00' is not a time: write");
    let gpus = format!("{jobs}:22: num_gpus '-1' is not within bounds: write a whole number");
    let end = "error (invalid): 2 damages in 1 row: nothing was imported. Repair them, or leave";
    check_refused(&["philly", jobs], &data, &[&timestamp, &gpus, end]);
    assert!(!data.exists(), "nothing was imported");

    let output = import(&["philly", jobs, "--skip-damaged"], &data);
    assert!(output.status.success());
    let (said, told) = (String::from_utf8(output.stderr), String::from_utf8(output.stdout));
    assert!(said.unwrap().contains(&timestamp), "skipped, and listed all the same");
    let told = told.unwrap();
    for wanted in ["21 rows of ", "1 damaged and skipped", "assumed       fleet: ", "try next:"] {
        assert!(told.contains(wanted), "{told}");
    }
    let told = summary(&["philly", jobs, "--skip-damaged"], &data);
    assert_eq!((&told["skipped"], &told["requests"]), (&1.into(), &20.into()), "{told}");
    check_verified(&data, &told["chain_head"]);
}

#[test]
fn wrong_usage_is_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let jobs = write(folder.path(), "jobs.csv", philly_jobs(20));
    let nodes = write(folder.path(), "nodes.csv", format!("{NODES}n1,64000,262144,8,T4\n"));
    let pods = write(folder.path(), "pods.csv", format!("{PODS}p1,1,1,1,460,,LS,,10,70,\n"));
    let [jobs, nodes, pods] = [&jobs, &nodes, &pods].map(|path| path.to_str().unwrap());
    let table: &[(&[&str], &str)] = &[
        (&["philly", pods], "lacks the columns timestamp, duration, num_gpus, cluster; it has"),
        (&["openb", pods, nodes], "pods.csv:1: lacks the columns sn, gpu, model; it has 'name,"),
        (&["openb", nodes, nodes], "an openb pod list with times begins with name,cpu_milli,"),
        (&["openb", nodes], "<PODS.csv>"),
        (&["philly", jobs, "--nodes", "0"], "from 1 to 20000"),
        (&["philly", jobs, "--gpus-per-node", "17"], "1..=16"),
        (&["philly", jobs, "--time-scale", "0"], "above 0"),
        (&["openb", nodes, pods, "--nodes-fraction", "2"], "at most 1"),
        (&["slurm", jobs], "--format <FORMAT>"),
        (&["helios", jobs], "unrecognized subcommand 'helios'"),
    ];
    for (arguments, wanted) in table {
        check_refused(arguments, &data, &[wanted]);
    }
    assert!(!data.exists());
    let output = import(&["philly", &format!("{jobs}.gone")], &data);
    assert_eq!(output.status.code(), Some(3), "a file that is not there may come");
    assert!(import(&["openb", nodes, pods], &data).status.success());
}

#[test]
fn a_directory_with_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let [some, more] = [20, 30].map(|count| {
        let path = write(folder.path(), &format!("jobs-{count}.csv"), philly_jobs(count));
        path.to_str().unwrap().to_owned()
    });
    let head = summary(&["philly", &some], &data)["chain_head"].clone();
    for other in [
        &["philly", &more][..],
        &["philly", &some, "--nodes", "9"],
        &["philly", &some, "--time-scale", "2"],
        &["philly", &some, "--policy", "random"],
        &["philly", &some, "--council", "enforce"],
    ] {
        check_refused(other, &data, &["holds log 'import-philly-", "or another --data"]);
    }
    let again = summary(&["philly", &some], &data);
    assert_eq!((&again["chain_head"], &again["resumed_at"]), (&head, &again["commands"]));

    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    write(&files, "letter.txt", "dear all");
    check_refused(&["philly", &some], &files, &[files.to_str().unwrap()]);
}

#[test]
fn the_lines_to_try_work_as_they_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a log of 'mine'");
    let jobs = write(folder.path(), "jobs.csv", philly_jobs(100));
    let output = import(&["philly", jobs.to_str().unwrap()], &data);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, lines) = printed.split_once("try next:\n").expect(&printed);
    assert_eq!(lines.lines().count(), 3, "{printed}");
    if replay(&["--help"], &data).is_none() {
        return;
    }
    for line in lines.lines() {
        let status = Command::new("sh").args(["-c", line]).output().unwrap().status;
        assert!(status.success(), "{line}");
    }
}

#[test]
#[cfg(unix)]
fn a_killed_import_goes_on_to_the_same_head() {
    const KILLS: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let jobs = write(folder.path(), "jobs.csv", philly_jobs(3_000));
    let arguments = ["philly", jobs.to_str().unwrap(), "--to-end", "--output", "json"];
    let started = Instant::now();
    let calm = json(&import(&arguments, &folder.path().join("calm")));
    let whole = started.elapsed();
    let data = folder.path().join("killed");
    let mut kills = 0;
    for index in 1..=KILLS {
        let mut child = command(&arguments, &data).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * u32::try_from(index).unwrap() / 16 + Duration::from_millis(2));
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "every run ended within part of the time of the first");
    let last = summary(&arguments[..3], &data);
    assert_eq!(last["chain_head"], calm["chain_head"], "after {kills} kills");
    assert_eq!((&last["granted"], &last["queued"]), (&3_000.into(), &0.into()));
    check_verified(&data, &last["chain_head"]);
}

/// Files of the folder that `CONCLAVE_TRACES` names or of `shared/traces` beside the workspace.
fn published<const N: usize>(test: &str, files: [&str; N]) -> Option<[String; N]> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("CONCLAVE_TRACES").map_or_else(beside, PathBuf::from);
    let files = files.map(|file| folder.join(file).to_str().unwrap().to_owned());
    if files.iter().all(|file| Path::new(file).exists()) {
        return Some(files);
    }
    // Past the test harness, which would swallow it.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED {test}: name its folder in CONCLAVE_TRACES").unwrap();
    None
}

/// A published trace: each row is a request, none is damaged, all of them are decided and
/// verified, and a second import arrives at the same head.
#[track_caller]
fn check_published(arguments: &[&str], requests: i64) -> Value {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let told = summary(arguments, first.path());
    assert_eq!((&told["requests"], &told["skipped"]), (&requests.into(), &0.into()), "{told}");
    assert_eq!(told["commands"], told["decisions"]);
    assert_eq!((&told["refused"], &told["dead_letters"]), (&0.into(), &0.into()), "{told}");
    check_verified(first.path(), &told["chain_head"]);
    assert_eq!(summary(arguments, second.path())["chain_head"], told["chain_head"]);
    told
}

#[test]
fn the_published_openb_default_list_imports_and_verifies() {
    let files = ["openb_node_list_gpu_node.csv", "openb_pod_list_default.csv"];
    let Some([nodes, pods]) = published("openb", files) else { return };
    let told = check_published(&["openb", &nodes, &pods], 8_152);
    assert_eq!((&told["nodes"], &told["gpus"]), (&1_213.into(), &6_212.into()));
    assert_eq!(told["granted"], 8_152, "the whole fleet has room for everyone");
}

#[test]
fn the_published_philly_jobs_import_and_verify() {
    let Some([jobs]) = published("philly", ["philly_jobs_before_2017-11-20.csv"]) else { return };
    let told = check_published(&["philly", &jobs], 68_063);
    assert_eq!((&told["nodes"], &told["gpus"]), (&112.into(), &896.into()));
    assert_eq!((&told["granted"], &told["cancelled"]), (&68_063.into(), &0.into()), "{told}");
    assert_eq!(told["granted_later"], 5_230, "the derived fleet lets a few wait");
}

#[test]
fn the_help_shows_an_example_of_every_format() {
    let output = Command::new(env!("CARGO_BIN_EXE_conclave")).args(["import", "--help"]).output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    for format in ["openb", "philly"] {
        assert!(help.contains(&format!("conclave import {format} ")), "{help}");
    }
}
