//! What a council remembers of one tenant: section 8 of `docs/council-spec.md`.

use super::Council;
use super::curve::ONE;

/// The hidden states of all members for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenState {
    /// Member by member, unit by unit, in 1/16384.
    words: Vec<i16>,
}

impl HiddenState {
    /// The state before a tenant's first step.
    #[must_use]
    pub fn new(council: &Council) -> Self {
        Self { words: vec![0; council.words()] }
    }

    /// A state by its words. None when there are not as many as `council` has, or one is beyond
    /// plus or minus one.
    #[must_use]
    pub fn from_words(council: &Council, words: Vec<i16>) -> Option<Self> {
        let is_within = words.iter().all(|word| (-ONE..=ONE).contains(word));
        (is_within && words.len() == council.words()).then_some(Self { words })
    }

    /// Member by member, unit by unit.
    #[must_use]
    pub fn words(&self) -> &[i16] {
        &self.words
    }

    /// As they are written and digested.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The same words, to be stepped on.
    pub(super) fn words_mut(&mut self) -> &mut [i16] {
        &mut self.words
    }
}
