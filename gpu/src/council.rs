//! A council on a thread of its own, and how it is asked.

use crate::adapter::{AdapterCard, AdapterKind, GpuAdapter, Software, adapters};
use crate::batch::{check_size, check_states};
use crate::fault::{GpuFault, Health};
use crate::machine::{Machine, Stop};
use crate::measure::open_fastest;
use crate::owner::{Order, Ready, own};
use conclave_core::council::{CouncilFile, Ran, Run};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that anybody waits for a batch.
pub const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// The same for adapters that are no hardware, which only tests use.
pub const SOFTWARE_PATIENCE_MAX: Duration = Duration::from_secs(120);
/// The longest that a device may take to be opened and tested.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Batches that wait while one is computed.
const QUEUE_BATCHES: usize = 4;

/// A council on a GPU: the words of the reference, or a [`GpuFault`].
///
/// After a fault of the device every later call says that fault again: whoever wants the device
/// back starts a new one, which is tested again. Dropping it ends its thread.
pub struct GpuCouncil {
    file: Arc<CouncilFile>,
    card: AdapterCard,
    patience_max: Duration,
    orders: SyncSender<Order>,
    health: Health,
    way: &'static str,
    stop: Stop,
}

impl fmt::Debug for GpuCouncil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, way, health, .. } = self;
        f.debug_struct("GpuCouncil")
            .field("card", card)
            .field("way", way)
            .field("health", health)
            .finish_non_exhaustive()
    }
}

impl GpuCouncil {
    /// Opens `adapter` for the council of `file`: sends it up, computes its golden sequences with
    /// both shaders, and keeps the faster one.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] when the device cannot be opened; [`GpuFault::Corrupt`] when it
    /// finds another word than the file, which refuses the adapter.
    pub fn start(file: Arc<CouncilFile>, adapter: &GpuAdapter) -> Result<Self, GpuFault> {
        let (card, opened, adapter) = (adapter.card().clone(), file.clone(), adapter.clone());
        Self::with_machine(file, card, move || {
            let machine = open_fastest(&adapter, &opened, Instant::now() + START_PATIENCE)?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        })
    }

    /// Starts the best adapter that passes its test and is none of `banned`, and tells `refused` of
    /// each that does not.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] when none is left.
    pub fn start_best(
        file: &Arc<CouncilFile>,
        software: Software,
        banned: &[AdapterCard],
        mut refused: impl FnMut(&AdapterCard, GpuFault),
    ) -> Result<Self, GpuFault> {
        let all = adapters(software)?.into_iter();
        for adapter in all.filter(|adapter| !banned.contains(adapter.card())) {
            match Self::start(file.clone(), &adapter) {
                Ok(started) => return Ok(started),
                Err(fault) => refused(adapter.card(), fault),
            }
        }
        Err(GpuFault::unavailable("no adapter is fit for it; is its driver installed?"))
    }

    /// The same with any machine, which `open` makes on the council's thread.
    ///
    /// # Errors
    /// Those of `open`, and [`GpuFault::Corrupt`] when the golden sequences come out otherwise.
    pub fn with_machine(
        file: Arc<CouncilFile>,
        card: AdapterCard,
        open: impl FnOnce() -> Result<Box<dyn Machine>, GpuFault> + Send + 'static,
    ) -> Result<Self, GpuFault> {
        let (orders, received) = sync_channel(QUEUE_BATCHES);
        let (ready, started) = sync_channel(1);
        let (health, owned) = (Health::default(), file.clone());
        let (shared, until) = (health.clone(), Instant::now() + START_PATIENCE);
        let run = move || own(&owned, open, (&ready, &received), &shared, until);
        let spawned = thread::Builder::new().name("conclave-gpu".to_owned()).spawn(run);
        spawned.map_err(|error| GpuFault::unavailable(format!("no thread for it: {error}")))?;
        let Ready { way, stop } = match started.recv_timeout(START_PATIENCE) {
            Ok(ready) => ready?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(GpuFault::unavailable("opening the device takes too long"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(health.fault_or(ended()));
            }
        };
        let is_software = card.kind == AdapterKind::Software;
        let patience_max = if is_software { SOFTWARE_PATIENCE_MAX } else { PATIENCE_MAX };
        Ok(Self { file, card, patience_max, orders, health, way, stop })
    }

    /// What became of each run of `batch`, in order. Waits for `patience`, and never longer
    /// than [`PATIENCE_MAX`] ([`SOFTWARE_PATIENCE_MAX`] where the adapter is no hardware). A batch
    /// that is not done by then ends the device, because nobody knows whether it ever will be.
    ///
    /// # Errors
    /// [`GpuFault::Invalid`] for a batch of another council or beyond the limits; else what is
    /// wrong with the device, or that too many batches wait for it.
    pub fn compute(&self, batch: Vec<Run>, patience: Duration) -> Result<Vec<Ran>, GpuFault> {
        self.health.check()?;
        check_size(&batch)?;
        check_states(self.file.council(), &batch)?;
        let patience = patience.min(self.patience_max);
        let until = Instant::now() + patience;
        let (answer, answered) = sync_channel(1);
        match self.orders.try_send(Order { batch, until, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(self.late("too many batches wait for it")),
            Err(TrySendError::Disconnected(_)) => return Err(self.health.fault_or(ended())),
        }
        match answered.recv_timeout(patience) {
            Ok(computed) => computed,
            Err(RecvTimeoutError::Timeout) => {
                Err(self.late(&format!("no answer within {} ms", patience.as_millis())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.health.fault_or(ended())),
        }
    }

    /// Why there is no answer yet. A thread that should have come back from the driver will not:
    /// then it is the device's fault for good, and else one of the moment.
    fn late(&self, reason: &str) -> GpuFault {
        let late = GpuFault::unavailable(reason);
        if self.health.is_stuck(Instant::now()) {
            self.health.fail(late.clone());
        }
        self.health.fault_or(late)
    }

    /// What the adapter says of itself.
    #[must_use]
    pub fn card(&self) -> &AdapterCard {
        &self.card
    }

    /// The council that it computes.
    #[must_use]
    pub fn file(&self) -> &CouncilFile {
        &self.file
    }

    /// Which shader is the faster one here.
    #[must_use]
    pub fn way(&self) -> &'static str {
        self.way
    }

    /// The first fault of the device, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<GpuFault> {
        self.health.check().err()
    }

    /// Ends the device at once, as a driver does that resets it. What is being computed ends in a
    /// fault.
    pub fn stop(&self) {
        (self.stop)();
    }
}

fn ended() -> GpuFault {
    GpuFault::unavailable("its thread ended")
}
