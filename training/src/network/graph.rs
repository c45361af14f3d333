//! The network as a graph of tensors, so that gradients come from the library.
//!
//! In the last phase the words of the core's reference stand in for every state and logit, and the
//! rounded weights for every weight: the pass forward *is* the integer specification, and
//! gradients go through the roundings as if there were none (straight-through).

use super::exact::Exact;
use super::weights::{HEADS, INPUTS, PARTS, READOUT, READOUT_BIAS, Weights};
use crate::error::Result;
use candle_core::{DType, Device, Tensor, Var};
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

/// What a pass forward finds.
#[derive(Debug)]
pub struct Pass {
    /// The mean cross-entropy of the steps that have a class.
    pub loss: Tensor,
    /// The states after the last step, by sequence.
    pub states: Tensor,
}

/// Weights as variables.
#[derive(Debug)]
pub struct Graph {
    units: usize,
    dtype: DType,
    /// In the order of [`Weights::parts`].
    pub vars: Vec<Var>,
}

impl Graph {
    /// The graph of `weights`.
    ///
    /// # Errors
    /// [`crate::Error::Bug`] only.
    pub fn new(weights: &Weights, dtype: DType) -> Result<Self> {
        let units = weights.units;
        let var = |part: usize| {
            let [rows, columns] = Weights::shape(units, part);
            let plain = &weights.parts[part];
            let tensor = Tensor::from_slice(plain, (rows, columns), &Device::Cpu)?;
            Ok(Var::from_tensor(&tensor.to_dtype(dtype)?)?)
        };
        Ok(Self { units, dtype, vars: (0..PARTS).map(var).collect::<Result<_>>()? })
    }

    /// The same weights as plain numbers.
    ///
    /// # Errors
    /// [`crate::Error::Bug`] only.
    pub fn weights(&self) -> Result<Weights> {
        let mut weights = Weights::zeros(self.units);
        for (part, var) in weights.parts.iter_mut().zip(&self.vars) {
            *part = var.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        }
        Ok(weights)
    }

    /// Passes `window` on from `states`, by sequence. `exact` holds the words of the integers.
    ///
    /// # Errors
    /// [`crate::Error::Bug`] only.
    pub fn pass(&self, window: &Window, states: &[f32], exact: Option<&Exact>) -> Result<Pass> {
        let weights = self.effective(exact)?;
        let Window { steps, rows, .. } = *window;
        let mut h = self.constant(states, (rows, self.units))?;
        let mut after = Vec::with_capacity(steps);
        for step in 0..steps {
            let x = &window.features[step * rows * INPUTS..][..rows * INPUTS];
            let s = &window.codes[step * rows..][..rows];
            let x = self.constant(x, (rows, INPUTS))?;
            let s = self.constant(s, (rows, 1))?;
            let operand = match exact {
                None => h,
                Some(exact) => self.replaced(&h, &exact.operands[step])?,
            };
            h = cell(&weights, &Tensor::cat(&[&x, &operand], 1)?, &s)?;
            if let Some(exact) = exact {
                h = self.replaced(&h, &exact.states[step])?;
            }
            after.push(h.clone());
        }
        let all = Tensor::cat(&after, 0)?;
        let mut logits = all.matmul(&weights[READOUT])?.broadcast_add(&weights[READOUT_BIAS])?;
        if let Some(exact) = exact {
            logits = self.replaced(&logits, &exact.logits)?;
        }
        Ok(Pass { loss: self.loss(&logits, &window.classes)?, states: h })
    }

    /// The variables, or what they are rounded to.
    fn effective(&self, exact: Option<&Exact>) -> Result<Vec<Tensor>> {
        let pairs = self.vars.iter().enumerate();
        let each = pairs.map(|(part, var)| match exact {
            None => Ok(var.as_tensor().clone()),
            Some(exact) => self.replaced(var.as_tensor(), &exact.weights.parts[part]),
        });
        each.collect()
    }

    /// `values` going forward, the gradient of `tensor` going back.
    fn replaced(&self, tensor: &Tensor, values: &[f32]) -> Result<Tensor> {
        let values = self.constant(values, tensor.dims2()?)?;
        Ok((tensor + (values - tensor)?.detach())?)
    }

    fn constant(&self, values: &[f32], shape: (usize, usize)) -> Result<Tensor> {
        Ok(Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?)
    }

    fn loss(&self, logits: &Tensor, classes: &[Option<usize>]) -> Result<Tensor> {
        let mut wanted = vec![0.0; classes.len() * LOGITS];
        let known = classes.iter().enumerate().filter_map(|(at, class)| Some((at, (*class)?)));
        let mut count = 0_u32;
        for (at, class) in known {
            wanted[at * LOGITS + class] = 1.0;
            count += 1;
        }
        let wanted = self.constant(&wanted, (classes.len(), LOGITS))?;
        let most = logits.max_keepdim(1)?.detach();
        let centred = logits.broadcast_sub(&most)?;
        let sums = centred.exp()?.sum_keepdim(1)?.log()?;
        let likelihood = (centred.broadcast_sub(&sums)? * wanted)?.sum_all()?;
        Ok((likelihood * (-1.0 / f64::from(count.max(1))))?)
    }
}

/// One step: section 6 of `docs/council-spec.md` in real numbers.
fn cell(weights: &[Tensor], u: &Tensor, s: &Tensor) -> Result<Tensor> {
    let z = |head: usize| u.matmul(&weights[head])?.broadcast_add(&weights[HEADS + head]);
    let (early, late) = (z(0)?.tanh()?, z(1)?.tanh()?);
    let gate = (z(2)?.broadcast_mul(s)? + z(3)?)?;
    // The logistic curve by tanh, which the library has.
    let gate = (gate * 0.5)?.tanh()?.affine(0.5, 0.5)?;
    Ok((&early + ((late - &early)? * gate)?)?)
}
