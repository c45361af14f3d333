//! A plan for people, made of the report alone.

use super::networks_text::networks;
use super::plan::PlanReport;
use super::report::Granted;
use super::text::{help, place};
use crate::report::sentence;
use crate::report::show::{clock, or_dash};
use conclave_core::units::TimeMs;

/// Lines for people, each with its end.
#[must_use]
pub fn plan_text(report: &PlanReport) -> String {
    let PlanReport { holds_for, kind, pool, request, outcome, .. } = report;
    let (pool, request) = (or_dash(pool), or_dash(request));
    let now = TimeMs(holds_for.time_ms);
    let mut lines = vec![format!(
        "{kind} {pool}/{request} after decision {}, {}: {outcome}",
        holds_for.offset,
        clock(now)
    )];
    if let (Some(code), Some(detail)) = (&report.code, &report.detail) {
        lines.push(format!("  refused  {code}: {detail}"));
    }
    if let Some(first) = report.first_offset {
        lines.push(format!("  the same command was answered by decision {first}"));
    }
    if let Some(council) = &report.council {
        lines.push(format!(
            "  council  {} of 100 points, {} approve",
            council.score, council.approve_from
        ));
    }
    lines.extend(report.networks.iter().flat_map(networks));
    lines.extend(report.granted.as_ref().map(|granted| starts(granted, now)));
    if let Some(until) = report.deferred_until_ms {
        lines.push(format!("  put off, looked at again {}", sentence::moment(now, TimeMs(until))));
    }
    lines.extend(report.blocked_by_sentences.iter().map(|why| format!("  it would wait: {why}")));
    lines.extend(report.ahead.iter().flat_map(place));
    lines.extend(report.wait.iter().flat_map(|wait| wait.lines(now)));
    lines.extend(help(report.advice.as_deref(), &report.changes));
    lines.extend(report.also.iter().map(|also| format!("  also     {also}")));
    let more = report.also_count - report.also.len().min(report.also_count);
    if more > 0 {
        lines.push(format!("  also     {more} more events"));
    }
    lines.push(format!("  {}", report.promise));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn starts(granted: &Granted, now: TimeMs) -> String {
    let model = granted.gpu_model.as_str().into();
    let places = sentence::places(&granted.replicas, &model);
    format!("  starts   on {places}, ends {}", sentence::moment(now, TimeMs(granted.ends_at_ms)))
}
