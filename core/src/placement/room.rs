//! The most that nodes have left: tells at once that a replica fits no node.

use super::fleet::Fleet;
use super::node::{Node, WHOLE};
use crate::state::GangNeed;
use crate::units::{CpuMilli, GpuModel, MemoryMib};
use std::collections::BTreeMap;

/// What the nodes have left, without those where another one has as much of everything.
#[derive(Debug)]
pub(crate) struct Room {
    by_model: BTreeMap<GpuModel, Vec<Left>>,
}

/// What decides whether a node fits a replica.
#[derive(Clone, Copy, Debug)]
struct Left {
    cpu_milli: CpuMilli,
    memory_mib: MemoryMib,
    gpus_free: i64,
    /// Of the GPU that has most.
    gpu_milli: i64,
}

impl Room {
    /// What the nodes of `fleet` have left, with at most `left_max` amounts per model. Beyond it,
    /// two are taken together for one that has the most of both: then fewer needs are ruled out,
    /// and none wrongly.
    pub(crate) fn of(fleet: &Fleet, left_max: usize) -> Self {
        let mut by_model: BTreeMap<GpuModel, Vec<Left>> = BTreeMap::new();
        for node in fleet.nodes().iter().filter(|node| node.accepts_work()) {
            let model = fleet.model_of(node);
            if !by_model.contains_key(model) {
                by_model.insert(model.clone(), Vec::new());
            }
            let most = by_model.get_mut(model).expect("it was just inserted");
            let left = Left::on(node);
            if most.iter().any(|other| other.covers(&left)) {
                continue;
            }
            most.retain(|other| !left.covers(other));
            let is_full = most.len() == left_max;
            match most.last_mut().filter(|_| is_full) {
                Some(last) => *last = last.with_most_of(&left),
                None => most.push(left),
            }
        }
        Self { by_model }
    }

    /// Whether one replica may fit a node; if not, it fits none.
    pub(crate) fn may_fit_one(&self, need: &GangNeed) -> bool {
        let fits = |most: &Vec<Left>| most.iter().any(|left| left.fits(need));
        if need.shares_with_everybody() {
            return self.by_model.values().any(fits);
        }
        need.gpu_models.iter().filter_map(|model| self.by_model.get(model)).any(fits)
    }
}

impl Left {
    fn on(node: &Node) -> Self {
        let gpus = node.gpu_left();
        let free = gpus.iter().filter(|left| **left == WHOLE).count();
        Self {
            cpu_milli: node.cpu_left(),
            memory_mib: node.memory_left(),
            gpus_free: i64::try_from(free).expect("at most 16 GPUs"),
            gpu_milli: gpus.iter().copied().max().map_or(0, i64::from),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.cpu_milli >= other.cpu_milli
            && self.memory_mib >= other.memory_mib
            && self.gpus_free >= other.gpus_free
            && self.gpu_milli >= other.gpu_milli
    }

    fn with_most_of(&self, other: &Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.max(other.cpu_milli),
            memory_mib: self.memory_mib.max(other.memory_mib),
            gpus_free: self.gpus_free.max(other.gpus_free),
            gpu_milli: self.gpu_milli.max(other.gpu_milli),
        }
    }

    fn fits(&self, need: &GangNeed) -> bool {
        let is_whole = need.gpu_milli.0 == i64::from(WHOLE);
        self.cpu_milli >= need.cpu_milli
            && self.memory_mib >= need.memory_mib
            && self.gpu_milli >= need.gpu_milli.0
            && (!is_whole || self.gpus_free >= need.gpu_count)
    }
}
