//! Why a request waits or was refused, by which numbers, who is before it, and the smallest change
//! that would help; and what the rules would answer to a command that nobody has sent.
//!
//! All of it is a function of the log: the answer for a past offset is always the same.
//!
//! Reading order: [`report`] and [`history`] (what an explanation holds), [`life`] (intervals),
//! `watch` (how little has to be looked up for them), `passed` and `made_room` (who started before
//! it, and who made room for whom), [`mod@ahead`], `refusal`, `advice` (what would help),
//! [`mod@text`] (the same for people), [`mod@plan`]; of a vote of networks [`networks`] (what is
//! said), `opened` (its round once more), `reasons` (proved, and said why), `told` (features in
//! words), [`brief`] (many votes, in short).

mod advice;
pub mod ahead;
pub mod brief;
pub mod history;
mod history_text;
pub mod life;
mod made_room;
pub mod networks;
mod networks_text;
mod opened;
mod passed;
pub mod plan;
pub mod plan_text;
mod reasons;
mod refusal;
pub mod report;
pub mod text;
mod told;
mod watch;

pub use ahead::ahead;
pub use life::{Follower, Life};
pub use networks::Networks;
pub use plan::{PlanReport, plan};
pub use plan_text::plan_text;
pub use reasons::{give_reasons, give_reasons_of_plan};
pub use report::{ExplainReport, Moment};
pub use text::text;

use crate::error::{Error, Result};
use crate::fold::{Folded, fold, fold_on};
use crate::log::LogReader;
use crate::report::sentence;
use crate::report::viewer::Viewer;
use advice::Known;
use conclave_core::blocker::Blocker;
use conclave_core::decision::CouncilVoted;
use conclave_core::explain::{all_blockers, smallest_changes};
use conclave_core::state::State;
use conclave_core::units::{Offset, PoolId, RequestId};

/// Explains a request as of decision `at`, or as of the end of the log: of several that bore the
/// name, the last; without a pool, wherever it was asked for last.
///
/// A request that lives is followed from its own admission on, from the newest snapshot before
/// that; for any other the log is read from its beginning.
///
/// # Errors
/// When the log cannot be read or does not reach `at`, and `Invalid` when nobody asked for such a
/// request whom the viewer may see.
pub fn explain_at(
    log: &impl LogReader,
    pool: Option<&PoolId>,
    request: &RequestId,
    at: Option<Offset>,
    viewer: &Viewer,
) -> Result<ExplainReport> {
    let last = at.unwrap_or(Offset(log.ends()?.decisions_next.0 - 1));
    let (there, _) = fold(log, log.partition(), Some(Offset(last.0 + 1)))?;
    let arrival = pool.and_then(|pool| there.state.pools.get(pool)?.request(request));
    let from = arrival.map_or(Offset(0), |request| request.arrival);
    drop(there);
    let mut follower = Follower::new(request.clone(), pool.cloned());
    let folded = follow(log, from, last, &mut follower)?;
    explain(log, &follower, &folded.state, viewer)
}

/// Explains a request that lives in `state`, which is what the log holds up to `state.covered`.
///
/// # Errors
/// As [`explain_at`].
pub fn explain_live(
    log: &impl LogReader,
    state: &State,
    pool: &PoolId,
    request: &RequestId,
    viewer: &Viewer,
) -> Result<ExplainReport> {
    let found = state.pools.get(pool).and_then(|pool| pool.request(request));
    let Some(found) = found else {
        return explain_at(log, Some(pool), request, Some(state.covered), viewer);
    };
    let mut follower = Follower::new(request.clone(), Some(pool.clone()));
    follow(log, found.arrival, state.covered, &mut follower)?;
    explain(log, &follower, state, viewer)
}

