//! Published policies that no pool can choose: what the experiment compares with.
//!
//! They differ from [`Placer`](super::Placer) in one thing: clustering looks at the kinds of task
//! that run on a node, which no fleet keeps. A contest therefore places and removes tasks itself.

mod clustering;
mod dot_product;
mod packing;

use super::best_fit;
use super::cache::Cache;
use super::fleet::Fleet;
use super::shape::{GpuSet, Kind, Shape};
use super::{Node, Spot};
use clustering::Tags;

/// A policy of the experiment only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The node whose rest is least like what is asked for, by dot product.
    DotProduct,
    /// Nodes and GPUs in use before free ones.
    Packing,
    /// Nodes that run tasks of the same GPU count.
    Clustering,
}

/// One policy on one fleet, whose tasks it places and removes.
#[derive(Clone, Debug)]
pub struct Contest {
    baseline: Baseline,
    /// Nobody else may change it: tags say what runs on it.
    fleet: Fleet,
    /// Per node.
    tags: Vec<Tags>,
    cache: Cache,
}

impl Contest {
    /// A contest on a fleet where nothing runs.
    ///
    /// # Panics
    /// When something runs on it.
    #[must_use]
    pub fn new(baseline: Baseline, fleet: Fleet) -> Self {
        assert!(fleet.nodes().iter().all(Node::is_empty), "a contest begins on an empty fleet");
        let tags = vec![Tags::default(); fleet.nodes().len()];
        Self { baseline, fleet, tags, cache: Cache::default() }
    }

    /// The fleet as the tasks leave it.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where a task goes; `None` when no node fits it now.
    pub fn choose(&mut self, shape: &Shape) -> Option<Spot> {
        let Self { baseline, fleet, tags, cache } = self;
        match baseline {
            Baseline::DotProduct => {
                cache.best(fleet, None, shape, |_, node| dot_product::score(node, shape))
            }
            Baseline::Packing => {
                cache.best(fleet, None, shape, |_, node| packing::score(node, shape))
            }
            Baseline::Clustering => {
                cache.best(fleet, None, shape, |at, node| clustering::score(node, &tags[at], shape))
            }
        }
    }

    /// Drops what is remembered of earlier choices: the next ones take longer and are the same.
    pub fn forget(&mut self) {
        self.cache.forget();
    }

    /// Places a task where [`Contest::choose`] says.
    ///
    /// # Panics
    /// When it does not fit there.
    pub fn place(&mut self, shape: &Shape, spot: Spot) {
        self.fleet.take(spot.node, shape.need(), spot.gpus);
        self.tags[spot.node].add(shape);
    }

    /// Removes a task from where it was placed.
    ///
    /// # Panics
    /// When it is not there.
    pub fn remove(&mut self, shape: &Shape, spot: Spot) {
        self.fleet.give_back(spot.node, shape.need(), spot.gpus);
        self.tags[spot.node].remove(shape);
    }
}

/// The GPUs of `node` that all of these take.
fn gpus(node: &Node, shape: &Shape) -> GpuSet {
    best_fit::gpus(node, shape)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
