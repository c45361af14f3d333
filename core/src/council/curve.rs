//! Curves as tables with straight lines between: section 4 of `docs/council-spec.md`.

use super::rounding::{narrowed, rounded};

/// Entries of a curve: both ends of 256 intervals.
pub const CURVE_ENTRIES: usize = 257;
/// One in the unit of states and curves.
pub const ONE: i16 = 1 << 14;

/// Least and largest pre-activation that curves tell apart, in 1/2048.
pub(super) const CURVE_FROM: i32 = -16_384;
pub(super) const CURVE_TO: i32 = 16_383;

/// A curve that never falls, over the pre-activations from -8 to 8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    entries: [i16; CURVE_ENTRIES],
}

impl Curve {
    /// The curve through `entries`, in 1/16384. None when one is below `least` or above [`ONE`], or
    /// below the one before it.
    #[must_use]
    pub fn new(entries: [i16; CURVE_ENTRIES], least: i16) -> Option<Self> {
        let is_within = entries.iter().all(|entry| (least..=ONE).contains(entry));
        (is_within && entries.is_sorted()).then_some(Self { entries })
    }

    /// T(y): the value at pre-activation `y`, in 1/2048. Saturates at both ends.
    #[must_use]
    pub fn at(&self, y: i32) -> i16 {
        let c = y.clamp(CURVE_FROM, CURVE_TO) - CURVE_FROM;
        let e = (c >> 7).cast_unsigned() as usize;
        let f = c & 127;
        let (before, after) = (i32::from(self.entries[e]), i32::from(self.entries[e + 1]));
        narrowed(before + rounded((after - before) * f, 7))
    }

    /// The entries, in 1/16384.
    #[must_use]
    pub fn entries(&self) -> &[i16; CURVE_ENTRIES] {
        &self.entries
    }
}
