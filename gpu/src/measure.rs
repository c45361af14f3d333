//! How fast a device is: which shader it prefers, and what a decision costs it.

use crate::adapter::GpuAdapter;
use crate::council::{GpuCouncil, SOFTWARE_PATIENCE_MAX};
use crate::fault::GpuFault;
use crate::machine::Machine;
use crate::self_test::self_test;
use crate::shader::Variant;
use crate::wgpu_machine::WgpuMachine;
use conclave_core::council::{
    Council, CouncilFile, FEATURE_COUNT, Features, HiddenState, Run, Step,
};
use conclave_core::units::DurationMs;
use std::time::{Duration, Instant};

/// The sizes of batches that are measured: decisions of as many tenants.
pub const BATCH_SIZES: [usize; 6] = [1, 16, 64, 256, 1_024, 4_096];
/// Batches per figure; the shortest counts: whatever disturbs only makes it longer.
const REPEATS: usize = 7;
/// Tenants by whose decisions the faster shader is chosen.
const CHOICE_RUNS: usize = 256;

/// What a batch costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFigure {
    /// Decisions of the batch, each of another tenant.
    pub decisions: usize,
    /// From asking to the answer: the shortest of a few.
    pub batch: Duration,
}

impl BatchFigure {
    /// What one decision costs, in nanoseconds.
    #[must_use]
    pub fn nanos_per_decision(&self) -> u128 {
        self.batch.as_nanos() / self.decisions.max(1) as u128
    }
}

/// Measures batches of [`BATCH_SIZES`] on a device.
///
/// # Errors
/// What [`GpuCouncil::compute`] says.
pub fn measure(gpu: &GpuCouncil) -> Result<Vec<BatchFigure>, GpuFault> {
    let figure = |decisions: usize| {
        let batch = one_step_each(gpu.file().council(), decisions);
        let once = |batch| gpu.compute(batch, SOFTWARE_PATIENCE_MAX);
        shortest(|| batch.clone(), once).map(|batch| BatchFigure { decisions, batch })
    };
    BATCH_SIZES.into_iter().map(figure).collect()
}

/// Opens `adapter`, tests both shaders against the golden sequences of `file`, and keeps the faster
/// one. A device that is wrong with one of them is not to be trusted with the other.
///
/// # Errors
/// What opening or testing says.
pub(crate) fn open_fastest(
    adapter: &GpuAdapter,
    file: &CouncilFile,
    until: Instant,
) -> Result<WgpuMachine, GpuFault> {
    let mut machine = WgpuMachine::open(adapter, file.council())?;
    let batch = one_step_each(file.council(), CHOICE_RUNS);
    let mut fastest = None;
    for variant in Variant::ALL {
        machine.set_variant(variant);
        self_test(&mut machine, file, until)?;
        let took = shortest(|| (), |()| machine.compute(&batch, until))?;
        if fastest.is_none_or(|(_, least)| took < least) {
            fastest = Some((variant, took));
        }
    }
    fastest.into_iter().for_each(|(variant, _)| machine.set_variant(variant));
    Ok(machine)
}

/// The shortest time of what is done a few times, after once for warming up. What `prepare` takes
/// does not count.
fn shortest<P, D>(
    prepare: impl Fn() -> P,
    mut once: impl FnMut(P) -> Result<D, GpuFault>,
) -> Result<Duration, GpuFault> {
    once(prepare())?;
    let mut timed = || {
        let prepared = prepare();
        let begun = Instant::now();
        let done = once(prepared)?;
        let took = begun.elapsed();
        drop(done);
        Ok(took)
    };
    let took = (0..REPEATS).map(|_| timed()).collect::<Result<Vec<_>, GpuFault>>()?;
    Ok(took.into_iter().min().unwrap_or_default())
}

/// A decision each of so many tenants, no two alike: what figures are measured with.
///
/// # Panics
/// Never: there are fewer tenants than time has codes for.
#[must_use]
pub fn one_step_each(council: &Council, tenants: usize) -> Vec<Run> {
    let run = |tenant: usize| {
        let feature = |index| i8::try_from((tenant * 31 + index * 17) % 128).unwrap_or(i8::MAX);
        let values: [i8; FEATURE_COUNT] = std::array::from_fn(feature);
        let features = Features::new(values).expect("none is negative");
        let elapsed = DurationMs(i64::try_from(tenant).expect("few tenants") * 977);
        let time = council.parts().time.code(elapsed);
        Run { state: HiddenState::new(council), steps: vec![Step { features, time }] }
    };
    (0..tenants).map(run).collect()
}
