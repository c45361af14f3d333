//! `replay why`: what became of a request, and what kept it from running, as intervals.
//!
//! All of it is folded from the log, so the answer for a past offset is always the same.

mod ahead;
mod life;
mod text;

use crate::args::WhyArguments;
use crate::view::{PARTITION, View};
use ahead::Ahead;
use conclave::cli::Output;
use conclave::cli::page::Page;
use conclave::error::{Error, Result};
use conclave::fold::{FOLD_BYTES_MAX, Folded};
use conclave::log::LogReader;
use conclave::report::event::EventJson;
use conclave_core::blocker::Blocker;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::Decision;
use conclave_core::state::State;
use conclave_core::units::{Offset, TimeMs};
use life::{Follower, Life};
use serde::Serialize;

/// When something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Moment {
    offset: i64,
    time_ms: i64,
}

impl Moment {
    fn of(decision: &Decision) -> Self {
        Self { offset: decision.offset.0, time_ms: decision.time_ms.0 }
    }

    fn at(state: &State) -> Self {
        Self { offset: state.covered.0, time_ms: state.time_ms.0 }
    }
}

/// What kept a request from running, from one decision to another.
#[derive(Serialize)]
struct Waited {
    from: Moment,
    /// None while it lasts.
    until: Option<Moment>,
    /// As it stood last.
    blocker: Blocker,
    /// The same for people.
    sentence: String,
}

/// The answer as JSON; the text is made of it.
#[derive(Serialize)]
struct WhyReport<'a> {
    request: &'a str,
    pool: &'a str,
    /// The decision after which the answer holds.
    as_of: Moment,
    asked: Moment,
    stands: &'static str,
    ask: Option<&'a RequestAllocation>,
    refused_code: Option<&'static str>,
    refused_detail: Option<&'a str>,
    waited: &'a [Waited],
    waited_forgotten: usize,
    /// Who stands before it in the order; none when it does not wait in the queue.
    ahead: Option<Ahead>,
    events: Vec<EventAt<'a>>,
}

#[derive(Serialize)]
struct EventAt<'a> {
    at: Moment,
    #[serde(flatten)]
    event: EventJson<'a>,
}

pub(crate) fn run(arguments: &WhyArguments) -> Result<u8> {
    let WhyArguments { request, pool, at, log, output } = arguments;
    let view = View::open(log)?;
    let last = at.unwrap_or(Offset(view.ends.decisions_next.0 - 1));
    view.check_reaches(last.max(Offset(0)))?;
    let mut follower = Follower::new(request, pool.as_ref());
    let folded = follow(&view, last, &mut follower).map_err(|error| view.explain(error))?;
    let Some(life) = follower.into_life(&folded.state) else {
        let place = pool.as_ref().map_or(String::new(), |pool| format!(" in pool '{pool}'"));
        return Err(Error::invalid(format!(
            "nobody asked for request '{request}'{place} up to decision {last}: check the \
             spelling, or look for it with `replay --from 0 --tenant TENANT`"
        )));
    };
    let report = WhyReport::of(&request.0, &life, &folded.state);
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&report)?,
        Output::Text => text::print(&mut page, &report, &life)?,
    }
    page.flush()?;
    view.end(0)
}

/// Folds the log from its beginning to `last`, showing each decision to `follower`: a snapshot
/// holds no history.
fn follow(view: &View, last: Offset, follower: &mut Follower<'_>) -> Result<Folded> {
    let mut folded = Folded::nothing(PARTITION);
    while folded.next() <= last {
        let next = folded.next();
        let records = view.log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("there is no decision {next}")));
        }
        for record in records.iter().take_while(|record| record.offset <= last) {
            let decision = folded.add_one(record)?;
            follower.see(&decision, &folded.state);
        }
    }
    Ok(folded)
}

impl<'a> WhyReport<'a> {
    fn of(request: &'a str, life: &'a Life, state: &State) -> Self {
        let refused = life.refused.as_ref();
        Self {
            request,
            pool: &life.pool.0,
            as_of: Moment::at(state),
            asked: life.asked,
            stands: life.stands(),
            ask: life.ask.as_ref(),
            refused_code: refused.map(|refused| refused.code.as_str()),
            refused_detail: refused.map(|refused| refused.detail.as_str()),
            waited: &life.intervals,
            waited_forgotten: life.intervals_forgotten,
            ahead: Ahead::of(state, &life.pool, request),
            events: life
                .events
                .iter()
                .map(|(at, event)| EventAt { at: *at, event: EventJson(event) })
                .collect(),
        }
    }

    fn now(&self) -> TimeMs {
        TimeMs(self.as_of.time_ms)
    }
}
