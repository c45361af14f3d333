//! Requests and leases: what may follow what, and who holds how much.

use super::node::Need;
use super::request::{LeaseBook, RequestBook, Stage};
use super::{Entry, PoolBook};
use conclave_core::command::Topology;
use conclave_core::decision::{
    LeaseEnd, LeaseEnded, LeaseGranted, LeaseRenewed, LeaseShrunk, Placement, RequestAdmitted,
    RequestEnd, RequestEnded,
};
use conclave_core::units::{GpuModel, NodeId, RequestId, TenantId};

impl PoolBook {
    pub(super) fn admit(&mut self, event: &RequestAdmitted, entry: &mut Entry<'_>) {
        let ask = &event.request;
        let (id, tenant) = (&ask.request, &ask.tenant);
        if !self.tenants.contains_key(tenant) {
            entry.cause(format!("'{id}' is admitted for '{tenant}', which has no quota"));
        }
        // What is held under this name stays held: only its end gives it back.
        match self.requests.get(id) {
            Some(before) => {
                let stands = before.stage.said();
                entry.cause(format!("'{id}' is admitted, and a request of this name {stands}"));
            }
            None => {
                self.requests.insert(id.clone(), RequestBook::new(ask));
            }
        }
    }

    /// Moves a request that does not run to `stage`.
    pub(super) fn move_on(
        &mut self,
        id: &RequestId,
        stage: Stage,
        happens: &str,
        entry: &mut Entry<'_>,
    ) {
        let Some(request) = self.requests.get_mut(id) else {
            entry.cause(format!("'{id}' is {happens}, and nobody asked for it"));
            return;
        };
        let may_follow = match (&request.stage, &stage) {
            (Stage::Running(_), _) => false,
            (Stage::Deferred(until), Stage::Due) => *until <= entry.now || entry.is_appealed,
            (_, Stage::Due) => false,
            _ => true,
        };
        if may_follow {
            request.stage = stage;
        } else {
            let stands = request.stage.said();
            entry.cause(format!("'{id}' is {happens}, and {stands}"));
        }
    }

    pub(super) fn end(&mut self, event: &RequestEnded, entry: &mut Entry<'_>) {
        let id = &event.request;
        let Some(request) = self.requests.get(id) else {
            entry.cause(format!("'{id}' ends, and nobody asked for it"));
            return;
        };
        if matches!(request.stage, Stage::Running(_)) {
            entry.cause(format!("'{id}' ends without a lease, and runs"));
            return;
        }
        let has_passed = request.deadline_ms.is_some_and(|deadline| deadline <= entry.now);
        if event.reason == RequestEnd::DeadlinePassed && !has_passed {
            entry.cause(format!("'{id}' ends for its deadline, which has not passed"));
        }
        self.requests.remove(id);
    }

    pub(super) fn grant(&mut self, event: &LeaseGranted, entry: &mut Entry<'_>) {
        let LeaseGranted { pool: _, request: id, fencing, ends_at_ms, gpu_model, replicas } = event;
        if *fencing != entry.offset {
            entry.cause(format!("'{id}' is granted with fencing number {fencing}, not its own"));
        }
        let Some(request) = self.requests.get_mut(id) else {
            entry.cause(format!("'{id}' is granted, and nobody asked for it"));
            return;
        };
        match request.stage {
            Stage::Waiting => {}
            Stage::Running(_) => {
                entry.capacity(format!("'{id}' is granted, and holds a lease"));
                return;
            }
            Stage::Admitted | Stage::Deferred(_) | Stage::Due => {
                let stands = request.stage.said();
                entry.cause(format!("'{id}' is granted, and {stands}"));
            }
        }
        if *ends_at_ms < entry.now {
            entry.cause(format!("'{id}' is granted until {ends_at_ms}, which is over"));
        }
        if i64::try_from(replicas.len()) != Ok(request.replicas) {
            let (count, asked) = (replicas.len(), request.replicas);
            entry.capacity(format!("{count} of {asked} replicas of '{id}' are granted"));
        }
        let (fencing, ends_at_ms) = (*fencing, *ends_at_ms);
        let (need, tenant, topology) = (request.need, request.tenant.clone(), request.topology);
        // It may be granted again, after it made room for another.
        let models = request.gpu_models.clone();
        let (replicas_at, makes_room_for) = (replicas.clone(), None);
        let lease = LeaseBook { fencing, ends_at_ms, replicas: replicas_at, makes_room_for };
        request.stage = Stage::Running(lease);
        self.place(id, &need, replicas, entry);
        self.check_models(id, (&models, gpu_model), &need, replicas, entry);
        self.check_topology(id, topology, replicas, entry);
        self.use_quota(id, &tenant, held(&need, replicas.len()), entry);
    }

    fn place(&mut self, id: &RequestId, need: &Need, at: &[Placement], entry: &mut Entry<'_>) {
        for Placement { node: name, gpus } in at {
            let Some(node) = self.nodes.get_mut(name) else {
                entry.capacity(format!("'{id}' is placed on node '{name}', which is not there"));
                continue;
            };
            if node.is_draining || node.is_broken {
                let why = if node.is_broken { "is broken" } else { "drains" };
                entry.capacity(format!("'{id}' is placed on node '{name}', which {why}"));
            }
            for lack in node.take(need, gpus) {
                entry.capacity(format!("node '{name}' cannot hold '{id}': {lack}"));
            }
        }
    }

