//! What the time gate is worth: every member trained again with every step told the same elapsed
//! time, and measured on the same requests.

use crate::answer::Answer;
use crate::baseline::Happening;
use crate::dataset::Source;
use crate::error::Result;
use crate::measure::{Scored, auc};
use crate::member::ROLES;
use crate::network::train::Plan;
use crate::report::{HAPPENED_MIN, MEASURED};
use crate::run::{Learnt, learn};
use crate::split::Part;
use std::collections::BTreeMap;

/// AUCs with and without elapsed time, each the mean of all trainings.
#[derive(Clone, Copy, Debug)]
pub struct Ablated {
    /// Told the elapsed time.
    pub timed: f64,
    /// Told that a quarter of a second passed, whatever did.
    pub untimed: f64,
    /// Standard deviation of the former over the trainings.
    pub spread: f64,
}

/// Which member, source, part and happening.
pub type Line = (&'static str, &'static str, Part, &'static str);

/// Trains all members of `plan` on `sources` with and without elapsed time.
///
/// # Errors
/// As [`crate::run::make`].
pub fn ablate(
    sources: &[Source],
    plan: Plan,
    tell: &mut dyn FnMut(&str),
) -> Result<BTreeMap<Line, Ablated>> {
    let untimed: Vec<_> = sources.iter().cloned().map(Source::untimed).collect();
    let mut all = BTreeMap::new();
    for role in &ROLES {
        let timed = aucs(&learn(role, sources, plan, tell)?);
        let untimed = aucs(&learn(role, &untimed, plan, tell)?);
        for (line, timed) in timed {
            let ablated = Ablated {
                timed: mean(&timed),
                untimed: mean(&untimed[&line]),
                spread: spread(&timed),
            };
            all.insert(line, ablated);
        }
    }
    Ok(all)
}

/// The AUC of each training, by line.
fn aucs(learnt: &Learnt<'_>) -> BTreeMap<Line, Vec<f64>> {
    let mut all: BTreeMap<Line, Vec<f64>> = BTreeMap::new();
    for (_, answers) in &learnt.draws {
        for name in learnt.lesson.names() {
            for (part, what) in MEASURED.into_iter().flat_map(|p| Happening::ALL.map(|w| (p, w))) {
                let is_mine = |answer: &&Answer| {
                    learnt.lesson.name(answer.source) == name && answer.target.part == part
                };
                let scored: Vec<_> = answers
                    .iter()
                    .filter(is_mine)
                    .map(|answer| Scored {
                        score: what.of(answer.probabilities()),
                        happened: what.is(answer.target.verdict),
                        block: 0,
                    })
                    .collect();
                let happened = scored.iter().filter(|scored| scored.happened).count() as f64;
                if HAPPENED_MIN <= happened.min(scored.len() as f64 - happened) {
                    let line = (learnt.role.label, name, part, what.as_str());
                    all.entry(line).or_default().push(auc(&scored));
                }
            }
        }
    }
    all
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
}

/// What they say, line by line and in the mean.
#[must_use]
pub fn told(lines: &BTreeMap<Line, Ablated>) -> String {
    let mut out = String::new();
    for ((member, source, part, what), ablated) in lines {
        let Ablated { timed, untimed, spread } = ablated;
        let part = crate::card::part(*part);
        let line = format!(
            "{member:13} {source:9} {part:14} {what:11} timed {timed:.4} ± {spread:.4} untimed \
             {untimed:.4} gain {:+.4}\n",
            timed - untimed
        );
        out.push_str(&line);
    }
    let gains: Vec<_> = lines.values().map(|ablated| ablated.timed - ablated.untimed).collect();
    let better = gains.iter().filter(|gain| 0.0 < **gain).count();
    let beyond = lines.values().filter(|a| 2.0 * a.spread < a.timed - a.untimed).count();
    let (all, mean) = (gains.len(), mean(&gains));
    out.push_str(&format!(
        "mean gain {mean:+.4}; larger with time in {better} of {all}, by more than two standard \
         deviations in {beyond}\n"
    ));
    out
}
