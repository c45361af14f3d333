//! What has to hold of a council before anything is computed with it: sections 1, 8 and 9 of
//! `docs/council-spec.md`. 64 bits are enough for all of it.

use super::curve::ONE;
use super::features::FEATURE_COUNT;
use super::logits::{CONFIDENCE_MAX, LOGITS};
use super::member::{HiddenSize, Member, Row};
use super::refusal::{BadCouncil, Part, Place};
use super::rounding::SHIFT_MAX;
use super::{CouncilParts, LABEL_BYTES_MAX, MEMBERS_MAX};

/// A whole, in basis points.
const WHOLE_BP: u16 = 10_000;
/// Accumulators of heads stay below this.
const HEAD_MAX: i64 = 1 << 21;
/// Accumulators of readouts stay below this.
const READOUT_MAX: i64 = 1 << 28;
/// Largest operand of a head.
const OPERAND_MAX: i64 = 127;
/// Largest operand of a readout.
const STATE_MAX: i64 = 1 << 14;

pub(super) fn prove(parts: &CouncilParts) -> Result<(), BadCouncil> {
    let CouncilParts { schema: _, hidden, tanh, sigmoid, time: _, quorum, members } = parts;
    let shared = |what, found: i64, allowed| out_of_range(what, Place::Council, found, allowed);
    if members.is_empty() || MEMBERS_MAX < members.len() {
        return Err(shared("number of members", count(members.len()), "1 to 8"));
    }
    if tanh.entries()[0] < -ONE {
        return Err(shared("first entry of tanh", tanh.entries()[0].into(), "-16384 or more"));
    }
    if sigmoid.entries()[0] < 0 {
        return Err(shared("first entry of sigmoid", sigmoid.entries()[0].into(), "0 or more"));
    }
    for (what, found) in
        [("weight to approve", quorum.approve_bp), ("weight to deny", quorum.deny_bp)]
    {
        if WHOLE_BP < found {
            return Err(shared(what, found.into(), "0 to 10000"));
        }
    }
    if CONFIDENCE_MAX < quorum.confidence_min {
        return Err(shared("least confidence", quorum.confidence_min.0.into(), "0 to 1000"));
    }
    for (index, member) in members.iter().enumerate() {
        prove_numbers(&members[..index], member, index)?;
        prove_rows(*hidden, member, index)?;
    }
    let sum = members.iter().map(|member| i64::from(member.weight_bp)).sum();
    if sum != WHOLE_BP.into() {
        return Err(shared("sum of the members' weights", sum, "10000"));
    }
    Ok(())
}

fn prove_numbers(before: &[Member], member: &Member, index: usize) -> Result<(), BadCouncil> {
    let bad = |what, found, allowed| out_of_range(what, Place::Member(index), found, allowed);
    let label = &member.label;
    let is_written = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if label.is_empty() || LABEL_BYTES_MAX < label.len() {
        return Err(bad("length of the label", count(label.len()), "1 to 32"));
    }
    if let Some(byte) = label.bytes().find(|byte| !is_written(*byte)) {
        return Err(bad("a byte of the label", byte.into(), "a to z, 0 to 9 or _"));
    }
    if let Some(same) = before.iter().position(|other| other.label == *label) {
        return Err(bad("another member with the label", count(same), "none"));
    }
    if WHOLE_BP < member.weight_bp {
        return Err(bad("weight", member.weight_bp.into(), "0 to 10000"));
    }
    if CONFIDENCE_MAX < member.veto {
        return Err(bad("veto level", member.veto.0.into(), "0 to 1000"));
    }
    Ok(())
}

fn prove_rows(hidden: HiddenSize, member: &Member, index: usize) -> Result<(), BadCouncil> {
    let Member { heads, readout, mask, .. } = member;
    let has_shape = heads.has_shape(hidden.rows(), hidden.operands())
        && readout.has_shape(LOGITS, hidden.units());
    if !has_shape {
        let weights = count(heads.weights.len() + readout.weights.len());
        let allowed = "as the hidden size has it";
        return Err(out_of_range("number of weights", Place::Member(index), weights, allowed));
    }
    for (row_index, row) in heads.iter().enumerate() {
        let place = Place::HeadRow(index, row_index);
        prove_row(&row, place)?;
        let is_blind = |k: &usize| !mask.shows(*k) && row.weights[*k] != 0;
        if let Some(k) = (0..FEATURE_COUNT).find(is_blind) {
            let weight = row.weights[k].into();
            return Err(out_of_range("weight of a masked feature", place, weight, "0"));
        }
    }
    for (row_index, row) in readout.iter().enumerate() {
        prove_row(&row, Place::ReadoutRow(index, row_index))?;
    }
    Ok(())
}

fn prove_row(row: &Row<'_>, place: Place) -> Result<(), BadCouncil> {
    let Row { weights, bias, multiplier, shift } = *row;
    if weights.contains(&i8::MIN) {
        return Err(out_of_range("a weight", place, i8::MIN.into(), "-127 to 127"));
    }
    if !(512..=1_023).contains(&multiplier) {
        return Err(out_of_range("multiplier", place, multiplier.into(), "512 to 1023"));
    }
    if !(1..=SHIFT_MAX).contains(&shift) {
        return Err(out_of_range("shift", place, shift.into(), "1 to 30"));
    }
    let sum: i64 = weights.iter().map(|weight| i64::from(weight.unsigned_abs())).sum();
    let is_readout = matches!(place, Place::ReadoutRow(..));
    let (operand_max, bound_max) =
        if is_readout { (STATE_MAX, READOUT_MAX) } else { (OPERAND_MAX, HEAD_MAX) };
    let bound = i64::from(bias).abs() + operand_max * sum;
    let scaled = if is_readout { (bound + 64) >> 7 } else { bound };
    let largest = scaled * i64::from(multiplier) + (1 << (shift - 1));
    if bound < bound_max && largest <= i32::MAX.into() {
        return Ok(());
    }
    Err(BadCouncil::RangeProof { part: Part { what: "the accumulator", place }, bound })
}

pub(super) fn out_of_range(
    what: &'static str,
    place: Place,
    found: i64,
    allowed: &'static str,
) -> BadCouncil {
    BadCouncil::OutOfRange { part: Part { what, place }, found, allowed }
}

pub(super) fn count(count: usize) -> i64 {
    i64::try_from(count).expect("nothing has so many parts")
}
