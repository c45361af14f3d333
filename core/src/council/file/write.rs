//! A council as bytes. What it writes was proved before, so every count fits.

use super::MAGIC;
use crate::council::features::FEATURE_COUNT;
use crate::council::golden::GoldenSequence;
use crate::council::logits::LOGITS;
use crate::council::member::{Member, Rows};
use crate::council::{COUNCIL_VERSION, Council, CouncilParts};

const FITS: &str = "the proof bounds every count";

pub(super) fn write(council: &Council, golden: &[GoldenSequence]) -> Vec<u8> {
    let CouncilParts { schema, hidden, tanh, sigmoid, time, quorum, members } = council.parts();
    let mut out = MAGIC.to_vec();
    out.extend(COUNCIL_VERSION.to_le_bytes());
    out.extend(schema.0.0);
    let sizes = [members.len(), FEATURE_COUNT, hidden.units(), LOGITS];
    out.extend(sizes.map(|size| u8::try_from(size).expect(FITS)));
    out.extend(words(tanh.entries()));
    out.extend(words(sigmoid.entries()));
    out.extend(time.entries());
    let numbers = [quorum.approve_bp, quorum.deny_bp, quorum.confidence_min.0];
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    members.iter().for_each(|member| write_member(&mut out, member));
    out.extend(u16::try_from(golden.len()).expect(FITS).to_le_bytes());
    golden.iter().for_each(|sequence| write_sequence(&mut out, sequence));
    out
}

fn write_member(out: &mut Vec<u8>, member: &Member) {
    let Member { label, mask, weight_bp, veto, heads, readout, calibration } = member;
    out.push(u8::try_from(label.len()).expect(FITS));
    out.extend(label.bytes());
    out.extend(mask.0.to_le_bytes());
    out.extend(weight_bp.to_le_bytes());
    out.extend(veto.0.to_le_bytes());
    write_rows(out, heads);
    write_rows(out, readout);
    out.extend(calibration.entries().iter().flat_map(|entry| entry.to_le_bytes()));
}

fn write_rows(out: &mut Vec<u8>, rows: &Rows) {
    let Rows { operands: _, weights, biases, multipliers, shifts } = rows;
    out.extend(weights.iter().map(|weight| weight.cast_unsigned()));
    out.extend(biases.iter().flat_map(|bias| bias.to_le_bytes()));
    out.extend(multipliers.iter().flat_map(|multiplier| multiplier.to_le_bytes()));
    out.extend(shifts);
}

fn write_sequence(out: &mut Vec<u8>, sequence: &GoldenSequence) {
    out.push(u8::try_from(sequence.steps.len()).expect(FITS));
    for step in &sequence.steps {
        out.extend(step.elapsed.0.to_le_bytes());
        out.extend(step.features.values().map(i8::cast_unsigned));
        step.logits.iter().for_each(|logits| out.extend(words(&logits.0)));
    }
    out.extend(words(&sequence.state));
}

fn words(words: &[i16]) -> impl Iterator<Item = u8> {
    words.iter().flat_map(|word| word.to_le_bytes())
}
