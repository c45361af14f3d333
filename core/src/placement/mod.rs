//! Which nodes and GPUs a replica gets: a fleet, a shape, and one policy out of several.
//!
//! Reading order: [`shape`] (what is asked), [`fleet`] and [`node`] (what there is), [`Placer`] (the
//! choice), then one file per policy. Preference among GPU models is not decided here: a shape
//! carries a set of models, and the caller asks once per preferred model.

pub mod draw;
pub mod fleet;
mod history;
pub mod node;
pub mod shape;

pub use draw::seed_of;
pub use fleet::{Fleet, GpuTotals};
pub use node::{Node, NodeClass};
pub use shape::{GpuSet, Kind, Need, Shape};

use crate::command::{PlacementPolicy, TargetShape};
use serde::{Deserialize, Serialize};

/// Where one replica goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The node's place in the fleet's order.
    pub node: usize,
    /// Its GPUs there.
    pub gpus: GpuSet,
}

/// Chooses spots by one policy. What it remembers to be quick never changes a choice, and is no part
/// of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placer {
    policy: PlacementPolicy,
    target: Vec<TargetShape>,
}

impl Placer {
    /// A placer for a pool that expects `target`; only FGD reads it.
    #[must_use]
    pub fn new(policy: PlacementPolicy, target: &[TargetShape]) -> Self {
        Self { policy, target: target.to_vec() }
    }

    /// Where one replica of `shape` goes; `None` when no node fits it now. `seed` is read by policies
    /// that draw.
    pub fn choose(&mut self, fleet: &Fleet, shape: &Shape, seed: u64) -> Option<Spot> {
        let _ = (fleet, shape, seed, self.policy);
        todo!("policies follow in the next commit")
    }

    /// Where `replicas` of `shape` go, in replica order; `None` unless all of them fit together. The
    /// fleet is afterwards what it was before: the grant takes the spots.
    pub fn choose_gang(
        &mut self,
        fleet: &mut Fleet,
        shape: &Shape,
        replicas: i64,
        seed: u64,
    ) -> Option<Vec<Spot>> {
        let _ = (fleet, shape, replicas, seed);
        todo!("policies follow in the next commit")
    }
}
