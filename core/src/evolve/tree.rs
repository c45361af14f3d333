//! What decisions do to the tree of tenants: who stands where, what it uses, and what is borrowed.

use crate::decision::TenantParentSet;
use crate::state::{Loan, Pool, State, Tenant};
use crate::units::{GpuMilli, TenantId};

impl State {
    pub(super) fn set_tenant_parent(&mut self, set: &TenantParentSet) {
        let TenantParentSet { pool, tenant, parent, lend_gpu_milli } = set;
        let now = self.time_ms;
        let pool = self.pool_mut(pool);
        pool.change_tenant(tenant, |tenant| tenant.branch.lend_gpu_milli = *lend_gpu_milli);
        let parent = Some(parent).filter(|parent| !parent.0.is_empty()).cloned();
        if pool.tenants[tenant].branch.parent != parent {
            pool.move_tenant(tenant, parent, now);
        }
    }
}

impl Pool {
    /// Changes what `tenant` uses, and what else is to be changed of it on that occasion.
    pub(super) fn use_quota(
        &mut self,
        tenant: &TenantId,
        gpu_milli: GpuMilli,
        change: impl FnOnce(&mut Tenant),
    ) {
        self.change_tenant(tenant, |tenant| {
            change(tenant);
            tenant.used_gpu_milli.0 += gpu_milli.0;
            tenant.keep_ceiling();
        });
    }

    /// A lease of `tenant` borrowed so much, `times` 1, or gave it back, `times` -1.
    pub(super) fn count_loans(&mut self, tenant: &TenantId, loans: &[Loan], times: i64) {
        for Loan { lender, gpu_milli } in loans {
            let change = times * gpu_milli.0;
            self.change_tenant(lender, |lender| lender.branch.lent_gpu_milli.0 += change);
            self.change_tenant(tenant, |tenant| tenant.branch.borrowed_gpu_milli.0 += change);
        }
    }
}
