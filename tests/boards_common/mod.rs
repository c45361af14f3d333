//! What dashboards and alert rules ask Prometheus for, read from their files.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// One query of one panel.
#[derive(Clone, Debug)]
pub(crate) struct PanelQuery {
    pub(crate) panel: String,
    pub(crate) expr: String,
}

/// One alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) text: String,
}

pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every dashboard, with the name of its file.
pub(crate) fn boards() -> Vec<(String, Value)> {
    let files =
        fs::read_dir(in_repository("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    };
    json.map(read).collect()
}

/// The panels of a board, without the rows between them.
pub(crate) fn panels(board: &Value) -> Vec<&Value> {
    let panels = board["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// The queries of a board.
pub(crate) fn queries(board: &Value) -> Vec<PanelQuery> {
    let mut found = vec![];
    for panel in panels(board) {
        for target in panel["targets"].as_array().unwrap() {
            let (panel, expr) =
                (panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap());
            found.push(PanelQuery { panel: panel.to_owned(), expr: expr.to_owned() });
        }
    }
    found
}

/// The alerts of a file of rules, whose form is ours: an expression is on one line, or folded.
pub(crate) fn alerts(path: &str) -> Vec<Alert> {
    let text = fs::read_to_string(in_repository(path)).unwrap();
    let mut alerts = vec![];
    for text in text.split("- alert: ").skip(1) {
        let (name, rest) = text.split_once('\n').unwrap();
        let (_, rest) = rest.split_once("expr: ").unwrap();
        let ends = ["\n        for:", "\n        labels:", "\n        annotations:"];
        let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap();
        let folded = rest[..end].trim_start_matches(">-");
        let expr = folded.split_whitespace().collect::<Vec<_>>().join(" ");
        alerts.push(Alert { name: name.trim().to_owned(), expr, text: text.to_owned() });
    }
    alerts
}

/// Names of metrics in an expression.
pub(crate) fn metrics(expr: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expr.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("conclave_")).collect()
}
