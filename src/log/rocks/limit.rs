//! Opening a store within a time limit: `RocksDB` reads some damaged tails of its newest file for
//! ever.

use crate::error::{Error, Result};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// How long opening may take before the log counts as unreadable: a sound one of a million
/// decisions takes a second or two.
const OPEN_TIMEOUT: Duration = Duration::from_secs(40);

/// What `open` answers, or `Corrupt` when it does not come to an end. It cannot be interrupted: its
/// thread is given up, and ends with the process.
pub(super) fn opened<T: Send + 'static>(
    path: &Path,
    open: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = mpsc::channel();
    // When nobody waits for the answer any more, it is dropped with the channel.
    std::thread::spawn(move || answer.send(open()).ok());
    answered.recv_timeout(OPEN_TIMEOUT).unwrap_or_else(|_| {
        Err(Error::corrupt(format!(
            "RocksDB does not come to an end with the newest file of {} within {} s: it is \
             damaged, or the disk hardly answers (see docs/runbooks/corrupt-log.md)",
            path.display(),
            OPEN_TIMEOUT.as_secs()
        )))
    })
}
