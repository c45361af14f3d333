//! From outcome probabilities to verdicts: how far each member leans from the most probable one,
//! and how sure the council has to be. Chosen by what the council is then worth in the seat, on
//! fleets and times that nothing is judged by.
//!
//! A lean is added to the biases of the readout before they are rounded: a verdict is still that of
//! the largest logit, and a member denies where its probability of deny, times e to the lean, is
//! the largest of the three.

use crate::answer::Answer;
use crate::calibrate::{calibration, veto};
use crate::dataset::Lesson;
use crate::error::{Error, Result};
use crate::export::{self, QUORUM};
use crate::member::{ROLES, Role};
use crate::network::exact::{alone, council};
use crate::network::weights::{READOUT_BIAS, Weights};
use crate::number::{nearest_within, single};
use crate::panel::{Networks, Nobody};
use crate::trial::{Range, Trial};
use conclave_core::council::logits::CONFIDENCE_MAX;
use conclave_core::council::{Council, Logits, Member, PerMille, QuorumNumbers};
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

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// By member.
    pub leans: Vec<Lean>,
    /// For the quorum.
    pub quorum: QuorumNumbers,
    /// The least veto level of a member.
    pub veto_min: PerMille,
    /// What the council is then worth, on what it was chosen by.
    pub utility: f64,
    /// The good work that starts there, by what starts with nobody in the seat: of the source where
    /// that is least.
    pub good: f64,
    /// What it is worth more there than nobody in the seat: of the source where that is least.
    pub gain: f64,
    /// How many others were tried.
    pub tried: usize,
}

/// The council has to start this part of the good work that starts with nobody in the seat.
pub const GOOD_MIN: f64 = 0.95;
/// No lean to deny is beyond these: a member that always says the same is none.
const DENY: [f64; 2] = [-1.5, 1.0];
/// Nor one to defer.
const DEFER: [f64; 2] = [-2.0, 1.0];
/// How sure the council may have to be.
const CONFIDENCES: [u16; 4] = [0, 500, 600, 700];
/// How much weight approvals and denials may have to have. What members learn on the job moves
/// weights by half at most, so at the edges these do decide.
const APPROVE_BP: [u16; 3] = [6_000, 6_750, 7_500];
const DENY_BP: [u16; 3] = [4_000, 5_000, 6_000];
/// The least veto level that is tried: a veto puts off, however few of them are false.
const VETO_MINS: [PerMille; 3] = [PerMille(500), PerMille(700), PerMille(900)];
/// So many of the best that are tried first are made better.
const STARTS: usize = 1;
/// Changes of a lean that are tried, round by round.
const STEPS: [f64; 2] = [0.5, 0.25];

impl Choice {
    /// Better choices rank higher. What is gained elsewhere makes up neither for good work that is
    /// missing somewhere nor for utility that is lost there.
    fn rank(&self) -> f64 {
        self.utility - 100.0 * (GOOD_MIN - self.good).max(0.0) - 10.0 * (-self.gain).max(0.0)
    }

    /// A line for whoever watches.
    fn line(&self, what: &str) -> String {
        let Self { leans, quorum, utility, good, gain, veto_min, .. } = self;
        let leans: Vec<_> =
            leans.iter().map(|lean| format!("{:+.2}/{:+.2}", lean.deny, lean.defer)).collect();
        let QuorumNumbers { approve_bp, deny_bp, confidence_min } = quorum;
        let (least, leans) = (confidence_min.0, leans.join(" "));
        format!(
            "{what}: worth {utility:.4}, good {good:.3}, gain {gain:+.3}, {leans}, approve \
             {approve_bp} deny {deny_bp} least {least} veto {}",
            veto_min.0
        )
    }
}

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

    fn moved(self, deny: f64, defer: f64) -> Self {
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
        // Every source counts the same, however long it is.
        let all = said.iter().map(Vec::len).sum::<usize>() as f64;
        let known = said.iter().filter(|source| !source.is_empty()).count() as f64;
        let margins: Vec<_> = said
            .iter()
            .flat_map(|source| {
                let weight = all / known / source.len() as f64;
                let of = move |(said, right): &(Logits, Verdict)| {
                    (said.margin(), said.verdict() == *right, weight)
                };
                source.iter().map(of)
            })
            .collect();
        let calibration = calibration(&margins);
        let veto = said.iter().map(|source| veto(source, &calibration)).max();
        let veto = veto.unwrap_or(CONFIDENCE_MAX).max(veto_min);
        Ok(Member { weight_bp: 2_000, calibration, veto, ..member.clone() })
    }
}

/// The council of `candidates` that lean so.
///
/// # Errors
/// [`Error::Bug`] only.
pub fn seated(candidates: &[Candidate], choice: &Choice) -> Result<Council> {
    let leaning = candidates.iter().zip(&choice.leans);
    let of = |(candidate, lean): (&Candidate, &Lean)| candidate.member(*lean, choice.veto_min);
    let members = leaning.map(of).collect::<Result<_>>()?;
    council(members, choice.quorum, export::schema())
}

