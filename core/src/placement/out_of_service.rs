//! What the nodes that take no new work would add, if they took it.

use super::fleet::Fleet;
use super::node::NodeClass;
use super::shape::Shape;
use std::collections::BTreeMap;

/// The nodes of a fleet that take no new work, and the room of all nodes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfService {
    /// Nodes that drain, healthy or not.
    pub draining_nodes: i64,
    /// Nodes that were reported unhealthy and do not drain.
    pub unhealthy_nodes: i64,
    /// How many nodes there are of each class.
    classes: BTreeMap<NodeClass, i64>,
}

impl OutOfService {
    /// What it is of `fleet`; none when every node accepts work.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Option<Self> {
        let (mut draining_nodes, mut unhealthy_nodes) = (0, 0);
        let mut classes = BTreeMap::new();
        for node in fleet.nodes() {
            draining_nodes += i64::from(node.is_draining());
            unhealthy_nodes += i64::from(!node.is_draining() && !node.is_healthy());
            *classes.entry(*node.class()).or_insert(0) += 1;
        }
        let is_any = draining_nodes + unhealthy_nodes > 0;
        is_any.then_some(Self { draining_nodes, unhealthy_nodes, classes })
    }

    /// Whether all nodes together could hold `replicas` of `shape` if all of them were free and
    /// accepted work.
    #[must_use]
    pub fn could_hold(&self, fleet: &Fleet, shape: &Shape, replicas: i64) -> bool {
        fleet.classes_hold(&self.classes, shape, replicas)
    }
}
