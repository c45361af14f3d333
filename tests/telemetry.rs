//! What the engine says about the commands that it answers: lines, counters and headers tell one
//! story.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use conclave::log::memory::MemoryLog;
use conclave::log::{CommandRecord, EventLog, Headers, LogReader};
use conclave::telemetry::logs::{LogFormat, subscriber};
use conclave::telemetry::{Correlation, Step};
use conclave::wire::encode_command;
use conclave_core::command::{Actor, Command, OpenLog, Payload, Role, TimeSource};
use conclave_core::seat::RuleSeat;
use conclave_core::units::{DurationMs, Offset, TimeMs};
use serde_json::{Map, Value};
use std::io::Write;
use std::sync::{Arc, Mutex};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn record(value: Vec<u8>, headers: &[(&str, &str)]) -> CommandRecord {
    let headers: Headers = headers.iter().copied().collect();
    CommandRecord { time_ms: TimeMs(1_000), key: Vec::new(), value, headers }
}

fn open_log() -> Vec<u8> {
    encode_command(&Command {
        command_id: "open-1".into(),
        pool: "".into(),
        actor: Actor { tenant: "".into(), user: "ops".into(), role: Role::Administrator },
        submitted_at_ms: TimeMs(0),
        payload: Payload::OpenLog(OpenLog {
            log_id: "telemetry".into(),
            time_source: TimeSource::Carried,
            partition_count: 1,
            round_commands: 64,
            duplicate_ids: 1_000,
            duplicate_window_ms: DurationMs(60_000),
        }),
    })
}

