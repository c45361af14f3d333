//! How a member's lead is shared out among the groups of features.

use super::{Contest, Gap, Step};
use crate::council::Evaluator;
use crate::council::features::{FeatureGroup, Features};
use std::cmp::Reverse;

/// Groups that a lead is shared out among.
const GROUPS: usize = FeatureGroup::ALL.len();
/// Sets of groups that can be present: bit n is the group n of [`FeatureGroup::ALL`].
const COALITIONS: usize = 1 << GROUPS;
/// [`GroupShare`]s in a [`Gap`] of one: the common denominator of Shapley's weights of six.
pub const SHARES_PER_GAP: i32 = 60;
/// What joining s of the five others weighs, s! (5 − s)! / 6!, in sixtieths.
const WEIGHTS: [i32; GROUPS] = [10, 2, 1, 1, 2, 10];
/// Reasons that are worth a word.
pub const REASONS: usize = 3;

/// What a group of features added to a member's lead, in 1/60 of a [`Gap`], that is 1/122880.
/// Above zero it spoke for the verdict, below zero for the runner-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupShare(pub i32);

/// By group, in the order of [`FeatureGroup::ALL`].
pub type Shares = [GroupShare; GROUPS];

/// Where a member's lead comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberShares {
    /// Which two logits are compared.
    pub contest: Contest,
    /// The lead with all features.
    pub gap: Gap,
    /// The same with the baseline's features alone.
    pub baseline_gap: Gap,
    /// Their sum is 60 times what the lead is more than the baseline's, exactly.
    pub shares: Shares,
    /// What the lead is more than it would be of a tenant of whom nothing is remembered. It stands
    /// beside the shares and is part of none: all of them are taken with the state.
    pub of_state: Gap,
}

/// A group and what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which group.
    pub group: FeatureGroup,
    /// What it added.
    pub share: GroupShare,
}

/// The Shapley value of each group of features in each member's lead, by member.
///
/// A group's value is what it adds to the lead when it joins, its features taking the place of the
/// baseline's, averaged over all orders in which the six can join (L. S. Shapley, A value for
/// n-person games, 1953): φ(i) = Σ over the sets S without i of |S|! (5 − |S|)! / 6! times
/// (lead(S ∪ i) − lead(S)). All 64 sets are computed, and the weights are whole sixtieths: 10, 2,
/// 1, 1, 2, 10 by the size of S. Takes 65 evaluations.
///
/// # Panics
/// When the state is one of another council.
#[must_use]
pub fn shapley(
    evaluator: &impl Evaluator,
    step: &Step<'_>,
    baseline: &Features,
) -> Vec<MemberShares> {
    let coalitions: [_; COALITIONS] = std::array::from_fn(|present| {
        step.logits(evaluator, &joined(present, step.features, baseline))
    });
    let stateless = step.logits_without_state(evaluator);
    let full = coalitions[COALITIONS - 1].members();
    let of_member = |(index, logits)| {
        let contest = Contest::of(logits);
        let gaps = coalitions.each_ref().map(|logits| contest.gap(logits.members()[index]));
        let (gap, baseline_gap) = (gaps[COALITIONS - 1], gaps[0]);
        let shares = shares_of(&gaps);
        let sum: i32 = shares.iter().map(|share| share.0).sum();
        let more = gap.less(baseline_gap).0;
        assert_eq!(sum, SHARES_PER_GAP * more, "shares add up to what is shared out");
        let of_state = gap.less(contest.gap(stateless.members()[index]));
        MemberShares { contest, gap, baseline_gap, shares, of_state }
    };
    full.iter().copied().enumerate().map(of_member).collect()
}

/// `features` of the groups that are present, `baseline` of the others.
fn joined(present: usize, features: &Features, baseline: &Features) -> Features {
    let mut values = *baseline.values();
    for (row, value) in features.iter() {
        if present >> row.group as usize & 1 == 1 {
            values[row.index] = value;
        }
    }
    Features::new(values).expect("each is a value of one of the two")
}

/// Bounded by 60 times the largest change of a gap: well within 32 bits.
fn shares_of(gaps: &[Gap; COALITIONS]) -> Shares {
    FeatureGroup::ALL.map(|group| {
        let own = 1 << group as usize;
        let without = (0..COALITIONS).filter(|present| present & own == 0);
        let added = without.map(|present: usize| {
            let added = gaps[present | own].less(gaps[present]);
            WEIGHTS[present.count_ones() as usize] * added.0
        });
        GroupShare(added.sum())
    })
}

/// The three groups that did most, whichever way, the one that did most first; among equal ones in
/// the order of the groups.
#[must_use]
pub fn top_reasons(shares: &Shares) -> [Reason; REASONS] {
    let mut reasons =
        FeatureGroup::ALL.map(|group| Reason { group, share: shares[group as usize] });
    reasons.sort_by_key(|reason| (Reverse(reason.share.0.unsigned_abs()), reason.group));
    let [first, second, third, ..] = reasons;
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_shapley_and_groups_number_their_bits() {
        let factorial = |n: usize| (1..=n).product::<usize>();
        for (size, weight) in WEIGHTS.into_iter().enumerate() {
            let exact = 60 * factorial(size) * factorial(GROUPS - 1 - size);
            assert_eq!(usize::try_from(weight), Ok(exact / factorial(GROUPS)));
            assert_eq!(exact % factorial(GROUPS), 0, "a whole number of sixtieths");
        }
        for (index, group) in FeatureGroup::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, index);
        }
    }

    #[test]
    fn the_strongest_reasons_come_first_and_ties_go_by_group() {
        use FeatureGroup::{Cost, Pool, Request, Tenant, Time, Urgency};
        let top = |shares: [i32; GROUPS]| {
            top_reasons(&shares.map(GroupShare)).map(|reason| (reason.group, reason.share.0))
        };
        assert_eq!(top([1, -9, 3, 0, 4, -4]), [(Urgency, -9), (Cost, 4), (Time, -4)]);
        assert_eq!(top([0; GROUPS]), [(Request, 0), (Urgency, 0), (Tenant, 0)]);
        assert_eq!(top([2, 2, 2, -2, 2, 3]), [(Time, 3), (Request, 2), (Urgency, 2)]);
        assert_eq!(top([0, 0, 1, -2, 0, 0]), [(Pool, -2), (Tenant, 1), (Request, 0)]);
    }
}
