//! A machine that is a device: a batch in waves, three of them on their way at once.

use crate::adapter::GpuAdapter;
use crate::batch::check_states;
use crate::device::Device;
use crate::fault::GpuFault;
use crate::layout::{Sizes, Upload, take_down};
use crate::machine::{Machine, Stop};
use crate::pipeline::Constants;
use crate::shader::Variant;
use crate::slot::{Flight, Slot};
use crate::wave::{Wave, rounds};
use conclave_core::council::{Council, Ran, Run};
use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;
use wgpu::ComputePipeline;

/// Waves on their way at once: while one is all, another goes up and a third comes down.
const RING: usize = 3;

/// A council on a device.
pub struct WgpuMachine {
    device: Device,
    council: Council,
    pipelines: [ComputePipeline; 2],
    variant: Variant,
    slots: [Slot; RING],
}

impl fmt::Debug for WgpuMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, variant, .. } = self;
        f.debug_struct("WgpuMachine").field("device", device).field("variant", variant).finish()
    }
}

impl WgpuMachine {
    /// Opens `adapter`, sends `council` up and compiles both shaders. Nothing is tested yet.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] with what the driver says.
    pub fn open(adapter: &GpuAdapter, council: &Council) -> Result<Self, GpuFault> {
        let device = Device::open(adapter)?;
        let constants = Constants::new(&device, council);
        let pipelines = Variant::ALL.map(|variant| constants.compile(&device, council, variant));
        let sizes = Sizes::of(council);
        let slots = std::array::from_fn(|_| Slot::new(&device, &constants, &sizes));
        device.health.check()?;
        Ok(Self { device, council: council.clone(), pipelines, variant: Variant::Packed, slots })
    }

    /// Computes with this variant from now on.
    pub fn set_variant(&mut self, variant: Variant) {
        self.variant = variant;
    }

    fn launch(&self, slot: usize, wave: &Upload) -> Result<Flight, GpuFault> {
        let pipeline = match self.variant {
            Variant::Packed => &self.pipelines[0],
            Variant::Unpacked => &self.pipelines[1],
        };
        let members = u32::try_from(self.council.parts().members.len()).expect("8 at most");
        self.slots[slot].launch(&self.device, pipeline, (wave, members))
    }
}

/// A wave on its way, and in which slot.
struct Flying {
    slot: usize,
    wave: Wave,
    flight: Flight,
}

impl Machine for WgpuMachine {
    fn compute(&mut self, batch: &[Run], until: Instant) -> Result<Vec<Ran>, GpuFault> {
        let council = &self.council;
        check_states(council, batch)?;
        let nothing_yet = |run: &Run| Ran {
            states: Vec::with_capacity(run.steps.len()),
            logits: Vec::with_capacity(run.steps.len()),
        };
        let mut all: Vec<_> = batch.iter().map(nothing_yet).collect();
        let land = |Flying { slot, wave, flight }: Flying, all: &mut Vec<Ran>| {
            let read = |bytes: &[u8]| take_down(council, &wave, bytes, all);
            self.slots[slot].land(&self.device, &flight, until, read)
        };
        let lengths: Vec<_> = batch.iter().map(|run| run.steps.len()).collect();
        for waves in rounds(&lengths) {
            let mut flying = VecDeque::with_capacity(RING);
            for (slot, wave) in (0..RING).cycle().zip(waves) {
                if flying.len() == RING
                    && let Some(first) = flying.pop_front()
                {
                    land(first, &mut all)?;
                }
                let flight = self.launch(slot, &Upload::new(council, &wave, batch, &all))?;
                flying.push_back(Flying { slot, wave, flight });
            }
            flying.into_iter().try_for_each(|last| land(last, &mut all))?;
        }
        Ok(all)
    }

    fn way(&self) -> &'static str {
        self.variant.name()
    }

    fn stop(&self) -> Stop {
        let device = self.device.device.clone();
        Box::new(move || device.destroy())
    }
}
