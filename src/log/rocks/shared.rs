//! Reading an embedded log from other threads of the process that writes it.

use super::store::Store;
use crate::error::{Error, Result};
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use conclave_core::units::Offset;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where the log ends, as its writer last said.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedEnds(Arc<Mutex<LogEnds>>);

impl SharedEnds {
    pub(super) fn set(&self, ends: LogEnds) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    fn get(&self) -> LogEnds {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log that this process writes, for reading in another thread: it ends where the writer's last
/// write ended. Holding one does not keep the store open: once its writer has gone, it has to be
/// possible to open the directory again, whoever still has a question.
#[derive(Clone)]
pub struct SharedReader {
    store: Weak<Store>,
    ends: SharedEnds,
}

impl SharedReader {
    pub(super) fn of(store: &Arc<Store>, ends: &SharedEnds) -> Self {
        Self { store: Arc::downgrade(store), ends: ends.clone() }
    }

    /// The store, for as long as one answer takes.
    fn store(&self) -> Result<Arc<Store>> {
        self.store.upgrade().ok_or_else(|| {
            Error::unavailable("the log is closed, or being opened again: ask again in a moment")
        })
    }
}

impl LogReader for SharedReader {
    fn ends(&self) -> Result<LogEnds> {
        Ok(self.ends.get())
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.store()?.records(from, self.ends.get().commands_next, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.store()?.records(from, self.ends.get().decisions_next, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.store()?.records(from, self.ends.get().decisions_next, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.store()?.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.store()?.snapshot(offset)
    }
}

impl std::fmt::Debug for SharedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedReader").field("ends", &self.ends).finish_non_exhaustive()
    }
}
