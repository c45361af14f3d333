//! What a partition that is decided here waits for.

use super::Service;
use crate::report::awaiting::Awaiting;

impl Service {
    /// What the next command waits for, where it is decided here: the file of a council, or the
    /// schema that it was written by. None while decisions can flow.
    #[must_use]
    pub fn awaiting(&self) -> Option<Awaiting> {
        let why = self.shared.awaited()?;
        Some(Awaiting { partition: self.partition(), commands: self.lag(), why })
    }
}
