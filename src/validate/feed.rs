//! Where records come from: each stream in the order in which it is stored, a piece at a time.

use crate::error::{Error, Result};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::stored::Topics;
use crate::log::rocks::RocksReader;
use crate::log::{DeadLetterRecord, DecisionRecord, LogReader, StoredCommand};
use conclave_core::units::Offset;
use serde::{Deserialize, Serialize};

/// Where each stream goes on, in whatever its log counts: offsets, or positions in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The next command; its offset, in every log.
    pub command: i64,
    /// The decision that was read last.
    pub decision_before: i64,
    /// The next decision.
    pub decision: i64,
    /// The next dead letter.
    pub dead_letter: i64,
}

/// The three streams of one partition. Each answers with the next records of its own, in the order
/// in which they are stored, and with none when there are no more for now.
pub trait Feed {
    /// Looks where the log ends now: streams go on to there, and maybe further. Returns where
    /// commands end: those before it can be read, and none is accepted before it later.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn look(&mut self) -> Result<Offset>;

    /// Decisions that the log had at the last look and that were not read, about.
    fn left(&self) -> u64;

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

    /// Where the streams go on; none before the first decision, and where nobody can go on later.
    fn places(&self) -> Option<Places> {
        None
    }

    /// Goes on from there: only a feed that says its places is asked to.
    fn go_to(&mut self, _: Places) {}

    /// What was passed over since the last time that somebody asked: records that are none of ours.
    fn foreign(&mut self) -> Vec<Error> {
        vec![]
    }

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
    decisions_next: Offset,
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
        Self { log, next: Next::default(), decisions_next: Offset(0) }
    }
}

impl<L: LogReader> Feed for LogFeed<L> {
    fn look(&mut self) -> Result<Offset> {
        let ends = self.log.ends()?;
        self.decisions_next = ends.decisions_next;
        Ok(ends.commands_next)
    }

    fn left(&self) -> u64 {
        let left = self.decisions_next.0.saturating_sub(self.next.decision.0);
        left.max(0).unsigned_abs()
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

    fn places(&self) -> Option<Places> {
        let Next { command, decision, letter } = self.next;
        // A reader by offset finds the last decision behind any hole before it.
        let decision_before = decision.0.checked_sub(1).filter(|before| *before >= 0)?;
        let (decision, dead_letter) = (decision.0, letter.0);
        Some(Places { command: command.0, decision_before, decision, dead_letter })
    }

    fn go_to(&mut self, places: Places) {
        self.next = Next {
            command: Offset(places.command),
            decision: Offset(places.decision),
            letter: Offset(places.dead_letter),
        };
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
    fn look(&mut self) -> Result<Offset> {
        self.0.log.refresh()?;
        self.0.look()
    }

    fn left(&self) -> u64 {
        self.0.left()
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

    fn places(&self) -> Option<Places> {
        self.0.places()
    }

    fn go_to(&mut self, places: Places) {
        self.0.go_to(places);
    }

    fn damage(&self) -> Option<&Error> {
        self.0.log.damage()
    }
}

/// The topics of one partition, without a group.
#[derive(Debug)]
pub struct KafkaFeed {
    topics: Topics,
    foreign: Vec<Error>,
}

impl KafkaFeed {
    /// The topics from their beginning.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused.
    pub fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        Ok(Self { topics: Topics::open(settings, partition)?, foreign: vec![] })
    }
}

impl Feed for KafkaFeed {
    fn look(&mut self) -> Result<Offset> {
        self.topics.look()
    }

    fn left(&self) -> u64 {
        self.topics.decisions_left()
    }

    fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.topics.commands(bytes_max)
    }

    fn decisions(&mut self, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.topics.decisions(bytes_max, |error| self.foreign.push(error))
    }

    fn dead_letters(&mut self, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.topics.dead_letters(bytes_max, |error| self.foreign.push(error))
    }

    fn places(&self) -> Option<Places> {
        let [command, decision, dead_letter] = self.topics.next()?;
        let decision_before = self.topics.last_decision()?;
        Some(Places { command, decision_before, decision, dead_letter })
    }

    fn go_to(&mut self, places: Places) {
        self.topics.go_to([places.command, places.decision, places.dead_letter]);
    }

    fn foreign(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.foreign)
    }
}

/// Whatever log a command names.
impl Feed for Box<dyn Feed> {
    fn look(&mut self) -> Result<Offset> {
        (**self).look()
    }

    fn left(&self) -> u64 {
        (**self).left()
    }

    fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        (**self).commands(bytes_max)
    }

    fn decisions(&mut self, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        (**self).decisions(bytes_max)
    }

    fn dead_letters(&mut self, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        (**self).dead_letters(bytes_max)
    }

    fn places(&self) -> Option<Places> {
        (**self).places()
    }

    fn go_to(&mut self, places: Places) {
        (**self).go_to(places);
    }

    fn foreign(&mut self) -> Vec<Error> {
        (**self).foreign()
    }

    fn damage(&self) -> Option<&Error> {
        (**self).damage()
    }
}
