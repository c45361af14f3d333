//! What has to hold before the first vote, and beside every batch.
//!
//! Section 12 of `docs/council-spec.md`: whatever computes votes computes all golden sequences of
//! the file first. That tells nothing of what a device does an hour later, so the beginning of one
//! golden sequence, another one each time, goes along with every batch.

use crate::batch::check_shape;
use crate::fault::GpuFault;
use crate::machine::Machine;
use conclave_core::council::golden::compare;
use conclave_core::council::{
    Council, CouncilFile, GoldenSequence, HiddenState, Ran, Run, Runner, Step,
};
use std::time::Instant;

/// Steps that go along with a batch: a few, so that small batches do not wait for them.
const SENTINEL_STEPS: usize = 4;

/// Computes all golden sequences of `file` with `machine` in one batch and compares every word.
///
/// # Errors
/// [`GpuFault::Corrupt`] names sequence, step, member and word of the first difference; or what the
/// machine says.
pub fn self_test(
    machine: &mut dyn Machine,
    file: &CouncilFile,
    until: Instant,
) -> Result<(), GpuFault> {
    let council = file.council();
    let run = |sequence: &GoldenSequence| Run {
        state: HiddenState::new(council),
        steps: steps(council, sequence),
    };
    let batch: Vec<_> = file.golden().iter().map(run).collect();
    let all = machine.compute(&batch, until)?;
    check_shape(council, &batch, &all)?;
    for ((indexed, run), ran) in file.golden().iter().enumerate().zip(&batch).zip(&all) {
        compare(council, indexed, &ran.logits, run.state_before(ran, run.steps.len()))?;
    }
    // The file has the state after the last step of a sequence; the reference has all of them.
    if all != council.run(&batch) {
        return Err(GpuFault::corrupt("a state in the middle of a golden sequence differs"));
    }
    Ok(())
}

fn steps(council: &Council, sequence: &GoldenSequence) -> Vec<Step> {
    let code = |elapsed| council.parts().time.code(elapsed);
    let golden = sequence.steps.iter();
    golden.map(|step| Step { features: step.features, time: code(step.elapsed) }).collect()
}

/// Runs of which the words are known.
#[derive(Debug)]
pub(crate) struct Sentinels {
    known: Vec<(Run, Ran)>,
    next: usize,
}

impl Sentinels {
    /// The first [`SENTINEL_STEPS`] of each golden sequence.
    pub(crate) fn new(file: &CouncilFile) -> Self {
        let council = file.council();
        let beginning = |sequence: &GoldenSequence| {
            let mut steps = steps(council, sequence);
            steps.truncate(SENTINEL_STEPS);
            Run { state: HiddenState::new(council), steps }
        };
        let runs: Vec<_> = file.golden().iter().map(beginning).collect();
        let all = council.run(&runs);
        Self { known: runs.into_iter().zip(all).collect(), next: 0 }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> &(Run, Ran) {
        self.next = if self.next + 1 < self.known.len() { self.next + 1 } else { 0 };
        &self.known[self.next]
    }
}
