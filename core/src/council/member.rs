//! One member: sections 6, 7 and 10 of `docs/council-spec.md`. Plain data; what has to hold of it
//! is checked when a [`super::Council`] is made of it.

use super::features::{FEATURE_COUNT, FeatureMask};
use super::logits::{Calibration, PerMille};

/// Hidden units of every member of a council.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenSize {
    /// 16 units.
    H16,
    /// 32 units.
    H32,
    /// 64 units.
    H64,
}

/// Units of the largest size.
pub const HIDDEN_MAX: usize = 64;
/// Operands of a row of the largest size.
pub const OPERANDS_MAX: usize = FEATURE_COUNT + HIDDEN_MAX;

impl HiddenSize {
    /// The size with so many units.
    #[must_use]
    pub fn new(units: usize) -> Option<Self> {
        [Self::H16, Self::H32, Self::H64].into_iter().find(|size| size.units() == units)
    }

    /// H.
    #[must_use]
    pub fn units(self) -> usize {
        match self {
            Self::H16 => 16,
            Self::H32 => 32,
            Self::H64 => HIDDEN_MAX,
        }
    }

    /// K = I + H: what a row of a head is multiplied with.
    #[must_use]
    pub fn operands(self) -> usize {
        FEATURE_COUNT + self.units()
    }

    /// Rows of all heads.
    #[must_use]
    pub fn rows(self) -> usize {
        Head::ALL.len() * self.units()
    }
}

/// The four rows of a hidden unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Where the unit stands while the gate is closed.
    Early,
    /// Where it stands once the gate is open.
    Late,
    /// What elapsed time is multiplied with.
    Rate,
    /// What is added to that.
    Base,
}

impl Head {
    /// In the order of the file.
    pub const ALL: [Self; 4] = [Self::Early, Self::Late, Self::Rate, Self::Base];

    /// Which row of the heads belongs to hidden unit `unit`.
    #[must_use]
    pub fn row(self, size: HiddenSize, unit: usize) -> usize {
        let head = match self {
            Self::Early => 0,
            Self::Late => 1,
            Self::Rate => 2,
            Self::Base => 3,
        };
        head * size.units() + unit
    }
}

/// One row: `accumulator = bias + sum of weights times operands`, then a scale.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// w, each -127 to 127.
    pub weights: &'a [i8],
    /// b, in the accumulator's unit.
    pub bias: i32,
    /// m, 512 to 1023.
    pub multiplier: u16,
    /// n, 1 to 30.
    pub shift: u8,
}

/// Rows of one length, as the file holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Weights of a row.
    pub operands: usize,
    /// Row by row.
    pub weights: Vec<i8>,
    /// By row.
    pub biases: Vec<i32>,
    /// By row.
    pub multipliers: Vec<u16>,
    /// By row.
    pub shifts: Vec<u8>,
}

impl Rows {
    /// Row `index`.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> Row<'_> {
        Row {
            weights: &self.weights[index * self.operands..][..self.operands],
            bias: self.biases[index],
            multiplier: self.multipliers[index],
            shift: self.shifts[index],
        }
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.biases.len()).map(|index| self.row(index))
    }

    /// Whether there are `rows` rows of `operands` weights.
    pub(super) fn has_shape(&self, rows: usize, operands: usize) -> bool {
        let counts = [self.biases.len(), self.multipliers.len(), self.shifts.len()];
        self.operands == operands
            && self.weights.len() == rows * operands
            && counts.iter().all(|count| *count == rows)
    }
}

/// One member of a council.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is trained to look at, such as `cost`; unique in its council.
    pub label: String,
    /// The features that it sees.
    pub mask: FeatureMask,
    /// What its verdict weighs at first, in basis points.
    pub weight_bp: u16,
    /// Surer than this, its denial is a veto.
    pub veto: PerMille,
    /// 4 H rows of K weights.
    pub heads: Rows,
    /// 3 rows of H weights.
    pub readout: Rows,
    /// From margins to confidence.
    pub calibration: Calibration,
}
