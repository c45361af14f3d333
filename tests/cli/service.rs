//! What is sent to a service, and what its answers become: against a socket that plays one.

use crate::tale::{Answer, conclave};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it came in.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    head: String,
    body: String,
}

type Heard = Arc<Mutex<Vec<Asked>>>;

/// A service that answers with `answer` of the request's line and body; ends with the test.
fn service(answer: fn(&Asked) -> (u16, String)) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let hearing = Arc::clone(&heard);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let asked = hear(&socket);
            let (status, body) = answer(&asked);
            hearing.lock().unwrap().push(asked);
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}");
            // Whoever asked may have gone.
            let _ignored = write!(socket, "{head}\r\n\r\n{body}");
        }
    });
    (address, heard)
}

fn hear(socket: &TcpStream) -> Asked {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "half a request: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    Asked { line, head, body: String::from_utf8(body).unwrap() }
}

/// Accepts everything but what is about `bad`.
fn plays_well(asked: &Asked) -> (u16, String) {
    let decision = |command: &str| {
        let outcome = if command.contains("\"bad\"") { "rejected" } else { "accepted" };
        json!({"offset": 7, "time_ms": 5, "outcome": outcome, "kind": "Some", "pool": "lab",
               "request": "r", "code": "over_limit", "detail": "8 of 4", "events": [
                   {"event": "RequestQueued", "pool": "lab", "request": "r"}]})
        .to_string()
    };
    let path = asked.line.split(' ').nth(1).unwrap();
    let answer = match path.split('?').next().unwrap() {
        "/v1/pools" => json!({"as_of": {"offset": 1, "time_ms": 2}, "pools": [
            {"pool": "lab", "council": "off", "gpu_milli_total": 0, "gpu_milli_used": 0,
             "gpu_milli_free": 0, "nodes": 0, "draining": 0, "unhealthy": 0, "tenants": 0,
             "running": 0,
             "waiting": 0, "deferred": 0, "is_carried_over": false}]})
        .to_string(),
        "/v1/pools/lab/requests/runs" => {
            json!({"request": {"stage": "running", "lease": {"fencing": 42}}}).to_string()
        }
        "/v1/pools/lab/requests/waits" => json!({"request": {"stage": "waiting"}}).to_string(),
        "/v1/commands" if asked.head.contains("x-ndjson") => {
            asked.body.lines().map(|line| decision(line) + "\n").collect()
        }
        "/v1/commands" if path.contains("wait=accepted") => json!({"offset": 9}).to_string(),
        "/v1/commands" => decision(&asked.body),
        "/v1/plan" => json!({"holds_for": {"offset": 3}}).to_string(),
        _ => return (404, json!({"detail": format!("there is no {path}")}).to_string()),
    };
    (200, answer)
}

fn ask(arguments: &str, answer: fn(&Asked) -> (u16, String)) -> (Answer, Vec<Asked>) {
    let (address, heard) = service(answer);
    let answered = conclave(&format!("{arguments} --server {address}"), None);
    let heard = heard.lock().unwrap().clone();
    (answered, heard)
}

/// The payload that a command line sends.
#[track_caller]
fn check(arguments: &str, expected: &Value) {
    let (answer, heard) = ask(arguments, plays_well);
    assert_eq!(answer.code, 0, "{answer:?}");
    let sent: Value = serde_json::from_str(&heard.last().unwrap().body).unwrap();
    assert_eq!(sent["payload"], *expected, "{arguments}");
    assert_eq!(sent["pool"], "lab");
    assert!(!sent["command_id"].as_str().unwrap().is_empty());
    assert!(heard.last().unwrap().line.starts_with("post /v1/commands?wait=decision"));
}

#[test]
fn short_commands_send_what_they_say() {
    for (arguments, expected) in [
        (
            "cancel r --reason 'no data'",
            json!({"CancelRequest": {"request": "r", "reason": "no data"}}),
        ),
        (
            "release runs --outcome failed",
            json!({"ReleaseLease": {"request": "runs", "fencing": 42, "outcome": "failed",
                "utilisation_bp": null}}),
        ),
        (
            "renew runs --for 1h30m --fencing 40",
            json!({"RenewLease": {"request": "runs", "fencing": 40, "extend_ms": 5_400_000}}),
        ),
        (
            "shrink runs --replicas 2 --pool lab",
            json!({"ShrinkLease": {"request": "runs", "fencing": 42, "replicas": 2}}),
        ),
        (
            "quota set t --limit 4.5 --guarantee 2",
            json!({"SetQuota": {"tenant": "t", "guarantee_gpu_milli": 2_000,
                "limit_gpu_milli": 4_500, "rate_per_minute": 0, "weight": 1,
                "borrow_gpu_milli": 0, "gpu_hour_budget": null, "budget_window_ms": null}}),
        ),
        (
            "nodes lab drain n1 --reason disks",
            json!({"DrainNode": {"node": "n1", "reason": "disks"}}),
        ),
        (
            "nodes health n1 --health unhealthy",
            json!({"ReportNodeHealth": {"node": "n1", "health": "unhealthy", "reason": ""}}),
        ),
        (
            "nodes register n1 --gpu-model A100 --gpus 8 --cpu-milli 9 --memory-mib 10",
            json!({"RegisterNode": {"node": "n1", "gpu_model": "A100", "gpu_count": 8,
                "cpu_milli": 9, "memory_mib": 10}}),
        ),
        (
            "nodes register n2 --cpu-milli 9 --memory-mib 10 --group rack-2",
            json!({"RegisterNode": {"node": "n2", "gpu_model": "", "gpu_count": 0,
                "cpu_milli": 9, "memory_mib": 10, "topology_group": "rack-2"}}),
        ),
        (
            "override r approve --reason late",
            json!({"OverrideDecision": {"request": "r", "action": "approve", "reason": "late"}}),
        ),
        ("appeal r --reason slip", json!({"Appeal": {"request": "r", "reason": "slip"}})),
    ] {
        check(arguments, &expected);
    }
}

