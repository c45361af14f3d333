//! Bytes as a council. They are input: nothing in them panics, and no length is believed before it
//! is checked.

use super::{FILE_BYTES_MAX, MAGIC};
use crate::council::curve::{CURVE_ENTRIES, Curve, ONE};
use crate::council::features::{FEATURE_COUNT, FeatureMask, Features};
use crate::council::golden::{GoldenSequence, GoldenStep, SEQUENCES_MAX, STEPS_MAX};
use crate::council::logits::{CALIBRATION_ENTRIES, Calibration, LOGITS, Logits, PerMille};
use crate::council::member::{HiddenSize, Member, Rows};
use crate::council::proof::out_of_range;
use crate::council::refusal::{BadCouncil, Part, Place};
use crate::council::time::{ELAPSED_MS_MAX, TIME_ENTRIES, TimeTable};
use crate::council::{
    COUNCIL_VERSION, CouncilParts, LABEL_BYTES_MAX, MEMBERS_MAX, QuorumNumbers, SchemaHash,
};
use crate::units::{DurationMs, Hash32};

type Read<T> = Result<T, BadCouncil>;

pub(super) fn read(bytes: &[u8]) -> Read<(CouncilParts, Vec<GoldenSequence>)> {
    if FILE_BYTES_MAX < bytes.len() {
        return Err(BadCouncil::TooLong { bytes: bytes.len() });
    }
    let mut from = Bytes { rest: bytes };
    let parts = read_parts(&mut from)?;
    let place = Place::Council;
    let count = from.u16("number of golden sequences", place)?;
    if !(1..=SEQUENCES_MAX).contains(&usize::from(count)) {
        return Err(out_of_range("number of golden sequences", place, count.into(), "1 to 64"));
    }
    let sequences = (0..usize::from(count)).map(|index| read_sequence(&mut from, &parts, index));
    let golden = sequences.collect::<Read<_>>()?;
    match from.rest.len() {
        0 => Ok((parts, golden)),
        bytes => Err(BadCouncil::TrailingBytes { bytes }),
    }
}

fn read_parts(from: &mut Bytes<'_>) -> Read<CouncilParts> {
    let place = Place::Council;
    if from.array("the magic", place)? != MAGIC {
        return Err(BadCouncil::NoMagic);
    }
    let version = u32::from_le_bytes(from.array("the version", place)?);
    if version != COUNCIL_VERSION {
        return Err(BadCouncil::UnknownVersion { version });
    }
    let schema = SchemaHash(Hash32(from.array("the feature schema's digest", place)?));
    let (members, hidden) = read_sizes(from)?;
    let tanh = read_curve(from, "tanh", -ONE)?;
    let sigmoid = read_curve(from, "sigmoid", 0)?;
    let time = from.array::<TIME_ENTRIES>("the time table", place)?;
    let time = TimeTable::new(time).ok_or_else(|| bad_table("the time table", place, "0 to 32"))?;
    let quorum = QuorumNumbers {
        approve_bp: from.u16("weight to approve", place)?,
        deny_bp: from.u16("weight to deny", place)?,
        confidence_min: PerMille(from.u16("least confidence", place)?),
    };
    let members =
        (0..members).map(|index| read_member(from, hidden, index)).collect::<Read<_>>()?;
    Ok(CouncilParts { schema, hidden, tanh, sigmoid, time, quorum, members })
}

fn read_sizes(from: &mut Bytes<'_>) -> Read<(usize, HiddenSize)> {
    let place = Place::Council;
    let [members, features, hidden, logits] = from.array("the sizes", place)?.map(usize::from);
    let bad = |what, found: usize, allowed| {
        Err(out_of_range(what, place, i64::try_from(found).expect("a byte"), allowed))
    };
    if !(1..=MEMBERS_MAX).contains(&members) {
        return bad("number of members", members, "1 to 8");
    }
    if features != FEATURE_COUNT {
        return bad("number of features", features, "32");
    }
    if logits != LOGITS {
        return bad("number of logits", logits, "3");
    }
    match HiddenSize::new(hidden) {
        Some(hidden) => Ok((members, hidden)),
        None => bad("number of hidden units", hidden, "16, 32 or 64"),
    }
}

fn read_curve(from: &mut Bytes<'_>, what: &'static str, least: i16) -> Read<Curve> {
    let entries: Vec<_> = from.words(CURVE_ENTRIES, what, Place::Council)?.collect();
    let entries = entries.try_into().expect("so many were taken");
    let allowed = if least < 0 { "-16384 to 16384" } else { "0 to 16384" };
    Curve::new(entries, least).ok_or_else(|| bad_table(what, Place::Council, allowed))
}

