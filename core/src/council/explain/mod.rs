//! Why the members of a council voted as they did, exactly and in integers: what each group of
//! features and each feature did, and the nearest request that would have been answered otherwise.
//!
//! Everything here follows from what a decision records of a vote (a [`Step`]) and from the
//! council's file, so whoever has the two computes the same numbers again. Nothing is decided by
//! them. `docs/council-explain.md` says what they mean. Reading order: this page → [`shapley()`] →
//! [`occlusion()`] → [`flips()`].

mod flips;
mod occlusion;
mod shapley;

pub use flips::{EVALUATIONS_PER_FIELD_MAX, Flip, flips};
pub use occlusion::{Occlusions, occlusion};
pub use shapley::{
    GroupShare, MemberShares, REASONS, Reason, SHARES_PER_GAP, Shares, shapley, top_reasons,
};

use super::Evaluator;
use super::features::{FEATURE_COUNT, Features};
use super::logits::{CouncilLogits, Logits};
use super::state::HiddenState;
use super::time::TimeCode;
use crate::decision::Verdict;

/// One step that a vote was read from, as its decision records it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What the council remembered of the tenant before the step.
    pub state: &'a HiddenState,
    /// What it was told.
    pub features: &'a Features,
    /// How long ago the step before was.
    pub time: TimeCode,
}

impl Step<'_> {
    /// The logits of the same step with other features.
    fn logits(&self, evaluator: &impl Evaluator, features: &Features) -> CouncilLogits {
        evaluator.step(&mut self.state.clone(), features, self.time)
    }

    /// The logits of the same step of a tenant of whom nothing is remembered.
    fn logits_without_state(&self, evaluator: &impl Evaluator) -> CouncilLogits {
        let mut state = self.state.clone();
        state.words_mut().fill(0);
        evaluator.step(&mut state, self.features, self.time)
    }
}

/// Features of which none is known: what a vote is compared with when nobody names another one.
///
/// Zero is what the schema says of what is not known. It also adds nothing to any row, so a group
/// that is absent is one that the member does not see, as if its mask hid it; and it needs no mean
/// of any data, which would have to be kept, versioned and believed. It is no usual request: zero
/// free GPUs are a full pool. To ask why a vote differs from another one, compare with that one's
/// features.
///
/// # Panics
/// Never: zero is a feature's value.
#[must_use]
pub fn nothing_known() -> Features {
    Features::new([0; FEATURE_COUNT]).expect("zero is within the range of every feature")
}

/// The two answers between which a member's vote was decided: fixed once, by the logits in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Its verdict.
    pub verdict: Verdict,
    /// The verdict of the next largest logit; among equal ones deny, then defer.
    pub runner_up: Verdict,
}

/// How far one logit is above another, or how much that changed, in 1/2048.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap(pub i32);

impl Contest {
    /// The contest that `logits` decided.
    #[must_use]
    pub fn of(logits: Logits) -> Self {
        let (first, second) = match logits.verdict() {
            Verdict::Deny => (Verdict::Defer, Verdict::Approve),
            Verdict::Defer => (Verdict::Deny, Verdict::Approve),
            Verdict::Approve => (Verdict::Deny, Verdict::Defer),
        };
        let is_first = logit(logits, second) <= logit(logits, first);
        let runner_up = if is_first { first } else { second };
        Self { verdict: logits.verdict(), runner_up }
    }

    /// The verdict's logit less the runner-up's. Below zero only in other logits than those that
    /// decided.
    #[must_use]
    pub fn gap(self, logits: Logits) -> Gap {
        Gap(logit(logits, self.verdict) - logit(logits, self.runner_up))
    }
}

impl Gap {
    fn less(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

fn logit(logits: Logits, of: Verdict) -> i32 {
    let [approve, deny, defer] = logits.0;
    i32::from(match of {
        Verdict::Approve => approve,
        Verdict::Deny => deny,
        Verdict::Defer => defer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(logits: [i16; 3], runner_up: Verdict) {
        let logits = Logits(logits);
        let contest = Contest::of(logits);
        assert_eq!(contest, Contest { verdict: logits.verdict(), runner_up }, "{logits:?}");
        assert_eq!(contest.gap(logits), Gap(logits.margin().0.into()), "{logits:?}");
    }

    #[test]
    fn the_runner_up_is_the_next_largest_and_ties_go_to_deny_then_defer() {
        use Verdict::{Approve, Defer, Deny};
        check([9, 3, 1], Deny);
        check([9, 1, 3], Defer);
        check([9, 3, 3], Deny);
        check([1, 9, 3], Defer);
        check([3, 9, 1], Approve);
        check([3, 9, 3], Defer);
        check([1, 3, 9], Deny);
        check([3, 1, 9], Approve);
        check([3, 3, 9], Deny);
        check([5, 5, 5], Defer);
        check([5, 5, 4], Approve);
        check([i16::MAX, i16::MIN, i16::MIN], Deny);
    }
}
