//! The model card: everything in it is a number of this training, or a sentence that holds for all.

mod decisions;

use crate::dataset::Source;
use crate::export::model_id;
use crate::judge::{Judged, SEATS};
use crate::lean::Choice;
use crate::measure::Measures;
use crate::member::Role;
use crate::network::train::Trained;
use crate::report::{Line, OTHERS, Report};
use crate::run::Settings;
use crate::split::Part;
use crate::{simulate, trace::openb};
use conclave_core::council::FEATURE_COUNT;
use conclave_core::council::features::FEATURES;
use decisions::{chosen, decisions};
use std::fmt::Write as _;

const INTRODUCTION: &str = "Made by `cargo run --release --manifest-path training/Cargo.toml \
-- train`; not written by hand. What the file is: `docs/council-spec.md`. What a feature says: \
`docs/council-features.md`. How it is trained: `docs/training.md`.\n";

const CAVEATS: &str = "\
## What this does not show

- **Decisions were tried in the simulator alone**, where a tenant's past foretells its future by \
construction. No trace holds what would have become of what was kept out, so nothing of the kind \
is shown for traces.
- **Everything was let in.** No trace holds a request that was denied, so nothing here says what \
denying does. Labels are what hindsight says of work that ran; the utility that turns them into \
verdicts (1 for agreeing with hindsight, else 0) is a choice.
- **Proxies.** GenTD26 names no GPUs: a request is one whole GPU, and what its sender could have \
expected is made of steps and images. openb names no tenants: tasks of one shape and class of \
service are taken for one tenant; one node of a hundred is taken and arrivals are brought closer, \
tenth by tenth, until things wait; who waits longer than it expects to take, and at least half an \
hour, gives up, and says so when it asks; so the waits are those of conclave's queue and not the \
trace's; run times are cut at a day, and what was expected is the run time rounded up to what \
people ask for, so it knows more than a sender would.
- **The simulator is made up.** Efficiency, cost and fairness are learnt from nothing else. That \
a tenant's past foretells its future is built into it, so a good figure there says that the \
network can learn such a thing, not that people are like that. Fairness is no counterfactual: it \
looks at who waited, not at who would not have.
- `attempt` and `age` are hidden from all members: whoever learns without a council sees first \
votes only.
- What still ran when a story ended has no label where the end of the work says it: long work is \
seen less often than it is asked for.
- This is no frozen test: the simulator's load, how openb waits, the stopping rule and the number \
of sequences side by side were chosen after looking at earlier tables like these. A last word \
needs traces that nobody looked at.
- One seed, one run; the intervals are over tenants, not over seeds. No other recurrent network \
stands beside it, nor one that is not told the elapsed time (`docs/training.md` tells of one).
- The least confidence and the weights of the quorum are those of the design and were not fitted; \
the table of decisions says what they cost.
- Same seed, same processor type: the same bytes. Elsewhere the mathematical library may round \
otherwise.
";

/// The card of a council.
#[must_use]
pub fn card(
    settings: &Settings,
    sources: &[Source],
    (reports, choice, judged): (&[Report], &Choice, &[Judged]),
    file: &[u8],
) -> String {
    let mut out = format!("# Council {}\n\n{INTRODUCTION}\n", settings.name);
    let (plan, quorum) = (settings.plan, choice.quorum);
    let float = plan.epochs - plan.exact_epochs();
    let lines = [
        ("model id", format!("`{}`", model_id(file).0)),
        ("bytes", file.len().to_string()),
        ("members", format!("{}, {} hidden units each", reports.len(), plan.units)),
        ("seed", plan.seed.to_string()),
        (
            "trainings",
            format!("{} of each member, the best where confidence is fitted", plan.draws),
        ),
        ("epochs", format!("{float} in floats, {} in integers", plan.exact_epochs())),
        (
            "quorum",
            format!(
                "approve {} bp, deny {} bp, least confidence {} ‰; 2000 bp a member",
                quorum.approve_bp, quorum.deny_bp, quorum.confidence_min.0
            ),
        ),
    ];
    push(&mut out, "| | |\n|---|---|\n");
    for (what, value) in lines {
        push(&mut out, &format!("| {what} | {value} |\n"));
    }
    data(&mut out, sources);
    members(&mut out, reports);
    labels(&mut out, reports);
    predictions(&mut out, reports);
    verdicts(&mut out, reports);
    chosen(&mut out, choice);
    decisions(&mut out, judged);
    push(&mut out, "\n");
    push(&mut out, CAVEATS);
    out
}

fn push(out: &mut String, text: &str) {
    out.write_str(text).expect("text grows");
}

fn data(out: &mut String, sources: &[Source]) {
    push(out, "\n## Data\n\n");
    push(
        out,
        "Every source is run through `conclave-core` with the council off: commands are decided \
         one \
         by one, and features taken from the state just before. Time is cut at 70 and 85 % of the \
         requests, and a fifth of the tenants held out; a label counts only where it was known \
         before the cut. Other fleets of the simulator are used as a whole.\n\n\
         | source | used for | tenants | requests | days | mean use | licence |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for source in sources {
        let story = &source.story;
        let days = (story.end_ms - story.jobs.first().map_or(0, |job| job.at_ms)) / 86_400_000;
        let licence = match story.name {
            simulate::NAME => "ours, drawn from the seed",
            openb::NAME => "Apache-2.0; Alibaba cluster-trace-gpu-v2023",
            _ => "for research or study; Alibaba cluster-trace-v2026-GenAI (GenTD26)",
        };
        let (tenants, requests) = (story.tenants, story.requests());
        let used = 100.0 * story.mean_use();
        let purpose = source.split.whole.map_or("all, cut", part);
        let line = format!(
            "| {} | {purpose} | {tenants} | {requests} | {days} | {used:.0} % | {licence} |\n",
            story.name
        );
        push(out, &line);
    }
    let loads = format!(
        "\nOffered load: openb {:.0} %, simulator {:.0} %. Nothing under a licence that forbids \
         derivatives was used.\n",
        100.0 * openb::LOAD,
        100.0 * simulate::LOAD
    );
    push(out, &loads);
}

