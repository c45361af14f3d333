//! Which nodes and GPUs a replica gets: a fleet, a shape, and one policy out of several.
//!
//! Reading order: [`shape`] and `gang` (what is asked), [`fleet`] and [`node`] (what there is),
//! [`Placer`] (the choice), then one file per policy. Preference among GPU models is not decided
//! here: a shape carries a set of models, and the caller asks once per preferred model.

pub mod baseline;
mod best_fit;
mod cache;
pub mod draw;
mod fgd;
pub mod fleet;
mod fragments;
mod gang;
mod history;
mod hold;
mod inventory;
pub mod node;
mod out_of_service;
mod priced;
mod random;
mod room;
mod rooms;
pub mod shape;
mod sigmoid;
pub mod target;

pub use draw::seed_of;
pub use fleet::{Fleet, GpuTotals};
pub use gang::Gang;
pub(crate) use history::Moment;
pub(crate) use hold::Part;
pub use node::{Node, NodeClass};
pub use out_of_service::OutOfService;
pub(crate) use room::Room;
pub(crate) use rooms::Rooms;
pub use shape::{GpuSet, Kind, Need, Shape};

use crate::command::{PlacementPolicy, TargetShape, Topology};
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
        self.choose_among(fleet, None, shape, seed)
    }

    /// The same among some nodes of the fleet only, ascending; none is all of them.
    fn choose_among(
        &mut self,
        fleet: &Fleet,
        nodes: Option<&[usize]>,
        shape: &Shape,
        seed: u64,
    ) -> Option<Spot> {
        let cache = &mut self.cache;
        match &mut self.policy {
            Policy::Random => random::choose(fleet, nodes, shape, seed),
            Policy::BestFit => {
                cache.best(fleet, nodes, shape, |_, node| best_fit::score(node, shape))
            }
            Policy::Fgd(fgd) => {
                fgd.meet(fleet);
                cache.best(fleet, nodes, shape, |_, node| fgd.score(node, shape))
            }
            Policy::Default(priced) => {
                if priced.meet(fleet) {
                    cache.forget();
                }
                let least = priced.least_scarcity_ppm(fleet, shape);
                cache.best(fleet, nodes, shape, |_, node| priced.score(node, shape, least))
            }
        }
    }

    /// Drops what is remembered of earlier choices: the next ones take longer and are the same.
    pub fn forget(&mut self) {
        self.cache.forget();
    }

    /// Where the replicas of `gang` go, in replica order; `None` unless all of them fit together,
    /// as near each other as it wishes. The fleet is afterwards what it was before: the grant takes
    /// the spots.
    ///
    /// With a wish for one node, it is the one that the policy prefers for the first replica among
    /// those that can hold all; for one topology group, that of `Fleet::group_for`, and in it the
    /// policy chooses for each replica.
    ///
    /// # Panics
    /// When room was counted that is not there: a mistake of this module.
    pub fn choose_gang(&mut self, fleet: &mut Fleet, gang: &Gang, seed: u64) -> Option<Vec<Spot>> {
        // Scores that are kept tell soonest that not even one replica fits.
        let first = self.choose(fleet, gang.shape(), seed)?;
        if gang.replicas() == 1 {
            return Some(vec![first]);
        }
        match gang.topology() {
            Topology::None => {
                fleet.can_hold(gang).then(|| self.place_all(fleet, gang, None, first, seed))
            }
            Topology::SameNode => {
                let nodes = fleet.nodes_for(gang);
                let first = self.choose_among(fleet, Some(&nodes), gang.shape(), seed)?;
                Some(self.place_all(fleet, gang, Some(&[first.node]), first, seed))
            }
            Topology::SameGroup => {
                let nodes = fleet.group_for(gang)?.to_vec();
                let first = self.choose_among(fleet, Some(&nodes), gang.shape(), seed)?;
                Some(self.place_all(fleet, gang, Some(&nodes), first, seed))
            }
        }
    }

    /// The spots of a whole gang for which `nodes` have room, given the first one.
    fn place_all(
        &mut self,
        fleet: &mut Fleet,
        gang: &Gang,
        nodes: Option<&[usize]>,
        first: Spot,
        seed: u64,
    ) -> Vec<Spot> {
        let shape = gang.shape();
        let mut seeds = draw::Draw::new(seed);
        let mut spots = vec![first];
        fleet.take(first.node, shape.need(), first.gpus);
        for _ in 1..gang.replicas() {
            let spot = self.choose_among(fleet, nodes, shape, seeds.next_bits());
            let spot = spot.expect("nodes with room for a gang have room for each replica");
            fleet.take(spot.node, shape.need(), spot.gpus);
            spots.push(spot);
        }
        spots.iter().for_each(|spot| fleet.give_back(spot.node, shape.need(), spot.gpus));
        spots
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
