//! Golden sequences: section 12 of `docs/council-spec.md`. Whoever computes votes computes these
//! first.

use super::features::Features;
use super::logits::{CouncilLogits, LOGITS, Logits};
use super::refusal::{BadCouncil, Difference, Place, Word};
use super::state::HiddenState;
use super::time::ELAPSED_MS_MAX;
use super::{Council, Evaluator, proof};
use crate::units::DurationMs;

/// Sequences of one file: whoever reads it computes them all.
pub const SEQUENCES_MAX: usize = 64;
/// Steps of one sequence.
pub const STEPS_MAX: usize = 64;

/// Steps from the zero state on, and what comes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenSequence {
    /// At least one.
    pub steps: Vec<GoldenStep>,
    /// The words of the state after the last step.
    pub state: Vec<i16>,
}

/// One step, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenStep {
    /// Since the step before.
    pub elapsed: DurationMs,
    /// What is asked.
    pub features: Features,
    /// Of every member, after this step.
    pub logits: Vec<Logits>,
}

impl GoldenSequence {
    /// What the reference makes of `inputs`.
    #[must_use]
    pub fn of(council: &Council, inputs: &[(DurationMs, Features)]) -> Self {
        let mut state = HiddenState::new(council);
        let step = |(elapsed, features): &(DurationMs, Features)| {
            let code = council.parts().time.code(*elapsed);
            let logits = council.step(&mut state, features, code).members().to_vec();
            GoldenStep { elapsed: *elapsed, features: *features, logits }
        };
        let steps = inputs.iter().map(step).collect();
        Self { steps, state: state.words().to_vec() }
    }
}

/// Computes all `sequences` with `evaluator` and compares every word.
///
/// # Errors
/// [`BadCouncil::Golden`] names the first word that differs. [`BadCouncil::OutOfRange`] when the
/// sequences are none that a file may hold.
pub fn self_test(
    evaluator: &impl Evaluator,
    council: &Council,
    sequences: &[GoldenSequence],
) -> Result<(), BadCouncil> {
    if sequences.is_empty() || SEQUENCES_MAX < sequences.len() {
        let found = proof::count(sequences.len());
        let (what, place) = ("number of golden sequences", Place::Council);
        return Err(proof::out_of_range(what, place, found, "1 to 64"));
    }
    for (index, sequence) in sequences.iter().enumerate() {
        check_shape(council, sequence, index)?;
        check_words(evaluator, council, sequence, index)?;
    }
    Ok(())
}

fn check_shape(
    council: &Council,
    sequence: &GoldenSequence,
    index: usize,
) -> Result<(), BadCouncil> {
    let bad = |what, place, found, allowed| Err(proof::out_of_range(what, place, found, allowed));
    let steps = sequence.steps.len();
    if steps == 0 || STEPS_MAX < steps {
        return bad("number of steps", Place::Sequence(index), proof::count(steps), "1 to 64");
    }
    if sequence.state.len() != council.words() {
        let found = proof::count(sequence.state.len());
        return bad("number of words", Place::Sequence(index), found, "all members' units");
    }
    for (step_index, step) in sequence.steps.iter().enumerate() {
        let place = Place::Step(index, step_index);
        if !(0..=ELAPSED_MS_MAX.0).contains(&step.elapsed.0) {
            return bad("elapsed time", place, step.elapsed.0, "0 to 2^48 - 2");
        }
        if step.logits.len() != council.parts().members.len() {
            return bad("logits", place, proof::count(step.logits.len()), "three a member");
        }
    }
    Ok(())
}

fn check_words(
    evaluator: &impl Evaluator,
    council: &Council,
    sequence: &GoldenSequence,
    index: usize,
) -> Result<(), BadCouncil> {
    let mut state = HiddenState::new(council);
    let step = |step: &GoldenStep| {
        let code = council.parts().time.code(step.elapsed);
        evaluator.step(&mut state, &step.features, code)
    };
    let logits: Vec<_> = sequence.steps.iter().map(step).collect();
    compare(council, (index, sequence), &logits, &state)
}

/// Compares every word of the sequence with this index, of a file of `council`, with what some way
/// to compute made of it: the logits after each step, and the state after the last.
///
/// # Errors
/// [`BadCouncil::Golden`] names the first word that differs.
///
/// # Panics
/// When there are not as many logits as steps.
pub fn compare(
    council: &Council,
    (index, sequence): (usize, &GoldenSequence),
    logits: &[CouncilLogits],
    state: &HiddenState,
) -> Result<(), BadCouncil> {
    assert_eq!(logits.len(), sequence.steps.len(), "logits of another sequence");
    let at = |step, member, word, (expected, found): (&i16, &i16)| {
        let (expected, found) = (*expected, *found);
        Err(BadCouncil::Golden(Difference { sequence: index, step, member, word, expected, found }))
    };
    for (step_index, (step, found)) in sequence.steps.iter().zip(logits).enumerate() {
        let expected = step.logits.iter().flat_map(|logits| &logits.0);
        let found = found.members().iter().flat_map(|logits| &logits.0);
        if let Some((word, pair)) = expected.zip(found).enumerate().find(|(_, (a, b))| a != b) {
            return at(step_index, word / LOGITS, Word::Logit(word % LOGITS), pair);
        }
    }
    let pairs = sequence.state.iter().zip(state.words()).enumerate();
    if let Some((word, pair)) = pairs.into_iter().find(|(_, (a, b))| a != b) {
        let units = council.parts().hidden.units();
        return at(sequence.steps.len() - 1, word / units, Word::Unit(word % units), pair);
    }
    Ok(())
}
