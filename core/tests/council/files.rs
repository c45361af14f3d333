//! Files: what is written is read again, and what is damaged is refused or is another file.

use crate::drawn::{Seed, room, seeds};
use crate::{COUNCILS, golden_bytes, golden_council, no_digest};
use conclave_core::council::curve::CURVE_ENTRIES;
use conclave_core::council::file::encode;
use conclave_core::council::golden::{SEQUENCES_MAX, STEPS_MAX};
use conclave_core::council::refusal::{Difference, Place, Word};
use conclave_core::council::*;
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<CouncilFile, BadCouncil> {
    CouncilFile::read(bytes, no_digest)
}

/// A small file, so that every byte of it can be tried.
fn small() -> (Seed, Vec<u8>) {
    let seed = Seed { seed: 3, hidden: HiddenSize::H16, members: 1, is_extreme: false };
    let council = seed.council();
    let golden = [GoldenSequence::of(&council, &seed.inputs(3))];
    (seed, encode(&council, &golden).unwrap())
}

#[test]
fn a_file_that_ends_early_is_truncated_wherever_it_ends() {
    for bytes in [small().1, golden_bytes("narrow")] {
        for length in 0..bytes.len() {
            let refused = read(&bytes[..length]);
            assert!(matches!(refused, Err(BadCouncil::Truncated { .. })), "{length}: {refused:?}");
        }
    }
    for name in COUNCILS {
        let bytes = golden_bytes(name);
        for length in (0..bytes.len()).step_by(97) {
            assert!(matches!(read(&bytes[..length]), Err(BadCouncil::Truncated { .. })));
        }
    }
}

#[test]
fn a_file_that_goes_on_is_refused() {
    let mut bytes = small().1;
    bytes.push(0);
    assert_eq!(read(&bytes), Err(BadCouncil::TrailingBytes { bytes: 1 }));
    bytes.resize(file::FILE_BYTES_MAX + 1, 0);
    assert_eq!(read(&bytes), Err(BadCouncil::TooLong { bytes: bytes.len() }));
}

/// Nothing in a file is ignored: what is read after a flip is written with the flip, so its digest
/// is another one.
fn check_flip(bytes: &[u8], at: usize, bit: usize) -> bool {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << bit;
    match read(&flipped) {
        Ok(file) => {
            assert!(file.to_bytes() == flipped, "bit {bit} of byte {at} means nothing");
            false
        }
        Err(_) => true,
    }
}

