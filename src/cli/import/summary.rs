//! What an import did, for people and for programs.

use crate::cli::demo::{replay_binary, shell_word};
use crate::demo::Summary;
use crate::error::{Error, Result};
use crate::import::{Import, LeftOut, Waits};
use conclave_core::command::SetTenantParent;
use conclave_core::units::RequestId;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Above it a load says nothing: too little time passes until the last arrival.
const LOAD_PERMILLE_SHOWN_MAX: i64 = 1_000_000;

/// What an import did. `docs/import.md` documents the fields.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ImportSummary<'a> {
    log_id: &'a str,
    files: Vec<FileSummary>,
    /// Rows that were damaged and left out.
    skipped: usize,
    nodes: usize,
    gpus: i64,
    /// Jobs of the trace that are sent.
    requests: usize,
    /// Jobs that the council had put off when the import ended.
    put_off: u64,
    /// Jobs that were granted in the moment in which they asked.
    granted_at_once: u64,
    /// Jobs that were granted later.
    granted_later: u64,
    longest_wait_ms: i64,
    /// Which job that was, of those that were granted.
    longest_wait_request: Option<&'a RequestId>,
    assumed: &'a [String],
    /// What the files hold and is not sent, by why.
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: &'a LeftOut,
    /// Which tenant stands below which.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    parents: &'a [SetTenantParent],
    #[serde(flatten)]
    fed: &'a Summary,
    #[serde(skip)]
    worth_asking: Option<&'a RequestId>,
}

#[derive(Clone, Debug, Serialize)]
struct FileSummary {
    path: String,
    rows: usize,
    skipped: usize,
    blake3: String,
}

impl<'a> ImportSummary<'a> {
    pub(super) fn new(import: &'a Import, fed: &'a Summary, waits: &'a Waits) -> Self {
        let workload = &import.workload;
        let files: Vec<FileSummary> = import.files.iter().map(file).collect();
        let last = workload.arrivals.last().map(|last| &last.ask.request);
        Self {
            log_id: &workload.log_id.0,
            skipped: files.iter().map(|file| file.skipped).sum(),
            files,
            nodes: workload.nodes.len(),
            gpus: workload.nodes.iter().map(|node| node.gpu_count).sum(),
            requests: workload.arrivals.len(),
            put_off: put_off(workload.arrivals.len(), fed),
            granted_at_once: waits.at_once,
            granted_later: waits.later,
            longest_wait_ms: waits.longest.as_ref().map_or(0, |(wait_ms, _)| wait_ms.0),
            longest_wait_request: waits.longest.as_ref().map(|(_, request)| request),
            assumed: &import.assumed,
            left_out: &import.left_out,
            parents: &workload.parents,
            fed,
            worth_asking: waits.worth_asking().or(last),
        }
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::bug("a summary is no JSON").caused_by(error))
    }

    pub(super) fn text(&self, data: &Path) -> String {
        let Summary { commands, decisions, granted, queued, refused, cancelled, .. } = self.fed;
        let Summary { deferred, dead_letters, elapsed_ms, chain_head, .. } = self.fed;
        let per_second = decisions.unsigned_abs() * 1_000 / (*elapsed_ms).max(1);
        let mut text = String::new();
        let mut line = |name: &str, what: String| {
            writeln!(text, "{name:<13} {what}").expect("text grows");
        };
        for FileSummary { path, rows, skipped, .. } in &self.files {
            line("read", format!("{rows} rows of {path}, {skipped} damaged and skipped"));
        }
        if !self.left_out.is_empty() {
            line("left out", self.left_out.words());
        }
        let (nodes, gpus) = (self.nodes, self.gpus);
        line("pool", format!("{nodes} nodes, {gpus} GPUs, {}", load(self.fed.load_permille)));
        for (index, assumed) in self.assumed.iter().enumerate() {
            line(if index == 0 { "assumed" } else { "" }, assumed.clone());
        }
        line("log", self.log_id.to_owned());
        line("commands", format!("{commands}, each with one decision ({decisions})"));
        let (requests, put_off) = (self.requests, self.put_off);
        let ended = format!("{put_off} put off, {refused} refused, {cancelled} withdrawn");
        line("requests", format!("{requests}: {granted} granted, {queued} waiting, {ended}"));
        line("waits", self.waits());
        line("council", format!("{deferred} put off at least once"));
        line("dead letters", dead_letters.to_string());
        line("time", format!("{elapsed_ms} ms, {per_second} decisions/s"));
        line("chain head", chain_head.clone());
        text.push_str("\ntry next:\n");
        text.push_str(&self.next_lines(data).join("\n"));
        text
    }

    fn waits(&self) -> String {
        let (at_once, later) = (self.granted_at_once, self.granted_later);
        let longest = self.longest_wait_request.map_or_else(String::new, |request| {
            let minutes = self.longest_wait_ms / 60_000;
            format!(", the longest {} h {} min ({request})", minutes / 60, minutes % 60)
        });
        format!("{at_once} granted at once, {later} later{longest}")
    }

    fn next_lines(&self, data: &Path) -> Vec<String> {
        let (replay, data) = (shell_word(&replay_binary()), shell_word(data));
        let (head, decisions) = (&self.fed.chain_head, self.fed.decisions);
        let why = self.worth_asking.map(|request| {
            let request = shell_word(Path::new(&*request.0));
            format!("  {replay} why --request {request} --log {data}")
        });
        let lines = [
            format!("  {replay} verify --log {data} --expect-head {head}"),
            format!("  {replay} --from {} --log {data}", (decisions - 10).max(0)),
        ];
        lines.into_iter().chain(why).collect()
    }
}

/// What neither started, ended nor waits rests until its next vote.
fn put_off(requests: usize, fed: &Summary) -> u64 {
    let known = fed.granted + fed.refused + fed.cancelled + fed.queued.unsigned_abs();
    u64::try_from(requests).unwrap_or(u64::MAX).saturating_sub(known)
}

fn load(permille: i64) -> String {
    if permille > LOAD_PERMILLE_SHOWN_MAX {
        return "no load to speak of: all jobs come at nearly the same time".to_owned();
    }
    format!("load {} %", permille / 10)
}

fn file(file: &crate::trace::table::FileRead) -> FileSummary {
    FileSummary {
        path: file.path.display().to_string(),
        rows: file.rows,
        skipped: file.damaged_rows,
        blake3: file.digest.to_string(),
    }
}
