//! Scores kept from choice to choice: a node is scored again for a shape only after it changed.
//!
//! A cache never changes a choice. It notices by itself when it is shown another fleet.

use super::Spot;
use super::fleet::Fleet;
use super::history::Moment;
use super::node::Node;
use super::shape::{GpuSet, Shape};
use std::cmp::Ordering;

/// Shapes whose scores are kept; beyond it the one not asked for longest is dropped. A shape costs
/// two bytes per node.
const SHAPES_MAX: usize = 512;

/// The score of a node that does not fit, memory aside.
const UNFIT: i16 = i16::MIN;

/// What a policy says about one shape on one node that fits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scored {
    /// Higher is better; above [`UNFIT`].
    pub(super) score: i16,
    /// The GPUs that it would take.
    pub(super) gpus: GpuSet,
}

/// The scores of the latest shapes.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    /// Ascending by [`order`].
    rows: Vec<Row>,
    /// The newest moment of any row.
    seen: Moment,
    choices: u64,
}

/// One shape's scores. Memory is no part of a score, so shapes that differ in it share a row.
#[derive(Clone, Debug)]
struct Row {
    shape: Shape,
    /// Per model of the fleet, whether the shape accepts it.
    accepted: Vec<bool>,
    /// Per node.
    scores: Vec<i16>,
    seen: Moment,
    last_choice: u64,
}

impl Cache {
    /// The spot with the highest score among nodes that fit `shape`, the first among equals; only
    /// `nodes` are looked at when some are named, in their order.
    pub(super) fn best(
        &mut self,
        fleet: &Fleet,
        nodes: Option<&[usize]>,
        shape: &Shape,
        mut score: impl FnMut(usize, &Node) -> Scored,
    ) -> Option<Spot> {
        if !fleet.history.remembers(self.seen) {
            self.rows.clear();
        }
        self.seen = fleet.history.now();
        let row = self.row(shape);
        row.refresh(fleet, &mut score);
        let node = match nodes {
            None => row.best_node(fleet, shape),
            Some(nodes) => row.best_of(nodes.iter().copied(), fleet, shape),
        }?;
        // The GPUs are worked out again for the chosen node: keeping them for all costs more.
        Some(Spot { node, gpus: score(node, fleet.node(node)).gpus })
    }

    /// Drops every score: when what they depend on besides fleet and shape changed, it has to be.
    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    fn row(&mut self, shape: &Shape) -> &mut Row {
        self.choices += 1;
        let found = self.rows.binary_search_by(|row| order(&row.shape, shape));
        let at = found.unwrap_or_else(|mut at| {
            if self.rows.len() == SHAPES_MAX {
                let oldest = (0..SHAPES_MAX).min_by_key(|i| self.rows[*i].last_choice);
                let oldest = oldest.expect("a full cache is not empty");
                self.rows.remove(oldest);
                at -= usize::from(oldest < at);
            }
            self.rows.insert(at, Row::new(shape));
            at
        });
        self.rows[at].last_choice = self.choices;
        &mut self.rows[at]
    }
}

impl Row {
    fn new(shape: &Shape) -> Self {
        let (accepted, scores) = (Vec::new(), Vec::new());
        Self { shape: shape.clone(), accepted, scores, seen: Moment::default(), last_choice: 0 }
    }

    /// Scores what changed since the last time; everything when that is too long ago.
    fn refresh(&mut self, fleet: &Fleet, mut score: impl FnMut(usize, &Node) -> Scored) {
        if self.accepted.len() < fleet.models().len() {
            self.accepted = fleet.models_accepted(&self.shape);
        }
        let (shape, accepted) = (&self.shape, &self.accepted);
        let mut scored = |(index, node): (usize, &Node)| {
            let fits = accepted[node.class().model] && node.fits_beside_memory(shape);
            if fits { score(index, node).score } else { UNFIT }
        };
        let nodes = fleet.nodes();
        if self.scores.is_empty() || !fleet.history.remembers(self.seen) {
            self.scores.clear();
            self.scores.extend(nodes.iter().enumerate().map(scored));
        } else {
            self.scores.resize(nodes.len(), UNFIT);
            for index in fleet.history.touched_since(self.seen) {
                self.scores[index] = scored((index, &nodes[index]));
            }
        }
        self.seen = fleet.history.now();
    }

    fn best_node(&self, fleet: &Fleet, shape: &Shape) -> Option<usize> {
        let highest = self.scores.iter().fold(UNFIT, |highest, score| highest.max(*score));
        if highest == UNFIT {
            return None;
        }
        let first = self.scores.iter().position(|score| *score == highest);
        let first = first.expect("the highest score is one of the scores");
        if is_in_memory(fleet, first, shape) {
            return Some(first);
        }
        // Memory is seldom what is short, so it is looked at only where the best lacks it.
        self.best_of(0..self.scores.len(), fleet, shape)
    }

    fn best_of(
        &self,
        nodes: impl Iterator<Item = usize>,
        fleet: &Fleet,
        shape: &Shape,
    ) -> Option<usize> {
        let mut best = None;
        let mut highest = UNFIT;
        for index in nodes {
            let score = self.scores[index];
            if score > highest && is_in_memory(fleet, index, shape) {
                (best, highest) = (Some(index), score);
            }
        }
        best
    }
}

fn is_in_memory(fleet: &Fleet, index: usize, shape: &Shape) -> bool {
    fleet.node(index).memory_left() >= shape.need().memory_mib
}

/// The order of rows: all that a score depends on, so not memory.
fn order(a: &Shape, b: &Shape) -> Ordering {
    let numbers = |s: &Shape| (s.need().cpu_milli, s.need().gpu_milli, s.gpu_count());
    numbers(a).cmp(&numbers(b)).then_with(|| a.models().cmp(b.models()))
}
