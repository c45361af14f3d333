//! A device behind a breaker: used while it is sound, replaced by the processor at once when it is
//! not, opened and tested anew beside, and recomputed by the processor: all of it, or in mass work
//! a sample.
//!
//! ```text
//!  runs ─▶ is it worth it? ─▶ open? ─▶ device ─▶ words ─▶ recheck ─▶ answer
//!              │ no             │ no      │ fault           │ differs: banned
//!              └────────────────┴─────────┴─────────────────┴──▶ none: the processor answers
//! ```

use super::cpu::Cpu;
use super::figures::{FaultClass, Figures};
use super::gpus::Gpus;
use super::plan::{Crossover, crossover, in_batches, side_by_side};
use crate::resilience::breaker::{Breaker, Permit};
use crate::resilience::{Moment, Outcome};
use crate::telemetry::events::{AfterFault, GpuAbsent, GpuFailed, GpuOpened};
use conclave_core::council::{CouncilFile, Ran, Run, Runner};
use conclave_gpu::{AdapterCard, AdapterKind, GpuCouncil, GpuFault};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// How much of what a device computed the processor computes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recheck {
    /// Every run: the answer is a live vote.
    All,
    /// What the treatment of devices says: nothing is decided by the answer.
    Sample,
}

/// A device of one council, if it can be had.
pub(super) struct Guarded {
    file: Arc<CouncilFile>,
    gpus: Arc<Gpus>,
    figures: Arc<Figures>,
    cpu: Cpu,
    /// Whether the processor answers where it is the faster one.
    is_measured: bool,
    began: Instant,
    known: Mutex<Known>,
    /// Told when somebody has tried to open a device.
    opened: Condvar,
}

struct Known {
    breaker: Breaker,
    device: Option<Arc<Device>>,
    is_opening: bool,
}

/// A device that passed its tests.
struct Device {
    gpu: GpuCouncil,
    /// None when it takes whatever comes.
    crossover: Option<Crossover>,
    /// Runs that it answered.
    answered: AtomicU64,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        f.debug_struct("Guarded")
            .field("device", &known.device.as_ref().map(|device| device.gpu.card()))
            .field("breaker", &known.breaker.state())
            .finish_non_exhaustive()
    }
}

impl Guarded {
    /// With no device yet.
    pub(super) fn new(
        file: Arc<CouncilFile>,
        gpus: Arc<Gpus>,
        figures: Arc<Figures>,
        cpu: Cpu,
    ) -> Self {
        let breaker = Breaker::new(gpus.treatment.breaker());
        let known = Mutex::new(Known { breaker, device: None, is_opening: false });
        let began = Instant::now();
        Self { file, gpus, figures, cpu, is_measured: false, began, known, opened: Condvar::new() }
    }

    /// Opens a device and waits a while for it; the processor answers until it is there.
    pub(super) fn opened(self) -> Arc<Self> {
        let guarded = Arc::new(self);
        let mut known = guarded.known();
        guarded.open_beside(&mut known);
        let patience = guarded.gpus.treatment.opening_patience;
        let waited = guarded.opened.wait_timeout_while(known, patience, |known| known.is_opening);
        drop(waited);
        guarded
    }

    /// Opens a device beside, and lets it have what it is faster at.
    pub(super) fn measured_beside(self) -> Arc<Self> {
        let guarded = Arc::new(Self { is_measured: true, ..self });
        guarded.open_beside(&mut guarded.known());
        guarded
    }

    pub(super) fn has_device(&self) -> bool {
        self.known().device.is_some()
    }

    /// What becomes of `runs` on the device; none when it is not worth it, there is none, or it
    /// failed.
    pub(super) fn run(self: &Arc<Self>, runs: &[Run], recheck: Recheck) -> Option<Vec<Ran>> {
        let (device, permit) = self.device(side_by_side(runs))?;
        let patience = self.gpus.treatment.patience(device.is_software());
        let computed = in_batches(runs, |batch| device.gpu.compute(batch.to_vec(), patience));
        let checked = computed.and_then(|all| {
            all.map(|all| self.recheck(&device, runs, &all, recheck).map(|()| all)).transpose()
        });
        match checked {
            Ok(all) => {
                self.finish(permit, Outcome::Success);
                all
            }
            Err(fault) => {
                self.failed(&device, Some(permit), &fault);
                None
            }
        }
    }

    /// The device for so many steps side by side, with leave to use it. Where there is none and it
    /// is time to look again, somebody does, beside.
    fn device(self: &Arc<Self>, width: usize) -> Option<(Arc<Device>, Permit)> {
        let mut known = self.known();
        let Some(device) = known.device.clone() else {
            self.open_beside(&mut known);
            return None;
        };
        if 0 < width && device.takes(width) {
            let permit = known.breaker.ask(self.now()).ok()?;
            return Some((device, permit));
        }
        None
    }

    /// Leave to open a device, unless somebody does already or it has to be left alone.
    fn may_open(&self, known: &mut Known) -> Option<Permit> {
        if known.is_opening || known.device.is_some() {
            return None;
        }
        let permit = known.breaker.ask(self.now()).ok()?;
        self.figures.breaker_is(known.breaker.state());
        known.is_opening = true;
        Some(permit)
    }

