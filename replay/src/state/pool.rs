//! One pool as it stood.

use conclave::report::sentence;
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::{RequestAllocation, SetPoolPolicy};
use conclave_core::decision::Placement;
use conclave_core::placement::{Fleet, Node};
use conclave_core::state::{Lease, Pool, Request, Stage, State};
use conclave_core::units::{Offset, PoolId, TimeMs};
use serde::Serialize;

/// One pool. Its counts are of everything, its lists are cut for people.
#[derive(Serialize)]
pub(super) struct PoolState<'a> {
    pub(super) pool: &'a str,
    pub(super) policy: &'a SetPoolPolicy,
    pub(super) gpu_milli_total: i64,
    pub(super) gpu_milli_used: i64,
    /// The same of the nodes that accept work.
    pub(super) gpu_milli_accepting_total: i64,
    pub(super) gpu_milli_accepting_used: i64,
    pub(super) node_count: usize,
    pub(super) draining_count: usize,
    /// Those that were reported unhealthy, draining or not.
    pub(super) unhealthy_count: usize,
    /// Whether the queue is being worked off over several decisions.
    pub(super) is_carried_over: bool,
    /// Command ids that a repeated command would be recognised by.
    pub(super) remembered_ids: usize,
    pub(super) nodes: Vec<NodeState<'a>>,
    pub(super) tenant_count: usize,
    pub(super) tenants: Vec<TenantState<'a>>,
    pub(super) lease_count: usize,
    /// By when they end.
    pub(super) leases: Vec<LeaseState<'a>>,
    pub(super) waiting_count: i64,
    /// In the order in which they would be granted.
    pub(super) queue: Vec<Waiting<'a>>,
    pub(super) deferred_count: i64,
    /// By arrival.
    pub(super) deferred: Vec<Waiting<'a>>,
}

#[derive(Serialize)]
pub(super) struct NodeState<'a> {
    node: &'a str,
    gpu_model: &'a str,
    topology_group: &'a str,
    is_draining: bool,
    is_healthy: bool,
    /// Of each GPU.
    gpu_milli_left: Vec<u16>,
    gpu_milli_total: i64,
    cpu_milli_left: i64,
    memory_mib_left: i64,
}

#[derive(Serialize)]
pub(super) struct TenantState<'a> {
    pub(super) tenant: &'a str,
    pub(super) used_gpu_milli: i64,
    pub(super) guarantee_gpu_milli: i64,
    pub(super) limit_gpu_milli: i64,
    pub(super) rate_per_minute: i64,
}

#[derive(Serialize)]
pub(super) struct LeaseState<'a> {
    pub(super) request: &'a str,
    pub(super) tenant: &'a str,
    pub(super) fencing: i64,
    pub(super) granted_at_ms: i64,
    pub(super) ends_at_ms: i64,
    pub(super) gpu_milli: i64,
    pub(super) gpu_model: &'a str,
    pub(super) replicas: &'a [Placement],
    #[serde(skip)]
    pub(super) places: String,
}

/// A request that does not run, and why.
#[derive(Serialize)]
pub(super) struct Waiting<'a> {
    /// Place in the order, from 1; none when it is deferred.
    pub(super) place: Option<usize>,
    pub(super) request: &'a str,
    pub(super) tenant: &'a str,
    pub(super) priority: i64,
    pub(super) arrival: i64,
    pub(super) arrived_at_ms: i64,
    /// Since when it waits for capacity.
    pub(super) since_ms: Option<i64>,
    pub(super) ask: &'a RequestAllocation,
    /// The exact blocker.
    pub(super) blocked_by: Option<Blocker>,
    /// The same for people.
    pub(super) sentence: String,
}

impl<'a> PoolState<'a> {
    pub(super) fn of(state: &'a State, id: &'a PoolId, rows_max: usize) -> Self {
        let pool = state.pool(id);
        let Pool { policy, fleet, tenants, queue, .. } = pool;
        let (gpus, accepting) = (fleet.gpus(), fleet.gpus_accepting());
        let leases = leases(pool);
        let nodes = fleet.nodes().iter();
        Self {
            pool: &id.0,
            policy,
            gpu_milli_total: gpus.total_milli.0,
            gpu_milli_used: gpus.used_milli.0,
            gpu_milli_accepting_total: accepting.total_milli.0,
            gpu_milli_accepting_used: accepting.used_milli.0,
            node_count: nodes.len(),
            draining_count: nodes.clone().filter(|node| node.is_draining()).count(),
            unhealthy_count: nodes.clone().filter(|node| !node.is_healthy()).count(),
            is_carried_over: state.carried_over.contains(id),
            remembered_ids: pool.duplicates.len(),
            nodes: nodes.take(rows_max).map(|node| NodeState::of(node, fleet)).collect(),
            tenant_count: tenants.len(),
            tenants: tenants.values().take(rows_max).map(TenantState::of).collect(),
            lease_count: leases.len(),
            leases: leases.into_iter().take(rows_max).map(LeaseState::of).collect(),
            waiting_count: queue.len(),
            queue: waiting(state, id, rows_max),
            deferred_count: pool.deferred_count,
            deferred: deferred(state, id, rows_max),
        }
    }
}