#[test]
fn a_flipped_bit_is_refused_or_makes_another_file() {
    let bytes = small().1;
    let flips = (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let refused = flips.filter(|(at, bit)| check_flip(&bytes, *at, *bit)).count();
    // The low bits of a weight change no word of three steps: that is what the digest is for.
    let all = bytes.len() * 8;
    assert!(all / 3 < refused && refused < all, "{refused} of {all} flips are refused");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_is_read_again(seed in seeds(), steps in 1..=8_usize) {
        let council = seed.council();
        let inputs = seed.inputs(steps);
        let sequence = |length| GoldenSequence::of(&council, &inputs[..length]);
        let golden: Vec<_> = (1..=steps).map(sequence).collect();
        let bytes = encode(&council, &golden).unwrap();
        let file = read(&bytes).unwrap();
        prop_assert_eq!(file.council(), &council);
        prop_assert_eq!(file.golden(), &golden);
        prop_assert!(file.to_bytes() == bytes);
    }

    #[test]
    fn bytes_that_are_no_council_are_refused(
        name in prop::sample::select(COUNCILS.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        keep in any::<prop::sample::Index>(),
    ) {
        let bytes = golden_bytes(name);
        let mut damaged = bytes.clone();
        for (at, byte) in &damage {
            damaged[at.index(bytes.len())] = *byte;
        }
        damaged.truncate(keep.index(bytes.len() * 2));
        if let Ok(file) = read(&damaged) {
            prop_assert!(file.to_bytes() == damaged);
        }
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..4_000)) {
        prop_assert!(read(&noise).is_err());
        let begun = [b"CONCLCFC".as_slice(), &1_u32.to_le_bytes(), &noise].concat();
        prop_assert!(read(&begun).is_err());
    }
}

/// Offsets of the header: magic 8, version 4, schema 32, sizes 4.
const SIZES: usize = 44;

#[test]
fn the_reason_says_what_is_wrong() {
    let bytes = small().1;
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        read(&bytes).unwrap_err().to_string()
    };
    let cases = [
        (0, b'X', "it does not begin with CONCLCFC: no council"),
        (8, 2, "made for version 2 of docs/council-spec.md, known is 1"),
        (SIZES, 0, "number of members is 0, allowed is 1 to 8"),
        (SIZES, 9, "number of members is 9, allowed is 1 to 8"),
        (SIZES, 2, "of member 1 are missing"),
        (SIZES + 1, 33, "number of features is 33, allowed is 32"),
        (SIZES + 2, 17, "number of hidden units is 17, allowed is 16, 32 or 64"),
        (SIZES + 3, 4, "number of logits is 4, allowed is 3"),
        (SIZES + 4 + 1, 0x7F, "tanh falls, or has entries other than -16384 to 16384"),
        (SIZES + 4 + 514 + 1, 0xFF, "sigmoid falls, or has entries other than 0 to 16384"),
        (SIZES + 4 + 1_028, 33, "the time table falls, or has entries other than 0 to 32"),
        (SIZES + 4 + 1_092 + 1, 0xFF, "weight to approve is 65356, allowed is 0 to 10000"),
        (1_146, 0, "length of the label of member 0 is 0, allowed is 1 to 32"),
        (1_147, b'M', "a byte of the label of member 0 is 77, allowed is a to z, 0 to 9 or _"),
    ];
    for (at, byte, reason) in cases {
        let said = with(at, byte);
        assert!(said.contains(reason), "byte {at} = {byte}: {said}");
        let is_newer = at == 8;
        let remedy =
            if is_newer { "; upgrade, or take an older file" } else { "; take the file from its" };
        assert!(said.contains(remedy), "{said}");
    }
}

#[test]
fn a_golden_sequence_that_says_other_words_is_refused_with_the_word() {
    let (seed, bytes) = small();
    let golden = golden_of(&bytes);
    let council = seed.council();
    let mut wrong = golden.clone();
    wrong[0].steps[1].logits[0].0[2] ^= 1;
    let expected = wrong[0].steps[1].logits[0].0[2];
    let difference = Difference {
        sequence: 0,
        step: 1,
        member: 0,
        word: Word::Logit(2),
        expected,
        found: expected ^ 1,
    };
    assert_eq!(encode(&council, &wrong), Err(BadCouncil::Golden(difference)));
    let mut wrong = golden.clone();
    wrong[0].state[7] ^= 1;
    let Err(BadCouncil::Golden(difference)) = encode(&council, &wrong) else { panic!("accepted") };
    assert_eq!((difference.step, difference.word), (2, Word::Unit(7)));
    for count in [0, SEQUENCES_MAX + 1] {
        let wrong = vec![golden[0].clone(); count];
        assert!(matches!(encode(&council, &wrong), Err(BadCouncil::OutOfRange { .. })));
    }
    let long = [GoldenSequence::of(&council, &seed.inputs(STEPS_MAX + 1))];
    assert!(matches!(encode(&council, &long), Err(BadCouncil::OutOfRange { .. })));
}

fn golden_of(bytes: &[u8]) -> Vec<GoldenSequence> {
    read(bytes).unwrap().golden().to_vec()
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut CouncilParts), reason: &str) {
    let seed = Seed { seed: 3, hidden: HiddenSize::H16, members: 2, is_extreme: false };
    let mut parts = seed.parts();
    change(&mut parts);
    let said = Council::new(parts).unwrap_err().to_string();
    assert!(said.contains(reason), "{said}");
}

