//! `replay verify`: every decision computed again.

mod text;

use crate::args::VerifyArguments;
use crate::view::{View, check_any_reaches};
use conclave::cli::Output;
use conclave::cli::engine::{EngineVotes, for_mass_work};
use conclave::cli::page::{Page, say};
use conclave::council::Engines;
use conclave::error::{Error, Result};
use conclave::log::LogReader as _;
use conclave::report::show::count;
use conclave::verify::{Report, Scope, Verdict, chain_head, verify_by_councils};
use conclave_core::units::{Hash32, Offset};
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
    /// On Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i64>,
    /// Of all partitions, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    recounted: Option<Recounted>,
}

/// Votes of networks that were computed again.
#[derive(Serialize)]
struct Recounted {
    /// With the same words.
    votes: u64,
    /// Of the whole time that verifying took.
    votes_per_second: u64,
    /// What computed them, differing ones included.
    by: EngineVotes,
}

/// The reports of all partitions, where there are several.
#[derive(Serialize)]
struct Everything<'a> {
    partitions: Vec<Verified<'a>>,
    /// Digest over the heads of all partitions.
    chain_head: String,
    expected_head: Option<bool>,
    /// The worst one.
    verdict: Verdict,
    /// Where networks voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    recounted: Option<Recounted>,
}

pub(crate) fn run(arguments: &VerifyArguments) -> Result<u8> {
    let VerifyArguments { log, expect_head, until, council, software_gpu, output } = arguments;
    let views = log.views(&[*until])?;
    views.iter().try_for_each(|view| view.check_begins(None))?;
    let until = until.map(|until| until.offset);
    if let Some(until) = until {
        check_any_reaches(&views, until)?;
    }
    let is_one = views.len() == 1;
    let kept = views.first().map_or(Ok(None), |view| log.source.schemas(&view.place))?;
    let expected_head = expect_head.filter(|_| is_one);
    let scope = Scope { until, expected_head, schemas: kept.as_deref() };
    let engines = for_mass_work(*council, *software_gpu)?;
    let started = Instant::now();
    let reports: Vec<Report> =
        views.iter().map(|view| verify_one(view, scope, &engines)).collect::<Result<_>>()?;
    let recounted = Recounted::of(&reports, &engines, started);
    say_speed(&reports, started, recounted.as_ref());
    let judged = views.iter().zip(&reports).map(|(view, report)| judge(view, report));
    let everything = together(judged.collect::<Result<_>>()?, *expect_head, recounted);
    let mut page = Page::open();
    let lines = |page: &mut Page, lines: Vec<String>| lines.iter().try_for_each(|l| page.line(l));
    match (output, &everything.partitions[..]) {
        (Output::Json, [verified]) => page.json(verified)?,
        (Output::Json, _) => page.json(&everything)?,
        (Output::Text, [verified]) => lines(&mut page, text::of_one(verified))?,
        (Output::Text, _) => lines(&mut page, text::of_all(&everything))?,
    }
    page.flush()?;
    let is_corrupt = |verified: &&Verified<'_>| verified.verdict == Verdict::Corrupt;
    let damaged = everything.partitions.iter().position(|verified| is_corrupt(&verified));
    if let Some(index) = damaged {
        let damage = everything.partitions[index].damage.clone().unwrap_or_default();
        return Err(views[index].explain(Error::corrupt(damage)));
    }
    Ok(exit_code(everything.verdict))
}

fn verify_one(view: &View, scope: Scope<'_>, engines: &Engines) -> Result<Report> {
    let until = scope.until.map(|until| Offset(until.0 + 1));
    let end = until.map_or(view.ends.decisions_next, |until| until.min(view.ends.decisions_next));
    let bar = progress_bar(end);
    // A hole is no decision to stop at.
    let until = match scope.until {
        Some(until) if until < view.ends.decisions_next => {
            Some(view.at_or_before(until).unwrap_or(until))
        }
        other => other,
    };
    let scope = Scope { until, ..scope };
    let (log, partition) = (&view.log, view.log.partition());
    let models = view.models().computed_by(engines);
    let report = verify_by_councils(log, partition, &models, &scope, |next| {
        bar.set_position(next.0.unsigned_abs());
    })?;
    bar.finish_and_clear();
    Ok(report)
}

fn progress_bar(end: Offset) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} decisions, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(end.0.unsigned_abs()).with_style(style)
}

fn say_speed(reports: &[Report], started: Instant, recounted: Option<&Recounted>) {
    let ms = elapsed_ms(started);
    let looked_at = reports.iter().map(|report| report.decisions - report.unchecked).sum::<u64>();
    let speed = looked_at.saturating_mul(1_000) / ms;
    say(&format!("{} in {ms} ms, {speed} decisions/s", count(looked_at, "decision")));
    if let Some(Recounted { votes, votes_per_second, by }) = recounted {
        let (votes, by) = (count(*votes, "vote"), by.sentence());
        say(&format!("{votes} of networks verified, {votes_per_second} votes/s: {by}"));
    }
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Recounted {
    /// None where no networks voted.
    fn of(reports: &[Report], engines: &Engines, started: Instant) -> Option<Self> {
        let votes: u64 = reports.iter().map(|report| report.council_votes).sum();
        let by = EngineVotes::of(engines);
        let votes_per_second = votes.saturating_mul(1_000) / elapsed_ms(started);
        (by.cpu + by.gpu > 0).then_some(Self { votes, votes_per_second, by })
    }
}

fn judge<'a>(view: &View, report: &'a Report) -> Result<Verified<'a>> {
    let found = || report.stopped.clone().filter(|_| report.is_corrupt);
    let damage = view.log.damage().map(ToString::to_string).or_else(found);
    let is_corrupt = damage.is_some();
    let lost_from = if is_corrupt { view.log.lost_from()? } else { None };
    let verdict = if is_corrupt { Verdict::Corrupt } else { report.verdict() };
    let (should_end_before, partition) = (lost_from.map(|offset| offset.0), view.partition());
    Ok(Verified { report, verdict, damage, should_end_before, partition, recounted: None })
}

fn together(
    mut partitions: Vec<Verified<'_>>,
    expected: Option<Hash32>,
    recounted: Option<Recounted>,
) -> Everything<'_> {
    let heads: Vec<Hash32> = partitions.iter().map(|verified| verified.report.head).collect();
    let head = chain_head(&heads);
    let expected_head = expected.map(|expected| expected == head);
    let worst = partitions.iter().map(|verified| verified.verdict).max();
    let other_log = expected_head.filter(|is_expected| !is_expected).map(|_| Verdict::Differs);
    let verdict = worst.max(other_log).unwrap_or(Verdict::Clean);
    let mut recounted = recounted;
    if let [only] = &mut partitions[..] {
        only.recounted = recounted.take();
    }
    Everything { partitions, chain_head: head.to_string(), expected_head, verdict, recounted }
}

fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Differs => 1,
        Verdict::Unchecked => 3,
        Verdict::Corrupt => 4,
    }
}
