//! One command as the log holds it: everything that a decision about it may depend on.

use crate::command::Command;
use crate::decision::Rejected;
use crate::decision::Remembered;
use crate::limits::TIME_MS_MAX;
use crate::units::{Hash32, Offset, TimeMs};

/// One record of the command log, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its offset.
    pub offset: Offset,
    /// The record's own time; the command's time is never before its predecessor's.
    pub time_ms: TimeMs,
    /// The record's key.
    pub key: Vec<u8>,
    /// Digest of partition, offset, time, key, schema fingerprint and bytes.
    pub input_hash: Hash32,
    /// What the bytes said.
    pub content: Content,
}

impl Input {
    /// Log time of the command when `before` is that of the one before it: never earlier.
    #[must_use]
    pub fn log_time(&self, before: TimeMs) -> TimeMs {
        before.max(self.time_ms.min(TIME_MS_MAX))
    }
}

/// What a record's bytes said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A command.
    Readable {
        /// The command, not validated yet.
        command: Box<Command>,
        /// Digests of its id and payload.
        digests: Remembered,
    },
    /// Not a command of ours; the edge that tried to read it says why.
    Unreadable(Rejected),
}
