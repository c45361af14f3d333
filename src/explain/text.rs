//! An explanation for people: where it stands, what it waited for and how long, who is before it,
//! what would help. Made of the report alone, so that whoever received it can print it.

use super::history_text::{all_that_went_ahead, rooms, went_ahead};
use super::networks_text::{networks, networks_before};
use super::report::{Ahead, Council, ExplainReport, Moment, WaitedBy};
use crate::report::event::name;
use crate::report::sentence;
use crate::report::show::{between, clock, gpus, rough, span, usd};
use conclave_core::decision::Event;
use conclave_core::explain::{By, Change, Field, Grant, Value};
use conclave_core::units::{DurationMs, GpuMilli, MicroUsd, TimeMs};

/// Lines for people, each with its end.
#[must_use]
pub fn text(report: &ExplainReport) -> String {
    let ExplainReport { request, pool, asked, as_of, stands, .. } = report;
    let mut lines = vec![
        format!(
            "{request} in pool {pool}: {stands}, as of decision {}, {}",
            as_of.offset,
            clock(TimeMs(as_of.time_ms))
        ),
        format!("  asked    at decision {}, {} ago", asked.offset, since(*asked, report)),
    ];
    lines.extend(report.ask.iter().map(|ask| format!("           {}", sentence::ask(ask))));
    if let (Some(code), Some(detail)) = (&report.refused_code, &report.refused_detail) {
        lines.push(format!("  refused  {code}: {detail}"));
    }
    for at in &report.events {
        if !matches!(at.event, Event::RequestQueued(_)) {
            let sentence = sentence::event(&at.event, TimeMs(at.at.time_ms));
            lines.push(format!("  {:>8} {:<16} {sentence}", at.at.offset, name(&at.event)));
        }
    }
    lines.extend(report.council.as_ref().map(council));
    lines.extend(report.networks.iter().flat_map(networks));
    lines.extend(report.networks_before.iter().flat_map(networks_before));
    lines.extend(waited(report));
    lines.extend(rooms(report));
    lines.extend(blocked(&report.blocked_by_sentences));
    lines.extend(report.ahead.iter().flat_map(|ahead| before(ahead, report)));
    let now = TimeMs(as_of.time_ms);
    lines.extend(report.wait.iter().flat_map(|wait| wait.lines(now)));
    lines.extend(help(report.advice.as_deref(), &report.changes));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn since(moment: Moment, report: &ExplainReport) -> String {
    span(between(TimeMs(moment.time_ms), TimeMs(report.as_of.time_ms)))
}

fn council(council: &Council) -> String {
    let Council { score, approve_from, .. } = council;
    let defer = match council.defer_from {
        Some(defer_from) => format!(", {defer_from} put off"),
        None => ", fewer deny".to_owned(),
    };
    format!("  council  its last vote has {score} of 100 points: {approve_from} approve{defer}")
}

fn waited(report: &ExplainReport) -> Vec<String> {
    if report.waited.is_empty() {
        return vec!["  it never waited".to_owned()];
    }
    let mut lines = vec!["  waited".to_owned()];
    if report.waited_forgotten > 0 {
        lines.push(format!("    ({} earlier intervals are left out)", report.waited_forgotten));
    }
    for waited in &report.waited {
        let (until, ends) = match waited.until {
            Some(until) => (until, format!("to {}", until.offset)),
            None => (report.as_of, "until now".to_owned()),
        };
        let took = span(between(TimeMs(waited.from.time_ms), TimeMs(until.time_ms)));
        lines.push(format!("    {took:>16}  from decision {} {ends}", waited.from.offset));
        lines.push(format!("                      {}", waited.sentence));
        lines.extend(waited.went_ahead.as_ref().map(went_ahead));
    }
    if report.waited_by.len() > 1 {
        let sum = |by: &WaitedBy| format!("{} by {}", rough(DurationMs(by.waited_ms)), by.blocker);
        let sums: Vec<String> = report.waited_by.iter().map(sum).collect();
        lines.push(format!("    in all {}", sums.join(", ")));
    }
    if report.waited.len() > 1 || report.waited_forgotten > 0 {
        lines.extend(report.went_ahead.as_ref().map(all_that_went_ahead));
    }
    lines
}

/// What stands against it beside what it waits for.
pub(super) fn blocked(sentences: &[String]) -> Vec<String> {
    let others = sentences.iter().skip(1);
    others.map(|sentence| format!("  and also, {sentence}")).collect()
}

fn before(ahead: &Ahead, report: &ExplainReport) -> Vec<String> {
    let mut lines = place(ahead);
    let now = TimeMs(report.as_of.time_ms);
    match ahead.protected_from_ms {
        _ if ahead.is_protected => {
            lines
                .push("  nobody who came later and could want its GPUs may overtake it".to_owned());
        }
        Some(from) => lines.push(format!(
            "  nobody who comes later may overtake it any more {}",
            sentence::moment(now, TimeMs(from))
        )),
        None => {}
    }
    lines
}

/// Who stands before it.
pub(super) fn place(ahead: &Ahead) -> Vec<String> {
    if ahead.place == 1 {
        return vec!["  nobody stands before it in the queue".to_owned()];
    }
    let more = ahead.place - 1 - ahead.first.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let fair = match ahead.by_fair_share {
        0 => String::new(),
        count => format!(" {count} of tenants that have used less for their weight,"),
    };
    let mut lines = vec![
        format!(
            "  before it in the queue: {} by priority,{fair} {} of the same priority came earlier \
             ({}{more})",
            ahead.by_priority,
            ahead.by_arrival,
            ahead.first.join(", ")
        ),
        format!("  {} of them could want a GPU that it wants", ahead.sharing_a_model),
    ];
    for one in &ahead.protected {
        lines.push(format!(
            "  {} keeps it back: it waits since {} and may not be overtaken any more",
            one.request,
            clock(TimeMs(one.since_ms))
        ));
    }
    lines
}

/// What would help, and what that means.
pub(super) fn help(advice: Option<&str>, changes: &[Change]) -> Vec<String> {
    let Some(advice) = advice else { return vec![] };
    let mut lines = vec![format!("  {advice}")];
    lines.extend(changes.iter().map(|one| format!("    {}", change(one))));
    lines
}

/// `replicas 4 → 2 (on n1[0,1])`.
#[must_use]
pub fn change(change: &Change) -> String {
    let Change { by, field, from, to, granted } = change;
    let (from, to) = (value(*field, from), value(*field, to));
    let who = match by {
        By::Sender => "",
        By::Operator => "an operator: ",
    };
    let place = |granted: &Grant| sentence::places(&granted.replicas, &granted.gpu_model);
    let at = granted.as_ref().map_or(String::new(), |one| format!(", on {}", place(one)));
    format!("{who}{} {to} instead of {from}{at}", field_name(*field))
}

pub(super) fn field_name(field: Field) -> &'static str {
    match field {
        Field::Replicas => "replicas",
        Field::GpuCount => "GPUs per replica",
        Field::GpuMilli => "GPU milli",
        Field::CpuMilli => "CPU milli",
        Field::MemoryMib => "memory in MiB",
        Field::GpuModels => "GPU models",
        Field::Priority => "priority",
        Field::ExpectedDurationMs => "expected duration",
        Field::Preemptible => "preemptible",
        Field::DeadlineMs => "deadline in ms",
        Field::LimitGpuMilli => "the tenant's limit",
        Field::GuaranteeGpuMilli => "the tenant's guarantee",
        Field::WaitBoundMs => "the pool's wait bound",
        Field::QueueMax => "the pool's queue_max",
        Field::Council => "the pool's council",
        Field::Topology => "topology",
        Field::GpuHourBudget => "the tenant's GPU-hours per window",
        Field::BorrowGpuMilli => "what the tenant may borrow",
        Field::BudgetCapMicroUsd => "cap",
    }
}

pub(super) fn value(field: Field, value: &Value) -> String {
    let is_span = matches!(field, Field::ExpectedDurationMs | Field::WaitBoundMs);
    let is_gpus =
        matches!(field, Field::LimitGpuMilli | Field::GuaranteeGpuMilli | Field::BorrowGpuMilli);
    match value {
        Value::Number(number) if is_span => span(DurationMs(*number)),
        Value::Number(number) if field == Field::BudgetCapMicroUsd => usd(MicroUsd(*number)),
        Value::Number(number) if is_gpus => format!("{} GPUs", gpus(GpuMilli(*number))),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Models(models) if models.is_empty() => "any".to_owned(),
        Value::Models(models) => {
            let names: Vec<&str> = models.iter().map(|model| model.0.as_str()).collect();
            names.join(" or ")
        }
        Value::Word(word) => word.clone(),
    }
}
