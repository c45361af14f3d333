//! The policy called default: fragmentation, and three prices for what a placement spoils.
//!
//! FGD sees what becomes a fragment at once. It does not see that a slice leaves a rest which no
//! combination of the expected slices fills, that a node's CPU will run out before its GPUs do, or
//! that a task which any model would do for takes one that others cannot do without. Each of these
//! has a price here, in GPUs:
//!
//! - waste ([`RestValue`]): the value of what is left of a GPU sinks by more than the slice's size;
//! - strand ([`ModelPrices::stranded_nano`]): GPUs that the CPU left cannot serve any more;
//! - scarcity ([`scarcity`]): the load of the model with tasks that need it.
//!
//! The score is that of FGD with these prices subtracted and a sigmoid twice as wide.
//! `docs/allocation.md` has the formulas, and how the weights were chosen.

mod cuts;
mod scarcity;
mod simplex;

use super::cache::Scored;
use super::fleet::Fleet;
use super::fragments::Fragments;
use super::node::Node;
use super::shape::{GpuSet, Kind, Shape};
use super::sigmoid::Sigmoid;
use crate::command::TargetShape;
use cuts::RestValue;

/// What waste weighs against fragmentation.
const WASTE_WEIGHT: i64 = 40;
/// What stranded GPUs weigh, as a fraction.
const STRAND_WEIGHT: (i64, i64) = (3, 5);
/// What a GPU of a model without which the target cannot do weighs.
const SCARCITY_WEIGHT: i64 = 2;
/// CPU that a GPU is held to need, as a fraction of the target's mean: mixes vary.
const CPU_MARGIN: (i64, i64) = (4, 3);
/// How many times as wide as FGD's its sigmoid is.
const SIGMOID_WIDTH: i64 = 2;

/// GPUs that one CPU milli is held to serve at most: more than any node has.
const SERVED_NANO_MAX: i128 = 16_000_000_000;

/// The policy for one target workload.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    fragments: Fragments,
    sigmoid: Sigmoid,
    rest: RestValue,
    /// Per model of the fleet.
    models: Vec<ModelPrices>,
    /// The GPU milli per model by which they were worked out.
    gpu_milli_by_model: Vec<i64>,
}

/// What prices depend on a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelPrices {
    /// Billionths of a GPU that one CPU milli serves; `None` when the target needs none there.
    served_nano: Option<i64>,
    scarcity_ppm: i64,
}

impl Priced {
    /// The policy for a pool that expects `target`. Without any, slices share GPUs where they can
    /// and otherwise the first node that fits wins.
    pub(super) fn new(target: &[TargetShape]) -> Self {
        let fragments = Fragments::new(target);
        let rest = RestValue::new(fragments.target());
        // In millionths of a GPU, a thousand of which FGD's thresholds call a milli.
        let sigmoid = Sigmoid::new(SIGMOID_WIDTH * 1_000);
        Self { fragments, sigmoid, rest, models: Vec::new(), gpu_milli_by_model: Vec::new() }
    }

    /// Makes sure that the prices are those of `fleet`. Says whether they changed, so that no
    /// earlier score holds.
    pub(super) fn meet(&mut self, fleet: &Fleet) -> bool {
        let models_changed = self.fragments.meet(fleet);
        if !models_changed && self.gpu_milli_by_model == fleet.gpu_milli_by_model() {
            return false;
        }
        self.gpu_milli_by_model = fleet.gpu_milli_by_model().to_vec();
        let scarcities = scarcity::of(fleet, self.fragments.target());
        let prices = |(model, scarcity_ppm): (usize, i64)| ModelPrices {
            served_nano: served_nano(self.fragments.on_model(model)),
            scarcity_ppm,
        };
        let models: Vec<_> = (0..).zip(scarcities).map(prices).collect();
        let changed = models != self.models;
        self.models = models;
        changed
    }

