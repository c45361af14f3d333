//! A log for reading, whoever keeps it: the embedded one, or a partition of Kafka's topics.

use crate::error::Result;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use conclave_core::units::Offset;
use std::fmt;
use std::sync::Arc;

/// A log for reading in any thread. Clones read the same log.
#[derive(Clone)]
pub struct Reader(Arc<dyn LogReader + Send + Sync>);

impl Reader {
    /// Reads `log`.
    #[must_use]
    pub fn new(log: impl LogReader + Send + Sync + 'static) -> Self {
        Self(Arc::new(log))
    }
}

impl LogReader for Reader {
    fn partition(&self) -> i64 {
        self.0.partition()
    }

    fn ends(&self) -> Result<LogEnds> {
        self.0.ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.0.commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.0.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.0.snapshot(offset)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("partition", &self.partition()).finish_non_exhaustive()
    }
}
