//! What a pool keeps about reservations.

use super::Requests;
use crate::command::Reserve;
use crate::decision::Placement;
use crate::placement::Need;
use crate::units::{GpuMilli, GpuModel, NodeId, RequestId, ReservationId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The reservations of a pool that are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservations {
    by_id: BTreeMap<ReservationId, Reservation>,
    /// By node of which one of them keeps a part free, the live leases with a replica there.
    sitting: BTreeMap<NodeId, BTreeSet<RequestId>>,
}

/// Room that is kept free for a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// What was asked.
    pub reserve: Reserve,
    /// Model of its GPUs; empty for CPU only, or when replicas are on different models.
    pub gpu_model: GpuModel,
    /// Where each replica is, in replica order.
    pub replicas: Vec<Placement>,
    /// Whether its time has come.
    pub has_started: bool,
}

impl Reservation {
    /// What one replica takes from its node.
    #[must_use]
    pub fn need(&self) -> Need {
        let Reserve { gpu_milli, cpu_milli, memory_mib, .. } = self.reserve;
        Need { gpu_milli, cpu_milli, memory_mib }
    }

    /// Its GPUs.
    #[must_use]
    pub fn gpu_milli(&self) -> GpuMilli {
        self.reserve.gpu_milli_total()
    }

    /// Whether some of its time lies from `from` on and before `until`.
    #[must_use]
    pub fn overlaps(&self, (from, until): (TimeMs, TimeMs)) -> bool {
        self.reserve.start_ms < until && from < self.reserve.end_ms
    }
}

impl Reserve {
    /// GPUs of all replicas.
    #[must_use]
    pub fn gpu_milli_total(&self) -> GpuMilli {
        GpuMilli(self.replicas * self.gpu_count * self.gpu_milli.0)
    }
}

impl Reservations {
    /// Whether there is none: then nothing is asked about them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Reservation> {
        self.by_id.values()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, id: &ReservationId) -> Option<&Reservation> {
        self.by_id.get(id)
    }

    /// Those of others than `tenant` with some time in a span.
    pub(crate) fn foreign<'a>(
        &'a self,
        tenant: &'a TenantId,
        span: (TimeMs, TimeMs),
    ) -> impl Iterator<Item = &'a Reservation> {
        self.all().filter(move |one| one.reserve.tenant != *tenant && one.overlaps(span))
    }

    /// Those of `tenant` whose time it is.
    pub(crate) fn active_of<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> impl Iterator<Item = &'a Reservation> {
        self.all().filter(move |one| one.has_started && one.reserve.tenant == *tenant)
    }

    /// The nodes of which a part is kept free, each with the leases that sit there.
    pub(crate) fn nodes(&self) -> &BTreeMap<NodeId, BTreeSet<RequestId>> {
        &self.sitting
    }

    /// The first that keeps a part of `node` free.
    pub(crate) fn on_node(&self, node: &NodeId) -> Option<&Reservation> {
        self.sitting.get(node)?;
        self.all().find(|one| one.replicas.iter().any(|at| at.node == *node))
    }

    /// Adds one. `requests` are the live ones of the pool.
    pub(crate) fn add(&mut self, reservation: Reservation, requests: &Requests) {
        let nodes: BTreeSet<&NodeId> = reservation.replicas.iter().map(|at| &at.node).collect();
        let new = nodes.into_iter().filter(|node| !self.sitting.contains_key(*node));
        let mut new: BTreeMap<NodeId, BTreeSet<RequestId>> =
            new.map(|node| (node.clone(), BTreeSet::new())).collect();
        for (id, request) in requests.iter() {
            for at in request.lease().map_or([].as_slice(), |lease| &lease.replicas) {
                if let Some(sitting) = new.get_mut(&at.node) {
                    sitting.insert(id.clone());
                }
            }
        }
        self.sitting.append(&mut new);
        let id = reservation.reserve.reservation.clone();
        let before = self.by_id.insert(id, reservation);
        assert!(before.is_none(), "two reservations of one name");
    }

    /// Its time has come.
    pub(crate) fn start(&mut self, id: &ReservationId) -> &Reservation {
        let found = self.by_id.get_mut(id).expect("a reservation starts once and is there");
        found.has_started = true;
        found
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, id: &ReservationId) -> Reservation {
        let removed = self.by_id.remove(id).expect("a reservation ends once and is there");
        let nodes = self.by_id.values().flat_map(|one| &one.replicas).map(|at| &at.node);
        let left: BTreeSet<&NodeId> = nodes.collect();
        self.sitting.retain(|node, _| left.contains(node));
        removed
    }

    /// A lease got these places.
    pub(crate) fn sit_down(&mut self, request: &RequestId, places: &[Placement]) {
        if self.sitting.is_empty() {
            return;
        }
        for at in places {
            if let Some(sitting) = self.sitting.get_mut(&at.node) {
                sitting.insert(request.clone());
            }
        }
    }

    /// A lease gave back `places`, and kept `others`.
    pub(crate) fn stand_up(
        &mut self,
        request: &RequestId,
        places: &[Placement],
        others: &[Placement],
    ) {
        if self.sitting.is_empty() {
            return;
        }
        for at in places.iter().filter(|at| others.iter().all(|other| other.node != at.node)) {
            if let Some(sitting) = self.sitting.get_mut(&at.node) {
                sitting.remove(request);
            }
        }
    }
}
