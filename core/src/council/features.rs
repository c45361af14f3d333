//! What a member sees of a question: section 2 of `docs/council-spec.md`.

/// Features of a question.
pub const FEATURES: usize = 32;

/// Features in 1/64, each -127 to 127. What each means says the feature schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features([i8; FEATURES]);

impl Features {
    /// None when one is -128, which no proof covers.
    #[must_use]
    pub fn new(values: [i8; FEATURES]) -> Option<Self> {
        values.iter().all(|value| *value != i8::MIN).then_some(Self(values))
    }

    /// The numbers, by feature.
    #[must_use]
    pub fn values(&self) -> &[i8; FEATURES] {
        &self.0
    }
}

/// The features that a member sees: bit k is feature k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMask(pub u32);

impl FeatureMask {
    /// Whether feature `index` is seen.
    #[must_use]
    pub fn shows(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}
