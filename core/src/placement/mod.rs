//! Which nodes and GPUs a replica gets: a fleet, a shape, and one policy out of several.
//!
//! Reading order: [`shape`] (what is asked), [`fleet`] and [`node`] (what there is), [`Placer`]
//! (the choice), then one file per policy. Preference among GPU models is not decided here: a shape
//! carries a set of models, and the caller asks once per preferred model.

pub mod baseline;
mod best_fit;
mod cache;
pub mod draw;
mod fgd;
pub mod fleet;
mod fragments;
mod history;
pub mod node;
mod out_of_service;
mod priced;
mod random;
mod room;
pub mod shape;
mod sigmoid;
pub mod target;

pub use draw::seed_of;
pub use fleet::{Fleet, GpuTotals};
pub use node::{Node, NodeClass};
pub use out_of_service::OutOfService;
pub(crate) use room::Room;
pub use shape::{GpuSet, Kind, Need, Shape};

use crate::command::{PlacementPolicy, TargetShape};
use cache::Cache;
use fgd::Fgd;
use priced::Priced;
use serde::{Deserialize, Serialize};

/// Where one replica goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The node's place in the fleet's order.
    pub node: usize,
    /// Its GPUs there.
    pub gpus: GpuSet,
}

/// Chooses spots by one policy. What it remembers to be quick never changes a choice, and is no
/// part of its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "PlacerImage", into = "PlacerImage")]
pub struct Placer {
    image: PlacerImage,
    policy: Policy,
    cache: Cache,
}

/// What a placer looks like in a snapshot: all that its choices depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PlacerImage {
    policy: PlacementPolicy,
    target: Vec<TargetShape>,
}

/// A policy, prepared.
#[derive(Clone, Debug)]
enum Policy {
    Random,
    BestFit,
    Fgd(Box<Fgd>),
    Default(Box<Priced>),
}

impl Placer {
    /// A placer for a pool that expects `target`; only FGD and the default policy read it.
    #[must_use]
    pub fn new(policy: PlacementPolicy, target: &[TargetShape]) -> Self {
        PlacerImage { policy, target: target.to_vec() }.into()
    }

    /// Where one replica of `shape` goes; `None` when no node fits it now. Only policies that draw
    /// read `seed`.
    pub fn choose(&mut self, fleet: &Fleet, shape: &Shape, seed: u64) -> Option<Spot> {
        match &mut self.policy {
            Policy::Random => random::choose(fleet, shape, seed),
            Policy::BestFit => {
                self.cache.best(fleet, shape, |_, node| best_fit::score(node, shape))
            }
            Policy::Fgd(fgd) => {
                fgd.meet(fleet);
                self.cache.best(fleet, shape, |_, node| fgd.score(node, shape))
            }
            Policy::Default(priced) => {
                if priced.meet(fleet) {
                    self.cache.forget();
                }
                let least = priced.least_scarcity_ppm(fleet, shape);
                self.cache.best(fleet, shape, |_, node| priced.score(node, shape, least))
            }
        }
    }

    /// Drops what is remembered of earlier choices: the next ones take longer and are the same.
    pub fn forget(&mut self) {
        self.cache.forget();
    }

    /// Where `replicas` of `shape` go, in replica order; `None` unless all of them fit together.
    /// The fleet is afterwards what it was before: the grant takes the spots.
    ///
    /// # Panics
    /// When room was counted that is not there: a mistake of this module.
    pub fn choose_gang(
        &mut self,
        fleet: &mut Fleet,
        shape: &Shape,
        replicas: i64,
        seed: u64,
    ) -> Option<Vec<Spot>> {
        let first = self.choose(fleet, shape, seed)?;
        if replicas == 1 {
            return Some(vec![first]);
        }
        if !fleet.can_hold(shape, replicas) {
            return None;
        }
        let mut seeds = draw::Draw::new(seed);
        let mut spots = vec![first];
        fleet.take(first.node, shape.need(), first.gpus);
        for _ in 1..replicas {
            let spot = self.choose(fleet, shape, seeds.next_bits());
            let spot = spot.expect("a fleet with room for a gang has room for each replica");
            fleet.take(spot.node, shape.need(), spot.gpus);
            spots.push(spot);
        }
        spots.iter().for_each(|spot| fleet.give_back(spot.node, shape.need(), spot.gpus));
        Some(spots)
    }
}

impl PartialEq for Placer {
    fn eq(&self, other: &Self) -> bool {
        self.image == other.image
    }
}

impl Eq for Placer {}

impl From<PlacerImage> for Placer {
    fn from(image: PlacerImage) -> Self {
        let policy = match image.policy {
            PlacementPolicy::Random => Policy::Random,
            PlacementPolicy::BestFit => Policy::BestFit,
            PlacementPolicy::Fgd => Policy::Fgd(Box::new(Fgd::new(&image.target))),
            PlacementPolicy::Default => Policy::Default(Box::new(Priced::new(&image.target))),
        };
        Self { image, policy, cache: Cache::default() }
    }
}

impl From<Placer> for PlacerImage {
    fn from(placer: Placer) -> Self {
        placer.image
    }
}
