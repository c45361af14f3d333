//! Places in what is reserved for a tenant: its requests go there first.

use super::Parts;
use crate::command::{PlacementPolicy, RequestAllocation};
use crate::decision::Placement;
use crate::placement::{GpuSet, Part, Placer};
use crate::queue::place_gang;
use crate::state::Pool;
use crate::units::{GpuModel, TimeMs};

impl Pool {
    /// Whether all of `ask` has a place in what is reserved for its tenant now.
    pub(crate) fn is_place_inside(&self, ask: &RequestAllocation, now: TimeMs) -> bool {
        if self.reservations.is_empty() {
            return false;
        }
        let paid = self.affordable(ask, now);
        paid.is_some_and(|paid| self.place_inside(&paid, now).is_some())
    }

    /// Where `ask`, as it can be paid for, goes in what is reserved for its tenant now, on the
    /// nodes with least of that left.
    pub(crate) fn place_inside(
        &self,
        ask: &RequestAllocation,
        now: TimeMs,
    ) -> Option<(GpuModel, Vec<Placement>)> {
        if self.reservations.is_empty() {
            return None;
        }
        let parts = self.parts_inside(ask, now);
        if parts.is_empty() {
            return None;
        }
        let mut fleet = self.fleet.of_parts(&parts);
        place_gang(&mut fleet, &mut Placer::new(PlacementPolicy::BestFit, &[]), ask)
    }

    /// What a tenant's reservations keep free for it and its leases do not use, as far as the
    /// reservations of others leave it to a lease on `ask`. Whoever reserved no CPU or no memory
    /// takes what is there.
    fn parts_inside(&self, ask: &RequestAllocation, now: TimeMs) -> Parts {
        let mut inside = Parts::new();
        for one in self.reservations.active_of(&ask.tenant) {
            let need = one.need();
            for at in &one.replicas {
                let part = Part::of(&need, GpuSet::of(&at.gpus));
                let of_node = inside.entry(self.known_node(&at.node)).or_default();
                *of_node = of_node.plus(&part);
            }
        }
        if inside.is_empty() {
            return inside;
        }
        let kept = self.parts_kept_from(ask, now);
        for (index, part) in &mut inside {
            let node = self.fleet.node(*index);
            let own = self.used_on(node.id(), &ask.tenant, now, None);
            let nothing = Part::default();
            let left = Part::left_of(node).beyond(kept.get(index).unwrap_or(&nothing));
            *part = part.or_any_beside_gpus().beyond(&own).at_most(&left);
        }
        inside
    }
}