    /// The scarcity below which `shape` cannot go: only what lies above it is a price.
    pub(super) fn least_scarcity_ppm(&self, fleet: &Fleet, shape: &Shape) -> i64 {
        let models = fleet.models().iter().zip(&self.models);
        let accepted = models.filter(|(model, _)| shape.accepts(model));
        accepted.map(|(_, prices)| prices.scarcity_ppm).min().unwrap_or(0)
    }

    /// How well `shape` goes on `node`, which fits it. `least_scarcity_ppm` is that of the shape.
    pub(super) fn score(&mut self, node: &Node, shape: &Shape, least_scarcity_ppm: i64) -> Scored {
        let prices = self.models[node.class().model];
        let stranded = prices.stranded_nano(node, shape) * STRAND_WEIGHT.0;
        let above = (prices.scarcity_ppm - least_scarcity_ppm) * SCARCITY_WEIGHT;
        let spoiled_micro =
            stranded.div_euclid(STRAND_WEIGHT.1 * 1_000) + above * shape.gpu_milli_total() / 1_000;
        let total = self.fragments.total();
        let change = self.fragments.change(node, shape);
        let worth_micro = |counts: i64| {
            // Rounded down, which changes no score: all else and the thresholds are integers.
            (counts * 1_000).checked_div_euclid(total).unwrap_or(0) - spoiled_micro
        };
        let score = |counts: i64| self.sigmoid.score(worth_micro(counts));
        match shape.kind() {
            Kind::CpuOnly => Scored { score: score(change.kept), gpus: GpuSet::NONE },
            Kind::Whole => {
                let score = score(change.on_free(shape.gpu_count()));
                Scored { score, gpus: node.lowest_free(shape) }
            }
            Kind::Slice => {
                let wanted = shape.need().gpu_milli.0;
                let waste = |left: u16| WASTE_WEIGHT * self.rest.waste_micro(left, wanted);
                let on = |left: &u16| {
                    let counts = change.on(*left, wanted)?;
                    Some(worth_micro(counts) - waste(*left))
                };
                self.sigmoid.first_best(node.gpu_left().iter().map(on))
            }
        }
    }
}

impl ModelPrices {
    /// How much more of the GPUs left on `node` its CPU cannot serve once `shape` is there, in
    /// billionths of a GPU; below 0 when less.
    fn stranded_nano(&self, node: &Node, shape: &Shape) -> i64 {
        let Some(served_nano) = self.served_nano else {
            return 0;
        };
        let stranded = |cpu_milli: i64, gpu_milli: i64| {
            (gpu_milli * 1_000_000 - cpu_milli * served_nano).max(0)
        };
        let (cpu, gpus) = (node.cpu_left().0, node.gpu_milli_left());
        let then = stranded(cpu - shape.need().cpu_milli.0, gpus - shape.gpu_milli_total());
        then - stranded(cpu, gpus)
    }
}

/// Billionths of a GPU that one CPU milli serves on a model where `tasks` may run, the margin kept.
fn served_nano<'a>(tasks: impl Iterator<Item = &'a (Shape, i64)>) -> Option<i64> {
    let (mut gpu_milli, mut cpu_milli) = (0, 0);
    for (shape, count) in tasks {
        gpu_milli += i128::from(shape.gpu_milli_total() * count);
        cpu_milli += i128::from(shape.need().cpu_milli.0 * count);
    }
    if gpu_milli == 0 || cpu_milli == 0 {
        return None;
    }
    let (margin, of) = (i128::from(CPU_MARGIN.0), i128::from(CPU_MARGIN.1));
    let served = (gpu_milli * 1_000_000 * of / (cpu_milli * margin)).min(SERVED_NANO_MAX);
    Some(i64::try_from(served).expect("at most 16 GPUs"))
}

#[cfg(test)]
mod drawn;

#[cfg(test)]
#[allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "the float twin"
)]
mod tests {
    //! The score against its formula in floats, every hypothesis and every task written out.

