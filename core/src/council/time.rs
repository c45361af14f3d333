//! Elapsed time as an integer logarithm: section 5 of `docs/council-spec.md`.

use crate::units::DurationMs;

/// Entries of the table: what six bits behind the leading one can be.
pub const TIME_ENTRIES: usize = 64;
/// The longest time that a step tells apart: 8,900 years.
pub const ELAPSED_MS_MAX: DurationMs = DurationMs((1 << 48) - 2);
/// Steps of the code in one octave.
const OCTAVE: i32 = 32;
/// The code of [`ELAPSED_MS_MAX`] is at most this.
pub const TIME_CODE_MAX: i32 = 48 * OCTAVE;

/// log2(1 + elapsed milliseconds) in 1/32, as a table says it between two powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeTable {
    entries: [u8; TIME_ENTRIES],
}

/// How long ago the step before was, as the cell reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeCode(i32);

impl TimeCode {
    /// A code by its number. None unless it is 0 to [`TIME_CODE_MAX`].
    #[must_use]
    pub fn new(code: i32) -> Option<Self> {
        (0..=TIME_CODE_MAX).contains(&code).then_some(Self(code))
    }

    /// s, 0 to [`TIME_CODE_MAX`].
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TimeTable {
    /// None when an entry is above a whole octave, or below the one before it.
    #[must_use]
    pub fn new(entries: [u8; TIME_ENTRIES]) -> Option<Self> {
        let is_within = entries.iter().all(|entry| i32::from(*entry) <= OCTAVE);
        (is_within && entries.is_sorted()).then_some(Self { entries })
    }

    /// s of `elapsed`, which is clamped to 0 to [`ELAPSED_MS_MAX`].
    #[must_use]
    pub fn code(&self, elapsed: DurationMs) -> TimeCode {
        let delta = elapsed.0.clamp(0, ELAPSED_MS_MAX.0);
        let v = 1 + delta.cast_unsigned();
        let e = v.ilog2();
        let [f, ..] = if e >= 6 { v >> (e - 6) } else { v << (6 - e) }.to_le_bytes();
        let entry = self.entries[usize::from(f & 63)];
        TimeCode(OCTAVE * e.cast_signed() + i32::from(entry))
    }

    /// The entries, in 1/32.
    #[must_use]
    pub fn entries(&self) -> &[u8; TIME_ENTRIES] {
        &self.entries
    }
}
