//! The nearest requests that the council would have answered otherwise: one field changed.

use super::Step;
use crate::command::RequestAllocation;
use crate::council::Evaluator;
use crate::council::features::Features;
use crate::council::logits::CouncilLogits;
use crate::decision::Verdict;
use crate::explain::{Field, LOWER, Lower, Value};
use crate::limits::{PRIORITY_MAX, TIME_MS_MAX};
use crate::units::TimeMs;

/// Evaluations that one direction of one field may take. The features that a field moves have fewer
/// values along the way (352 for the milli of a GPU, which moves most of them), so nothing is
/// missed.
pub const EVALUATIONS_PER_FIELD_MAX: usize = 384;
/// Verdicts that a change can lead to.
const OTHER_VERDICTS: usize = 2;

/// One field of a request changed, and what the council would have said of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// Which field.
    pub field: Field,
    /// What it is.
    pub from: Value,
    /// The nearest value of this field that leads to the verdict.
    pub to: Value,
    /// What would have been said; never what was.
    pub verdict: Verdict,
}

/// For every field that a sender can change and every other verdict, the nearest value of that
/// field alone that leads to it; the smallest change first, in thousandths of what the field was.
/// Empty when no single field turns the verdict.
///
/// Looked at are fewer replicas and GPUs, a smaller part of a GPU, less CPU and memory, a shorter
/// duration, every other priority, to be preemptible, and a later deadline where there is one. A
/// deadline's change is measured by what was left until it at `now`, when the vote was taken.
///
/// `features_of` says what the council would have been told of a request in the same moment,
/// `verdict_of` what becomes of its members' logits. Only requests whose features differ are
/// evaluated, so a field is walked in steps of what the council can tell apart, and its answer is
/// in the field's own unit. That finds the nearest value as long as each feature only rises or only
/// falls with each field, as those of [`Features::of_request`] do; a flip that is named is one in
/// any case. At most [`EVALUATIONS_PER_FIELD_MAX`] evaluations for each direction of each field.
///
/// # Panics
/// When `step` was told something else than `features_of` says of `ask`, or its state is one of
/// another council.
#[must_use]
pub fn flips(
    evaluator: &impl Evaluator,
    step: &Step<'_>,
    (ask, now): (&RequestAllocation, TimeMs),
    features_of: impl Fn(&RequestAllocation) -> Features,
    verdict_of: impl Fn(&CouncilLogits) -> Verdict,
) -> Vec<Flip> {
    assert_eq!(features_of(ask), *step.features, "the step is a vote on this request");
    let verdict_of = |features: &Features| verdict_of(&step.logits(evaluator, features));
    let verdict = verdict_of(step.features);
    let search = Search { ask, features: *step.features, verdict, features_of, verdict_of };
    let mut found: Vec<_> = walks(ask, now).iter().flat_map(|walk| search.along(walk)).collect();
    found.sort_by_key(|(size, flip)| (*size, flip.field));
    let mut flips: Vec<Flip> = Vec::new();
    for (_, flip) in found {
        // A priority can turn it upwards and downwards.
        let is_same = |nearer: &Flip| (nearer.field, nearer.verdict) == (flip.field, flip.verdict);
        if !flips.iter().any(is_same) {
            flips.push(flip);
        }
    }
    flips
}

/// Values of one field in one direction, the nearest first.
struct Walk {
    field: Field,
    from: i64,
    last: i64,
    /// What `from` is counted from when a change of it is measured.
    origin: i64,
    set: fn(&mut RequestAllocation, i64),
}

/// Every direction in which a sender can change `ask`.
fn walks(ask: &RequestAllocation, now: TimeMs) -> Vec<Walk> {
    let lower = |Lower { field, low, get, set }: &Lower| {
        let from = get(ask);
        Walk { field: *field, from, last: (*low).min(from), origin: 0, set: *set }
    };
    let priority = |last: i64| Walk {
        field: Field::Priority,
        from: ask.priority,
        last,
        origin: 0,
        set: |ask, to| ask.priority = to,
    };
    let preemptible = Walk {
        field: Field::Preemptible,
        from: ask.preemptible.into(),
        last: 1,
        origin: 0,
        set: |ask, to| ask.preemptible = to == 1,
    };
    let later = |deadline: TimeMs| Walk {
        field: Field::DeadlineMs,
        from: deadline.0,
        last: TIME_MS_MAX.0,
        origin: now.0,
        set: |ask, to| ask.deadline_ms = Some(TimeMs(to)),
    };
    let mut walks: Vec<_> = LOWER.iter().map(lower).collect();
    walks.extend([priority(PRIORITY_MAX), priority(1), preemptible]);
    walks.extend(ask.deadline_ms.map(later));
    walks
}

impl Walk {
    /// How many values there are beyond the first.
    fn length(&self) -> i64 {
        (self.last - self.from).abs()
    }

    /// The value `distance` away.
    fn value(&self, distance: i64) -> i64 {
        self.from + distance * (self.last - self.from).signum()
    }

    fn flip(&self, distance: i64, verdict: Verdict) -> (i64, Flip) {
        let (field, from, to) = (self.field, self.from, self.value(distance));
        let is_flag = field == Field::Preemptible;
        let value = |number| if is_flag { Value::Flag(number == 1) } else { Value::Number(number) };
        let size = value(from - self.origin).change_per_mille(&value(to - self.origin));
        (size, Flip { field, from: value(from), to: value(to), verdict })
    }
}

struct Search<'a, F, V> {
    ask: &'a RequestAllocation,
    features: Features,
    verdict: Verdict,
    features_of: F,
    verdict_of: V,
}

impl<F, V> Search<'_, F, V>
where
    F: Fn(&RequestAllocation) -> Features,
    V: Fn(&Features) -> Verdict,
{
    /// The first value along `walk` for each other verdict, with the size of the change.
    fn along(&self, walk: &Walk) -> Vec<(i64, Flip)> {
        let told = |distance| {
            let mut ask = self.ask.clone();
            (walk.set)(&mut ask, walk.value(distance));
            (self.features_of)(&ask)
        };
        let mut found: Vec<(i64, Flip)> = Vec::new();
        let (mut at, mut here) = (0, self.features);
        for _ in 0..EVALUATIONS_PER_FIELD_MAX {
            let differs = |distance| told(distance) != here;
            let Some(next) = first(at, walk.length(), differs) else { break };
            (at, here) = (next, told(next));
            let verdict = (self.verdict_of)(&here);
            let is_known = found.iter().any(|(_, flip)| flip.verdict == verdict);
            if verdict != self.verdict && !is_known {
                found.push(walk.flip(at, verdict));
            }
            if found.len() == OTHER_VERDICTS {
                break;
            }
        }
        found
    }
}

/// The least number above `from`, at most `last`, that `holds`, when whatever is above a number
/// that holds does so too. It mostly is near, so the steps towards it begin small.
fn first(from: i64, last: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut bad, mut step) = (from, 1);
    let mut good = loop {
        if bad >= last {
            return None;
        }
        let next = bad.saturating_add(step).min(last);
        if holds(next) {
            break next;
        }
        (bad, step) = (next, step.saturating_mul(2));
    };
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_holds_is_found_wherever_it_is() {
        for from in 0..6 {
            for turn in 0..40 {
                let found = first(from, 30, |number| number >= turn);
                let expected = (from + 1..=30).find(|number| *number >= turn);
                assert_eq!(found, expected, "{turn} from {from} on");
            }
        }
        assert_eq!(first(0, i64::MAX, |number| number == i64::MAX), Some(i64::MAX));
        assert_eq!(first(5, 5, |_| true), None);
    }
}
