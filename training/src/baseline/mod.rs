//! What a reviewer would try first, on the same features, rows and cuts.

pub mod boosting;
pub mod history;
pub mod logistic;

use crate::dataset::{Lesson, Target};
use crate::split::Part;
use conclave_core::council::FEATURE_COUNT;
use conclave_core::decision::Verdict;

/// Columns beside the features: the tenant's own rate so far, how much of it is known, the last
/// that is known, and the time since its last step.
pub const LAGS: usize = 4;
/// Columns of a row.
pub const COLUMNS: usize = FEATURE_COUNT + LAGS;

/// What is predicted of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Hindsight would not approve.
    NotApprove,
    /// Hindsight would deny.
    Deny,
}

/// One request as a row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which of the lesson's sources.
    pub source: usize,
    /// Position in the story's steps.
    pub step: usize,
    /// Features, then lags.
    pub columns: [f64; COLUMNS],
    /// The rule score, 0 to 100.
    pub rule_score: i64,
    /// Whether it happened.
    pub happened: bool,
    /// What it is used for.
    pub part: Part,
}

impl Happening {
    /// Both.
    pub const ALL: [Self; 2] = [Self::NotApprove, Self::Deny];

    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApprove => "not approve",
            Self::Deny => "deny",
        }
    }

    /// Whether it is what hindsight says.
    #[must_use]
    pub fn is(self, verdict: Verdict) -> bool {
        match self {
            Self::NotApprove => verdict != Verdict::Approve,
            Self::Deny => verdict == Verdict::Deny,
        }
    }

    /// Its probability, of approve, deny and defer.
    #[must_use]
    pub fn of(self, [approve, deny, _]: [f64; 3]) -> f64 {
        match self {
            Self::NotApprove => 1.0 - approve,
            Self::Deny => deny,
        }
    }
}

/// How often something happened where it was learnt from.
#[must_use]
pub fn learnt_rate<'a>(targets: impl Iterator<Item = &'a Target>, what: Happening) -> f64 {
    let (mut yes, mut all) = (0.0, 0.0);
    for target in targets.filter(|target| target.part == Part::Train) {
        yes += f64::from(u8::from(what.is(target.verdict)));
        all += 1.0;
    }
    yes / f64::max(all, 1.0)
}

/// All labelled requests of the source at `index` of `lesson` as rows, but for those that only
/// confidence is fitted to; `base` is how often it happens to the mean tenant.
#[must_use]
pub fn rows(lesson: &Lesson<'_>, index: usize, what: Happening, base: f64) -> Vec<Row> {
    let (source, targets) = &lesson.sources[index];
    let mut rows = Vec::new();
    for steps in &source.by_tenant {
        for at in steps {
            let step = &source.story.steps[*at];
            let (Some(target), Some(job)) = (targets[*at], step.job) else { continue };
            if matches!(target.part, Part::Calibrate | Part::Unused) {
                continue;
            }
            let past = history::past(source, targets, steps, *at, what);
            let mut columns = [0.0; COLUMNS];
            for (column, feature) in columns.iter_mut().zip(step.features.values()) {
                *column = f64::from(*feature);
            }
            let lags = [past.rate(base), past.known.ln_1p(), past.last.unwrap_or(base)];
            columns[FEATURE_COUNT..FEATURE_COUNT + 3].copy_from_slice(&lags);
            columns[COLUMNS - 1] = f64::from(source.codes[*at].get()) / 256.0;
            rows.push(Row {
                source: index,
                step: *at,
                columns,
                rule_score: source.story.fates[job].rule_score,
                happened: what.is(target.verdict),
                part: target.part,
            });
        }
    }
    rows
}
