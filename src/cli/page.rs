//! Results on stdout, line by line. A reader that has seen enough is no error.

use crate::error::{Error, Result};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{BufWriter, ErrorKind, StdoutLock, Write};

/// Stdout, one line at a time.
#[derive(Debug)]
pub struct Page {
    out: BufWriter<StdoutLock<'static>>,
    is_closed: bool,
}

impl Page {
    /// Takes stdout until it is dropped.
    #[must_use]
    pub fn open() -> Self {
        Self { out: BufWriter::new(std::io::stdout().lock()), is_closed: false }
    }

    /// Whether nobody reads on, so that nothing more need be said.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// One line, with control characters shown as escapes.
    ///
    /// # Errors
    /// `Unavailable` when stdout cannot be written; not when its reader has gone.
    pub fn line(&mut self, line: &str) -> Result<()> {
        let written = writeln!(self.out, "{}", shown(line));
        self.note(written)
    }

    /// One value as a line of JSON.
    ///
    /// # Errors
    /// `Unavailable` when stdout cannot be written; not when its reader has gone.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(value);
        self.line(&line.map_err(|error| Error::bug("a result is no JSON").caused_by(error))?)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// `Unavailable` when stdout cannot be written; not when its reader has gone.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.out.flush();
        self.note(flushed)
    }

    fn note(&mut self, written: std::io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_closed = true,
            Err(error) => {
                return Err(Error::unavailable("stdout cannot be written").caused_by(error));
            }
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Names come from senders: what would move a terminal's cursor is shown as an escape.
pub(super) fn shown(line: &str) -> Cow<'_, str> {
    if !line.contains(char::is_control) {
        return line.into();
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    line.chars().map(escaped).collect::<String>().into()
}

/// Tells people something that is no result.
pub fn say(sentence: &str) {
    // When stderr is closed there is nobody left to tell.
    let _ignored = writeln!(std::io::stderr(), "{sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(shown("job-1 für alle"), "job-1 für alle");
        assert_eq!(shown("a\u{1b}[31mred\r\n"), r"a\u{1b}[31mred\r\n");
    }
}
