//! Forward through a window and back: the gradients of section 6 of `docs/council-spec.md` in real
//! numbers, by plain loops.
//!
//! In the last phase the words of the core's reference stand in for every state and logit, and the
//! rounded weights for every weight: the pass forward *is* the integer specification, and
//! gradients go through the roundings as if there were none (straight-through).

use super::exact::Exact;
use super::weights::{HEADS, INPUTS, READOUT, READOUT_BIAS, Weights, softmax};
use crate::number::single;
use conclave_core::council::logits::LOGITS;

/// Some steps of several sequences side by side.
#[derive(Clone, Debug)]
pub struct Window {
    /// Steps.
    pub steps: usize,
    /// Sequences.
    pub rows: usize,
    /// Features as real numbers, by step, then by sequence.
    pub features: Vec<f32>,
    /// Time codes as real numbers, likewise.
    pub codes: Vec<f32>,
    /// Which logit should be largest, likewise.
    pub classes: Vec<Option<usize>>,
}

/// What a pass finds.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Sum of the cross-entropies of the steps that have a class.
    pub loss: f64,
    /// How many have one.
    pub known: usize,
    /// How the mean cross-entropy changes with each weight.
    pub gradient: Weights,
}

/// Passes `window` on from `states`, one per sequence, and back. `exact` holds the words of the
/// integers, and then `weights` are what they are rounded to.
pub fn pass(
    weights: &Weights,
    window: &Window,
    states: &mut [Vec<f32>],
    exact: Option<&Exact>,
) -> Pass {
    let mut pass = Pass { loss: 0.0, known: 0, gradient: Weights::zeros(weights.units) };
    let known = window.classes.iter().flatten().count();
    for (row, state) in states.iter_mut().enumerate() {
        let view = View { weights, window, row, exact };
        let kept = view.forward(state);
        pass.loss += view.backward(&kept, &mut pass.gradient);
    }
    pass.known = known;
    let each = 1.0 / single(known.max(1) as f64);
    pass.gradient.parts.iter_mut().flatten().for_each(|value| *value *= each);
    pass
}

/// One sequence of a window.
struct View<'a> {
    weights: &'a Weights,
    window: &'a Window,
    row: usize,
    exact: Option<&'a Exact>,
}

/// What the way back needs of a step.
struct Kept {
    /// Operands.
    u: Vec<f32>,
    /// tanh of the heads early and late, and the gate between them.
    early: Vec<f32>,
    late: Vec<f32>,
    gate: Vec<f32>,
    /// The state after it.
    h: Vec<f32>,
    logits: [f64; LOGITS],
}

