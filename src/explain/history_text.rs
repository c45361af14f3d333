//! Who started before a request, and who made room for whom, for people.

use super::history::{RoomMade, WentAhead, WentFirst};
use super::report::{ExplainReport, Moment};
use crate::report::show::{clock, count};
use conclave_core::units::TimeMs;

/// Columns in front of what belongs to an interval.
const INDENT: &str = "                      ";

/// Who started in an interval.
pub(super) fn went_ahead(ahead: &WentAhead) -> String {
    format!("{INDENT}behind {}", told(ahead))
}

/// Who started over a whole wait.
pub(super) fn all_that_went_ahead(ahead: &WentAhead) -> String {
    format!("    in all behind {}", told(ahead))
}

/// `14 starts: 9 by priority, 5 by fair share (a at 12; b at 13, 19; and 8 more)`.
fn told(ahead: &WentAhead) -> String {
    let mut rules: Vec<(&String, &usize)> = ahead.by_rule.iter().collect();
    rules.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let rules = rules.iter().map(|(rule, count)| format!("{count} by {}", words(rule)));
    let rules: Vec<String> = rules.collect();
    let mut first: Vec<String> = ahead.first.iter().map(named).collect();
    let shown: usize = ahead.first.iter().map(|one| one.times).sum();
    if ahead.starts > shown {
        first.push(format!("and {} more", ahead.starts - shown));
    }
    let starts = count(u64::try_from(ahead.starts).unwrap_or(u64::MAX), "start");
    format!("{starts}: {} ({})", rules.join(", "), first.join("; "))
}

fn words(rule: &str) -> &str {
    match rule {
        "room_made" => "room made for it",
        "fair_share" => "fair share",
        "arrival" => "earlier arrival",
        "overtaking" => "fitting where it could not",
        other => other,
    }
}

fn named(one: &WentFirst) -> String {
    let at: Vec<String> = one.at.iter().map(|at| at.offset.to_string()).collect();
    let more = if one.times > one.at.len() { " and later" } else { "" };
    let uses = match (one.its_use_per_billion, one.own_use_per_billion) {
        (Some(its), Some(own)) => format!(", its tenant at {} to {}", share(its), share(own)),
        (None, Some(own)) => format!(", its tenant under {}", share(own)),
        _ => String::new(),
    };
    format!("{} at {}{more}{uses}", one.request, at.join(", "))
}

/// Billionths as per cent with four decimals.
fn share(per_billion: i64) -> String {
    let ten_thousandths = per_billion / 1_000;
    format!("{}.{:04} %", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// Who made room for whom.
pub(super) fn rooms(report: &ExplainReport) -> Vec<String> {
    let mut lines = vec![];
    for room in &report.preempted {
        let RoomMade { by, by_tenant, right, .. } = room;
        lines.push(format!("  made room for {by} of {by_tenant} by {right}: {}", course(room)));
    }
    for room in &report.made_room {
        let RoomMade { request, tenant, right, .. } = room;
        lines.push(format!("  had {request} of {tenant} make room by {right}: {}", course(room)));
    }
    if report.made_room_forgotten > 0 {
        lines.push(format!("  ({} earlier such times are left out)", report.made_room_forgotten));
    }
    lines
}

fn course(room: &RoomMade) -> String {
    let at = |moment: Moment| format!("decision {}, {}", moment.offset, clock(at(moment)));
    let ended = match (room.ended, &room.how) {
        (Some(ended), Some(how)) => format!("{how} at {}", at(ended)),
        _ => format!("ends at {}", clock(TimeMs(room.ends_at_ms))),
    };
    let again = if room.waits_again.is_some() { ", and waits again since" } else { "" };
    format!("told at {}; {ended}{again}", at(room.noticed))
}

fn at(moment: Moment) -> TimeMs {
    TimeMs(moment.time_ms)
}
