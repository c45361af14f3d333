//! What is measured of a member, on requests that nothing was learnt from or fitted to.

use crate::answer::Answer;
use crate::baseline::boosting::Boosting;
use crate::baseline::logistic::Logistic;
use crate::baseline::{Happening, Row, learnt_rate, rows};
use crate::dataset::Lesson;
use crate::draw::Draw;
use crate::lean::Lean;
use crate::measure::{Measures, Scored, auc, base_rate, ece, ece_by_chance};
use crate::member::Role;
use crate::network::weights::softmax;
use crate::split::Part;
use conclave_core::council::{Calibration, Member, PerMille};
use conclave_core::decision::Verdict;
use std::collections::BTreeMap;

/// What is measured on.
pub const MEASURED: [Part; 2] = [Part::Later, Part::Unseen];

/// All that is said of a member.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which member.
    pub role: Role,
    /// Which of the times it was trained was best, and the epoch that its integers begin from.
    pub best: (usize, usize),
    /// How far it leans.
    pub lean: Lean,
    /// By source and part: how many requests hindsight would approve, deny, defer.
    pub counts: BTreeMap<(&'static str, Part), [usize; 3]>,
    /// The predictions, beside others.
    pub lines: Vec<Line>,
    /// The verdicts, by source.
    pub verdicts: Vec<Verdicts>,
    /// Denials that are at least so sure are vetoes.
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
    /// Least and largest AUC of all times that it was trained, in integers.
    pub aucs: (f64, f64),
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

/// A member as it goes into the file.
#[derive(Clone, Copy, Debug)]
pub struct Fitted<'a> {
    /// Which member.
    pub role: &'a Role,
    /// Which of the times it was trained was best, and the epoch that its integers begin from.
    pub best: (usize, usize),
    /// How far it leans.
    pub lean: Lean,
    /// The member.
    pub member: &'a Member,
}

/// Measures what `fitted` says; `draws` are the answers of each time that it was trained.
#[must_use]
pub fn report(
    fitted: &Fitted<'_>,
    lesson: &Lesson<'_>,
    draws: &[Vec<Answer>],
    seed: u64,
) -> Report {
    let Fitted { role, best, lean, member } = *fitted;
    let answers = &draws[best.0];
    let mut counts = BTreeMap::new();
    for answer in answers {
        let name = lesson.name(answer.source);
        let counts: &mut [usize; 3] = counts.entry((name, answer.target.part)).or_default();
        counts[answer.class()] += 1;
    }
    let mut draw = Draw::new(seed, &format!("intervals of {}", role.label));
    let (mut lines, mut said) = (Vec::new(), Vec::new());
    for name in lesson.names() {
        for what in Happening::ALL {
            lines.extend(compared(lesson, name, (draws, best.0), what, &mut draw));
        }
        let mine = answers.iter().filter(|answer| lesson.name(answer.source) == name);
        let mine: Vec<_> = mine.filter(|answer| MEASURED.contains(&answer.target.part)).collect();
        if !mine.is_empty() {
            said.push(verdicts(name, &mine, &member.calibration, member.veto));
        }
    }
    Report { role: *role, best, lean, counts, lines, verdicts: said, veto: member.veto }
}

fn compared(
    lesson: &Lesson<'_>,
    name: &'static str,
    (draws, best): (&[Vec<Answer>], usize),
    what: Happening,
    draw: &mut Draw,
) -> Vec<Line> {
    let indices: Vec<_> =
        (0..lesson.sources.len()).filter(|index| lesson.name(*index) == name).collect();
    let targets = indices.iter().flat_map(|index| lesson.sources[*index].1.iter().flatten());
    let base = learnt_rate(targets, what);
    let rows: Vec<_> = indices.iter().flat_map(|index| rows(lesson, *index, what, base)).collect();
    let learnt: Vec<_> = rows.iter().filter(|row| row.part == Part::Train).collect();
    let (logistic, boosting) = (Logistic::fit(&learnt), Boosting::fit(&learnt));
    let by_step = |answers: &[Answer]| -> BTreeMap<(usize, usize), Answer> {
        answers.iter().map(|answer| ((answer.source, answer.step), *answer)).collect()
    };
    let draws: Vec<_> = draws.iter().map(|answers| by_step(answers)).collect();
    let line = |part: Part| {
        let rows: Vec<_> = rows.iter().filter(|row| row.part == part).collect();
        let scored = |of: &dyn Fn(&Row) -> f64| -> Vec<Scored> {
            let scored = rows.iter().map(|row| Scored {
                score: of(row),
                happened: row.happened,
                block: lesson.block(row.source, row.step),
            });
            scored.collect()
        };
        let says = |of: usize, row: &Row| draws[of][&(row.source, row.step)];
        let integers = |of: usize| scored(&|row| what.of(says(of, row).probabilities()));
        let floats = scored(&|row| what.of(softmax(says(best, row).floats)));
        let aucs: Vec<_> = (0..draws.len()).map(|of| auc(&integers(of))).collect();
        let others = [
            scored(&|row| row.columns[conclave_core::council::FEATURE_COUNT]),
            scored(&|row| 1.0 - row.rule_score as f64 / 100.0),
            scored(&|row| logistic.predict(row)),
            scored(&|row| boosting.predict(row)),
        ];
        let integers = integers(best);
        Line {
            source: name,
            part,
            what,
            count: rows.len(),
            rate: base_rate(&integers),
            learnt_rate: base,
            float_auc: auc(&floats),
            aucs: (least(&aucs), most(&aucs)),
            integers: Measures::of(&integers, draw),
            others: others.map(|scored| Measures::of(&scored, draw)),
        }
    };
    let is_open = |line: &Line| {
        let happened = line.rate * line.count as f64;
        HAPPENED_MIN <= happened && HAPPENED_MIN <= line.count as f64 - happened
    };
    MEASURED.map(line).into_iter().filter(is_open).collect()
}

/// Where it happened more rarely, or almost always, an AUC says nothing.
pub const HAPPENED_MIN: f64 = 10.0;

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
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
    let says = |verdict: Verdict| share(&move |answer| answer.said.verdict() == verdict, &any);
    let confidence = |answer: &Answer| calibration.confidence(answer.said.margin());
    let scored = |of: &dyn Fn(&Answer) -> f64| -> Vec<Scored> {
        let scored = answers.iter().map(|answer| Scored {
            score: of(answer),
            happened: answer.is_right(),
            block: answer.tenant,
        });
        scored.collect()
    };
    let vetoes =
        |answer: &Answer| answer.said.verdict() == Verdict::Deny && veto <= confidence(answer);
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
