//! What a tenant may be granted: never over a limit on its way up the tree, and never what is
//! promised to others, unless it may borrow it.

mod loans;

pub use loans::Demand;

use crate::decision::Placement;
use crate::state::Pool;
use crate::units::{GpuMilli, TenantId};
use std::collections::BTreeMap;

/// Why a tenant may not be granted more just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaBlock {
    /// It wants more GPUs than are free: no rule stands against it, leases have to end.
    NotFree,
    /// With this request a limit would be passed.
    Limit {
        /// Whose: its own, or that of a tenant above it.
        of: TenantId,
        /// What that one holds, and all below it.
        used: GpuMilli,
        /// What they may hold.
        limit: GpuMilli,
    },
    /// It would take what is promised to others and not used by them.
    HeldForOthers {
        /// Free GPUs of the pool.
        free: GpuMilli,
        /// The part of them that is promised to others.
        held: GpuMilli,
    },
    /// It would borrow more of what is promised to others than may be borrowed.
    BorrowLimit {
        /// By whom: itself, or a tenant above it.
        of: TenantId,
        /// What that one has borrowed, and all below it.
        borrowed: GpuMilli,
        /// What they may borrow.
        limit: GpuMilli,
        /// What the request would borrow.
        needed: GpuMilli,
    },
}

/// Whether what is asked may be granted.
///
/// What its tenant's own guarantee covers, or that of a tenant above it, is never held back. The
/// rest has to fit beside what is promised to others: free GPUs less their unused guarantees. Only
/// whoever may borrow may take these too.
///
/// # Errors
/// What stands against it.
pub fn may_grant(pool: &Pool, demand: &Demand<'_>) -> Result<(), QuotaBlock> {
    let (tenant, wanted) = (demand.tenant, demand.gpu_milli);
    if let Some(limit) = over_limit(pool, tenant, wanted) {
        return Err(limit);
    }
    if wanted <= pool.reach(tenant) {
        return Ok(());
    }
    let free = pool.free_gpu_milli();
    let held = pool.held_for_others(tenant);
    if wanted <= GpuMilli(free.0 - held.0) {
        return Ok(());
    }
    if wanted > free {
        return Err(QuotaBlock::NotFree);
    }
    loans::may_borrow(pool, demand, QuotaBlock::HeldForOthers { free, held })
}

/// The lowest limit on the way up that `wanted` more would pass.
fn over_limit(pool: &Pool, tenant: &TenantId, wanted: GpuMilli) -> Option<QuotaBlock> {
    let mut path = pool.path(tenant).filter(|_| wanted.0 > 0);
    let passed = path
        .find(|(_, tenant)| tenant.used_with_below().0 + wanted.0 > tenant.quota.limit_gpu_milli.0);
    passed.map(|(name, tenant)| QuotaBlock::Limit {
        of: name.clone(),
        used: tenant.used_with_below(),
        limit: tenant.quota.limit_gpu_milli,
    })
}

/// What tenants hold on nodes that take no new work (they drain, or broke): it takes none of the
/// GPUs that can still be granted. Each with those below it.
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
            for (name, _) in pool.path(&request.ask.tenant) {
                held.entry(name.clone()).or_insert(GpuMilli(0)).0 += milli;
            }
        }
        Self(held)
    }

    /// Whether `tenant` would be granted `wanted` more once enough leases ended: then it waits for
    /// capacity, and somebody may have to wait for it.
    ///
    /// The limits on its way up cap what it holds, and so does what is guaranteed to others: at a
    /// cap it waits for leases below that cap, and whoever else had to wait for that would leave
    /// promised GPUs idle. What it could borrow does not count.
    #[must_use]
    pub fn waits_for_capacity(&self, pool: &Pool, tenant: &TenantId, wanted: GpuMilli) -> bool {
        if wanted.0 == 0 {
            return true;
        }
        if over_limit(pool, tenant, wanted).is_some() {
            return false;
        }
        let on_draining = self.0.get(tenant).map_or(0, |milli| milli.0);
        let alone = Alone::of(pool, tenant);
        let beside_others = pool.accepting_gpu_milli().0 - alone.of_others + on_draining;
        alone.of_others == 0 || wanted.0 <= alone.reach || alone.used + wanted.0 <= beside_others
    }
}

/// What would be promised if nobody but a tenant, and whoever stands below it, had leases.
struct Alone {
    /// What it uses.
    used: i64,
    /// What it could take of what is promised.
    reach: i64,
    /// What is promised beside that.
    of_others: i64,
}

impl Alone {
    fn of(pool: &Pool, tenant: &TenantId) -> Self {
        let mut path = pool.path(tenant);
        let Some((_, own)) = path.next() else {
            return Self { used: 0, reach: 0, of_others: pool.guarantees.0 };
        };
        let used = own.used_with_below().0;
        let (mut reach, mut promised) = (own.unused_guarantee().0, own.promised().0);
        let mut guarantee = own.quota.guarantee_gpu_milli.0;
        for (_, above) in path {
            let below = above.branch.below.guarantees - guarantee + promised;
            guarantee = above.quota.guarantee_gpu_milli.0;
            let unused = (guarantee - used - below).max(0);
            (reach, promised) = (reach + unused, below + unused);
        }
        Self { used, reach, of_others: pool.guarantees.0 - guarantee + promised - reach }
    }
}
