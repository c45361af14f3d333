//! Futures of wgpu that are ready as soon as they are made: all but those of browsers are.

use crate::fault::GpuFault;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What `future` has been ready with from the beginning.
///
/// # Errors
/// [`GpuFault::Unavailable`] when it is not ready.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Result<T, GpuFault> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => Ok(ready),
        Poll::Pending => Err(GpuFault::unavailable("the driver does not answer at once")),
    }
}
