//! Gradient boosting over histograms, as small as it can be and still be a serious opponent: 80
//! trees of depth 4, second-order leaves (Chen and Guestrin, 2016).

use super::{COLUMNS, Row};
use crate::number::{index, nearest};

const TREES: usize = 80;
const DEPTH: usize = 4;
const BINS: usize = 64;
const RATE: f64 = 0.1;
const RIDGE: f64 = 1.0;
/// Least sum of second derivatives in a leaf.
const LEAF_MIN: f64 = 3.0;

/// Fitted trees.
#[derive(Clone, Debug)]
pub struct Boosting {
    edges: Vec<Vec<f64>>,
    base: f64,
    trees: Vec<Vec<Node>>,
}

/// A node of a tree that is stored level by level.
#[derive(Clone, Copy, Debug)]
enum Node {
    Split { column: usize, bin: u8 },
    Leaf(f64),
    Absent,
}

impl Boosting {
    /// Fitted to `rows`.
    #[must_use]
    pub fn fit(rows: &[&Row]) -> Self {
        let edges: Vec<_> = (0..COLUMNS).map(|column| edges(rows, column)).collect();
        let yes = rows.iter().filter(|row| row.happened).count() as f64;
        let rate = (yes + 1.0) / (rows.len() as f64 + 2.0);
        let base = (rate / (1.0 - rate)).ln();
        let mut fitted = Self { edges, base, trees: Vec::new() };
        let binned: Vec<_> = rows.iter().map(|row| fitted.binned(row)).collect();
        let mut sums = vec![base; rows.len()];
        for _ in 0..TREES {
            let derivatives = rows.iter().zip(&sums).map(|(row, sum)| {
                let p = 1.0 / (1.0 + (-sum).exp());
                (p - f64::from(u8::from(row.happened)), p * (1.0 - p))
            });
            let derivatives: Vec<_> = derivatives.collect();
            let mut tree = vec![Node::Absent; (1 << (DEPTH + 1)) - 1];
            grow(&mut tree, 0, (0..rows.len()).collect(), &binned, &derivatives);
            for (sum, bins) in sums.iter_mut().zip(&binned) {
                *sum += RATE * value(&tree, bins);
            }
            fitted.trees.push(tree);
        }
        fitted
    }

    /// The probability that it happens.
    #[must_use]
    pub fn predict(&self, row: &Row) -> f64 {
        let bins = self.binned(row);
        let sum: f64 = self.trees.iter().map(|tree| RATE * value(tree, &bins)).sum();
        1.0 / (1.0 + (-self.base - sum).exp())
    }

    fn binned(&self, row: &Row) -> [u8; COLUMNS] {
        std::array::from_fn(|column| {
            let bin = self.edges[column].partition_point(|edge| *edge < row.columns[column]);
            u8::try_from(bin).expect("at most 64 bins")
        })
    }
}

/// Up to 63 values between which a column is cut.
fn edges(rows: &[&Row], column: usize) -> Vec<f64> {
    let mut values: Vec<_> = rows.iter().map(|row| row.columns[column]).collect();
    values.sort_by(f64::total_cmp);
    let at = |bin: usize| {
        let place = values.len() as f64 * bin as f64 / BINS as f64;
        values.get(index(nearest(place.floor()))).copied()
    };
    let mut edges: Vec<_> = (1..BINS).filter_map(at).collect();
    edges.dedup();
    edges
}

fn value(tree: &[Node], bins: &[u8; COLUMNS]) -> f64 {
    let mut at = 0;
    loop {
        match tree[at] {
            Node::Split { column, bin } => at = 2 * at + if bins[column] <= bin { 1 } else { 2 },
            Node::Leaf(value) => return value,
            Node::Absent => return 0.0,
        }
    }
}

fn grow(
    tree: &mut [Node],
    at: usize,
    rows: Vec<usize>,
    binned: &[[u8; COLUMNS]],
    derivatives: &[(f64, f64)],
) {
    let total = rows
        .iter()
        .fold((0.0, 0.0), |(g, h), row| (g + derivatives[*row].0, h + derivatives[*row].1));
    let is_deepest = tree.len() <= 2 * at + 2;
    let best = if is_deepest { None } else { best_split(&rows, binned, derivatives, total) };
    let Some((column, bin)) = best else {
        tree[at] = Node::Leaf(-total.0 / (total.1 + RIDGE));
        return;
    };
    tree[at] = Node::Split { column, bin };
    let (left, right) = rows.into_iter().partition(|row| binned[*row][column] <= bin);
    grow(tree, 2 * at + 1, left, binned, derivatives);
    grow(tree, 2 * at + 2, right, binned, derivatives);
}

fn best_split(
    rows: &[usize],
    binned: &[[u8; COLUMNS]],
    derivatives: &[(f64, f64)],
    total: (f64, f64),
) -> Option<(usize, u8)> {
    let gain = |(g, h): (f64, f64)| g * g / (h + RIDGE);
    let (mut best, mut most) = (None, gain(total) + 1e-6);
    for column in 0..COLUMNS {
        let mut bins = [(0.0, 0.0); BINS];
        for row in rows {
            let (g, h) = &mut bins[usize::from(binned[*row][column])];
            *g += derivatives[*row].0;
            *h += derivatives[*row].1;
        }
        let mut left = (0.0, 0.0);
        for (bin, (g, h)) in (0_u8..).zip(bins) {
            left = (left.0 + g, left.1 + h);
            let right = (total.0 - left.0, total.1 - left.1);
            let found = gain(left) + gain(right);
            if LEAF_MIN <= left.1 && LEAF_MIN <= right.1 && most < found {
                (best, most) = (Some((column, bin)), found);
            }
        }
    }
    best
}
