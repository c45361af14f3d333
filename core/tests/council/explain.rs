//! Explanations of votes: what is shared out adds up, and is shared out as Shapley says.

use crate::drawn::{Seed, seeds};
use crate::golden_council;
use conclave_core::council::explain::{
    Contest, Gap, GroupShare, MemberShares, SHARES_PER_GAP, Shares, Step, nothing_known, occlusion,
    shapley, top_reasons,
};
use conclave_core::council::features::{FEATURES, FeatureGroup};
use conclave_core::council::*;
use conclave_core::decision::Verdict;
use conclave_core::placement::draw::Draw;
use conclave_core::units::DurationMs;
use proptest::prelude::*;

/// Parts whose members see everything and whose curves and logits hardly saturate, so that every
/// feature counts.
pub(crate) fn mild(seed: u64, members: usize) -> CouncilParts {
    let seed = Seed { seed, hidden: HiddenSize::H16, members, is_extreme: false };
    let draw = &mut Draw::new(seed.seed);
    let mut parts = seed.parts();
    for member in &mut parts.members {
        member.mask = FeatureMask(u32::MAX);
        let drawn = |draw: &mut Draw| i8::try_from(draw.below(127)).unwrap() - 63;
        member.heads.weights.iter_mut().for_each(|weight| *weight = 2 * drawn(draw));
        for (rows, shift) in [(&mut member.heads, 15), (&mut member.readout, 12)] {
            rows.biases.fill(0);
            rows.shifts.fill(shift);
        }
    }
    parts
}

/// A vote of a council, with a state that is not empty.
struct Asked {
    council: Council,
    state: HiddenState,
    features: Features,
    time: TimeCode,
}

impl Asked {
    fn of(seed: Seed, parts: CouncilParts) -> Self {
        let council = Council::new(parts).unwrap();
        let state = seed.state(&council);
        let (elapsed, features) = seed.inputs(1)[0];
        let time = council.parts().time.code(elapsed);
        Self { council, state, features, time }
    }

    fn mild(seed: u64) -> Self {
        let drawn = Seed { seed, hidden: HiddenSize::H16, members: 3, is_extreme: false };
        Self::of(drawn, mild(seed, 3))
    }

    fn step(&self) -> Step<'_> {
        Step { state: &self.state, features: &self.features, time: self.time }
    }

    fn shares(&self) -> Vec<MemberShares> {
        shapley(&self.council, &self.step(), &nothing_known())
    }

    /// The lead of `member` with other features.
    fn gap(&self, member: usize, features: &Features) -> i32 {
        let logits = |features| {
            self.council.step(&mut self.state.clone(), features, self.time).members()[member]
        };
        Contest::of(logits(&self.features)).gap(logits(features)).0
    }

    /// The features of `groups`; nothing of the others.
    fn only(&self, groups: &[FeatureGroup]) -> Features {
        let value = |index: usize| {
            let is_told = groups.contains(&FEATURES[index].group);
            if is_told { self.features.values()[index] } else { 0 }
        };
        Features::new(std::array::from_fn(value)).unwrap()
    }
}

fn columns(group: FeatureGroup) -> impl Iterator<Item = usize> {
    FEATURES.iter().filter(move |row| row.group == group).map(|row| row.index)
}

/// Hides `features` from all members.
fn hide(parts: &mut CouncilParts, features: &[usize]) {
    for member in &mut parts.members {
        for index in features {
            member.mask.0 &= !(1 << index);
            let weights = member.heads.weights.iter_mut();
            weights.skip(*index).step_by(member.heads.operands).for_each(|weight| *weight = 0);
        }
    }
}

#[track_caller]
fn check_sums(asked: &Asked) {
    let all = FeatureGroup::ALL;
    for (index, member) in asked.shares().iter().enumerate() {
        let sum: i32 = member.shares.iter().map(|share| share.0).sum();
        let (full, none) =
            (asked.gap(index, &asked.only(&all)), asked.gap(index, &asked.only(&[])));
        assert_eq!(sum, SHARES_PER_GAP * (full - none), "member {index}");
        assert_eq!((member.gap.0, member.baseline_gap.0), (full, none), "member {index}");
        assert!(member.gap >= Gap(0), "the verdict's logit is the largest");
    }
}