fn read_member(from: &mut Bytes<'_>, hidden: HiddenSize, index: usize) -> Read<Member> {
    let place = Place::Member(index);
    let [length] = from.array("length of the label", place)?;
    if !(1..=LABEL_BYTES_MAX).contains(&usize::from(length)) {
        return Err(out_of_range("length of the label", place, length.into(), "1 to 32"));
    }
    let label = from.take(length.into(), "the label", place)?;
    // What is no text is no letter either, and refused as such with the rest of the proof.
    let label = String::from_utf8_lossy(label).into_owned();
    let mask = FeatureMask(u32::from_le_bytes(from.array("the mask", place)?));
    let weight_bp = from.u16("weight", place)?;
    let veto = PerMille(from.u16("veto level", place)?);
    let heads = read_rows(from, hidden.rows(), hidden.operands(), place)?;
    let readout = read_rows(from, LOGITS, hidden.units(), place)?;
    let entries = from.take(CALIBRATION_ENTRIES * 2, "the calibration", place)?;
    let entries: Vec<_> = halves(entries).map(u16::from_le_bytes).collect();
    let calibration = Calibration::new(entries.try_into().expect("so many were taken"))
        .ok_or_else(|| bad_table("the calibration", place, "0 to 1000"))?;
    Ok(Member { label, mask, weight_bp, veto, heads, readout, calibration })
}

fn read_rows(from: &mut Bytes<'_>, rows: usize, operands: usize, place: Place) -> Read<Rows> {
    let weights = from.take(rows * operands, "the weights", place)?;
    let biases = from.take(rows * 4, "the biases", place)?;
    let multipliers = from.take(rows * 2, "the multipliers", place)?;
    let shifts = from.take(rows, "the shifts", place)?;
    Ok(Rows {
        operands,
        weights: weights.iter().map(|weight| weight.cast_signed()).collect(),
        biases: biases.as_chunks::<4>().0.iter().map(|bias| i32::from_le_bytes(*bias)).collect(),
        multipliers: halves(multipliers).map(u16::from_le_bytes).collect(),
        shifts: shifts.to_vec(),
    })
}

fn read_sequence(from: &mut Bytes<'_>, parts: &CouncilParts, index: usize) -> Read<GoldenSequence> {
    let place = Place::Sequence(index);
    let [count] = from.array("number of steps", place)?;
    if !(1..=STEPS_MAX).contains(&usize::from(count)) {
        return Err(out_of_range("number of steps", place, count.into(), "1 to 64"));
    }
    let members = parts.members.len();
    let steps = (0..usize::from(count)).map(|step| read_step(from, members, (index, step)));
    let steps = steps.collect::<Read<_>>()?;
    let words = members * parts.hidden.units();
    Ok(GoldenSequence { steps, state: from.words(words, "the state", place)?.collect() })
}

fn read_step(
    from: &mut Bytes<'_>,
    members: usize,
    (sequence, step): (usize, usize),
) -> Read<GoldenStep> {
    let place = Place::Step(sequence, step);
    let elapsed = i64::from_le_bytes(from.array("elapsed time", place)?);
    if !(0..=ELAPSED_MS_MAX.0).contains(&elapsed) {
        return Err(out_of_range("elapsed time", place, elapsed, "0 to 2^48 - 2"));
    }
    let values = from.array::<FEATURE_COUNT>("the features", place)?.map(u8::cast_signed);
    let features = Features::new(values)
        .ok_or_else(|| out_of_range("a feature", place, i8::MIN.into(), "-127 to 127"))?;
    let words: Vec<_> = from.words(members * LOGITS, "the logits", place)?.collect();
    let logits = words.as_chunks::<LOGITS>().0.iter().map(|words| Logits(*words)).collect();
    Ok(GoldenStep { elapsed: DurationMs(elapsed), features, logits })
}

fn bad_table(what: &'static str, place: Place, allowed: &'static str) -> BadCouncil {
    BadCouncil::BadTable { part: Part { what, place }, allowed }
}

/// What was not read yet.
struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize, what: &'static str, place: Place) -> Read<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            let (part, missing_bytes) = (Part { what, place }, count - self.rest.len());
            return Err(BadCouncil::Truncated { part, missing_bytes });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str, place: Place) -> Read<[u8; N]> {
        Ok(self.take(N, what, place)?.try_into().expect("so many were taken"))
    }

    fn u16(&mut self, what: &'static str, place: Place) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array(what, place)?))
    }

    fn words(
        &mut self,
        count: usize,
        what: &'static str,
        place: Place,
    ) -> Read<impl Iterator<Item = i16> + 'a> {
        Ok(halves(self.take(count * 2, what, place)?).map(i16::from_le_bytes))
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.as_chunks::<2>().0.iter().copied()
}
