//! The answer for people: where it stands, what it waited for and how long, who is before it.

use super::life::Life;
use super::{Moment, WhyReport};
use conclave::cli::page::Page;
use conclave::error::Result;
use conclave::report::event::name;
use conclave::report::sentence;
use conclave::report::show::{between, span};
use conclave_core::decision::Event;
use conclave_core::units::TimeMs;

pub(super) fn print(page: &mut Page, report: &WhyReport<'_>, life: &Life) -> Result<()> {
    let WhyReport { request, pool, asked, as_of, stands, .. } = report;
    page.line(&format!(
        "{request} in pool {pool}: {stands}, as of decision {} at {} ms",
        as_of.offset, as_of.time_ms
    ))?;
    page.line(&format!("  asked    at decision {}, {} ago", asked.offset, since(*asked, report)))?;
    if let Some(ask) = report.ask {
        page.line(&format!("           {}", sentence::ask(ask)))?;
    }
    if let (Some(code), Some(detail)) = (report.refused_code, report.refused_detail) {
        page.line(&format!("  refused  {code}: {detail}"))?;
    }
    for (at, event) in &life.events {
        if !matches!(event, Event::RequestQueued(_)) {
            let sentence = sentence::event(event, TimeMs(at.time_ms));
            page.line(&format!("  {:>8} {:<16} {sentence}", at.offset, name(event)))?;
        }
    }
    print_waited(page, report)?;
    print_ahead(page, report)
}

fn since(moment: Moment, report: &WhyReport<'_>) -> String {
    span(between(TimeMs(moment.time_ms), report.now()))
}

fn print_waited(page: &mut Page, report: &WhyReport<'_>) -> Result<()> {
    if report.waited.is_empty() {
        return page.line("  it never waited");
    }
    page.line("  waited")?;
    if report.waited_forgotten > 0 {
        page.line(&format!("    ({} earlier intervals are left out)", report.waited_forgotten))?;
    }
    for waited in report.waited {
        let (until, ends) = match waited.until {
            Some(until) => (TimeMs(until.time_ms), format!("to {}", until.offset)),
            None => (report.now(), "until now".to_owned()),
        };
        let took = span(between(TimeMs(waited.from.time_ms), until));
        page.line(&format!("    {took:>16}  from decision {} {ends}", waited.from.offset))?;
        page.line(&format!("                      {}", waited.sentence))?;
    }
    Ok(())
}

fn print_ahead(page: &mut Page, report: &WhyReport<'_>) -> Result<()> {
    let Some(ahead) = &report.ahead else { return Ok(()) };
    if ahead.place == 1 {
        return page.line("  nobody stands before it in the queue");
    }
    let more = ahead.by_priority + ahead.by_arrival - ahead.first.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    page.line(&format!(
        "  before it in the queue: {} by priority, {} of the same priority came earlier ({}{more})",
        ahead.by_priority,
        ahead.by_arrival,
        ahead.first.join(", ")
    ))
}
