//! One member, laid out for machines that multiply many pairs at once.
//!
//! Eight rows stand side by side, and two operands are taken at a time: a block's weights for one
//! pair of operands are 16 numbers one behind the other. The additions wrap and are not checked,
//! because a check in every lane would cost more than the sum. The range proof is why none wraps.

use super::curve::FastCurve;
use super::lanes::{Lanes, Pairs};
use crate::council::features::{FEATURE_COUNT, Features};
use crate::council::logits::{LOGITS, Logits};
use crate::council::member::{Member, Rows};
use crate::council::time::TimeCode;

/// Rows side by side: a block.
const LANES: usize = 8;
/// Blocks whose sums are kept in registers together: a group. With 16 registers of four sums, eight
/// of them leave room for operands.
const TOGETHER: usize = 4;

/// A member with H units, P = (32 + H) / 2 pairs of operands, R = 4 H rows and G = R / 32 groups.
#[derive(Clone, Debug)]
pub(super) struct FastMember<const H: usize, const P: usize, const R: usize, const G: usize> {
    /// In the order in which they are read.
    weights: [[[Pairs; TOGETHER]; P]; G],
    scales: Scales<R>,
    readout: [[i16; H]; LOGITS],
    readout_scales: Scales<LOGITS>,
}

/// What turns the accumulators of N rows into pre-activations. One array for each number: an array
/// of rows would be taken apart number by number.
#[derive(Clone, Copy, Debug)]
struct Scales<const N: usize> {
    biases: [i32; N],
    multipliers: [i32; N],
    halves: [i32; N],
    shifts: [u32; N],
}

impl<const N: usize> Scales<N> {
    fn of(rows: &Rows) -> Self {
        Self {
            biases: std::array::from_fn(|row| rows.biases[row]),
            multipliers: std::array::from_fn(|row| rows.multipliers[row].into()),
            halves: std::array::from_fn(|row| 1 << (rows.shifts[row] - 1)),
            shifts: std::array::from_fn(|row| rows.shifts[row].into()),
        }
    }

    /// Each accumulator becomes clamp16(R(acc * m, n)).
    #[inline(always)]
    fn scale(&self, accumulators: &mut [i32]) {
        let scales = self.multipliers.iter().zip(&self.halves).zip(&self.shifts);
        for (accumulator, ((multiplier, half), shift)) in accumulators.iter_mut().zip(scales) {
            let product = accumulator.wrapping_mul(*multiplier);
            let rounded = product.wrapping_add(*half).wrapping_shr(*shift);
            *accumulator = rounded.clamp(i16::MIN.into(), i16::MAX.into());
        }
    }
}

impl<const H: usize, const P: usize, const R: usize, const G: usize> FastMember<H, P, R, G> {
    pub(super) fn new(member: &Member) -> Self {
        assert!(P * 2 == FEATURE_COUNT + H && R == 4 * H && G * TOGETHER * LANES == R);
        let Member { heads, readout, .. } = member;
        let mut weights = [[[[[0; 2]; LANES]; TOGETHER]; P]; G];
        for (row, head) in heads.iter().enumerate() {
            let (block, lane) = (row / LANES, row % LANES);
            for (k, weight) in head.weights.iter().enumerate() {
                let pairs = &mut weights[block / TOGETHER][k / 2][block % TOGETHER];
                pairs[lane][k % 2] = i16::from(*weight);
            }
        }
        let row = |logit| std::array::from_fn(|j| i16::from(readout.row(logit).weights[j]));
        let readout_scales = Scales::of(readout);
        let scales = Scales::of(heads);
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
        let (blocks, _) = z.as_chunks::<LANES>();
        let [early, late, rate, base] = [0, 1, 2, 3].map(|head| &blocks[head * (H / LANES)..]);
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
    fn pre_activations(&self, lanes: impl Lanes, u: &[[i16; 2]; P]) -> [i32; R] {
        let mut z = self.scales.biases;
        let (blocks, _) = z.as_chunks_mut::<LANES>();
        let (groups, _) = blocks.as_chunks_mut::<TOGETHER>();
        for (sums, weights) in groups.iter_mut().zip(&self.weights) {
            let mut together = *sums;
            for (u, weights) in u.iter().zip(weights) {
                let u = [*u; LANES];
                for (sums, weights) in together.iter_mut().zip(weights) {
                    *sums = lanes.add_products(*sums, weights, &u);
                }
            }
            *sums = together;
        }
        self.scales.scale(&mut z);
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
        self.readout_scales.scale(&mut accumulators);
        Logits(accumulators.map(low))
    }
}

/// u: features as they are, states rounded to int8; two by two.
#[inline(always)]
fn operands<const H: usize, const P: usize>(x: &Features, h: &[i16; H]) -> [[i16; 2]; P] {
    let mut u = [[0; 2]; P];
    let (of_features, of_states) = u.as_flattened_mut().split_at_mut(FEATURE_COUNT);
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
