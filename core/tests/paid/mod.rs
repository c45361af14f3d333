//! What requests want and may cost, counted anew.

use conclave_core::budget::GPU_HOUR;
use conclave_core::command::RequestAllocation;
use conclave_core::limits::{BUDGET_WINDOWS_MAX, TIME_MS_MAX};
use conclave_core::state::Pool;
use conclave_core::units::{GpuModel, TimeMs};
use std::collections::BTreeSet;

/// GPUs of one replica.
pub(crate) fn gpu_milli(ask: &RequestAllocation) -> i64 {
    ask.gpu_count * ask.gpu_milli.0
}

pub(crate) fn wanted(ask: &RequestAllocation) -> i64 {
    ask.replicas * gpu_milli(ask)
}

/// When a lease that is granted at `now` ends.
pub(crate) fn lease_end(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> i64 {
    let term = ask.expected_duration_ms.0.min(pool.policy.lease_max_ms.0);
    (now.0 + term + pool.policy.lease_grace_ms.0).min(TIME_MS_MAX.0)
}

/// The models that a request with a cap accepts and can pay for at `now`; none for one without.
pub(crate) fn payable(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Option<Vec<GpuModel>> {
    let cap = ask.budget_cap_micro_usd.filter(|_| ask.gpu_count > 0)?;
    let length = i128::from(lease_end(pool, ask, TimeMs(0)));
    let minute = now.0 / 60_000 % 1_440;
    let price_of = |model: &GpuModel| {
        let is_now = |from, until| from <= minute && minute < until;
        let mut spans = pool.tariff.iter().filter(|span| span.gpu_model == *model);
        if let Some(span) = spans.find(|span| is_now(span.from_minute, span.until_minute)) {
            return i128::from(span.micro_usd_per_hour.0);
        }
        let price = pool.policy.prices.iter().find(|price| price.gpu_model == *model);
        price.map_or(0, |price| i128::from(price.micro_usd_per_hour.0))
    };
    let can_pay = |model: &GpuModel| {
        i128::from(wanted(ask)) * length * price_of(model) <= i128::from(cap.0) * GPU_HOUR
    };
    let nodes = pool.fleet.nodes().iter().filter(|node| !node.gpu_left().is_empty());
    let of_pool: BTreeSet<GpuModel> = nodes.map(|node| pool.fleet.model_of(node).clone()).collect();
    let accepted: Vec<_> = if ask.gpu_models.is_empty() {
        let mut cheapest_first: Vec<_> = of_pool.into_iter().collect();
        cheapest_first.sort_by_key(price_of);
        cheapest_first
    } else {
        ask.gpu_models.clone()
    };
    Some(accepted.into_iter().filter(can_pay).collect())
}

/// The first window whose budget a lease from `now` on would pass: its index, its budget, what is
/// reserved of it, and what the lease would add, in GPU milli milliseconds. Any, when the lease may
/// touch too many.
pub(crate) fn over_budget(
    pool: &Pool,
    ask: &RequestAllocation,
    now: TimeMs,
) -> Option<(i64, i128, i128, i128)> {
    let tenant = &pool.tenants[&ask.tenant];
    let (hours, width) = (tenant.quota.gpu_hour_budget?, tenant.quota.budget_window_ms.0);
    let until = lease_end(pool, ask, now);
    let length = lease_end(pool, ask, TimeMs(0));
    let is_too_long = (length + width - 1) / width + 1 > BUDGET_WINDOWS_MAX;
    let windows = now.0 / width..=(until - 1) / width;
    windows
        .map(|index| {
            let window = tenant.budget.as_ref().expect("a budget").window(index);
            let allowed = i128::from(hours + window.top_up_gpu_hours) * GPU_HOUR;
            let ms = until.min((index + 1) * width) - now.0.max(index * width);
            (index, allowed, window.reserved, i128::from(wanted(ask)) * i128::from(ms))
        })
        .find(|(_, allowed, reserved, wanted)| {
            *wanted > 0 && (is_too_long || reserved + wanted > *allowed)
        })
}
