//! `SetTenantParent`: a tenant's place in the tree, and how much of its idle guarantee it lends.

use super::stage_one::Bounds;
use super::{TREES_SINCE, check_version, promises};
use crate::command::SetTenantParent;
use crate::decision::{Event, Rejected, TenantParentSet};
use crate::draft::Draft;
use crate::limits::{QUOTA_GPU_MILLI_MAX, TREE_DEPTH_MAX};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::Pool;
use crate::units::{PoolId, TenantId};

pub(super) fn check(set: &SetTenantParent) -> Result<(), Rejected> {
    Bounds::id("tenant", &set.tenant.0)?;
    Bounds::id_or_empty("parent", &set.parent.0)?;
    match set.lend_gpu_milli {
        Some(lend) => Bounds::number("lend_gpu_milli", lend.0, 0, QUOTA_GPU_MILLI_MAX),
        None => Ok(()),
    }
}

/// What is set already changes nothing. Whoever holds leases takes them along.
pub(super) fn decide(
    draft: &mut Draft,
    pool_id: &PoolId,
    set: &SetTenantParent,
) -> Result<(), Rejected> {
    check_version(draft, TREES_SINCE, "trees of tenants come")?;
    let pool = draft.state.pool(pool_id);
    let SetTenantParent { tenant: name, parent, lend_gpu_milli } = set;
    let above = Some(parent).filter(|parent| !parent.0.is_empty());
    for name in [name].into_iter().chain(above) {
        if !pool.tenants.contains_key(name) {
            let detail = format!("tenant '{name}' has no quota in '{pool_id}': send SetQuota");
            return Err(refuse(Code::UnknownTenant, detail));
        }
    }
    let tenant = &pool.tenants[name];
    if tenant.branch.parent.as_ref() != above {
        if let Some(parent) = above {
            check_place(pool, name, parent)?;
        }
        promises::check(pool, name, above, tenant.quota.guarantee_gpu_milli)?;
    } else if tenant.branch.lend_gpu_milli == *lend_gpu_milli {
        return Ok(());
    }
    draft.emit(Event::TenantParentSet(TenantParentSet {
        pool: pool_id.clone(),
        tenant: name.clone(),
        parent: parent.clone(),
        lend_gpu_milli: *lend_gpu_milli,
    }));
    draft.freed.insert(pool_id.clone());
    Ok(())
}

/// Not below itself, and not too far down.
fn check_place(pool: &Pool, tenant: &TenantId, parent: &TenantId) -> Result<(), Rejected> {
    if pool.is_within(parent, tenant) {
        let detail = format!("'{parent}' stands below '{tenant}' already, or is the same");
        return Err(refuse(Code::TenantCycle, detail));
    }
    // Steps from whoever stands lowest below it, itself included.
    let steps = |name: &TenantId| pool.path(name).position(|(above, _)| above == tenant);
    let height = pool.tenants.keys().filter_map(steps).max().unwrap_or(0) + 1;
    let depth = pool.path(parent).count() + height;
    if depth <= TREE_DEPTH_MAX {
        return Ok(());
    }
    let detail = format!("the tree would be {depth} tenants deep, and may be {TREE_DEPTH_MAX}");
    Err(refuse(Code::TreeTooDeep, detail))
}
