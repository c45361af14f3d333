//! `replay verify`: every decision computed again.

use crate::args::VerifyArguments;
use crate::view::View;
use conclave::cli::Output;
use conclave::cli::page::{Page, say};
use conclave::error::{Error, Result};
use conclave::log::LogReader as _;
use conclave::registry::kept_beside;
use conclave::report::show::count;
use conclave::verify::{Report, Scope, Verdict, verify_with_progress};
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::time::Instant;

/// The report, and what the reader knows about the files.
#[derive(Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    report: &'a Report,
    verdict: Verdict,
    damage: Option<String>,
    should_end_before: Option<i64>,
}

pub(crate) fn run(arguments: &VerifyArguments) -> Result<u8> {
    let VerifyArguments { log, expect_head, until, output } = arguments;
    let view = View::open(log)?;
    if let Some(until) = until {
        view.check_reaches(*until)?;
    }
    let kept = kept_beside(log)?;
    let schemas = kept.as_deref();
    let scope = Scope { until: *until, expected_head: *expect_head, schemas };
    let end = until.map_or(view.ends.decisions_next, |until| Offset(until.0 + 1));
    let bar = progress_bar(end);
    let started = Instant::now();
    let (log, partition) = (&view.log, view.log.partition());
    let report = verify_with_progress(log, partition, &mut RuleSeat, &scope, |next| {
        bar.set_position(next.0.unsigned_abs());
    })?;
    bar.finish_and_clear();
    say_speed(&report, started);
    let verified = judge(&view, &report)?;
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&verified)?,
        Output::Text => text(&verified).iter().try_for_each(|line| page.line(line))?,
    }
    page.flush()?;
    if verified.verdict == Verdict::Corrupt {
        let damage = verified.damage.unwrap_or_default();
        return Err(view.explain(Error::corrupt(damage)));
    }
    Ok(exit_code(verified.verdict))
}

fn progress_bar(end: Offset) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} decisions, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(end.0.unsigned_abs()).with_style(style)
}

fn say_speed(report: &Report, started: Instant) {
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let looked_at = report.decisions - report.unchecked;
    let speed = looked_at.saturating_mul(1_000) / ms;
    say(&format!("{} in {ms} ms, {speed} decisions/s", count(looked_at, "decision")));
}

fn judge<'a>(view: &View, report: &'a Report) -> Result<Verified<'a>> {
    let found = || report.stopped.clone().filter(|_| report.is_corrupt);
    let damage = view.log.damage().map(ToString::to_string).or_else(found);
    let is_corrupt = damage.is_some();
    let lost_from = if is_corrupt { view.log.lost_from()? } else { None };
    let verdict = if is_corrupt { Verdict::Corrupt } else { report.verdict() };
    let should_end_before = lost_from.map(|offset| offset.0);
    Ok(Verified { report, verdict, damage, should_end_before })
}

fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Differs => 1,
        Verdict::Unchecked => 3,
        Verdict::Corrupt => 4,
    }
}

fn text(verified: &Verified<'_>) -> Vec<String> {
    let report = verified.report;
    let numbers = [
        ("decisions", report.decisions),
        ("verified", report.verified),
        ("divergences", report.divergences),
        ("uncovered", report.uncovered),
        ("duplicates", report.duplicates),
        ("input_missing", report.input_missing),
        ("other_version", report.other_version),
        ("unchecked", report.unchecked),
        ("skipped", report.skipped),
        ("undecided", report.undecided),
        ("snapshots_checked", report.snapshots_checked),
        ("snapshots_damaged", report.snapshots_damaged),
        ("snapshots_differing", report.snapshots_differing),
    ];
    let mut lines: Vec<String> =
        numbers.iter().map(|(name, number)| format!("{name:<19} {number}")).collect();
    lines.push(format!("{:<19} {}", "chain_head", report.chain_head));
    for divergence in &report.first_divergences {
        lines.push(format!("decision {}: {}", divergence.offset, divergence.what));
    }
    let listed = report.first_divergences.len() as u64;
    let more = (report.divergences + report.duplicates).saturating_sub(listed);
    if more > 0 {
        lines.push(format!("and {}", count(more, "other divergence")));
    }
    if !report.schemas_missing.is_empty() {
        lines.push(format!("schemas not kept: {:?}", report.schemas_missing));
    }
    lines.extend(report.snapshot_faults.iter().cloned());
    lines.extend(report.broken_invariant.iter().map(|rule| format!("the last state: {rule}")));
    lines.extend(report.stopped.iter().map(|why| format!("stopped: {why}")));
    lines.extend(head_sentence(report));
    lines.push(verdict_sentence(verified));
    lines
}

fn head_sentence(report: &Report) -> Option<String> {
    match (report.expected_head?, report.expected_head_at) {
        (true, _) => Some("the chain head is the expected one".to_owned()),
        (false, None) => Some("the expected head is nowhere in this log".to_owned()),
        (false, Some(at)) => Some(format!(
            "the expected head is that of decision {at}, and the log goes on: --until {at} checks \
             against it"
        )),
    }
}

fn verdict_sentence(verified: &Verified<'_>) -> String {
    let report = verified.report;
    match verified.verdict {
        Verdict::Clean => "clean: every decision is what its command gives".to_owned(),
        Verdict::Differs if report.snapshots_differing > 0 => {
            "differs: do not restart the service on a snapshot that is not the fold, and report it"
                .to_owned()
        }
        Verdict::Differs => "differs: this log is not what was decided".to_owned(),
        Verdict::Unchecked
            if report.unchecked + report.input_missing + report.other_version == 0 =>
        {
            "unchecked: every decision is verified, and a start passes a damaged snapshot over"
                .to_owned()
        }
        Verdict::Unchecked => {
            "unchecked: nothing differs, and not everything was checked".to_owned()
        }
        Verdict::Corrupt => match verified.should_end_before {
            Some(offset) => format!("corrupt: the log should end before offset {offset}"),
            None => "corrupt: stored bytes are not what was written".to_owned(),
        },
    }
}
