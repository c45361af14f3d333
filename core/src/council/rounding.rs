//! The one rounding, and the clamp beside it: section 3 of `docs/council-spec.md`.

/// Largest shift of a row.
pub const SHIFT_MAX: u8 = 30;

/// R(v, n): `value` / 2^`shift`, rounded to the nearest integer, halves up.
///
/// # Panics
/// When the shift is none from 1 to 30, or the sum does not fit: the range proof rules that out.
#[must_use]
pub fn rounded(value: i32, shift: u8) -> i32 {
    assert!((1..=SHIFT_MAX).contains(&shift), "no row is shifted by {shift}");
    (value + (1 << (shift - 1))) >> shift
}

/// clamp16(v): the nearest int16.
#[must_use]
pub fn clamped16(value: i32) -> i16 {
    narrowed(value.clamp(i16::MIN.into(), i16::MAX.into()))
}

/// `value` as the int16 that it is known to fit in.
pub(super) fn narrowed(value: i32) -> i16 {
    i16::try_from(value).expect("clamped, or held within 16 bits by a curve")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Division is what the shift stands for; the step itself has none.
    #[test]
    fn rounding_is_the_floor_of_the_value_and_a_half() {
        for shift in 1..=SHIFT_MAX {
            let one = 1_i64 << shift;
            for value in i32::from(i16::MIN)..=i32::from(i16::MAX) {
                for value in [value, value << 13] {
                    let expected = (2 * i64::from(value) + one).div_euclid(2 * one);
                    assert_eq!(i64::from(rounded(value, shift)), expected, "R({value}, {shift})");
                }
            }
        }
        let halves = [(5, 3), (-5, -2), (-1, 0), (1, 1), (3, 2), (-3, -1)];
        for (value, half) in halves {
            assert_eq!(rounded(value, 1), half, "R({value}, 1)");
        }
    }

    #[test]
    fn clamping_keeps_what_fits() {
        let pairs = [(40_000, 32_767), (32_767, 32_767), (-32_768, -32_768), (-32_769, -32_768)];
        for (value, clamped) in pairs {
            assert_eq!(i32::from(clamped16(value)), clamped);
        }
    }
}
