//! Room for a gang while leases end one by one.

use super::fleet::Fleet;
use super::gang::Gang;
use super::hold::Part;
use super::shape::{GpuSet, Need};
use crate::command::{RequestAllocation, Topology};
use crate::decision::Placement;
use crate::queue::preferences;
use std::collections::BTreeMap;

/// What is given back of each node, by its place in the fleet's order.
type Given = BTreeMap<usize, Vec<(Need, GpuSet)>>;

/// How many replicas of a request fit, on each set of models that it would be placed on, after some
/// leases gave back what they hold. The fleet stays as it is.
#[derive(Debug)]
pub(crate) struct Rooms<'f> {
    fleet: &'f Fleet,
    given: Given,
    rooms: Vec<Room<'f>>,
}

/// The room for one gang.
#[derive(Debug)]
struct Room<'f> {
    gang: Gang,
    /// On all nodes together, or on the one with most.
    replicas: i64,
    /// In each topology group.
    by_group: BTreeMap<&'f str, i64>,
}

impl<'f> Rooms<'f> {
    /// The room for `ask` as the fleet stands.
    pub(crate) fn of(fleet: &'f Fleet, ask: &RequestAllocation) -> Self {
        let rooms = preferences(ask).map(|models| Room::of(fleet, Gang::of(ask, models)));
        Self { fleet, given: Given::new(), rooms: rooms.collect() }
    }

    /// A lease on `ask` gives back all that it holds.
    pub(crate) fn give_back(&mut self, ask: &RequestAllocation, places: &[Placement]) {
        for at in places {
            let index = self.fleet.index_of(&at.node).expect("a lease sits on a known node");
            let given = self.given.entry(index).or_default();
            let before: Vec<i64> =
                self.rooms.iter().map(|room| room.on_node(self.fleet, index, given)).collect();
            given.push((Need::of(ask), GpuSet::of(&at.gpus)));
            for (room, before) in self.rooms.iter_mut().zip(before) {
                room.note(self.fleet, index, given, before);
            }
        }
    }

    /// Whether one of the gangs fits.
    pub(crate) fn hold(&self) -> bool {
        self.rooms.iter().any(Room::holds)
    }

    /// The same without some parts of nodes, as far as they are left.
    pub(crate) fn hold_beside(&self, kept: &BTreeMap<usize, Part>) -> bool {
        let mut fleet = self.fleet.clone();
        for (index, given) in &self.given {
            given.iter().for_each(|(need, gpus)| fleet.give_back(*index, need, *gpus));
        }
        kept.iter().for_each(|(index, part)| {
            fleet.hold(*index, part);
        });
        self.rooms.iter().any(|room| fleet.can_hold(&room.gang))
    }
}

impl<'f> Room<'f> {
    fn of(fleet: &'f Fleet, gang: Gang) -> Self {
        let mut room = Self { replicas: 0, by_group: BTreeMap::new(), gang };
        for (index, node) in fleet.nodes().iter().enumerate() {
            let fit = room.on_node(fleet, index, &[]);
            room.add(node.topology_group(), fit, fit);
        }
        room
    }

    fn on_node(&self, fleet: &Fleet, index: usize, given: &[(Need, GpuSet)]) -> i64 {
        let node = fleet.node(index);
        let is_wanted = self.gang.shape().accepts(fleet.model_of(node));
        if is_wanted { node.without(given).replicas_that_fit(self.gang.shape()) } else { 0 }
    }

    /// A node, which had room for `before` replicas, has given back more.
    fn note(&mut self, fleet: &'f Fleet, index: usize, given: &[(Need, GpuSet)], before: i64) {
        let fit = self.on_node(fleet, index, given);
        self.add(fleet.node(index).topology_group(), fit, fit - before);
    }

    /// A node of `group` has room for `fit` replicas, so many more than before.
    fn add(&mut self, group: &'f str, fit: i64, more: i64) {
        match self.gang.topology() {
            Topology::None => self.replicas = self.replicas.saturating_add(more),
            Topology::SameNode => self.replicas = self.replicas.max(fit),
            Topology::SameGroup if group.is_empty() => {}
            Topology::SameGroup => {
                let in_group = self.by_group.entry(group).or_insert(0);
                *in_group = in_group.saturating_add(more);
            }
        }
    }

    fn holds(&self) -> bool {
        let most = self.by_group.values().copied().max().unwrap_or(0);
        self.replicas.max(most) >= self.gang.replicas()
    }
}
