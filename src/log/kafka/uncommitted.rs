//! Everything that stands in the topic of decisions, what aborted transactions left included. It is
//! for looking only: nothing of that was ever decided.

use super::cursor::{Cursor, Enough};
use super::record;
use super::settings::KafkaSettings;
use crate::error::Result;
use crate::log::DecisionRecord;
use crate::log::block::Record as _;
use rdkafka::message::Message as _;
use std::collections::BTreeSet;

/// What became of the transaction that a record was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is a decision of the log.
    Committed,
    /// Nobody who reads the log ever sees it.
    Aborted,
    /// Nobody sees it yet: its transaction has not ended, or another one before it.
    Open,
}

impl Fate {
    /// As people and programs read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Open => "open",
        }
    }
}

/// Reads a partition of decisions from its beginning to where it ended when it was opened, as it
/// stands there.
pub struct Uncommitted {
    all: Cursor,
    committed: Cursor,
    at: i64,
    /// Where committed records ended, and all of them.
    committed_end: i64,
    end: i64,
}

impl std::fmt::Debug for Uncommitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uncommitted").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Uncommitted {
    /// Looks where the partition ends now.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused, `Unavailable` when brokers do not answer.
    pub fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        let topic = &settings.topics.decisions;
        let mut committed = Cursor::open(settings, topic, partition)?;
        let mut all = Cursor::open_isolated(settings, topic, partition, "read_uncommitted")?;
        // Last, so that what is taken for open was open when we looked for committed records.
        let bounds = all.bounds()?;
        let committed_end = committed.bounds()?.end.min(bounds.end);
        Ok(Self { all, committed, at: bounds.low, committed_end, end: bounds.end })
    }

    /// The next records, in the order in which they stand; none at the end. Stops once `bytes_max`
    /// is passed. A record that is no decision of ours is an error of its own.
    ///
    /// # Errors
    /// When the partition cannot be read.
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<(Fate, Result<DecisionRecord>)>> {
        let (from, end) = (self.at, self.end);
        if from >= end {
            return Ok(vec![]);
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        let next = self.all.read(from, |message| {
            if message.offset() >= end {
                return Ok(Enough::Yes);
            }
            let record = record::decision(message);
            bytes += record.as_ref().map_or(0, DecisionRecord::weight);
            found.push((message.offset(), record));
            Ok(if bytes > bytes_max { Enough::Yes } else { Enough::No })
        })?;
        let next = next.min(end);
        let committed = self.committed(from, next)?;
        self.at = if next == from { end } else { next };
        let fate = |position: i64| match committed.contains(&position) {
            true => Fate::Committed,
            false if position >= self.committed_end => Fate::Open,
            false => Fate::Aborted,
        };
        Ok(found.into_iter().map(|(position, record)| (fate(position), record)).collect())
    }

    /// Positions of the committed records from `from` up to `until`.
    fn committed(&mut self, from: i64, until: i64) -> Result<BTreeSet<i64>> {
        let until = until.min(self.committed_end);
        let (mut positions, mut at) = (BTreeSet::new(), from);
        while at < until {
            let before = at;
            at = self.committed.read(at, |message| {
                if message.offset() < until {
                    positions.insert(message.offset());
                }
                Ok(if message.offset() + 1 >= until { Enough::Yes } else { Enough::No })
            })?;
            if at == before {
                break;
            }
        }
        Ok(positions)
    }
}
