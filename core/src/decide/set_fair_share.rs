//! `SetFairShare`: how the pool's queue is ordered.

use super::check_version;
use super::stage_one::Bounds;
use crate::command::SetFairShare;
use crate::decision::{Event, FairShareSet, Rejected};
use crate::draft::Draft;
use crate::limits::{DURATION_MS_MAX, HALF_LIFE_MS_MIN};
use crate::units::PoolId;

/// The first `decide_version` that orders by fair share.
const SINCE: i64 = 3;

pub(super) fn check(share: &SetFairShare) -> Result<(), Rejected> {
    let Some(half_life_ms) = share.half_life_ms else { return Ok(()) };
    Bounds::number("half_life_ms", half_life_ms.0, HALF_LIFE_MS_MIN.0, DURATION_MS_MAX.0)
}

/// What is set already changes nothing.
pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    share: &SetFairShare,
) -> Result<(), Rejected> {
    check_version(draft, SINCE, "fair share comes")?;
    if draft.state.pool(pool).half_life_ms != share.half_life_ms {
        let (id, fair_share) = (pool.clone(), *share);
        draft.emit(Event::FairShareSet(FairShareSet { pool: id, fair_share }));
        draft.freed.insert(pool.clone());
    }
    Ok(())
}
