//! Clustering: nodes that run tasks of the same kind, then free ones, then others; fuller nodes
//! before emptier ones.

use super::super::best_fit::GPU_SCALE;
use super::super::cache::Scored;
use super::super::shape::NODE_GPUS;
use super::{Kind, Node, Shape, gpus};

/// How many tasks with GPUs run on a node, by tag: a slice has the first one, so many whole GPUs
/// the one of that number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags([u32; NODE_GPUS + 1]);

impl Tags {
    pub(super) fn add(&mut self, shape: &Shape) {
        if let Some(tag) = tag(shape) {
            self.0[tag] += 1;
        }
    }

    pub(super) fn remove(&mut self, shape: &Shape) {
        if let Some(tag) = tag(shape) {
            let fewer = self.0[tag].checked_sub(1);
            self.0[tag] = fewer.expect("a task is removed from where it was placed");
        }
    }
}

/// Nothing for a task without GPUs.
fn tag(shape: &Shape) -> Option<usize> {
    match shape.kind() {
        Kind::CpuOnly => None,
        Kind::Slice => Some(0),
        Kind::Whole => Some(shape.gpu_count()),
    }
}

/// 0 for a task without GPUs. Otherwise 75 on a node with its tag alone, 50 on one with others
/// beside it, 25 on one that runs nothing with GPUs, 0 on one with other tags only; and 25 times
/// the part of eight GPUs that is not left, rounded towards zero.
pub(super) fn score(node: &Node, tags: &Tags, shape: &Shape) -> Scored {
    let gpus = gpus(node, shape);
    let Some(tag) = tag(shape) else {
        return Scored { score: 0, gpus };
    };
    let others = tags.0.iter().enumerate().any(|(other, count)| other != tag && *count > 0);
    let rank = match (tags.0[tag] > 0, others) {
        (true, false) => 75,
        (true, true) => 50,
        (false, false) => 25,
        (false, true) => 0,
    };
    let full = 25 * (GPU_SCALE - node.gpu_milli_left()) / GPU_SCALE;
    let score = i16::try_from(rank + full).expect("a node has at most 16 GPUs");
    Scored { score, gpus }
}
