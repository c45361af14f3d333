//! Councils, states and steps that nobody trained: drawn from a seed, and within their ranges by
//! the proof, often only just.

use conclave_core::council::curve::{CURVE_ENTRIES, ONE};
use conclave_core::council::member::Head;
use conclave_core::council::time::{TIME_CODE_MAX, TIME_ENTRIES};
use conclave_core::council::*;
use conclave_core::placement::draw::Draw;
use conclave_core::units::Hash32;

/// What a council is drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
    pub(crate) hidden: HiddenSize,
    pub(crate) members: usize,
    /// Weights, features, times and states at the ends of their ranges only.
    pub(crate) is_extreme: bool,
}

fn within(draw: &mut Draw, least: i64, most: i64) -> i64 {
    least + i64::try_from(draw.below(usize::try_from(most - least + 1).unwrap())).unwrap()
}

fn one_of<T: Copy>(draw: &mut Draw, values: &[T]) -> T {
    values[draw.below(values.len())]
}

impl Seed {
    fn int8(self, draw: &mut Draw) -> i8 {
        if self.is_extreme {
            return one_of(draw, &[-127, 127]);
        }
        i8::try_from(within(draw, -127, 127)).unwrap()
    }

    fn word(self, draw: &mut Draw, least: i16) -> i16 {
        if self.is_extreme {
            return one_of(draw, &[least, ONE]);
        }
        i16::try_from(within(draw, least.into(), ONE.into())).unwrap()
    }

    pub(crate) fn council(self) -> Council {
        let draw = &mut Draw::new(self.seed);
        let (tanh, sigmoid) = (self.curve(draw, -ONE), self.curve(draw, 0));
        let mut members: Vec<_> = (0..self.members).map(|index| self.member(draw, index)).collect();
        members[0].weight_bp = 10_000;
        let confidence_min = PerMille(0);
        Council::new(CouncilParts {
            schema: SchemaHash(Hash32::default()),
            hidden: self.hidden,
            tanh,
            sigmoid,
            time: TimeTable::new([7; TIME_ENTRIES]).unwrap(),
            quorum: QuorumNumbers { approve_bp: 0, deny_bp: 0, confidence_min },
            members,
        })
        .expect("drawn within the proof")
    }

    fn curve(self, draw: &mut Draw, least: i16) -> Curve {
        let mut entries: [i16; CURVE_ENTRIES] = std::array::from_fn(|_| self.word(draw, least));
        entries.sort_unstable();
        Curve::new(entries, least).unwrap()
    }

    fn member(self, draw: &mut Draw, index: usize) -> Member {
        let units = self.hidden.units();
        let mut heads = self.rows(draw, Head::ALL.len() * units, FEATURE_COUNT + units, 127);
        let mask = FeatureMask(u32::try_from(draw.next_bits() >> 32).unwrap());
        for (at, weight) in heads.weights.iter_mut().enumerate() {
            let k = at % heads.operands;
            *weight = if k < FEATURE_COUNT && !mask.shows(k) { 0 } else { *weight };
        }
        Member {
            label: format!("m{index}"),
            mask,
            weight_bp: 0,
            veto: PerMille(1_000),
            heads,
            readout: self.rows(draw, 3, units, ONE.into()),
            calibration: Calibration::new([500; 64]).unwrap(),
        }
    }

    fn rows(self, draw: &mut Draw, count: usize, operands: usize, operand_max: i64) -> Rows {
        let weights: Vec<_> = (0..count * operands).map(|_| self.int8(draw)).collect();
        let (mut biases, mut multipliers, mut shifts) = (vec![], vec![], vec![]);
        for weights in weights.chunks(operands) {
            let sum: i64 = weights.iter().map(|weight| i64::from(weight.unsigned_abs())).sum();
            let (multiplier, shift) = self.scale(draw);
            let room = room(operand_max, multiplier, shift) - operand_max * sum;
            let bias = if self.is_extreme { room } else { within(draw, 0, room) };
            let bias = if draw.below(2) == 0 { bias } else { -bias };
            biases.push(i32::try_from(bias).unwrap());
            multipliers.push(u16::try_from(multiplier).unwrap());
            shifts.push(shift);
        }
        Rows { operands, weights, biases, multipliers, shifts }
    }

    /// Small shifts saturate, large ones leave nothing: most are drawn from between.
    fn scale(self, draw: &mut Draw) -> (i64, u8) {
        if self.is_extreme {
            return (one_of(draw, &[512, 1_023]), one_of(draw, &[1, 12, 30]));
        }
        let shift = if draw.below(4) == 0 { within(draw, 1, 30) } else { within(draw, 13, 17) };
        (within(draw, 512, 1_023), u8::try_from(shift).unwrap())
    }

    /// A run with a state that no step has to have led to.
    pub(crate) fn run(self, council: &Council, draw: &mut Draw, steps: usize) -> Run {
        let words = (0..council.words()).map(|_| self.word(draw, -ONE)).collect();
        let state = HiddenState::from_words(council, words).unwrap();
        Run { state, steps: (0..steps).map(|_| self.step(draw)).collect() }
    }

    fn step(self, draw: &mut Draw) -> Step {
        let most = i64::from(TIME_CODE_MAX);
        let code = if self.is_extreme { one_of(draw, &[0, most]) } else { within(draw, 0, most) };
        Step {
            features: Features::new(std::array::from_fn(|_| self.int8(draw))).unwrap(),
            time: TimeCode::new(i32::try_from(code).unwrap()).unwrap(),
        }
    }

    /// So many runs of 1 to `steps_max` steps.
    pub(crate) fn batch(self, council: &Council, runs: usize, steps_max: usize) -> Vec<Run> {
        let draw = &mut Draw::new(!self.seed ^ u64::try_from(runs).unwrap());
        let run = |draw: &mut Draw| {
            let steps = 1 + draw.below(steps_max);
            self.run(council, draw, steps)
        };
        (0..runs).map(|_| run(draw)).collect()
    }
}

/// The largest bound that the proof lets an accumulator have.
fn room(operand_max: i64, multiplier: i64, shift: u8) -> i64 {
    let scaled = (i64::from(i32::MAX) - (1 << (shift - 1))) / multiplier;
    match operand_max {
        127 => scaled.min((1 << 21) - 1),
        _ => (scaled * 128 + 63).min((1 << 28) - 1),
    }
}