#[test]
fn parts_outside_of_what_the_specification_allows_are_refused() {
    check_refused(|parts| parts.members.clear(), "number of members is 0");
    check_refused(|parts| parts.members[1].label = "m0".into(), "another member with the label");
    check_refused(|parts| parts.members[1].label = String::new(), "length of the label");
    check_refused(|parts| parts.members[0].weight_bp = 9_999, "sum of the members' weights");
    check_refused(|parts| parts.members[0].veto = PerMille(1_001), "veto level of member 0");
    check_refused(|parts| parts.quorum.deny_bp = 10_001, "weight to deny is 10001");
    check_refused(|parts| parts.quorum.confidence_min = PerMille(1_001), "least confidence");
    check_refused(|parts| parts.sigmoid = parts.tanh.clone(), "first entry of sigmoid");
    let deep = Curve::new([i16::MIN; CURVE_ENTRIES], i16::MIN).unwrap();
    check_refused(|parts| parts.tanh = deep.clone(), "first entry of tanh");
    check_refused(|parts| parts.hidden = HiddenSize::H32, "number of weights of member 0");
    let heads = |parts: &mut CouncilParts| parts.members[1].heads.clone();
    check_refused(
        |parts| {
            parts.members[1].mask = FeatureMask(u32::MAX);
            parts.members[1].heads = Rows { weights: vec![i8::MIN; 64 * 48], ..heads(parts) };
        },
        "a weight of row 0 of member 1 is -128",
    );
    check_refused(|parts| parts.members[0].heads.multipliers[5] = 511, "multiplier of row 5 of m");
    check_refused(|parts| parts.members[0].heads.multipliers[5] = 1_024, "is 1024");
    check_refused(|parts| parts.members[0].heads.shifts[5] = 0, "shift of row 5 of member 0 is 0");
    check_refused(|parts| parts.members[0].readout.shifts[2] = 31, "shift of logit 2 of member 0");
    check_refused(|parts| parts.members[0].mask = FeatureMask(0), "weight of a masked feature");
}

#[test]
fn the_range_proof_is_exact_to_the_last_unit() {
    for (multiplier, shift) in [(512_u16, 1_u8), (1_023, 1), (1_023, 22), (1_023, 30), (600, 30)] {
        for is_readout in [false, true] {
            let seed = Seed { seed: 3, hidden: HiddenSize::H64, members: 1, is_extreme: true };
            let mut parts = seed.parts();
            let member = &mut parts.members[0];
            let (rows, operand) =
                if is_readout { (&mut member.readout, 16_384) } else { (&mut member.heads, 127) };
            let weights = rows.row(1).weights.iter().map(|weight| i64::from(weight.unsigned_abs()));
            let used = operand * weights.sum::<i64>();
            rows.multipliers[1] = multiplier;
            rows.shifts[1] = shift;
            // The readout's accumulator is rounded by 7 bits before it is scaled.
            let mut bias = room(operand, multiplier.into(), shift) - used;
            while proves(&parts, is_readout, bias + 1) {
                bias += 1;
                assert!(is_readout && bias < 1 << 28, "the proof has no end");
            }
            assert!(proves(&parts, is_readout, bias) && proves(&parts, is_readout, -bias));
            assert!(!proves(&parts, is_readout, -bias - 1));
        }
    }
}

fn proves(parts: &CouncilParts, is_readout: bool, bias: i64) -> bool {
    let mut parts = parts.clone();
    let member = &mut parts.members[0];
    let rows = if is_readout { &mut member.readout } else { &mut member.heads };
    rows.biases[1] = i32::try_from(bias).unwrap();
    match Council::new(parts) {
        Ok(_) => true,
        Err(BadCouncil::RangeProof { part, bound: _ }) => {
            let place = if is_readout { Place::ReadoutRow(0, 1) } else { Place::HeadRow(0, 1) };
            assert_eq!(part.place, place);
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_golden_file_names_its_members_and_schema() {
    let file = golden_council("five");
    let labels: Vec<_> = file.council().parts().members.iter().map(|m| m.label.as_str()).collect();
    assert_eq!(labels, ["efficiency", "cost", "fairness", "risk", "service_level"]);
    assert_ne!(file.council().parts().schema, SchemaHash(Default::default()));
}
