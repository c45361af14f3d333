//! Batches: how large one may be, and what the answer to it looks like.

use crate::fault::GpuFault;
use conclave_core::council::{Council, Ran, Run};

/// Steps of one batch: with the states and logits after them, 300 MiB of memory at most.
pub const BATCH_STEPS_MAX: usize = 1 << 18;
/// Runs of one batch.
pub const BATCH_RUNS_MAX: usize = 1 << 16;

/// Whether `batch` is not too large. What goes along with it does not count.
///
/// # Errors
/// [`GpuFault::Invalid`].
pub(crate) fn check_size(batch: &[Run]) -> Result<(), GpuFault> {
    let steps: usize = batch.iter().map(|run| run.steps.len()).sum();
    if BATCH_RUNS_MAX < batch.len() || BATCH_STEPS_MAX < steps {
        let (runs, most) = (batch.len(), BATCH_RUNS_MAX);
        let allowed = format!("at most {most} runs and {BATCH_STEPS_MAX} steps are allowed");
        return Err(GpuFault::invalid(format!("{runs} runs, {steps} steps: {allowed}")));
    }
    Ok(())
}

/// Whether `batch` is one of this council.
///
/// # Errors
/// [`GpuFault::Invalid`].
pub(crate) fn check_states(council: &Council, batch: &[Run]) -> Result<(), GpuFault> {
    let words = council.words();
    match batch.iter().position(|run| run.state.words().len() != words) {
        Some(index) => {
            let found = batch[index].state.words().len();
            let reason = format!("the state of run {index} has {found} words, not {words}");
            Err(GpuFault::invalid(reason))
        }
        None => Ok(()),
    }
}

/// Whether what some machine made of `batch` has its shape: as many results as runs, as many states
/// and logits as steps, of all members.
///
/// # Errors
/// [`GpuFault::Corrupt`].
pub(crate) fn check_shape(council: &Council, batch: &[Run], all: &[Ran]) -> Result<(), GpuFault> {
    let members = council.parts().members.len();
    let fits = |(run, ran): (&Run, &Ran)| {
        run.steps.len() == ran.logits.len()
            && run.steps.len() == ran.states.len()
            && ran.states.iter().all(|state| state.words().len() == council.words())
            && ran.logits.iter().all(|logits| logits.members().len() == members)
    };
    if batch.len() == all.len() && batch.iter().zip(all).all(fits) {
        return Ok(());
    }
    Err(GpuFault::corrupt("it answers for another number of runs, steps or members"))
}
