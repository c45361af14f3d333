//! `AdamW` (Loshchilov and Hutter, 2019) with gradients clipped to a norm.

use super::graph::Graph;
use super::weights::{HEADS, READOUT};
use crate::error::Result;
use crate::number::single;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const TINY: f64 = 1e-8;
/// What weights lose per step, by the rate; biases lose nothing.
const WEIGHT_DECAY: f64 = 1e-3;
/// Longest gradient.
const NORM_MAX: f64 = 1.0;

/// The optimiser's memory.
#[derive(Debug, Default)]
pub struct Adam {
    steps: i32,
    moments: Vec<[Vec<f64>; 2]>,
}

impl Adam {
    /// Moves the variables of `graph` against `gradients`, at `rate`.
    ///
    /// # Errors
    /// [`crate::Error::Bug`] only.
    pub fn step(&mut self, graph: &Graph, gradients: &GradStore, rate: f64) -> Result<()> {
        let mut all = Vec::with_capacity(graph.vars.len());
        for var in &graph.vars {
            let gradient = match gradients.get(var.as_tensor()) {
                Some(gradient) => gradient.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?,
                None => vec![0.0; var.elem_count()],
            };
            all.push(gradient);
        }
        let norm = all.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let scale = if NORM_MAX < norm { NORM_MAX / norm } else { 1.0 };
        if self.moments.is_empty() {
            self.moments = all.iter().map(|g| [vec![0.0; g.len()], vec![0.0; g.len()]]).collect();
        }
        self.steps += 1;
        let corrections = [FIRST_DECAY, SECOND_DECAY].map(|decay| 1.0 - decay.powi(self.steps));
        for (part, (var, gradient)) in graph.vars.iter().zip(&all).enumerate() {
            let decays = part < HEADS || part == READOUT;
            let decay = if decays { rate * WEIGHT_DECAY } else { 0.0 };
            let [first, second] = &mut self.moments[part];
            let values = var.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let moved = values.iter().enumerate().map(|(at, value)| {
                let g = gradient[at] * scale;
                first[at] = FIRST_DECAY * first[at] + (1.0 - FIRST_DECAY) * g;
                second[at] = SECOND_DECAY * second[at] + (1.0 - SECOND_DECAY) * g * g;
                let root = (second[at] / corrections[1]).sqrt() + TINY;
                let value = f64::from(*value) * (1.0 - decay);
                single(value - rate * first[at] / corrections[0] / root)
            });
            let moved = moved.collect::<Vec<_>>();
            let tensor = Tensor::from_vec(moved, var.dims(), var.device())?;
            var.set(&tensor.to_dtype(var.dtype())?)?;
        }
        Ok(())
    }
}
