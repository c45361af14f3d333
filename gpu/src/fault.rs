//! Why no words came: never a wrong word, and never a panic.

use conclave_core::council::BadCouncil;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Why a device computed nothing that can be used. The processor finds the same words, so whatever
/// the fault, what it costs is time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuFault {
    /// No device, or none that answers: lost, late, out of memory or with a full queue.
    #[error("the GPU cannot be used: {reason}; compute on the processor, and open it again later")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// It answers with other words than the reference, or with words that no council makes.
    #[error("the GPU computes wrong words: {reason}; do not use this adapter with this driver")]
    Corrupt {
        /// Which words.
        reason: String,
    },
    /// The batch is none for this council.
    #[error(
        "the batch cannot be computed: {reason}; send states of this council, and less at once"
    )]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

impl GpuFault {
    /// [`GpuFault::Unavailable`], because of `reason`.
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        Self::Unavailable { reason: reason.to_string() }
    }

    /// [`GpuFault::Corrupt`], because of `reason`.
    pub fn corrupt(reason: impl fmt::Display) -> Self {
        Self::Corrupt { reason: reason.to_string() }
    }

    /// [`GpuFault::Invalid`], because of `reason`.
    pub fn invalid(reason: impl fmt::Display) -> Self {
        Self::Invalid { reason: reason.to_string() }
    }
}

impl From<BadCouncil> for GpuFault {
    fn from(bad: BadCouncil) -> Self {
        Self::corrupt(bad)
    }
}

/// What is known of a device, shared by its thread, its callbacks and its callers. A device that
/// failed once stays failed: whoever wants it again opens it again, and it is tested again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    fault: Option<GpuFault>,
    busy_until: Option<Instant>,
}

impl Health {
    /// Remembers the first fault, which is the cause of the others.
    pub(crate) fn fail(&self, fault: GpuFault) {
        self.with(|known| {
            known.fault.get_or_insert(fault);
        });
    }

    /// # Errors
    /// The first fault.
    pub(crate) fn check(&self) -> Result<(), GpuFault> {
        self.with(|known| known.fault.clone()).map_or(Ok(()), Err)
    }

    /// The first fault, or else `otherwise`.
    pub(crate) fn fault_or(&self, otherwise: GpuFault) -> GpuFault {
        self.with(|known| known.fault.clone()).unwrap_or(otherwise)
    }

    /// The thread works on something that has to be done by then, or on nothing.
    pub(crate) fn works_until(&self, until: Option<Instant>) {
        self.with(|known| known.busy_until = until);
    }

    /// Whether the thread should have been done with something long ago: it is stuck in the driver.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        self.with(|known| known.busy_until).is_some_and(|until| until <= now)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
