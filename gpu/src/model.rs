//! A council as the shader reads it: four buffers, made once.

use crate::shader::chunks;
use conclave_core::council::member::Row;
use conclave_core::council::{Council, CouncilParts, Curve, Member, Rows};

/// The bytes of the buffers that never change. Integers are little endian, as on every device that
/// wgpu knows.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// By member, head, sixteen operands and unit: int8, four to a word.
    pub(crate) weights: Vec<u8>,
    /// Four int32 a row: bias, multiplier, 2^(n-1), n. The rows of all members' heads, then those
    /// of all readouts.
    pub(crate) scales: Vec<u8>,
    /// Two int32 an interval: where it begins, and how much higher it ends. Tanh, then sigmoid.
    pub(crate) curves: Vec<u8>,
    /// By member, logit and unit: int32.
    pub(crate) readout: Vec<u8>,
}

impl Model {
    pub(crate) fn new(council: &Council) -> Self {
        let CouncilParts { members, tanh, sigmoid, .. } = council.parts();
        let weights = members.iter().flat_map(|member| head_weights(council, member)).collect();
        let heads = members.iter().flat_map(|member| row_scales(&member.heads));
        let readouts = members.iter().flat_map(|member| row_scales(&member.readout));
        let scales = heads.chain(readouts).collect();
        let curves = [tanh, sigmoid].into_iter().flat_map(intervals).collect();
        let all = members.iter().flat_map(|member| &member.readout.weights);
        let readout = all.flat_map(|weight| i32::from(*weight).to_le_bytes()).collect();
        Self { weights, scales, curves, readout }
    }
}

/// Sixteen operands of one row behind those of another: threads side by side are units side by
/// side, and read words side by side.
fn head_weights(council: &Council, member: &Member) -> Vec<u8> {
    let hidden = council.parts().hidden;
    let mut bytes = Vec::with_capacity(member.heads.weights.len());
    for head in conclave_core::council::member::Head::ALL {
        for chunk in 0..chunks(hidden) {
            for unit in 0..hidden.units() {
                let row = member.heads.row(head.row(hidden, unit));
                let sixteen = &row.weights[16 * chunk..][..16];
                bytes.extend(sixteen.iter().map(|weight| weight.cast_unsigned()));
            }
        }
    }
    bytes
}

fn row_scales(rows: &Rows) -> Vec<u8> {
    let scale = |row: Row<'_>| {
        let half = 1 << (row.shift - 1);
        [row.bias, row.multiplier.into(), half, row.shift.into()]
    };
    rows.iter().flat_map(scale).flat_map(i32::to_le_bytes).collect()
}

fn intervals(curve: &Curve) -> Vec<u8> {
    let ends = |pair: &[i16]| {
        let (begins, ends) = (i32::from(pair[0]), i32::from(pair[1]));
        [begins, ends - begins]
    };
    curve.entries().windows(2).flat_map(ends).flat_map(i32::to_le_bytes).collect()
}
