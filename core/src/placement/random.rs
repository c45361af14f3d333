//! Random: any feasible node, and any fitting GPU of it, each as likely as the others.

use super::Spot;
use super::draw::Draw;
use super::fleet::Fleet;
use super::shape::{GpuSet, Kind, Shape};

/// A drawn spot, among `nodes` of the fleet when there are any named; `None` when none fits.
pub(super) fn choose(
    fleet: &Fleet,
    nodes: Option<&[usize]>,
    shape: &Shape,
    seed: u64,
) -> Option<Spot> {
    let mut draw = Draw::new(seed);
    let accepted = fleet.models_accepted(shape);
    let fits = |index: &usize| {
        let node = fleet.node(*index);
        accepted[node.class().model] && node.fits(shape)
    };
    let feasible: Vec<usize> = match nodes {
        None => (0..fleet.nodes().len()).filter(fits).collect(),
        Some(nodes) => nodes.iter().copied().filter(fits).collect(),
    };
    if feasible.is_empty() {
        return None;
    }
    let index = feasible[draw.below(feasible.len())];
    let node = fleet.node(index);
    let gpus = match shape.kind() {
        Kind::CpuOnly => GpuSet::NONE,
        Kind::Whole => node.lowest_free(shape),
        Kind::Slice => {
            let wanted = shape.need().gpu_milli.0;
            let left = (0..).zip(node.gpu_left());
            let fitting: Vec<usize> =
                left.filter(|(_, left)| i64::from(**left) >= wanted).map(|(gpu, _)| gpu).collect();
            GpuSet::one(fitting[draw.below(fitting.len())])
        }
    };
    Some(Spot { node: index, gpus })
}
