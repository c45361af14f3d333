//! One member, laid out for machines that multiply many pairs at once.
//!
//! Eight rows stand side by side, and two operands are taken at a time: a block's weights for one
//! pair of operands are 16 numbers one behind the other. The additions wrap and are not checked,
//! because a check in every lane would cost more than the sum. The range proof is why none wraps.

use super::curve::FastCurve;
use super::lanes::{Lanes, Pairs, Sums};
use crate::council::features::{FEATURES, Features};
use crate::council::logits::{LOGITS, Logits};
use crate::council::member::{Member, Rows};
use crate::council::time::TimeCode;

/// Rows side by side.
const LANES: usize = 8;
/// Blocks of rows whose sums are kept in registers together.
const TOGETHER: usize = 4;

/// A member with H units, P = (32 + H) / 2 pairs of operands and B = 4 H / 8 blocks of rows.
#[derive(Clone, Debug)]
pub(super) struct FastMember<const H: usize, const P: usize, const B: usize> {
    weights: [[Pairs; P]; B],
    scales: [Scales; B],
    readout: [[i16; H]; LOGITS],
    readout_scales: Scales,
}

/// What turns the accumulators of eight rows into pre-activations.
#[derive(Clone, Copy, Debug, Default)]
struct Scales {
    biases: Sums,
    multipliers: Sums,
    halves: Sums,
    shifts: [u32; LANES],
}

impl Scales {
    /// Those of the rows from `first` on, as far as there are rows.
    fn of(rows: &Rows, first: usize) -> Self {
        let mut scales = Self { shifts: [1; LANES], ..Self::default() };
        for (lane, row) in rows.iter().skip(first).take(LANES).enumerate() {
            scales.biases[lane] = row.bias;
            scales.multipliers[lane] = row.multiplier.into();
            scales.halves[lane] = 1 << (row.shift - 1);
            scales.shifts[lane] = row.shift.into();
        }
        scales
    }

    /// clamp16(R(acc * m, n)) in each lane.
    #[inline(always)]
    fn scaled(&self, accumulators: &Sums) -> Sums {
        std::array::from_fn(|lane| {
            let product = accumulators[lane].wrapping_mul(self.multipliers[lane]);
            let rounded = product.wrapping_add(self.halves[lane]).wrapping_shr(self.shifts[lane]);
            rounded.clamp(i16::MIN.into(), i16::MAX.into())
        })
    }
}

impl<const H: usize, const P: usize, const B: usize> FastMember<H, P, B> {
    pub(super) fn new(member: &Member) -> Self {
        assert!(P * 2 == FEATURES + H && B * LANES == 4 * H && B.is_multiple_of(TOGETHER));
        let Member { heads, readout, .. } = member;
        let mut weights = [[[[0; 2]; LANES]; P]; B];
        for (row, head) in heads.iter().enumerate() {
            for (k, weight) in head.weights.iter().enumerate() {
                weights[row / LANES][k / 2][row % LANES][k % 2] = i16::from(*weight);
            }
        }
        let scales = std::array::from_fn(|block| Scales::of(heads, block * LANES));
        let row = |logit| std::array::from_fn(|j| i16::from(readout.row(logit).weights[j]));
        let readout_scales = Scales::of(readout, 0);
        Self { weights, scales, readout: std::array::from_fn(row), readout_scales }
    }

    /// Replaces `h` by the state after a step.
    #[inline(always)]
    pub(super) fn step(
        &self,
        lanes: impl Lanes,
        (tanh, sigmoid): (&FastCurve, &FastCurve),
        (x, s): (&Features, TimeCode),
        h: &mut [i16; H],
    ) {
        let z = self.pre_activations(lanes, &operands(x, h));
        let s = s.get();
        let [early, late, rate, base] = [0, 1, 2, 3].map(|head| &z[head * (B / 4)..]);
        for (block, next) in h.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let (p, q) = (&rate[block], &base[block]);
            let y = std::array::from_fn(|lane| {
                (p[lane].wrapping_mul(s).wrapping_add(128) >> 8).wrapping_add(q[lane])
            });
            let (t1, t2) = (tanh.at(lanes, &early[block]), tanh.at(lanes, &late[block]));
            let g = sigmoid.at(lanes, &y);
            *next = std::array::from_fn(|lane| {
                let moved = t2[lane].wrapping_sub(t1[lane]).wrapping_mul(g[lane]);
                low(t1[lane].wrapping_add(moved.wrapping_add(1 << 13) >> 14))
            });
        }
    }

    /// z of all rows.
    #[inline(always)]
    fn pre_activations(&self, lanes: impl Lanes, u: &[[i16; 2]; P]) -> [Sums; B] {
        let mut z = [[0; LANES]; B];
        for (index, z) in z.as_chunks_mut::<TOGETHER>().0.iter_mut().enumerate() {
            let first = index * TOGETHER;
            *z = std::array::from_fn(|block| self.scales[first + block].biases);
            for (pair, u) in u.iter().enumerate() {
                let u = [*u; LANES];
                for (block, sums) in z.iter_mut().enumerate() {
                    *sums = lanes.add_products(*sums, &self.weights[first + block][pair], &u);
                }
            }
        }
        for (z, scales) in z.iter_mut().zip(&self.scales) {
            *z = scales.scaled(z);
        }
        z
    }

    /// The logits read from `h`.
    #[inline(always)]
    pub(super) fn logits(&self, lanes: impl Lanes, h: &[i16; H]) -> Logits {
        let mut accumulators = self.readout_scales.biases;
        for (accumulator, weights) in accumulators.iter_mut().zip(&self.readout) {
            let mut sums = [0; LANES];
            for (w, h) in weights.as_chunks::<16>().0.iter().zip(h.as_chunks::<16>().0) {
                sums = lanes.add_products(sums, &pairs(w), &pairs(h));
            }
            let sum = sums.iter().fold(*accumulator, |sum, lane| sum.wrapping_add(*lane));
            *accumulator = sum.wrapping_add(64) >> 7;
        }
        let scaled = self.readout_scales.scaled(&accumulators);
        Logits(std::array::from_fn(|logit| low(scaled[logit])))
    }
}

/// u: features as they are, states rounded to int8; two by two.
#[inline(always)]
fn operands<const H: usize, const P: usize>(x: &Features, h: &[i16; H]) -> [[i16; 2]; P] {
    let mut u = [[0; 2]; P];
    let (of_features, of_states) = u.as_flattened_mut().split_at_mut(FEATURES);
    for (u, x) in of_features.iter_mut().zip(x.values()) {
        *u = i16::from(*x);
    }
    for (u, h) in of_states.iter_mut().zip(h) {
        *u = low(((i32::from(*h) + 64) >> 7).clamp(-127, 127));
    }
    u
}

#[inline(always)]
fn pairs(numbers: &[i16; 16]) -> Pairs {
    std::array::from_fn(|pair| [numbers[2 * pair], numbers[2 * pair + 1]])
}

/// The low 16 bits of a number that fits in them. `as` would ask for an exception to a lint, and
/// `try_from` for a branch in every lane.
#[inline(always)]
fn low(number: i32) -> i16 {
    let [first, second, ..] = number.to_le_bytes();
    i16::from_le_bytes([first, second])
}
