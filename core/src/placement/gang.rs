//! Gangs, and the nodes where all of their replicas may sit together.
//!
//! One replica takes away exactly one replica's room wherever it sits on a node. So no choice among
//! the nodes of a place can make a gang fail that the place was found to have room for.

use super::fleet::Fleet;
use super::node::Node;
use super::shape::Shape;
use crate::command::{RequestAllocation, Topology};
use crate::units::GpuModel;

/// Replicas of one shape that start together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gang {
    shape: Shape,
    replicas: i64,
    topology: Topology,
}

impl Gang {
    /// `replicas` of `shape`, as near each other as `topology` says.
    ///
    /// # Panics
    /// When there is no replica: validation should have refused it.
    #[must_use]
    pub fn new(shape: Shape, replicas: i64, topology: Topology) -> Self {
        assert!(replicas > 0, "a gang has a replica");
        Self { shape, replicas, topology: topology.of_gang(replicas) }
    }

    /// The gang of `request`, restricted to `models` (its whole list, or one of it).
    #[must_use]
    pub fn of(request: &RequestAllocation, models: &[GpuModel]) -> Self {
        Self::new(Shape::of(request, models), request.replicas, request.topology)
    }

    /// The same gang without its wish.
    #[must_use]
    pub fn anywhere(&self) -> Self {
        Self { topology: Topology::None, ..self.clone() }
    }

    /// What each replica is.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many replicas it has.
    #[must_use]
    pub fn replicas(&self) -> i64 {
        self.replicas
    }

    /// Where they have to sit; `None` for a single one.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.topology
    }
}

impl Topology {
    /// What the wish means for so many replicas: one alone is near itself wherever it sits, and
    /// needs no topology group for it.
    #[must_use]
    pub fn of_gang(self, replicas: i64) -> Self {
        if replicas == 1 { Self::None } else { self }
    }
}

impl Fleet {
    /// Whether the nodes that accept work could hold `gang` if all of them were free.
    #[must_use]
    pub fn could_ever_hold(&self, gang: &Gang) -> bool {
        self.inventory().could_hold(self.models(), gang)
    }

    /// Whether the fleet as it stands can hold `gang`.
    #[must_use]
    pub fn can_hold(&self, gang: &Gang) -> bool {
        match gang.topology {
            Topology::None => self.have_room(gang),
            Topology::SameNode => !self.nodes_for(gang).is_empty(),
            Topology::SameGroup => self.group_for(gang).is_some(),
        }
    }

    /// How many replicas of `gang` the fleet has room for as it stands: with a wish, on the node or
    /// in the topology group that has most.
    #[must_use]
    pub fn replicas_that_fit(&self, gang: &Gang) -> i64 {
        let accepted = self.models_accepted(&gang.shape);
        let on_node = |node: &Node| room_on(node, gang, &accepted);
        match gang.topology {
            Topology::None => self.room_for(&gang.shape),
            Topology::SameNode => self.nodes().iter().map(on_node).max().unwrap_or(0),
            Topology::SameGroup => {
                let in_group = |nodes: &[usize]| {
                    nodes
                        .iter()
                        .map(|index| on_node(self.node(*index)))
                        .fold(0, i64::saturating_add)
                };
                self.inventory().groups().map(in_group).max().unwrap_or(0)
            }
        }
    }

    /// How many replicas of `shape` all nodes together have room for as they stand.
    #[must_use]
    pub fn room_for(&self, shape: &Shape) -> i64 {
        let accepted = self.models_accepted(shape);
        let nodes = self.nodes().iter().filter(|node| accepted[node.class().model]);
        nodes.map(|node| node.replicas_that_fit(shape)).fold(0, i64::saturating_add)
    }

    /// How many nodes have room for a replica of `gang` as they stand.
    #[must_use]
    pub fn nodes_with_room(&self, gang: &Gang) -> i64 {
        let accepted = self.models_accepted(&gang.shape);
        let fits = |node: &&Node| accepted[node.class().model] && node.fits(&gang.shape);
        self.nodes().iter().map(|node| i64::from(fits(&node))).sum()
    }

    /// The nodes each of which can hold all of `gang`, in order.
    pub(super) fn nodes_for(&self, gang: &Gang) -> Vec<usize> {
        let accepted = self.models_accepted(&gang.shape);
        let holds = |node: &Node| room_on(node, gang, &accepted) >= gang.replicas;
        let nodes = (0..).zip(self.nodes()).filter(|(_, node)| holds(node));
        nodes.map(|(index, _)| index).collect()
    }

    /// The nodes of the topology group that `gang` goes to, in order: of the groups that can hold
    /// it the one with least free GPUs of the models that it accepts; among equals the one whose
    /// first node comes first.
    pub(super) fn group_for(&self, gang: &Gang) -> Option<&[usize]> {
        let accepted = self.models_accepted(&gang.shape);
        let holding = self.inventory().groups().filter_map(|nodes| {
            let (mut room, mut free_milli) = (0_i64, 0);
            for index in nodes {
                let node = self.node(*index);
                if node.accepts_work() && accepted[node.class().model] {
                    room = room.saturating_add(node.replicas_that_fit(&gang.shape));
                    free_milli += node.gpu_milli_left();
                }
            }
            (room >= gang.replicas).then_some((free_milli, nodes))
        });
        holding.min_by_key(|(free_milli, nodes)| (*free_milli, nodes[0])).map(|(_, nodes)| nodes)
    }

    fn have_room(&self, gang: &Gang) -> bool {
        let accepted = self.models_accepted(&gang.shape);
        let mut missing = gang.replicas;
        for node in self.nodes() {
            if missing <= 0 {
                break;
            }
            missing -= room_on(node, gang, &accepted);
        }
        missing <= 0
    }
}

/// How many replicas a node has room for as it stands, given which models the gang accepts.
fn room_on(node: &Node, gang: &Gang, accepted: &[bool]) -> i64 {
    if accepted[node.class().model] { node.replicas_that_fit(&gang.shape) } else { 0 }
}
