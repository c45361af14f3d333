//! `skips.log`: commands that a person wants to be left undecided, because deciding them stops the
//! partition. The engine reads it when it takes up the log, and answers each of them `Failed`.
//!
//! A line names one command. It stays in the file until the next one is added after it was used, so
//! that a crash in between loses nothing; the engine passes over what has a decision.

use crate::error::{Error, Result};
use crate::log::file;
use conclave_core::limits::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use conclave_core::units::{Offset, UserId};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "skips.log";
/// Commands that may be skipped at one start. Whoever needs more needs another release.
pub const SKIPS_MAX: usize = 100;

/// A command that is not to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Which command.
    pub offset: Offset,
    /// Who wants that.
    pub operator: UserId,
    /// Why.
    pub reason: String,
}

impl Skip {
    /// Whether a decision can say it.
    ///
    /// # Errors
    /// `Invalid`, naming what is missing or too long.
    pub fn check(&self) -> Result<()> {
        let texts = [
            ("operator", self.operator.0.as_str(), ID_BYTES_MAX),
            ("reason", self.reason.as_str(), TEXT_BYTES_MAX),
        ];
        for (what, text, bytes_max) in texts {
            if text.trim().is_empty() || text.len() > bytes_max {
                let bytes = text.len();
                return Err(Error::invalid(format!(
                    "the {what} has {bytes} bytes: give one of 1 to {bytes_max}, it stays in the \
                     log"
                )));
            }
        }
        Ok(())
    }
}

/// What the file says, by offset; nothing when there is none.
///
/// # Errors
/// `Corrupt` when it is not what was written, `Unavailable` when it cannot be read.
pub fn read(directory: &Path) -> Result<Vec<Skip>> {
    let path = path(directory);
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| {
            Error::corrupt(format!(
                "{} is damaged: remove it, and name the commands to skip again",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => {
            Err(Error::unavailable(format!("cannot read {}", path.display())).caused_by(error))
        }
    }
}

/// Replaces the file.
///
/// # Errors
/// When the disk refuses; the old file is still there.
pub(super) fn replace(directory: &Path, skips: &[Skip]) -> io::Result<()> {
    let mut bytes = vec![];
    for skip in skips {
        serde_json::to_writer(&mut bytes, skip).map_err(io::Error::other)?;
        bytes.push(b'\n');
    }
    file::replace(directory, FILE_NAME, &bytes)?;
    file::sync_names(directory)
}

fn path(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

fn parse(bytes: &[u8]) -> Option<Vec<Skip>> {
    let lines = std::str::from_utf8(bytes).ok()?.lines();
    let skips: Vec<Skip> =
        lines.map(serde_json::from_str).collect::<std::result::Result<_, _>>().ok()?;
    let is_sound = skips.len() <= SKIPS_MAX
        && skips.is_sorted_by(|one, next| one.offset < next.offset)
        && skips.iter().all(|skip| skip.check().is_ok());
    is_sound.then_some(skips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn skip(offset: i64) -> Skip {
        let (operator, reason) = (UserId::from("ada"), "it panics\n\"so\"".to_owned());
        Skip { offset: Offset(offset), operator, reason }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), []);
        for skips in [vec![skip(3)], vec![skip(3), skip(9)], vec![]] {
            replace(directory.path(), &skips).unwrap();
            assert_eq!(read(directory.path()).unwrap(), skips);
        }
    }

    #[test]
    fn a_file_that_was_not_written_so_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let sound = r#"{"offset":3,"operator":"ada","reason":"it panics"}"#;
        let other = sound.replace("ada", "");
        let more = sound.replace('}', ",\"and\":1}");
        let twice = format!("{sound}\n{sound}");
        for text in [&sound[1..], &other, &more, &twice, "\u{fffd}"] {
            fs::write(directory.path().join(FILE_NAME), text).unwrap();
            let error = read(directory.path()).expect_err(text);
            assert_eq!(error.kind, ErrorKind::Corrupt, "{text}");
        }
    }
}