/// Decides one sound command with a trace, and one of broken bytes whose envelope is broken too.
fn decided() -> (Engine<MemoryLog, RuleSeat>, Vec<Map<String, Value>>) {
    let traceparent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    let commands = [
        record(open_log(), &[("traceparent", &traceparent), ("correlation_id", "nightly-17")]),
        record(b"hunter2".to_vec(), &[("traceparent", "00-broken"), ("authorization", "hunter2")]),
    ];
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber("trace", LogFormat::Json, move || writer.clone()).unwrap();
    let engine = tracing::subscriber::with_default(subscriber, || {
        let mut log = MemoryLog::new();
        log.accept(&commands).unwrap();
        let (mut engine, _) = Engine::open(log, RuleSeat, SNAPSHOT_EVERY_DEFAULT).unwrap();
        engine.run_to_end(|_| {}).unwrap();
        engine
    });
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("hunter2"), "a line quotes what a sender wrote: {text}");
    (engine, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn the_line_of_a_decision_bears_the_ids_of_its_envelope() {
    let (engine, lines) = decided();
    for stored in engine.log().decisions(Offset(0), usize::MAX).unwrap() {
        let (envelope, malformed) = Correlation::parse(&stored.headers);
        assert_eq!(malformed, 0);
        let trace = envelope.traceparent.unwrap();
        let told: Vec<_> = lines
            .iter()
            .filter(|line| line.get("offset") == Some(&stored.offset.0.into()))
            .filter(|line| line.contains_key("command_id"))
            .collect();
        assert!(!told.is_empty(), "no line about the decision at {}", stored.offset);
        for line in told {
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            assert_eq!(text("correlation_id"), envelope.correlation_id);
            assert_eq!(text("causation_id"), envelope.causation_id);
            assert_eq!(text("trace_id"), Some(trace.trace_hex().to_string()));
            assert_eq!(text("span_id"), Some(trace.span_hex().to_string()));
        }
    }
}

#[test]
fn a_decision_stands_in_the_trace_and_the_correlation_of_its_command() {
    let (engine, _) = decided();
    let stored = engine.log().decisions(Offset(0), usize::MAX).unwrap();
    let envelopes: Vec<_> = stored.iter().map(|one| Correlation::parse(&one.headers).0).collect();
    let trace = envelopes[0].traceparent.unwrap();
    assert_eq!(trace.trace_hex().to_string(), TRACE_ID);
    assert_ne!(trace.span_hex().to_string(), "00f067aa0ba902b7");
    assert_eq!(envelopes[0].correlation_id.as_deref(), Some("nightly-17"));
    assert_eq!(envelopes[0].causation_id.as_deref(), Some("open-1"));
    assert_eq!(envelopes[1].correlation_id.as_deref(), Some("0/1"), "it had no id of its own");

    let (again, _) = decided();
    assert_eq!(again.log().decisions(Offset(0), usize::MAX).unwrap(), stored, "nothing is drawn");
}

#[test]
fn counters_and_latencies_say_what_happened() {
    let (engine, lines) = decided();
    let counted: Vec<_> =
        engine.counters().samples().into_iter().filter(|sample| sample.value > 0).collect();
    let told: Vec<_> = counted
        .iter()
        .map(|one| (one.name, one.label.map(|(_, value)| value), one.value))
        .collect();
    let expected = [
        ("conclave_commands_total", Some("accepted"), 1),
        ("conclave_commands_total", Some("rejected"), 1),
        ("conclave_rounds_total", None, 2),
        ("conclave_headers_malformed_total", None, 1),
        ("conclave_rejections_total", Some("unreadable"), 1),
        ("conclave_dead_letters_total", Some("unreadable"), 1),
    ];
    assert_eq!(told, expected);
    let warned = lines.iter().filter(|line| line["level"] == "warn").count();
    assert_eq!(warned, 1, "the dead letter is the only warning");
    let commits = engine.latencies().summary().into_iter().find(|row| row.step == "commit");
    assert_eq!(commits.map(|row| row.count), Some(2));
    assert!(engine.latencies().total(Step::Decide).as_nanos() > 0);
}

/// Runs the demo with log lines as `variables` ask, and returns its exit code and its stderr.
fn demo(variables: &[(&str, &str)]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["demo", "--headless", "--requests", "20", "--data"]).arg(directory.path());
    command.env_remove("CONCLAVE_LOG").env_remove("CONCLAVE_LOG_FORMAT");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_writes_the_lines_that_its_environment_asks_for() {
    assert_eq!(demo(&[]), (0, String::new()), "nothing to look at is nothing to say");
    let (code, said) = demo(&[("CONCLAVE_LOG", "debug"), ("CONCLAVE_LOG_FORMAT", "json")]);
    let lines: Vec<Map<String, Value>> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |msg: &str| lines.iter().filter(|line| line["msg"] == msg).count();
    assert_eq!((code, told("tail of the log folded")), (0, 1), "{said}");
    let timed: Vec<_> = lines.iter().filter(|line| line["msg"] == "step timed").collect();
    let steps = ["accept", "ingest", "vote", "decide", "encode", "commit", "fold"];
    assert_eq!(timed.iter().map(|line| line["step"].as_str().unwrap()).collect::<Vec<_>>(), steps);
    assert!(timed.iter().all(|line| line["taken_count"].as_u64() > Some(0)), "{timed:?}");
    let decided = lines.iter().filter(|line| line["msg"] == "decision committed");
    let bears_ids = |line: &Map<String, Value>| {
        ["command_id", "correlation_id", "causation_id", "trace_id"]
            .iter()
            .all(|name| line[*name].as_str().is_some_and(|text| !text.is_empty()))
    };
    assert!(decided.clone().count() > 20 && decided.clone().all(bears_ids), "{said}");
    // A request's release belongs to the request.
    let of_kind = |kind| decided.clone().find(move |line| line["kind"] == kind).unwrap();
    let released = of_kind("ReleaseLease");
    assert_eq!(released["correlation_id"], released["request"]);
    for (variable, wrong) in [("CONCLAVE_LOG", "a=b=c"), ("CONCLAVE_LOG_FORMAT", "xml")] {
        let (code, said) = demo(&[(variable, wrong)]);
        assert!(code == 2 && said.contains(wrong), "{code} {said}");
    }
}
