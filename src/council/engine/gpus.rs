//! The devices of this process: how one is opened, how long anybody waits for it, and which
//! adapters were found wrong and are never asked again.

use crate::error::{Error, Result};
use crate::resilience::{BreakerSettings, WindowSize};
use crate::telemetry::events::GpuRefused;
use conclave_core::council::CouncilFile;
use conclave_gpu::{AdapterCard, GpuCouncil, GpuFault, Software, adapters};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a batch may take before the processor computes it instead: with what that takes, a
/// ballot is answered within a second, whatever a device does.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same where the processor plays the device. Never in production.
const SOFTWARE_PATIENCE: Duration = Duration::from_secs(60);
/// How long the first ballot waits for a device that was chosen outright: opening and testing one
/// takes less as a rule.
const OPENING_PATIENCE: Duration = Duration::from_secs(1);
/// Runs of a device in mass work that are all recomputed by the processor after it was opened. Live
/// votes always are.
const RECHECK_FIRST: u64 = 10_000;
/// Later, one of so many is.
const RECHECK_ONE_IN: u64 = 16;
/// How long a faulty device is left alone at first, and at most.
const ALONE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// Longer than opening and testing a device can take.
const OPENING: Duration = Duration::from_secs(180);

/// Opens a device for a council, on an adapter that is not banned, and bans those that are wrong.
pub type Open =
    dyn Fn(&Arc<CouncilFile>, &Banned) -> std::result::Result<GpuCouncil, GpuFault> + Send + Sync;

/// How devices are opened and treated.
pub struct Gpus {
    open: Box<Open>,
    pub(super) banned: Banned,
    pub(super) treatment: Treatment,
}

impl fmt::Debug for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open: _, banned, treatment } = self;
        f.debug_struct("Gpus")
            .field("banned", banned)
            .field("treatment", treatment)
            .finish_non_exhaustive()
    }
}

/// Adapters that computed a wrong word. They are not used again in this process.
#[derive(Debug, Default)]
pub struct Banned(Mutex<Vec<AdapterCard>>);

/// How a device is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// How long a batch may take on hardware.
    pub patience: Duration,
    /// How long a council that begins waits for a device that was chosen outright.
    pub opening_patience: Duration,
    /// How long a faulty device is left alone at first; twice as long each time that it
    /// cannot be opened, or fails at its first batch.
    pub alone: Duration,
    /// Runs that are all rechecked after a device was opened, in mass work: live votes always are.
    pub recheck_first: u64,
    /// Later, one of so many is. At least 1.
    pub recheck_one_in: u64,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            patience: PATIENCE,
            opening_patience: OPENING_PATIENCE,
            alone: ALONE[0],
            recheck_first: RECHECK_FIRST,
            recheck_one_in: RECHECK_ONE_IN,
        }
    }
}

impl Treatment {
    /// Opens at the first fault, and closes when a device that was opened answered.
    pub(super) fn breaker(&self) -> BreakerSettings {
        BreakerSettings {
            window: WindowSize::Calls(1),
            calls_min: 1,
            failures_in_a_row: 1,
            // A late batch is a fault, and opening may take its time.
            slow_after: OPENING,
            open_for: self.alone,
            open_for_max: ALONE[1],
            probes: 1,
            probe_timeout: OPENING,
            ..BreakerSettings::default()
        }
    }

    /// Whether the `count`th run since the device was opened is recomputed by the processor in mass
    /// work.
    pub(super) fn samples(&self, count: u64) -> bool {
        count < self.recheck_first || count.is_multiple_of(self.recheck_one_in)
    }

    pub(super) fn patience(&self, is_software: bool) -> Duration {
        if is_software { SOFTWARE_PATIENCE } else { self.patience }
    }
}

impl Banned {
    /// Never again.
    pub fn ban(&self, card: &AdapterCard) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(card.clone());
    }

    /// All of them.
    #[must_use]
    pub fn cards(&self) -> Vec<AdapterCard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Gpus {
    /// The adapters of this machine, best first.
    #[must_use]
    pub fn of_this_machine(software: Software) -> Self {
        let patience = match software {
            Software::Refused => OPENING_PATIENCE,
            Software::Allowed => SOFTWARE_PATIENCE,
        };
        let treatment = Treatment { opening_patience: patience, ..Treatment::default() };
        Self::opened_by(treatment, move |file, banned| {
            GpuCouncil::start_best(file, software, &banned.cards(), |card, fault| {
                GpuRefused { adapter: card, reason: &fault }.emit();
                if matches!(fault, GpuFault::Corrupt { .. }) {
                    banned.ban(card);
                }
            })
        })
    }

    /// Whatever `open` opens.
    #[must_use]
    pub fn opened_by(
        treatment: Treatment,
        open: impl Fn(&Arc<CouncilFile>, &Banned) -> std::result::Result<GpuCouncil, GpuFault>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { open: Box::new(open), banned: Banned::default(), treatment }
    }

    pub(super) fn open(
        &self,
        file: &Arc<CouncilFile>,
    ) -> std::result::Result<GpuCouncil, GpuFault> {
        (self.open)(file, &self.banned)
    }
}

/// What the best adapter of this machine says of itself.
///
/// # Errors
/// `Unavailable` when there is none, with what to install.
pub fn named(software: Software) -> Result<AdapterCard> {
    let none = || {
        let only_hardware = match software {
            Software::Refused => " (software adapters do not count here)",
            Software::Allowed => " (mesa-vulkan-drivers is one in software)",
        };
        Error::unavailable(format!(
            "this machine has no GPU that votes could be computed on{only_hardware}: install the \
             GPU's driver with Vulkan (for NVIDIA in a container, with the graphics capability), \
             or choose cpu or auto: the votes are the same"
        ))
    };
    let listed = adapters(software).map_err(|fault| none().caused_by(fault))?;
    listed.first().map(|adapter| adapter.card().clone()).ok_or_else(none)
}
