//! What each feature alone did to a member's lead.

use super::{Contest, Gap, Step};
use crate::council::Evaluator;
use crate::council::features::{FEATURE_COUNT, Features};

/// What each feature did to the lead of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occlusions {
    /// Which two logits are compared.
    pub contest: Contest,
    /// By feature: the lead when it alone takes the baseline's value, less the lead in full. Below
    /// zero, the feature spoke for the verdict. They add up to nothing in particular.
    pub changes: [Gap; FEATURE_COUNT],
}

/// What would become of each member's lead if a single feature had the baseline's value, by member.
/// Takes 33 evaluations.
///
/// # Panics
/// When the state is one of another council.
#[must_use]
pub fn occlusion(
    evaluator: &impl Evaluator,
    step: &Step<'_>,
    baseline: &Features,
) -> Vec<Occlusions> {
    let full = step.logits(evaluator, step.features);
    let occluded: [_; FEATURE_COUNT] = std::array::from_fn(|index| {
        let mut values = *step.features.values();
        values[index] = baseline.values()[index];
        let features = Features::new(values).expect("each is a value of one of the two");
        step.logits(evaluator, &features)
    });
    let of_member = |(index, logits)| {
        let contest = Contest::of(logits);
        let gap = contest.gap(logits);
        let changes = occluded.each_ref().map(|logits| {
            let occluded = contest.gap(logits.members()[index]);
            occluded.less(gap)
        });
        Occlusions { contest, changes }
    };
    full.members().iter().copied().enumerate().map(of_member).collect()
}
