//! Weights as plain numbers, and the network as plain loops: what the pass is compared with, and
//! what answers when the float network is measured.

use crate::draw::Draw;
use crate::number::single;
use conclave_core::council::FEATURE_COUNT;
use conclave_core::council::logits::LOGITS;

/// Features.
pub const INPUTS: usize = FEATURE_COUNT;
/// Heads of a hidden unit: early, late, rate, base.
pub const HEADS: usize = 4;
/// Place of the readout's weights among the parts; the heads' weights and biases stand before.
pub const READOUT: usize = 2 * HEADS;
/// Place of its biases.
pub const READOUT_BIAS: usize = READOUT + 1;
/// How many parts there are.
pub const PARTS: usize = READOUT_BIAS + 1;

/// All weights of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// H.
    pub units: usize,
    /// Four matrices of K rows by H columns, their four biases, the readout of H rows by 3 columns
    /// and its bias; row by row.
    pub parts: [Vec<f32>; PARTS],
}

impl Weights {
    /// Zeros.
    #[must_use]
    pub fn zeros(units: usize) -> Self {
        let size = |part: usize| Self::shape(units, part).iter().product();
        Self { units, parts: std::array::from_fn(|part| vec![0.0; size(part)]) }
    }

    /// Small random weights; none where `is_seen` says that a feature is hidden.
    #[must_use]
    pub fn drawn(units: usize, is_seen: impl Fn(usize) -> bool, draw: &mut Draw) -> Self {
        let mut weights = Self::zeros(units);
        let bound = (3.0 / (INPUTS + units) as f64).sqrt();
        for head in 0..HEADS {
            for (at, weight) in weights.parts[head].iter_mut().enumerate() {
                let value = single(draw.between(-bound, bound));
                let k = at / units;
                if INPUTS <= k || is_seen(k) {
                    *weight = value;
                }
            }
        }
        let bound = (3.0 / units as f64).sqrt();
        weights.parts[READOUT].iter_mut().for_each(|weight| {
            *weight = single(draw.between(-bound, bound));
        });
        weights
    }

    /// Rows and columns of a part; a bias has one row.
    #[must_use]
    pub fn shape(units: usize, part: usize) -> [usize; 2] {
        match part {
            READOUT => [units, LOGITS],
            READOUT_BIAS => [1, LOGITS],
            bias if HEADS <= bias => [1, units],
            _ => [INPUTS + units, units],
        }
    }

    /// Replaces state `h` by the state after a step and says the logits after it. `x` are features
    /// as real numbers, `s` the time code as one.
    pub fn step(&self, h: &mut [f64], x: &[f64], s: f64) -> [f64; LOGITS] {
        let units = self.units;
        let z: [Vec<f64>; HEADS] = std::array::from_fn(|head| {
            let mut z: Vec<_> = self.parts[HEADS + head].iter().map(|b| f64::from(*b)).collect();
            let lines = self.parts[head].chunks_exact(units);
            for (u, line) in x.iter().chain(h.iter()).zip(lines) {
                z.iter_mut().zip(line).for_each(|(z, weight)| *z += u * f64::from(*weight));
            }
            z
        });
        let next = |unit: usize| {
            let gate = 1.0 / (1.0 + (-(z[2][unit] * s + z[3][unit])).exp());
            let (early, late) = (z[0][unit].tanh(), z[1][unit].tanh());
            early + (late - early) * gate
        };
        let next: Vec<f64> = (0..units).map(next).collect();
        h.copy_from_slice(&next);
        self.read(h)
    }

    /// The logits of a state.
    #[must_use]
    pub fn read<T: Copy + Into<f64>>(&self, h: &[T]) -> [f64; LOGITS] {
        std::array::from_fn(|logit| {
            let column = h.iter().enumerate().map(|(unit, h)| {
                let weight = self.parts[READOUT][unit * LOGITS + logit];
                (*h).into() * f64::from(weight)
            });
            column.sum::<f64>() + f64::from(self.parts[READOUT_BIAS][logit])
        })
    }
}

/// The probabilities that `logits` stand for.
#[must_use]
pub fn softmax(logits: [f64; LOGITS]) -> [f64; LOGITS] {
    let most = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|logit| (logit - most).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}
