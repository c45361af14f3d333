//! `replay --from OFFSET`: decision after decision.

use crate::args::{Isolation, TimelineArguments};
use crate::stream::{Merged, Range, Shown, Stream};
use crate::view::{View, check_any_reaches};
use conclave::cli::Output;
use conclave::cli::page::{Page, say};
use conclave::error::{Error, Result};
use conclave::log::kafka::Fate;
use conclave::report::decision::{DecisionJson, print_at};
use conclave::report::filter::Filter;
use conclave::report::show::count;
use conclave_core::units::TimeMs;
use serde::Serialize;

/// A decision, and on request what became of its transaction.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    decision: DecisionJson<'a>,
    transaction: &'static str,
}

pub(crate) fn run(arguments: &TimelineArguments) -> Result<u8> {
    let TimelineArguments { from, until, log, .. } = arguments;
    let range = Range { from: from.offset, until: until.map(|until| until.offset) };
    if let Some(until) = range.until.filter(|until| *until < range.from) {
        return Err(Error::invalid(format!("--until {until} is before --from {}", range.from)));
    }
    let views = log.views(&[Some(*from), *until])?;
    views.iter().try_for_each(|view| view.check_begins(Some(range.from)))?;
    check_any_reaches(&views, range.from)?;
    let mut page = Page::open();
    let shown = show(&views, arguments, range, &mut page);
    page.flush()?;
    let Counts { read, matching, unproven } = shown?;
    if matching < read {
        say(&format!("{matching} of {} match", count(read, "decision")));
    }
    if unproven > 0 {
        say(&format!("{} of no committed transaction: they prove nothing", records(unproven)));
    }
    views.iter().try_fold(0, |code, view| view.end(code))
}

fn records(number: u64) -> String {
    count(number, "record")
}

#[derive(Default)]
struct Counts {
    read: u64,
    matching: u64,
    /// Of those that match.
    unproven: u64,
}

fn show(
    views: &[View],
    arguments: &TimelineArguments,
    range: Range,
    page: &mut Page,
) -> Result<Counts> {
    let began_at = views.iter().filter_map(|view| view.began_at().ok()).min().unwrap_or(TimeMs(0));
    let TimelineArguments { pool, tenant, request, kind, .. } = arguments.clone();
    let filter = Filter { pool, tenant, request, kind };
    let with_uncommitted = arguments.isolation == Isolation::ReadUncommitted;
    let streams = views.iter().map(|view| Stream::of(view, range, with_uncommitted));
    let mut merged = Merged::new(streams.collect::<Result<_>>()?);
    let mut counts = Counts::default();
    while !page.is_closed() {
        let Some((view, shown)) = merged.next()? else { break };
        counts.read += 1;
        if !filter.matches(&shown.decision) {
            continue;
        }
        counts.matching += 1;
        counts.unproven += u64::from(shown.fate != Fate::Committed);
        match arguments.output {
            Output::Text => print(page, view, &shown, began_at)?,
            Output::Json => {
                let decision = DecisionJson::of(shown.hash, &shown.decision, began_at);
                let transaction = shown.fate.as_str();
                match arguments.isolation {
                    Isolation::ReadCommitted => page.json(&decision)?,
                    Isolation::ReadUncommitted => page.json(&Line { decision, transaction })?,
                }
            }
        }
    }
    Ok(counts)
}

fn print(page: &mut Page, view: &View, shown: &Shown, began_at: TimeMs) -> Result<()> {
    let Shown { decision, fate, .. } = shown;
    let remark = match fate {
        Fate::Committed => String::new(),
        Fate::Aborted | Fate::Open => format!("  [{}]", fate.as_str()),
    };
    print_at(page, &view.called(decision.offset), decision, began_at, &remark)
}
