//! Which machine votes, as people choose it.

use super::page::say;
use crate::council::engine::gpus;
use crate::council::{EngineChoice, EngineKind, Engines};
use crate::error::Result;
use clap::Args;
use conclave_gpu::Software;
use serde::Serialize;
use std::num::NonZeroUsize;

/// Which machine computes votes.
#[derive(Clone, Copy, Debug, Args)]
pub struct EngineArguments {
    /// Which machine computes the votes of networks: each finds the same ones
    #[arg(long, value_enum, default_value_t, value_name = "ENGINE")]
    pub council: EngineChoice,
    /// Let a driver that plays a GPU on the processor (lavapipe) count as one: for tests, since it
    /// is slower than the processor itself
    #[arg(long)]
    pub software_gpu: bool,
}

/// Votes by the machine that computed them.
#[derive(Clone, Debug, Serialize)]
pub struct EngineVotes {
    /// On the processor.
    pub cpu: u64,
    /// On a GPU.
    pub gpu: u64,
    /// The GPU, when there was one.
    pub adapter: Option<String>,
}

impl EngineArguments {
    /// The engines that are chosen; `auto` without a GPU says so.
    ///
    /// # Errors
    /// `Unavailable` when a GPU is chosen and there is none.
    pub fn engines(&self) -> Result<Engines> {
        let is_allowed = self.software_gpu;
        let software = if is_allowed { Software::Allowed } else { Software::Refused };
        chosen(self.council, software)
    }
}

/// The engines that are chosen, with a thread for each processor. Whether `auto` finds a GPU is
/// looked at when there is something to compute.
///
/// # Errors
/// `Unavailable` when a GPU is chosen and there is none.
pub fn for_mass_work(choice: EngineChoice, is_software_allowed: bool) -> Result<Engines> {
    let software = if is_software_allowed { Software::Allowed } else { Software::Refused };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(Engines::new(choice, software)?.with_threads(threads))
}

/// See [`EngineArguments::engines`].
pub(super) fn chosen(choice: EngineChoice, software: Software) -> Result<Engines> {
    if choice == EngineChoice::Auto && gpus::named(software).is_err() {
        say("no GPU is here: the processor computes all votes, which are the same");
        return Ok(Engines::cpu());
    }
    Engines::new(choice, software)
}

impl EngineVotes {
    /// As counted so far.
    #[must_use]
    pub fn of(engines: &Engines) -> Self {
        let figures = engines.figures();
        let adapter = figures.last_adapter().map(|card| card.to_string());
        let votes = EngineKind::ALL.map(|engine| figures.votes(engine));
        Self { cpu: votes[0], gpu: votes[1], adapter }
    }

    /// As a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { cpu, gpu, adapter } = self;
        match adapter {
            None => format!("{cpu} on the processor"),
            Some(adapter) => format!("{cpu} on the processor, {gpu} on {adapter}"),
        }
    }
}
