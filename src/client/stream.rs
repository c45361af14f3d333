//! Decisions as they are made: server-sent events.

use crate::error::{Error, Result};
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use ureq::{Body, BodyReader};

/// Bytes of a line: the largest decision, as JSON.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Decisions of a service, each as the JSON that it sent. Ends when the service does.
pub struct Decisions {
    lines: BufReader<BodyReader<'static>>,
    address: String,
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decisions").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Decisions {
    pub(super) fn of(body: Body, address: &str) -> Self {
        Self { lines: BufReader::new(body.into_reader()), address: address.to_owned() }
    }

    /// The next decision; none when the service has closed the stream.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke.
    pub fn next_decision(&mut self) -> Result<Option<String>> {
        let mut data = String::new();
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() && !data.is_empty() {
                return Ok(Some(data));
            }
            if let Some(more) = line.strip_prefix("data:") {
                data.push_str(more.strip_prefix(' ').unwrap_or(more));
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let read = self.lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
        let broken = |error| {
            Error::unavailable(format!("the stream from {} broke: follow it again", self.address))
                .caused_by(error)
        };
        match read.map_err(broken)? {
            0 => Ok(None),
            _ => Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned())),
        }
    }
}
