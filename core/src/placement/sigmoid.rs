//! The score of FGD without floats: floor(100 · sigmoid(delta / 1000)), the whole GPU being 1000.
//!
//! sigmoid grows, so the score is at least k exactly when sigmoid(delta / 1000) ≥ k / 100, and that
//! is when delta / 1000 ≥ ln(k / (100 − k)). Ninety-nine such thresholds hold the whole function: a
//! score is how many of them delta reaches. 0 always is reached, 100 never.
//!
//! A target workload has counts, not shares. With counts that sum to T, the delta over counts is T
//! times the delta, so both sides are multiplied by T and the thresholds become integers.

use super::cache::Scored;
use super::shape::GpuSet;

/// ln(k / (100 − k)) in millionths, for k from 1 to 99, rounded to the nearest. A test computes it
/// again.
const THRESHOLDS_MICRO: [i64; 99] = [
    -4_595_120, -3_891_820, -3_476_099, -3_178_054, -2_944_439, -2_751_535, -2_586_689, -2_442_347,
    -2_313_635, -2_197_225, -2_090_741, -1_992_430, -1_900_959, -1_815_290, -1_734_601, -1_658_228,
    -1_585_627, -1_516_347, -1_450_010, -1_386_294, -1_324_925, -1_265_666, -1_208_311, -1_152_680,
    -1_098_612, -1_045_969, -994_623, -944_462, -895_384, -847_298, -800_119, -753_772, -708_185,
    -663_294, -619_039, -575_364, -532_217, -489_548, -447_312, -405_465, -363_965, -322_773,
    -281_851, -241_162, -200_671, -160_343, -120_144, -80_043, -40_005, 0, 40_005, 80_043, 120_144,
    160_343, 200_671, 241_162, 281_851, 322_773, 363_965, 405_465, 447_312, 489_548, 532_217,
    575_364, 619_039, 663_294, 708_185, 753_772, 800_119, 847_298, 895_384, 944_462, 994_623,
    1_045_969, 1_098_612, 1_152_680, 1_208_311, 1_265_666, 1_324_925, 1_386_294, 1_450_010,
    1_516_347, 1_585_627, 1_658_228, 1_734_601, 1_815_290, 1_900_959, 1_992_430, 2_090_741,
    2_197_225, 2_313_635, 2_442_347, 2_586_689, 2_751_535, 2_944_439, 3_178_054, 3_476_099,
    3_891_820, 4_595_120,
];

/// The thresholds for one target workload.
#[derive(Clone, Debug)]
pub(super) struct Sigmoid {
    /// Smallest delta over counts that earns a score of index + 1; ascending.
    thresholds: [i64; 99],
}

impl Sigmoid {
    /// For deltas over counts that sum to `total`.
    pub(super) fn new(total: i64) -> Self {
        // delta_counts / (1000 T) ≥ t / 1,000,000 is delta_counts ≥ T t / 1000, rounded up.
        Self { thresholds: THRESHOLDS_MICRO.map(|micro| -(-total * micro).div_euclid(1_000)) }
    }

    /// 0 to 99; 50 when nothing changes.
    pub(super) fn score(&self, delta_counts: i64) -> i16 {
        let reached = self.thresholds.partition_point(|threshold| *threshold <= delta_counts);
        i16::try_from(reached).expect("there are 99 thresholds")
    }

    /// The first GPU that earns the highest score; deltas per GPU, `None` where a slice does not
    /// fit. Scores, not deltas, are compared: a GPU that is better by less than a step of the score
    /// does not win over an earlier one.
    pub(super) fn first_best(&self, deltas: impl Iterator<Item = Option<i64>> + Clone) -> Scored {
        let best = deltas.clone().flatten().max();
        let score = self.score(best.expect("a node that fits a slice has a GPU for it"));
        let least = self.least_for(score);
        let first = deltas.zip(0..).find(|(delta, _)| delta.is_some_and(|delta| delta >= least));
        Scored { score, gpus: GpuSet::one(first.expect("the best one reaches its own score").1) }
    }

    /// The smallest delta over counts that earns `score`.
    fn least_for(&self, score: i16) -> i64 {
        match usize::try_from(score) {
            Ok(above @ 1..) => self.thresholds[above - 1],
            Ok(0) | Err(_) => i64::MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only floats of the core, and they check that it needs none.
    #[test]
    #[allow(
        clippy::disallowed_types,
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "the float twin"
    )]
    fn the_thresholds_are_the_logarithms_that_they_say() {
        for (k, micro) in (1_u8..).zip(THRESHOLDS_MICRO) {
            let k = f64::from(k);
            let exact = (k / (100.0 - k)).ln() * 1e6;
            assert!((micro as f64 - exact).abs() <= 0.5, "{k}: {micro} is not {exact}");
        }
    }

    #[test]
    #[allow(
        clippy::disallowed_types,
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the float twin"
    )]
    fn scores_are_those_of_the_float_formula() {
        for total in [1_i64, 7, 8_152, 512_000_000] {
            let sigmoid = Sigmoid::new(total);
            for delta_milli in -6_000..=6_000_i64 {
                // Half a milli off the grid, where no score changes within float error.
                let delta_counts = delta_milli * total + total / 2;
                let delta = delta_counts as f64 / total as f64;
                let float = 100.0 / (1.0 + (-delta / 1000.0).exp());
                if (float - float.round()).abs() > 1e-3 {
                    assert_eq!(sigmoid.score(delta_counts), float.floor() as i16, "{delta}");
                }
            }
        }
    }

    #[test]
    fn the_least_delta_of_a_score_earns_it_and_one_less_does_not() {
        let sigmoid = Sigmoid::new(8_152);
        assert_eq!((sigmoid.score(0), sigmoid.score(-1)), (50, 49));
        for score in 1..=99 {
            let least = sigmoid.least_for(score);
            assert_eq!((sigmoid.score(least), sigmoid.score(least - 1)), (score, score - 1));
        }
        assert_eq!(sigmoid.score(sigmoid.least_for(0)), 0);
    }
}
