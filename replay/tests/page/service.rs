//! As much of a service as the live page needs, under the policy that the real one serves it with.

use conclave::council::Models;
use conclave::explain::{explain_at, give_reasons};
use conclave::log::LogReader;
use conclave::log::rocks::RocksReader;
use conclave::report::viewer::Viewer;
use conclave::timeline::{Options, Timeline, page};
use conclave_core::units::Offset;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

pub(crate) const TOKEN: &str = "open-sesame";

/// Answers of the logs of all partitions on a port of its own, until the test ends, and says where.
pub(crate) fn start(logs: &[PathBuf]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let logs = logs.to_vec();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let logs = logs.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &logs));
        }
    });
    address
}

fn answer(mut stream: TcpStream, logs: &[PathBuf]) {
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
        (200, "application/json", data(path, logs))
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

/// A number in the query of a path.
fn number(path: &str, name: &str) -> Option<i64> {
    let (_, query) = path.split_once('?')?;
    let named = query.split('&').filter_map(|pair| pair.split_once('='));
    named.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
}

fn data(path: &str, logs: &[PathBuf]) -> String {
    if path == "v1/status" && logs.len() > 1 {
        let partitions: Vec<_> =
            (0..logs.len()).map(|number| json!({"partition": number})).collect();
        return json!({"partitions": partitions, "pools": [{"pool": "main"}]}).to_string();
    }
    let partition = number(path, "partition").unwrap_or_default();
    let reader = RocksReader::open(&logs[usize::try_from(partition).unwrap()]).unwrap();
    let decision = path.strip_prefix("v1/decisions/");
    let decision = decision.and_then(|rest| rest.split('?').next()?.parse().ok());
    if let Some(offset) = decision {
        let found = reader.decisions(Offset(offset), 0).unwrap();
        return format!("{{\"offset\":{}}}", found[0].offset);
    }
    if let Some(request) = path.strip_prefix("v1/pools/lab/requests/") {
        let (request, _) = request.split_once('/').unwrap();
        let (at, all) = (number(path, "at").map(Offset), Viewer::Everything);
        let mut report = explain_at(&reader, None, &request.into(), at, &all).unwrap();
        give_reasons(&reader, &Models::beside(&logs[0]), &mut report);
        return serde_json::to_string(&report).unwrap();
    }
    if path.starts_with("v1/timeline") {
        let options = Options { until: number(path, "until").map(Offset), ..Options::default() };
        let timeline = Timeline::of(&reader, &options).unwrap();
        // A log on disk is partition 0 always.
        return serde_json::to_string(&Timeline { partition, ..timeline }).unwrap();
    }
    String::new()
}
