//! The page that draws a timeline: plain HTML, style and script, without a framework or a build.
//!
//! One page for two uses. As files for a service it asks that service for its data; as one file to
//! keep it carries them and asks nobody. Names come from senders: data is escaped here, and the
//! script writes it as text only.

use super::data::Timeline;
use super::details::Details;
use crate::error::{Error, Result};
use serde::Serialize;

/// A file of the page, for a service to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where the page looks for it, relative to itself.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What it holds.
    pub body: &'static str,
}

const HTML: &str = include_str!("page.html");

macro_rules! scripts {
    ($($file:literal),*) => {
        &[$(Asset {
            path: $file,
            content_type: "text/javascript; charset=utf-8",
            body: include_str!($file),
        }),*]
    };
}

/// In the order in which they run.
const SCRIPTS: &[Asset] = scripts!(
    "model.js",
    "filter.js",
    "paint.js",
    "axis.js",
    "flow.js",
    "heat.js",
    "rows.js",
    "details.js",
    "print.js",
    "live.js",
    "page.js"
);

const STYLE: Asset = Asset {
    path: "page.css",
    content_type: "text/css; charset=utf-8",
    body: include_str!("page.css"),
};

const ICON: Asset =
    Asset { path: "icon.svg", content_type: "image/svg+xml", body: include_str!("icon.svg") };

/// Where [`HTML`] names its icon (a file to keep has none), its style and its data (none when it is
/// served).
const ICON_MARK: &str = r#"<link rel="icon" href="icon.svg">"#;
const STYLE_MARK: &str = r#"<link rel="stylesheet" href="page.css">"#;
const DATA_MARK: &str = "<!-- data -->";

/// What keeps a page that was saved from asking anybody for anything.
const ASKS_NOBODY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src \
     'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">";

/// The page that a service answers with at its root. It loads [`assets`] from beside itself, asks
/// `v1/timeline`, `v1/decisions/OFFSET` and `v1/decisions/stream`, and needs nothing inline:
/// `Content-Security-Policy: default-src 'self'` holds.
#[must_use]
pub fn live_page() -> &'static str {
    HTML
}

/// What [`live_page`] loads.
pub fn assets() -> impl Iterator<Item = &'static Asset> {
    [&STYLE, &ICON].into_iter().chain(SCRIPTS)
}

/// The page as one file that holds `timeline` and the decisions behind it, and needs no network.
///
/// # Errors
/// `Bug` when the timeline is no JSON.
pub fn self_contained(timeline: &Timeline, details: &Details) -> Result<String> {
    let mut page = HTML.replacen(ICON_MARK, "", 1);
    page = page.replacen(STYLE_MARK, &style(), 1);
    page = page.replacen(DATA_MARK, &data(timeline, details)?, 1);
    for script in SCRIPTS {
        let mark = format!("<script src=\"{}\"></script>", script.path);
        page = page.replacen(&mark, &format!("<script>\n{}</script>", script.body), 1);
    }
    Ok(page)
}

fn style() -> String {
    format!("{ASKS_NOBODY}\n<style>\n{}</style>", STYLE.body)
}

fn data(timeline: &Timeline, details: &Details) -> Result<String> {
    let lines: Vec<&str> = details.lines.iter().map(String::as_str).collect();
    let left_out = details.left_out;
    let (decisions, votes) = (lines.join(",\n"), details.votes.join(",\n"));
    let source = json(&details.source)?;
    let decisions = format!(
        "{{\"left_out\":{left_out},\"source\":{source},\"decisions\":[{decisions}],\
         \"votes\":[{votes}]}}"
    );
    Ok(format!(
        "<script type=\"application/json\" id=\"timeline-data\">{}</script>\n\
         <script type=\"application/json\" id=\"decision-data\" \
         data-left-out=\"{left_out}\">{}</script>",
        inert(&json(timeline)?),
        inert(&decisions)
    ))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::bug("a timeline is no JSON").caused_by(error))
}

/// JSON that cannot end the element that it stands in: `<` occurs in its strings only.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}
