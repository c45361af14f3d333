//! Comparing words with those of the reference, and counting them.

use crate::found::say;
use conclave_core::council::{Council, CouncilLogits, Evaluator};
use conclave_gpu::{Computed, Segment, Step};
use std::sync::atomic::{AtomicU64, Ordering};

/// Words compared by this process.
static COMPARED: AtomicU64 = AtomicU64::new(0);

/// What the reference makes of a segment.
pub(crate) fn reference(council: &Council, segment: &Segment) -> Computed {
    let mut state = segment.state.clone();
    let step = |Step { features, time }: &Step| council.step(&mut state, features, *time);
    let logits = segment.steps.iter().map(step).collect();
    Computed { state, logits }
}

/// Asserts that `found` is what the reference makes of `batch`, word by word.
#[track_caller]
pub(crate) fn check(council: &Council, batch: &[Segment], found: &[Computed], name: &str) {
    assert_eq!(found.len(), batch.len(), "{name}: results");
    let mut words = 0;
    for (index, (segment, found)) in batch.iter().zip(found).enumerate() {
        let expected = reference(council, segment);
        if *found != expected {
            panic!("{name}, segment {index}: {}", difference(&expected, found));
        }
        let logits = |logits: &CouncilLogits| 3 * logits.members().len();
        words += found.state.words().len() + found.logits.iter().map(logits).sum::<usize>();
    }
    COMPARED.fetch_add(u64::try_from(words).unwrap(), Ordering::Relaxed);
}

fn difference(expected: &Computed, found: &Computed) -> String {
    if found.logits.len() != expected.logits.len() {
        return format!("{} logits, not {}", found.logits.len(), expected.logits.len());
    }
    if let Some(step) = (0..found.logits.len()).find(|at| found.logits[*at] != expected.logits[*at])
    {
        let (found, expected) = (found.logits[step], expected.logits[step]);
        return format!("step {step}: {:?}, not {:?}", found.members(), expected.members());
    }
    let pairs = found.state.words().iter().zip(expected.state.words());
    let word = pairs.clone().position(|(found, expected)| found != expected);
    format!("word {word:?} of the state after {} steps", found.logits.len())
}

/// Says how many words were equal.
pub(crate) fn tell(test: &str) {
    match COMPARED.load(Ordering::Relaxed) {
        0 => say(&format!("{test}: nothing compared")),
        words => say(&format!("{test}: {words} words compared in this process so far, all equal")),
    }
}
