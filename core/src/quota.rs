//! What a tenant may be granted: never over its limit, and never what is promised to others.

use crate::state::Pool;
use crate::units::{GpuMilli, TenantId};

/// Why a tenant may not be granted more just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaBlock {
    /// Its leases and this request would pass its limit.
    Limit {
        /// What it holds.
        used: GpuMilli,
        /// What it may hold.
        limit: GpuMilli,
    },
    /// It would take what is promised to others and not used by them.
    HeldForOthers {
        /// Free GPUs of the pool.
        free: GpuMilli,
        /// The part of them that is promised to others.
        held: GpuMilli,
    },
}

/// Whether `tenant` may be granted `wanted` more.
///
/// What its own guarantee covers is never held back. The rest has to fit beside what is promised to
/// others: free GPUs less their unused guarantees.
///
/// # Errors
/// What stands against it.
///
/// # Panics
/// When the tenant has no quota: decide has checked it.
pub fn may_grant(pool: &Pool, tenant: &TenantId, wanted: GpuMilli) -> Result<(), QuotaBlock> {
    let name = tenant;
    let tenant = &pool.tenants[name];
    let (used, limit) = (tenant.used_gpu_milli, tenant.quota.limit_gpu_milli);
    if wanted.0 > 0 && used.0 + wanted.0 > limit.0 {
        return Err(QuotaBlock::Limit { used, limit });
    }
    let beyond_guarantee = wanted.0 - tenant.unused_guarantee().0;
    if beyond_guarantee <= 0 {
        return Ok(());
    }
    let free = pool.free_gpu_milli();
    let own = tenant.unused_guarantee();
    let held = pool.held_for_others(name);
    if beyond_guarantee <= free.0 - own.0 - held.0 {
        return Ok(());
    }
    Err(QuotaBlock::HeldForOthers { free, held })
}
