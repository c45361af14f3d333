//! Best fit: the node with least left, CPU and GPUs counted alike.

use super::cache::Scored;
use super::node::Node;
use super::shape::{GpuSet, Kind, Shape};

/// The node sizes of the published formula: 128 CPUs and 8 GPUs.
pub(super) const CPU_SCALE: i64 = 128_000;
pub(super) const GPU_SCALE: i64 = 8_000;

/// How well `shape` fits `node`, which fits it: 100 · (1 − ½ cpu left / 128,000 − ½ GPU left /
/// 8,000) after placing, truncated towards zero. Nodes larger than that scale score below zero.
///
/// The published policy then spreads the scores of a choice over 0 to 100. That keeps their order,
/// so it is left out.
pub(super) fn score(node: &Node, shape: &Shape) -> Scored {
    let cpu_left = node.cpu_left().0 - shape.need().cpu_milli.0;
    let gpu_left = node.gpu_milli_left() - shape.gpu_milli_total();
    let whole = CPU_SCALE * GPU_SCALE;
    let score = (100 * whole - 50 * (cpu_left * GPU_SCALE + gpu_left * CPU_SCALE)) / whole;
    let score = i16::try_from(score).expect("the bounds on a node keep scores above -6,500");
    Scored { score, gpus: gpus(node, shape) }
}

/// The fitting GPU with least left, the first among equals; free GPUs for whole ones.
pub(super) fn gpus(node: &Node, shape: &Shape) -> GpuSet {
    match shape.kind() {
        Kind::CpuOnly => GpuSet::NONE,
        Kind::Whole => node.lowest_free(shape),
        Kind::Slice => {
            let wanted = shape.need().gpu_milli.0;
            let left = (0..).zip(node.gpu_left());
            let fitting = left.filter(|(_, left)| i64::from(**left) >= wanted);
            let least = fitting.min_by_key(|(_, left)| **left);
            GpuSet::one(least.expect("a node that fits a slice has a GPU for it").0)
        }
    }
}
