//! Packing: GPUs in use on nodes in use, then free GPUs there, then free nodes.

use super::super::cache::Scored;
use super::super::node::WHOLE;
use super::{Kind, Node, Shape, gpus};

/// 0 for a task without GPUs. Above 50 when it takes no free GPU, the more so the less its GPUs
/// have left; 33 to 50 when it takes some on a node in use, the fewer the better; up to 33 on a
/// node that is free, the fewer its GPUs the better.
pub(super) fn score(node: &Node, shape: &Shape) -> Scored {
    let gpus = gpus(node, shape);
    let left = |gpu: usize| i64::from(node.gpu_left()[gpu]);
    let is_free = |left: i64| left == i64::from(WHOLE);
    let all = (0..node.gpu_left().len()).filter(|gpu| is_free(left(*gpu))).count();
    let taken = gpus.iter().filter(|gpu| is_free(left(*gpu))).count();
    let count = |count: usize| i64::try_from(count).expect("at most 16 GPUs");
    let score = if shape.kind() == Kind::CpuOnly {
        0
    } else if all == node.gpu_left().len() {
        (33 - count(all)).max(count(all))
    } else if taken > 0 {
        (50 - count(taken)).max(33)
    } else {
        let percents: i64 = gpus.iter().map(|gpu| left(gpu) * 100 / i64::from(WHOLE)).sum();
        (100 - percents / 10).max(50)
    };
    let score = i16::try_from(score).expect("a score within 0 and 100");
    Scored { score, gpus }
}
