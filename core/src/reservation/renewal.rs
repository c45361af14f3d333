//! Whether a lease may run on beside what is reserved, and whether all that is reserved is there.

use crate::placement::{GpuSet, Need, Part};
use crate::state::{Pool, Request, Reservation};
use crate::units::{NodeId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

impl Pool {
    /// The first reservation that would not have its room if the lease of `request` ran until
    /// `until`: one that starts after the lease's present end.
    pub(crate) fn runs_into(&self, request: &Request, until: TimeMs) -> Option<&Reservation> {
        let lease = request.lease().expect("what is renewed runs");
        let starts_then = |one: &&Reservation| {
            let start_ms = one.reserve.start_ms;
            lease.ends_at_ms <= start_ms && start_ms < until
        };
        let mut later: Vec<_> = self.reservations.all().filter(starts_then).collect();
        later.sort_by_key(|one| (one.reserve.start_ms, &one.reserve.reservation));
        let nodes: BTreeSet<&NodeId> = lease.replicas.iter().map(|at| &at.node).collect();
        let is_in_its_way = |one: &&Reservation| {
            let at_ms = one.reserve.start_ms;
            let mut shared = one.replicas.iter().map(|at| &at.node).filter(|at| nodes.contains(at));
            shared.any(|node| !self.has_room_at(node, at_ms, Some(&request.ask.request)))
        };
        later.into_iter().find(is_in_its_way)
    }

    /// Whether a node has room at a time for what runs by then, and for what of each tenant's
    /// reservations its own leases do not use. `extended` runs whenever its lease ends. Only nodes
    /// of which something is reserved may be asked about.
    pub(crate) fn has_room_at(
        &self,
        node: &NodeId,
        at_ms: TimeMs,
        extended: Option<&RequestId>,
    ) -> bool {
        let mut reserved: BTreeMap<&TenantId, Part> = BTreeMap::new();
        for one in self.reservations.all() {
            let is_then = one.reserve.start_ms <= at_ms && at_ms < one.reserve.end_ms;
            for at in one.replicas.iter().filter(|at| is_then && at.node == *node) {
                let part = Part::of(&one.need(), GpuSet::of(&at.gpus));
                let of_tenant = reserved.entry(&one.reserve.tenant).or_default();
                *of_tenant = of_tenant.plus(&part);
            }
        }
        let mut used: BTreeMap<&TenantId, Part> = BTreeMap::new();
        for id in self.reservations.nodes().get(node).into_iter().flatten() {
            let request = &self.requests[id];
            let lease = request.lease().expect("whoever sits on a node runs");
            if lease.ends_at_ms <= at_ms && extended != Some(id) {
                continue;
            }
            for at in lease.replicas.iter().filter(|at| at.node == *node) {
                let part = Part::of(&Need::of(&request.ask), GpuSet::of(&at.gpus));
                let of_tenant = used.entry(&request.ask.tenant).or_default();
                *of_tenant = of_tenant.plus(&part);
            }
        }
        let tenants: BTreeSet<_> = reserved.keys().chain(used.keys()).copied().collect();
        let nothing = Part::default();
        let most = tenants.into_iter().map(|tenant| {
            let (reserved, used) = (reserved.get(tenant), used.get(tenant));
            reserved.unwrap_or(&nothing).or_more(used.unwrap_or(&nothing))
        });
        let all = most.fold(Part::default(), |sum, part| sum.plus(&part));
        all.beyond(&Part::all_of(self.fleet.node(self.known_node(node)))).is_nothing()
    }
}
