//! What engines did and what became of them: counted by many threads, read by whoever watches.

use crate::resilience::BreakerState;
use crate::telemetry::latency::BUCKETS_S;
use conclave_gpu::{AdapterCard, GpuFault};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What votes are computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The processor.
    Cpu,
    /// A device.
    Gpu,
}

/// Why a device did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultClass {
    /// Others were before, and the device is sound.
    Busy,
    /// It was sent what no device takes.
    Invalid,
    /// It is lost, late, or cannot be opened.
    Unavailable,
    /// It finds other words.
    Corrupt,
}

/// What was counted of all engines of a process.
#[derive(Debug)]
pub struct Figures {
    votes: [Counter; 2],
    ballots: [Histogram; 2],
    faults: [Counter; 4],
    rechecked: Counter,
    mismatches: Counter,
    now: Mutex<Now>,
}

/// How things stand.
#[derive(Clone, Debug, Default)]
struct Now {
    breaker: Option<BreakerState>,
    adapter: Option<AdapterCard>,
    /// The last one that there was.
    last_adapter: Option<AdapterCard>,
}

impl EngineKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Gpu];

    /// As metrics and reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

impl FaultClass {
    pub(super) const ALL: [Self; 4] = [Self::Busy, Self::Invalid, Self::Unavailable, Self::Corrupt];

    pub(super) fn of(fault: &GpuFault) -> Self {
        match fault {
            GpuFault::Unavailable { .. } => Self::Unavailable,
            GpuFault::Corrupt { .. } => Self::Corrupt,
            GpuFault::Invalid { .. } => Self::Invalid,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
        }
    }
}

impl Default for Figures {
    fn default() -> Self {
        let histogram = || Histogram::new(BUCKETS_S.iter().copied().filter(|at| at.is_finite()));
        Self {
            votes: Default::default(),
            ballots: [histogram(), histogram()],
            faults: Default::default(),
            rechecked: Counter::default(),
            mismatches: Counter::default(),
            now: Mutex::default(),
        }
    }
}

impl Figures {
    /// Votes that were computed on `engine`.
    #[must_use]
    pub fn votes(&self, engine: EngineKind) -> u64 {
        self.votes[engine as usize].get()
    }

    /// How long ballots took on `engine`.
    #[must_use]
    pub fn ballots(&self, engine: EngineKind) -> &Histogram {
        &self.ballots[engine as usize]
    }

    /// Faults of devices, by the name of their class.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        FaultClass::ALL.iter().map(|class| (class.as_str(), self.faults[*class as usize].get()))
    }

    /// Runs of a device that the processor recomputed.
    #[must_use]
    pub fn rechecks(&self) -> u64 {
        self.rechecked.get()
    }

    /// Times that it found another word.
    #[must_use]
    pub fn mismatches(&self) -> u64 {
        self.mismatches.get()
    }

    /// How the breaker before the device stands; none when no device was ever wanted.
    #[must_use]
    pub fn breaker(&self) -> Option<BreakerState> {
        self.with(|now| now.breaker)
    }

    /// The adapter that is open now.
    #[must_use]
    pub fn adapter(&self) -> Option<AdapterCard> {
        self.with(|now| now.adapter.clone())
    }

    /// The adapter that was opened last, be it open or not.
    #[must_use]
    pub fn last_adapter(&self) -> Option<AdapterCard> {
        self.with(|now| now.last_adapter.clone())
    }

    pub(super) fn answered(&self, by: EngineKind, votes: u64, took: Duration) {
        self.votes[by as usize].inc_by(votes);
        self.ballots[by as usize].observe(took.as_secs_f64());
    }

    pub(super) fn failed(&self, class: FaultClass) {
        self.faults[class as usize].inc();
    }

    pub(super) fn rechecked(&self, runs: usize) {
        self.rechecked.inc_by(u64::try_from(runs).unwrap_or(u64::MAX));
    }

    pub(super) fn mismatched(&self) {
        self.mismatches.inc();
    }

    pub(super) fn breaker_is(&self, state: BreakerState) {
        self.with(|now| now.breaker = Some(state));
    }

    pub(super) fn device_is(&self, adapter: Option<&AdapterCard>) {
        self.with(|now| {
            now.adapter = adapter.cloned();
            now.last_adapter = adapter.cloned().or_else(|| now.last_adapter.take());
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Now) -> T) -> T {
        act(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
