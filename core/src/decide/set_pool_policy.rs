//! `SetPoolPolicy`: the pool's rules. The first one creates the pool.

use super::BUDGETS_SINCE;
use super::stage_one::Bounds;
use crate::command::{GpuPrice, PlacementPolicy, SetPoolPolicy, TargetShape};
use crate::decision::{Event, PoolPolicySet, Rejected};
use crate::draft::{Draft, shape_bytes_max};
use crate::limits::{
    CPU_MILLI_MAX, DECISION_BYTES_MAX, DURATION_MS_MAX, GPU_MILLI_WHOLE, GPU_MODELS_MAX,
    NODE_GPUS_MAX, POOLS_MAX, PRICE_MICRO_USD_MAX, PRICES_MAX, QUEUE_MAX, TARGET_COUNT_MAX,
    TARGET_SHAPES_MAX,
};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;
use std::collections::BTreeSet;

/// Bytes that a target workload may take: a quarter of a decision leaves room for due timers.
const TARGET_BYTES_MAX: usize = DECISION_BYTES_MAX / 4;

/// The first `decide_version` with the placement policy called default.
const DEFAULT_PLACEMENT_SINCE: i64 = 3;

pub(super) fn check(policy: &SetPoolPolicy, version: i64) -> Result<(), Rejected> {
    let span = |field, ms: i64, min| Bounds::number(field, ms, min, DURATION_MS_MAX.0);
    span("lease_max_ms", policy.lease_max_ms.0, 1)?;
    span("lease_grace_ms", policy.lease_grace_ms.0, 0)?;
    span("wait_bound_ms", policy.wait_bound_ms.0, 0)?;
    span("defer_retry_ms", policy.defer_retry_ms.0, 1)?;
    Bounds::number("queue_max", policy.queue_max, 0, QUEUE_MAX)?;
    if version < DEFAULT_PLACEMENT_SINCE && policy.placement == PlacementPolicy::Default {
        let detail = format!(
            "version {version} decides, and the placement default comes with \
             {DEFAULT_PLACEMENT_SINCE}: send ActivateDecider first, or choose fgd"
        );
        return Err(refuse(Code::Unsupported, detail));
    }
    Bounds::count("target_workload", policy.target_workload.len(), TARGET_SHAPES_MAX)?;
    policy.target_workload.iter().try_for_each(check_shape)?;
    let bytes: usize = policy.target_workload.iter().map(shape_bytes_max).sum();
    Bounds::count("target_workload in bytes", bytes, TARGET_BYTES_MAX)?;
    if version < BUDGETS_SINCE {
        return Bounds::neutral("prices", policy.prices.is_empty());
    }
    check_prices(&policy.prices)
}

fn check_prices(prices: &[GpuPrice]) -> Result<(), Rejected> {
    Bounds::count("prices", prices.len(), PRICES_MAX)?;
    let mut priced = BTreeSet::new();
    for GpuPrice { gpu_model, micro_usd_per_hour } in prices {
        Bounds::id("prices.gpu_model", &gpu_model.0)?;
        let field = "prices.micro_usd_per_hour";
        Bounds::number(field, micro_usd_per_hour.0, 1, PRICE_MICRO_USD_MAX)?;
        if !priced.insert(gpu_model) {
            let detail = format!("prices has '{gpu_model}' twice: name each model once");
            return Err(refuse(Code::OutOfRange, detail));
        }
    }
    Ok(())
}

fn check_shape(shape: &TargetShape) -> Result<(), Rejected> {
    Bounds::number("target_workload.cpu_milli", shape.cpu_milli.0, 0, CPU_MILLI_MAX)?;
    check_gpus("target_workload.", shape.gpu_count, shape.gpu_milli.0)?;
    Bounds::number("target_workload.count", shape.count, 1, TARGET_COUNT_MAX)?;
    Bounds::count("target_workload.gpu_models", shape.gpu_models.len(), GPU_MODELS_MAX)?;
    shape.gpu_models.iter().try_for_each(|model| Bounds::id("gpu_models", &model.0))
}

/// CPU only (0 GPUs of 0 milli), a slice (1 GPU of less than 1000 milli) or whole GPUs.
pub(super) fn check_gpus(prefix: &str, gpu_count: i64, gpu_milli: i64) -> Result<(), Rejected> {
    Bounds::number(&format!("{prefix}gpu_count"), gpu_count, 0, NODE_GPUS_MAX)?;
    let (min, max) = match gpu_count {
        0 => (0, 0),
        1 => (1, GPU_MILLI_WHOLE),
        _ => (GPU_MILLI_WHOLE, GPU_MILLI_WHOLE),
    };
    Bounds::number(&format!("{prefix}gpu_milli with gpu_count {gpu_count}"), gpu_milli, min, max)
}

pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    policy: &SetPoolPolicy,
) -> Result<(), Rejected> {
    let pools = &draft.state.pools;
    if pools.len() >= POOLS_MAX && !pools.contains_key(pool) {
        return Err(refuse(Code::LogFull, format!("a partition holds at most {POOLS_MAX} pools")));
    }
    let (id, policy) = (pool.clone(), policy.clone());
    draft.emit(Event::PoolPolicySet(PoolPolicySet { pool: id, policy }));
    draft.freed.insert(pool.clone());
    Ok(())
}
