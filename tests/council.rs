//! The council on this processor: digests, and every way to compute against the reference.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/council/drawn.rs"]
mod drawn;

use conclave::council::{CpuCouncil, Way, feature_schema, model_id, read, read_as, read_to_vote};
use conclave::error::ErrorKind;
use conclave_core::council::file::encode;
use conclave_core::council::{Council, CouncilFile, GoldenSequence, ModelId};
use conclave_core::units::Hash32;
use drawn::{Seed, corners, seeds};
use proptest::prelude::*;

fn golden(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/council");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn golden_council(name: &str) -> CouncilFile {
    read(&golden(&format!("{name}.council"))).unwrap()
}

#[test]
fn the_model_id_is_the_digest_that_the_second_implementation_found() {
    for name in ["five", "narrow", "wide"] {
        let text = String::from_utf8(golden(&format!("{name}.txt"))).unwrap();
        let id = text.lines().find_map(|line| line.strip_prefix("id ")).unwrap();
        assert_eq!(golden_council(name).id().0.to_string(), id, "{name}");
        let bytes = golden(&format!("{name}.council"));
        assert_eq!(read_as(&bytes, model_id(&bytes)).unwrap(), golden_council(name));
    }
}

#[test]
fn a_file_under_another_name_is_refused() {
    let bytes = golden("five.council");
    let error = read_as(&bytes, ModelId(Hash32([7; 32]))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    let mut flipped = bytes.clone();
    // A label's first letter: nothing but the digest notices it.
    let label = flipped.windows(10).position(|window| window == b"efficiency").unwrap();
    flipped[label] = b'a';
    assert!(read(&flipped).is_ok());
    let error = read_as(&flipped, model_id(&bytes)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    let error = read(&bytes[..1_000]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("truncated"), "{error}");
}

/// The same numbers would mean something else.
#[test]
fn a_council_for_other_features_does_not_vote() {
    let bytes = golden("five.council");
    let made_up = read_to_vote(&bytes, model_id(&bytes)).unwrap_err();
    assert_eq!(made_up.kind, ErrorKind::Invalid, "{made_up}");
    assert!(made_up.message.contains(&feature_schema().0.to_string()), "{made_up}");
    let mut parts = golden_council("five").council().parts().clone();
    parts.schema = feature_schema();
    let council = Council::new(parts).unwrap();
    let file = encode(&council, golden_council("five").golden()).unwrap();
    assert_eq!(read_to_vote(&file, model_id(&file)).unwrap().council(), &council);
}

/// Steps a state that no step has to have led to, in every way that this processor can.
fn check(seed: Seed, steps: usize) {
    let council = seed.council();
    let inputs = seed.inputs(steps);
    let sequence = GoldenSequence::of(&council, &inputs[..steps.min(8)]);
    let file = read(&encode(&council, &[sequence]).unwrap()).unwrap();
    for way in Way::all() {
        let cpu = CpuCouncil::new(&file, way).unwrap();
        seed.check(&council, &cpu, steps, way.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_way_finds_the_words_of_the_reference(seed in seeds()) {
        check(seed, 12);
    }
}

#[test]
fn every_way_finds_them_in_every_size_at_its_extremes() {
    corners(11).for_each(|seed| check(seed, 40));
}

#[test]
fn an_x86_processor_has_its_baseline_at_least() {
    let names: Vec<_> = Way::all().into_iter().map(Way::name).collect();
    assert_eq!(names[0], "portable");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(names[1], "sse2");
    }
    assert_eq!(Way::fastest().name(), *names.last().unwrap());
}
