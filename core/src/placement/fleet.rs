//! The nodes of a pool and what is left of each: facts only, no choice.

use super::draw::seed_of;
use super::history::{History, Moment};
use super::inventory::Inventory;
use super::node::{Node, NodeClass};
use super::shape::{GpuSet, Need, Shape};
use crate::limits::NODES_MAX;
use crate::state::Amounts;
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// GPUs of many nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuTotals {
    /// All GPUs.
    pub total_milli: GpuMilli,
    /// What leases hold of them.
    pub used_milli: GpuMilli,
}

/// The nodes of a pool in a fixed order, which also breaks ties: the first of equals is chosen.
///
/// Its value is its nodes and model names; all else is derived from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FleetImage", into = "FleetImage")]
pub struct Fleet {
    /// The models of the nodes, in the order of their first nodes; nodes name them by index.
    models: Vec<GpuModel>,
    /// Per model, the GPUs of the nodes that accept work.
    accepting_by_model: Vec<GpuTotals>,
    /// Per model, the GPU milli of all its nodes.
    gpu_milli_by_model: Vec<i64>,
    nodes: Vec<Node>,
    index: BTreeMap<NodeId, usize>,
    /// Of the nodes that accept work.
    inventory: Inventory,
    gpus: GpuTotals,
    gpus_accepting: GpuTotals,
    /// CPU and memory of all nodes.
    cpu_milli_total: i128,
    memory_mib_total: i128,
    pub(super) history: History,
}

impl Fleet {
    /// Appends a free node that accepts work. A node without GPUs has an empty model.
    ///
    /// # Panics
    /// When the pool is full, holds such a node already, or an amount is out of range: the command
    /// should have been refused.
    pub fn add_node(
        &mut self,
        id: NodeId,
        model: &GpuModel,
        gpu_count: i64,
        cpu_milli: CpuMilli,
        memory_mib: MemoryMib,
    ) {
        assert!(self.nodes.len() < NODES_MAX, "a pool has at most {NODES_MAX} nodes");
        let model = self.models.iter().position(|known| known == model).unwrap_or_else(|| {
            self.models.push(model.clone());
            self.accepting_by_model.push(GpuTotals::default());
            self.gpu_milli_by_model.push(0);
            self.models.len() - 1
        });
        self.push(Node::new(id, NodeClass { model, gpu_count, cpu_milli, memory_mib }));
    }

    /// Puts a node that is of no topology group into one.
    ///
    /// # Panics
    /// When the pool has no such node, or it is of a group already.
    pub fn join_group(&mut self, id: &NodeId, group: &str) {
        let index = self.known(id);
        let accepts = self.nodes[index].accepts_work();
        if accepts {
            self.inventory.uncount(&self.nodes[index]);
        }
        self.nodes[index].join_group(group);
        self.inventory.add(index, &self.nodes[index]);
        if accepts {
            self.inventory.count(&self.nodes[index]);
        }
    }

    /// Takes a node out of choice; what runs on it stays. Draining twice changes nothing.
    ///
    /// # Panics
    /// When the pool has no such node.
    pub fn drain(&mut self, id: &NodeId) {
        self.change(id, Node::drain);
    }

    /// Takes a node out of choice or back into it, as it was reported; what runs on it stays.
    ///
    /// # Panics
    /// When the pool has no such node.
    pub fn set_health(&mut self, id: &NodeId, is_healthy: bool) {
        self.change(id, |node| node.set_health(is_healthy));
    }

    /// Takes an empty node out of the fleet; the nodes behind it move up by one index.
    ///
    /// # Panics
    /// When the pool has no such node, or something still runs on it.
    pub fn remove(&mut self, id: &NodeId) {
        let index = self.known(id);
        let node = self.nodes.remove(index);
        assert!(node.is_empty(), "{id} is removed with work on it");
        self.index.remove(id);
        self.index.values_mut().filter(|at| **at > index).for_each(|at| *at -= 1);
        self.gpus.total_milli.0 -= node.gpu_milli_total();
        self.cpu_milli_total -= i128::from(node.class().cpu_milli.0);
        self.memory_mib_total -= i128::from(node.class().memory_mib.0);
        self.gpu_milli_by_model[node.class().model] -= node.gpu_milli_total();
        if node.accepts_work() {
            self.accepting_changes(node.class().model, -node.gpu_milli_total(), 0);
            self.inventory.uncount(&node);
        }
        self.inventory.remove(index, &node);
        self.forget_model(node.class().model);
        self.history.node_left(index);
    }

