//! `conclave validate`: exit codes, findings as JSON, following a log that is written to.

use crate::system_common::*;
use conclave::engine::Engine;
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave_core::seat::RuleSeat;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn program(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.arg("validate").arg("--data").arg(data).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn answer(arguments: &[&str], data: &Path) -> (i32, String) {
    let output = program(arguments, data).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap_or(-1), said + &String::from_utf8_lossy(&output.stderr))
}

fn open(data: &Path) -> Engine<RocksLog, RuleSeat> {
    let log = RocksLog::open(data, &OpenOptions::default()).unwrap();
    Engine::open(log, RuleSeat, NO_SNAPSHOT).unwrap().0
}

fn send(engine: &mut Engine<RocksLog, RuleSeat>, payloads: Vec<conclave_core::command::Payload>) {
    for payload in payloads {
        let next = engine.folded().next();
        engine.accept(&[record(0, &command(&format!("c{next}"), payload))]).unwrap();
        engine.run_to_end(|_| {}).unwrap();
    }
}

fn filled(data: &Path) -> Engine<RocksLog, RuleSeat> {
    let mut engine = open(data);
    let pool = vec![open_log(), set(policy()), node("a", 8, "A100"), quota("t", 0, 8)];
    send(&mut engine, pool);
    send(&mut engine, vec![ask("r1", "t").into(), ask("r2", "t").gpus(2).into()]);
    engine
}

#[test]
fn a_sound_log_ends_with_0_and_one_that_lacks_an_answer_with_1() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).close().unwrap();
    let (code, said) = answer(&[], directory.path());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("sound: every rule is kept"), "{said}");

    let list = directory.path().join("acknowledged");
    std::fs::write(&list, "{\"partition\":0,\"offset\":2}\n{\"command_id\":\"lost\"}\n").unwrap();
    let named = ["--output", "json", "--acknowledged", list.to_str().unwrap()];
    let output = program(&named, directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "broken");
    assert_eq!(report["partitions"][0]["findings"]["acknowledged"], 1, "{report}");
    assert_eq!(report["partitions"][0]["decisions"], 6);
    std::fs::write(&list, "{\"offset\":2}\n").unwrap();
    let (code, said) = answer(&named, directory.path());
    assert_eq!(code, 2, "{said}");
    let (code, said) = answer(&[], &directory.path().join("nowhere"));
    assert_ne!(code, 0, "{said}");
}

/// Ends the program with the test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn metrics(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    Some(said)
}

#[track_caller]
fn wait_for(address: &str, line: &str) {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let said = metrics(address).unwrap_or_default();
        if said.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < patience, "no '{line}' in {said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn it_follows_a_log_that_is_written_to_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = filled(directory.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let arguments = ["--follow", "--metrics", &address];
    let _following = Following(program(&arguments, directory.path()).spawn().unwrap());
    wait_for(&address, "conclave_validator_decisions_total 6");
    send(&mut engine, vec![ask("r3", "t").into()]);
    wait_for(&address, "conclave_validator_decisions_total 7");
    wait_for(&address, "conclave_validator_findings_total{rule=\"capacity\"} 0");
    wait_for(&address, "conclave_validator_reading_count 1");
    wait_for(&address, "conclave_validator_lag_records_count 0");
}

#[test]
fn following_goes_on_where_it_was_and_not_on_another_log() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("validated");
    let mut engine = filled(&directory.path().join("log"));
    let follow = |data: &str, port: u16| {
        let address = format!("127.0.0.1:{port}");
        let arguments = ["--follow", "--metrics", &address, "--state", state.to_str().unwrap()];
        program(&arguments, &directory.path().join(data)).spawn().unwrap()
    };
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = free();
    let first = Following(follow("log", port));
    let file = state.join("validated-0.json");
    let patience = Instant::now() + Duration::from_secs(30);
    while !file.exists() {
        assert!(Instant::now() < patience, "nothing was kept");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(first);
    send(&mut engine, vec![ask("r3", "t").into()]);
    let port = free();
    let mut second = Following(follow("log", port));
    wait_for(&format!("127.0.0.1:{port}"), "conclave_validator_decisions_total 7");
    second.0.kill().unwrap();
    let mut said = String::new();
    second.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("partition 0: on from decision 5"), "{said}");

    let mut other = open(&directory.path().join("other"));
    send(&mut other, vec![open_log(), set(policy())]);
    let other = follow("other", free()).wait_with_output().unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(4), "{said}");
    assert!(said.contains("was validated and is not there any more"), "{said}");

    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = follow("log", free()).wait_with_output().unwrap();
    let said = String::from_utf8(damaged.stderr).unwrap();
    assert_eq!(damaged.status.code(), Some(4), "{said}");
    assert!(said.contains("validated-0.json: it is damaged"), "{said}");
    assert!(said.contains("To begin at the beginning, remove it"), "{said}");
}

#[test]
fn metrics_are_for_this_machine_only() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).close().unwrap();
    let arguments = ["--follow", "--metrics", "0.0.0.0:0"];
    let mut child = program(&arguments, directory.path()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("can be reached from elsewhere"), "{said}");
}
