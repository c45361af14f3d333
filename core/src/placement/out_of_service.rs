//! What the nodes that take no new work would add, if they took it.

use super::fleet::Fleet;
use super::gang::Gang;
use super::inventory::Inventory;

/// The nodes of a fleet that take no new work, and the room of all nodes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfService {
    /// Nodes that drain, healthy or not.
    pub draining_nodes: i64,
    /// Nodes that were reported unhealthy and do not drain.
    pub unhealthy_nodes: i64,
    /// Of all nodes.
    inventory: Inventory,
}

impl OutOfService {
    /// What it is of `fleet`; none when every node accepts work.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Option<Self> {
        let (mut draining_nodes, mut unhealthy_nodes) = (0, 0);
        let mut inventory = Inventory::default();
        for (index, node) in fleet.nodes().iter().enumerate() {
            draining_nodes += i64::from(node.is_draining());
            unhealthy_nodes += i64::from(!node.is_draining() && !node.is_healthy());
            inventory.add(index, node);
            inventory.count(node);
        }
        let is_any = draining_nodes + unhealthy_nodes > 0;
        is_any.then_some(Self { draining_nodes, unhealthy_nodes, inventory })
    }

    /// Whether all nodes together could hold `gang` if all of them were free and accepted work.
    #[must_use]
    pub fn could_hold(&self, fleet: &Fleet, gang: &Gang) -> bool {
        self.inventory.could_hold(fleet.models(), gang)
    }
}
