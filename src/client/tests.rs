//! The client against a socket that says what a test wants.

use super::*;
use crate::error::ErrorKind;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// Answers each connection with the next of `answers`; hands out what it was asked.
fn service(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving =
        std::thread::spawn(move || answers.iter().map(|to| serve(&listener, to)).collect());
    (address, serving)
}

fn serve(listener: &TcpListener, answer: &str) -> String {
    let (mut socket, _) = listener.accept().unwrap();
    let (mut asked, mut bytes) = (String::new(), [0; 4_096]);
    // Requests of these tests end with a body of braces, or with their head.
    let is_whole = |asked: &str| match asked.contains("content-length") {
        true => asked.ends_with('}'),
        false => asked.ends_with("\r\n\r\n"),
    };
    while !is_whole(&asked) {
        let read = socket.read(&mut bytes).unwrap();
        asked.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    socket.write_all(answer.as_bytes()).unwrap();
    asked
}

macro_rules! answer {
    ($status:literal, $headers:literal, $body:literal) => {
        concat!("HTTP/1.1 ", $status, "\r\nconnection: close\r\n", $headers, "\r\n", $body)
    };
}

#[track_caller]
fn check(answers: &'static [&'static str], expected: std::result::Result<&str, (ErrorKind, &str)>) {
    let (address, serving) = service(answers);
    let answered = Client::new(&address, None).unwrap().get(&Question::of(&["v1", "status"]));
    serving.join().unwrap();
    match (answered, expected) {
        (Ok(answer), Ok(expected)) => assert_eq!(answer, expected),
        (Err(error), Err((kind, said))) => {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
        (answered, expected) => panic!("{answered:?} instead of {expected:?}"),
    }
}

const BUSY: &str = answer!("503 Service Unavailable", "", r#"{"detail":"still reading the log"}"#);

#[test]
fn answers_are_what_was_sent_or_an_error_of_the_right_kind() {
    check(&[answer!("200 OK", "content-length: 2\r\n", "{}")], Ok("{}"));
    check(
        &[answer!("401 Unauthorized", "", r#"{"title":"no token"}"#)],
        Err((ErrorKind::Invalid, "no token: set CONCLAVE_TOKEN")),
    );
    check(
        &[answer!("404 Not Found", "", r#"{"detail":"there is no pool 'x'"}"#)],
        Err((ErrorKind::Invalid, "there is no pool 'x'")),
    );
    check(
        &[answer!("429 Too Many Requests", "retry-after: 60\r\n", r#"{"title":"too fast"}"#)],
        Err((ErrorKind::Unavailable, "too fast: try again in 60 s")),
    );
    check(
        &[answer!("500 Internal Server Error", "", r#"{"type":"urn:conclave:corrupt"}"#)],
        Err((ErrorKind::Corrupt, "500")),
    );
    check(
        &[answer!("418 I'm a teapot", "", "tea")],
        Err((ErrorKind::Invalid, "may be no conclave service")),
    );
}

#[test]
fn the_place_in_a_body_is_said_once() {
    const ANSWER: &str = answer!(
        "400 Bad Request",
        "",
        r#"{"detail":"line 3, column 7: no colon","line":3,"column":7}"#
    );
    let (address, serving) = service(&[ANSWER]);
    let asked = Client::new(&address, None).unwrap().get(&Question::of(&["v1", "status"]));
    serving.join().unwrap();
    let error = asked.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(error.message, "line 3, column 7: no colon");
}

#[test]
fn a_busy_service_is_asked_three_times() {
    check(&[BUSY, BUSY, answer!("200 OK", "content-length: 2\r\n", "[]")], Ok("[]"));
    check(&[BUSY, BUSY, BUSY], Err((ErrorKind::Unavailable, "still reading the log")));
}

#[test]
fn without_a_service_the_error_says_how_to_start_one() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error =
        Client::new(&address, None).unwrap().get(&Question::of(&["v1", "status"])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("conclave serve --data DIR"), "{error}");
}

#[test]
fn a_command_carries_its_id_and_the_token() {
    let (address, serving) = service(&[answer!("200 OK", "content-length: 2\r\n", "{}")]);
    let client = Client::new(&address, Some("secret".to_owned())).unwrap();
    let sent = Sent { content_type: "application/json", idempotency_key: Some("c-1"), body: b"{}" };
    let question = Question::of(&["v1", "commands"]).with("wait", Some("decision"));
    client.post(&question, &sent).unwrap();
    let asked = serving.join().unwrap().remove(0).to_lowercase();
    for part in [
        "post /v1/commands?wait=decision http/1.1",
        "authorization: bearer secret",
        "idempotency-key: c-1",
        "content-type: application/json",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    assert!(!format!("{client:?}").contains("secret"));
}

#[test]
fn decisions_are_read_from_the_stream_until_it_ends() {
    let (address, serving) = service(&[answer!(
        "200 OK",
        "content-type: text/event-stream\r\n",
        ": hello\n\nid: 4\nevent: decision\ndata: {\"offset\":4}\n\nid: 5\ndata: {\"offset\":5}\n\n"
    )]);
    let mut decisions = Client::new(&address, None).unwrap().decisions_from(4).unwrap();
    assert_eq!(decisions.next_decision().unwrap().as_deref(), Some("{\"offset\":4}"));
    assert_eq!(decisions.next_decision().unwrap().as_deref(), Some("{\"offset\":5}"));
    assert_eq!(decisions.next_decision().unwrap(), None);
    assert!(serving.join().unwrap()[0].contains("from=4"));
}

#[test]
fn addresses_tokens_and_names_cannot_break_a_request() {
    for (address, token) in [("127.0.0.1:7070", None), ("http://x", Some("two lines\n"))] {
        let refused = Client::new(address, token.map(str::to_owned)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
    }
    for (name, path) in
        [("lab-1", "lab-1"), ("a/b c", "a%2Fb%20c"), ("..", "%2E%2E"), ("é", "%C3%A9")]
    {
        assert_eq!(escaped(name), path);
    }
    let question =
        Question::of_pool("a/b", &["queue"]).with("limit", Some(2)).with("at", None::<i64>);
    assert_eq!(question.with("x", Some("?")).as_str(), "/v1/pools/a%2Fb/queue?limit=2&x=%3F");
}
