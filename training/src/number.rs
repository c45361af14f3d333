//! From floats back to integers, in one place.

/// The integer nearest to `value`, halves away from zero; the nearest that fits when none is near,
/// and 0 for what is no number.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a cast from float saturates, as is said")]
pub fn nearest(value: f64) -> i64 {
    value.round() as i64
}

/// [`nearest`], within `least` and `most`.
#[must_use]
pub fn nearest_within(value: f64, least: i64, most: i64) -> i64 {
    nearest(value).clamp(least, most)
}

/// `value` with the precision that tensors have.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "less precision is what is asked for")]
pub fn single(value: f64) -> f32 {
    value as f32
}

/// A count as an index: what is below zero is the first.
#[must_use]
pub fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}
