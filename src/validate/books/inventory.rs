//! Nodes and shares.

use super::node::NodeBook;
use super::{Entry, PoolBook};
use conclave_core::command::NodeHealth;
use conclave_core::decision::{
    NodeDrained, NodeHealthChanged, NodeRegistered, NodeRemoved, QuotaSet,
};
use conclave_core::units::NodeId;

impl PoolBook {
    pub(super) fn register(&mut self, event: &NodeRegistered, entry: &mut Entry<'_>) {
        let node = &event.node;
        if self.nodes.insert(node.node.clone(), NodeBook::new(node)).is_some() {
            entry.cause(format!("node '{}' joins, and was there before", node.node));
        }
    }

    pub(super) fn drain(&mut self, event: &NodeDrained, entry: &mut Entry<'_>) {
        if let Some(node) = self.known(&event.node, "is drained", entry) {
            node.is_draining = true;
        }
    }

    pub(super) fn health(&mut self, event: &NodeHealthChanged, entry: &mut Entry<'_>) {
        if let Some(node) = self.known(&event.node, "changes its health", entry) {
            node.is_broken = event.health == NodeHealth::Unhealthy;
        }
    }

    pub(super) fn remove(&mut self, event: &NodeRemoved, entry: &mut Entry<'_>) {
        let Some(node) = self.known(&event.node, "leaves", entry) else { return };
        let replicas = node.replicas;
        if replicas > 0 {
            let name = &event.node;
            entry.capacity(format!("node '{name}' leaves, and {replicas} replicas sit on it"));
        }
        self.nodes.remove(&event.node);
    }

    /// A limit may fall below what is used: then nothing more is granted.
    pub(super) fn set_quota(&mut self, event: &QuotaSet) {
        let tenant = self.tenants.entry(event.quota.tenant.clone()).or_default();
        tenant.limit_gpu_milli = event.quota.limit_gpu_milli.0;
    }

    fn known(
        &mut self,
        name: &NodeId,
        happens: &str,
        entry: &mut Entry<'_>,
    ) -> Option<&mut NodeBook> {
        let node = self.nodes.get_mut(name);
        if node.is_none() {
            entry.cause(format!("node '{name}' {happens}, and never joined"));
        }
        node
    }
}
