//! The description of the API and its routes, probes and metrics.

use crate::served::{Served, request};
use conclave::http::routes;
use conclave::telemetry::names;
use std::collections::BTreeSet;

#[test]
fn the_description_names_every_route_and_no_other() {
    let served = Served::plain();
    let described = served.get_json("/openapi.json");
    let mut pairs = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            pairs.insert((method.clone(), path.clone()));
            for (status, answer) in operation["responses"].as_object().unwrap() {
                // Not being ready is no error of whoever asks: it is the answer.
                if status.starts_with('2') || path == "/readyz" {
                    continue;
                }
                let kinds = answer["content"].as_object().unwrap();
                let kinds: Vec<_> = kinds.keys().map(String::as_str).collect();
                assert_eq!(kinds, ["application/problem+json"], "{method} {path} {status}");
            }
        }
    }
    let table = routes().into_iter();
    let table = table.map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(pairs, table);
}

#[test]
fn every_route_answers_its_method_and_refuses_others() {
    let served = Served::plain();
    served.decide(&request("train-1", "vision", 1, "1h"));
    for (method, path, _) in routes() {
        let full = path.replace("{pool}", "main").replace("{request}", "train-1");
        let full = full.replace("{command_id}", "ask-train-1").replace("{offset}", "0");
        let full = full.replace("{asset}", "page.css");
        if path.ends_with("/stream") {
            continue; // It has no end: tested among the decisions.
        }
        let asked = served.ask(&method.to_uppercase(), &full, "", b"");
        let wanted = match path {
            "/v1/commands" => 415,
            "/v1/plan" => 400,
            _ => 200,
        };
        assert_eq!(asked.status, wanted, "{method} {full}: {asked:?}");
        assert_eq!(asked.header("x-content-type-options"), Some("nosniff"), "{full}");
        assert!(asked.header("content-security-policy").is_some(), "{full}");
        if wanted == 200 && full.starts_with("/v1/") {
            assert_eq!(asked.header("content-type"), Some("application/json"), "{full}");
        }
        for wrong in ["DELETE", "PUT", "PATCH", "OPTIONS"] {
            let refused = served.ask(wrong, &full, "", b"");
            refused.problem(405);
            let allowed = refused.header("allow").unwrap_or_default().to_ascii_lowercase();
            assert!(allowed.contains(method), "{wrong} {full}: {refused:?}");
        }
    }
}

#[test]
fn what_is_asked_of_a_head_has_no_body() {
    let served = Served::plain();
    let mut wire = served.wire();
    assert_eq!(wire.ask("HEAD", "/v1/status", "", b"").status, 200);
    // Nothing of a body lies before the next answer.
    assert_eq!(wire.ask("GET", "/healthz", "", b"").body, "ok\n");
    assert_eq!(wire.ask("HEAD", "/v1/commands", "", b"").status, 405);
}

#[test]
fn a_ready_service_says_so_part_by_part() {
    let served = Served::plain();
    let ready = served.get_json("/readyz");
    assert_eq!(ready["ready"], true, "{ready}");
    let parts = ready["parts"].as_array().unwrap().iter();
    let parts: Vec<_> = parts.map(|part| (&part["part"], &part["state"])).collect();
    assert_eq!(parts, [(&"deciding".into(), &"ok".into()), (&"view".into(), &"ok".into())]);
}

/// A line of samples as name, labels and value.
fn sample(line: &str) -> (&str, &str, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
        None => (series, ""),
    };
    (name, labels, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

#[test]
fn metrics_are_of_the_table_of_names_and_count() {
    let served = Served::plain();
    served.decide(&request("train-1", "vision", 1, "1h"));
    // Figures are copied now and then.
    std::thread::sleep(std::time::Duration::from_secs(1));
    served.get("/v1/status");
    let answer = served.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let body = answer.body.strip_suffix("# EOF\n").expect("OpenMetrics ends so");
    let known: BTreeSet<_> = names::TABLE.iter().map(|name| name.text).collect();
    let mut seen = BTreeSet::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let word = comment.split(' ').next().unwrap();
            assert!(["HELP", "TYPE", "UNIT"].contains(&word), "{line}");
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(value >= 0.0, "{line}");
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let name = if known.contains(name) { name } else { plain.unwrap_or(name) };
        assert!(known.contains(name), "{line}");
        seen.insert(name.to_owned());
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            assert!(label.contains("=\""), "{line}");
        }
    }
    let ends = body.lines().filter(|line| line.contains("le=\"+Inf\""));
    assert!(ends.count() > 2, "every histogram has a last bucket: {body}");
    let [commands, requests] = [names::COMMANDS, names::HTTP_REQUESTS];
    let [ready, steps, votes] = [names::READY, names::STEP_DURATION, names::ENGINE_VOTES];
    for wanted in [commands, requests, ready, steps, votes] {
        assert!(seen.contains(wanted), "{wanted} is missing");
    }
    assert!(body.contains("conclave_commands_total{outcome=\"accepted\"} 6"), "{body}");
}
