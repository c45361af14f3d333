//! The tree of tenants, counted again from its leaves and leases.

use crate::limits::TREE_DEPTH_MAX;
use crate::state::{Amounts, Below, Loan, Pool};
use crate::units::{GpuMilli, PoolId, TenantId};
use std::collections::BTreeMap;

/// What a tenant comes to, with all below it.
#[derive(Clone, Copy, Default)]
struct Whole {
    below: Below,
    children: i64,
    held: Amounts,
    settled: i128,
}

/// Sums are those of the leases and quotas below, and nobody lent or borrowed what no lease holds.
pub(super) fn check(id: &PoolId, pool: &Pool) {
    check_loans(id, pool);
    let mut names: Vec<&TenantId> = pool.tenants.keys().collect();
    let depth = |name: &TenantId| pool.path(name).take(TREE_DEPTH_MAX + 1).count();
    names.sort_by_key(|name| std::cmp::Reverse(depth(name)));
    assert!(names.iter().all(|name| depth(name) <= TREE_DEPTH_MAX), "pool {id}: a deep tree");
    let mut wholes: BTreeMap<&TenantId, Whole> = BTreeMap::new();
    let (mut lendable, mut all) = (0, Below::default());
    for name in names {
        let (tenant, whole) = (&pool.tenants[name], wholes.remove(name).unwrap_or_default());
        let branch = &tenant.branch;
        assert_eq!(branch.below, whole.below, "pool {id}: sums below {name} are off");
        assert_eq!(branch.children, whole.children, "pool {id}: children of {name} are miscounted");
        let (guarantee, below) = (tenant.quota.guarantee_gpu_milli.0, whole.below);
        assert!(below.guarantees <= guarantee, "pool {id}: {name} promised more than it was");
        let (ledger, keeps) = (tenant.ledger_with_below(), branch.ledger.is_some());
        assert_eq!(keeps, whole.children > 0, "pool {id}: the use below {name} is kept or not");
        let held = sum(tenant.ledger.held(), whole.held);
        let settled = tenant.ledger.settled_gpu_milli_ms() + whole.settled;
        let of_ledger = (ledger.held(), ledger.settled_gpu_milli_ms());
        assert_eq!(of_ledger, (held, settled), "pool {id}: the ledger below {name} is off");
        let used = tenant.used_gpu_milli.0 + below.used;
        assert!(used <= tenant.ceiling_gpu_milli.0, "pool {id}: {name} is over its limit");
        lendable += tenant.lendable().0;
        let above = branch.parent.as_ref().map(|parent| wholes.entry(parent).or_default());
        let above = above.map_or(&mut all, |above| {
            above.children += 1;
            above.settled += settled;
            above.held = sum(above.held, held);
            &mut above.below
        });
        above.used += used;
        above.guarantees += guarantee;
        above.promised += (guarantee - used).max(below.promised).max(0);
        above.borrowed += branch.borrowed_gpu_milli.0 + below.borrowed;
    }
    assert_eq!(pool.guarantees.0, all.guarantees, "pool {id}: the sum of guarantees is off");
    let unused = pool.unused_guarantees.0;
    assert_eq!(unused, all.promised, "pool {id}: the sum of unused guarantees is off");
    assert_eq!(pool.borrowed.0, all.borrowed, "pool {id}: the sum of loans is off");
    assert_eq!(pool.lendable.0, lendable, "pool {id}: what can be borrowed is off");
}

fn sum(one: Amounts, other: Amounts) -> Amounts {
    Amounts(std::array::from_fn(|at| one.0[at] + other.0[at]))
}

fn check_loans(id: &PoolId, pool: &Pool) {
    let mut of: BTreeMap<&TenantId, (i64, i64)> = BTreeMap::new();
    for request in pool.requests.values() {
        let Some(lease) = request.lease() else { continue };
        for Loan { lender, gpu_milli } in &lease.loans {
            assert!(gpu_milli.0 > 0, "pool {id}: {} borrowed nothing", request.ask.request);
            of.entry(lender).or_default().0 += gpu_milli.0;
            of.entry(&request.ask.tenant).or_default().1 += gpu_milli.0;
        }
        let is_held = lease.borrowed_gpu_milli() <= request.held_gpu_milli();
        assert!(is_held, "pool {id}: {} borrowed more than it holds", request.ask.request);
    }
    for (name, tenant) in &pool.tenants {
        let (lent, borrowed) = of.get(name).copied().unwrap_or_default();
        let kept = (tenant.branch.lent_gpu_milli, tenant.branch.borrowed_gpu_milli);
        let counted = (GpuMilli(lent), GpuMilli(borrowed));
        assert_eq!(kept, counted, "pool {id}: {name} lent or borrowed otherwise");
    }
}
