//! What slices of each size are worth when GPUs are cut as well as possible: the dual prices of the
//! cutting-stock program, by column generation (Gilmore and Gomory, 1961).
//!
//! Prices are such that no cut of one GPU is worth more than the GPU, and that the expected slices
//! together are worth as much as that allows. They are fixed-point numbers with 40 bits behind the
//! point, and every step is integer arithmetic, so they are a function of the demand alone.
//! Rounding, or the bound on steps, can only make them a little less than the best ones.

/// One GPU, or one unit of value.
pub(super) const ONE: i128 = 1 << 40;

/// A cut that is worth more by less than this is not better: a millionth of a GPU.
const SLACK: i128 = ONE >> 20;

/// The least part of a basic cut that an entering cut must replace, against division by almost 0.
const PIVOT_MIN: i128 = ONE >> 20;

/// Beyond it the arithmetic below could overflow. Bases of real demands stay below 10.
const ENTRY_MAX: i128 = ONE << 12;

/// Cuts that may enter. Thirty-two sizes drawn at random need about 130.
const PIVOTS_MAX: usize = 500;

/// Milli in a GPU, as a length.
const WHOLE: usize = 1_000;

/// How many slices of one size are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// The size, 1 to 999.
    pub(super) milli: usize,
    /// How many of them.
    pub(super) count: i64,
}

/// The best value of so many milli of one GPU, for 0 to 1000: multiples of [`ONE`], a whole GPU
/// being worth about one. All 0 without any demand.
pub(super) fn values(demands: &[Demand]) -> Vec<i128> {
    let mut basis = Basis::new(demands);
    for _ in 0..PIVOTS_MAX {
        let best = Cuts::new(demands, &basis.prices());
        if best.values[WHOLE] <= ONE + SLACK || basis.enter(&best.cut(demands)).is_none() {
            return best.values;
        }
    }
    Cuts::new(demands, &basis.prices()).values
}

/// The best cuts of 0 to 1000 milli under some prices.
struct Cuts {
    values: Vec<i128>,
    /// The size that the best cut of so many milli ends with, by index; `None` where a milli less
    /// is worth as much.
    last: Vec<Option<usize>>,
}

impl Cuts {
    fn new(demands: &[Demand], prices: &[i128]) -> Self {
        let (mut values, mut last) = (vec![0; WHOLE + 1], vec![None; WHOLE + 1]);
        for milli in 1..=WHOLE {
            values[milli] = values[milli - 1];
            for (size, (demand, price)) in demands.iter().zip(prices).enumerate() {
                if demand.milli <= milli && values[milli - demand.milli] + price > values[milli] {
                    values[milli] = values[milli - demand.milli] + price;
                    last[milli] = Some(size);
                }
            }
        }
        Self { values, last }
    }

    /// How many slices of each size the best cut of a whole GPU has.
    fn cut(&self, demands: &[Demand]) -> Vec<i128> {
        let mut cut = vec![0; demands.len()];
        let mut milli = WHOLE;
        while milli > 0 {
            match self.last[milli] {
                Some(size) => {
                    cut[size] += 1;
                    milli -= demands[size].milli;
                }
                None => milli -= 1,
            }
        }
        cut
    }
}

/// As many cuts as there are sizes, which together give exactly the demand.
struct Basis {
    /// The inverse of the matrix whose columns are the cuts, by row.
    inverse: Vec<Vec<i128>>,
    /// How often each cut is made, as parts of the whole demand.
    levels: Vec<i128>,
}

impl Basis {
    /// Each cut of one size only.
    fn new(demands: &[Demand]) -> Self {
        let total: i128 = demands.iter().map(|demand| i128::from(demand.count)).sum();
        let pieces = |demand: &Demand| (WHOLE / demand.milli) as i128;
        let row = |at: usize| {
            let mut row = vec![0; demands.len()];
            row[at] = ONE / pieces(&demands[at]);
            row
        };
        let level = |d: &Demand| i128::from(d.count) * ONE / (total * pieces(d));
        Self {
            inverse: (0..demands.len()).map(row).collect(),
            levels: demands.iter().map(level).collect(),
        }
    }

    /// Under which every cut of the basis is worth one GPU.
    fn prices(&self) -> Vec<i128> {
        let sizes = 0..self.inverse.len();
        sizes.map(|size| self.inverse.iter().map(|row| row[size]).sum()).collect()
    }

    /// Makes `cut` part of the basis in place of the one that it replaces first. `None`, with the
    /// basis as it was, when the numbers would grow too large.
    fn enter(&mut self, cut: &[i128]) -> Option<()> {
        let product = |row: &Vec<i128>| row.iter().zip(cut).map(|(entry, n)| entry * n).sum();
        let replaced: Vec<i128> = self.inverse.iter().map(product).collect();
        let sooner =
            |a: usize, b: usize| self.levels[a] * replaced[b] < self.levels[b] * replaced[a];
        let rows = (0..replaced.len()).filter(|row| replaced[*row] > PIVOT_MIN);
        let leaving = rows.reduce(|first, row| if sooner(row, first) { row } else { first })?;
        let scaled = |entry: i128| entry * ONE / replaced[leaving];
        let entering: Vec<i128> =
            self.inverse[leaving].iter().map(|entry| scaled(*entry)).collect();
        let level = scaled(self.levels[leaving]);
        let without = |row: usize, entry: i128, new: i128| entry - replaced[row] * new / ONE;
        let mut inverse = self.inverse.clone();
        for (at, row) in inverse.iter_mut().enumerate() {
            for (entry, new) in row.iter_mut().zip(&entering) {
                *entry = if at == leaving { *new } else { without(at, *entry, *new) };
            }
        }
        if inverse.iter().flatten().any(|entry| entry.abs() > ENTRY_MAX) {
            return None;
        }
        self.inverse = inverse;
        for (at, entry) in self.levels.iter_mut().enumerate() {
            *entry = if at == leaving { level } else { without(at, *entry, level).max(0) };
        }
        Some(())
    }
}
