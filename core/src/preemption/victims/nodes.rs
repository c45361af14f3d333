//! Nodes as they would be without the leases that are chosen to end.

use super::Victim;
use crate::placement::{Fleet, Node, Shape};
use crate::placement::{GpuSet, Need};
use std::collections::{BTreeMap, BTreeSet};

/// What is chosen so far, by node and by tenant.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Victims, by their places among the candidates.
    pub(super) leases: BTreeSet<usize>,
    /// By node, what would be given back there.
    given: BTreeMap<usize, Vec<(Need, GpuSet)>>,
    /// By owner, GPU milli and leases.
    of_owner: BTreeMap<usize, (i64, i64)>,
}

impl Chosen {
    /// Has one more end, which is not chosen yet.
    pub(super) fn add(&mut self, index: usize, victim: &Victim<'_>) {
        assert!(self.leases.insert(index), "a lease ends once");
        let need = Need::of(&victim.request.ask);
        for (node, gpus) in &victim.seats {
            self.given.entry(*node).or_default().push((need, *gpus));
        }
        let (milli, leases) = self.of_owner.entry(victim.tenant).or_default();
        *milli += victim.request.held_gpu_milli().0;
        *leases += 1;
    }

    /// GPU milli and leases of an owner that are chosen.
    pub(super) fn of(&self, owner: usize) -> (i64, i64) {
        self.of_owner.get(&owner).copied().unwrap_or_default()
    }

    /// The nodes that change.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> {
        self.given.keys().copied()
    }

    /// Node `at` of `fleet` as it is then.
    pub(super) fn node(&self, fleet: &Fleet, at: usize) -> Node {
        let given = self.given.get(&at).map_or([].as_slice(), Vec::as_slice);
        fleet.node(at).without(given)
    }
}

/// How many replicas of `shape` a node of `fleet` has room for, if it accepts its model.
pub(super) fn room(fleet: &Fleet, node: &Node, shape: &Shape) -> i64 {
    if shape.accepts(fleet.model_of(node)) { node.replicas_that_fit(shape) } else { 0 }
}

/// Takes a lease's replicas off `node`, which is at `at` in the fleet's order.
pub(super) fn give_back(node: &mut Node, at: usize, victim: &Victim<'_>) {
    let need = Need::of(&victim.request.ask);
    let here = victim.seats.iter().filter(|(node, _)| *node == at);
    here.for_each(|(_, gpus)| node.give_back(&need, *gpus));
}
