//! Decisions one by one, in pages and as a stream; states of the past.

use crate::served::{Served, request};
use crate::wire::Wire;
use serde_json::Value;

/// Server-sent events of a connection, one after the other.
pub(crate) struct Events {
    wire: Wire,
    text: String,
}

impl Events {
    #[track_caller]
    pub(crate) fn of(mut wire: Wire, query: &str, headers: &str) -> Self {
        let head =
            format!("GET /v1/decisions/stream{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        wire.send(head.as_bytes());
        let head = wire.head().unwrap();
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Self { wire, text: String::new() }
    }

    /// The next decision, whose offset is the event's id.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let Some(data) = field("data: ") else { continue }; // It only shows that it lives.
                let decision: Value = serde_json::from_str(data).unwrap();
                assert_eq!(field("event: "), Some("decision"));
                assert_eq!(field("id: ").unwrap(), decision["offset"].to_string());
                return decision;
            }
            let chunk = self.wire.chunk().unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads to the end of the stream, however it ends.
    pub(crate) fn ends(mut self) -> bool {
        self.wire.is_closed()
    }
}

fn offsets(decisions: &Value) -> Vec<i64> {
    let decisions = decisions["decisions"].as_array().unwrap().iter();
    decisions.map(|decision| decision["offset"].as_i64().unwrap()).collect()
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let served = Served::plain();
    for number in 0..10 {
        served.decide(&request(&format!("r-{number}"), "vision", 1, "1h"));
    }
    let all = served.get_json("/v1/decisions");
    let log_next = all["log_next"].as_i64().unwrap();
    assert_eq!(offsets(&all), (0..log_next).collect::<Vec<_>>());
    let (mut from, mut paged) = (0, Vec::new());
    while from < log_next {
        let page = served.get_json(&format!("/v1/decisions?from={from}&limit=4"));
        assert!(offsets(&page).len() <= 4);
        paged.extend(offsets(&page));
        from = page["next"].as_i64().unwrap();
    }
    assert_eq!(paged, offsets(&all));
    let one = served.get_json("/v1/decisions?request=r-3&kind=RequestAllocation&pool=main");
    assert_eq!(one["decisions"][0]["command_id"], "ask-r-3", "{one}");
    assert_eq!(offsets(&one).len(), 1, "{one}");
    assert_eq!(offsets(&served.get_json("/v1/decisions?kind=LogOpened")), [0]);
    assert_eq!(offsets(&served.get_json("/v1/decisions?tenant=speech&kind=requestqueued")), [0; 0]);
    let beyond = served.get_json(&format!("/v1/decisions?from={}", i64::MAX));
    assert_eq!(offsets(&beyond), [0; 0]);
    assert_eq!(offsets(&served.get_json(&format!("/v1/decisions?from={}", i64::MIN)))[0], 0);
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let served = Served::plain();
    for (path, status) in [
        ("/v1/decisions?kind=Nothing", 400),
        ("/v1/decisions?frm=1", 400),
        ("/v1/decisions?limit=-1", 400),
        ("/v1/decisions/-1", 404),
        ("/v1/decisions/-9223372036854775808", 404),
        ("/v1/decisions/9223372036854775807", 404),
        ("/v1/decisions/9223372036854775808", 400),
        ("/v1/decisions/one", 400),
        ("/v1/status?at=-1", 404),
        ("/v1/status?at=999999", 404),
        ("/v1/status?at=9223372036854775807", 404),
        ("/v1/status?at=x", 400),
        ("/v1/pools/nowhere", 404),
        ("/v1/pools/nowhere/nodes", 404),
        ("/v1/pools/nowhere/queue", 404),
        ("/v1/pools/nowhere/requests/r/explain", 404),
        ("/v1/pools/main/requests/nobody", 404),
        ("/v1/pools/main/requests?stage=sleeping", 400),
    ] {
        served.get(path).problem(status);
    }
    let spans =
        ["from=-9223372036854775808", "until=-9223372036854775808", "until=0", "from=99999"];
    for span in spans.into_iter().chain(["from=5&until=2", "until=9223372036854775807"]) {
        let answer = served.get(&format!("/v1/timeline?{span}"));
        assert!([200, 404].contains(&answer.status), "{span}: {answer:?}");
    }
}

#[test]
fn a_state_of_the_past_is_as_it_was() {
    let served = Served::plain();
    let mut then = Vec::new();
    let paths = ["/v1/status", "/v1/pools/main/queue", "/v1/pools/main/requests", "/v1/pools"];
    for number in 0..6 {
        let decision = served.decide(&request(&format!("r-{number}"), "vision", 3, "1h"));
        let at = decision["offset"].as_i64().unwrap();
        for path in paths {
            then.push((format!("{path}?at={at}"), served.get_json(path)));
        }
    }
    for (path, was) in &then {
        let now = served.get_json(path);
        assert_eq!(now, *was, "{path}");
        assert!(now["as_of"]["offset"].is_i64(), "{now}");
    }
    let was = served.get_json("/v1/pools/main/requests/r-5/explain");
    let at = was["as_of"]["offset"].as_i64().unwrap();
    served.decide(&request("later", "speech", 1, "1h"));
    let explain = format!("/v1/pools/main/requests/r-5/explain?at={at}");
    assert_eq!(served.get_json(&explain), was);
}

#[test]
fn a_stream_begins_anywhere_and_goes_on() {
    let served = Served::plain();
    let old = served.get_json("/v1/decisions")["log_next"].as_i64().unwrap();
    let mut all = Events::of(served.wire(), "?from=0", "");
    let mut resumed = Events::of(served.wire(), "?from=0", "last-event-id: 1\r\n");
    let mut new = Events::of(served.wire(), "", "");
    let decided: Vec<_> =
        (0..5).map(|n| served.decide(&request(&format!("r-{n}"), "vision", 1, "1h"))).collect();
    for (events, from) in [(&mut all, 0), (&mut resumed, 2), (&mut new, old)] {
        for offset in from..old + 5 {
            let decision = events.next();
            assert_eq!(decision["offset"], offset);
            if offset >= old {
                assert_eq!(decision, decided[usize::try_from(offset - old).unwrap()]);
            }
        }
    }
    served.ask("GET", "/v1/decisions/stream?form=1", "", b"").problem(400);
}

#[test]
fn followers_of_the_stream_are_bounded_and_leave_their_place() {
    let served = Served::with("[http]\nstreams_max = 2");
    let held = (Events::of(served.wire(), "", ""), Events::of(served.wire(), "", ""));
    let full = served.get("/v1/decisions/stream");
    assert!(full.problem(503).contains("streams_max"));
    assert!(full.header("retry-after").is_some());
    drop(held);
    let is_free = || served.get("/metrics").body.contains("conclave_http_streams_count 0");
    // A place is free once the service has seen that its follower is gone.
    let is_free = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        is_free()
    });
    assert!(is_free, "{}", served.get("/metrics").body);
    Events::of(served.wire(), "", "");
}
