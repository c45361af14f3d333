//! The integers of a window, computed by the core's reference: what the last phase of training
//! passes forward.

use super::tape::Window;
use super::weights::{INPUTS, Weights};
use crate::error::{Error, Result};
use crate::member::Role;
use crate::number::single;
use crate::quantise::{dequantised, member, sigmoid_curve, tanh_curve, time_table};
use conclave_core::council::rounding::rounded;
use conclave_core::council::{
    Council, CouncilParts, Evaluator, Features, HiddenSize, HiddenState, Member, PerMille,
    QuorumNumbers, SchemaHash, TimeCode,
};
use conclave_core::units::Hash32;

/// What the integers make of a window.
#[derive(Clone, Debug)]
pub struct Exact {
    /// The weights that the integers stand for.
    pub weights: Weights,
    /// By step: the states' operands before it, as real numbers, by sequence.
    pub operands: Vec<Vec<f32>>,
    /// By step: the states after it, likewise.
    pub states: Vec<Vec<f32>>,
    /// The logits after all steps, by step, then by sequence.
    pub logits: Vec<f32>,
}

/// A council of `members`, proved.
///
/// # Errors
/// [`Error::Bug`] when the proof fails: the exporter keeps every row within it.
pub fn council(members: Vec<Member>, quorum: QuorumNumbers, schema: SchemaHash) -> Result<Council> {
    let units = members.first().map_or(0, |member| member.readout.operands);
    let hidden = HiddenSize::new(units)
        .ok_or_else(|| Error::Invalid(format!("no member has {units} units: 16, 32 or 64")))?;
    let (tanh, sigmoid, time) = (tanh_curve(), sigmoid_curve(), time_table());
    let parts = CouncilParts { schema, hidden, tanh, sigmoid, time, quorum, members };
    Council::new(parts).map_err(|why| Error::Bug(format!("what was exported is no council: {why}")))
}

/// A council of one member, to compute its words.
///
/// # Errors
/// As [`council`].
pub fn alone(role: &Role, weights: &Weights) -> Result<Council> {
    let quorum = QuorumNumbers { approve_bp: 0, deny_bp: 0, confidence_min: PerMille(0) };
    council(vec![member(role, weights)?], quorum, SchemaHash(Hash32::default()))
}

impl Exact {
    /// Steps `states`, one per sequence, through the window with the one member of `council`.
    /// `inputs` are by step, then by sequence; none beyond a sequence's end.
    pub fn of(
        council: &Council,
        window: &Window,
        inputs: &[Option<(Features, TimeCode)>],
        states: &mut [HiddenState],
    ) -> Self {
        let rows = window.rows;
        let mut exact = Self {
            weights: dequantised(&council.parts().members[0]),
            operands: Vec::with_capacity(window.steps),
            states: Vec::with_capacity(window.steps),
            logits: Vec::with_capacity(window.steps * rows * 3),
        };
        let words = |states: &[HiddenState], of: fn(i16) -> f32| {
            states.iter().flat_map(|state| state.words().iter().map(move |w| of(*w))).collect()
        };
        for step in 0..window.steps {
            exact.operands.push(words(states, operand));
            for (row, state) in states.iter_mut().enumerate() {
                // Beyond its end a sequence stands still; nobody looks at it there.
                let logits = match &inputs[step * rows + row] {
                    Some((features, code)) => council.step(state, features, *code).members()[0].0,
                    None => [0; 3],
                };
                exact.logits.extend(logits.map(|logit| f32::from(logit) / 2_048.0));
            }
            exact.states.push(words(states, |word| f32::from(word) / 16_384.0));
        }
        exact
    }
}

/// A state's word as an operand: rounded to int8, in 1/128.
fn operand(word: i16) -> f32 {
    single(f64::from(rounded(i32::from(word), 7).clamp(-127, 127)) / 128.0)
}

/// Features as real numbers.
pub fn reals(features: &Features) -> [f32; INPUTS] {
    features.values().map(|value| f32::from(value) / 64.0)
}

/// A time code as a real number.
#[must_use]
pub fn real_code(code: TimeCode) -> f32 {
    single(f64::from(code.get()) / 256.0)
}
