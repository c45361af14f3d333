//! `SetQuota`: a tenant's share of the pool. The first one admits the tenant.

use super::stage_one::Bounds;
use crate::command::SetQuota;
use crate::decision::{Event, QuotaSet, Rejected};
use crate::draft::Draft;
use crate::limits::{QUOTA_GPU_MILLI_MAX, RATE_PER_MINUTE_MAX, TENANTS_MAX, WEIGHT_MAX};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;

/// The first `decide_version` with weights.
const WEIGHTS_SINCE: i64 = 3;

pub(super) fn check(quota: &SetQuota, version: i64) -> Result<(), Rejected> {
    Bounds::id("tenant", &quota.tenant.0)?;
    let limit = quota.limit_gpu_milli.0;
    Bounds::number("limit_gpu_milli", limit, 0, QUOTA_GPU_MILLI_MAX)?;
    Bounds::number("guarantee_gpu_milli", quota.guarantee_gpu_milli.0, 0, limit)?;
    Bounds::number("rate_per_minute", quota.rate_per_minute, 0, RATE_PER_MINUTE_MAX)?;
    Bounds::neutral("borrow_gpu_milli", quota.borrow_gpu_milli.0 == 0)?;
    if version < WEIGHTS_SINCE {
        Bounds::neutral("weight", quota.weight == 1)?;
    }
    Bounds::number("weight", quota.weight, 1, WEIGHT_MAX)?;
    Bounds::neutral("gpu_hour_budget", quota.gpu_hour_budget.is_none())?;
    Bounds::neutral("budget_window_ms", quota.budget_window_ms.0 == 0)
}

pub(super) fn decide(draft: &mut Draft, pool: &PoolId, quota: &SetQuota) -> Result<(), Rejected> {
    let tenants = &draft.state.pool(pool).tenants;
    if tenants.len() >= TENANTS_MAX && !tenants.contains_key(&quota.tenant) {
        return Err(refuse(Code::LogFull, format!("a pool holds at most {TENANTS_MAX} tenants")));
    }
    draft.emit(Event::QuotaSet(QuotaSet { pool: pool.clone(), quota: quota.clone() }));
    draft.freed.insert(pool.clone());
    Ok(())
}
