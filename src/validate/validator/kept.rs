//! What a validator knows, as bytes: another process goes on with it. The first line is the digest
//! of what follows: rules that went on from a changed number would find faults that are none, or
//! pass over some.

use super::{Ahead, Letters, Validator};
use crate::error::{Error, Result};
use crate::validate::acknowledged::Owed;
use crate::validate::books::Books;
use crate::validate::digits::Digits;
use crate::validate::feed::Places;
use crate::validate::findings::Findings;
use crate::validate::line::Line;
use crate::validate::once::Once;
use crate::validate::report::Report;
use crate::validate::rounds::Rounds;
use crate::wire::RecordedReader;
use conclave_core::units::{Hash32, Offset};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised when a rule begins to need what an older validator did not keep.
const VERSION: u32 = 2;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    blake3: String,
}

/// How a file begins that an older release wrote, without a digest.
const UNSEALED: &[u8] = b"[{\"version\":";

/// What is said first.
#[derive(Debug, Serialize, Deserialize)]
struct Preamble {
    version: u32,
    partition: i64,
    places: Places,
    covered: Offset,
    head: Digits<Hash32>,
    last_read: Offset,
    last_digest: Digits<Hash32>,
    commands: u64,
    decisions: u64,
    dead_letters: u64,
    unchecked: u64,
    unchecked_because: Option<String>,
}

/// All that is kept, in this order.
type Kept = (Preamble, Rounds, Books, Once, Letters, Findings);

impl Validator {
    /// What it knows, when it reads on at `places`; none while a decision waits for its command,
    /// and for a validator that does not look at decisions any more.
    ///
    /// Commands that were passed over are left out: a decision that comes for one of them later is
    /// a finding all the same.
    ///
    /// # Errors
    /// `Bug`: what it knows can be written.
    pub fn kept(&self, places: Places) -> Result<Option<Vec<u8>>> {
        if self.is_blind || !self.decisions.records.is_empty() {
            return Ok(None);
        }
        let undecided = self.commands.records.len() as u64;
        let command = self.commands.next().map_or(places.command, |next| next.0);
        let report = &self.report;
        let preamble = Preamble {
            version: VERSION,
            partition: self.partition,
            places: Places { command, ..places },
            covered: self.line.covered,
            head: Digits(self.line.head),
            last_read: self.last_read.covered,
            last_digest: Digits(self.last_read.head),
            commands: report.commands - undecided,
            decisions: report.decisions,
            dead_letters: report.dead_letters,
            unchecked: report.unchecked,
            unchecked_because: report.unchecked_because.clone(),
        };
        let kept = (preamble, &self.rounds, &self.books, &self.once, &self.letters, &self.findings);
        let bytes = serde_json::to_vec(&kept).and_then(|body| sealed(&body));
        bytes.map(Some).map_err(|error| Error::bug("the books cannot be written").caused_by(error))
    }

    /// The validator of `partition` that knew what `bytes` say, and where it reads on.
    ///
    /// # Errors
    /// `Invalid` when another release wrote them, or for another partition; `Corrupt` when they are
    /// not what was written.
    pub fn of_kept(bytes: &[u8], partition: i64, reader: RecordedReader) -> Result<(Self, Places)> {
        let unread = || Error::invalid("another release wrote it");
        if bytes.starts_with(UNSEALED) {
            return Err(unread());
        }
        let body = unsealed(bytes).ok_or_else(|| {
            Error::corrupt("it is damaged: its digest is not that of what it holds")
        })?;
        let kept: Kept = serde_json::from_slice(body).map_err(|error| unread().caused_by(error))?;
        let (preamble, rounds, books, once, letters, findings) = kept;
        let Preamble { version, places, covered, head: Digits(head), .. } = preamble;
        if version != VERSION {
            return Err(unread());
        }
        if preamble.partition != partition {
            let other = preamble.partition;
            return Err(Error::invalid(format!("it is of partition {other}")));
        }
        let report = Report {
            commands: preamble.commands,
            decisions: preamble.decisions,
            dead_letters: preamble.dead_letters,
            unchecked: preamble.unchecked,
            unchecked_because: preamble.unchecked_because,
            ..Report::nothing(partition)
        };
        let validator = Self {
            partition,
            reader,
            commands: Ahead::default(),
            commands_known_before: Offset(places.command),
            last_command: Offset(places.command.saturating_sub(1)),
            decisions: Ahead::default(),
            line: Line { covered, head },
            last_read: Line { covered: preamble.last_read, head: preamble.last_digest.0 },
            rounds,
            books,
            once,
            letters,
            owed: Owed::default(),
            passed_over: BTreeMap::new(),
            is_blind: false,
            findings,
            report,
        };
        Ok((validator, places))
    }
}

/// `body` behind its digest.
fn sealed(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let seal = Seal { blake3: blake3::hash(body).to_string() };
    let mut bytes = serde_json::to_vec(&seal)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// What stands behind the digest; none when it is not what was written.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (first, rest) = bytes.split_at(end);
    let seal: Seal = serde_json::from_slice(first).ok()?;
    let body = &rest[1..];
    (seal.blake3 == blake3::hash(body).to_string()).then_some(body)
}