#[test]
fn answers_become_lines_and_exit_codes() {
    let (answer, _) = ask("cancel r --command-id c-1", plays_well);
    let said = "decision 7: Some lab/r accepted: it waits for capacity
  RequestQueued     r waits for capacity
";
    assert_eq!((answer.code, answer.out.as_str()), (0, said), "{answer:?}");
    let (answer, _) = ask("cancel bad", plays_well);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out.contains("refused: over_limit: 8 of 4"), "{answer:?}");
    let (answer, _) = ask("cancel bad --output json", plays_well);
    assert_eq!((answer.code, &answer.json()["outcome"]), (1, &"rejected".into()));
    let (answer, _) = ask("renew waits --for 1h", plays_well);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.err.contains("it is waiting"), "{answer:?}");
    let (answer, heard) = ask("cancel r", |asked| match plays_well(asked) {
        (_, _) if asked.line.contains("/v1/commands") => {
            (503, json!({"title": "full"}).to_string())
        }
        well => well,
    });
    assert_eq!((answer.code, heard.len()), (3, 4), "asked for pools, then three attempts");
    assert!(answer.err.contains("full") && answer.err.contains("--command-id"), "{answer:?}");
}

#[test]
fn files_are_submitted_as_they_are_or_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("'{}'", path.display())
    };
    let one = file("one.json", "{\n  \"pool\": \"lab\"\n}\n");
    let (answer, heard) = ask(&format!("submit {one} --id-prefix x"), plays_well);
    assert_eq!(answer.out, "accepted at offset 9, not decided yet\n", "{answer:?}");
    assert!(heard[0].head.contains("idempotency-key: x-1\r\n"), "{heard:?}");
    assert_eq!(heard[0].body, "{\n  \"pool\": \"lab\"\n}");

    let many = file("many.jsonl", "{\"pool\":\"lab\"}\n{\"command_id\":\"c\",\"pool\":\"bad\"}\n");
    let (answer, heard) = ask(&format!("submit {many} --id-prefix x --wait"), plays_well);
    assert_eq!(answer.code, 1, "{answer:?}");
    let lines: Vec<&str> = answer.out.lines().collect();
    assert_eq!(lines[0], "   1  decision 7: Some lab/r accepted: it waits for capacity");
    assert_eq!(lines[1], "   2  decision 7: Some lab/r refused: over_limit: 8 of 4");
    let sent =
        "{\"command_id\":\"x-1\",\"pool\":\"lab\"}\n{\"command_id\":\"c\",\"pool\":\"bad\"}\n";
    assert_eq!(heard[0].body, sent);

    let broken = file("broken.json", "{\"pool\":\"lab\",}");
    let (answer, heard) = ask(&format!("submit {broken}"), plays_well);
    assert_eq!((answer.code, heard.len()), (2, 0), "{answer:?}");
    assert!(answer.err.contains("line 1 column 15"), "{answer:?}");

    let (answer, _) = ask(&format!("plan {one} --output json"), plays_well);
    assert!(answer.out.contains("holds_for"), "{answer:?}");
    let (answer, _) = ask(&format!("plan {many}"), plays_well);
    assert_eq!(answer.code, 2, "{answer:?}");
}

#[test]
fn hundreds_of_commands_go_in_several_parts_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("many.jsonl");
    std::fs::write(&path, "{\"pool\":\"lab\"}\n".repeat(450)).unwrap();
    let (answer, heard) = ask(&format!("submit '{}' --id-prefix x", path.display()), plays_well);
    assert_eq!((answer.code, answer.out.lines().count()), (0, 450), "{answer:?}");
    let parts: Vec<usize> = heard.iter().map(|asked| asked.body.lines().count()).collect();
    assert_eq!(parts, [200, 200, 50]);
    assert!(heard[2].body.starts_with("{\"command_id\":\"x-401\""), "{}", heard[2].body);
}

#[test]
fn a_tail_goes_on_where_its_stream_broke() {
    let (answer, heard) = ask("tail --from 5 --count 2 --request r --output json", |asked| {
        let from = asked.line.split("from=").nth(1).unwrap();
        let from: i64 = from.split(' ').next().unwrap().parse().unwrap();
        let event = |request| {
            let decision = json!({"offset": from, "request": request});
            format!("id: {from}\nevent: decision\ndata: {decision}\n\n")
        };
        (200, event(if from == 6 { "another" } else { "r" }))
    });
    assert_eq!(answer.code, 0, "{answer:?}");
    let said = "{\"offset\":5,\"request\":\"r\"}\n{\"offset\":7,\"request\":\"r\"}\n";
    assert_eq!(answer.out, said);
    assert_eq!(heard.len(), 3, "{heard:?}");
}

#[test]
fn a_token_comes_from_a_file_and_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "s3cret\n").unwrap();
    let (answer, heard) = ask(&format!("status --token-file '{}'", path.display()), |_| {
        (401, json!({"title": "unknown token"}).to_string())
    });
    assert!(heard[0].head.contains("authorization: bearer s3cret\r\n"), "{heard:?}");
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(!answer.err.contains("s3cret"), "{answer:?}");
}
