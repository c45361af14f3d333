//! What a decision costs: one step of every member of a tenant's state, and its logits.

use crate::council::{CpuCouncil, Way};
use crate::error::Result;
use conclave_core::council::{CouncilFile, Evaluator, Features, HiddenState, TimeCode};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Decisions of one batch.
const BATCHES: [usize; 4] = [1, 8, 64, 512];
/// How long each figure is measured; the shortest of the runs is shown, which is the one that was
/// disturbed least.
const RUN: Duration = Duration::from_millis(40);
const RUNS: usize = 5;

/// What was measured of one way to compute.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    way: String,
    batch: usize,
    microseconds_per_decision: f64,
}

impl Figure {
    pub(super) fn line(&self) -> String {
        let Self { way, batch, microseconds_per_decision } = self;
        format!("{way:<10} batch {batch:>4}  {microseconds_per_decision:>9.2} us a decision")
    }
}

/// Measures the reference and every way that this processor has.
pub(super) fn measure(file: &CouncilFile) -> Result<Vec<Figure>> {
    let mut figures = of("reference", file.council(), file);
    for way in Way::all() {
        figures.extend(of(way.name(), &CpuCouncil::new(file, way)?, file));
    }
    Ok(figures)
}

fn of(way: &str, evaluator: &impl Evaluator, file: &CouncilFile) -> Vec<Figure> {
    let questions = questions(file);
    let figure = |batch| Figure {
        way: way.to_owned(),
        batch,
        microseconds_per_decision: microseconds(evaluator, file, &questions, batch),
    };
    BATCHES.map(figure).into()
}

fn microseconds(
    evaluator: &impl Evaluator,
    file: &CouncilFile,
    questions: &[(Features, TimeCode)],
    batch: usize,
) -> f64 {
    let mut tenants = vec![HiddenState::new(file.council()); batch];
    let mut run = || {
        let (began, mut decisions) = (Instant::now(), 0_usize);
        while began.elapsed() < RUN {
            for tenant in &mut tenants {
                let (features, time) = &questions[decisions % questions.len()];
                black_box(evaluator.step(tenant, features, *time));
                decisions += 1;
            }
        }
        began.elapsed().as_secs_f64() * 1e6 / decisions as f64
    };
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Those of the file's golden sequences.
fn questions(file: &CouncilFile) -> Vec<(Features, TimeCode)> {
    let time = &file.council().parts().time;
    let steps = file.golden().iter().flat_map(|sequence| &sequence.steps);
    steps.map(|step| (step.features, time.code(step.elapsed))).collect()
}
