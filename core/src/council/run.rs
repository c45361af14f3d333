//! A tenant's steps, one after the other: what is computed at a time, on whatever machine.

use super::{Council, CouncilLogits, Evaluator, Features, HiddenState, TimeCode};

/// Something that happened to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is asked, or what ended.
    pub features: Features,
    /// How long ago the step before was.
    pub time: TimeCode,
}

/// A tenant's steps, in log order. Runs do not depend on each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The state before the first step.
    pub state: HiddenState,
    /// Any number, also none.
    pub steps: Vec<Step>,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The state after each step.
    pub states: Vec<HiddenState>,
    /// What all members say after each step.
    pub logits: Vec<CouncilLogits>,
}

/// Something that computes many runs at a time. Whatever it runs on, it finds the words that the
/// reference finds.
pub trait Runner {
    /// What becomes of each of `runs`, in order.
    fn run(&self, runs: &[Run]) -> Vec<Ran>;
}

/// One step after the other.
impl<E: Evaluator> Runner for E {
    fn run(&self, runs: &[Run]) -> Vec<Ran> {
        runs.iter().map(|run| Ran::of(self, run)).collect()
    }
}

impl Run {
    /// From `words` on, or from a tenant's first state when there are none.
    ///
    /// # Panics
    /// When they are none of a state of `council`.
    #[must_use]
    pub fn from_words(council: &Council, words: &[i16], steps: Vec<Step>) -> Self {
        let state = if words.is_empty() {
            HiddenState::new(council)
        } else {
            let state = HiddenState::from_words(council, words.to_vec());
            state.expect("a new council forgets what another one remembered")
        };
        Self { state, steps }
    }

    /// The state before the step at `index`, once it is known what `ran`.
    ///
    /// # Panics
    /// When there is no such step.
    #[must_use]
    pub fn state_before<'s>(&'s self, ran: &'s Ran, index: usize) -> &'s HiddenState {
        index.checked_sub(1).map_or(&self.state, |before| &ran.states[before])
    }
}

impl Ran {
    fn of<E: Evaluator>(evaluator: &E, run: &Run) -> Self {
        let mut state = run.state.clone();
        let mut ran = Self::default();
        for Step { features, time } in &run.steps {
            ran.logits.push(evaluator.step(&mut state, features, *time));
            ran.states.push(state.clone());
        }
        ran
    }
}