    fn check_models(
        &self,
        id: &RequestId,
        (wanted, said): (&[GpuModel], &GpuModel),
        need: &Need,
        at: &[Placement],
        entry: &mut Entry<'_>,
    ) {
        if need.gpu_count == 0 {
            return;
        }
        let nodes = at.iter().filter_map(|replica| self.nodes.get(&replica.node));
        let models: Vec<_> = nodes.map(|node| &node.gpu_model).collect();
        let other = models.iter().find(|model| !wanted.is_empty() && !wanted.contains(model));
        if let Some(model) = other {
            entry
                .capacity(format!("'{id}' gets GPUs of model '{model}', which it did not ask for"));
        }
        if !said.0.is_empty() && models.iter().any(|model| *model != said) {
            entry.capacity(format!("'{id}' is said to get '{said}', and its nodes have another"));
        }
    }

    /// One replica alone is near itself wherever it sits.
    fn check_topology(
        &self,
        id: &RequestId,
        wish: Topology,
        at: &[Placement],
        entry: &mut Entry<'_>,
    ) {
        let mut nodes: Vec<_> = at.iter().map(|replica| &replica.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let group = |name: &NodeId| self.nodes.get(name).map(|node| node.topology_group.as_str());
        let place = match wish {
            Topology::SameNode if nodes.len() > 1 => "on one node",
            Topology::SameGroup if at.len() > 1 => {
                let first = group(nodes[0]);
                let is_one = nodes.iter().all(|node| group(node) == first);
                if is_one && first != Some("") {
                    return;
                }
                "in one topology group"
            }
            Topology::SameNode | Topology::SameGroup | Topology::None => return,
        };
        let nodes: Vec<&str> = nodes.into_iter().map(|node| &*node.0).collect();
        let sentence = format!("'{id}' wants to sit {place}, and gets nodes {}", nodes.join(", "));
        entry.capacity(sentence);
    }

    fn use_quota(&mut self, id: &RequestId, tenant: &TenantId, milli: i64, entry: &mut Entry<'_>) {
        for name in self.path(tenant) {
            let Some(book) = self.tenants.get_mut(&name) else { continue };
            book.used_gpu_milli = book.used_gpu_milli.saturating_add(milli);
            let (used, limit) = (book.used_gpu_milli, book.limit_gpu_milli);
            if milli > 0 && used > limit {
                entry.capacity(format!(
                    "'{id}' makes '{name}' hold {used} GPU milli, over its limit of {limit}"
                ));
            }
        }
    }

    pub(super) fn renew(&mut self, event: &LeaseRenewed, entry: &mut Entry<'_>) {
        let LeaseRenewed { pool: _, request: id, fencing, ends_at_ms } = event;
        if let Some(lease) = self.lease(id, "renewed", entry) {
            let ended = lease.ends_at_ms;
            (lease.fencing, lease.ends_at_ms) = (*fencing, *ends_at_ms);
            if ended <= entry.now {
                entry.cause(format!("'{id}' is renewed, and its lease was over at {ended}"));
            }
            if *fencing != entry.offset {
                entry.cause(format!("'{id}' gets fencing number {fencing}, not its decision's"));
            }
        }
    }

    pub(super) fn shrink(&mut self, event: &LeaseShrunk, entry: &mut Entry<'_>) {
        let LeaseShrunk { pool: _, request: id, fencing, replicas: keep } = event;
        let Some(lease) = self.lease(id, "shrunk", entry) else { return };
        lease.fencing = *fencing;
        let had = lease.replicas.len();
        let keep = usize::try_from(*keep).unwrap_or(0);
        let freed = lease.replicas.split_off(keep.min(had));
        if keep == 0 || keep >= had {
            entry.cause(format!("'{id}' shrinks from {had} replicas to {keep}"));
        }
        if *fencing != entry.offset {
            entry.cause(format!("'{id}' gets fencing number {fencing}, not its decision's"));
        }
        self.free(id, &freed, entry);
    }

    pub(super) fn end_lease(&mut self, event: &LeaseEnded, entry: &mut Entry<'_>) {
        let (id, reason) = (&event.request, event.reason);
        let Some(lease) = self.lease(id, "given back", entry) else { return };
        let (ends_at_ms, replicas) = (lease.ends_at_ms, std::mem::take(&mut lease.replicas));
        if reason == LeaseEnd::Expired && entry.now < ends_at_ms {
            entry.cause(format!("the lease of '{id}' expires before its end at {ends_at_ms}"));
        }
        self.free(id, &replicas, entry);
        self.requests.remove(id);
    }

    pub(super) fn free(&mut self, id: &RequestId, replicas: &[Placement], entry: &mut Entry<'_>) {
        let Some(request) = self.requests.get(id) else { return };
        let (need, tenant) = (request.need, request.tenant.clone());
        for Placement { node, gpus } in replicas {
            if let Some(node) = self.nodes.get_mut(node) {
                node.give_back(&need, gpus);
            }
        }
        self.use_quota(id, &tenant, -held(&need, replicas.len()), entry);
    }

    fn lease(
        &mut self,
        id: &RequestId,
        happens: &str,
        entry: &mut Entry<'_>,
    ) -> Option<&mut LeaseBook> {
        let lease = self.requests.get_mut(id).and_then(RequestBook::lease);
        if lease.is_none() {
            entry.cause(format!("the lease of '{id}' is {happens}, and there is none"));
        }
        lease
    }
}

fn held(need: &Need, replicas: usize) -> i64 {
    need.total_gpu_milli().saturating_mul(i64::try_from(replicas).unwrap_or(i64::MAX))
}
