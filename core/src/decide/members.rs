//! What follows for the members of the council in the seat: from votes and hidden states whether
//! they are listened to, from outcomes what their word counts.

use crate::command::{CouncilMode, ReleaseLease, WorkOutcome};
use crate::decision::{CouncilWeighed, Event};
use crate::draft::Draft;
use crate::limits::OUTCOME_EVERY_MS;
use crate::units::PoolId;

/// Sends members into quarantine that crossed a bound in this decision, and takes back those that
/// have behaved for long enough. At most one event for each.
pub(super) fn review(draft: &mut Draft) {
    if draft.state.council.is_some() {
        let changes = draft.state.bench.changes();
        changes.into_iter().for_each(|change| draft.emit(change));
    }
}

/// What the end of a lease teaches, as long as the lease is there.
pub(super) fn weigh(draft: &mut Draft, pool: &PoolId, release: &ReleaseLease) {
    if let Some(weighed) = weighed_by(draft, pool, release) {
        draft.emit(Event::CouncilWeighed(weighed));
    }
}

/// Nothing unless its holder says that the work succeeded or failed, and the council in the seat
/// was the last to vote on it. A tenant speaks for itself, so it is heard once in a while only.
fn weighed_by(draft: &Draft, pool: &PoolId, release: &ReleaseLease) -> Option<CouncilWeighed> {
    let ended_well = match release.outcome {
        WorkOutcome::Succeeded => true,
        WorkOutcome::Failed => false,
        // Nobody's judgement of the work.
        WorkOutcome::Stopped | WorkOutcome::Unknown => return None,
    };
    let state = &draft.state;
    let found = state.pool(pool);
    let request = found.request(&release.request)?;
    let said = request.said.as_deref()?;
    let last = found.tenants.get(&request.ask.tenant)?.memory.weighed_at_ms;
    let is_due = last.is_none_or(|last| state.time_ms.since(last) >= OUTCOME_EVERY_MS);
    let is_heard =
        is_due && found.policy.council != CouncilMode::Off && state.council == Some(said.model);
    is_heard.then(|| {
        let about = (pool.clone(), release.request.clone());
        state.bench.weighed(said, about, ended_well)
    })
}
