//! As much of a service as the live page needs, under the policy that the real one serves it with.

use conclave::log::LogReader;
use conclave::log::rocks::RocksReader;
use conclave::timeline::{Options, Timeline, page};
use conclave_core::units::Offset;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

pub(crate) const TOKEN: &str = "open-sesame";

/// Answers on a port of its own, until the test ends, and says where.
pub(crate) fn start(log: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let log = log.to_path_buf();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let log = log.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &log));
        }
    });
    address
}

fn answer(mut stream: TcpStream, log: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
    let path = first.split(' ').nth(1).unwrap().trim_start_matches('/');
    let is_known = headers.iter().any(|header| header.ends_with(&format!("Bearer {TOKEN}")));
    let (status, kind, body) = if path.is_empty() {
        (200, "text/html; charset=utf-8", page::live_page().to_owned())
    } else if let Some(asset) = page::assets().find(|asset| asset.path == path) {
        (200, asset.content_type, asset.body.to_owned())
    } else if !is_known {
        (401, "application/problem+json", "{\"title\":\"who are you?\"}".to_owned())
    } else {
        (200, "application/json", data(path, log))
    };
    // When the browser has gone, nobody needs the answer.
    let _gone = write!(
        stream,
        "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         content-security-policy: default-src 'self'\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
}

fn data(path: &str, log: &Path) -> String {
    let reader = RocksReader::open(log).unwrap();
    if let Some(offset) = path.strip_prefix("v1/decisions/").and_then(|at| at.parse().ok()) {
        let found = reader.decisions(Offset(offset), 0).unwrap();
        return format!("{{\"offset\":{}}}", found[0].offset);
    }
    let until = path.split_once("until=").and_then(|(_, until)| until.parse().ok()).map(Offset);
    if path.starts_with("v1/timeline") {
        let options = Options { until, ..Options::default() };
        return serde_json::to_string(&Timeline::of(&reader, &options).unwrap()).unwrap();
    }
    String::new()
}