    /// Takes one replica's `need` from a node, and its GPU part from each of `gpus`.
    ///
    /// # Panics
    /// When the node has less left than that.
    pub fn take(&mut self, index: usize, need: &Need, gpus: GpuSet) {
        self.nodes[index].take(need, gpus);
        self.used_changes(index, i64::from(gpus.count()) * need.gpu_milli.0);
    }

    /// Gives back what [`Fleet::take`] took.
    ///
    /// # Panics
    /// When the node would have more left than it owns.
    pub fn give_back(&mut self, index: usize, need: &Need, gpus: GpuSet) {
        self.nodes[index].give_back(need, gpus);
        self.used_changes(index, -(i64::from(gpus.count()) * need.gpu_milli.0));
    }

    /// Where a node stands in the order.
    #[must_use]
    pub fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The node at a place of the order.
    ///
    /// # Panics
    /// When there are fewer nodes.
    #[must_use]
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// All nodes in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The model of a node's GPUs; empty when it has none.
    #[must_use]
    pub fn model_of(&self, node: &Node) -> &GpuModel {
        &self.models[node.class().model]
    }

    /// The GPUs of all nodes.
    #[must_use]
    pub fn gpus(&self) -> GpuTotals {
        self.gpus
    }

    /// What all nodes have, whether they accept work or not.
    #[must_use]
    pub fn capacity(&self) -> Amounts {
        let gpu_milli = i128::from(self.gpus.total_milli.0);
        Amounts([gpu_milli, self.cpu_milli_total, self.memory_mib_total])
    }

    /// The GPUs of the nodes that accept work.
    #[must_use]
    pub fn gpus_accepting(&self) -> GpuTotals {
        self.gpus_accepting
    }

    /// The GPUs of the nodes that accept work and have one of `models`; all of them when `models`
    /// is empty, as for whoever accepts any model.
    #[must_use]
    pub fn gpus_accepting_among(&self, models: &[GpuModel]) -> GpuTotals {
        if models.is_empty() {
            return self.gpus_accepting;
        }
        let known = self.models.iter().zip(&self.accepting_by_model);
        let accepted = known.filter(|(model, _)| models.contains(model));
        accepted.fold(GpuTotals::default(), |sum, (_, gpus)| GpuTotals {
            total_milli: GpuMilli(sum.total_milli.0 + gpus.total_milli.0),
            used_milli: GpuMilli(sum.used_milli.0 + gpus.used_milli.0),
        })
    }

    /// Where its life is now.
    pub(crate) fn moment(&self) -> Moment {
        self.history.now()
    }

    /// The nodes that changed since, each once, a new one among them; none when that is too long
    /// ago, or was another fleet's life.
    pub(crate) fn changed_since(&self, then: Moment) -> Option<impl Iterator<Item = usize>> {
        self.history.remembers(then).then(|| self.history.touched_since(then))
    }

    /// Per model, whether `shape` accepts it.
    pub(super) fn models_accepted(&self, shape: &Shape) -> Vec<bool> {
        self.models.iter().map(|model| shape.accepts(model)).collect()
    }

    /// The models of the nodes that have GPUs, in the order of their first nodes.
    pub(crate) fn gpu_models(&self) -> Vec<GpuModel> {
        self.models.iter().filter(|model| !model.0.is_empty()).cloned().collect()
    }

    pub(super) fn models(&self) -> &[GpuModel] {
        &self.models
    }

    /// Per model, the GPU milli of all its nodes, whether they accept work or not.
    pub(super) fn gpu_milli_by_model(&self) -> &[i64] {
        &self.gpu_milli_by_model
    }

