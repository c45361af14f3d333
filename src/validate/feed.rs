//! Where records come from: each stream in the order in which it is stored, a piece at a time.

use crate::error::{Error, Result};
use crate::log::rocks::RocksReader;
use crate::log::{DeadLetterRecord, DecisionRecord, LogReader, StoredCommand};
use conclave_core::units::Offset;

/// Where a log ended when it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedEnds {
    /// Commands before this offset can be read, and no others were accepted before it.
    pub commands_next: Offset,
    /// The same of decisions, which are called by the offsets of their commands.
    pub decisions_next: Offset,
}

/// The three streams of one partition. Each answers with the next records of its own, in the order
/// in which they are stored, and with none when there are no more for now.
pub trait Feed {
    /// Looks where the log ends now. Streams go on to there, and maybe further.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn look(&mut self) -> Result<FeedEnds>;

    /// The next commands, about `bytes_max` of them.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>>;

    /// The next decisions.
    ///
    /// # Errors
    /// As [`Feed::commands`].
    fn decisions(&mut self, bytes_max: usize) -> Result<Vec<DecisionRecord>>;

    /// The next dead letters.
    ///
    /// # Errors
    /// As [`Feed::commands`].
    fn dead_letters(&mut self, bytes_max: usize) -> Result<Vec<DeadLetterRecord>>;

    /// What is wrong with the log beyond its last record, if anything is.
    fn damage(&self) -> Option<&Error> {
        None
    }
}

/// Any log, through what all logs answer alike. It asks by offset, so it never sees a record again
/// that stands behind its place: a feed that reads what is stored sees more.
#[derive(Debug)]
pub struct LogFeed<L> {
    log: L,
    next: Next,
}

/// Where each stream goes on.
#[derive(Clone, Copy, Debug, Default)]
struct Next {
    command: Offset,
    decision: Offset,
    letter: Offset,
}

impl<L: LogReader> LogFeed<L> {
    /// The log from its beginning.
    pub fn new(log: L) -> Self {
        Self { log, next: Next::default() }
    }
}

impl<L: LogReader> Feed for LogFeed<L> {
    fn look(&mut self) -> Result<FeedEnds> {
        let ends = self.log.ends()?;
        let (commands_next, decisions_next) = (ends.commands_next, ends.decisions_next);
        Ok(FeedEnds { commands_next, decisions_next })
    }

    fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        let records = self.log.commands(self.next.command, bytes_max)?;
        go_on(&mut self.next.command, records.last().map(|last| last.offset));
        Ok(records)
    }

    fn decisions(&mut self, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        let records = self.log.decisions(self.next.decision, bytes_max)?;
        go_on(&mut self.next.decision, records.last().map(|last| last.offset));
        Ok(records)
    }

    fn dead_letters(&mut self, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        let records = self.log.dead_letters(self.next.letter, bytes_max)?;
        go_on(&mut self.next.letter, records.last().map(|last| last.offset));
        Ok(records)
    }
}

fn go_on(next: &mut Offset, last: Option<Offset>) {
    if let Some(last) = last {
        *next = Offset(last.0.saturating_add(1));
    }
}

/// The embedded log, beside its writer.
#[derive(Debug)]
pub struct RocksFeed(LogFeed<RocksReader>);

impl RocksFeed {
    /// The log from its beginning.
    #[must_use]
    pub fn new(reader: RocksReader) -> Self {
        Self(LogFeed::new(reader))
    }
}

impl Feed for RocksFeed {
    fn look(&mut self) -> Result<FeedEnds> {
        self.0.log.refresh()?;
        self.0.look()
    }

    fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.0.commands(bytes_max)
    }

    fn decisions(&mut self, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.0.decisions(bytes_max)
    }

    fn dead_letters(&mut self, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.0.dead_letters(bytes_max)
    }

    fn damage(&self) -> Option<&Error> {
        self.0.log.damage()
    }
}
