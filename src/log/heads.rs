//! `heads.log`: where the log ended, kept beside it, so that a log that lost its end says so.
//!
//! A store that recovers from damage may open with fewer records than were acknowledged. It cannot
//! know what is missing; this file can. It is replaced by rename at least once a second, at every
//! sync and when the log is closed, and never names anything that is not stored yet.

use crate::error::{Error, Result};
use crate::log::{LogEnds, file};
use conclave_core::units::{Hash32, Offset};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "heads.log";

const TITLE: &str = "conclave heads 1";

/// Where the file of this data directory is.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// Where the old file is kept once the operator has accepted a loss at `offset`.
#[must_use]
pub fn path_of_lost(directory: &Path, offset: Offset) -> PathBuf {
    directory.join(format!("{FILE_NAME}.lost-{offset}"))
}

/// What the file says; `None` when there is none.
///
/// # Errors
/// `Corrupt` when it is not what was written, `Unavailable` when it cannot be read.
pub fn read(directory: &Path) -> Result<Option<LogEnds>> {
    let path = path(directory);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| {
            Error::corrupt(format!(
                "{} is damaged: nobody can tell whether the log \
                 beside it is whole",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::corrupt(format!("{} is not text", path.display())))
        }
        Err(error) => {
            Err(Error::unavailable(format!("cannot read {}", path.display())).caused_by(error))
        }
    }
}

/// Replaces the file: whoever reads it, or crashes, sees the old one or the new one. A power cut
/// may bring back the old one until the names of the directory are synced.
///
/// # Errors
/// When the disk refuses; the old file is still there.
pub fn replace(directory: &Path, ends: &LogEnds) -> io::Result<()> {
    file::replace(directory, FILE_NAME, render(ends).as_bytes())
}

fn render(ends: &LogEnds) -> String {
    let LogEnds { commands_next, decisions_next, head } = ends;
    let mut text = format!(
        "{TITLE}\ncommands_next {commands_next}\ndecisions_next {decisions_next}\nhead {head}\n"
    );
    let check = check_of(&text);
    writeln!(text, "check {check}").expect("a string takes any text");
    text
}

fn parse(text: &str) -> Option<LogEnds> {
    let checked = &text[..text.rfind("check ")?];
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    if field("conclave")? != &TITLE["conclave ".len()..] {
        return None;
    }
    let ends = LogEnds {
        commands_next: parse_offset(field("commands_next")?)?,
        decisions_next: parse_offset(field("decisions_next")?)?,
        head: parse_hash(field("head")?)?,
    };
    let is_whole = field("check")? == check_of(checked) && lines.next().is_none();
    (is_whole && ends.decisions_next <= ends.commands_next).then_some(ends)
}

fn check_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

fn parse_offset(text: &str) -> Option<Offset> {
    text.parse().ok().filter(|&offset| offset >= 0).map(Offset)
}

fn parse_hash(text: &str) -> Option<Hash32> {
    blake3::Hash::from_hex(text).ok().map(|hash| Hash32(*hash.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn ends(commands_next: i64, decisions_next: i64) -> LogEnds {
        LogEnds {
            commands_next: Offset(commands_next),
            decisions_next: Offset(decisions_next),
            head: Hash32([0xa5; 32]),
        }
    }

    #[test]
    fn the_newest_heads_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), None);
        for written in [ends(0, 0), ends(10, 3), ends(i64::MAX, i64::MAX)] {
            replace(directory.path(), &written).unwrap();
            assert_eq!(read(directory.path()).unwrap(), Some(written));
        }
    }

    #[test]
    fn a_file_that_is_not_whole_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let whole = render(&ends(10, 3));
        let damaged = (0..whole.len()).flat_map(|at| {
            let mut flipped = whole.clone().into_bytes();
            flipped[at] ^= 1;
            [whole.as_bytes()[..at].to_vec(), flipped]
        });
        // The line break that ends the file carries nothing, so its loss is no damage.
        for bytes in damaged.filter(|bytes| bytes.trim_ascii_end() != whole.trim_end().as_bytes()) {
            fs::write(path(directory.path()), &bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let error = read(directory.path()).expect_err(&text);
            assert_eq!(error.kind, ErrorKind::Corrupt, "{text}");
        }
    }
}
