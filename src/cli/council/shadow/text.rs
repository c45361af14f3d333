//! How a shadow compares with the seat, for people.

use super::Line;
use crate::report::show::count;
use crate::shadow::{Disagreement, MemberSums, Report, Verdicts};

/// All of a report.
pub(super) fn of(report: &Report) -> Vec<String> {
    let Report { model, decisions, votes, agreed, by_rules, .. } = report;
    let Report { by_other_council, by_same_council, same_words, not_asked, .. } = report;
    let mut lines = vec![
        format!("council     {model}"),
        format!("decisions   {decisions}"),
        format!("votes       {votes}, and {not_asked} that networks are not asked for"),
        format!("agreement   {agreed} of {votes}: {}", per_cent(report.agreed_per_mille)),
        format!("confidence  {}", sure(report.confidence_per_mille)),
        format!(
            "seat        the rules {by_rules}, other networks {by_other_council}, this council \
             {by_same_council}, of which {same_words} the same to the last bit"
        ),
    ];
    if report.rounds_unread > 0 {
        let rounds = count(report.rounds_unread, "round");
        lines.push(format!("unread      {rounds}: commands or their schemas are not there"));
    }
    lines.push(format!("{:<12}{:>10}{:>10}{:>10}", "seat", "approve", "deny", "defer"));
    let pairs = &report.seat_then_shadow;
    for (seat, row) in [("approve", pairs.approve), ("deny", pairs.deny), ("defer", pairs.defer)] {
        let Verdicts { approve, deny, defer } = row;
        lines.push(format!("  {seat:<10}{approve:>10}{deny:>10}{defer:>10}"));
    }
    lines.extend(report.members.iter().map(member));
    lines.extend(report.latest.iter().map(disagreement));
    lines
}

fn member(member: &MemberSums) -> String {
    let MemberSums { label, said, agreed_per_mille, confidence_per_mille } = member;
    let Verdicts { approve, deny, defer } = said;
    format!(
        "member      {label}: {approve} approve, {deny} deny, {defer} defer; with the seat in {}, \
         {}",
        per_cent(*agreed_per_mille),
        sure(*confidence_per_mille)
    )
}

fn disagreement(found: &Disagreement) -> String {
    let Disagreement { partition, offset, pool, tenant, request, attempt, seat, shadow, .. } =
        found;
    format!(
        "differs     {partition}:{offset} request '{request}' of '{tenant}' in '{pool}', attempt \
         {attempt}: the seat says {seat}, the shadow {shadow}, {}",
        sure(Some(found.confidence_per_mille.into()))
    )
}

/// How far one that follows has come.
pub(super) fn line(line: &Line) -> String {
    let Line { decisions, votes, agreed, agreed_per_mille, lag_records, is_reading } = line;
    let away = if *is_reading { "" } else { ", the log cannot be read now" };
    format!(
        "{decisions} decisions, {votes} votes, agreement {agreed} ({}), {lag_records} behind{away}",
        per_cent(*agreed_per_mille)
    )
}

fn per_cent(per_mille: Option<u64>) -> String {
    per_mille.map_or_else(|| "-".to_owned(), |part| format!("{}.{} %", part / 10, part % 10))
}

fn sure(per_mille: Option<u64>) -> String {
    per_mille.map_or_else(|| "-".to_owned(), |part| format!("{part} per mille sure"))
}
