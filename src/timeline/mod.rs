//! What happened to every request from decision to decision, as data for the timeline page.
//!
//! A timeline is folded from a log and from nothing else: the same decisions give the same bytes.
//! [`Timeline`] holds columns and a table of names instead of an object per bar, because a page of
//! 10,000 requests has to open at once. `page` holds the page that draws it.

mod data;
mod details;
mod events;
mod follow;
mod heat;
mod life;
pub mod page;
mod waiting;

pub use data::{Heat, KINDS, Kind, Requests, Segments, Timeline, UNTIL_OPEN};
pub use details::Details;

use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, fold, fold_on};
use crate::log::{DecisionRecord, LogReader};
use crate::wire::decode_decision;
use conclave_core::units::{Offset, PoolId, TenantId, TimeMs};
use follow::Follower;

/// What a timeline shows, and how much work it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Only this pool; none for all of them.
    pub pool: Option<PoolId>,
    /// First decision shown.
    pub from: Offset,
    /// Last decision shown; none for the end of the log.
    pub until: Option<Offset>,
    /// Whoever may see only its own requests; none for whoever may see all of them. Nodes are shown
    /// to everybody: how full they are is a sum.
    pub viewer: Option<TenantId>,
    /// Requests kept; beyond it those that ended first are left out, and counted.
    pub requests_max: usize,
    /// Nodes kept in the heat map; beyond it those that were registered last are left out.
    pub nodes_max: usize,
    /// How often somebody's reason to wait is looked up after every decision; beyond it only after
    /// every [`LOOK_EVERY`]th one that touches the pool.
    pub looks_max: u64,
    /// Bytes of decisions kept for [`Details`]; beyond it the oldest are left out, and counted.
    pub details_bytes_max: usize,
    /// Votes of networks kept for [`Details`] with their reasons, each of which takes about as long
    /// as a hundred votes; beyond it the oldest are left out.
    pub votes_max: usize,
}

/// See [`Options::looks_max`].
pub const LOOK_EVERY: u64 = 64;

impl Default for Options {
    fn default() -> Self {
        Self {
            pool: None,
            from: Offset(0),
            until: None,
            viewer: None,
            requests_max: 20_000,
            nodes_max: 2_000,
            looks_max: 10_000_000,
            details_bytes_max: 16 * 1024 * 1024,
            votes_max: 1_000,
        }
    }
}

impl Timeline {
    /// The timeline of a log. What is before `from` is not read when a snapshot is at hand.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written; `Invalid` when `options` ask for
    /// a pool that there is none of; `Unavailable` when the log does not go so far.
    pub fn of(log: &dyn LogReader, options: &Options) -> Result<Self> {
        let end = log.ends()?.decisions_next;
        let last = last_shown(end, options)?;
        let began_at = began_at(log)?;
        let mut folded = fold(log, log.partition(), Some(options.from.min(end)))?.0;
        let mut follower = Follower::new(options, &folded.state, began_at);
        let until = Offset(last.0 + 1);
        fold_on(log, &mut folded, until, |_, decision, state| follower.see(decision, state))?;
        let pool = options.pool.as_ref();
        if let Some(pool) = pool.filter(|pool| !folded.state.pools.contains_key(*pool)) {
            let known: Vec<_> = folded.state.pools.keys().map(|pool| pool.0.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::invalid(format!("there is no pool '{pool}'; there are: {known}")));
        }
        Ok(follower.into_timeline(&folded.state, end))
    }
}

/// Offset of the last decision to show; -1 before the first.
fn last_shown(end: Offset, options: &Options) -> Result<Offset> {
    let Options { from, until, .. } = options;
    let last = Offset(end.0 - 1);
    if *from > Offset(0) && *from > last {
        return Err(Error::unavailable(format!(
            "there is no decision {from} yet: the last one is {last}"
        )));
    }
    match until {
        Some(until) if until < from => {
            Err(Error::invalid(format!("until {until} is before from {from}")))
        }
        Some(until) => Ok(last.min(*until)),
        None => Ok(last),
    }
}

/// Log time of the first decision: what all times of a timeline count from.
fn began_at(log: &dyn LogReader) -> Result<TimeMs> {
    match log.decisions(Offset(0), 0)?.first() {
        Some(first) => Ok(decode_decision(&first.body)?.time_ms),
        None => Ok(TimeMs(0)),
    }
}

/// Shows the records from `next` to `last` one by one.
fn for_each_record(
    log: &dyn LogReader,
    mut next: Offset,
    last: Offset,
    mut show: impl FnMut(&DecisionRecord) -> Result<()>,
) -> Result<()> {
    while next <= last {
        let records = log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("there is no decision {next}")));
        }
        for record in &records {
            next = Offset(record.offset.0 + 1);
            if record.offset <= last {
                show(record)?;
            }
        }
    }
    Ok(())
}
