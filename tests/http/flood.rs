//! More of everything than is allowed: connections, requests, open files.

use crate::pulse::Pulse;
use crate::served::{POOL, Served, quota};
use crate::wire::Wire;
use serde_json::json;
use std::time::Duration;

/// Connections that are opened: a laptop's limit of open files allows as many for two processes.
const CONNECTIONS: usize = 3_000;

#[test]
fn thousands_of_idle_connections_disturb_nobody() {
    let served = Served::with("[http]\nconnections_max = 2500\nhead_timeout_ms = 5000");
    let pulse = Pulse::of(&served);
    let idle: Vec<_> = (0..CONNECTIONS).map_while(|_| open(&served.address)).collect();
    let opened = idle.len();
    assert!(opened > 200, "{opened} connections");
    let mut refused = 0;
    for mut wire in idle {
        // Those that are too many are told so at once, or closed without a word in a flood; all
        // others are closed for their silence.
        if let Ok(answer) = wire.answer() {
            answer.problem(503);
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused += 1;
        }
        assert!(wire.is_closed());
    }
    assert!(opened < CONNECTIONS || refused > 0, "{refused} of {opened} were refused");
    pulse.end();
    served.get_json("/v1/status");
}

/// A connection; none once this process may open no more files.
fn open(address: &str) -> Option<Wire> {
    let room = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let most = line.split_whitespace().nth(3).and_then(|most| most.parse().ok());
    (room + 100 < most.unwrap_or(1_024)).then(|| Wire::open(address))
}

#[test]
fn one_connection_too_many_is_told_so() {
    let served = Served::with("[http]\nconnections_max = 3");
    let held: Vec<_> = (0..3).map(|_| taken(&served)).collect();
    for _ in 0..5 {
        let mut wire = served.wire();
        wire.answer().unwrap().problem(503);
        assert!(wire.is_closed());
    }
    drop(held);
    taken(&served);
}

/// A connection that has its place: those of before may take a moment to leave theirs.
fn taken(served: &Served) -> Wire {
    let attempt = |_| {
        let mut wire = served.wire();
        wire.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if wire.answer().is_ok_and(|answer| answer.status == 200) {
            return Some(wire);
        }
        std::thread::sleep(Duration::from_millis(20));
        None
    };
    (0..200).find_map(attempt).expect("a place is free")
}

#[test]
fn more_requests_than_allowed_wait_a_while() {
    let served = Served::with("[http]\nrate_per_second = 1\nrate_burst = 20");
    let mut wire = served.wire();
    let answers: Vec<_> = (0..30).map(|_| wire.ask("GET", "/v1/pools", "", b"")).collect();
    let refused = answers.iter().find(|answer| answer.status != 200).expect("one too many");
    assert!(refused.problem(429).contains("a second"));
    let after = refused.header("retry-after").unwrap().parse::<u64>().unwrap();
    assert!((1..=20).contains(&after), "{after}");
    let lines = json!({"pool": POOL, "payload": quota("vision")}).to_string() + "\n";
    let kind = "content-type: application/x-ndjson\r\n";
    std::thread::sleep(Duration::from_secs(after + 1));
    let many = wire.ask("POST", "/v1/commands", kind, lines.repeat(50).as_bytes());
    many.problem(413);
}