impl View<'_> {
    fn forward(&self, state: &mut Vec<f32>) -> Vec<Kept> {
        let mut all: Vec<Kept> = Vec::with_capacity(self.window.steps);
        for step in 0..self.window.steps {
            all.push(self.step(step, state));
            state.clone_from(&all[step].h);
        }
        all
    }

    fn step(&self, step: usize, before: &[f32]) -> Kept {
        let (weights, at) = (self.weights, step * self.window.rows + self.row);
        let units = weights.units;
        let here = self.row * units..(self.row + 1) * units;
        let mut u = self.window.features[at * INPUTS..][..INPUTS].to_vec();
        match self.exact {
            None => u.extend_from_slice(before),
            Some(exact) => u.extend_from_slice(&exact.operands[step][here.clone()]),
        }
        let mut z: [Vec<f32>; HEADS] =
            std::array::from_fn(|head| weights.parts[HEADS + head].clone());
        for (z, matrix) in z.iter_mut().zip(&weights.parts) {
            for (u, line) in u.iter().zip(matrix.chunks_exact(units)).filter(|(u, _)| **u != 0.0) {
                z.iter_mut().zip(line).for_each(|(z, weight)| *z += u * weight);
            }
        }
        let [mut early, mut late, rate, base] = z;
        early.iter_mut().chain(&mut late).for_each(|z| *z = z.tanh());
        let s = self.window.codes[at];
        let gate = rate.iter().zip(&base).map(|(p, q)| 1.0 / (1.0 + (-(p * s + q)).exp()));
        let gate: Vec<f32> = gate.collect();
        let h = match self.exact {
            Some(exact) => exact.states[step][here].to_vec(),
            None => (0..units).map(|j| early[j] + (late[j] - early[j]) * gate[j]).collect(),
        };
        let logits = match self.exact {
            Some(exact) => {
                std::array::from_fn(|logit| f64::from(exact.logits[at * LOGITS + logit]))
            }
            None => weights.read(&h),
        };
        Kept { u, early, late, gate, h, logits }
    }

    /// Adds the gradient of the sum of losses to `gradient`; says that sum.
    fn backward(&self, kept: &[Kept], gradient: &mut Weights) -> f64 {
        let units = self.weights.units;
        let mut loss = 0.0;
        let mut after = vec![0.0_f32; units];
        for (step, kept) in kept.iter().enumerate().rev() {
            let at = step * self.window.rows + self.row;
            if let Some(class) = self.window.classes[at] {
                loss += self.readout_back(kept, class, &mut after, gradient);
            }
            if after.iter().all(|value| *value == 0.0) {
                continue;
            }
            let z = self.cell_back(kept, self.window.codes[at], &after);
            self.heads_back(kept, &z, &mut after, gradient);
        }
        loss
    }

    /// Adds what the loss of a step asks of the state to `after`.
    fn readout_back(
        &self,
        kept: &Kept,
        class: usize,
        after: &mut [f32],
        gradient: &mut Weights,
    ) -> f64 {
        let said = softmax(kept.logits);
        for (logit, said) in said.iter().enumerate() {
            let wrong = single(if logit == class { said - 1.0 } else { *said });
            gradient.parts[READOUT_BIAS][logit] += wrong;
            for (unit, after) in after.iter_mut().enumerate() {
                let place = unit * LOGITS + logit;
                gradient.parts[READOUT][place] += wrong * kept.h[unit];
                *after += wrong * self.weights.parts[READOUT][place];
            }
        }
        -said[class].max(1e-30).ln()
    }

    /// What `after` asks of the four pre-activations.
    fn cell_back(&self, kept: &Kept, s: f32, after: &[f32]) -> [Vec<f32>; HEADS] {
        let mut z: [Vec<f32>; HEADS] = std::array::from_fn(|_| Vec::with_capacity(after.len()));
        for (unit, after) in after.iter().enumerate() {
            let (early, late, gate) = (kept.early[unit], kept.late[unit], kept.gate[unit]);
            let base = after * (late - early) * gate * (1.0 - gate);
            z[0].push(after * (1.0 - gate) * (1.0 - early * early));
            z[1].push(after * gate * (1.0 - late * late));
            z[2].push(base * s);
            z[3].push(base);
        }
        z
    }

    /// What the pre-activations ask of the weights, and in `after` of the state before.
    fn heads_back(
        &self,
        kept: &Kept,
        z: &[Vec<f32>; HEADS],
        after: &mut [f32],
        gradient: &mut Weights,
    ) {
        let units = self.weights.units;
        after.fill(0.0);
        for (head, z) in z.iter().enumerate() {
            add(&mut gradient.parts[HEADS + head], 1.0, z);
            let lines = gradient.parts[head].chunks_exact_mut(units);
            for (u, line) in kept.u.iter().zip(lines).filter(|(u, _)| **u != 0.0) {
                add(line, *u, z);
            }
            let lines = self.weights.parts[head].chunks_exact(units).skip(INPUTS);
            after.iter_mut().zip(lines).for_each(|(after, line)| *after += dot(line, z));
        }
    }
}

fn add(to: &mut [f32], by: f32, values: &[f32]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += by * value);
}

/// Eight sums side by side, which a processor adds at once.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        sums.iter_mut().zip(one.iter().zip(other)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}
