//! From outcome probabilities to verdicts: how far each member leans from the most probable one.
//!
//! A lean is added to the biases of the readout before they are rounded: a verdict is still that of
//! the largest logit, and a member denies where its probability of deny, times e to the lean, is
//! the largest of the three.

use crate::answer::Answer;
use crate::calibrate::{Counts, calibration, veto};
use crate::dataset::Lesson;
use crate::error::{Error, Result};
use crate::member::Role;
use crate::network::exact::alone;
use crate::network::weights::{READOUT_BIAS, Weights};
use crate::number::{nearest_within, single};
use conclave_core::council::logits::CONFIDENCE_MAX;
use conclave_core::council::{Logits, Member, PerMille};
use conclave_core::decision::Verdict;

/// How far a member leans to deny and to defer, in logits; negative to approve.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lean {
    /// Added to the logit of deny.
    pub deny: f64,
    /// Added to the logit of defer.
    pub defer: f64,
}

/// A trained member whose lean is open.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which member.
    pub role: Role,
    /// What was learnt.
    pub weights: Weights,
    /// By source: what it says where confidence is fitted, and what hindsight says.
    pub fitted: Vec<Vec<(Logits, Verdict)>>,
}

/// No lean to deny is beyond these: a member that always says the same is none.
const DENY: [f64; 2] = [-3.0, 1.0];
/// Nor one to defer.
const DEFER: [f64; 2] = [-3.0, 1.0];

impl Lean {
    /// What is added to the three logits, in their unit.
    #[must_use]
    pub fn logits(self) -> [f64; 3] {
        [0.0, self.deny, self.defer]
    }

    fn apply(self, logits: Logits) -> Logits {
        let mut leaning = self.logits().into_iter();
        Logits(logits.0.map(|logit| {
            let added = 2_048.0 * leaning.next().expect("as many as logits");
            let word = nearest_within(f64::from(logit) + added, i16::MIN.into(), i16::MAX.into());
            i16::try_from(word).expect("clamped")
        }))
    }

    /// The same, moved as far as it may be.
    #[must_use]
    pub fn moved(self, deny: f64, defer: f64) -> Self {
        Self {
            deny: (self.deny + deny).clamp(DENY[0], DENY[1]),
            defer: (self.defer + defer).clamp(DEFER[0], DEFER[1]),
        }
    }
}

impl Candidate {
    /// `answers` are all of its answers to `lesson`; it is fitted to those of the calibration part.
    #[must_use]
    pub fn new(lesson: &Lesson<'_>, role: &Role, weights: &Weights, answers: &[Answer]) -> Self {
        let of = |name: &str| {
            let mine = answers.iter().filter(|answer| lesson.name(answer.source) == name);
            let fitted = mine.filter(|answer| answer.is_fitted());
            fitted.map(|answer| (answer.logits, answer.target.verdict)).collect()
        };
        let fitted = lesson.names().into_iter().map(of).collect();
        Self { role: *role, weights: weights.clone(), fitted }
    }

    /// Its weights, leaning.
    #[must_use]
    pub fn leaning(&self, lean: Lean) -> Weights {
        let mut weights = self.weights.clone();
        for (bias, lean) in weights.parts[READOUT_BIAS].iter_mut().zip(lean.logits()) {
            *bias += single(lean);
        }
        weights
    }

    /// The member that leans so, with confidence and veto level of its verdicts; the level is at
    /// least `veto_min`.
    ///
    /// # Errors
    /// [`Error::Bug`] only.
    pub fn member(&self, lean: Lean, veto_min: PerMille) -> Result<Member> {
        let alone = alone(&self.role, &self.leaning(lean))?;
        let [member] = alone.parts().members.as_slice() else {
            return Err(Error::Bug("a member alone is not one member".to_owned()));
        };
        let lean = |(logits, right): &(Logits, Verdict)| (lean.apply(*logits), *right);
        let said: Vec<Vec<_>> =
            self.fitted.iter().map(|source| source.iter().map(lean).collect()).collect();
        let counts = |source: &Vec<(Logits, Verdict)>| {
            let of = |(said, right): &(Logits, Verdict)| (said.margin(), said.verdict() == *right);
            Counts::of(source.iter().map(of))
        };
        let calibration = calibration(&said.iter().map(counts).collect::<Vec<_>>());
        let veto = said.iter().map(|source| veto(source, &calibration)).max();
        let veto = veto.unwrap_or(CONFIDENCE_MAX).max(veto_min);
        Ok(Member { weight_bp: 2_000, calibration, veto, ..member.clone() })
    }
}
