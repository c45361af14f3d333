//! `POST /v1/commands` and `/v1/plan`: what is read, and how it is answered.

use crate::served::{POOL, Served, command, quota, request};
use conclave::client::{Client, Question, Sent};
use conclave::http::AVRO;
use conclave::wire::encode_command;
use conclave::wire::json::{Defaults, read_command};
use serde_json::{Value, json};

const JSON: &str = "application/json";

#[track_caller]
fn check_problem(body: &str, wanted: &[&str]) {
    thread_local! { static SERVED: Served = Served::plain(); }
    SERVED.with(|served| {
        let answer = served.post(JSON, body);
        let detail = answer.problem(400);
        for wanted in wanted {
            assert!(detail.contains(wanted), "{body}: {detail}");
        }
        let problem = answer.json();
        assert!(problem["line"].as_u64() > Some(0) && problem["column"].as_u64() > Some(0));
    });
}

#[test]
fn broken_json_is_refused_with_its_place() {
    check_problem("", &[]);
    check_problem("{\n  \"pool\": \"main\",\n  \"payload\": }", &["line 3"]);
    check_problem("{\"command_id\":\"c\",\"pool\":\"main\",\"payload\":\"Tick\"} x", &["line 1"]);
    check_problem(
        &command("c", &json!({"CancelRequest": {"requst": "train-1"}})).to_string(),
        &["requst", "'request'"],
    );
    check_problem(&command("c", &json!({"CancelRequst": {}})).to_string(), &["CancelRequest"]);
    check_problem(&"[".repeat(100_000), &[]);
    check_problem("{\"pool\":\"main\",\"payload\":\"Tick\"}", &["command_id"]);
}

#[test]
fn a_refused_command_is_an_answer_and_no_error() {
    let served = Served::plain();
    let refused = served.decide(&request("train-1", "vision", 9, "1h"));
    assert_eq!(refused["outcome"], "rejected", "{refused}");
    assert!(refused["code"].is_string() && !refused["detail"].as_str().unwrap().is_empty());
}

#[test]
fn a_repeated_id_is_answered_with_the_first_decision() {
    let served = Served::plain();
    let body = request("train-1", "vision", 1, "1h");
    let first = served.decide(&body);
    assert_eq!(first["outcome"], "accepted", "{first}");
    let again = served.decide(&body);
    assert_eq!((&again["outcome"], &again["first"]), (&"duplicate".into(), &first), "{again}");
    let mut other = request("train-2", "vision", 1, "1h");
    other["command_id"] = body["command_id"].clone();
    let refused = served.decide(&other);
    assert_eq!((&refused["outcome"], &refused["code"]), (&"rejected".into(), &"id_reused".into()));
    let by_id = served.get_json("/v1/pools/main/commands/ask-train-1");
    assert_eq!(by_id, first);
    let unknown = served.get("/v1/pools/main/commands/nobody");
    assert!(unknown.problem(404).contains("nobody"));
}

#[test]
fn an_idempotency_key_is_the_id_of_a_body_that_has_none() {
    let served = Served::plain();
    let headers = format!("content-type: {JSON}; charset=utf-8\r\nidempotency-key: key-1\r\n");
    let body = json!({"pool": POOL, "payload": quota("vision")}).to_string();
    let decided = served.ask("POST", "/v1/commands", &headers, body.as_bytes()).json();
    assert_eq!(decided["command_id"], "key-1", "{decided}");
    let again = served.ask("POST", "/v1/commands", &headers, body.as_bytes()).json();
    assert_eq!(again["first"], decided, "{again}");
}

#[test]
fn accepted_is_answered_with_the_offset_that_is_decided_later() {
    let served = Served::plain();
    let body = request("train-1", "vision", 1, "1h").to_string();
    let kind = format!("content-type: {JSON}\r\n");
    let answer = served.ask("POST", "/v1/commands?wait=accepted", &kind, body.as_bytes());
    assert_eq!(answer.status, 202, "{answer:?}");
    let offset = answer.json()["offset"].as_i64().unwrap();
    let decided = || served.get(&format!("/v1/decisions/{offset}"));
    let decided = (0..200).map(|_| decided()).find(|answer| answer.status == 200).unwrap();
    assert_eq!(decided.json()["request"], "train-1");
    for wrong in ["wait=never", "wiat=accepted"] {
        let answer = served.ask("POST", &format!("/v1/commands?{wrong}"), &kind, body.as_bytes());
        answer.problem(400);
    }
}