    use super::drawn::{drawn_fleet, drawn_shape, drawn_target};
    use super::*;
    use crate::placement::Need;
    use crate::placement::draw::Draw;
    use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};

    /// What the formula needs to know of a node, in GPUs and CPU milli.
    struct Left {
        cpu: f64,
        gpus: Vec<f64>,
    }

    impl Left {
        fn of(node: &Node) -> Self {
            let gpus = node.gpu_left().iter().map(|left| f64::from(*left) / 1e3).collect();
            Self { cpu: node.cpu_left().0 as f64, gpus }
        }

        fn without(&self, shape: &Shape, gpus: GpuSet) -> Self {
            let mut left = self.gpus.clone();
            gpus.iter().for_each(|gpu| left[gpu] -= shape.need().gpu_milli.0 as f64 / 1e3);
            Self { cpu: self.cpu - shape.need().cpu_milli.0 as f64, gpus: left }
        }

        fn sum(&self) -> f64 {
            self.gpus.iter().sum()
        }

        /// Expected GPUs that a task of the target cannot use.
        fn fragments(&self, model: &GpuModel, target: &[TargetShape]) -> f64 {
            let total: i64 = target.iter().map(|task| task.count).sum();
            let fragment = |task: &TargetShape| {
                let milli = task.gpu_milli.0 as f64 / 1e3;
                let fitting = self.gpus.iter().filter(|left| **left > milli - 1e-9);
                let count = i64::try_from(fitting.clone().count()).unwrap();
                let runs = task.gpu_count > 0
                    && count >= task.gpu_count
                    && self.cpu >= task.cpu_milli.0 as f64
                    && (task.gpu_models.is_empty() || task.gpu_models.contains(model));
                self.sum() - if runs { fitting.sum() } else { 0.0 }
            };
            target.iter().map(|t| t.count as f64 / total.max(1) as f64 * fragment(t)).sum()
        }

        /// GPUs that the CPU cannot serve, when each needs four thirds of the target's mean.
        fn stranded(&self, model: &GpuModel, target: &[TargetShape]) -> f64 {
            let runs = |t: &&TargetShape| t.gpu_models.is_empty() || t.gpu_models.contains(model);
            let tasks = target.iter().filter(runs).filter(|task| task.gpu_count > 0);
            let cpu: i64 = tasks.clone().map(|task| task.count * task.cpu_milli.0).sum();
            let milli: i64 = tasks.map(|t| t.count * t.gpu_count * t.gpu_milli.0).sum();
            if milli == 0 || cpu == 0 {
                return 0.0;
            }
            let each = cpu as f64 / (milli as f64 / 1e3) * 4.0 / 3.0;
            (self.sum() - self.cpu / each).max(0.0)
        }
    }

    /// The score before it is cut to an integer.
    fn formula(
        priced: &Priced,
        fleet: &Fleet,
        node: &Node,
        shape: &Shape,
        gpus: GpuSet,
        target: &[TargetShape],
    ) -> f64 {
        let model = fleet.model_of(node);
        let (now, then) = (Left::of(node), Left::of(node).without(shape, gpus));
        let waste = match shape.kind() {
            Kind::Slice => {
                let left = node.gpu_left()[gpus.iter().next().unwrap()];
                priced.rest.waste_micro(left, shape.need().gpu_milli.0) as f64 / 1e6
            }
            Kind::CpuOnly | Kind::Whole => 0.0,
        };
        let scarcities = fleet.models().iter().zip(&priced.models);
        let least =
            scarcities.filter(|(model, _)| shape.accepts(model)).map(|(_, p)| p.scarcity_ppm);
        let scarcity = priced.models[node.class().model].scarcity_ppm - least.min().unwrap();
        let scarcity = scarcity as f64 / 1e6 * shape.gpu_milli_total() as f64 / 1e3;
        let fragments = now.fragments(model, target) - then.fragments(model, target);
        let strand = then.stranded(model, target) - now.stranded(model, target);
        let delta = fragments - 40.0 * waste - 0.6 * strand - 2.0 * scarcity;
        100.0 / (1.0 + (-delta / 2.0).exp())
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let (mut compared, mut draw) = ([0; 3], Draw::new(23));
        for _ in 0..600 {
            let target = drawn_target(&mut draw);
            let mut priced = Priced::new(&target);
            let fleet = drawn_fleet(&mut draw);
            priced.meet(&fleet);
            for _ in 0..12 {
                let shape = drawn_shape(&mut draw);
                let node = fleet.node(draw.below(fleet.nodes().len()));
                if !node.fits(&shape) || !shape.accepts(fleet.model_of(node)) {
                    continue;
                }
                let least = priced.least_scarcity_ppm(&fleet, &shape);
                let scored = priced.score(node, &shape, least);
                let score = formula(&priced, &fleet, node, &shape, scored.gpus, &target);
                // CPU per GPU is cut to billionths, so near a step either side will do.
                let is_clear = (score - score.round()).abs() > 1e-3;
                if is_clear {
                    assert_eq!(
                        f64::from(scored.score),
                        score.floor(),
                        "{shape:?} {node:?} {target:?}"
                    );
                    compared[shape.kind() as usize] += 1;
                }
                if shape.kind() == Kind::Slice {
                    for gpu in (0..node.gpu_left().len())
                        .filter(|gpu| i64::from(node.gpu_left()[*gpu]) >= shape.need().gpu_milli.0)
                    {
                        let other = GpuSet::one(gpu);
                        let other = formula(&priced, &fleet, node, &shape, other, &target);
                        assert!(other.floor() <= f64::from(scored.score) + 1e-3 || !is_clear);
                    }
                }
            }
        }
        assert!(compared.iter().all(|count| *count > 100), "{compared:?} were clear enough");
    }

    #[test]
    fn prices_change_with_the_fleet_only_where_models_are_named() {
        let task = |models: &[&str]| TargetShape {
            cpu_milli: CpuMilli(1_000),
            gpu_count: 1,
            gpu_milli: GpuMilli(1_000),
            gpu_models: models.iter().map(|name| GpuModel::from(*name)).collect(),
            count: 1,
        };
        let mut fleet = Fleet::default();
        let add = |fleet: &mut Fleet, at: usize, model: &str| {
            let id = NodeId::from(format!("n{at}"));
            fleet.add_node(id, &GpuModel::from(model), 2, CpuMilli(9_000), MemoryMib(1));
        };
        add(&mut fleet, 0, "G2");
        let mut any = Priced::new(&[task(&[])]);
        let mut named = Priced::new(&[task(&[]), task(&["T4"])]);
        assert!(any.meet(&fleet) && named.meet(&fleet));
        assert!(!any.meet(&fleet) && !named.meet(&fleet));
        add(&mut fleet, 1, "G2");
        assert!(!any.meet(&fleet) && !named.meet(&fleet), "no T4 there, none scarce");
        add(&mut fleet, 2, "T4");
        assert!(any.meet(&fleet) && named.meet(&fleet), "a new model");
        add(&mut fleet, 3, "T4");
        assert!(!any.meet(&fleet) && !named.meet(&fleet), "as many T4 as are asked for, or fewer");
        (4..9).for_each(|at| add(&mut fleet, at, "T4"));
        assert!(!any.meet(&fleet) && named.meet(&fleet), "more T4 than that");
        let shape = |models: &[&str]| {
            let models: Vec<GpuModel> = models.iter().map(|name| GpuModel::from(*name)).collect();
            Shape::new(1, Need { gpu_milli: GpuMilli(1_000), ..Need::default() }, &models)
        };
        assert_eq!(named.least_scarcity_ppm(&fleet, &shape(&[])), 0);
        // Half of 18 GPUs of 14: 0.642857 cubed.
        assert_eq!(named.least_scarcity_ppm(&fleet, &shape(&["T4"])), 265_670);
        assert_eq!(named.least_scarcity_ppm(&fleet, &shape(&["H100"])), 0);
    }
}
