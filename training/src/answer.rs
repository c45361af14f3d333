//! What a trained member says of every request that has a label: in integers, by the core's
//! reference, and in floats beside it.

use crate::dataset::{Lesson, Target, class};
use crate::network::exact::{real_code, reals};
use crate::network::weights::{Weights, softmax};
use crate::split::Part;
use conclave_core::council::{Council, Evaluator, HiddenState, Logits};
use conclave_core::decision::Verdict;

/// A member's answer to one request.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Which of the lesson's sources.
    pub source: usize,
    /// Whose request.
    pub tenant: usize,
    /// Position in the story's steps.
    pub step: usize,
    /// What hindsight says.
    pub target: Target,
    /// In integers, without a lean.
    pub logits: Logits,
    /// In integers, as in the file: verdict and confidence are of these.
    pub said: Logits,
    /// In floats.
    pub floats: [f64; 3],
}

impl Answer {
    /// The probabilities that the integer logits stand for: approve, deny, defer.
    #[must_use]
    pub fn probabilities(&self) -> [f64; 3] {
        softmax(self.logits.0.map(|logit| f64::from(logit) / 2_048.0))
    }

    /// Whether hindsight agrees with the verdict.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.said.verdict() == self.target.verdict
    }

    /// Whether confidence is fitted to it.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        self.target.part == Part::Calibrate
    }

    /// Whether the float network says another verdict, both without a lean.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let [approve, deny, defer] = self.floats;
        let verdict = match () {
            () if defer <= deny && approve <= deny => Verdict::Deny,
            () if approve <= defer => Verdict::Defer,
            () => Verdict::Approve,
        };
        verdict != self.logits.verdict()
    }

    /// The logit that should be largest.
    #[must_use]
    pub fn class(&self) -> usize {
        class(self.target.verdict)
    }
}

/// All answers of the one member of `council` to `lesson`; `floats` are the weights at the
/// end of the float phase.
#[must_use]
pub fn answers(council: &Council, floats: &Weights, lesson: &Lesson<'_>) -> Vec<Answer> {
    let mut all = Vec::new();
    for (index, (source, targets)) in lesson.sources.iter().enumerate() {
        for (tenant, steps) in source.by_tenant.iter().enumerate() {
            let mut state = HiddenState::new(council);
            let mut h = vec![0.0; floats.units];
            for at in steps {
                let (step, code) = (&source.story.steps[*at], source.codes[*at]);
                let logits = council.step(&mut state, &step.features, code).members()[0];
                let x = reals(&step.features).map(f64::from);
                let floats = floats.step(&mut h, &x, f64::from(real_code(code)));
                if let Some(target) = targets[*at] {
                    all.push(Answer {
                        source: index,
                        tenant,
                        step: *at,
                        target,
                        logits,
                        said: logits,
                        floats,
                    });
                }
            }
        }
    }
    all
}
