//! Fragmentation gradient descent (Weng et al., USENIX ATC 2023): the spot after which the expected
//! workload can use most of what is left.

use super::cache::Scored;
use super::fleet::Fleet;
use super::fragments::Fragments;
use super::node::Node;
use super::shape::{GpuSet, Kind, Shape};
use super::sigmoid::Sigmoid;
use crate::command::TargetShape;

/// The policy for one target workload.
#[derive(Clone, Debug)]
pub(super) struct Fgd {
    fragments: Fragments,
    sigmoid: Sigmoid,
}

impl Fgd {
    /// FGD for a pool that expects `target`. Without any, nothing is fragmented and the first node
    /// that fits wins.
    pub(super) fn new(target: &[TargetShape]) -> Self {
        let fragments = Fragments::new(target);
        let sigmoid = Sigmoid::new(fragments.total());
        Self { fragments, sigmoid }
    }

    /// Makes sure that every model of `fleet` is known.
    pub(super) fn meet(&mut self, fleet: &Fleet) {
        self.fragments.meet(fleet);
    }

    /// What `shape` on `node`, which fits it, does to fragmentation, as a score.
    pub(super) fn score(&mut self, node: &Node, shape: &Shape) -> Scored {
        let change = self.fragments.change(node, shape);
        let sigmoid = &self.sigmoid;
        match shape.kind() {
            Kind::CpuOnly => Scored { score: sigmoid.score(change.kept), gpus: GpuSet::NONE },
            Kind::Whole => {
                let score = sigmoid.score(change.on_free(shape.gpu_count()));
                Scored { score, gpus: node.lowest_free(shape) }
            }
            Kind::Slice => {
                let wanted = shape.need().gpu_milli.0;
                sigmoid.first_best(node.gpu_left().iter().map(|left| change.on(*left, wanted)))
            }
        }
    }
}
