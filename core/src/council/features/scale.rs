//! How an amount becomes an int8 in 1/64 units: whole-numbered, monotone, never a division by zero.

use crate::state::history::DAY_MS;
use crate::units::TimeMs;

/// What stands for 1.
pub const ONE: i8 = 64;
/// Steps of a magnitude per doubling.
pub const STEPS_PER_DOUBLING: u32 = 4;

/// A scale: what of it is documented, and which values it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// [`magnitude`] of an amount in this unit.
    Magnitude(&'static str),
    /// [`share`] of a whole.
    Share,
    /// [`ratio`] of two amounts.
    Ratio,
    /// [`balance`] left of a whole, or missing.
    Balance,
    /// [`flag`].
    Flag,
    /// 0, 32 or 64: how much is known.
    Level,
}

impl Scale {
    /// Least and greatest value.
    #[must_use]
    pub fn range(self) -> (i8, i8) {
        match self {
            Self::Magnitude(_) | Self::Ratio => (0, i8::MAX),
            Self::Share | Self::Flag | Self::Level => (0, ONE),
            Self::Balance => (-ONE, ONE),
        }
    }
}

/// A piecewise linear base-2 logarithm of 1 + `amount`, rounded down to [`STEPS_PER_DOUBLING`]
/// steps per doubling: 1 + amount = 2^e × (1 + f) gives 4 × e + floor(4 × f), at most 127. Amounts
/// below zero count as zero.
#[must_use]
pub fn magnitude(amount: i64) -> i8 {
    let number = u64::try_from(amount).unwrap_or(0) + 1;
    let exponent = number.ilog2();
    let fraction = match exponent {
        0 | 1 => (number << (2 - exponent)) & 3,
        _ => (number >> (exponent - 2)) & 3,
    };
    let steps = u64::from(exponent * STEPS_PER_DOUBLING) + fraction;
    i8::try_from(steps).unwrap_or(i8::MAX)
}

/// floor(64 × part / whole), within 0 and 64; `without` when there is no whole to take a part of.
#[must_use]
pub fn share(part: i64, whole: i64, without: i8) -> i8 {
    quotient(part, whole).map_or(without, |steps| clamped(steps, 0, ONE))
}

/// floor(64 × part / whole), within 0 and 127: 64 when both are equal; 0 when there is no whole.
#[must_use]
pub fn ratio(part: i64, whole: i64) -> i8 {
    quotient(part, whole).map_or(0, |steps| clamped(steps, 0, i8::MAX))
}

/// floor(64 × left / whole), within -64 and 64. Without a whole: 0 when nothing is left of it, -64
/// when less.
#[must_use]
pub fn balance(left: i64, whole: i64) -> i8 {
    let without = if left < 0 { -ONE } else { 0 };
    quotient(left, whole).map_or(without, |steps| clamped(steps, -ONE, ONE))
}

/// 64 for yes, 0 for no.
#[must_use]
pub fn flag(is_so: bool) -> i8 {
    if is_so { ONE } else { 0 }
}

/// A triangle wave over the day of log time, UTC: 0 at midnight, 64 at noon.
#[must_use]
pub fn day_wave(now: TimeMs) -> i8 {
    wave(now.0, DAY_MS.0)
}

/// A triangle wave over the week of log time, UTC: 64 in the middle of the weekend, at the midnight
/// before a Sunday; 0 half a week later, on Wednesday at noon.
#[must_use]
pub fn week_wave(now: TimeMs) -> i8 {
    // 1970 began on a Thursday: Wednesday noon was half a day before.
    wave(now.0 + DAY_MS.0 / 2, 7 * DAY_MS.0)
}

/// 0 at whole periods, 64 halfway between them.
fn wave(time: i64, period: i64) -> i8 {
    let phase = time.rem_euclid(period);
    share(phase.min(period - phase) * 2, period, 0)
}

/// Amounts are bounded so that 64 times as much fits.
fn quotient(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| part.saturating_mul(i64::from(ONE)).div_euclid(whole))
}