fn leases(pool: &Pool) -> Vec<(&Request, &Lease)> {
    let requests = pool.requests.values();
    let mut leases: Vec<_> =
        requests.filter_map(|request| Some((request, request.lease()?))).collect();
    leases.sort_by_key(|(request, lease)| (lease.ends_at_ms, &request.ask.request));
    leases
}

fn waiting<'a>(state: &'a State, id: &'a PoolId, rows_max: usize) -> Vec<Waiting<'a>> {
    let pool = state.pool(id);
    let blockers = Blockers::of(state, id);
    let in_order = pool.in_order(state.time_ms).take(rows_max).enumerate();
    let waiting = in_order.map(|(index, (_, _, waiter))| {
        let request = &pool.requests[&waiter.request];
        Waiting::of(&blockers, state.time_ms, request, Some(index + 1))
    });
    waiting.collect()
}

fn deferred<'a>(state: &'a State, id: &'a PoolId, rows_max: usize) -> Vec<Waiting<'a>> {
    let requests = state.pool(id).requests.values();
    let is_deferred = |request: &&Request| match request.stage {
        Stage::Deferred { .. } | Stage::Due { .. } => true,
        Stage::Admitted | Stage::Waiting { .. } | Stage::Running(_) => false,
    };
    let blockers = Blockers::of(state, id);
    let mut deferred: Vec<&Request> = requests.filter(is_deferred).collect();
    deferred.sort_by_key(|request| request.arrival);
    let shown = deferred.into_iter().take(rows_max);
    shown.map(|request| Waiting::of(&blockers, state.time_ms, request, None)).collect()
}

impl<'a> NodeState<'a> {
    fn of(node: &'a Node, fleet: &'a Fleet) -> Self {
        Self {
            node: &node.id().0,
            gpu_model: &fleet.model_of(node).0,
            topology_group: node.topology_group(),
            is_draining: node.is_draining(),
            is_healthy: node.is_healthy(),
            gpu_milli_left: node.gpu_left().to_vec(),
            gpu_milli_total: node.gpu_milli_total(),
            cpu_milli_left: node.cpu_left().0,
            memory_mib_left: node.memory_left().0,
        }
    }
}

impl<'a> TenantState<'a> {
    fn of(tenant: &'a conclave_core::state::Tenant) -> Self {
        Self {
            tenant: &tenant.quota.tenant.0,
            used_gpu_milli: tenant.used_gpu_milli.0,
            guarantee_gpu_milli: tenant.quota.guarantee_gpu_milli.0,
            limit_gpu_milli: tenant.quota.limit_gpu_milli.0,
            rate_per_minute: tenant.quota.rate_per_minute,
        }
    }
}

impl<'a> LeaseState<'a> {
    fn of((request, lease): (&'a Request, &'a Lease)) -> Self {
        Self {
            request: &request.ask.request.0,
            tenant: &request.ask.tenant.0,
            fencing: lease.fencing.0,
            granted_at_ms: lease.granted_at_ms.0,
            ends_at_ms: lease.ends_at_ms.0,
            gpu_milli: request.held_gpu_milli().0,
            gpu_model: &lease.gpu_model.0,
            replicas: &lease.replicas,
            places: sentence::places(&lease.replicas, &lease.gpu_model),
        }
    }
}

impl<'a> Waiting<'a> {
    fn of(
        blockers: &Blockers<'_>,
        now: TimeMs,
        request: &'a Request,
        place: Option<usize>,
    ) -> Self {
        let blocked_by = blockers.blocker(request);
        let sentence = blocked_by.as_ref().map(|blocker| sentence::blocker(blocker, now));
        let Offset(arrival) = request.arrival;
        Self {
            place,
            request: &request.ask.request.0,
            tenant: &request.ask.tenant.0,
            priority: request.ask.priority,
            arrival,
            arrived_at_ms: request.arrived_at_ms.0,
            since_ms: match request.stage {
                Stage::Waiting { since_ms } => Some(since_ms.0),
                Stage::Admitted
                | Stage::Deferred { .. }
                | Stage::Due { .. }
                | Stage::Running(_) => None,
            },
            ask: &request.ask,
            blocked_by,
            sentence: sentence.unwrap_or_default(),
        }
    }
}
