//! What broke, sorted by what the reader does next.

/// Something broke.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written: look at the path and try again.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Something that was given is not as it has to be: repair what the sentence names.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The program contradicts itself: report it.
    #[error("bug: {0}; please report it")]
    Bug(String),
}

/// What may break.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit code of a command that ended with it, as conclave's own.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) => 2,
            Self::Unavailable(_) => 3,
            Self::Bug(_) => 70,
        }
    }
}
