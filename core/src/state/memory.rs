//! What a pool keeps of a tenant for the council of networks: its hidden state, and what happened
//! since that the state has not heard of.

use crate::council::Features;
use crate::council::curve::ONE;
use crate::limits::OUTCOMES_MAX;
use crate::units::TimeMs;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What the council remembers of a tenant in a pool. It begins anew with every council.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The hidden state, member by member, in 1/16384; empty before the first step.
    pub words: Vec<i16>,
    /// Log time of the latest step.
    pub stepped_at_ms: Option<TimeMs>,
    /// Leases that ended since, the oldest first: steps that are made when the tenant is next voted
    /// on.
    outcomes: VecDeque<Outcome>,
    /// How many leases ended before those.
    heard: i64,
    /// Log time of the latest outcome that changed what members' words count.
    pub weighed_at_ms: Option<TimeMs>,
}

/// How a lease ended, as the council is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When the step is made: log time of the command that noticed the end.
    pub at_ms: TimeMs,
    /// What is told.
    pub features: Features,
}

impl Memory {
    /// Leases that ended and were not heard of yet, the oldest first.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter()
    }

    /// How many leases ended, heard of or not.
    ///
    /// # Panics
    /// Never: the list is bounded.
    #[must_use]
    pub fn ended(&self) -> i64 {
        self.heard + i64::try_from(self.outcomes.len()).expect("the list is bounded")
    }

    /// A lease ended. Of too many, the oldest are never heard of.
    pub(crate) fn note(&mut self, outcome: Outcome) {
        if self.outcomes.len() == OUTCOMES_MAX {
            self.outcomes.pop_front();
            self.heard += 1;
        }
        self.outcomes.push_back(outcome);
    }

    /// The hidden state after a round that heard of all but the latest leases.
    ///
    /// # Panics
    /// When it goes back, has words that no state has, or heard of leases that did not end.
    pub(crate) fn step(&mut self, words: &[i64], at_ms: TimeMs, heard: i64) {
        assert!(self.stepped_at_ms <= Some(at_ms), "a hidden state goes back to {at_ms}");
        assert!(heard <= self.ended(), "{heard} leases were heard of, {} ended", self.ended());
        while self.heard < heard {
            self.outcomes.pop_front();
            self.heard += 1;
        }
        let is_within = |word: &i16| (-ONE..=ONE).contains(word);
        let word = |word: &i64| {
            let word = i16::try_from(*word).ok().filter(is_within);
            word.expect("a word of a hidden state is within plus and minus one")
        };
        self.words = words.iter().map(word).collect();
        self.stepped_at_ms = Some(at_ms);
    }
}