    pub(super) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Changes what decides whether a node accepts work, and the sums over those that do.
    fn change(&mut self, id: &NodeId, change: impl FnOnce(&mut Node)) {
        let index = self.known(id);
        let accepted = self.nodes[index].accepts_work();
        change(&mut self.nodes[index]);
        let node = &self.nodes[index];
        let (model, accepts) = (node.class().model, node.accepts_work());
        let (total, used) = (node.gpu_milli_total(), node.gpu_milli_used());
        if accepts == accepted {
            return;
        }
        self.history.touch(index, node.digest());
        if accepts {
            self.inventory.count(node);
            self.accepting_changes(model, total, used);
        } else {
            self.inventory.uncount(node);
            self.accepting_changes(model, -total, -used);
        }
    }

    fn accepting_changes(&mut self, model: usize, total_milli: i64, used_milli: i64) {
        for gpus in [&mut self.gpus_accepting, &mut self.accepting_by_model[model]] {
            gpus.total_milli.0 += total_milli;
            gpus.used_milli.0 += used_milli;
        }
    }

    fn known(&self, id: &NodeId) -> usize {
        self.index_of(id).unwrap_or_else(|| panic!("the pool has no node {id}"))
    }

    fn push(&mut self, node: Node) {
        let index = self.nodes.len();
        let before = self.index.insert(node.id().clone(), index);
        assert!(before.is_none(), "{} is in the pool already", node.id());
        let (total, used) = (node.gpu_milli_total(), node.gpu_milli_used());
        self.gpus.total_milli.0 += total;
        self.gpu_milli_by_model[node.class().model] += total;
        self.gpus.used_milli.0 += used;
        self.cpu_milli_total += i128::from(node.class().cpu_milli.0);
        self.memory_mib_total += i128::from(node.class().memory_mib.0);
        self.inventory.add(index, &node);
        if node.accepts_work() {
            self.inventory.count(&node);
            self.accepting_changes(node.class().model, total, used);
        }
        // The name tells apart fleets whose nodes differ in nothing else.
        let model = seed_of(&self.models[node.class().model].0);
        self.history.touch(index, node.digest() ^ model);
        self.nodes.push(node);
    }

    /// Drops a model that no node has any more, so that names cannot pile up.
    fn forget_model(&mut self, model: usize) {
        if self.nodes.iter().any(|node| node.class().model == model) {
            return;
        }
        self.models.remove(model);
        self.accepting_by_model.remove(model);
        self.gpu_milli_by_model.remove(model);
        self.nodes.iter_mut().for_each(|node| node.forget_model(model));
        self.inventory.uncount_all();
        let counted = self.nodes.iter().filter(|node| node.accepts_work());
        counted.for_each(|node| self.inventory.count(node));
    }

    fn used_changes(&mut self, index: usize, gpu_milli: i64) {
        self.gpus.used_milli.0 += gpu_milli;
        if self.nodes[index].accepts_work() {
            self.accepting_changes(self.nodes[index].class().model, 0, gpu_milli);
        }
        self.history.touch(index, self.nodes[index].digest());
    }
}

/// What a fleet looks like in a snapshot.
#[derive(Serialize, Deserialize)]
struct FleetImage {
    models: Vec<GpuModel>,
    nodes: Vec<Node>,
}

impl From<Fleet> for FleetImage {
    fn from(fleet: Fleet) -> Self {
        Self { models: fleet.models, nodes: fleet.nodes }
    }
}

impl TryFrom<FleetImage> for Fleet {
    type Error = String;

    /// A snapshot is input: what contradicts itself is refused, never repaired.
    fn try_from(image: FleetImage) -> Result<Self, String> {
        let accepting_by_model = vec![GpuTotals::default(); image.models.len()];
        let gpu_milli_by_model = vec![0; image.models.len()];
        let models = image.models;
        let mut fleet = Self { models, accepting_by_model, gpu_milli_by_model, ..Self::default() };
        if image.nodes.len() > NODES_MAX {
            return Err(format!("a fleet of {} nodes", image.nodes.len()));
        }
        for node in image.nodes {
            if !node.is_sound(fleet.models.len()) || fleet.index.contains_key(node.id()) {
                return Err(format!("node {} contradicts itself or another node", node.id()));
            }
            fleet.push(node);
        }
        Ok(fleet)
    }
}
