//! What reservations leave to a lease, counted anew: second by second would be the same.

use crate::paid::lease_end;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{LeaseGranted, Placement};
use conclave_core::placement::{Fleet, GpuSet, Need};
use conclave_core::state::{Pool, Reservation};
use conclave_core::units::{CpuMilli, GpuMilli, MemoryMib, NodeId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// GPU milli by index, CPU and memory of one node.
type Amounts = [i64; 18];

fn amounts(need: &Need, places: &[Placement], node: &NodeId) -> Amounts {
    let mut sum = [0; 18];
    for at in places.iter().filter(|at| at.node == *node) {
        for gpu in &at.gpus {
            sum[usize::try_from(*gpu).expect("an index")] += need.gpu_milli.0;
        }
        sum[16] += need.cpu_milli.0;
        sum[17] += need.memory_mib.0;
    }
    sum
}

fn each(one: &Amounts, other: &Amounts, of: impl Fn(i64, i64) -> i64) -> Amounts {
    std::array::from_fn(|at| of(one[at], other[at]))
}

/// What all leases of a tenant take of a node.
fn used(pool: &Pool, tenant: &TenantId, node: &NodeId) -> Amounts {
    let of_tenant = pool.requests.values().filter(|request| request.ask.tenant == *tenant);
    let leases = of_tenant.filter_map(|request| Some((request.lease()?, &request.ask)));
    leases.fold([0; 18], |sum, (lease, ask)| {
        each(&sum, &amounts(&Need::of(ask), &lease.replicas, node), |a, b| a + b)
    })
}

/// The pool's nodes without what is reserved for others than the tenant of `ask` at any time of its
/// lease, were it granted at `now`, and not used by their leases now.
pub(crate) fn left_for(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Fleet {
    let end = lease_end(pool, ask, now);
    let foreign: Vec<&Reservation> =
        pool.reservations.all().filter(|one| one.reserve.tenant != ask.tenant).collect();
    let nodes: BTreeSet<&NodeId> =
        foreign.iter().flat_map(|one| &one.replicas).map(|at| &at.node).collect();
    let starts = foreign.iter().map(|one| one.reserve.start_ms).filter(|at| at.0 < end);
    let times: BTreeSet<TimeMs> = starts.map(|at| at.max(now)).collect();
    let mut fleet = pool.fleet.clone();
    for node in nodes {
        let index = fleet.index_of(node).expect("nothing is reserved on a node that left");
        let at_time = |time: &TimeMs| {
            let mut of_tenants: BTreeMap<&TenantId, Amounts> = BTreeMap::new();
            for one in &foreign {
                let is_then = one.reserve.start_ms <= *time && *time < one.reserve.end_ms;
                let part = amounts(&one.need(), &one.replicas, node);
                let sum = of_tenants.entry(&one.reserve.tenant).or_insert([0; 18]);
                *sum = each(sum, &part, |a, b| a + if is_then { b } else { 0 });
            }
            of_tenants.into_iter().fold([0; 18], |sum, (tenant, reserved)| {
                let unused = each(&reserved, &used(pool, tenant, node), |a, b| (a - b).max(0));
                each(&sum, &unused, |a, b| a + b)
            })
        };
        let most = times.iter().map(at_time).fold([0; 18], |most, at| each(&most, &at, i64::max));
        take(&mut fleet, index, &most);
    }
    fleet
}

/// Takes as much as is left.
fn take(fleet: &mut Fleet, index: usize, amounts: &Amounts) {
    let node = fleet.node(index);
    let gpus: Vec<i64> = node.gpu_left().iter().map(|left| i64::from(*left)).collect();
    let beside = Need {
        gpu_milli: GpuMilli(0),
        cpu_milli: CpuMilli(amounts[16].min(node.cpu_left().0)),
        memory_mib: MemoryMib(amounts[17].min(node.memory_left().0)),
    };
    fleet.take(index, &beside, GpuSet::NONE);
    for (gpu, left) in gpus.into_iter().enumerate() {
        let gpu_milli = GpuMilli(amounts[gpu].min(left));
        fleet.take(index, &Need { gpu_milli, ..Need::default() }, GpuSet::one(gpu));
    }
}

/// Whether all GPUs of a grant are of what is reserved for its tenant and has started.
pub(crate) fn is_inside(pool: &Pool, granted: &LeaseGranted) -> bool {
    let tenant = &pool.requests[&granted.request].ask.tenant;
    let own = pool.reservations.all();
    let own = own.filter(|one| one.has_started && one.reserve.tenant == *tenant);
    let own: Vec<&Placement> = own.flat_map(|one| &one.replicas).collect();
    let is_own = |node: &NodeId, gpu: &i64| {
        own.iter().any(|place| place.node == *node && place.gpus.contains(gpu))
    };
    let mut replicas = granted.replicas.iter();
    replicas.all(|at| at.gpus.iter().all(|gpu| is_own(&at.node, gpu)))
}