/// Explains what `follower` has seen up to the decision that left `state`.
///
/// # Errors
/// As [`explain_at`].
pub fn explain(
    log: &impl LogReader,
    follower: &Follower,
    state: &State,
    viewer: &Viewer,
) -> Result<ExplainReport> {
    let request = follower.request();
    let mut life = follower.life(state).ok_or_else(|| nobody_asked(request, state.covered))?;
    let refusal = refusal::of(log, &mut life)?;
    let is_seen = life.ask.as_ref().is_none_or(|ask| viewer.sees(&ask.tenant));
    if !is_seen || (life.ask.is_none() && *viewer != Viewer::Everything) {
        return Err(nobody_asked(request, state.covered));
    }
    Ok(report_of(&life, request, state, viewer, refusal))
}

fn nobody_asked(request: &RequestId, last: Offset) -> Error {
    Error::invalid(format!(
        "nobody asked for request '{request}' up to decision {last}: check the spelling, or look \
         for it with `replay --from 0 --tenant TENANT --log DIR`"
    ))
}

/// Folds the log up to `last`, showing `follower` each decision from `from` on: a snapshot holds no
/// history.
///
/// # Errors
/// When the log cannot be read, or is not what was written.
pub fn follow(
    log: &impl LogReader,
    from: Offset,
    last: Offset,
    follower: &mut Follower,
) -> Result<Folded> {
    let (mut folded, _) = fold(log, log.partition(), Some(from))?;
    let until = Offset(last.0.saturating_add(1));
    fold_on(log, &mut folded, until, |_, decision, state| follower.see(decision, state))?;
    Ok(folded)
}

fn report_of(
    life: &Life,
    request: &RequestId,
    state: &State,
    viewer: &Viewer,
    refusal: refusal::Refusal,
) -> ExplainReport {
    let as_of = Moment::at(state);
    let (pool, refused) = (&life.pool, life.refused.as_ref());
    let lives = state.pools.get(pool).is_some_and(|pool| pool.request(request).is_some());
    let is_live = lives && refused.is_none();
    let blocked = if is_live { all_blockers(state, pool, request) } else { vec![] };
    let shown = blocked.into_iter().map(|blocker| viewer.hide(state.pool(pool), blocker));
    let blocked_by: Vec<Blocker> = shown.collect();
    let changes = if is_live { smallest_changes(state, pool, request) } else { refusal.changes };
    let stands = life.stands();
    let networks = life.last_vote_of_networks();
    let known = Known {
        stands,
        state,
        pool,
        request,
        is_networks_word: networks.is_some(),
        is_denied: life.is_held_back_by_the_council(),
        is_about_the_ask: refused.is_none_or(|refused| refusal::is_about_the_ask(refused.code)),
        blocked_by: &blocked_by,
        changes: &changes,
    };
    let advice = known.advice();
    let (preempted, made_room) = life.rooms_made(request, viewer);
    let said = |(at, voted): (Moment, &CouncilVoted)| Networks::of(voted, Some(at));
    ExplainReport {
        request: request.to_string(),
        pool: pool.to_string(),
        as_of,
        asked: life.asked,
        stands: stands.to_owned(),
        ask: life.ask.clone(),
        refused_code: refused.map(|refused| refused.code.as_str().to_owned()),
        refused_detail: refused.map(|refused| refused.detail.clone()),
        blocked_by_sentences: sentences(&blocked_by, state),
        blocked_by,
        waited: life.waited(viewer),
        waited_forgotten: life.intervals_forgotten,
        waited_by: life.waited_by(as_of),
        went_ahead: life.went_ahead(viewer),
        preempted,
        made_room,
        made_room_forgotten: life.rooms.forgotten,
        ahead: ahead(state, pool, request, viewer),
        wait: None,
        council: refusal::council(life),
        networks: networks.map(said),
        networks_before: life.earlier_vote_of_networks().map(said),
        refusal_numbers: refusal.numbers,
        changes,
        advice,
        events: life.events_for(viewer),
    }
}

fn sentences(blockers: &[Blocker], state: &State) -> Vec<String> {
    blockers.iter().map(|blocker| sentence::blocker(blocker, state.time_ms)).collect()
}
