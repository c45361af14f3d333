//! Floats become the integers of `docs/council-spec.md`, and integers the floats that they stand
//! for: sections 4, 5 and its last, informative paragraph.

use crate::error::{Error, Result};
use crate::member::Role;
use crate::network::weights::{HEADS, INPUTS, READOUT, READOUT_BIAS, Weights};
use crate::number::{nearest, nearest_within, single};
use conclave_core::council::curve::CURVE_ENTRIES;
use conclave_core::council::logits::{CALIBRATION_ENTRIES, LOGITS};
use conclave_core::council::time::TIME_ENTRIES;
use conclave_core::council::{Calibration, Curve, Member, PerMille, Rows, TimeTable};

/// What an operand of 1 stands for: features in 1/64, states in 1/128.
const FEATURE_UNIT: f64 = 64.0;
const STATE_UNIT: f64 = 128.0;
/// What a pre-activation of 1 stands for.
const Z_UNIT: f64 = 2_048.0;
/// Room for the bias: with the largest weights, both fit the range proof.
const HEAD_BIAS_MAX: f64 = 900_000.0;
const READOUT_BIAS_MAX: f64 = 150_000_000.0;
/// Readouts divide their accumulator by this first.
const READOUT_UNIT: f64 = 128.0;

/// The scale of a row: a multiplier of ten bits and a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    multiplier: u16,
    shift: u8,
}

impl Scale {
    /// The finest scale that is no finer than `unit`, what an accumulator of 1 stands for.
    fn at_least(unit: f64) -> Result<Self> {
        let wanted = unit * Z_UNIT;
        for shift in (1..=30_u8).rev() {
            let multiplier = nearest((wanted * f64::from(1_u32 << shift)).ceil());
            if multiplier <= 1_023 {
                let multiplier = u16::try_from(multiplier.max(512)).expect("ten bits");
                return Ok(Self { multiplier, shift });
            }
        }
        Err(Error::Bug(format!("a row of unit {unit} has weights beyond every scale")))
    }

    /// What an accumulator of 1 stands for.
    fn unit(self) -> f64 {
        f64::from(self.multiplier) / f64::from(1_u32 << self.shift) / Z_UNIT
    }
}

/// `weights` as a member of a council.
///
/// # Errors
/// [`Error::Bug`] when a weight is beyond every scale.
///
/// # Panics
/// Never: zeros never fall.
pub fn member(role: &Role, weights: &Weights) -> Result<Member> {
    let units = weights.units;
    let operands = INPUTS + units;
    let mut heads = empty(operands);
    for head in 0..HEADS {
        let (matrix, biases) = (&weights.parts[head], &weights.parts[HEADS + head]);
        for (unit, bias) in biases.iter().enumerate() {
            let column = (0..operands).map(|k| {
                let per = if k < INPUTS { FEATURE_UNIT } else { STATE_UNIT };
                let is_seen = INPUTS <= k || role.mask().shows(k);
                if is_seen { f64::from(matrix[k * units + unit]) / per } else { 0.0 }
            });
            push(&mut heads, &column.collect::<Vec<_>>(), f64::from(*bias), HEAD_BIAS_MAX)?;
        }
    }
    let mut readout = empty(units);
    for logit in 0..LOGITS {
        let column = (0..units)
            .map(|unit| f64::from(weights.parts[READOUT][unit * LOGITS + logit]) / STATE_UNIT);
        let bias = READOUT_UNIT * f64::from(weights.parts[READOUT_BIAS][logit]);
        push(&mut readout, &column.collect::<Vec<_>>(), bias, READOUT_BIAS_MAX)?;
    }
    Ok(Member {
        label: role.label.to_owned(),
        mask: role.mask(),
        weight_bp: 10_000,
        veto: PerMille(1_000),
        heads,
        readout,
        calibration: Calibration::new([0; CALIBRATION_ENTRIES]).expect("zeros never fall"),
    })
}

fn empty(operands: usize) -> Rows {
    Rows { operands, weights: vec![], biases: vec![], multipliers: vec![], shifts: vec![] }
}

/// A row of `weights` per unit of its operands, with as fine a scale as its largest allows.
fn push(rows: &mut Rows, weights: &[f64], bias: f64, bias_max: f64) -> Result<()> {
    let largest = weights.iter().fold(0.0_f64, |most, weight| most.max(weight.abs()));
    let scale = Scale::at_least((largest / 127.0).max(bias.abs() / bias_max).max(1e-9))?;
    let unit = scale.unit();
    let rounded = weights.iter().map(|weight| nearest_within(weight / unit, -127, 127));
    rows.weights.extend(rounded.map(|weight| i8::try_from(weight).expect("clamped")));
    let bias = i32::try_from(nearest(bias / unit));
    rows.biases.push(bias.map_err(|_| Error::Bug("a bias is beyond its room".to_owned()))?);
    rows.multipliers.push(scale.multiplier);
    rows.shifts.push(scale.shift);
    Ok(())
}

/// The floats that the rows of `member` stand for.
#[must_use]
pub fn dequantised(member: &Member) -> Weights {
    let units = member.readout.operands;
    let mut weights = Weights::zeros(units);
    for (index, row) in member.heads.iter().enumerate() {
        let (head, unit) = (index / units, index % units);
        let scale = Scale { multiplier: row.multiplier, shift: row.shift }.unit();
        for (k, weight) in row.weights.iter().enumerate() {
            let per = if k < INPUTS { FEATURE_UNIT } else { STATE_UNIT };
            weights.parts[head][k * units + unit] = single(f64::from(*weight) * scale * per);
        }
        weights.parts[HEADS + head][unit] = single(f64::from(row.bias) * scale);
    }
    for (logit, row) in member.readout.iter().enumerate() {
        let scale = Scale { multiplier: row.multiplier, shift: row.shift }.unit();
        for (unit, weight) in row.weights.iter().enumerate() {
            let value = f64::from(*weight) * scale * STATE_UNIT;
            weights.parts[READOUT][unit * LOGITS + logit] = single(value);
        }
        weights.parts[READOUT_BIAS][logit] = single(f64::from(row.bias) * scale / READOUT_UNIT);
    }
    weights
}

/// tanh at 257 places from -8 to 8.
///
/// # Panics
/// Never: tanh never falls.
#[must_use]
pub fn tanh_curve() -> Curve {
    Curve::new(curve(|y| y.tanh()), -16_384).expect("tanh never falls")
}

/// The logistic curve at 257 places from -8 to 8.
///
/// # Panics
/// Never: it never falls.
#[must_use]
pub fn sigmoid_curve() -> Curve {
    Curve::new(curve(|y| 1.0 / (1.0 + (-y).exp())), 0).expect("the curve never falls")
}

fn curve(of: impl Fn(f64) -> f64) -> [i16; CURVE_ENTRIES] {
    std::array::from_fn(|entry| {
        let value = nearest_within(16_384.0 * of(entry as f64 / 16.0 - 8.0), -16_384, 16_384);
        i16::try_from(value).expect("clamped")
    })
}

/// The logarithm within an octave, in 1/32.
///
/// # Panics
/// Never: a logarithm never falls.
#[must_use]
pub fn time_table() -> TimeTable {
    let entries: [u8; TIME_ENTRIES] = std::array::from_fn(|entry| {
        let place = 1.0 + (2.0 * entry as f64 + 1.0) / 128.0;
        u8::try_from(nearest(32.0 * place.log2())).expect("at most an octave")
    });
    TimeTable::new(entries).expect("a logarithm never falls")
}
