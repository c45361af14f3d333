//! Named places where a test lets the process die: `CONCLAVE_CRASH_AT=after_send:3` ends it at the
//! third passage of `after_send`, without a chance to clean up. Read once: passing costs one load
//! of a word that never changes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a round may be cut off, in the order of passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// Nothing of the round has left.
    BeforeSend,
    /// Its offset is with the brokers in an open transaction, its records are not.
    AfterOffsets,
    /// Its offset and its records are with the brokers, in an open transaction.
    AfterSend,
    /// The same, while the partition is held.
    BeforeCommit,
    /// It is committed, and this process does not know it yet.
    AfterCommit,
    /// It is committed and folded, and nobody was told.
    BeforePublish,
}

impl CrashPoint {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeSend => "before_send",
            Self::AfterOffsets => "after_offsets",
            Self::AfterSend => "after_send",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforePublish => "before_publish",
        }
    }
}

/// What the environment asks for.
struct Asked {
    name: String,
    passages_left: AtomicU64,
}

/// Ends the process when this is the passage that was asked for.
pub(crate) fn pass(point: CrashPoint) {
    static ASKED: OnceLock<Option<Asked>> = OnceLock::new();
    let Some(asked) = ASKED.get_or_init(from_environment) else { return };
    if asked.name == point.name() && asked.passages_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

fn from_environment() -> Option<Asked> {
    let text = std::env::var("CONCLAVE_CRASH_AT").ok()?;
    let (name, passage) = text.split_once(':')?;
    let passages_left = AtomicU64::new(passage.parse().ok()?);
    Some(Asked { name: name.to_owned(), passages_left })
}
