//! The fast layout computes what the reference computes, and neither leaves its ranges.

use crate::drawn::{Seed, corners, seeds};
use conclave_core::council::fast::FastCouncil;
use conclave_core::council::*;
use proptest::prelude::*;

fn check(seed: Seed, steps: usize) {
    let council = seed.council();
    seed.check(&council, &FastCouncil::new(&council), steps, "the fast layout");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn the_fast_layout_finds_the_words_of_the_reference(seed in seeds()) {
        check(seed, 12);
    }
}

#[test]
fn every_size_is_compared_at_its_extremes() {
    corners(5).for_each(|seed| check(seed, 40));
}

#[test]
fn members_do_not_see_each_other() {
    let seed = Seed { seed: 9, hidden: HiddenSize::H32, members: 5, is_extreme: false };
    let all = seed.council();
    let mut alone = seed.parts();
    alone.members = vec![alone.members.remove(3)];
    alone.members[0].weight_bp = 10_000;
    let alone = Council::new(alone).unwrap();
    let (mut of_all, mut of_one) = (HiddenState::new(&all), HiddenState::new(&alone));
    for (elapsed, features) in seed.inputs(20) {
        let code = all.parts().time.code(elapsed);
        let logits = all.step(&mut of_all, &features, code);
        assert_eq!(logits.members()[3], alone.step(&mut of_one, &features, code).members()[0]);
    }
    assert_eq!(of_all.words()[3 * 32..4 * 32], *of_one.words());
}

#[test]
#[should_panic(expected = "a state of another council")]
fn a_state_of_another_council_is_a_bug() {
    let seed = Seed { seed: 9, hidden: HiddenSize::H32, members: 5, is_extreme: false };
    let other = Seed { members: 4, ..seed };
    let (elapsed, features) = seed.inputs(1)[0];
    let council = seed.council();
    let code = council.parts().time.code(elapsed);
    council.step(&mut HiddenState::new(&other.council()), &features, code);
}
