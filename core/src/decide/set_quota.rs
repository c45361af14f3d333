//! `SetQuota`: a tenant's share of the pool. The first one admits the tenant.

use super::promises;
use super::stage_one::Bounds;
use crate::command::SetQuota;
use crate::decision::{Event, QuotaSet, Rejected};
use crate::draft::Draft;
use crate::limits::{
    BUDGET_WINDOW_MS_MAX, BUDGET_WINDOW_MS_MIN, BUDGET_WINDOWS_MAX, GPU_HOURS_MAX,
    QUOTA_GPU_MILLI_MAX, RATE_PER_MINUTE_MAX, TENANTS_MAX, WEIGHT_MAX,
};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::Budget;
use crate::state::budget::window_of;
use crate::units::{PoolId, TimeMs};

/// The first `decide_version` with weights.
const WEIGHTS_SINCE: i64 = 3;
/// The first `decide_version` with budgets, prices and caps.
pub(crate) const BUDGETS_SINCE: i64 = 3;
/// The first `decide_version` with trees of tenants, borrowing, and bounds on what is guaranteed.
pub(crate) const TREES_SINCE: i64 = 3;

pub(super) fn check(quota: &SetQuota, version: i64) -> Result<(), Rejected> {
    Bounds::id("tenant", &quota.tenant.0)?;
    let limit = quota.limit_gpu_milli.0;
    Bounds::number("limit_gpu_milli", limit, 0, QUOTA_GPU_MILLI_MAX)?;
    Bounds::number("guarantee_gpu_milli", quota.guarantee_gpu_milli.0, 0, limit)?;
    Bounds::number("rate_per_minute", quota.rate_per_minute, 0, RATE_PER_MINUTE_MAX)?;
    if version < TREES_SINCE {
        Bounds::neutral("borrow_gpu_milli", quota.borrow_gpu_milli.0 == 0)?;
    }
    Bounds::number("borrow_gpu_milli", quota.borrow_gpu_milli.0, 0, QUOTA_GPU_MILLI_MAX)?;
    if version < WEIGHTS_SINCE {
        Bounds::neutral("weight", quota.weight == 1)?;
    }
    Bounds::number("weight", quota.weight, 1, WEIGHT_MAX)?;
    if version < BUDGETS_SINCE {
        Bounds::neutral("gpu_hour_budget", quota.gpu_hour_budget.is_none())?;
        return Bounds::neutral("budget_window_ms", quota.budget_window_ms.0 == 0);
    }
    check_budget(quota)
}

fn check_budget(quota: &SetQuota) -> Result<(), Rejected> {
    let window_ms = quota.budget_window_ms.0;
    match quota.gpu_hour_budget {
        Some(gpu_hours) => {
            Bounds::number("gpu_hour_budget", gpu_hours, 0, GPU_HOURS_MAX)?;
            let (min, max) = (BUDGET_WINDOW_MS_MIN.0, BUDGET_WINDOW_MS_MAX.0);
            Bounds::number("budget_window_ms with a gpu_hour_budget", window_ms, min, max)
        }
        None => Bounds::number("budget_window_ms without gpu_hour_budget", window_ms, 0, 0),
    }
}

pub(super) fn decide(draft: &mut Draft, pool: &PoolId, quota: &SetQuota) -> Result<(), Rejected> {
    let tenants = &draft.state.pool(pool).tenants;
    if tenants.len() >= TENANTS_MAX && !tenants.contains_key(&quota.tenant) {
        return Err(refuse(Code::LogFull, format!("a pool holds at most {TENANTS_MAX} tenants")));
    }
    if draft.state.decide_version >= TREES_SINCE {
        let (pool, name) = (draft.state.pool(pool), &quota.tenant);
        let parent = pool.tenants.get(name).and_then(|tenant| tenant.branch.parent.as_ref());
        promises::check_children(pool, name, quota.guarantee_gpu_milli)?;
        promises::check(pool, name, parent, quota.guarantee_gpu_milli)?;
    }
    check_running(draft, pool, quota)?;
    check_top_ups(draft, pool, quota)?;
    draft.emit(Event::QuotaSet(QuotaSet { pool: pool.clone(), quota: quota.clone() }));
    draft.freed.insert(pool.clone());
    Ok(())
}

/// With what was approved on top, no window has more than the bound either.
fn check_top_ups(draft: &Draft, pool: &PoolId, quota: &SetQuota) -> Result<(), Rejected> {
    let tenant = draft.state.pool(pool).tenants.get(&quota.tenant);
    let kept = tenant.filter(|tenant| tenant.quota.budget_window_ms == quota.budget_window_ms);
    let windows = kept.and_then(|tenant| tenant.budget.as_deref()).map(Budget::windows);
    let current =
        windows.map(|windows| windows.range(window_of(draft.now, quota.budget_window_ms)..));
    let most = current.and_then(|windows| windows.map(|(_, window)| window.top_up_gpu_hours).max());
    let all = quota.gpu_hour_budget.unwrap_or(0) + most.unwrap_or(0);
    if all <= GPU_HOURS_MAX {
        return Ok(());
    }
    let detail = format!(
        "with the GPU-hours that were approved on top a window would have {all}, more than \
         {GPU_HOURS_MAX}"
    );
    Err(refuse(Code::OutOfRange, detail))
}

/// Leases that run already are counted in each window until their ends, and only so many are kept.
fn check_running(draft: &Draft, pool: &PoolId, quota: &SetQuota) -> Result<(), Rejected> {
    if quota.gpu_hour_budget.is_none() {
        return Ok(());
    }
    let width = quota.budget_window_ms;
    let requests = draft.state.pool(pool).requests.values();
    let own = requests.filter(|request| request.ask.tenant == quota.tenant);
    let last = own.filter_map(|own| Some((own.lease()?.ends_at_ms, &own.ask.request))).max();
    let Some((ends_at_ms, request)) = last else { return Ok(()) };
    let last = window_of(TimeMs(ends_at_ms.0 - 1), width);
    let windows = last - window_of(draft.now, width) + 1;
    if windows <= BUDGET_WINDOWS_MAX {
        return Ok(());
    }
    let detail = format!(
        "the lease of '{request}' runs until {ends_at_ms}, which is {windows} windows of {width} \
         ms: at most {BUDGET_WINDOWS_MAX} are kept"
    );
    Err(refuse(Code::ExceedsBudget, detail))
}
