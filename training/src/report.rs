//! What is measured of a member, on requests that nothing was learnt from or fitted to.

use crate::answer::Answer;
use crate::baseline::boosting::Boosting;
use crate::baseline::logistic::Logistic;
use crate::baseline::{Happening, Row, rows};
use crate::dataset::Lesson;
use crate::draw::Draw;
use crate::measure::{Measures, Scored, auc, base_rate, ece, ece_by_chance};
use crate::member::Role;
use crate::network::weights::softmax;
use crate::split::Part;
use conclave_core::council::{Calibration, PerMille};
use conclave_core::decision::Verdict;
use std::collections::BTreeMap;

/// What is measured on.
pub const MEASURED: [Part; 2] = [Part::Later, Part::Unseen];

/// All that is said of a member.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which member.
    pub role: Role,
    /// The epoch that its integers begin from.
    pub best_epoch: usize,
    /// By source and part: how many requests hindsight would approve, deny, defer.
    pub counts: BTreeMap<(&'static str, Part), [usize; 3]>,
    /// The predictions, beside others.
    pub lines: Vec<Line>,
    /// The verdicts, by source.
    pub verdicts: Vec<Verdicts>,
    /// Surer denials than this are vetoes.
    pub veto: PerMille,
}

/// Predictions of one happening in one part of one source.
#[derive(Clone, Debug)]
pub struct Line {
    /// The source.
    pub source: &'static str,
    /// The part.
    pub part: Part,
    /// What is predicted.
    pub what: Happening,
    /// Requests.
    pub count: usize,
    /// How often it happened.
    pub rate: f64,
    /// How often it happened where it was learnt from: what the base rate predicts.
    pub learnt_rate: f64,
    /// The member in integers.
    pub integers: Measures,
    /// AUC of the member in floats.
    pub float_auc: f64,
    /// The others, by name, in the order of [`OTHERS`]; the rule score is no probability.
    pub others: [Measures; 4],
}

/// Who else predicts.
pub const OTHERS: [&str; 4] = ["tenant history", "rule score", "logistic", "boosting"];

/// The verdicts on one source's measured requests.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts {
    /// The source.
    pub source: &'static str,
    /// How many requests.
    pub count: usize,
    /// Approve, deny, defer: share of verdicts.
    pub shares: [f64; 3],
    /// How often hindsight agrees.
    pub right: f64,
    /// Calibration error of the confidence.
    pub ece: f64,
    /// What it would be by chance, were the confidence right.
    pub chance_ece: f64,
    /// The same before calibration: of the largest probability.
    pub raw_ece: f64,
    /// Share of what hindsight would approve that is vetoed.
    pub false_vetoes: f64,
    /// Share of verdicts that the float network would not give.
    pub changed: f64,
}

/// Measures the answers of `role`.
#[must_use]
pub fn report(
    role: &Role,
    lesson: &Lesson<'_>,
    answers: &[Answer],
    (calibration, veto): (&Calibration, PerMille),
    (best_epoch, seed): (usize, u64),
) -> Report {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let name = lesson.sources[answer.source].0.story.name;
        let counts: &mut [usize; 3] = counts.entry((name, answer.target.part)).or_default();
        counts[answer.class()] += 1;
    }
    let mut draw = Draw::new(seed, &format!("intervals of {}", role.label));
    let mut lines = Vec::new();
    for index in 0..lesson.sources.len() {
        for what in Happening::ALL {
            lines.extend(compared(lesson, index, answers, what, &mut draw));
        }
    }
    let verdicts = (0..lesson.sources.len()).map(|index| {
        let mine = answers.iter().filter(|answer| answer.source == index);
        let mine: Vec<_> = mine.filter(|answer| MEASURED.contains(&answer.target.part)).collect();
        verdicts(lesson.sources[index].0.story.name, &mine, calibration, veto)
    });
    Report { role: *role, best_epoch, counts, lines, verdicts: verdicts.collect(), veto }
}

fn compared(
    lesson: &Lesson<'_>,
    index: usize,
    answers: &[Answer],
    what: Happening,
    draw: &mut Draw,
) -> Vec<Line> {
    let (source, targets) = &lesson.sources[index];
    let (rows, learnt_rate) = rows(source, targets, what);
    let learnt: Vec<_> = rows.iter().filter(|row| row.part == Part::Train).collect();
    let (logistic, boosting) = (Logistic::fit(&learnt), Boosting::fit(&learnt));
    let by_step: BTreeMap<_, _> =
        answers.iter().filter(|a| a.source == index).map(|a| (a.step, a)).collect();
    let line = |part: Part| {
        let rows: Vec<_> = rows.iter().filter(|row| row.part == part).collect();
        let scored = |of: &dyn Fn(&Row) -> f64| -> Vec<Scored> {
            let scored = rows.iter().map(|row| Scored {
                score: of(row),
                happened: row.happened,
                block: source.story.steps[row.step].tenant,
            });
            scored.collect()
        };
        let integers = scored(&|row| what.of(by_step[&row.step].probabilities()));
        let floats = scored(&|row| what.of(softmax(by_step[&row.step].floats)));
        let others = [
            scored(&|row| row.columns[conclave_core::council::FEATURE_COUNT]),
            scored(&|row| 1.0 - row.rule_score as f64 / 100.0),
            scored(&|row| logistic.predict(row)),
            scored(&|row| boosting.predict(row)),
        ];
        Line {
            source: source.story.name,
            part,
            what,
            count: rows.len(),
            rate: base_rate(&integers),
            learnt_rate,
            float_auc: auc(&floats),
            integers: Measures::of(&integers, draw),
            others: others.map(|scored| Measures::of(&scored, draw)),
        }
    };
    MEASURED.map(line).into_iter().filter(|line| 0 < line.count).collect()
}

fn verdicts(
    source: &'static str,
    answers: &[&Answer],
    calibration: &Calibration,
    veto: PerMille,
) -> Verdicts {
    let share = |is: &dyn Fn(&Answer) -> bool, of: &dyn Fn(&Answer) -> bool| {
        let all = answers.iter().filter(|answer| of(answer));
        let count = all.clone().count();
        all.filter(|answer| is(answer)).count() as f64 / count.max(1) as f64
    };
    let any = |_: &Answer| true;
    let says = |verdict: Verdict| share(&move |answer| answer.logits.verdict() == verdict, &any);
    let confidence = |answer: &Answer| calibration.confidence(answer.logits.margin());
    let scored = |of: &dyn Fn(&Answer) -> f64| -> Vec<Scored> {
        let scored = answers.iter().map(|answer| Scored {
            score: of(answer),
            happened: answer.is_right(),
            block: answer.tenant,
        });
        scored.collect()
    };
    let vetoes =
        |answer: &Answer| answer.logits.verdict() == Verdict::Deny && veto < confidence(answer);
    let sure = scored(&|answer| f64::from(confidence(answer).0) / 1_000.0);
    Verdicts {
        source,
        count: answers.len(),
        shares: [Verdict::Approve, Verdict::Deny, Verdict::Defer].map(says),
        right: share(&Answer::is_right, &any),
        ece: ece(&sure),
        chance_ece: ece_by_chance(&sure),
        raw_ece: ece(&scored(&|a| a.probabilities().into_iter().fold(0.0, f64::max))),
        false_vetoes: share(&vetoes, &|answer| answer.target.verdict == Verdict::Approve),
        changed: share(&Answer::is_changed, &any),
    }
}
