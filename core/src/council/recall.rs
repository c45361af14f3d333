//! One case of a ballot once more: what its vote was read from, for whoever explains it.

use super::explain::Step;
use super::hearing::{Heard, Hearing, Place, Way};
use super::quorum::{Voice, Weights, tally, voices};
use super::run::Runner;
use super::{Council, CouncilLogits, Features, HiddenState, TimeCode};
use crate::decision::Verdict;

/// A case as it was put to the networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// What the steps before it left: those of leases that ended, then those of earlier cases.
    pub state: HiddenState,
    /// What was told.
    pub features: Features,
    /// How long ago the step before was.
    pub time: TimeCode,
    /// What each member's word counts.
    pub weights: Weights,
}

impl Hearing {
    /// The case at `place`, after everything that its tenant went through before it; none when the
    /// networks are not asked there.
    ///
    /// # Panics
    /// When what is remembered of the tenant is no state of `council`.
    #[must_use]
    pub fn recall(
        &self,
        runner: &impl Runner,
        council: &Council,
        place: Place,
    ) -> Option<Recalled> {
        let position = |heard: &Heard| heard.cases.iter().position(|case| case.place == place);
        let (heard, case) =
            self.tenants.iter().find_map(|heard| Some((heard, position(heard)?)))?;
        let (_, mut run) = Way::of(council, heard);
        let index = heard.memory.outcomes().count() + case;
        let super::Step { features, time } = run.steps[index];
        run.steps.truncate(index);
        let ran = runner.run(std::slice::from_ref(&run)).remove(0);
        let state = run.state_before(&ran, index).clone();
        Some(Recalled { state, features, time, weights: self.weights })
    }
}

impl Recalled {
    /// The step that its vote was read from.
    #[must_use]
    pub fn step(&self) -> Step<'_> {
        Step { state: &self.state, features: &self.features, time: self.time }
    }

    /// What becomes of `logits` of this case; none while so few members are listened to that the
    /// rule score decides.
    ///
    /// # Panics
    /// When `council` is of another size than one that sits.
    #[must_use]
    pub fn verdict(&self, council: &Council, logits: &CouncilLogits) -> Option<Verdict> {
        let voices = voices(council.parts(), logits);
        let present: Vec<Option<Voice>> = voices.into_iter().map(Some).collect();
        tally(council.parts(), &self.weights, &present).map(|tally| tally.verdict)
    }
}
