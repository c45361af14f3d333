//! Something that computes batches: a device, or in tests something that lies or hangs.

use crate::fault::GpuFault;
use conclave_core::council::{Ran, Run};
use std::time::Instant;

/// Ends a device at once, from any thread.
pub type Stop = Box<dyn Fn() + Send + Sync>;

/// Something that computes batches of one council.
pub trait Machine: Send {
    /// What became of each run of `batch`, in order.
    ///
    /// # Errors
    /// [`GpuFault`]: a machine that is late, lost or wrong is not used again.
    fn compute(&mut self, batch: &[Run], until: Instant) -> Result<Vec<Ran>, GpuFault>;

    /// How it computes, for people.
    fn way(&self) -> &'static str;

    /// What ends it at once. A machine that is no device needs nothing.
    fn stop(&self) -> Stop {
        Box::new(|| {})
    }
}
