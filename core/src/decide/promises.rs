//! What may be guaranteed: to children no more than to their parent, and at the top no more than
//! the pool has.

use crate::decision::Rejected;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::Pool;
use crate::units::{GpuMilli, TenantId};

/// Most that may be guaranteed to `tenant` below `parent`; none when nothing bounds it. A pool
/// without GPUs cannot be judged yet: its nodes may join later.
pub(crate) fn room_for_guarantee(
    pool: &Pool,
    tenant: &TenantId,
    parent: Option<&TenantId>,
) -> Option<GpuMilli> {
    let present = pool.tenants.get(tenant);
    let (all, others) = match parent {
        Some(parent) => {
            let parent = &pool.tenants[parent];
            (parent.quota.guarantee_gpu_milli.0, parent.branch.below.guarantees)
        }
        None => (pool.fleet.gpus().total_milli.0, pool.guarantees.0),
    };
    let is_there = present.is_some_and(|present| present.branch.parent.as_ref() == parent);
    let own = present.filter(|_| is_there).map_or(0, |own| own.quota.guarantee_gpu_milli.0);
    (parent.is_some() || all > 0).then_some(GpuMilli(all - (others - own)))
}

/// Whether `guarantee` may be given to `tenant` below `parent`. What is guaranteed already stays:
/// nodes may have left since.
pub(super) fn check(
    pool: &Pool,
    tenant: &TenantId,
    parent: Option<&TenantId>,
    guarantee: GpuMilli,
) -> Result<(), Rejected> {
    let Some(room) = room_for_guarantee(pool, tenant, parent) else { return Ok(()) };
    let present = pool.tenants.get(tenant);
    let has_it = present.is_some_and(|present| {
        present.branch.parent.as_ref() == parent && guarantee <= present.quota.guarantee_gpu_milli
    });
    if guarantee <= room || has_it || guarantee.0 == 0 {
        return Ok(());
    }
    let most = room.0.max(0);
    if let Some(parent) = parent {
        let has = pool.tenants[parent].quota.guarantee_gpu_milli;
        let detail = format!(
            "a guarantee of {guarantee} GPU milli below '{parent}', which is guaranteed {has}: its \
             other children leave {most}"
        );
        return Err(refuse(Code::ExceedsParent, detail));
    }
    let has = pool.fleet.gpus().total_milli;
    let detail = format!(
        "a guarantee of {guarantee} GPU milli in a pool of {has}: the other guarantees leave \
         {most}; put '{tenant}' below a parent first if it is to share that one's"
    );
    Err(refuse(Code::Overpromised, detail))
}

/// Whether `guarantee` is enough for what the children of `tenant` are guaranteed.
pub(super) fn check_children(
    pool: &Pool,
    tenant: &TenantId,
    guarantee: GpuMilli,
) -> Result<(), Rejected> {
    let children = pool.tenants.get(tenant).map_or(0, |tenant| tenant.branch.below.guarantees);
    if children <= guarantee.0 {
        return Ok(());
    }
    let detail = format!(
        "the children of '{tenant}' are guaranteed {children} GPU milli, and it would be \
         guaranteed {guarantee}"
    );
    Err(refuse(Code::ExceedsParent, detail))
}