#[test]
fn json_lines_are_answered_in_order_and_one_by_one() {
    let served = Served::plain();
    let (one, two) = (request("r-1", "vision", 1, "1h"), request("r-2", "vision", 9, "1h"));
    let body = format!("{one}\n\n{{broken\n{two}\n{one}");
    let answer = served.post("application/x-ndjson", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let lines: Vec<_> = answer.body.lines().map(read).collect();
    assert_eq!(lines.len(), 4, "{answer:?}");
    assert_eq!((&lines[0]["request"], &lines[0]["outcome"]), (&"r-1".into(), &"accepted".into()));
    assert_eq!((&lines[1]["status"], &lines[1]["line"]), (&400.into(), &3.into()));
    assert_eq!((&lines[2]["request"], &lines[2]["outcome"]), (&"r-2".into(), &"rejected".into()));
    assert_eq!(lines[3]["first"], lines[0]);
    let many = format!("{one}\n").repeat(1_001);
    assert!(served.post("application/x-ndjson", &many).problem(413).contains("1000"));
    assert_eq!(served.post("application/x-ndjson", "").body, "");
}

#[test]
fn avro_in_its_framing_is_read() {
    let served = Served::plain();
    let text = request("train-1", "vision", 1, "1h").to_string();
    let bytes = encode_command(&read_command(text.as_bytes(), &Defaults::default()).unwrap());
    let header = format!("content-type: {AVRO}\r\n");
    let decided = served.ask("POST", "/v1/commands", &header, &bytes);
    assert_eq!(decided.json()["request"], "train-1", "{decided:?}");
    assert_eq!(served.decide(&request("train-1", "vision", 1, "1h"))["outcome"], "duplicate");
    for broken in [&bytes[..bytes.len() - 1], &bytes[1..], &b""[..], &[0xff; 64]] {
        served.ask("POST", "/v1/commands", &header, broken).problem(400);
    }
}

#[test]
fn other_kinds_of_bodies_are_not_read() {
    let served = Served::plain();
    for kind in ["text/plain", "application/jsonx", "multipart/form-data; boundary=x", "\u{e9}"] {
        let detail = served.post(kind, "{}").problem(415);
        assert!(detail.contains(JSON), "{detail}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let served = Served::with("[http]\nbody_bytes_max = 2048");
    let body = " ".repeat(2_049);
    assert!(served.post(JSON, &body).problem(413).contains("2048"));
    let mut wire = served.wire();
    let head =
        "POST /v1/commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    wire.send(format!("{head}content-length: 99999999999\r\n\r\n").as_bytes());
    wire.answer().unwrap().problem(413);
    let mut wire = served.wire();
    wire.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    for _ in 0..3 {
        wire.send(format!("400\r\n{}\r\n", " ".repeat(1_024)).as_bytes());
    }
    wire.answer().unwrap().problem(413);
    let plan = served.ask("POST", "/v1/plan", "", body.as_bytes());
    plan.problem(413);
    served.get_json("/v1/status");
}

#[test]
fn a_plan_is_what_is_answered_then_and_changes_nothing() {
    let served = Served::plain();
    let body = request("train-1", "vision", 1, "1h");
    let before = served.get_json("/v1/status");
    let plan = served.ask("POST", "/v1/plan", "", body.to_string().as_bytes());
    assert_eq!(plan.status, 200, "{plan:?}");
    assert_eq!(plan.json()["holds_for"]["offset"], before["as_of"]["offset"], "{plan:?}");
    assert_eq!(served.get_json("/v1/status"), before);
    let broken = served.ask("POST", "/v1/plan", "", b"{\n\"pool\": }");
    broken.problem(400);
    assert_eq!(broken.json()["line"], 2);
    assert_eq!(served.decide(&body)["outcome"], "accepted");
}

#[test]
fn the_client_of_the_command_line_reads_the_same() {
    let served = Served::plain();
    let client = Client::new(&format!("http://{}", served.address), None).unwrap();
    let body = json!({"pool": POOL, "payload": quota("speech")}).to_string();
    let sent = Sent { content_type: JSON, idempotency_key: Some("k"), body: body.as_bytes() };
    let decided = client.post(&Question::of(&["v1", "commands"]), &sent).unwrap();
    let decided: Value = serde_json::from_str(&decided).unwrap();
    let offset = decided["offset"].as_i64().unwrap();
    let mut decisions = client.decisions_from(offset).unwrap();
    let next = decisions.next_decision().unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&next).unwrap(), decided);
    let error = client.get(&Question::of_pool("no such/pool", &["queue"])).unwrap_err();
    assert!(error.message.contains("no such/pool"), "{error}");
}
