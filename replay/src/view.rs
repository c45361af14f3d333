//! The log as it is seen: up to where, since when, and what is wrong with it.

use conclave::cli::page::say;
use conclave::error::{Error, ErrorKind, Result};
use conclave::log::rocks::RocksReader;
use conclave::log::{LogEnds, LogReader};
use conclave::wire::decode_decision;
use conclave_core::units::{Offset, TimeMs};
use std::path::Path;

pub(crate) struct View {
    pub(crate) log: RocksReader,
    pub(crate) ends: LogEnds,
}

impl View {
    /// Opens the log in `dir` and says up to where it is seen: somebody may be writing to it.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let log = RocksReader::open(dir)?;
        let ends = log.ends()?;
        let LogEnds { commands_next, decisions_next, head: _ } = ends;
        let seen = match decisions_next.0 {
            0 => "no decision yet".to_owned(),
            next => format!("decisions up to offset {}", next - 1),
        };
        let undecided = commands_next.0 - decisions_next.0;
        let waiting =
            if undecided > 0 { format!(", {undecided} commands undecided") } else { String::new() };
        say(&format!("{}: {seen}{waiting}", dir.display()));
        Ok(Self { log, ends })
    }

    /// Log time of the first decision: what durations are counted from.
    pub(crate) fn began_at(&self) -> Result<TimeMs> {
        match self.log.decisions(Offset(0), 0)?.first() {
            Some(first) => Ok(decode_decision(&first.body)?.time_ms),
            None => Ok(TimeMs(0)),
        }
    }

    /// That `offset` is within the log.
    ///
    /// # Errors
    /// `Corrupt` when the log is damaged before it, `Unavailable` when it is not there yet.
    pub(crate) fn check_reaches(&self, offset: Offset) -> Result<()> {
        if offset < self.ends.decisions_next {
            return Ok(());
        }
        if self.log.damage().is_some() {
            return self.end(0).map(|_| ());
        }
        Err(Error::unavailable(match self.ends.decisions_next.0 {
            0 => "the log has no decisions yet".to_owned(),
            next => format!("there is no decision {offset} yet: the last one is {}", next - 1),
        }))
    }

    /// The exit code of an answer, unless the log is damaged: then everything before the damage was
    /// answered, and the damage is the last word.
    pub(crate) fn end(&self, code: u8) -> Result<u8> {
        match self.log.damage() {
            None => Ok(code),
            Some(damage) => Err(self.explain(Error::corrupt(damage.to_string()))),
        }
    }

    /// Adds to an error about stored bytes where the log should end.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if error.kind != ErrorKind::Corrupt {
            return error;
        }
        let advice = match self.log.lost_from() {
            Ok(lost_from) => advice(lost_from),
            Err(other) => format!("from which offset on is not known: {other}"),
        };
        // The cause belongs to what broke, before what to do.
        Error::corrupt(format!("{error}; {advice}"))
    }
}

fn advice(lost_from: Option<Offset>) -> String {
    match lost_from {
        Some(offset) => format!(
            "the log should end before offset {offset}: restore a copy, or drop every lease with a \
             fencing number of {offset} or more (docs/runbooks/corrupt-log.md) and go on without \
             everything from there with --accept-loss-at {offset}"
        ),
        None => {
            "nothing acknowledged is missing: restore a copy, or open it to see more".to_owned()
        }
    }
}
