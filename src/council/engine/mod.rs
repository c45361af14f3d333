//! Which machine computes votes: this processor, or a GPU beside it. Both find the same words, so
//! what is chosen and whatever happens to it changes how long a vote takes, and no vote. Live votes
//! hold to that whatever a device computes: the processor computes each of them, too. Mass work,
//! where nothing is decided, is sampled ([`CouncilEngine::bulk`]).
//!
//! [`Engines`] (what a process chose and counts) → [`CouncilEngine`] (one council: the processor,
//! and maybe a device) → `cpu` (threads for mass work) → `plan` (which of the two is faster) →
//! `guarded` (a device behind a breaker, rechecked) → [`gpus`] (what devices there are) →
//! [`figures`].

mod cpu;
pub mod figures;
pub mod gpus;
mod guarded;
pub mod plan;

pub use figures::{EngineKind, Figures};
pub use gpus::{Banned, Gpus};
pub use plan::Crossover;

use super::{CpuCouncil, Way};
use crate::error::Result;
use clap::ValueEnum;
use conclave_core::council::{CouncilFile, Ran, Run, Runner};
use conclave_gpu::Software;
use cpu::Cpu;
use guarded::{Guarded, Recheck};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

/// Which machine votes. Every choice gives the same votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// This processor
    #[default]
    Cpu,
    /// A GPU, and this processor while the GPU is away
    Gpu,
    /// A GPU for what it was measured to be faster at, and else this processor
    Auto,
}

/// What all councils of a process are computed by. Copies share devices and figures.
#[derive(Clone, Debug)]
pub struct Engines {
    choice: EngineChoice,
    threads: NonZeroUsize,
    gpus: Arc<Gpus>,
    /// Among which adapters `auto` looks before it begins; none where devices are given.
    among: Option<Software>,
    figures: Arc<Figures>,
}

/// A council, and the machines that compute it.
#[derive(Debug)]
pub struct CouncilEngine {
    cpu: Cpu,
    gpu: Option<Arc<Guarded>>,
    figures: Arc<Figures>,
}

impl Engines {
    /// This processor, one thread.
    #[must_use]
    pub fn cpu() -> Self {
        Self::of(EngineChoice::Cpu, Gpus::of_this_machine(Software::Refused))
    }

    /// As chosen, on the adapters of this machine. No adapter is opened yet.
    ///
    /// # Errors
    /// `Unavailable` when a GPU is chosen and there is none.
    pub fn new(choice: EngineChoice, software: Software) -> Result<Self> {
        if choice == EngineChoice::Gpu {
            gpus::named(software)?;
        }
        let engines = Self::of(choice, Gpus::of_this_machine(software));
        Ok(Self { among: Some(software), ..engines })
    }

    /// As chosen, on devices that `gpus` opens.
    #[must_use]
    pub fn of(choice: EngineChoice, gpus: Gpus) -> Self {
        let (gpus, figures) = (Arc::new(gpus), Arc::default());
        Self { choice, threads: NonZeroUsize::MIN, gpus, among: None, figures }
    }

    /// With so many threads where there is work for them: a live ballot is too small.
    #[must_use]
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// What was chosen.
    #[must_use]
    pub fn choice(&self) -> EngineChoice {
        self.choice
    }

    /// What was counted, of all councils.
    #[must_use]
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Makes ready what computes the council of `file`. A device is opened and tested
    /// beside, while the processor votes; one that is chosen outright is waited for, for a second.
    /// A device that is not fit is no error: the processor is.
    ///
    /// # Errors
    /// `Bug` when this processor finds other golden words: nothing may be voted on here.
    pub fn engine(&self, file: &Arc<CouncilFile>) -> Result<CouncilEngine> {
        let cpu = Cpu::new(CpuCouncil::new(file, Way::fastest())?, self.threads);
        let (gpus, figures) = (Arc::clone(&self.gpus), Arc::clone(&self.figures));
        let guarded = || Guarded::new(Arc::clone(file), gpus, Arc::clone(&figures), cpu.clone());
        let gpu = match self.choice {
            EngineChoice::Cpu => None,
            EngineChoice::Gpu => Some(guarded().opened()),
            EngineChoice::Auto if self.lacks_gpus() => None,
            EngineChoice::Auto => Some(guarded().measured_beside()),
        };
        Ok(CouncilEngine { cpu, gpu, figures })
    }
}

impl Engines {
    fn lacks_gpus(&self) -> bool {
        self.among.is_some_and(|software| gpus::named(software).is_err())
    }
}

impl CouncilEngine {
    /// What becomes of `runs`, which `votes` are read out of: they count for the engine that
    /// computed them. Whatever a device finds is computed by this processor, too.
    #[must_use]
    pub fn answer(&self, runs: &[Run], votes: u64) -> Vec<Ran> {
        self.answer_checked(runs, votes, Recheck::All)
    }

    /// The same engine for mass work in which nothing is decided: the processor computes a device's
    /// first runs again, and later a sample of them.
    #[must_use]
    pub fn bulk(&self) -> Bulk<'_> {
        Bulk(self)
    }

    fn answer_checked(&self, runs: &[Run], votes: u64, recheck: Recheck) -> Vec<Ran> {
        let began = Instant::now();
        let by_gpu = self.gpu.as_ref().and_then(|gpu| gpu.run(runs, recheck));
        let by = if by_gpu.is_some() { EngineKind::Gpu } else { EngineKind::Cpu };
        let all = by_gpu.unwrap_or_else(|| self.cpu.run(runs));
        self.figures.answered(by, votes, began.elapsed());
        all
    }

    /// Tells that this processor found another word than the device in mass work: the device is not
    /// used again in this process.
    pub fn erred(&self) {
        if let Some(gpu) = &self.gpu {
            gpu.erred();
        }
    }

    /// What this processor computes one step after the other.
    #[must_use]
    pub fn cpu(&self) -> &CpuCouncil {
        self.cpu.council()
    }

    /// Whether a device is open and in use.
    #[must_use]
    pub fn has_device(&self) -> bool {
        self.gpu.as_ref().is_some_and(|gpu| gpu.has_device())
    }
}

/// Every step is a vote, or would be one.
impl Runner for CouncilEngine {
    fn run(&self, runs: &[Run]) -> Vec<Ran> {
        self.answer(runs, u64::try_from(plan::steps(runs)).unwrap_or(u64::MAX))
    }
}

/// An engine at mass work: see [`CouncilEngine::bulk`].
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'e>(&'e CouncilEngine);

impl Bulk<'_> {
    /// What becomes of `runs`, which `votes` are read out of.
    #[must_use]
    pub fn answer(self, runs: &[Run], votes: u64) -> Vec<Ran> {
        self.0.answer_checked(runs, votes, Recheck::Sample)
    }
}

/// Every step is a vote, or would be one.
impl Runner for Bulk<'_> {
    fn run(&self, runs: &[Run]) -> Vec<Ran> {
        self.answer(runs, u64::try_from(plan::steps(runs)).unwrap_or(u64::MAX))
    }
}

/// An engine that is asked for so many votes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'e> {
    pub(super) engine: &'e CouncilEngine,
    pub(super) votes: u64,
}

impl Runner for Asked<'_> {
    fn run(&self, runs: &[Run]) -> Vec<Ran> {
        self.engine.answer(runs, self.votes)
    }
}
