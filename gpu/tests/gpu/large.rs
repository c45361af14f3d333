//! Batches that do not fit in one submission, and batches cut in two.

use crate::differential::soon;
use crate::drawn::Seed;
use crate::found::found;
use crate::golden_file;
use crate::words::{check, tell};
use conclave_core::council::{HiddenSize, HiddenState, Ran, Run};
use conclave_core::placement::draw::Draw;
use conclave_gpu::{BATCH_RUNS_MAX, GpuCouncil, Machine, WgpuMachine};
use std::time::Duration;

const SMALL: Seed = Seed { seed: 31, hidden: HiddenSize::H16, members: 2, is_extreme: false };

#[test]
fn a_run_longer_than_a_submission_goes_on_in_the_next() {
    let council = SMALL.council();
    let draw = &mut Draw::new(7);
    let lengths = [0, 2_100, 1, 1_024, 1_025, 16, 17, 0, 1_040];
    let batch: Vec<_> = lengths.map(|steps| SMALL.run(&council, draw, steps)).to_vec();
    for adapter in found("long runs") {
        let mut machine = WgpuMachine::open(&adapter, &council).unwrap();
        let found = machine.compute(&batch, soon()).unwrap();
        check(&council, &batch, &found, "long runs");
    }
    tell("long runs");
}

#[test]
fn more_runs_than_a_submission_takes_go_round_the_ring() {
    let council = SMALL.council();
    let batch = SMALL.batch(&council, 13_000, 7);
    for adapter in found("many runs") {
        let mut machine = WgpuMachine::open(&adapter, &council).unwrap();
        for _ in 0..2 {
            let found = machine.compute(&batch, soon()).unwrap();
            check(&council, &batch, &found, "many runs");
        }
        assert_eq!(machine.compute(&[], soon()).unwrap(), []);
    }
    tell("many runs");
}

#[test]
fn a_batch_of_as_many_runs_as_there_may_be_is_computed_with_what_goes_along() {
    let file = golden_file("narrow");
    let run = Run { state: HiddenState::new(file.council()), steps: vec![] };
    let batch = vec![run; BATCH_RUNS_MAX];
    for adapter in found("full batches") {
        let gpu = GpuCouncil::start(file.clone(), &adapter).unwrap();
        let found = gpu.compute(batch.clone(), Duration::from_secs(60)).unwrap();
        check(file.council(), &batch, &found, "a full batch");
        assert_eq!(gpu.fault(), None);
    }
}

/// The first steps of each run, and the others from the state that they lead to.
fn halves(machine: &mut WgpuMachine, batch: &[Run]) -> Vec<Ran> {
    let half = |run: &Run| Run {
        state: run.state.clone(),
        steps: run.steps[..run.steps.len() / 2].to_vec(),
    };
    let first: Vec<_> = batch.iter().map(half).collect();
    let mut found = machine.compute(&first, soon()).unwrap();
    let rest = |(run, found): (&Run, &Ran)| Run {
        state: run.state_before(found, run.steps.len() / 2).clone(),
        steps: run.steps[run.steps.len() / 2..].to_vec(),
    };
    let second: Vec<_> = batch.iter().zip(&found).map(rest).collect();
    let after = machine.compute(&second, soon()).unwrap();
    for (found, after) in found.iter_mut().zip(after) {
        found.states.extend(after.states);
        found.logits.extend(after.logits);
    }
    found
}

#[test]
fn where_a_batch_is_cut_changes_no_word() {
    let seed = Seed { seed: 41, hidden: HiddenSize::H32, members: 5, is_extreme: false };
    let council = seed.council();
    let batch = seed.batch(&council, 40, 50);
    for adapter in found("cuts") {
        let mut machine = WgpuMachine::open(&adapter, &council).unwrap();
        let whole = machine.compute(&batch, soon()).unwrap();
        check(&council, &batch, &whole, "whole");
        let (left, right) = batch.split_at(13);
        let mut apart = machine.compute(left, soon()).unwrap();
        apart.extend(machine.compute(right, soon()).unwrap());
        assert_eq!(apart, whole, "by runs");
        assert_eq!(halves(&mut machine, &batch), whole, "by steps");
    }
    tell("cuts");
}
