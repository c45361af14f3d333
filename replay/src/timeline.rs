//! `replay --from OFFSET`: decision after decision.

use crate::args::TimelineArguments;
use crate::view::View;
use conclave::cli::Output;
use conclave::cli::page::{Page, say};
use conclave::error::{Error, Result};
use conclave::fold::FOLD_BYTES_MAX;
use conclave::log::LogReader;
use conclave::report::decision::{DecisionJson, print};
use conclave::report::filter::Filter;
use conclave::report::show::count;
use conclave::wire::decode_decision;
use conclave_core::units::{Offset, TimeMs};

pub(crate) fn run(arguments: &TimelineArguments) -> Result<u8> {
    let TimelineArguments { from, until, log, .. } = arguments;
    if let Some(until) = until.filter(|until| until < from) {
        return Err(Error::invalid(format!("--until {until} is before --from {from}")));
    }
    let view = View::open(log)?;
    view.check_reaches(*from)?;
    let last = Offset(view.ends.decisions_next.0 - 1);
    let last = until.map_or(last, |until| until.min(last));
    let mut page = Page::open();
    let shown = show(&view, arguments, last, &mut page);
    page.flush()?;
    let Shown { read, matching } = shown.map_err(|error| view.explain(error))?;
    if matching < read {
        say(&format!("{matching} of {} match", count(read, "decision")));
    }
    view.end(0)
}

#[derive(Default)]
struct Shown {
    read: u64,
    matching: u64,
}

fn show(
    view: &View,
    arguments: &TimelineArguments,
    last: Offset,
    page: &mut Page,
) -> Result<Shown> {
    let began_at = view.began_at().unwrap_or(TimeMs(0));
    let TimelineArguments { pool, tenant, request, kind, .. } = arguments.clone();
    let filter = Filter { pool, tenant, request, kind };
    let mut shown = Shown::default();
    let mut next = arguments.from;
    while next <= last && !page.is_closed() {
        let records = view.log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("there is no decision {next}")));
        }
        for record in records {
            next = Offset(record.offset.0 + 1);
            if record.offset > last {
                break;
            }
            let decision = decode_decision(&record.body)?;
            shown.read += 1;
            if !filter.matches(&decision) {
                continue;
            }
            shown.matching += 1;
            match arguments.output {
                Output::Json => page.json(&DecisionJson::of(record.hash, &decision, began_at))?,
                Output::Text => print(page, &decision, began_at)?,
            }
        }
    }
    Ok(shown)
}
