use super::*;
use crate::error::Error;
use crate::telemetry::Latencies;
use crate::telemetry::logs::{LogFormat, subscriber};
use crate::telemetry::names::{Kind, TABLE};
use conclave_core::council::health::Cause;
use conclave_core::decision::{Event, MemberQuarantined, MemberReturned, Rejected};
use conclave_core::rejection::RejectionCode;
use conclave_core::units::{Hash32, TimeMs};
use serde_json::{Map, Value};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// The answer to command `c-1` at offset 14: refused, with a detail that quotes its sender.
pub(in crate::telemetry) fn decision() -> Decision {
    Decision {
        decide_version: 1,
        prev_hash: Hash32::default(),
        partition: 0,
        offset: Offset(14),
        covered_before: Offset(13),
        round: Offset(14),
        round_index: 0,
        round_count: Some(1),
        time_ms: TimeMs(1_000),
        input_hash: Hash32([7; 32]),
        command_id: "c-1".into(),
        kind: "RequestAllocation".into(),
        pool: "train".into(),
        tenant: "vision".into(),
        request: "r-1".into(),
        remembered: None,
        outcome: Outcome::Rejected(Rejected {
            code: RejectionCode::WrongKey,
            detail: "the record's key is 'hunter2'".into(),
        }),
        events: Vec::new(),
    }
}

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

