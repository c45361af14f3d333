//! `AdamW` (Loshchilov and Hutter, 2019) with gradients clipped to a norm.

use super::weights::{HEADS, READOUT, Weights};
use crate::number::single;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const TINY: f64 = 1e-8;
/// What weights lose per step, by the rate; biases lose nothing.
const WEIGHT_DECAY: f64 = 1e-3;
/// Longest gradient.
const NORM_MAX: f64 = 1.0;

/// The optimiser's memory.
#[derive(Debug)]
pub struct Adam {
    steps: i32,
    /// By part, by weight: the fading means of its gradients and of their squares.
    moments: Vec<Vec<[f64; 2]>>,
}

impl Adam {
    /// Before its first step.
    #[must_use]
    pub fn new(weights: &Weights) -> Self {
        let moments = weights.parts.iter().map(|part| vec![[0.0; 2]; part.len()]).collect();
        Self { steps: 0, moments }
    }

    /// Moves `weights` against `gradient`, at `rate`.
    pub fn step(&mut self, weights: &mut Weights, gradient: &Weights, rate: f64) {
        let square = |g: &f32| f64::from(*g) * f64::from(*g);
        let norm = gradient.parts.iter().flatten().map(square).sum::<f64>().sqrt();
        let scale = if NORM_MAX < norm { NORM_MAX / norm } else { 1.0 };
        self.steps += 1;
        let [first_left, second_left] =
            [FIRST_DECAY, SECOND_DECAY].map(|decay| 1.0 - decay.powi(self.steps));
        let moments = self.moments.iter_mut();
        let parts = weights.parts.iter_mut().zip(&gradient.parts).zip(moments).enumerate();
        for (part, ((values, gradient), moments)) in parts {
            let decays = part < HEADS || part == READOUT;
            let kept = if decays { 1.0 - rate * WEIGHT_DECAY } else { 1.0 };
            for ((value, g), [first, second]) in values.iter_mut().zip(gradient).zip(moments) {
                let g = f64::from(*g) * scale;
                *first = FIRST_DECAY * *first + (1.0 - FIRST_DECAY) * g;
                *second = SECOND_DECAY * *second + (1.0 - SECOND_DECAY) * g * g;
                let root = (*second / second_left).sqrt() + TINY;
                *value = single(f64::from(*value) * kept - rate * *first / first_left / root);
            }
        }
    }
}
