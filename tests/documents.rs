//! Tables of `docs/serve.md` and `docs/council-features.md` that say what the code says, and boards
//! and alerts that ask for it.
//! After a change of the code:
//!
//! ```text
//! UPDATE_DOCS=1 cargo test --release --test documents
//! ```

#[path = "documents/boards.rs"]
mod boards;
#[path = "boards_common/mod.rs"]
mod boards_common;
#[path = "documents/council.rs"]
mod council;

use conclave::config::Config;
use conclave::telemetry::names::{Kind, TABLE};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Lines around the table of metrics.
const METRICS: [&str; 2] = ["<!-- metrics: made by tests/documents.rs -->\n", "<!-- end -->\n"];

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/serve.md")
}

fn text() -> String {
    std::fs::read_to_string(document()).expect("docs/serve.md is there")
}

/// Every setting with its default, as the file would spell it.
fn settings(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    for (key, value) in value.as_object().expect("a section") {
        let key = format!("{prefix}{key}");
        match value {
            Value::Object(_) => settings(&format!("{key}."), value, found),
            Value::Null => drop(found.insert(key, "none".to_owned())),
            value => drop(found.insert(key, format!("`{value}`"))),
        }
    }
}

#[test]
fn every_setting_is_explained_with_its_default() {
    let defaults = serde_json::to_value(Config::default()).expect("the defaults are JSON");
    let mut wanted = BTreeMap::new();
    settings("", &defaults, &mut wanted);
    assert!(wanted.len() > 10, "{wanted:?}");

    let text = text();
    let (_, table) = text.split_once("| setting | default | meaning |\n").expect("the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let mut told = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, key, default, meaning, _] = cells[..] else { panic!("four bars: {row}") };
        assert!(meaning.len() > 10, "{row}");
        let again = told.insert(key.trim_matches('`').to_owned(), default.to_owned());
        assert_eq!(again, None, "{key} twice");
    }
    assert_eq!(told, wanted, "what docs/serve.md says, and what Config::default() is");
}

fn metrics_table() -> String {
    let mut table = "| metric | kind | by | meaning |\n|---|---|---|---|\n".to_owned();
    for name in TABLE {
        let kind = match name.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Span | Kind::Label | Kind::Field | Kind::Header => continue,
        };
        let by = name.label.map_or_else(|| "–".to_owned(), |label| format!("`{label}`"));
        let row = format!("| `{}` | {kind} | {by} | {} |\n", name.text, name.doc);
        table.write_str(&row).expect("text grows");
    }
    table
}

#[test]
fn every_metric_is_explained() {
    let text = text();
    let [begin, end] = METRICS;
    let (before, rest) = text.split_once(begin).expect("the table's first line");
    let (told, after) = rest.split_once(end).expect("the table's last line");
    let wanted = metrics_table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let anew = [before, begin, &wanted, end, after].concat();
        std::fs::write(document(), anew).expect("docs/serve.md can be written");
        return;
    }
    assert_eq!(told, wanted, "write it anew with UPDATE_DOCS=1");
}

#[test]
fn the_settings_of_the_container_are_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/conclave.toml");
    let config = Config::read(&path).expect("it can be read");
    config.check().expect("its settings make sense together");
    assert_eq!(config.kafka.brokers, ["kafka:19092"]);
}
