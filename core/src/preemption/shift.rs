//! What tenants would use and be promised once some leases had ended.

use crate::state::{Pool, Tenant};
use crate::units::TenantId;
use std::collections::BTreeMap;

/// By how much each tenant's numbers would differ; whoever is not named stands as it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Shift {
    of: BTreeMap<TenantId, Moved>,
    /// Of all tenants at the top together.
    promised: i64,
}

/// By how much the numbers of one tenant differ, in GPU milli.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// What its leases hold and those below it.
    used: i64,
    /// What is promised below it and not used.
    below: i64,
    /// What is promised to it or below it and not used.
    pub(super) promised: i64,
}

impl Moved {
    /// What is promised to the tenant alone and not used.
    fn unused(self, tenant: &Tenant) -> i64 {
        let used = tenant.used_with_below().0 + self.used;
        let below = tenant.branch.below.promised + self.below;
        (tenant.quota.guarantee_gpu_milli.0 - used - below).max(0)
    }
}

impl Shift {
    fn moved(&self, name: &TenantId) -> Moved {
        self.of.get(name).copied().unwrap_or_default()
    }

    /// What else would differ from `tenant` up to the top, were it to use so much more.
    pub(super) fn rises<'a>(
        &'a self,
        pool: &'a Pool,
        tenant: &'a TenantId,
        used: i64,
    ) -> impl Iterator<Item = (&'a TenantId, Moved)> {
        let mut below = 0;
        pool.path(tenant).map(move |(name, tenant)| {
            let before = self.moved(name);
            let mut after =
                Moved { used: before.used + used, below: before.below + below, ..before };
            let promised = after.unused(tenant) + tenant.branch.below.promised + after.below;
            after.promised = promised - tenant.promised().0;
            let rise = Moved { used, below, promised: after.promised - before.promised };
            below = rise.promised;
            (name, rise)
        })
    }

    /// `tenant` uses so much more.
    pub(super) fn move_use(&mut self, pool: &Pool, tenant: &TenantId, used: i64) {
        let rises: Vec<_> = self.rises(pool, tenant, used).collect();
        let last = rises.last().map_or(0, |(_, rise)| rise.promised);
        let rises = rises.into_iter().map(|(name, rise)| (name.clone(), rise));
        for (name, rise) in rises.collect::<Vec<_>>() {
            let moved = self.of.entry(name).or_default();
            moved.used += rise.used;
            moved.below += rise.below;
            moved.promised += rise.promised;
        }
        self.promised += last;
    }

    /// What `tenant` could take of what is promised.
    pub(super) fn reach(&self, pool: &Pool, tenant: &TenantId) -> i64 {
        pool.path(tenant).map(|(name, tenant)| self.moved(name).unused(tenant)).sum()
    }

    /// The lowest from `tenant` up to whose unused guarantees cover all of `wanted`; none when none
    /// do, or nothing is wanted.
    pub(super) fn covered_by<'p>(
        &self,
        pool: &'p Pool,
        tenant: &'p TenantId,
        wanted: i64,
    ) -> Option<&'p TenantId> {
        let mut reach = 0;
        let mut path = pool.path(tenant).filter(|_| wanted > 0);
        let found = path.find(|(name, tenant)| {
            reach += self.moved(name).unused(tenant);
            reach >= wanted
        });
        found.map(|(name, _)| name)
    }

    /// Whether nobody from `tenant` up passes its limit with so much more.
    pub(super) fn keeps_limits(&self, pool: &Pool, tenant: &TenantId, wanted: i64) -> bool {
        let keeps = |(name, tenant): (&TenantId, &Tenant)| {
            let used = tenant.used_with_below().0 + self.moved(name).used;
            used + wanted <= tenant.quota.limit_gpu_milli.0
        };
        wanted == 0 || pool.path(tenant).all(keeps)
    }

    /// What `tenant` uses more, and those below it.
    pub(super) fn used(&self, tenant: &TenantId) -> i64 {
        self.moved(tenant).used
    }

    /// What is promised in all and not used.
    pub(super) fn promised(&self, pool: &Pool) -> i64 {
        pool.unused_guarantees.0 + self.promised
    }
}