/// What to choose on `ranges`: the largest utility under which enough good work is started. Every
/// step is taken that makes the council better, first of all members together, then of each.
///
/// # Errors
/// [`Error::Bug`] only.
///
/// # Panics
/// Never: some leans are always tried.
pub fn choose(
    candidates: &[Candidate],
    ranges: &[Range],
    tell: &mut dyn FnMut(&str),
) -> Result<Choice> {
    let quorum = QuorumNumbers { confidence_min: PerMille(0), ..QUORUM };
    let open = ranges.iter().map(|range| range.trial(&mut Nobody)).collect();
    let mut search = Search { candidates, ranges, open, tried: 0 };
    let mut first = Vec::new();
    for leans in first_leans() {
        let (veto_min, utility, good, gain, tried) = (VETO_MINS[0], 0.0, 0.0, 0.0, 0);
        let choice = Choice { leans, quorum, veto_min, utility, good, gain, tried };
        first.push(search.measured(choice)?);
    }
    first.sort_by(|one, other| other.rank().total_cmp(&one.rank()));
    first.iter().take(STARTS).for_each(|choice| tell(&choice.line("together")));
    let mut ends = Vec::new();
    for mut choice in first.into_iter().take(STARTS) {
        for step in STEPS {
            for member in 0..candidates.len() {
                for (deny, defer) in [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)] {
                    while search.is_moved(&mut choice, member, deny, defer)? {}
                }
            }
            search.see_numbers(&mut choice)?;
        }
        tell(&choice.line("one by one"));
        ends.push(choice);
    }
    let best =
        ends.into_iter().reduce(|best, end| if best.rank() < end.rank() { end } else { best });
    Ok(Choice { tried: search.tried, ..best.expect("some leans were tried") })
}

/// Leans that are tried first. Three denials deny, so it takes the three that look at the work
/// itself (efficiency, cost, risk) together; the two that look at who waits are tried as one.
fn first_leans() -> Vec<Vec<Lean>> {
    let mut all = Vec::new();
    for defer in [-1.0, -2.0] {
        for work in [-1.5, -1.0, -0.5, 0.0] {
            for waits in [-1.5, -0.75, 0.0] {
                let of = |role: &Role| {
                    let looks_at_waits = matches!(role.label, "fairness" | "service_level");
                    Lean { deny: if looks_at_waits { waits } else { work }, defer }
                };
                all.push(ROLES.iter().map(of).collect());
            }
        }
    }
    all
}

struct Search<'a> {
    candidates: &'a [Candidate],
    ranges: &'a [Range],
    /// With nobody in the seat, by range.
    open: Vec<Trial>,
    tried: usize,
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

impl Search<'_> {
    /// `choice` with what it is worth.
    fn measured(&mut self, mut choice: Choice) -> Result<Choice> {
        self.tried += 1;
        let council = seated(self.candidates, &choice)?;
        let try_on = |range: &Range| range.trial(&mut Networks::new(&council));
        let trials: Vec<_> = self.ranges.iter().map(try_on).collect();
        choice.utility = mean(trials.iter().map(|trial| trial.utility));
        choice.good = self.least(&trials, |trial, open| trial.good / open.good.max(1e-9));
        choice.gain = self.least(&trials, |trial, open| trial.utility - open.utility);
        Ok(choice)
    }

    /// `of` a trial and the one with nobody in the seat: the mean over the ranges of a source, and
    /// the least of all sources.
    fn least(&self, trials: &[Trial], of: fn(&Trial, &Trial) -> f64) -> f64 {
        let names = self.ranges.iter().map(|range| range.name.as_str());
        let of_source = |name: &str| {
            let all = self.ranges.iter().zip(trials).zip(&self.open);
            let mine = all.filter(|((range, _), _)| range.name == name);
            mean(mine.map(|((_, trial), open)| of(trial, open)))
        };
        names.map(of_source).fold(f64::INFINITY, f64::min)
    }

    /// Replaces `best` by `other` if that is better, and says whether it is.
    fn is_better(&mut self, best: &mut Choice, other: Choice) -> Result<bool> {
        let other = self.measured(other)?;
        let is_better = best.rank() < other.rank();
        if is_better {
            *best = other;
        }
        Ok(is_better)
    }

    /// The same with the lean of one member moved.
    fn is_moved(
        &mut self,
        best: &mut Choice,
        member: usize,
        deny: f64,
        defer: f64,
    ) -> Result<bool> {
        let mut other = best.clone();
        other.leans[member] = best.leans[member].moved(deny, defer);
        Ok(other.leans != best.leans && self.is_better(best, other)?)
    }

    /// The same with other numbers of the quorum, one by one.
    fn see_numbers(&mut self, best: &mut Choice) -> Result<()> {
        for confidence_min in CONFIDENCES.map(PerMille) {
            let quorum = QuorumNumbers { confidence_min, ..best.quorum };
            self.is_better(best, Choice { quorum, ..best.clone() })?;
        }
        for veto_min in VETO_MINS {
            self.is_better(best, Choice { veto_min, ..best.clone() })?;
        }
        for approve_bp in APPROVE_BP {
            let quorum = QuorumNumbers { approve_bp, ..best.quorum };
            self.is_better(best, Choice { quorum, ..best.clone() })?;
        }
        for deny_bp in DENY_BP {
            let quorum = QuorumNumbers { deny_bp, ..best.quorum };
            self.is_better(best, Choice { quorum, ..best.clone() })?;
        }
        Ok(())
    }
}
