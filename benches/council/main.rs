//! What a vote of the council costs: `cargo bench --bench council [-- FILE]`.
//!
//! Microseconds of a core's time per decision (one step of every member and its logits), for the
//! reference and for every way that this processor can compute the same words, in one run. Tenants
//! take turns, so states come from where a partition's would. Without a file it takes the five
//! members with 32 units that `dev/golden-council` drew.

#[allow(dead_code, reason = "the bench `numbers` compares with a baseline as well")]
#[path = "../numbers/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the bench `numbers` measures itself as well")]
#[path = "../numbers/machine.rs"]
mod machine;

use conclave::council::{CpuCouncil, Way, read};
use conclave_core::council::{CouncilFile, Evaluator, Features, HiddenState, TimeCode};
use figures::{Figures, Goal};
use machine::Spent;
use std::hint::black_box;
use std::io;

/// Tenants that take turns.
const TENANTS: usize = 1_024;
/// Decisions of one run.
const DECISIONS: usize = 100_000;
/// Runs; the middle one is shown.
const RUNS: usize = 9;

const DRAWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/council/five.council");

/// What the project wants of a way, in microseconds.
fn goal(way: Way) -> Option<Goal> {
    match way.name() {
        "sse2" => Some(Goal::AtMost(5.0)),
        "avx2" => Some(Goal::AtMost(3.0)),
        _ => None,
    }
}

fn main() -> io::Result<()> {
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let bytes = std::fs::read(path.unwrap_or_else(|| DRAWN.to_owned()))?;
    let file = read(&bytes).map_err(io::Error::other)?;
    let (members, units) = (file.council().parts().members.len(), file.council().parts().hidden);
    println!("{}\n{} members, {units:?}, model {}", machine::describe(), members, file.id().0);
    let mut figures = Figures::default();
    figures.print_head();
    let scalar = measure(file.council(), &file, DECISIONS / 10);
    figures.add("reference: one decision", scalar, "µs");
    let mut fastest = scalar;
    for way in Way::all() {
        let council = CpuCouncil::new(&file, way).map_err(io::Error::other)?;
        fastest = measure(&council, &file, DECISIONS);
        let name = format!("{}: one decision", way.name());
        match goal(way) {
            Some(goal) => figures.add_with_goal(&name, fastest, "µs", goal),
            None => figures.add(&name, fastest, "µs"),
        }
    }
    figures.add("reference / fastest", scalar / fastest, "times");
    figures.add("fastest: decisions per second of its core", 1e6 / fastest, "1/s");
    Ok(())
}

/// Microseconds of the core per decision, in the middle one of several runs.
fn measure(evaluator: &impl Evaluator, file: &CouncilFile, decisions: usize) -> f64 {
    let questions = questions(file);
    let mut tenants = vec![HiddenState::new(file.council()); TENANTS];
    let mut run = || {
        let mut spent = Spent::default();
        spent.on(|| {
            for decision in 0..decisions {
                let (features, time) = &questions[decision % questions.len()];
                let tenant = &mut tenants[decision % TENANTS];
                black_box(evaluator.step(tenant, features, *time));
            }
        });
        spent.core.as_secs_f64() * 1e6 / decisions as f64
    };
    let mut times: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// Those of the file's golden sequences.
fn questions(file: &CouncilFile) -> Vec<(Features, TimeCode)> {
    let time = &file.council().parts().time;
    let steps = file.golden().iter().flat_map(|sequence| &sequence.steps);
    steps.map(|step| (step.features, time.code(step.elapsed))).collect()
}
