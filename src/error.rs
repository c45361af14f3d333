//! What broke, sorted by what the reader does next. A refused command is no error: see
//! [`conclave_core::rejection`].

use std::fmt;

/// Something broke.
#[derive(Debug)]
pub struct Error {
    /// What to do next.
    pub kind: ErrorKind,
    /// What broke, and the sentence that says what to do.
    pub message: String,
    /// What it was caused by.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the reader of an error does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again later: a disk that is full, a file that is locked, a service that is away.
    Unavailable,
    /// Fix the input or the setting that the message names.
    Invalid,
    /// Stop and open the runbook: stored data is not what was written.
    Corrupt,
    /// Report it: the program contradicts itself.
    Bug,
}

impl ErrorKind {
    /// The exit code of a command that ended with such an error.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::Unavailable => 3,
            Self::Corrupt => 4,
            Self::Bug => 70,
        }
    }

    /// The kind as logs and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::Corrupt => "corrupt",
            Self::Bug => "bug",
        }
    }
}

/// Whoever has to vote is not here: it may come.
impl From<conclave_core::seat::Absent> for Error {
    fn from(absent: conclave_core::seat::Absent) -> Self {
        Self::unavailable(absent.to_string())
    }
}

impl Error {
    /// An error to retry.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unavailable, message: message.into(), source: None }
    }

    /// An error in what somebody gave us.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into(), source: None }
    }

    /// An error in what we stored.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Corrupt, message: message.into(), source: None }
    }

    /// An error of ours.
    pub fn bug(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Bug, message: message.into(), source: None }
    }

    /// The same error, naming its cause.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Results of the service.
pub type Result<T> = std::result::Result<T, Error>;
