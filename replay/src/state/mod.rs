//! `replay state`: what the partition knew right after a decision.

mod pool;
mod text;

use crate::args::StateArguments;
use conclave::cli::Output;
use conclave::cli::page::{Page, say};
use conclave::error::{Error, Result};
use conclave::fold::{Folded, fold};
use conclave::log::LogReader;
use conclave::report::decision::title;
use conclave::report::show::between;
use conclave::wire::decode_decision;
use conclave_core::command::OpenLog;
use conclave_core::state::{State, Timer, TimerKind};
use conclave_core::units::{Offset, PoolId, TimeMs};
use pool::PoolState;
use serde::Serialize;

/// The state as JSON; the text shows the first lines of each list.
#[derive(Serialize)]
struct StateReport<'a> {
    /// The decision after which it is the state.
    offset: i64,
    /// On Kafka, the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i64>,
    /// Log time of that decision.
    time_ms: i64,
    since_start_ms: i64,
    /// Digest of that decision's body.
    head: String,
    decide_version: i64,
    log: Option<&'a OpenLog>,
    pools: Vec<PoolState<'a>>,
    /// In the order in which they fire.
    timers: Vec<TimerState<'a>>,
    timer_count: usize,
}

/// Something that will happen by itself.
#[derive(Serialize)]
struct TimerState<'a> {
    at_ms: i64,
    in_ms: i64,
    pool: &'a str,
    request: &'a str,
    kind: &'static str,
    #[serde(skip)]
    sentence: &'static str,
}

/// Lines of each list that people are shown.
const TEXT_ROWS_MAX: usize = 20;

pub(crate) fn run(arguments: &StateArguments) -> Result<u8> {
    let StateArguments { at, log, pool, output } = arguments;
    let view = log.view(&[Some(*at)], pool.as_ref())?;
    view.check_begins(None)?;
    view.check_reaches(at.offset)?;
    let explain = |error| view.explain(error);
    let at = view.at_or_before(at.offset).map_err(explain)?;
    let until = Some(Offset(at.0 + 1));
    let (folded, report) = fold(&view.log, view.log.partition(), until).map_err(explain)?;
    for (snapshot, why) in &report.damaged {
        say(&format!("snapshot {snapshot} was passed over: {why}"));
    }
    let began_at = view.began_at().unwrap_or(TimeMs(0));
    let rows_max = match output {
        Output::Json => usize::MAX,
        Output::Text => TEXT_ROWS_MAX,
    };
    let mut state = report_of(&folded, began_at, pool.as_ref(), rows_max)?;
    state.partition = view.partition();
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&state)?,
        Output::Text => {
            let last = view.log.decisions(folded.state.covered, 0).map_err(explain)?;
            let last = last.first().ok_or_else(|| Error::corrupt("the decision is gone"))?;
            let called = view.called(folded.state.covered);
            let title = title(&called, &decode_decision(&last.body)?, began_at);
            text::print(&mut page, &title, &state, folded.state.time_ms)?;
        }
    }
    page.flush()?;
    view.end(0)
}

fn report_of<'a>(
    folded: &'a Folded,
    began_at: TimeMs,
    only: Option<&PoolId>,
    rows_max: usize,
) -> Result<StateReport<'a>> {
    let Folded { state, head } = folded;
    check_known(state, only)?;
    let is_shown = |pool: &&PoolId| only.is_none_or(|only| only == *pool);
    let shown = state.pools.keys().filter(is_shown);
    let timers = || state.timers.iter().filter(|timer| is_shown(&&timer.pool));
    Ok(StateReport {
        offset: state.covered.0,
        partition: None,
        time_ms: state.time_ms.0,
        since_start_ms: between(began_at, state.time_ms).0,
        head: head.to_string(),
        decide_version: state.decide_version,
        log: state.log.as_ref(),
        pools: shown.map(|id| PoolState::of(state, id, rows_max)).collect(),
        timers: timers().take(rows_max).map(|timer| TimerState::of(timer, state.time_ms)).collect(),
        timer_count: timers().count(),
    })
}

fn check_known(state: &State, only: Option<&PoolId>) -> Result<()> {
    match only.filter(|only| !state.pools.contains_key(*only)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = state.pools.keys().map(|pool| pool.0.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let at = state.covered;
            Err(Error::invalid(format!("no pool '{unknown}' after decision {at}; pools: {known}")))
        }
    }
}

impl<'a> TimerState<'a> {
    fn of(timer: &'a Timer, now: TimeMs) -> Self {
        let (kind, sentence) = match timer.kind {
            TimerKind::LeaseEnds => ("lease_ends", "the lease ends"),
            TimerKind::DeadlinePasses => ("deadline_passes", "the deadline passes"),
            TimerKind::DeferralIsDue => ("deferral_is_due", "the deferral is over"),
            TimerKind::BudgetFits => ("budget_fits", "a new window of a budget begins"),
            TimerKind::ReservationStarts => ("reservation_starts", "the reservation starts"),
            TimerKind::ReservationEnds => ("reservation_ends", "the reservation is over"),
        };
        Self {
            at_ms: timer.at_ms.0,
            in_ms: between(now, timer.at_ms).0,
            pool: &timer.pool.0,
            request: &timer.request.0,
            kind,
            sentence,
        }
    }
}
