//! Councils that nobody trained: drawn from a seed, and everything that they compute is within its
//! range by the proof, often only just.

use crate::golden_council;
use conclave_core::council::member::Head;
use conclave_core::council::time::ELAPSED_MS_MAX;
use conclave_core::council::*;
use conclave_core::placement::draw::Draw;
use conclave_core::units::DurationMs;
use proptest::prelude::*;

/// What a council is drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
    pub(crate) hidden: HiddenSize,
    pub(crate) members: usize,
    /// Weights, features and times at the ends of their ranges only.
    pub(crate) is_extreme: bool,
}

pub(crate) fn seeds() -> impl Strategy<Value = Seed> {
    let sizes = [HiddenSize::H16, HiddenSize::H32, HiddenSize::H64];
    let hidden = prop::sample::select(sizes.to_vec());
    let parts = (any::<u64>(), hidden, 1..=MEMBERS_MAX, any::<bool>());
    parts.prop_map(|(seed, hidden, members, is_extreme)| Seed { seed, hidden, members, is_extreme })
}

/// The smallest and the largest council of each size, at the ends of the ranges and within them.
pub(crate) fn corners(seed: u64) -> impl Iterator<Item = Seed> {
    let sizes = [HiddenSize::H16, HiddenSize::H32, HiddenSize::H64];
    let counted = sizes.into_iter().flat_map(|hidden| [(hidden, 1), (hidden, MEMBERS_MAX)]);
    let seed = move |(hidden, members)| {
        [false, true].map(|is_extreme| Seed { seed, hidden, members, is_extreme })
    };
    counted.flat_map(seed)
}

fn within(draw: &mut Draw, least: i64, most: i64) -> i64 {
    least + i64::try_from(draw.below(usize::try_from(most - least + 1).unwrap())).unwrap()
}

fn one_of<T: Copy>(draw: &mut Draw, values: &[T]) -> T {
    values[draw.below(values.len())]
}

fn int8(draw: &mut Draw, is_extreme: bool) -> i8 {
    if is_extreme {
        return one_of(draw, &[-127, 127]);
    }
    i8::try_from(within(draw, -127, 127)).unwrap()
}

impl Seed {
    pub(crate) fn council(self) -> Council {
        Council::new(self.parts()).expect("drawn within the proof")
    }

    pub(crate) fn parts(self) -> CouncilParts {
        let draw = &mut Draw::new(self.seed);
        let shared = golden_council("five").council().parts().clone();
        let mut members: Vec<_> = (0..self.members).map(|index| self.member(draw, index)).collect();
        members[0].weight_bp = 10_000;
        CouncilParts { hidden: self.hidden, members, ..shared }
    }

    fn member(self, draw: &mut Draw, index: usize) -> Member {
        let units = self.hidden.units();
        let mut heads = self.rows(draw, Head::ALL.len() * units, FEATURE_COUNT + units, 127);
        let mask = FeatureMask(u32::try_from(draw.next_bits() >> 32).unwrap());
        for (at, weight) in heads.weights.iter_mut().enumerate() {
            let k = at % heads.operands;
            *weight = if k < FEATURE_COUNT && !mask.shows(k) { 0 } else { *weight };
        }
        let calibration = Calibration::new(std::array::from_fn(|_| 500)).unwrap();
        Member {
            label: format!("m{index}"),
            mask,
            weight_bp: 0,
            veto: PerMille(1_000),
            heads,
            readout: self.rows(draw, 3, units, 16_384),
            calibration,
        }
    }

    fn rows(self, draw: &mut Draw, count: usize, operands: usize, operand_max: i64) -> Rows {
        let mut rows = Rows {
            operands,
            weights: (0..count * operands).map(|_| int8(draw, self.is_extreme)).collect(),
            biases: vec![],
            multipliers: vec![],
            shifts: vec![],
        };
        for row in 0..count {
            let weights = &rows.weights[row * operands..][..operands];
            let sum: i64 = weights.iter().map(|weight| i64::from(weight.unsigned_abs())).sum();
            let (multiplier, shift) = self.scale(draw);
            let room = room(operand_max, multiplier, shift) - operand_max * sum;
            let bias = if self.is_extreme { room } else { within(draw, 0, room) };
            let bias = if within(draw, 0, 1) == 0 { bias } else { -bias };
            rows.biases.push(i32::try_from(bias).unwrap());
            rows.multipliers.push(u16::try_from(multiplier).unwrap());
            rows.shifts.push(shift);
        }
        rows
    }

    fn scale(self, draw: &mut Draw) -> (i64, u8) {
        if self.is_extreme {
            return (one_of(draw, &[512, 1_023]), one_of(draw, &[1, 12, 30]));
        }
        (within(draw, 512, 1_023), u8::try_from(within(draw, 1, 30)).unwrap())
    }

    /// Steps with times and features.
    pub(crate) fn inputs(self, steps: usize) -> Vec<(DurationMs, Features)> {
        let draw = &mut Draw::new(!self.seed);
        let elapsed = |draw: &mut Draw| {
            let most = ELAPSED_MS_MAX.0;
            let drawn = within(draw, 0, most) >> draw.below(48);
            if self.is_extreme { one_of(draw, &[0, most]) } else { drawn }
        };
        let features =
            |draw: &mut Draw| Features::new(std::array::from_fn(|_| int8(draw, self.is_extreme)));
        (0..steps).map(|_| (DurationMs(elapsed(draw)), features(draw).unwrap())).collect()
    }

    /// Steps a state that no step has to have led to, with the reference and with `other`, which is
    /// called `name`: both find the same words, and none leaves its range.
    #[track_caller]
    pub(crate) fn check(self, council: &Council, other: &impl Evaluator, steps: usize, name: &str) {
        let mut state = self.state(council);
        let mut others = state.clone();
        for (step, (elapsed, features)) in self.inputs(steps).iter().enumerate() {
            let code = council.parts().time.code(*elapsed);
            let logits = council.step(&mut state, features, code);
            let at = format!("{name} at step {step} of {self:?}");
            assert_eq!(other.step(&mut others, features, code), logits, "logits, {at}");
            assert_eq!(others, state, "states, {at}");
            let is_within = |word: &i16| (-16_384..=16_384).contains(word);
            assert!(state.words().iter().all(is_within), "states, {at}");
        }
    }

    /// A state that no step has to have led to.
    pub(crate) fn state(self, council: &Council) -> HiddenState {
        let draw = &mut Draw::new(self.seed ^ 1);
        let word = |draw: &mut Draw| match self.is_extreme {
            true => one_of(draw, &[-16_384, 16_384]),
            false => i16::try_from(within(draw, -16_384, 16_384)).unwrap(),
        };
        let words = (0..council.words()).map(|_| word(draw)).collect();
        HiddenState::from_words(council, words).expect("within plus and minus one")
    }
}

/// The largest bound that the proof lets an accumulator have.
pub(crate) fn room(operand_max: i64, multiplier: i64, shift: u8) -> i64 {
    let scaled = (i64::from(i32::MAX) - (1 << (shift - 1))) / multiplier;
    match operand_max {
        127 => scaled.min((1 << 21) - 1),
        // The proof rounds by 7 bits first.
        _ => (scaled * 128 - 64).min((1 << 28) - 1),
    }
}
