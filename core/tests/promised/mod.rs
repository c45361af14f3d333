//! What is used, promised and borrowed in a tree of tenants, counted anew from quotas and leases.
#![allow(dead_code, reason = "each test file asks for its own part")]

use conclave_core::command::RequestAllocation;
use conclave_core::state::Pool;
use conclave_core::units::TenantId;

/// More than any pool has.
const PLENTY: i64 = 1_000_000_000;

/// A tenant and all above it, the lowest first.
pub(crate) fn path<'a>(pool: &'a Pool, tenant: &'a TenantId) -> Vec<&'a TenantId> {
    let mut path = vec![tenant];
    while let Some(above) = &pool.tenants[path[path.len() - 1]].branch.parent {
        path.push(above);
    }
    path
}

fn children<'a>(pool: &'a Pool, tenant: &TenantId) -> impl Iterator<Item = &'a TenantId> {
    let is_child = |name: &&TenantId| pool.tenants[*name].branch.parent.as_ref() == Some(tenant);
    pool.tenants.keys().filter(is_child).collect::<Vec<_>>().into_iter()
}

/// What the leases of a tenant and of all below it hold.
pub(crate) fn used(pool: &Pool, tenant: &TenantId) -> i64 {
    let within = pool.requests.values().filter(|r| path(pool, &r.ask.tenant).contains(&tenant));
    within.map(|request| request.held_gpu_milli().0).sum()
}

/// What they borrowed.
pub(crate) fn borrowed(pool: &Pool, tenant: &TenantId) -> i64 {
    let within = pool.requests.values().filter(|r| path(pool, &r.ask.tenant).contains(&tenant));
    let leases = within.filter_map(|request| request.lease());
    leases.flat_map(|lease| &lease.loans).map(|loan| loan.gpu_milli.0).sum()
}

/// What is promised to a tenant or below it and not used, were one of them to use so much more.
pub(crate) fn promised(pool: &Pool, tenant: &TenantId, more: Option<(&TenantId, i64)>) -> i64 {
    let of_children: i64 = children(pool, tenant).map(|child| promised(pool, child, more)).sum();
    let more_here = more.filter(|(name, _)| path(pool, name).contains(&tenant));
    let used = used(pool, tenant) + more_here.map_or(0, |(_, more)| more);
    (pool.tenants[tenant].quota.guarantee_gpu_milli.0 - used).max(of_children).max(0)
}

fn at_the_top(pool: &Pool) -> impl Iterator<Item = &TenantId> {
    pool.tenants.keys().filter(|name| pool.tenants[*name].branch.parent.is_none())
}

/// What is promised in all and not used.
pub(crate) fn all_promised(pool: &Pool) -> i64 {
    at_the_top(pool).map(|name| promised(pool, name, None)).sum()
}

/// The same once `tenant` used up all that it can of it.
pub(crate) fn promised_to_others(pool: &Pool, tenant: &TenantId) -> i64 {
    at_the_top(pool).map(|name| promised(pool, name, Some((tenant, PLENTY)))).sum()
}

/// What `tenant` can take of it.
pub(crate) fn reach(pool: &Pool, tenant: &TenantId) -> i64 {
    all_promised(pool) - promised_to_others(pool, tenant)
}

/// What it can take of what is promised to `above` and below that one.
pub(crate) fn reach_up_to(pool: &Pool, tenant: &TenantId, above: &TenantId) -> i64 {
    promised(pool, above, None) - promised(pool, above, Some((tenant, PLENTY)))
}

/// What a tenant could still lend.
pub(crate) fn lendable(pool: &Pool, tenant: &TenantId) -> i64 {
    let below: i64 = children(pool, tenant).map(|child| promised(pool, child, None)).sum();
    let idle = promised(pool, tenant, None) - below;
    let leases = pool.requests.values().filter_map(|request| request.lease());
    let of_it = leases.flat_map(|lease| &lease.loans).filter(|loan| loan.lender == *tenant);
    let lent: i64 = of_it.map(|loan| loan.gpu_milli.0).sum();
    let most = pool.tenants[tenant].branch.lend_gpu_milli.map_or(idle, |most| most.0.min(idle));
    (most - lent).max(0)
}

/// The lowest of a tenant and all above it whose guarantee covers what is asked.
pub(crate) fn covered_by<'a>(pool: &'a Pool, ask: &'a RequestAllocation) -> Option<&'a TenantId> {
    let wanted = ask.total_gpu_milli().0;
    let covers = |above: &&TenantId| reach_up_to(pool, &ask.tenant, above) >= wanted;
    path(pool, &ask.tenant).into_iter().filter(|_| wanted > 0).find(covers)
}
