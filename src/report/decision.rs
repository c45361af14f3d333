//! One decision as a line of JSON, or as lines for people.

use crate::cli::page::Page;
use crate::error::Result;
use crate::report::event::{EventJson, name};
use crate::report::sentence;
use crate::report::show::{between, or_dash, span};
use crate::wire::{MISFIT, command_of_later_rules};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::rejection::RejectionCode;
use conclave_core::units::{Hash32, TimeMs};
use serde::Serialize;

/// The fields are those of the Avro record `Decision`, with these differences: `since_start_ms` and
/// `hash` are added, and `advice` where later rules would have read the command; digests are
/// hexadecimal, the outcome is spread over four fields, and each event carries its name.
/// `docs/replay.md` shows one.
#[derive(Debug, Serialize)]
pub struct DecisionJson<'a> {
    offset: i64,
    time_ms: i64,
    since_start_ms: i64,
    kind: &'a str,
    pool: &'a str,
    tenant: &'a str,
    request: &'a str,
    command_id: &'a str,
    outcome: &'static str,
    code: Option<&'static str>,
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    first_offset: Option<i64>,
    events: Vec<EventJson<'a>>,
    decide_version: i64,
    partition: i64,
    covered_before: i64,
    round: i64,
    round_index: i64,
    round_count: Option<i64>,
    id_hash: Option<String>,
    payload_hash: Option<String>,
    input_hash: String,
    prev_hash: String,
    hash: String,
}

impl<'a> DecisionJson<'a> {
    /// A decision as JSON; `hash` is the digest of its body, `began_at` is when the log's first
    /// decision was made.
    #[must_use]
    pub fn of(hash: Hash32, decision: &'a Decision, began_at: TimeMs) -> Self {
        let (code, detail, first_offset) = match &decision.outcome {
            Outcome::Accepted => (None, None, None),
            Outcome::Rejected(no) => (Some(no.code.as_str()), Some(no.detail.as_str()), None),
            Outcome::Duplicate(again) => (None, None, Some(again.first_offset.0)),
            Outcome::Failed(failed) => (None, Some(failed.reason.as_str()), None),
        };
        let remembered = decision.remembered.as_ref();
        Self {
            offset: decision.offset.0,
            time_ms: decision.time_ms.0,
            since_start_ms: between(began_at, decision.time_ms).0,
            kind: &decision.kind,
            pool: &decision.pool.0,
            tenant: &decision.tenant.0,
            request: &decision.request.0,
            command_id: &decision.command_id.0,
            outcome: outcome(&decision.outcome),
            code,
            detail,
            advice: advice(decision),
            first_offset,
            events: decision.events.iter().map(EventJson).collect(),
            decide_version: decision.decide_version,
            partition: decision.partition,
            covered_before: decision.covered_before.0,
            round: decision.round.0,
            round_index: decision.round_index,
            round_count: decision.round_count,
            id_hash: remembered.map(|digests| digests.id_hash.to_string()),
            payload_hash: remembered.map(|digests| digests.payload_hash.to_string()),
            input_hash: decision.input_hash.to_string(),
            prev_hash: decision.prev_hash.to_string(),
            hash: hash.to_string(),
        }
    }
}

/// What to do about a refusal, where the decision cannot say it: the rules that refused know
/// nothing of the rules that came later.
#[must_use]
pub fn advice(decision: &Decision) -> Option<String> {
    let Outcome::Rejected(no) = &decision.outcome else { return None };
    let version = decision.decide_version;
    if let Some((name, since)) = command_of_later_rules(version, &no.detail) {
        return Some(format!(
            "this partition decides by version {version}, which does not know {name}; send \
             ActivateDecider {since} first"
        ));
    }
    let is_of_later_rules = no.code == RejectionCode::Unsupported
        || (no.code == RejectionCode::Unreadable && no.detail == MISFIT);
    (is_of_later_rules && version < DECIDE_VERSION_NEWEST).then(|| {
        format!(
            "this partition decides by version {version}; this release knows rules up to \
             {DECIDE_VERSION_NEWEST}, which may read it: send ActivateDecider \
             {DECIDE_VERSION_NEWEST}, once every instance has this release"
        )
    })
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected(_) => "rejected",
        Outcome::Duplicate(_) => "duplicate",
        Outcome::Failed(_) => "failed",
    }
}

/// One line for the decision and an indented one for each event.
///
/// # Errors
/// As the page's.
pub fn print(page: &mut Page, decision: &Decision, began_at: TimeMs) -> Result<()> {
    print_at(page, &decision.offset.to_string(), decision, began_at, "")
}

/// The same for a decision that is called `place` here, with a remark at the line's end.
///
/// # Errors
/// As the page's.
pub fn print_at(
    page: &mut Page,
    place: &str,
    decision: &Decision,
    began_at: TimeMs,
    remark: &str,
) -> Result<()> {
    page.line(&format!("{}{remark}", line(place, decision, began_at)))?;
    for event in &decision.events {
        let sentence = sentence::event(event, decision.time_ms);
        page.line(&format!("            {:<17} {sentence}", name(event)))?;
    }
    Ok(())
}

fn line(place: &str, decision: &Decision, began_at: TimeMs) -> String {
    let Decision { time_ms, kind, pool, tenant, request, outcome: answer, .. } = decision;
    let since = span(between(began_at, *time_ms));
    let kind = if kind.is_empty() { "(unreadable)" } else { kind };
    let about = [&pool.0, &tenant.0, &request.0].map(|id| or_dash(id)).join("/");
    let detail = match answer {
        Outcome::Accepted => String::new(),
        Outcome::Rejected(no) => {
            let advice = advice(decision).map_or_else(String::new, |advice| format!("; {advice}"));
            format!(" {}: {}{advice}", no.code.as_str(), no.detail)
        }
        Outcome::Duplicate(again) => format!(" of decision {}", again.first_offset),
        Outcome::Failed(by) => format!(", skipped by {}: {}", by.operator, by.reason),
    };
    let answer = outcome(answer);
    format!("{place:>8}  {time_ms} ms +{since}  {kind}  {about}  {answer}{detail}")
}

/// The same for the head of a state.
#[must_use]
pub fn title(place: &str, decision: &Decision, began_at: TimeMs) -> String {
    line(place, decision, began_at).trim_start().to_owned()
}
