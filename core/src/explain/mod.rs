//! What would have to be different for a request to start, or to be let in: asked of the very
//! rules that decide, on a copy.
//!
//! Reading order: `ground` (what a request would be answered), [`change`] (one field changed),
//! `ask` (what its sender could change), `order` (what an operator could), `search` (how the
//! smallest step is found), `copy` (how little of a state has to be copied for it).

mod ask;
pub mod change;
mod copy;
mod ground;
mod order;
mod search;

pub(crate) use ask::{LOWER, Lower};
pub use change::{By, Change, Field, Grant, Value};
pub(crate) use search::highest;

use crate::blocker::{Blocker, Blockers};
use crate::command::RequestAllocation;
use crate::rejection::RejectionCode as Code;
use crate::round::{Question, Vote};
use crate::seat::score;
use crate::state::{Stage, State};
use crate::units::{Offset, PoolId, RequestId, TimeMs};
use ground::Ground;

/// The smallest changes of one field each that would let a request start now, smallest first; of
/// one that the council put off, that would have been approved, whether or not it would start.
///
/// The sender's changes mean: withdraw the request, and ask again with that one field changed, at
/// the same moment. The operator's mean that setting, while the request waits on. Rate limits, and
/// what would start by having others' leases end, are left out. Empty when no single change helps,
/// and for a request that runs or is not there.
///
/// # Panics
/// When a part of the state contradicts another.
#[must_use]
pub fn smallest_changes(state: &State, pool: &PoolId, request: &RequestId) -> Vec<Change> {
    let found = state.pools.get(pool).and_then(|pool| pool.request(request));
    let Some(found) = found.filter(|found| found.lease().is_none()) else { return vec![] };
    let is_council = matches!(found.stage, Stage::Deferred { .. } | Stage::Due { .. });
    if is_council && state.council.is_some() {
        // Networks are asked in `council::explain`.
        return vec![];
    }
    let Some(mut ground) = Ground::without(state, pool, request) else { return vec![] };
    let mut changes = ask::changes(&mut ground, &found.ask, is_council);
    if is_council {
        changes.extend(order::council_that_approves(&mut ground, &found.ask));
    } else {
        changes.extend(order::changes(state, pool, found));
    }
    change::smallest_first(&mut changes);
    changes
}

/// The smallest changes of one field each with which a refused request would have been let in,
/// smallest first. `state` is what the decision at `offset` and `now` that refused it went out
/// from.
///
/// # Panics
/// When a part of the state contradicts another.
#[must_use]
pub fn changes_that_admit(
    state: &State,
    pool: &PoolId,
    ask: &RequestAllocation,
    (offset, now): (Offset, TimeMs),
) -> Vec<Change> {
    let is_known = state.pools.get(pool).is_some_and(|pool| pool.tenants.contains_key(&ask.tenant));
    if !is_known {
        return vec![];
    }
    let mut ground = Ground::before(state, pool, offset, now);
    let Some(code) = ground.refusal(ask) else { return vec![] };
    let mut changes = ask::changes(&mut ground, ask, true);
    if let Some(to) = Some(now.0 + 1).filter(|_| code == Code::DeadlinePassed) {
        changes.extend(ask::later_deadline(&mut ground, ask, TimeMs(to)));
    }
    changes.extend(order::that_admits(&mut ground, ask, code));
    // Whether it would have started depends on who else did in that decision.
    changes.iter_mut().for_each(|change| change.granted = None);
    change::smallest_first(&mut changes);
    changes
}

/// Everything that stands against a waiting request at once, where the one blocker that is named
/// elsewhere is the first of these.
///
/// # Panics
/// When there is no such pool.
#[must_use]
pub fn all_blockers(state: &State, pool: &PoolId, request: &RequestId) -> Vec<Blocker> {
    let Some(request) = state.pool(pool).request(request) else { return vec![] };
    let is_waiting = matches!(request.stage, Stage::Waiting { .. });
    let blockers = Blockers::of(state, pool);
    let first = blockers.blocker(request);
    if !is_waiting || matches!(first, Some(Blocker::CarriedOver)) {
        return first.into_iter().collect();
    }
    blockers.all(request)
}

/// The rule score's answer to a first vote on `ask`, with its terms.
#[must_use]
pub fn first_vote(ask: &RequestAllocation) -> Vote {
    score(&Question::about(ask, 1))
}

/// How many replicas of `ask` the nodes that accept work could hold if nothing ran, on the model
/// that holds most; at most as many as it asks for.
#[must_use]
pub fn replicas_ever(state: &State, pool: &PoolId, ask: &RequestAllocation) -> i64 {
    crate::blocker::replicas_ever(state.pool(pool), ask, state.time_ms)
}
