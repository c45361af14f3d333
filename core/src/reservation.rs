//! What reservations keep free: of which nodes, for whom, and when.
//!
//! At every moment a node has room for all leases that run by then, and for whatever of each
//! tenant's reservations its own leases on that node do not use. So a lease of somebody else may
//! stand where a reservation will be as long as it ends before, and a reservation can be used in
//! full from its start. What a lease uses is counted from now to its end, though others may end
//! before: that is never too little.

mod inside;
mod renewal;
mod search;

use crate::blocker::{fits_now, gangs_of};
use crate::command::RequestAllocation;
use crate::placement::{Fleet, GpuSet, Need, Part};
use crate::quota::{Demand, QuotaBlock, may_grant};
use crate::state::{Pool, Request, Reservation};
use crate::units::{NodeId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// Parts of nodes, by their places in the fleet's order.
pub(crate) type Parts = BTreeMap<usize, Part>;

impl Pool {
    /// What has to be left free of each node for the reservations, other than `but`'s, that have
    /// some time in `span`: at the moment when it is most. What their tenants' leases use that end
    /// after `own_from` is taken off.
    fn parts_held(
        &self,
        but: Option<&TenantId>,
        span: (TimeMs, TimeMs),
        own_from: TimeMs,
    ) -> Parts {
        let is_held = |one: &&Reservation| {
            one.overlaps(span) && but.is_none_or(|but| one.reserve.tenant != *but)
        };
        let mut by_node: BTreeMap<&NodeId, Vec<(&Reservation, Part)>> = BTreeMap::new();
        for one in self.reservations.all().filter(is_held) {
            let need = one.need();
            for at in &one.replicas {
                let part = Part::of(&need, GpuSet::of(&at.gpus));
                by_node.entry(&at.node).or_default().push((one, part));
            }
        }
        let most = |(node, held): (&NodeId, Vec<(&Reservation, Part)>)| {
            let tenants: BTreeSet<_> = held.iter().map(|(one, _)| &one.reserve.tenant).collect();
            let own = |tenant| (tenant, self.used_on(node, tenant, own_from, None));
            let own: BTreeMap<&TenantId, Part> = tenants.into_iter().map(own).collect();
            let times = held.iter().map(|(one, _)| one.reserve.start_ms.max(span.0));
            let times: BTreeSet<TimeMs> = times.collect();
            let peak = times.into_iter().fold(Part::default(), |peak, at| {
                let of = |tenant: &TenantId| reserved_at(&held, tenant, at).beyond(&own[tenant]);
                let sum = own.keys().map(|tenant| of(tenant));
                peak.or_more(&sum.fold(Part::default(), |sum, part| sum.plus(&part)))
            });
            (self.known_node(node), peak)
        };
        let parts = by_node.into_iter().map(most);
        parts.filter(|(_, part)| !part.is_nothing()).collect()
    }

    /// What the reservations of others than `tenant` keep during `span`, which begins at `from`.
    pub(crate) fn parts_kept(
        &self,
        tenant: &TenantId,
        span: (TimeMs, TimeMs),
        from: TimeMs,
    ) -> Parts {
        if self.reservations.is_empty() {
            return Parts::new();
        }
        self.parts_held(Some(tenant), span, from)
    }

    /// What the reservations of others keep from a lease on `ask` that is granted at `now`.
    pub(crate) fn parts_kept_from(&self, ask: &RequestAllocation, now: TimeMs) -> Parts {
        self.parts_kept(&ask.tenant, (now, self.lease_end(ask, now)), now)
    }

    /// Whether something is reserved for `tenant` now.
    pub(crate) fn has_active_reservation(&self, tenant: &TenantId) -> bool {
        self.reservations.active_of(tenant).next().is_some()
    }

    /// Nodes of which something is kept from a lease on `ask` that starts within `starts`.
    pub(crate) fn nodes_kept_from(
        &self,
        ask: &RequestAllocation,
        starts: (TimeMs, TimeMs),
    ) -> BTreeSet<usize> {
        let span = (starts.0, starts.1.plus(self.lease_length(ask)));
        let foreign = self.reservations.foreign(&ask.tenant, span);
        let nodes = foreign.flat_map(|one| &one.replicas).map(|at| self.known_node(&at.node));
        nodes.collect()
    }

    /// What the leases of `tenant` take of a node that end after `from`, that of `extended`
    /// whenever it ends. Only nodes of which something is reserved may be asked about.
    fn used_on(
        &self,
        node: &NodeId,
        tenant: &TenantId,
        from: TimeMs,
        extended: Option<&RequestId>,
    ) -> Part {
        let sitting = self.reservations.nodes().get(node).into_iter().flatten();
        let requests = sitting.map(|id| &self.requests[id]);
        let mut used = Part::default();
        for request in requests.filter(|request| request.ask.tenant == *tenant) {
            let lease = request.lease().expect("whoever sits on a node runs");
            if lease.ends_at_ms <= from && extended != Some(&request.ask.request) {
                continue;
            }
            for at in lease.replicas.iter().filter(|at| at.node == *node) {
                used = used.plus(&Part::of(&Need::of(&request.ask), GpuSet::of(&at.gpus)));
            }
        }
        used
    }

    fn known_node(&self, node: &NodeId) -> usize {
        let index = self.fleet.index_of(node);
        index.unwrap_or_else(|| panic!("a reservation is on unknown node {node}"))
    }

    /// Whether the nodes have room for all of `ask` now, beside what is reserved for others.
    pub(crate) fn fits_beside_reservations(&self, ask: &RequestAllocation, now: TimeMs) -> bool {
        if !fits_now(self, ask, now) {
            return false;
        }
        let kept = self.parts_kept_from(ask, now);
        if kept.is_empty() || self.is_place_inside(ask, now) {
            return true;
        }
        let mut fleet = self.fleet.clone();
        kept.iter().for_each(|(index, part)| {
            fleet.hold(*index, part);
        });
        gangs_of(self, ask, now).iter().any(|gang| fleet.can_hold(gang))
    }

    /// The reservation of somebody else that keeps from `ask` what is free now: of those that do,
    /// the one that starts first.
    pub(crate) fn reserved_for_others<'a>(
        &'a self,
        ask: &'a RequestAllocation,
        now: TimeMs,
    ) -> Option<&'a Reservation> {
        let span = (now, self.lease_end(ask, now));
        let is_wanted = |one: &&Reservation| {
            let models = one.replicas.iter().map(|at| self.fleet.node(self.known_node(&at.node)));
            let mut models = models.map(|node| self.fleet.model_of(node));
            let is_any = ask.gpu_count == 0 || ask.gpu_models.is_empty();
            is_any || models.any(|model| ask.gpu_models.contains(model))
        };
        let foreign = self.reservations.foreign(&ask.tenant, span).filter(is_wanted);
        foreign.min_by_key(|one| (one.reserve.start_ms, &one.reserve.reservation))
    }

    /// Whether quotas let `request` start: what a reservation of its tenant covers needs no
    /// guarantee.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) fn may_start(&self, request: &Request, now: TimeMs) -> Result<(), QuotaBlock> {
        match may_grant(self, &Demand::of(request)) {
            Err(QuotaBlock::Limit { of, used, limit }) => {
                Err(QuotaBlock::Limit { of, used, limit })
            }
            Err(_) if self.is_place_inside(&request.ask, now) => Ok(()),
            may => may,
        }
    }
}

/// Keeps parts of a fleet out of reach; returns what has to be let go.
pub(crate) fn hold_all(fleet: &mut Fleet, parts: &Parts) -> Parts {
    parts.iter().map(|(index, part)| (*index, fleet.hold(*index, part))).collect()
}

/// Lets go what [`hold_all`] held.
pub(crate) fn let_go_all(fleet: &mut Fleet, held: &Parts) {
    held.iter().for_each(|(index, part)| fleet.let_go(*index, part));
}

/// What is reserved for a tenant at a time.
fn reserved_at(held: &[(&Reservation, Part)], tenant: &TenantId, at: TimeMs) -> Part {
    let is_so = |one: &Reservation| {
        one.reserve.tenant == *tenant && one.reserve.start_ms <= at && at < one.reserve.end_ms
    };
    let parts = held.iter().filter(|(one, _)| is_so(one));
    parts.fold(Part::default(), |sum, (_, part)| sum.plus(part))
}
