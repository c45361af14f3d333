//! What the card says of the members: their predictions beside others, and their verdicts.

use super::{part, push};
use crate::measure::Measures;
use crate::report::{Line, OTHERS, Report};

pub(super) fn predictions(out: &mut String, reports: &[Report]) {
    push(
        out,
        "\n## Predictions\n\n*Later*: the last 15 % of the time, tenants that were learnt from or \
         are new. *Unseen tenants*: held out, the same time, and of the simulator a whole fleet \
         besides. Members learnt nothing from held-out tenants; leans were chosen on replays in \
         which they ask, too, but earlier. Lines with fewer than ten of either kind are left out. \
         Logistic regression and boosting \
         see all features, the tenant's own rate so far and the time since its last step. \
         Intervals: 95 % of 200 resamples of whole tenants. CfC is the member in integers, by the \
         core's reference; *trainings* from the least to the largest of all trainings, *float* the \
         same member at the end of its float phase.\n\n\
         ### AUC\n\n| member | source | part | what | n | rate | CfC | trainings | float | ",
    );
    push(out, &OTHERS.join(" | "));
    push(out, " | best |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    each(reports, |report, line| {
        let others: Vec<_> = line.others.iter().map(with_interval).collect();
        let text = format!(
            "| {} | {:.4} | {} | {:.3}–{:.3} | {:.3} | {} | {} |\n",
            head(report, line),
            line.rate,
            with_interval(&line.integers),
            line.aucs.0,
            line.aucs.1,
            line.float_auc,
            others.join(" | "),
            best(line)
        );
        push(out, &text);
    });
    push(out, "\n### PR-AUC, Brier score and calibration error of the probability\n\n");
    push(
        out,
        "| member | source | part | what | n | PR-AUC CfC | logistic | boosting | Brier base \
         rate | CfC | logistic | boosting | ECE CfC | logistic | boosting |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    each(reports, |report, line| {
        let [_, _, logistic, boosting] = line.others;
        let all = [line.integers, logistic, boosting];
        let cells = |of: fn(&Measures) -> f64| {
            all.iter()
                .map(|measures| format!("{:.3}", of(measures)))
                .collect::<Vec<_>>()
                .join(" | ")
        };
        // Of everybody the same: the rate where it was learnt.
        let base = line.rate * (1.0 - line.learnt_rate).powi(2)
            + (1.0 - line.rate) * line.learnt_rate.powi(2);
        let text = format!(
            "| {} | {} | {base:.3} | {} | {} |\n",
            head(report, line),
            cells(|measures| measures.pr_auc),
            cells(|measures| measures.brier),
            cells(|measures| measures.ece)
        );
        push(out, &text);
    });
    push(out, &summary(reports));
}

fn each(reports: &[Report], mut of: impl FnMut(&Report, &Line)) {
    for report in reports {
        report.lines.iter().for_each(|line| of(report, line));
    }
}

fn head(report: &Report, line: &Line) -> String {
    let (label, what) = (report.role.label, line.what.as_str());
    format!("{label} | {} | {} | {what} | {}", line.source, part(line.part), line.count)
}

fn with_interval(measures: &Measures) -> String {
    let (least, most) = measures.auc_interval;
    format!("{:.3} ({least:.3}–{most:.3})", measures.auc)
}

/// Whoever has the largest AUC.
fn best(line: &Line) -> &'static str {
    let named = OTHERS.into_iter().zip(&line.others).map(|(name, other)| (name, other.auc));
    let (name, _) =
        named.fold(
            ("CfC", line.integers.auc),
            |best, (name, auc)| {
                if best.1 < auc { (name, auc) } else { best }
            },
        );
    name
}

/// Fewer happenings than this say little about an AUC.
const OFTEN: f64 = 100.0;

/// What the tables say, in sentences.
fn summary(reports: &[Report]) -> String {
    let lines = || reports.iter().flat_map(|report| &report.lines);
    let won = |name| lines().filter(|line| best(line) == name).count();
    let loss = |line: &Line| line.float_auc - line.integers.auc;
    let most = |least: f64| {
        let often = lines().filter(|line| least <= line.rate * line.count as f64);
        often.map(loss).filter(|loss| loss.is_finite()).fold(f64::MIN, f64::max)
    };
    let lost = lines().filter(|line| 0.003 < loss(line)).count();
    let (most, most_often) = (most(0.0), most(OFTEN));
    let gap = lines().map(|line| line.others[3].auc - line.integers.auc);
    let behind = gap.filter(|gap| 0.01 < *gap).count();
    let all = lines().count();
    let spread = lines().map(|line| line.aucs.1 - line.aucs.0).sum::<f64>() / all.max(1) as f64;
    format!(
        "\nFrom training to training, an AUC differs by {spread:.3} in the mean. Of {all} lines, \
         the largest AUC is that of the CfC in {}, boosting in {}, logistic regression in {}, the \
         tenant's history in {} and the rule score in {}. **Boosting is more than 0.01 ahead of \
         the CfC in {behind}**: where it is, a tree would be the better member. Against the float \
         phase, the integers lose more than 0.003 of AUC in {lost}, at most {most:.4}; at most \
         {most_often:.4} where it happened at least {OFTEN} times. (A loss below zero is a gain: \
         the last epochs go on learning.)\n",
        won("CfC"),
        won("boosting"),
        won("logistic"),
        won("tenant history"),
        won("rule score")
    )
}

pub(super) fn verdicts(out: &mut String, reports: &[Report]) {
    push(
        out,
        "\n## Verdicts\n\nOn both measured parts together. *Right*: hindsight agrees. ECE is that \
         of the confidence in the file (the bound is 0.03), *by chance* what it would be in the \
         mean were the confidence right, *before* that of the largest probability. \
         *False vetoes*: of what hindsight would approve, what is denied with at least the \
         confidence of the veto level, which is fitted to 1 % of each source. *Changed*: verdicts \
         that the float network would not give, both without a lean.\n\n\
         | member | source | n | approve | deny | defer | right | ECE | by chance | before | veto \
         level | false vetoes | changed |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        for verdicts in &report.verdicts {
            let [approve, deny, defer] = verdicts.shares.map(|share| 100.0 * share);
            let text = format!(
                "| {} | {} | {} | {approve:.1} % | {deny:.1} % | {defer:.1} % | {:.1} % | {:.3} | \
                 {:.3} | {:.3} | {} ‰ | {:.2} % | {:.2} % |\n",
                report.role.label,
                verdicts.source,
                verdicts.count,
                100.0 * verdicts.right,
                verdicts.ece,
                verdicts.chance_ece,
                verdicts.raw_ece,
                report.veto.0,
                100.0 * verdicts.false_vetoes,
                100.0 * verdicts.changed
            );
            push(out, &text);
        }
    }
    let all = || reports.iter().flat_map(|report| &report.verdicts);
    let text = format!(
        "\nThe calibration error is within 0.03 for {} of {} pairs of member and source, and \
         within 0.03 of what it would be by chance for {}.\n",
        all().filter(|of| of.ece <= 0.03).count(),
        all().count(),
        all().filter(|of| of.ece - of.chance_ece <= 0.03).count()
    );
    push(out, &text);
}