    fn open_beside(self: &Arc<Self>, known: &mut Known) {
        let Some(permit) = self.may_open(known) else { return };
        let opener = Arc::clone(self);
        let name = "council-gpu-open".to_owned();
        let spawned = thread::Builder::new().name(name).spawn(move || opener.open(permit));
        if let Err(error) = spawned {
            // The permit is gone with the thread; its probe times out.
            GpuAbsent { reason: format!("no thread to open one: {error}") }.emit();
            known.is_opening = false;
        }
    }

    fn open(&self, permit: Permit) {
        let opened = catch_unwind(AssertUnwindSafe(|| self.device_opened()));
        let panicked = |_| Err(GpuFault::unavailable("whatever opened it panicked"));
        let opened = opened.unwrap_or_else(panicked);
        let mut known = self.known();
        known.is_opening = false;
        let outcome = match opened {
            Ok(device) => {
                device.opened().emit();
                self.figures.device_is(Some(device.gpu.card()));
                known.device = Some(Arc::new(device));
                // Only an answer proves a device: one that opens well and then is late is left
                // alone for longer each time.
                Outcome::Neutral
            }
            Err(fault) => {
                self.figures.failed(FaultClass::of(&fault));
                GpuAbsent { reason: fault }.emit();
                Outcome::Failure
            }
        };
        known.breaker.finish(permit, self.now(), outcome);
        self.figures.breaker_is(known.breaker.state());
        self.opened.notify_all();
    }

    fn device_opened(&self) -> Result<Device, GpuFault> {
        let gpu = self.gpus.open(&self.file)?;
        let crossover = self.is_measured.then(|| crossover(&gpu, &self.cpu)).transpose()?;
        Ok(Device { gpu, crossover, answered: AtomicU64::new(0) })
    }

    /// Recomputes what the device answered, or a part of it.
    fn recheck(
        &self,
        device: &Device,
        runs: &[Run],
        all: &[Ran],
        recheck: Recheck,
    ) -> Result<(), GpuFault> {
        let count = u64::try_from(runs.len()).unwrap_or(u64::MAX);
        let first = device.answered.fetch_add(count, Ordering::Relaxed);
        let is_checked = |(number, _): &(u64, (&Run, &Ran))| {
            recheck == Recheck::All || self.gpus.treatment.samples(*number)
        };
        let checked = (first..).zip(runs.iter().zip(all)).filter(is_checked);
        let (runs, found): (Vec<Run>, Vec<&Ran>) =
            checked.map(|(_, (run, ran))| (run.clone(), ran)).unzip();
        let expected = self.cpu.run(&runs);
        self.figures.rechecked(runs.len());
        if expected.iter().eq(found) {
            return Ok(());
        }
        Err(self.mismatch())
    }

    fn mismatch(&self) -> GpuFault {
        self.figures.mismatched();
        GpuFault::corrupt("its answer is not what the processor finds")
    }

    /// What a mismatch leads to that was found after the answer was given: whatever is open now is
    /// banned.
    pub(super) fn erred(&self) {
        let fault = self.mismatch();
        let mut known = self.known();
        let Some(device) = known.device.clone() else { return };
        let permit = known.breaker.ask(self.now());
        drop(known);
        self.failed(&device, permit.ok(), &fault);
    }

    /// What a fault leads to. One of the moment leads to nothing, one of the device ends it.
    fn failed(&self, device: &Arc<Device>, permit: Option<Permit>, fault: &GpuFault) {
        let is_busy = matches!(fault, GpuFault::Unavailable { .. }) && device.gpu.fault().is_none();
        let class = if is_busy { FaultClass::Busy } else { FaultClass::of(fault) };
        self.figures.failed(class);
        let adapter = device.gpu.card();
        let then = match class {
            FaultClass::Busy | FaultClass::Invalid => AfterFault::GoesOn,
            FaultClass::Unavailable => AfterFault::OpenedAgain,
            FaultClass::Corrupt => AfterFault::Banned,
        };
        GpuFailed { adapter, class: class.as_str(), then, reason: fault }.emit();
        match then {
            AfterFault::GoesOn => {
                permit.into_iter().for_each(|permit| self.finish(permit, Outcome::Neutral));
                return;
            }
            AfterFault::OpenedAgain => {}
            AfterFault::Banned => self.gpus.banned.ban(adapter),
        }
        let mut known = self.known();
        // Another one may have taken its place.
        if known.device.as_ref().is_some_and(|current| Arc::ptr_eq(current, device)) {
            known.device = None;
            self.figures.device_is(None);
        }
        if let Some(permit) = permit {
            known.breaker.finish(permit, self.now(), Outcome::Failure);
        }
        self.figures.breaker_is(known.breaker.state());
    }

    fn finish(&self, permit: Permit, outcome: Outcome) {
        let mut known = self.known();
        known.breaker.finish(permit, self.now(), outcome);
        self.figures.breaker_is(known.breaker.state());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }
}

impl Device {
    fn takes(&self, side_by_side: usize) -> bool {
        self.crossover.is_none_or(|crossover| crossover.favours_gpu(side_by_side))
    }

    fn is_software(&self) -> bool {
        self.gpu.card().kind == AdapterKind::Software
    }

    fn opened(&self) -> GpuOpened<&AdapterCard> {
        let crossover = self.crossover.map_or(Some(1), Crossover::decisions);
        GpuOpened { adapter: self.gpu.card(), way: self.gpu.way(), crossover }
    }
}
