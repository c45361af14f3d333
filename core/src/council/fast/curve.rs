//! A curve whose intervals are pairs, so that the line between two entries is one pair of products.

use super::lanes::{Lanes, Pairs, Sums};
use crate::council::curve::{CURVE_FROM, CURVE_TO, Curve};

/// Both ends of each of the 256 intervals.
#[derive(Clone, Debug)]
pub(super) struct FastCurve {
    intervals: [[i16; 2]; 256],
}

impl FastCurve {
    pub(super) fn new(curve: &Curve) -> Self {
        let entries = curve.entries();
        Self { intervals: std::array::from_fn(|index| [entries[index], entries[index + 1]]) }
    }

    /// T(y) of eight pre-activations, as section 13 of the specification allows it to be computed:
    /// (T\[e\] (128 - f) + T\[e+1\] f + 64) >> 7.
    #[inline(always)]
    pub(super) fn at(&self, lanes: impl Lanes, y: &Sums) -> Sums {
        let c = y.map(|y| (y.clamp(CURVE_FROM, CURVE_TO) - CURVE_FROM).cast_unsigned());
        let ends: Pairs = c.map(|c| self.intervals[(c >> 7 & 255) as usize]);
        let shares: Pairs = c.map(|c| {
            let [f, ..] = (c & 127).to_le_bytes();
            [128 - i16::from(f), i16::from(f)]
        });
        lanes.add_products([64; 8], &ends, &shares).map(|sum| sum >> 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::curve::{CURVE_ENTRIES, ONE};
    use crate::council::fast::Portable;

    /// Steep, flat and as wide as curves may be.
    fn curves() -> [Curve; 3] {
        let step = std::array::from_fn(|index| if index < CURVE_ENTRIES / 2 { -ONE } else { ONE });
        let line = |index: usize| i16::try_from(index * 128).unwrap_or(i16::MAX) / 2;
        let slope = std::array::from_fn(|index| line(index) - 8_192);
        [step, slope, [77; CURVE_ENTRIES]].map(|entries| Curve::new(entries, -ONE).expect("rises"))
    }

    #[test]
    fn a_fast_curve_is_the_curve_for_every_sum_that_a_step_can_make() {
        for curve in curves() {
            let fast = FastCurve::new(&curve);
            for y in (-229_376..=229_376).step_by(8) {
                let ys = [0, 1, 2, 3, 4, 5, 6, 7].map(|lane| y + lane);
                let expected = ys.map(|y| i32::from(curve.at(y)));
                assert_eq!(fast.at(Portable, &ys), expected, "from {y} on");
            }
        }
    }
}
