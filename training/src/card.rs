//! The model card: everything in it is a number of this training, or a sentence that holds for all.

mod caveats;
mod decisions;
mod members;

use crate::choice::Choice;
use crate::dataset::Source;
use crate::export::model_id;
use crate::judge::{Judged, SEATS};
use crate::member::Role;
use crate::network::train::Trained;
use crate::report::{Line, Report};
use crate::run::Settings;
use crate::split::Part;
use crate::{simulate, trace::openb};
use caveats::CAVEATS;
use conclave_core::council::FEATURE_COUNT;
use conclave_core::council::features::FEATURES;
use decisions::{chosen, decisions, in_short};
use members::{predictions, verdicts};
use std::fmt::Write as _;

const INTRODUCTION: &str = "Made by `cargo run --release --manifest-path training/Cargo.toml \
-- train`; not written by hand. What the file is: `docs/council-spec.md`. What a feature says: \
`docs/council-features.md`. How it is trained: `docs/training.md`.\n";

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
    in_short(&mut out, judged);
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
        "Every source is run through `conclave-core` with nobody in the seat: commands are decided \
         one by one, and what a council would be told is taken from the core's own ballots. Time \
         is cut at 70 and 85 % of the requests, and a fifth of the tenants held out; a label \
         counts only where it was known before the cut. Other fleets of the simulator are used \
         as a whole.\n\n\
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
        "\n## Members\n\nAll learn from all sources, where hindsight can know.\n\n\
         | member | hindsight says | sees | best of its trainings | best float epoch |\n\
         |---|---|---|---|---|\n",
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

pub(crate) fn part(part: Part) -> &'static str {
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
