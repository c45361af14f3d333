//! Tables against the functions that they stand for: the only floats here.

use crate::golden_council;
use conclave_core::council::curve::CURVE_ENTRIES;
use conclave_core::council::time::{ELAPSED_MS_MAX, TIME_CODE_MAX};
use conclave_core::council::{Curve, TimeTable};
use conclave_core::units::DurationMs;
use proptest::prelude::*;

/// How far a curve may be from its function.
const CURVE_ERROR_MAX: f64 = 5e-4;

fn farthest(curve: &Curve, function: impl Fn(f64) -> f64) -> f64 {
    let error = |y: i16| {
        let value = f64::from(curve.at(y.into())) / 16_384.0;
        (value - function(f64::from(y) / 2_048.0)).abs()
    };
    (i16::MIN..=i16::MAX).map(error).fold(0.0, f64::max)
}

#[test]
fn curves_are_close_to_their_functions_everywhere() {
    let file = golden_council("five");
    let parts = file.council().parts();
    let tanh = farthest(&parts.tanh, f64::tanh);
    let sigmoid = farthest(&parts.sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    assert!(tanh <= CURVE_ERROR_MAX, "tanh is off by {tanh}");
    assert!(sigmoid <= CURVE_ERROR_MAX, "sigmoid is off by {sigmoid}");
}

#[test]
fn curves_never_fall_and_end_where_their_entries_do() {
    let file = golden_council("five");
    for curve in [&file.council().parts().tanh, &file.council().parts().sigmoid] {
        let values: Vec<_> = (-20_000..=20_000).map(|y| curve.at(y)).collect();
        assert!(values.is_sorted());
        assert_eq!(curve.at(i32::MIN), curve.entries()[0]);
        assert!(curve.at(i32::MAX) <= curve.entries()[CURVE_ENTRIES - 1]);
        for (entry, y) in curve.entries().iter().zip((-16_384..16_384).step_by(128)) {
            assert_eq!(curve.at(y), *entry, "at {y}");
        }
    }
}

#[test]
fn a_time_code_is_within_one_of_the_logarithm() {
    let file = golden_council("five");
    let time = &file.council().parts().time;
    for exponent in 0..48 {
        for step in 0..1_000_i64 {
            let elapsed = (1_i64 << exponent) - 1 + ((1_i64 << exponent) * step / 1_000);
            check_code(time, elapsed);
        }
    }
    check_code(time, ELAPSED_MS_MAX.0);
    assert_eq!(time.code(DurationMs(i64::MAX)), time.code(ELAPSED_MS_MAX));
    assert_eq!(time.code(DurationMs(i64::MIN)), time.code(DurationMs(0)));
    assert_eq!(time.code(DurationMs(0)).get(), 0);
    assert_eq!(time.code(ELAPSED_MS_MAX).get(), TIME_CODE_MAX);
}

fn check_code(time: &TimeTable, elapsed: i64) {
    let code = f64::from(time.code(DurationMs(elapsed)).get());
    #[allow(clippy::cast_precision_loss, reason = "the float twin")]
    let exact = 32.0 * (1.0 + elapsed as f64).log2();
    assert!((code - exact).abs() <= 1.0, "{elapsed} ms: {code} is not {exact}");
}

proptest! {
    #[test]
    fn a_time_code_never_falls(a in 0..=ELAPSED_MS_MAX.0, b in 0..=ELAPSED_MS_MAX.0) {
        let file = golden_council("wide");
        let time = &file.council().parts().time;
        let code = |elapsed: i64| time.code(DurationMs(elapsed));
        prop_assert!(code(a.min(b)) <= code(a.max(b)));
    }
}

#[test]
fn a_table_that_falls_or_leaves_its_range_is_refused() {
    let flat = [0_i16; CURVE_ENTRIES];
    let with = |index: usize, entry: i16| {
        let mut entries = flat;
        entries[index] = entry;
        entries
    };
    assert!(Curve::new(flat, 0).is_some());
    assert!(Curve::new(with(256, 16_384), 0).is_some());
    assert!(Curve::new(with(256, 16_385), 0).is_none());
    assert!(Curve::new(with(0, -1), 0).is_none());
    assert!(Curve::new(with(0, -16_385), -16_384).is_none());
    assert!(Curve::new(with(100, 1), 0).is_none(), "it falls after 100");
    assert!(TimeTable::new([32; 64]).is_some());
    assert!(TimeTable::new([33; 64]).is_none());
    let mut falling = [5; 64];
    falling[63] = 4;
    assert!(TimeTable::new(falling).is_none());
}
