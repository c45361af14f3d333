//! What is computed: runs of steps, each from a tenant's state on.

use crate::fault::GpuFault;
use conclave_core::council::{Council, CouncilLogits, Features, HiddenState, TimeCode};

/// Steps of one batch: with their logits, 200 MiB of memory at most.
pub const BATCH_STEPS_MAX: usize = 1 << 20;
/// Segments of one batch.
pub const BATCH_SEGMENTS_MAX: usize = 1 << 16;

/// Something that happened to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is asked, or what ended.
    pub features: Features,
    /// How long ago the step before was.
    pub time: TimeCode,
}

/// A tenant's steps, in log order. The segments of a batch do not depend on each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The state before the first step.
    pub state: HiddenState,
    /// Any number, also none.
    pub steps: Vec<Step>,
}

/// What became of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The state after the last step.
    pub state: HiddenState,
    /// Of all members, after each step.
    pub logits: Vec<CouncilLogits>,
}

/// Whether `batch` is one of this council, and not too large.
///
/// # Errors
/// [`GpuFault::Invalid`].
pub(crate) fn check_batch(council: &Council, batch: &[Segment]) -> Result<(), GpuFault> {
    let steps: usize = batch.iter().map(|segment| segment.steps.len()).sum();
    if BATCH_SEGMENTS_MAX < batch.len() || BATCH_STEPS_MAX < steps {
        let (segments, most) = (batch.len(), BATCH_SEGMENTS_MAX);
        let allowed = format!("at most {most} segments and {BATCH_STEPS_MAX} steps are allowed");
        return Err(GpuFault::invalid(format!("{segments} segments, {steps} steps: {allowed}")));
    }
    let words = council.words();
    match batch.iter().position(|segment| segment.state.words().len() != words) {
        Some(index) => {
            let found = batch[index].state.words().len();
            let reason = format!("the state of segment {index} has {found} words, not {words}");
            Err(GpuFault::invalid(reason))
        }
        None => Ok(()),
    }
}

/// Whether what some machine made of `batch` has its shape: as many results as segments, as many
/// logits as steps, of all members.
///
/// # Errors
/// [`GpuFault::Corrupt`].
pub(crate) fn check_shape(
    council: &Council,
    batch: &[Segment],
    computed: &[Computed],
) -> Result<(), GpuFault> {
    let members = council.parts().members.len();
    let fits = |(segment, computed): (&Segment, &Computed)| {
        segment.steps.len() == computed.logits.len()
            && computed.state.words().len() == council.words()
            && computed.logits.iter().all(|logits| logits.members().len() == members)
    };
    if batch.len() == computed.len() && batch.iter().zip(computed).all(fits) {
        return Ok(());
    }
    Err(GpuFault::corrupt("it answers for another number of segments, steps or members"))
}
