//! Dashboards and alerts name metrics and runbooks that there are, and boards can be drawn.

use crate::boards_common::{Alert, alerts, boards, in_repository, metrics, panels, queries};
use conclave::telemetry::names::{Kind, Name, TABLE};
use serde_json::Value;
use std::collections::BTreeSet;

const RULES: [&str; 2] = ["deploy/alerts.yml", "deploy/alerts-kafka.yml"];
/// Labels that Prometheus itself gives.
const OWN_LABELS: [&str; 4] = ["job", "instance", "le", "status"];

/// The metric that a series belongs to: a histogram has three kinds of them.
fn metric(series: &str) -> Option<&'static Name> {
    let named = |text: &str| TABLE.iter().find(|name| name.text == text);
    named(series).or_else(|| {
        let ends = ["_bucket", "_sum", "_count"].iter();
        let bare = ends.filter_map(|end| series.strip_suffix(end)).find_map(named);
        bare.filter(|name| name.kind == Kind::Histogram)
    })
}

#[track_caller]
fn check_names(place: &str, expr: &str) {
    let asked = metrics(expr);
    for series in &asked {
        assert!(metric(series).is_some(), "{place}: no metric {series} in the table of names");
    }
    let labels: BTreeSet<_> = asked.iter().filter_map(|series| metric(series)?.label).collect();
    for list in expr.split("by (").skip(1) {
        let (list, _) = list.split_once(')').expect("a list of labels ends");
        for label in list.split(',').map(str::trim) {
            let is_there = labels.contains(label) || OWN_LABELS.contains(&label);
            assert!(is_there, "{place}: nothing in {expr} bears a label {label}");
        }
    }
    for series in asked.iter().filter(|series| is_counter(series)) {
        let at = expr.find(series).expect("it was found there");
        let is_rate = ["rate(", "increase("].iter().any(|call| expr[..at].ends_with(call));
        assert!(is_rate, "{place}: {series} only grows, ask for its rate");
    }
}

fn is_counter(series: &str) -> bool {
    let kind = metric(series).map(|name| name.kind);
    kind == Some(Kind::Counter) || series.ends_with("_bucket")
}

#[test]
fn every_panel_asks_for_what_there_is_and_can_be_drawn() {
    let boards = boards();
    assert!(!boards.is_empty());
    for (file, board) in &boards {
        let ids: BTreeSet<_> =
            board["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), board["panels"].as_array().unwrap().len(), "{file}: ids are unique");
        assert!(board["uid"].as_str().is_some_and(|uid| uid.starts_with("conclave-")), "{file}");
        assert_eq!(board["editable"], false, "{file}: it is changed here");
        for panel in panels(board) {
            let title = panel["title"].as_str().expect("a title");
            let described = panel["description"].as_str().expect("a description");
            assert!(described.len() > 30, "{file}: {title}: '{described}'");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{file}: {title}: a unit"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
        }
        for query in queries(board) {
            let place = format!("{file}: {}", query.panel);
            check_names(&place, &query.expr);
            for series in metrics(&query.expr) {
                let (_, rest) = query.expr.split_once(series).unwrap();
                let chosen = r#"{job=~"$job",instance=~"$instance""#;
                assert!(rest.starts_with(chosen), "{place}: {series} without job and instance");
            }
            let ranges = query.expr.split('[').skip(1);
            let ranges: BTreeSet<_> = ranges.filter_map(|rest| rest.split(']').next()).collect();
            assert!(ranges.iter().all(|range| *range == "$__rate_interval"), "{place}: {ranges:?}");
        }
    }
}

/// Left, top, width and height.
fn cells(panel: &Value) -> [u64; 4] {
    ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a number"))
}

#[test]
fn no_panel_covers_another() {
    for (file, board) in boards() {
        let all = board["panels"].as_array().unwrap();
        for (number, panel) in all.iter().enumerate() {
            let [x, y, w, h] = cells(panel);
            assert!(x + w <= 24, "{file}: {} is too wide", panel["title"]);
            for other in &all[number + 1..] {
                let [left, top, width, height] = cells(other);
                let is_beside = x + w <= left || left + width <= x;
                let is_above = y + h <= top || top + height <= y;
                assert!(is_beside || is_above, "{file}: {} and {}", panel["title"], other["title"]);
            }
        }
    }
}

#[track_caller]
fn check_runbook(alert: &Alert) {
    let page = alert.text.lines().find_map(|line| line.trim().strip_prefix("runbook_url: "));
    let Some((file, section)) = page.and_then(|page| page.split_once('#')) else {
        panic!("{}: which section of which runbook?", alert.name);
    };
    assert_eq!(section, alert.name.to_lowercase(), "a section is called like its alert");
    let text = std::fs::read_to_string(in_repository(file)).expect(file);
    let has_section = text.lines().any(|line| line == format!("## {}", alert.name));
    assert!(has_section, "{file} has no section {}", alert.name);
}

#[test]
fn every_alert_asks_for_what_there_is_and_has_a_runbook() {
    for path in RULES {
        let alerts = alerts(path);
        assert!(alerts.len() > 2, "{path}");
        for alert in &alerts {
            check_names(&alert.name, &alert.expr);
        }
        if path.ends_with("alerts-kafka.yml") {
            alerts.iter().for_each(check_runbook);
        }
    }
}

#[test]
fn every_alert_on_kafka_is_tried_where_it_fires_and_where_it_does_not() {
    let tried = std::fs::read_to_string(in_repository("deploy/alerts-kafka.test.yml")).unwrap();
    for alert in alerts("deploy/alerts-kafka.yml") {
        let name = format!("alertname: {}\n", alert.name);
        let checks: Vec<_> = tried.split(&name).skip(1).collect();
        let fires = checks.iter().filter(|rest| rest.starts_with("        exp_alerts:")).count();
        assert!(fires > 0 && fires < checks.len(), "{}: {fires} of {}", alert.name, checks.len());
    }
}

#[test]
fn every_metric_on_kafka_and_of_the_council_is_drawn() {
    let drawn: Vec<_> = boards().iter().flat_map(|(_, board)| queries(board)).collect();
    let is_drawn = |name: &str| drawn.iter().any(|query| query.expr.contains(name));
    let is_metric = |kind| matches!(kind, Kind::Counter | Kind::Gauge | Kind::Histogram);
    let families = ["kafka", "council", "engine", "gpu"].map(|part| format!("conclave_{part}_"));
    let is_meant = |name: &&Name| families.iter().any(|family| name.text.starts_with(family));
    for name in TABLE.iter().filter(is_meant) {
        assert!(!is_metric(name.kind) || is_drawn(name.text), "{} is on no board", name.text);
    }
}
