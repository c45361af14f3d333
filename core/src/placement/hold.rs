//! Parts of nodes that are kept out of reach for the time of one choice.

use super::fleet::Fleet;
use super::node::Node;
use super::shape::{GpuSet, NODE_GPUS, Need};
use crate::limits::GPU_MILLI_WHOLE;
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib};
use std::collections::BTreeMap;

/// A part of one node, GPU by GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    gpu_milli: [i64; NODE_GPUS],
    cpu_milli: i64,
    memory_mib: i64,
}

impl Part {
    /// Of one replica.
    pub(crate) fn of(need: &Need, gpus: GpuSet) -> Self {
        let mut part =
            Self { cpu_milli: need.cpu_milli.0, memory_mib: need.memory_mib.0, ..Self::default() };
        gpus.iter().for_each(|gpu| part.gpu_milli[gpu] = need.gpu_milli.0);
        part
    }

    /// What is left of a node.
    pub(crate) fn left_of(node: &Node) -> Self {
        let mut part = Self {
            cpu_milli: node.cpu_left().0,
            memory_mib: node.memory_left().0,
            ..Self::default()
        };
        part.gpu_milli.iter_mut().zip(node.gpu_left()).for_each(|(of, left)| *of = (*left).into());
        part
    }

    /// All of a node.
    pub(crate) fn all_of(node: &Node) -> Self {
        let class = node.class();
        let (cpu_milli, memory_mib) = (class.cpu_milli.0, class.memory_mib.0);
        let mut part = Self { cpu_milli, memory_mib, ..Self::default() };
        let gpus = part.gpu_milli.iter_mut().zip(node.gpu_left());
        gpus.for_each(|(of, _)| *of = GPU_MILLI_WHOLE);
        part
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, |one, other| one + other)
    }

    /// What is more than `other`.
    pub(crate) fn beyond(&self, other: &Self) -> Self {
        self.with(other, |one, other| (one - other).max(0))
    }

    /// The most of both, amount by amount.
    pub(crate) fn or_more(&self, other: &Self) -> Self {
        self.with(other, i64::max)
    }

    /// The least of both, amount by amount.
    pub(crate) fn at_most(&self, other: &Self) -> Self {
        self.with(other, i64::min)
    }

    /// The same where no CPU, or no memory, means that any will do.
    pub(crate) fn or_any_beside_gpus(&self) -> Self {
        let any = |amount: i64| if amount == 0 { i64::MAX } else { amount };
        Self { cpu_milli: any(self.cpu_milli), memory_mib: any(self.memory_mib), ..*self }
    }

    /// Whether it is nothing.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn with(&self, other: &Self, of: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            gpu_milli: std::array::from_fn(|gpu| of(self.gpu_milli[gpu], other.gpu_milli[gpu])),
            cpu_milli: of(self.cpu_milli, other.cpu_milli),
            memory_mib: of(self.memory_mib, other.memory_mib),
        }
    }

    /// What a node has to give for it: replicas that are none.
    fn takes(&self) -> Vec<(Need, GpuSet)> {
        let mut by_milli: BTreeMap<i64, GpuSet> = BTreeMap::new();
        for (gpu, milli) in self.gpu_milli.iter().enumerate().filter(|(_, milli)| **milli > 0) {
            let set = by_milli.entry(*milli).or_default();
            *set = set.with(gpu);
        }
        let beside = Need {
            gpu_milli: GpuMilli(0),
            cpu_milli: CpuMilli(self.cpu_milli),
            memory_mib: MemoryMib(self.memory_mib),
        };
        let of_gpus = by_milli
            .into_iter()
            .map(|(milli, gpus)| (Need { gpu_milli: GpuMilli(milli), ..Need::default() }, gpus));
        std::iter::once((beside, GpuSet::NONE)).chain(of_gpus).collect()
    }
}

impl Fleet {
    /// Takes as much of `part` as the node has left, and returns how much that is.
    pub(crate) fn hold(&mut self, index: usize, part: &Part) -> Part {
        let held = part.at_most(&Part::left_of(self.node(index)));
        held.takes().iter().for_each(|(need, gpus)| self.take(index, need, *gpus));
        held
    }

    /// Gives back what [`Fleet::hold`] took.
    pub(crate) fn let_go(&mut self, index: usize, held: &Part) {
        held.takes().iter().for_each(|(need, gpus)| self.give_back(index, need, *gpus));
    }

    /// A fleet of parts of this one's nodes that accept work, as if there were nothing else.
    pub(crate) fn of_parts(&self, parts: &BTreeMap<usize, Part>) -> Self {
        let mut fleet = Self::default();
        for (index, part) in parts {
            let node = self.node(*index);
            if !node.accepts_work() {
                continue;
            }
            let (cpu, memory) = (CpuMilli(part.cpu_milli), MemoryMib(part.memory_mib));
            let model: &GpuModel = self.model_of(node);
            let at = fleet.nodes().len();
            fleet.add_node(node.id().clone(), model, node.class().gpu_count, cpu, memory);
            if !node.topology_group().is_empty() {
                fleet.join_group(node.id(), node.topology_group());
            }
            let others = Part::all_of(node).beyond(part);
            fleet.hold(at, &Part { cpu_milli: 0, memory_mib: 0, ..others });
        }
        fleet
    }
}
