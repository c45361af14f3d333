//! The policies as the paper writes them down: every node, every hypothesis, every task, no memory.

use conclave_core::command::{PlacementPolicy, TargetShape};
use conclave_core::placement::{Fleet, GpuSet, Kind, Node, Shape, Spot};
use conclave_core::units::GpuModel;

pub(crate) fn choose(
    policy: PlacementPolicy,
    fleet: &Fleet,
    shape: &Shape,
    target: &[TargetShape],
) -> Option<Spot> {
    let mut best: Option<(i64, Spot)> = None;
    for (index, node) in fleet.nodes().iter().enumerate() {
        let model = fleet.model_of(node);
        for gpus in hypotheses(node, model, shape) {
            let left = After::of(node, shape, gpus);
            let score = match policy {
                PlacementPolicy::Random => panic!("a draw has no formula"),
                PlacementPolicy::Default => panic!("its formula stands beside it, in the core"),
                PlacementPolicy::BestFit => left.best_fit_score(),
                PlacementPolicy::Fgd => {
                    let now = After::of(node, &idle(), GpuSet::NONE);
                    let total = target.iter().map(|task| task.count).sum();
                    fgd_score(now.fragments(model, target) - left.fragments(model, target), total)
                }
            };
            // Best fit takes the GPU with least left; FGD the one with the highest score.
            let least = policy == PlacementPolicy::BestFit && shape.kind() == Kind::Slice;
            let tighter = |other: &Spot| {
                let milli = |gpus: GpuSet| gpus.iter().map(|g| node.gpu_left()[g]).sum::<u16>();
                least && other.node == index && milli(gpus) < milli(other.gpus)
            };
            if best.is_none_or(|(highest, spot)| score > highest || tighter(&spot)) {
                best = Some((score, Spot { node: index, gpus }));
            }
        }
    }
    best.map(|(_, spot)| spot)
}

/// The sets of GPUs that may be tried; none when the replica does not fit.
fn hypotheses(node: &Node, model: &GpuModel, shape: &Shape) -> Vec<GpuSet> {
    let need = shape.need();
    let short = node.cpu_left() < need.cpu_milli || node.memory_left() < need.memory_mib;
    if short || !node.accepts_work() {
        return vec![];
    }
    let fitting: Vec<usize> = (0..node.gpu_left().len())
        .filter(|gpu| i64::from(node.gpu_left()[*gpu]) >= need.gpu_milli.0)
        .collect();
    let models = shape.models();
    match shape.kind() {
        Kind::CpuOnly => vec![GpuSet::NONE],
        Kind::Slice | Kind::Whole if !models.is_empty() && !models.contains(model) => vec![],
        Kind::Slice => fitting.into_iter().map(GpuSet::one).collect(),
        Kind::Whole if fitting.len() < shape.gpu_count() => vec![],
        Kind::Whole => {
            vec![fitting[..shape.gpu_count()].iter().fold(GpuSet::NONE, |set, gpu| set.with(*gpu))]
        }
    }
}

/// A shape that takes nothing: the hypothesis of changing nothing.
fn idle() -> Shape {
    Shape::new(0, conclave_core::placement::Need::default(), &[])
}

/// What is left on a node after a hypothesis.
struct After {
    cpu: i64,
    gpus: Vec<i64>,
}

impl After {
    fn of(node: &Node, shape: &Shape, gpus: GpuSet) -> Self {
        let mut left: Vec<i64> = node.gpu_left().iter().map(|left| i64::from(*left)).collect();
        gpus.iter().for_each(|gpu| left[gpu] -= shape.need().gpu_milli.0);
        Self { cpu: node.cpu_left().0 - shape.need().cpu_milli.0, gpus: left }
    }

    fn best_fit_score(&self) -> i64 {
        // 100 (1 - cpu / 256,000 - gpu / 16,000), over the common denominator.
        (25_600_000 - 100 * self.cpu - 1_600 * self.gpus.iter().sum::<i64>()) / 256_000
    }

    /// Sum over the target's tasks of what is a fragment to each.
    fn fragments(&self, model: &GpuModel, target: &[TargetShape]) -> i64 {
        target.iter().map(|task| task.count * self.fragment(model, task)).sum()
    }

    fn fragment(&self, model: &GpuModel, task: &TargetShape) -> i64 {
        let all: i64 = self.gpus.iter().sum();
        let fits = |left: &&i64| **left >= task.gpu_milli.0;
        let fitting = i64::try_from(self.gpus.iter().filter(fits).count()).unwrap();
        let runs = task.gpu_count > 0
            && fitting >= task.gpu_count
            && self.cpu >= task.cpu_milli.0
            && (task.gpu_models.is_empty() || task.gpu_models.contains(model));
        if runs { all - self.gpus.iter().filter(fits).sum::<i64>() } else { all }
    }
}

/// floor(100 sigmoid(delta / 1000)) with its logarithms rounded to millionths.
#[allow(
    clippy::cast_possible_truncation,
    clippy::float_arithmetic,
    reason = "the core has a table where this computes"
)]
fn fgd_score(delta_counts: i64, total: i64) -> i64 {
    let reached = |k: &i32| {
        let ratio = f64::from(*k) / f64::from(100 - k);
        delta_counts * 1_000 >= total * (ratio.ln() * 1e6).round() as i64
    };
    i64::try_from((1..100).filter(reached).count()).unwrap()
}
