//! The policies that the experiment compares: those that a pool can have, and published ones that
//! it cannot.

use conclave_core::command::{PlacementPolicy, TargetShape};
use conclave_core::placement::baseline::{Baseline, Contest};
use conclave_core::placement::{Fleet, Placer, Shape, Spot};
use serde::Serialize;

/// A policy of the experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// A feasible node drawn at random.
    Random,
    /// The node whose rest is least like what is asked for.
    DotProduct,
    /// Nodes that run tasks of the same GPU count.
    Clustering,
    /// Nodes and GPUs in use before free ones.
    Packing,
    /// The node with least left.
    BestFit,
    /// Fragmentation gradient descent.
    Fgd,
    /// FGD with rests of GPUs, CPU and scarce models priced.
    Default,
}

impl Contender {
    /// All of them, the published ones in the order of what they reach on the default trace.
    pub const ALL: [Self; 7] = [
        Self::Random,
        Self::DotProduct,
        Self::Clustering,
        Self::Packing,
        Self::BestFit,
        Self::Fgd,
        Self::Default,
    ];

    /// As people type it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::DotProduct => "dot-product",
            Self::Clustering => "clustering",
            Self::Packing => "packing",
            Self::BestFit => "best-fit",
            Self::Fgd => "fgd",
            Self::Default => "default",
        }
    }

    /// The policy on a fleet where nothing runs, for tasks of which `target` are expected.
    ///
    /// # Panics
    /// When something runs on the fleet.
    #[must_use]
    pub fn on(self, fleet: Fleet, target: &[TargetShape]) -> Field {
        let pool = |policy, fleet| Field::Pool { placer: Placer::new(policy, target), fleet };
        let baseline = |baseline, fleet| Field::Baseline(Contest::new(baseline, fleet));
        match self {
            Self::Random => pool(PlacementPolicy::Random, fleet),
            Self::DotProduct => baseline(Baseline::DotProduct, fleet),
            Self::Clustering => baseline(Baseline::Clustering, fleet),
            Self::Packing => baseline(Baseline::Packing, fleet),
            Self::BestFit => pool(PlacementPolicy::BestFit, fleet),
            Self::Fgd => pool(PlacementPolicy::Fgd, fleet),
            Self::Default => pool(PlacementPolicy::Default, fleet),
        }
    }
}

/// One policy and the fleet on which it places tasks.
#[derive(Clone, Debug)]
pub enum Field {
    /// A policy that pools have.
    Pool {
        /// Who chooses.
        placer: Placer,
        /// What there is.
        fleet: Fleet,
    },
    /// One that they do not have.
    Baseline(Contest),
}

impl Field {
    /// The fleet as the tasks leave it.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        match self {
            Self::Pool { fleet, .. } => fleet,
            Self::Baseline(contest) => contest.fleet(),
        }
    }

    /// Where a task goes; `None` when no node fits it now. Only policies that draw read `seed`.
    pub fn choose(&mut self, shape: &Shape, seed: u64) -> Option<Spot> {
        match self {
            Self::Pool { placer, fleet } => placer.choose(fleet, shape, seed),
            Self::Baseline(contest) => contest.choose(shape),
        }
    }

    /// Drops what is remembered of earlier choices: the next ones take longer and are the same.
    pub fn forget(&mut self) {
        match self {
            Self::Pool { placer, .. } => placer.forget(),
            Self::Baseline(contest) => contest.forget(),
        }
    }

    /// Places a task where [`Field::choose`] says.
    ///
    /// # Panics
    /// When it does not fit there.
    pub fn place(&mut self, shape: &Shape, spot: Spot) {
        match self {
            Self::Pool { fleet, .. } => fleet.take(spot.node, shape.need(), spot.gpus),
            Self::Baseline(contest) => contest.place(shape, spot),
        }
    }

    /// Removes a task from where it was placed.
    ///
    /// # Panics
    /// When it is not there.
    pub fn remove(&mut self, shape: &Shape, spot: Spot) {
        match self {
            Self::Pool { fleet, .. } => fleet.give_back(spot.node, shape.need(), spot.gpus),
            Self::Baseline(contest) => contest.remove(shape, spot),
        }
    }
}