fn lines_of(filter: &str, format: LogFormat, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(filter, format, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn json_of(work: impl FnOnce()) -> Vec<Map<String, Value>> {
    let lines = lines_of("trace", LogFormat::Json, work);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn envelope() -> Headers {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = Headers::from([
        ("traceparent", trace),
        ("correlation_id", "nightly-17"),
        ("authorization", "Bearer hunter2"),
    ]);
    Correlation::parse(&headers).0.of_decision(&decision()).to_headers()
}

/// A decision that sets one member of the council aside and takes another one back.
fn about_members() -> Decision {
    let gone =
        MemberQuarantined { member: 3, cause: Cause::Stuck, found: 64, bound: 64, votes: 99 };
    let back = MemberReturned { member: 1, votes: 99, calm_votes: 256 };
    let events = vec![Event::MemberQuarantined(gone), Event::MemberReturned(back)];
    Decision { events, outcome: Outcome::Accepted, ..decision() }
}

fn emit_engines() {
    let (adapter, reason) = ("H200 (Discrete, vulkan)", "lost");
    GpuOpened { adapter, way: "packed", crossover: Some(64) }.emit();
    GpuRefused { adapter, reason }.emit();
    GpuAbsent { reason }.emit();
    for then in [AfterFault::GoesOn, AfterFault::OpenedAgain, AfterFault::Banned] {
        GpuFailed { adapter, class: "corrupt", then, reason }.emit();
    }
}

/// Emits each kind of event once.
fn emit_all(counters: &mut Counters) {
    let (headers, decision, elapsed) = (&envelope(), &decision(), Duration::from_millis(2));
    let (partition, offset, round) = (0, Offset(14), Offset(14));
    let error = &Error::corrupt("chunk 3 is not what was written");
    DecisionCommitted { headers, decision }.emit(counters);
    DeadLettered { headers, decision }.emit(counters);
    RoundCommitted { partition, round, decision_count: 1, elapsed }.emit(counters);
    RoundAborted { partition, round, reason: "the disk is full" }.emit(counters);
    SnapshotKept { partition, offset, bytes: 4_096, elapsed }.emit(counters);
    SnapshotDamaged { partition, offset, error }.emit(counters);
    TailFolded { partition, offset, decision_count: 9, elapsed }.emit(counters);
    HeadersMalformed { partition, offset, header_count: 2 }.emit(counters);
    let mut latencies = Latencies::default();
    latencies.record(Step::Vote, elapsed);
    DecisionCommitted { headers, decision: &about_members() }.emit(counters);
    latencies.summary().iter().for_each(|row| StepTimed { partition: 0, row }.emit());
    emit_engines();
}

#[test]
fn a_line_about_a_decision_bears_every_id_of_it() {
    let (headers, decision) = (&envelope(), &decision());
    let mut counters = Counters::default();
    let lines = json_of(|| {
        DecisionCommitted { headers, decision }.emit(&mut counters);
        DeadLettered { headers, decision }.emit(&mut counters);
    });
    let span = Correlation::parse(headers).0.traceparent.unwrap().span_hex().to_string();
    for (line, level) in lines.iter().zip(["debug", "warn"]) {
        let expected = [
            ("level", level.into()),
            ("target", "conclave::telemetry::events".into()),
            ("correlation_id", "nightly-17".into()),
            ("causation_id", "c-1".into()),
            ("command_id", "c-1".into()),
            ("partition", 0.into()),
            ("offset", 14.into()),
            ("step", "commit".into()),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
            ("span_id", Value::from(span.as_str())),
            ("code", "wrong_key".into()),
        ];
        for (name, value) in expected {
            assert_eq!(line.get(name), Some(&value), "{name}");
        }
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.len() >= 20 && ts.contains('T') && ts.ends_with('Z'), "{ts}");
        assert!(line["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
    }
    assert_eq!(lines.len(), 2);
}

#[test]
fn every_event_writes_one_line_and_counts_itself() {
    let mut counters = Counters::default();
    let lines = json_of(|| emit_all(&mut counters));
    assert_eq!(lines.len(), 18);
    let mut expected = Counters {
        rounds: 1,
        rounds_aborted: 1,
        snapshots: 1,
        snapshots_damaged: 1,
        decisions_folded: 9,
        headers_malformed: 2,
        members_quarantined: 1,
        accepted: 1,
        ..Counters::default()
    };
    expected.rejected.add(RejectionCode::WrongKey);
    expected.dead_letters.add(RejectionCode::WrongKey);
    assert_eq!(counters, expected);
}

#[test]
fn lines_and_the_table_of_names_list_the_same_fields() {
    use std::collections::BTreeSet;
    let lines = json_of(|| emit_all(&mut Counters::default()));
    let written: BTreeSet<_> = lines.iter().flat_map(Map::keys).map(String::as_str).collect();
    let is_field = |kind| matches!(kind, Kind::Field | Kind::Label);
    // These are counted, and no line about decisions has them.
    let counted = [names::ENGINE, names::ROUTE, names::RULE, names::STATE, names::VERDICTS];
    let is_logged = |text: &str| !counted.contains(&text);
    let listed = TABLE.iter().filter(|name| is_field(name.kind) && is_logged(name.text));
    let listed: BTreeSet<_> = listed.map(|name| name.text).collect();
    assert_eq!(written, listed);
}

#[test]
fn no_line_quotes_what_a_sender_wrote() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = lines_of("trace", format, || emit_all(&mut Counters::default()));
        assert_eq!(lines.len(), 18);
        let leak = lines.iter().find(|line| line.contains("hunter2"));
        assert_eq!(leak, None, "{format:?}");
    }
}

#[test]
fn a_line_inherits_the_fields_of_its_spans_and_stays_one_line() {
    let lines = json_of(|| {
        let span = tracing::error_span!("x", { names::PARTITION } = 3, { names::STEP } = "fold");
        let _entered = span.enter();
        tracing::error!({ names::STEP } = "vote", { names::REASON } = "two\nlines", "said");
    });
    let [line] = &lines[..] else { panic!("one event is one line") };
    assert_eq!((&line["partition"], &line["step"]), (&3.into(), &"vote".into()));
    assert_eq!((&line["reason"], &line["msg"]), (&"two\nlines".into(), &"said".into()));
}

#[test]
fn a_long_text_is_cut_and_a_wrong_filter_refused() {
    let long = "ä".repeat(5_000);
    let lines = json_of(|| tracing::warn!({ names::REASON } = long, "said"));
    assert_eq!(lines[0]["reason"].as_str().unwrap().len(), 1_024);
    let refused = subscriber("info,,=what=", LogFormat::Json, std::io::sink).err().unwrap();
    assert_eq!(refused.kind, crate::error::ErrorKind::Invalid);
}

#[test]
fn what_the_filter_hides_is_counted_all_the_same() {
    let mut counters = Counters::default();
    let lines = lines_of("warn", LogFormat::Json, || emit_all(&mut counters));
    assert_eq!(lines.len(), 8, "{lines:#?}");
    assert_eq!((counters.rejected.sum(), counters.rounds, counters.snapshots), (1, 1, 1));
}
