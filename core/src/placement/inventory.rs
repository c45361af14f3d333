//! Nodes counted by what they own: of the whole fleet, and of each topology group.

use super::gang::Gang;
use super::node::{Node, NodeClass};
use crate::command::Topology;
use crate::units::GpuModel;
use std::collections::BTreeMap;

/// How many nodes there are of each class.
type Classes = BTreeMap<NodeClass, i64>;

/// Which of a fleet's nodes are near each other, and how many of which class are counted. There are
/// at most as many groups as nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    classes: Classes,
    /// By name.
    groups: BTreeMap<String, Group>,
}

/// The nodes of one topology group, one at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    /// By their places in the fleet's order, ascending.
    nodes: Vec<usize>,
    classes: Classes,
}

impl Inventory {
    /// Per topology group its nodes by their places in the fleet's order, ascending; never none.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[usize]> {
        self.groups.values().map(|group| group.nodes.as_slice())
    }

    /// Adds a node at a place of the fleet's order, not counted yet.
    pub(super) fn add(&mut self, index: usize, node: &Node) {
        let name = node.topology_group();
        if name.is_empty() {
            return;
        }
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), Group::default());
        }
        let nodes = &mut self.groups.get_mut(name).expect("it was just inserted").nodes;
        nodes.insert(nodes.partition_point(|other| *other < index), index);
    }

    /// Takes out a node that is not counted any more. Those behind it move up by one.
    pub(super) fn remove(&mut self, index: usize, node: &Node) {
        if let Some(group) = self.groups.get_mut(node.topology_group()) {
            group.nodes.retain(|other| *other != index);
        }
        self.groups.retain(|_, group| !group.nodes.is_empty());
        let nodes = self.groups.values_mut().flat_map(|group| &mut group.nodes);
        nodes.filter(|at| **at > index).for_each(|at| *at -= 1);
    }

    /// Counts a node.
    pub(super) fn count(&mut self, node: &Node) {
        for classes in self.classes_of(node) {
            *classes.entry(*node.class()).or_insert(0) += 1;
        }
    }

    /// Counts a node no more.
    ///
    /// # Panics
    /// When it is not counted.
    pub(super) fn uncount(&mut self, node: &Node) {
        for classes in self.classes_of(node) {
            let count = classes.get_mut(node.class()).expect("a node is counted before");
            *count -= 1;
            if *count == 0 {
                classes.remove(node.class());
            }
        }
    }

    /// Counts nobody any more.
    pub(super) fn uncount_all(&mut self) {
        self.classes.clear();
        self.groups.values_mut().for_each(|group| group.classes.clear());
    }

    /// Whether the nodes that are counted could hold `gang` if all of them were free, where
    /// `models` are the names that classes have by index.
    pub(super) fn could_hold(&self, models: &[GpuModel], gang: &Gang) -> bool {
        let (shape, replicas) = (gang.shape(), gang.replicas());
        let on_one = |class: &NodeClass| {
            let accepted = shape.accepts(&models[class.model]);
            if accepted { class.replicas_when_empty(shape).min(replicas) } else { 0 }
        };
        let hold = |classes: &Classes| {
            let room = classes.iter().map(|(class, count)| on_one(class) * count);
            room.sum::<i64>() >= replicas
        };
        match gang.topology() {
            Topology::None => hold(&self.classes),
            Topology::SameNode => self.classes.keys().any(|class| on_one(class) == replicas),
            Topology::SameGroup => self.groups.values().any(|group| hold(&group.classes)),
        }
    }

    fn classes_of(&mut self, node: &Node) -> impl Iterator<Item = &mut Classes> {
        let group = self.groups.get_mut(node.topology_group());
        std::iter::once(&mut self.classes).chain(group.map(|group| &mut group.classes))
    }
}
