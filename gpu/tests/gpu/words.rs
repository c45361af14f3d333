//! Comparing words with those of the reference, and counting them.

use crate::found::say;
use conclave_core::council::{Council, CouncilLogits, HiddenState, Ran, Run, Runner};
use std::sync::atomic::{AtomicU64, Ordering};

/// Words compared by this process.
static COMPARED: AtomicU64 = AtomicU64::new(0);

/// What the reference makes of a run.
pub(crate) fn reference(council: &Council, run: &Run) -> Ran {
    council.run(std::slice::from_ref(run)).remove(0)
}

/// Asserts that `found` is what the reference makes of `batch`, word by word.
#[track_caller]
pub(crate) fn check(council: &Council, batch: &[Run], found: &[Ran], name: &str) {
    assert_eq!(found.len(), batch.len(), "{name}: results");
    let mut words = 0;
    for (index, (run, found)) in batch.iter().zip(found).enumerate() {
        let expected = reference(council, run);
        if *found != expected {
            panic!("{name}, run {index}: {}", difference(&expected, found));
        }
        let logits = |logits: &CouncilLogits| 3 * logits.members().len();
        let states = found.states.iter().map(|state| state.words().len()).sum::<usize>();
        words += states + found.logits.iter().map(logits).sum::<usize>();
    }
    COMPARED.fetch_add(u64::try_from(words).unwrap(), Ordering::Relaxed);
}

fn difference(expected: &Ran, found: &Ran) -> String {
    if found.logits.len() != expected.logits.len() {
        return format!("{} logits, not {}", found.logits.len(), expected.logits.len());
    }
    if let Some(step) = (0..found.logits.len()).find(|at| found.logits[*at] != expected.logits[*at])
    {
        let (found, expected) = (found.logits[step], expected.logits[step]);
        return format!("step {step}: {:?}, not {:?}", found.members(), expected.members());
    }
    let differs = |at: &usize| found.states.get(*at) != expected.states.get(*at);
    let step = (0..found.states.len().max(expected.states.len())).find(differs);
    let (found, expected) = (words_after(found, step), words_after(expected, step));
    format!("the state after step {step:?}: {found:?}, not {expected:?}")
}

fn words_after(ran: &Ran, step: Option<usize>) -> Option<&[i16]> {
    ran.states.get(step?).map(HiddenState::words)
}

/// Says how many words were equal.
pub(crate) fn tell(test: &str) {
    match COMPARED.load(Ordering::Relaxed) {
        0 => say(&format!("{test}: nothing compared")),
        words => say(&format!("{test}: {words} words compared in this process so far, all equal")),
    }
}