fn members(out: &mut String, reports: &[Report]) {
    push(
        out,
        "\n## Members\n\nAll learn from all sources, where hindsight can know.\n\n| member | hindsight says | sees | best of its \
         trainings | best float epoch |\n|---|---|---|---|---|\n",
    );
    for Report { role, best: (number, best_epoch), .. } in reports {
        let hidden: Vec<_> = (0..FEATURE_COUNT)
            .filter(|feature| !role.mask().shows(*feature))
            .map(|feature| format!("`{}`", FEATURES[feature].name))
            .collect();
        let (label, rule) = (role.label, role.rule);
        let line = format!(
            "| {label} | {rule} | all but {} | {} | {best_epoch} |\n",
            hidden.join(", "),
            number + 1
        );
        push(out, &line);
    }
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Calibrate => "calibrate",
        Part::Later => "later",
        Part::Unseen => "unseen tenants",
        Part::Unused => "unused",
    }
}

fn labels(out: &mut String, reports: &[Report]) {
    push(out, "\n## Labels\n\nHow many requests hindsight would approve, deny, defer.\n\n");
    push(out, "| member | source | part | approve | deny | defer |\n|---|---|---|---|---|---|\n");
    for report in reports {
        for ((source, of), [approve, deny, defer]) in &report.counts {
            let (label, of) = (report.role.label, part(*of));
            let line = format!("| {label} | {source} | {of} | {approve} | {deny} | {defer} |\n");
            push(out, &line);
        }
    }
}

fn predictions(out: &mut String, reports: &[Report]) {
    push(
        out,
        "\n## Predictions\n\n*Later*: the last 15 % of the time, tenants that were learnt from or \
         are new. *Unseen tenants*: held out, the last 30 %, and of the simulator \
         a whole fleet. Lines with fewer than ten of either kind are left out. Logistic regression and boosting see \
         all features, the tenant's own rate so far and the time since its last step. Intervals: \
         95 % of 200 resamples of whole tenants. CfC is the member in integers, by the \
         core's reference; *trainings* from the least to the largest of \
         all trainings, *float* the same member at the end of its float phase.\n\n\
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
    format!(
        "\nOf {all} lines, the largest AUC is that of the CfC in {}, boosting in {}, logistic \
         regression in {}, the tenant's history in {} and the rule score in {}. **Boosting is more \
         than 0.01 ahead of the CfC in {behind}**: where it is, a tree would be the better member. \
         Against the float phase, the integers lose more than 0.003 of AUC in {lost}, at most \
         {most:.4}; at most {most_often:.4} where it happened at least {OFTEN} times. (A loss \
         below zero is a gain: the last epochs go on learning.)\n",
        won("CfC"),
        won("boosting"),
        won("logistic"),
        won("tenant history"),
        won("rule score")
    )
}

fn verdicts(out: &mut String, reports: &[Report]) {
    push(
        out,
        "\n## Verdicts\n\nOn both measured parts together. *Right*: hindsight agrees. ECE is \
         that of \
         the confidence in the file (the bound is 0.03), *by chance* what it would be in the mean \
         were the confidence right, *before* that of the largest probability. \
         *False vetoes*: of what hindsight would approve, what is denied with more confidence than \
         the veto level, which is fitted to 1 %. *Changed*: verdicts that the float network would \
         not give.\n\n| member | source | n | approve | deny | defer | right | ECE | by chance | \
         before | veto level | false vetoes | changed \
         |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
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
}

/// A line for whoever watches.
#[must_use]
pub fn tried(judged: &Judged) -> String {
    let seats = SEATS.iter().zip(&judged.seats);
    let seats = seats.map(|(seat, numbers)| {
        let means: Vec<_> = numbers.iter().map(|(mean, _)| format!("{mean:.3}")).collect();
        format!("{seat}: {}", means.join(" "))
    });
    format!("{}: {}", judged.name, seats.collect::<Vec<_>>().join("; "))
}

/// The losses of some epochs, for whoever watches the training.
#[must_use]
pub fn losses(role: &Role, trained: &Trained) -> String {
    let Trained { losses, best_epoch, fitted_loss, .. } = trained;
    let some = losses.iter().step_by(losses.len().div_ceil(12).max(1)).chain(losses.last());
    let some: Vec<_> = some.map(|loss| format!("{loss:.3}")).collect();
    let (label, some) = (role.label, some.join(" "));
    format!("{label}: losses {some}; best epoch {best_epoch}, where fitted {fitted_loss:.4}")
}

/// A line for whoever watches the training.
#[must_use]
pub fn told(role: &Role, line: &Line) -> String {
    let others: Vec<_> = line.others.iter().map(|other| format!("{:.3}", other.auc)).collect();
    format!(
        "{:13} {:9} {:14} {:11} n {:5} rate {:.3} auc {:.3} float {:.3} others {}",
        role.label,
        line.source,
        part(line.part),
        line.what.as_str(),
        line.count,
        line.rate,
        line.integers.auc,
        line.float_auc,
        others.join(" ")
    )
}
