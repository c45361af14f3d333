//! What comes in, by which way, and whom to tell what became of it.

use super::room::Receipt;
use crate::log::{CommandRecord, Headers};
use crate::wire::encode_command;
use conclave_core::command::Command;
use conclave_core::decision::Decision;
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::fmt;
use std::sync::mpsc::SyncSender;
use tokio::sync::oneshot;

/// A command as its edge made it. The shell loop stamps its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    /// The record's key: the pool.
    pub key: Vec<u8>,
    /// Framed Avro.
    pub value: Vec<u8>,
    /// Correlation, causation, trace.
    pub headers: Headers,
}

impl NewCommand {
    /// One that Conclave sends itself.
    pub(super) fn own(command: &Command) -> Self {
        Self { key: vec![], value: encode_command(command), headers: Headers::new() }
    }

    pub(super) fn stamped(self, time_ms: TimeMs) -> CommandRecord {
        let Self { key, value, headers } = self;
        CommandRecord { time_ms, key, value, headers }
    }
}

/// A committed decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// Digest of its body.
    pub hash: Hash32,
}

/// Where a command stands in the outbox that keeps it until its log can be reached. Positions grow,
/// and are no offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

/// Why there is no answer. Whatever is said here, sending the same command again under the same id
/// is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// Too many commands wait already: nothing was accepted.
    Busy,
    /// The log cannot be reached, and the outbox holds as much as it may: nothing was accepted.
    Full {
        /// How many commands that is, if they are small.
        commands_max: u64,
    },
    /// No log takes a command of this size: nothing was accepted.
    TooLarge {
        /// Its bytes as a record.
        bytes: usize,
        /// How many there may be.
        bytes_max: usize,
    },
    /// The log cannot be written just now: nothing was accepted, or what was accepted is decided
    /// later.
    Away(String),
    /// Deciding has stopped, and somebody has to look.
    Stopped(String),
    /// The service is going down.
    Closing,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many commands wait already: send it again in a moment"),
            Self::Full { commands_max } => write!(
                f,
                "the log cannot be reached, and the outbox holds as much as it may \
                 (kafka.outbox_commands_max = {commands_max}): send it again with its id"
            ),
            Self::TooLarge { bytes, bytes_max } => {
                write!(f, "a record of {bytes} bytes: the log takes at most {bytes_max}")
            }
            Self::Away(why) => {
                write!(f, "the log cannot be written just now ({why}): send it again with its id")
            }
            Self::Stopped(why) => write!(f, "deciding has stopped: {why}"),
            Self::Closing => f.write_str("the service is going down: send it again with its id"),
        }
    }
}

/// Whom to tell what.
#[derive(Debug)]
pub(super) enum Reply {
    /// That it was accepted.
    Accepted(oneshot::Sender<Result<Offset, SubmitError>>),
    /// How it was decided.
    Decided(oneshot::Sender<Result<Answer, SubmitError>>),
}

impl Reply {
    /// Whether nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Accepted(to) => to.is_closed(),
            Self::Decided(to) => to.is_closed(),
        }
    }

    pub(super) fn refuse(self, error: SubmitError) {
        // Whoever does not wait any more is not told.
        match self {
            Self::Accepted(to) => drop(to.send(Err(error))),
            Self::Decided(to) => drop(to.send(Err(error))),
        }
    }
}

/// Sends a command to a log that is decided elsewhere: see [`Service::follow`].
///
/// [`Service::follow`]: super::Service::follow
pub type Submit = Box<dyn Fn(NewCommand, Receipt) -> Result<(), SubmitError> + Send + Sync>;

/// By which way commands come into the log.
pub(super) enum Intake {
    /// The shell loop of this process accepts and decides them.
    Shell(SyncSender<Submission>),
    /// They are sent to the log.
    Outbox(Submit),
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shell(_) => "Shell",
            Self::Outbox(_) => "Outbox",
        })
    }
}

/// What the shell loop is sent.
#[derive(Debug)]
pub(super) enum Submission {
    /// A command.
    Command(NewCommand, Reply),
    /// Decide what is there and end.
    Close,
}
