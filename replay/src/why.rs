//! `replay why`: what became of a request, and what kept it from running, as intervals.
//!
//! All of it is folded from the log, so the answer for a past offset is always the same.

use crate::args::WhyArguments;
use conclave::cli::Output;
use conclave::cli::page::Page;
use conclave::error::{Error, Result};
use conclave::estimate::Estimates;
use conclave::explain::{ExplainReport, Follower, explain, follow, give_reasons, text};
use conclave::report::viewer::Viewer;
use conclave_core::units::Offset;
use serde::Serialize;

/// The report, and on Kafka where it is from.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a ExplainReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i64>,
}

pub(crate) fn run(arguments: &WhyArguments) -> Result<u8> {
    let WhyArguments { request, pool, at, log, output } = arguments;
    let view = log.view(&[*at], pool.as_ref())?;
    view.check_begins(None)?;
    let end = Offset(view.ends.decisions_next.0 - 1);
    let last = at.map_or(end, |at| at.offset);
    view.check_reaches(last.max(Offset(0)))?;
    let last = view.at_or_before(last).map_err(|error| view.explain(error))?;
    let mut follower = Follower::new(request.clone(), pool.clone());
    // Of a request that ended no snapshot says when it was asked for.
    let folded =
        follow(&view.log, Offset(0), last, &mut follower).map_err(|error| view.explain(error))?;
    if follower.life(&folded.state).is_none() {
        let source = log.source.typed();
        let place = pool.as_ref().map_or(String::new(), |pool| format!(" in pool '{pool}'"));
        return Err(Error::invalid(format!(
            "nobody asked for request '{request}'{place} up to decision {last}: check the \
             spelling, or look for it with `replay --from 0 --tenant TENANT{source}`"
        )));
    }
    let mut report = explain(&view.log, &follower, &folded.state, &Viewer::Everything)
        .map_err(|error| view.explain(error))?;
    let estimates = Estimates::of_log(&view.log, last).map_err(|error| view.explain(error))?;
    report.add_estimate(&estimates);
    give_reasons(&view.log, view.models(), &mut report);
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&Answer { report: &report, partition: view.partition() })?,
        Output::Text => {
            for line in text(&report).lines() {
                page.line(line)?;
            }
        }
    }
    page.flush()?;
    match report.corruption() {
        Some(sentence) => Err(Error::corrupt(sentence)),
        None => view.end(0),
    }
}
