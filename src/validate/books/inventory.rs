//! Nodes and shares.

use super::node::NodeBook;
use super::{Entry, PoolBook};
use conclave_core::command::NodeHealth;
use conclave_core::decision::{
    NodeDrained, NodeHealthChanged, NodeRegistered, NodeRemoved, QuotaSet, TenantParentSet,
};
use conclave_core::units::{NodeId, TenantId};

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

    /// What is held moves along, over a limit if need be: then nothing more is granted.
    pub(super) fn set_parent(&mut self, event: &TenantParentSet, entry: &mut Entry<'_>) {
        let TenantParentSet { tenant: name, parent, .. } = event;
        for known in [name, parent].into_iter().filter(|name| !name.0.is_empty()) {
            if !self.tenants.contains_key(known) {
                entry.cause(format!("'{known}' gets a place in the tree, and has no quota"));
                return;
            }
        }
        if self.path(parent).contains(name) {
            entry.cause(format!("'{name}' stands below '{parent}', which stands below it"));
            return;
        }
        let book = &self.tenants[name];
        let (used, from) = (book.used_gpu_milli, book.parent.clone());
        self.add_use(&from, -used);
        self.add_use(parent, used);
        self.tenants.entry(name.clone()).or_default().parent = parent.clone();
    }

    /// A tenant and all above it.
    pub(super) fn path(&self, tenant: &TenantId) -> Vec<TenantId> {
        let known = |name: &TenantId| self.tenants.contains_key(name).then(|| name.clone());
        let above = |name: &TenantId| known(&self.tenants[name].parent);
        std::iter::successors(known(tenant), above).collect()
    }

    fn add_use(&mut self, tenant: &TenantId, milli: i64) {
        for name in self.path(tenant) {
            let book = self.tenants.entry(name).or_default();
            book.used_gpu_milli = book.used_gpu_milli.saturating_add(milli);
        }
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