fn clamped(steps: i64, least: i8, most: i8) -> i8 {
    let within = steps.clamp(i64::from(least), i64::from(most));
    i8::try_from(within).expect("both bounds are of this type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_magnitude_has_four_even_steps_per_doubling() {
        for (amount, steps) in [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            (1, 4),
            (2, 6),
            (3, 8),
            (4, 9),
            (5, 10),
            (6, 11),
            (7, 12),
            (8, 12),
            (9, 13),
            (15, 16),
            (1_000, 39),
            (8_000, 51),
            (3_600, 47),
            ((1 << 31) - 2, 123),
            ((1 << 31) - 1, 124),
            ((1 << 31) + (1 << 29) - 1, 125),
            ((1 << 32) - (1 << 29) - 1, 127),
            (1 << 40, 127),
            (i64::MAX, 127),
        ] {
            assert_eq!(magnitude(amount), steps, "{amount}");
        }
    }

    /// Against the formula, by comparing powers instead of taking a logarithm.
    #[test]
    fn a_magnitude_never_falls_and_is_the_documented_floor() {
        let documented = |amount: i64| {
            let steps = i64::from(magnitude(amount));
            // 1 + amount lies between the powers that steps and steps + 1 stand for.
            let quarter = |steps: i64| i128::from(4 + steps % 4) << (steps / 4);
            let number = 4 * (i128::from(amount) + 1);
            let is_last = steps == i64::from(i8::MAX) && quarter(steps) <= number;
            is_last || (quarter(steps)..quarter(steps + 1)).contains(&number)
        };
        for exponent in 0..63 {
            let power = 1_i64 << exponent;
            assert!([power - 1, power, power + power / 4].into_iter().all(documented), "{power}");
        }
        for amount in 1..200_000 {
            assert!(documented(amount) && magnitude(amount - 1) <= magnitude(amount), "{amount}");
        }
    }

    #[test]
    fn shares_ratios_and_balances_are_floors_within_their_range() {
        for (part, whole, expected) in [
            (0, 3, [0, 0, 0]),
            (1, 3, [21, 21, 21]),
            (2, 3, [42, 42, 42]),
            (3, 3, [64, 64, 64]),
            (4, 3, [64, 85, 64]),
            (9, 3, [64, 127, 64]),
            (-1, 3, [0, 0, -22]),
            (-9, 3, [0, 0, -64]),
            (5, 0, [7, 0, 0]),
            (-5, 0, [7, 0, -64]),
            (0, -1, [7, 0, 0]),
            (i64::MAX, 1, [64, 127, 64]),
            (i64::MAX / 64, i64::MAX / 64, [64, 64, 64]),
        ] {
            let found = [share(part, whole, 7), ratio(part, whole), balance(part, whole)];
            assert_eq!(found, expected, "{part} of {whole}");
        }
        assert_eq!([flag(false), flag(true)], [0, 64]);
    }

    #[test]
    fn waves_turn_at_noon_and_at_the_weekend() {
        const HOUR: i64 = 3_600_000;
        const DAY: i64 = 24 * HOUR;
        let day = |hour: i64| day_wave(TimeMs(20_000 * DAY + hour * HOUR));
        assert_eq!([0, 6, 11, 12, 13, 18, 23].map(day), [0, 32, 58, 64, 58, 32, 5]);
        assert_eq!(day_wave(TimeMs(DAY - 1)), 0);
        // 1 January 1970 was a Thursday, the 4th a Sunday, the 7th a Wednesday.
        let week = |hours: i64| week_wave(TimeMs(hours * HOUR));
        assert_eq!([0, 24, 48, 72, 96, 6 * 24, 6 * 24 + 12].map(week), [9, 27, 45, 64, 45, 9, 0]);
        assert_eq!(week(7 * 24), week(0));
    }

    #[test]
    fn every_scale_keeps_to_its_range() {
        let within = |scale: Scale, value| (scale.range().0..=scale.range().1).contains(&value);
        for part in [i64::MIN, -65, -1, 0, 1, 63, 64, 129, i64::MAX] {
            assert!(within(Scale::Magnitude("ms"), magnitude(part)));
            for whole in [i64::MIN, 0, 1, 64, i64::MAX] {
                assert!(within(Scale::Share, share(part, whole, 64)));
                assert!(within(Scale::Ratio, ratio(part, whole)));
                assert!(within(Scale::Balance, balance(part, whole)));
            }
        }
    }
}
