//! `SetPreemption`: whether waiting requests may take the places of running ones.

use super::check_version;
use super::stage_one::Bounds;
use crate::command::SetPreemption;
use crate::decision::{Event, PreemptionSet, Rejected};
use crate::draft::Draft;
use crate::limits::{DURATION_MS_MAX, PREEMPTIONS_PER_DAY_MAX, PREEMPTIONS_PER_REQUEST_MAX};
use crate::units::PoolId;

/// The first `decide_version` that preempts.
const SINCE: i64 = 3;

pub(super) fn check(set: &SetPreemption) -> Result<(), Rejected> {
    let Some(rules) = &set.rules else { return Ok(()) };
    Bounds::number("min_run_ms", rules.min_run_ms.0, 0, DURATION_MS_MAX.0)?;
    Bounds::number("grace_ms", rules.grace_ms.0, 0, DURATION_MS_MAX.0)?;
    Bounds::number("per_request", rules.per_request, 1, PREEMPTIONS_PER_REQUEST_MAX)?;
    let per_day = rules.per_tenant_and_day;
    Bounds::number("per_tenant_and_day", per_day, 0, PREEMPTIONS_PER_DAY_MAX)
}

/// What is set already changes nothing.
pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    preemption: &SetPreemption,
) -> Result<(), Rejected> {
    check_version(draft, SINCE, "preemption comes")?;
    if draft.state.pool(pool).preemption.rules != preemption.rules {
        let (id, preemption) = (pool.clone(), *preemption);
        draft.emit(Event::PreemptionSet(PreemptionSet { pool: id, preemption }));
        draft.freed.insert(pool.clone());
    }
    Ok(())
}
