//! Clients that misbehave, while somebody else goes on sending: each gets a bounded, clear answer.

use crate::decisions::Events;
use crate::pulse::Pulse;
use crate::served::{Served, command, quota, request};
use serde_json::json;
use std::time::{Duration, Instant};

const HEAD: &str =
    "POST /v1/commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
/// Times after which a peer is given up here.
const SHORT: &str =
    "[http]\nhead_timeout_ms = 400\nrequest_timeout_ms = 600\nstall_timeout_ms = 500";

#[test]
fn slow_peers_are_given_up() {
    let served = Served::with(SHORT);
    let pulse = Pulse::of(&served);
    let mut slow_head = served.wire();
    slow_head.send(b"GET /v1/status HTTP/1.1\r\nhost: loc");
    let mut slow_body = served.wire();
    slow_body.send(format!("{HEAD}content-length: 100\r\n\r\n{{\"comm").as_bytes());
    let mut cut_body = served.wire();
    cut_body.send(format!("{HEAD}content-length: 100\r\n\r\n{{\"comm").as_bytes());
    cut_body.stream().shutdown(std::net::Shutdown::Both).unwrap();
    let mut silent = served.wire();
    let mut kept = served.wire();
    assert_eq!(kept.ask("GET", "/healthz", "", b"").status, 200);
    let since = Instant::now();
    assert!(slow_body.answer().unwrap().problem(408).contains("600 ms"));
    assert!(slow_body.is_closed() && slow_head.is_closed());
    assert!(silent.is_closed(), "nothing was sent on it");
    assert!(kept.is_closed(), "nothing was sent on it any more");
    assert!(since.elapsed() < Duration::from_secs(10));
    // One byte at a time is no way to go on for ever.
    let mut dripping = served.wire();
    let since = Instant::now();
    for byte in b"GET /v1/status HTTP/1.1\r\nx-long: ".iter().chain([b'x'; 200].iter()) {
        dripping.send(&[*byte]);
        std::thread::sleep(Duration::from_millis(10));
        if since.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    assert!(dripping.is_closed());
    pulse.end();
    served.get_json("/v1/status");
}

#[test]
fn a_follower_that_never_reads_is_cut() {
    let served = Served::with(SHORT);
    let line = |n: usize| {
        let mut quota = command(&format!("q-{n}"), &quota("vision"));
        quota["payload"]["SetQuota"]["tenant"] = json!(format!("{}{n}", "t".repeat(100)));
        quota.to_string() + "\n"
    };
    for part in 0..12 {
        let body: String = (part * 1_000..(part + 1) * 1_000).map(line).collect();
        assert_eq!(served.post("application/x-ndjson", &body).status, 200);
    }
    let pulse = Pulse::of(&served);
    let before = memory_kib(&served);
    let followers: Vec<_> = (0..16).map(|_| Events::of(served.wire(), "?from=0", "")).collect();
    let is_cut = || served.get("/metrics").body.contains("conclave_http_streams_count 0\n");
    let is_cut = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        is_cut()
    });
    assert!(is_cut, "they are still followed");
    let grown = memory_kib(&served).saturating_sub(before);
    assert!(grown < 128 * 1024, "{grown} KiB for 16 followers");
    assert!(followers.into_iter().all(Events::ends));
    pulse.end();
}

/// Memory that the service holds.
fn memory_kib(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn tricks_with_paths_lead_nowhere() {
    let served = Served::plain();
    let long = format!("/v1/pools/{}", "x".repeat(20_000));
    let wide = format!("/v1/status?{}", "a=b&".repeat(4_000));
    for path in [
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/v1/../v1/status",
        "//v1/status",
        "/v1//status",
        "/v1/status/",
        "/V1/STATUS",
        "/%00",
        "/page.css%00.html",
        "/v1/pools/%00/nodes",
        "/v1/pools/..%2fmain/nodes",
        "/v1/pools/%2e%2e/nodes",
        "/v1/pools/%zz/nodes",
        "/v1/pools/%ff/nodes",
        "/v1/pools//nodes",
        "/v1/pools/main%2fnodes",
        "/v1/pools/b%C3%A9ta%20%2F%F0%9F%A6%80/queue",
        long.as_str(),
        wide.as_str(),
        "/assets/../../Cargo.toml",
    ] {
        let answer = served.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        answer.problem(answer.status);
        assert!(!answer.body.contains("root:") && answer.body.len() < 64 * 1024, "{path}");
    }
    // A pool may have any name: it is reached by its escaped form.
    let name = "b\u{e9}ta /\u{1F980}?#%2f";
    served.furnish_pool(name);
    let path = format!("/v1/pools/{}/nodes", conclave::client::escaped(name));
    assert!(served.get(&path).body.contains("gpu-01"));
}

#[test]
fn odd_requests_are_answered_or_refused_and_nothing_else() {
    let served = Served::plain();
    let answer = |sent: &[u8]| {
        let mut wire = served.wire();
        wire.send(sent);
        wire.answer().map_or(0, |answer| answer.status)
    };
    let many =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(500));
    let wide =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    for (sent, wanted) in [
        (&b"GET /healthz HTTP/1.0\r\n\r\n"[..], &[200][..]),
        (b"GET /healthz HTTP/1.1\r\n\r\n", &[200, 400]),
        (b"GET http://localhost/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", &[200]),
        (b"BREW /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", &[405]),
        (b"GET /healthz HTTP/9.9\r\nhost: localhost\r\n\r\n", &[400, 505, 0]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505, 0]),
        (b"CONNECT evil:443 HTTP/1.1\r\nhost: localhost\r\n\r\n", &[404, 405, 400]),
        (b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", &[404, 405, 400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400, 0]),
        (b"hello\r\n\r\n", &[400, 0]),
        (many.as_bytes(), &[431]),
        (wide.as_bytes(), &[431]),
        (b"POST /v1/plan HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", &[400]),
        (
            b"POST /v1/plan HTTP/1.1\r\nhost: localhost\r\n\
              content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
            &[400],
        ),
        (
            b"POST /v1/plan HTTP/1.1\r\nhost: localhost\r\n\
              transfer-encoding: chunked\r\n\r\nzz\r\n",
            &[400],
        ),
    ] {
        let status = answer(sent);
        let shown = String::from_utf8_lossy(&sent[..sent.len().min(80)]);
        assert!(wanted.contains(&status), "{shown}: {status}");
    }
    served.get_json("/v1/status");
}

#[test]
fn requests_one_behind_the_other_are_answered_in_order() {
    let served = Served::plain();
    let mut wire = served.wire();
    let mut sent = Vec::new();
    for n in 0..50 {
        let body = request(&format!("r-{n}"), "vision", 1, "1h").to_string();
        let length = body.len();
        sent.extend(format!("{HEAD}content-length: {length}\r\n\r\n{body}").into_bytes());
    }
    wire.send(&sent);
    for n in 0..50 {
        assert_eq!(wire.answer().unwrap().json()["request"], format!("r-{n}"));
    }
}