/// What a member does not see did nothing.
#[track_caller]
fn check_masks(asked: &Asked) {
    let members = asked.council.parts().members.iter();
    let occluded = occlusion(&asked.council, &asked.step(), &nothing_known());
    for ((member, told), single) in members.zip(asked.shares()).zip(occluded) {
        assert_eq!(told.contest, single.contest);
        for (index, change) in single.changes.iter().enumerate() {
            assert!(member.mask.shows(index) || *change == Gap(0), "feature {index}");
        }
        for (group, share) in FeatureGroup::ALL.into_iter().zip(told.shares) {
            let is_seen = columns(group).any(|index| member.mask.shows(index));
            assert!(is_seen || share == GroupShare(0), "{group:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn shares_add_up_to_the_lead_exactly(seed in seeds()) {
        let asked = Asked::of(seed, seed.parts());
        check_sums(&asked);
        check_masks(&asked);
    }

    #[test]
    fn shares_add_up_where_every_feature_counts(seed in any::<u64>()) {
        check_sums(&Asked::mild(seed));
    }

    #[test]
    fn a_vote_that_is_the_baseline_has_nothing_to_explain(seed in seeds()) {
        let asked = Asked::of(seed, seed.parts());
        for member in shapley(&asked.council, &asked.step(), &asked.features) {
            prop_assert_eq!(member.shares, Shares::default());
            prop_assert_eq!(member.gap, member.baseline_gap);
        }
        for member in occlusion(&asked.council, &asked.step(), &asked.features) {
            prop_assert_eq!(member.changes, [Gap(0); FEATURE_COUNT]);
        }
    }

    #[test]
    fn every_way_to_compute_explains_alike(seed in seeds()) {
        let Asked { council, state, features, time } = Asked::of(seed, seed.parts());
        let (step, none) = (Step { state: &state, features: &features, time }, nothing_known());
        let fast = FastCouncil::new(&council);
        prop_assert_eq!(shapley(&fast, &step, &none), shapley(&council, &step, &none));
        prop_assert_eq!(occlusion(&fast, &step, &none), occlusion(&council, &step, &none));
    }
}

/// All orders in which `groups` can join.
fn orders(groups: &[FeatureGroup]) -> Vec<Vec<FeatureGroup>> {
    if groups.is_empty() {
        return vec![vec![]];
    }
    let last = |group: &FeatureGroup| {
        let others: Vec<_> = groups.iter().filter(|other| *other != group).copied().collect();
        let ended = |mut order: Vec<_>| {
            order.push(*group);
            order
        };
        orders(&others).into_iter().map(ended).collect::<Vec<_>>()
    };
    groups.iter().flat_map(last).collect()
}

/// The definition, by counting: what a group adds when it joins, over all 720 orders.
#[test]
fn a_share_is_the_mean_over_all_orders_of_joining() {
    let orders = orders(&FeatureGroup::ALL);
    assert_eq!(orders.len(), 720);
    let asked = Asked::mild(7);
    let mut added = [[0; 6]; 3];
    for (member, added) in added.iter_mut().enumerate() {
        let mut gaps = std::collections::BTreeMap::new();
        let mut gap = |joined: &[FeatureGroup]| {
            let mut key = joined.to_vec();
            key.sort_unstable();
            *gaps.entry(key).or_insert_with(|| asked.gap(member, &asked.only(joined)))
        };
        for order in &orders {
            for (place, group) in order.iter().enumerate() {
                added[*group as usize] += gap(&order[..=place]) - gap(&order[..place]);
            }
        }
    }
    for (member, added) in asked.shares().iter().zip(added) {
        assert_eq!(member.shares.map(|share| share.0 * 12), added);
        assert!(added.iter().all(|added| *added != 0), "nothing is shared out: {added:?}");
    }
}

/// Request and urgency have six features each.
#[test]
fn groups_that_do_the_same_get_the_same() {
    let mut parts = mild(11, 3);
    for member in &mut parts.members {
        for row in member.heads.weights.chunks_mut(member.heads.operands) {
            row.copy_within(0..6, 6);
        }
    }
    let seed = Seed { seed: 11, hidden: HiddenSize::H16, members: 3, is_extreme: false };
    let mut asked = Asked::of(seed, parts);
    let mut values = *asked.features.values();
    values.copy_within(0..6, 6);
    asked.features = Features::new(values).unwrap();
    for member in asked.shares() {
        assert_eq!(member.shares[0], member.shares[1]);
        assert_ne!(member.shares[0], GroupShare(0));
    }
}

#[test]
fn a_group_that_no_member_sees_did_nothing() {
    for group in FeatureGroup::ALL {
        let hidden: Vec<_> = columns(group).collect();
        let mut parts = mild(13, 3);
        hide(&mut parts, &hidden);
        let seed = Seed { seed: 13, hidden: HiddenSize::H16, members: 3, is_extreme: false };
        let asked = Asked::of(seed, parts);
        check_sums(&asked);
        check_masks(&asked);
        for member in asked.shares() {
            assert_eq!(member.shares[group as usize], GroupShare(0));
            assert!(member.shares.iter().filter(|share| share.0 != 0).count() >= 3);
        }
    }
}

#[test]
fn a_state_that_is_empty_has_no_influence_and_another_one_has_its_own() {
    let mut asked = Asked::mild(17);
    let with_state = asked.shares();
    asked.state = HiddenState::new(&asked.council);
    for (index, member) in with_state.iter().enumerate() {
        let logits = asked.council.step(&mut asked.state.clone(), &asked.features, asked.time);
        let without = member.contest.gap(logits.members()[index]);
        assert_eq!(member.of_state.0, member.gap.0 - without.0);
        assert_ne!(member.of_state, Gap(0));
    }
    assert!(asked.shares().iter().all(|member| member.of_state == Gap(0)));
}

#[test]
fn an_occlusion_is_the_lead_without_that_feature() {
    let asked = Asked::mild(19);
    let told = occlusion(&asked.council, &asked.step(), &nothing_known());
    for (member, told) in told.iter().enumerate() {
        for (index, change) in told.changes.iter().enumerate() {
            let mut values = *asked.features.values();
            values[index] = 0;
            let without = asked.gap(member, &Features::new(values).unwrap());
            assert_eq!(change.0, without - asked.gap(member, &asked.features), "feature {index}");
        }
        assert!(told.changes.iter().any(|change| *change != Gap(0)));
    }
}

/// The example of `docs/council-explain.md`. Its numbers were found by the second implementation of
/// the council, `dev/golden-council`, and Shapley's formula in fractions.
#[test]
fn the_documented_example_has_the_numbers_of_the_second_implementation() {
    let file = golden_council("five");
    let council = file.council();
    let state = HiddenState::from_words(council, file.golden()[1].state.clone()).unwrap();
    let values = [
        39, 0, 64, 39, 40, 47, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 64, 0, 16,
        66, 56, 0, 9, 0,
    ];
    let features = Features::new(values).unwrap();
    let time = council.parts().time.code(DurationMs(3_600_000));
    let step = Step { state: &state, features: &features, time };
    let told = shapley(council, &step, &nothing_known());
    let numbers: Vec<_> = told
        .iter()
        .map(|member| {
            let MemberShares { contest, gap, baseline_gap, shares, of_state } = *member;
            (contest.verdict, [gap.0, baseline_gap.0, of_state.0], shares.map(|share| share.0))
        })
        .collect();
    let expected = [
        (Verdict::Defer, [1_335, 291, 756], [32_730, 0, 0, 0, 32_550, -2_640]),
        (Verdict::Approve, [1_112, -390, -741], [45_290, 0, 0, 50_810, 0, -5_980]),
        (Verdict::Deny, [1_213, 538, 1_363], [7_840, 0, 0, 33_070, 0, -410]),
        (Verdict::Deny, [1_040, 2_445, 4_989], [-35_390, 1_480, 0, -46_020, 0, -4_370]),
        (Verdict::Approve, [3_970, 5_295, 3_164], [-71_880, 0, 0, -7_620, 0, 0]),
    ];
    assert_eq!(numbers, expected);
    let reasons = top_reasons(&told[1].shares).map(|reason| (reason.group, reason.share.0));
    let (pool, request) = ((FeatureGroup::Pool, 50_810), (FeatureGroup::Request, 45_290));
    assert_eq!(reasons, [pool, request, (FeatureGroup::Time, -5_980)]);
    let cost = occlusion(council, &step, &nothing_known())[1].changes;
    let moved = cost.iter().enumerate().filter(|(_, change)| **change != Gap(0));
    let moved: Vec<_> = moved.map(|(index, change)| (FEATURES[index].name, change.0)).collect();
    let expected = [
        ("gpus", -970),
        ("duration", 4),
        ("free_acceptable", -897),
        ("held_for_others", 23),
        ("week", 84),
    ];
    assert_eq!(moved, expected);
}
