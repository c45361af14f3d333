//! Machines that take a device's place: the reference, which errs after some honest batches; and a
//! real device that is lost while it computes.

use conclave_core::council::{Council, CouncilFile, HiddenState, Ran, Run, Runner};
use conclave_gpu::{
    AdapterCard, AdapterKind, GpuAdapter, GpuCouncil, GpuFault, Machine, Stop, WgpuMachine,
};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What becomes of a machine after its honest batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    Honest,
    /// It goes on, and takes its time for every run.
    IsSlow,
    /// It never answers.
    Hangs,
    /// It panics.
    Panics,
    /// It answers for one run less.
    IsShort,
    /// It says that it is lost.
    IsLost,
    /// One bit of the first state of the first run is turned; golden words stay.
    LiesOnce,
    /// The first bit of every state is turned, golden ones among them.
    LiesAlways,
}

/// What a slow machine takes for a run, on top of what the reference does.
const SLOW: Duration = Duration::from_micros(50);

struct Shim {
    council: Council,
    honest: usize,
    then: Then,
}

fn turn(council: &Council, state: &mut HiddenState) {
    let mut words = state.words().to_vec();
    words[0] ^= 1;
    *state = HiddenState::from_words(council, words).unwrap();
}

impl Machine for Shim {
    fn compute(&mut self, batch: &[Run], _: Instant) -> Result<Vec<Ran>, GpuFault> {
        let mut all = self.council.run(batch);
        if let Some(left) = self.honest.checked_sub(1) {
            self.honest = left;
            return Ok(all);
        }
        match self.then {
            Then::Honest => {}
            Then::IsSlow => thread::sleep(SLOW * u32::try_from(batch.len()).unwrap()),
            Then::Hangs => thread::sleep(Duration::from_secs(20)),
            Then::Panics => panic!("as drivers do"),
            Then::IsShort => drop(all.pop()),
            Then::IsLost => return Err(GpuFault::unavailable("lost")),
            Then::LiesOnce => turn(&self.council, &mut all[0].states[0]),
            Then::LiesAlways => {
                let states = all.iter_mut().flat_map(|ran| &mut ran.states);
                states.for_each(|state| turn(&self.council, state));
            }
        }
        Ok(all)
    }

    fn way(&self) -> &'static str {
        "shim"
    }
}

/// A shim that passes its test, is honest for so many batches, and then is not.
pub(crate) fn shim(
    file: &Arc<CouncilFile>,
    honest: usize,
    then: Then,
) -> Result<GpuCouncil, GpuFault> {
    let (council, honest) = (file.council().clone(), honest + 1);
    let open = move || Ok(Box::new(Shim { council, honest, then }) as Box<dyn Machine>);
    GpuCouncil::with_machine(Arc::clone(file), card(), open)
}

/// What every shim says of itself.
pub(crate) fn card() -> AdapterCard {
    AdapterCard {
        name: "shim".to_owned(),
        backend: String::new(),
        driver: String::new(),
        kind: AdapterKind::Discrete,
    }
}

/// A real device that is destroyed in the middle of its second batch.
struct Doomed {
    device: WgpuMachine,
    batches: usize,
}

impl Machine for Doomed {
    fn compute(&mut self, batch: &[Run], until: Instant) -> Result<Vec<Ran>, GpuFault> {
        self.batches += 1;
        // The first one is the self-test.
        if self.batches == 3 {
            let stop = self.device.stop();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                stop();
            });
            // Whatever the machine is busy with, the device is gone before the batch is done.
            loop {
                self.device.compute(batch, until)?;
            }
        }
        self.device.compute(batch, until)
    }

    fn way(&self) -> &'static str {
        self.device.way()
    }

    fn stop(&self) -> Stop {
        self.device.stop()
    }
}

pub(crate) fn doomed(
    file: &Arc<CouncilFile>,
    adapter: &GpuAdapter,
) -> Result<GpuCouncil, GpuFault> {
    let (adapter, council) = (adapter.clone(), file.council().clone());
    GpuCouncil::with_machine(Arc::clone(file), adapter.card().clone(), move || {
        let device = WgpuMachine::open(&adapter, &council)?;
        Ok(Box::new(Doomed { device, batches: 0 }))
    })
}
