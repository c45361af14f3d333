//! Dot product: the node for which the product of what is left and what is asked for, over CPU and
//! GPUs, is smallest.

use super::super::best_fit::{CPU_SCALE, GPU_SCALE};
use super::super::cache::Scored;
use super::{Node, Shape, gpus};

/// The score of nodes so large that theirs would be lower.
const SCORE_MIN: i16 = -32_000;

/// 100 · (1 − ½ (cpu left · cpu / 128,000² + GPU left · GPU / 8,000²)) before placing, truncated
/// towards zero.
pub(super) fn score(node: &Node, shape: &Shape) -> Scored {
    let cpu = node.cpu_left().0 * shape.need().cpu_milli.0;
    let gpu = node.gpu_milli_left() * shape.gpu_milli_total();
    // 128,000² is 256 · 8,000², so the GPUs' product counts 256 times over the common denominator.
    let whole = 2 * CPU_SCALE * CPU_SCALE;
    let product = cpu + gpu * (CPU_SCALE / GPU_SCALE).pow(2);
    let score = i16::try_from((100 * whole - 100 * product) / whole);
    Scored { score: score.unwrap_or(SCORE_MIN).max(SCORE_MIN), gpus: gpus(node, shape) }
}
