//! What a tenant may be granted: never over its limit, and never what is promised to others.

use crate::command::SetQuota;
use crate::decision::Placement;
use crate::state::Pool;
use crate::units::{GpuMilli, TenantId};
use std::collections::BTreeMap;

/// Why a tenant may not be granted more just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaBlock {
    /// It wants more GPUs than are free: no rule stands against it, leases have to end.
    NotFree,
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
    let held = pool.held_for_others(name);
    if wanted <= GpuMilli(free.0 - held.0) {
        return Ok(());
    }
    Err(if wanted > free { QuotaBlock::NotFree } else { QuotaBlock::HeldForOthers { free, held } })
}

/// What tenants hold on nodes that take no new work (they drain, or broke): it takes none of the GPUs that can still be
/// granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnDraining(BTreeMap<TenantId, GpuMilli>);

impl OnDraining {
    /// What it is in `pool`.
    ///
    /// # Panics
    /// When a lease sits on a node that the pool does not have.
    #[must_use]
    pub fn of(pool: &Pool) -> Self {
        let mut held = BTreeMap::new();
        let fleet = &pool.fleet;
        if fleet.gpus().used_milli == fleet.gpus_accepting().used_milli {
            return Self(held);
        }
        for request in pool.requests.values() {
            let replicas = request.lease().map_or([].as_slice(), |lease| &lease.replicas);
            let is_draining = |at: &&Placement| {
                let index = fleet.index_of(&at.node).expect("a lease sits on a node of the pool");
                !fleet.node(index).accepts_work()
            };
            let replicas = replicas.iter().filter(is_draining).count();
            let replicas = i64::try_from(replicas).expect("a gang is bounded");
            let milli = replicas * request.ask.replica_gpu_milli().0;
            held.entry(request.ask.tenant.clone()).or_insert(GpuMilli(0)).0 += milli;
        }
        Self(held)
    }

    /// Whether `tenant` would be granted `wanted` more once enough leases ended: then it waits for
    /// capacity, and somebody may have to wait for it.
    ///
    /// Its limit caps what it holds, and so does what is guaranteed to others: at either cap it
    /// waits for its own leases, and whoever had to wait for that would leave promised GPUs idle.
    ///
    /// # Panics
    /// When the tenant has no quota: decide has checked it.
    #[must_use]
    pub fn waits_for_capacity(&self, pool: &Pool, tenant: &TenantId, wanted: GpuMilli) -> bool {
        let on_draining = self.0.get(tenant).map_or(0, |milli| milli.0);
        let tenant = &pool.tenants[tenant];
        let SetQuota { guarantee_gpu_milli: own, limit_gpu_milli: limit, .. } = &tenant.quota;
        let of_others = pool.guarantees.0 - own.0;
        let beside_others = (pool.accepting_gpu_milli().0 - of_others + on_draining).max(own.0);
        let held = tenant.used_gpu_milli.0 + wanted.0;
        wanted.0 == 0 || (held <= limit.0 && (of_others == 0 || held <= beside_others))
    }
}
