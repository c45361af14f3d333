//! A partition as it stood at one moment: whoever proves or shows a log has to know where it ends,
//! and topics grow while they are read.

use super::reader::KafkaReader;
use super::settings::KafkaSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use crate::wire::DecisionHead;
use conclave_core::units::Offset;

/// One partition up to where it ended when it was opened.
#[derive(Debug)]
pub struct StillReader {
    reader: KafkaReader,
    ends: LogEnds,
    damage: Option<Error>,
    /// The first command that is kept.
    commands_from: Offset,
    /// The first decision that is kept, when there were others before it.
    decisions_from: Option<Offset>,
}

impl StillReader {
    /// Looks where `partition` ends now. One whose last records are none of ours is opened too, as
    /// far as it can be: see [`StillReader::damage`].
    ///
    /// # Errors
    /// `Invalid` when a setting is refused, `Unavailable` when brokers do not answer or know no
    /// such topics.
    pub fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        let reader = KafkaReader::open(settings, partition)?;
        let (ends, damage) = match reader.ends() {
            Ok(ends) => (ends, None),
            Err(error) if error.kind == ErrorKind::Corrupt => (reader.sound_ends()?, Some(error)),
            Err(error) => return Err(error),
        };
        let (commands_from, low) = reader.beginnings()?;
        let decisions_from = if low > 0 { begins_late(&reader)? } else { None };
        Ok(Self { reader, ends, damage, commands_from, decisions_from })
    }

    /// What is wrong with the end of the log; damage inside shows when it is read.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// The first decision that is kept, when others before it were deleted: nothing can be folded
    /// then, and nothing proved.
    #[must_use]
    pub fn decisions_from(&self) -> Option<Offset> {
        self.decisions_from
    }

    /// The offset from which on decisions cannot be read, however sound those before it are; none
    /// when all can be. Reads everything.
    ///
    /// # Errors
    /// `Unavailable` when brokers do not answer: nothing is known then.
    pub fn lost_from(&self) -> Result<Option<Offset>> {
        let next = self.reader.sound_ends()?.decisions_next;
        Ok(Some(next).filter(|next| *next < self.ends.decisions_next || self.damage.is_some()))
    }
}

/// The first decision that there is, unless nothing was decided before it.
fn begins_late(reader: &KafkaReader) -> Result<Option<Offset>> {
    let records = reader.decisions(Offset(0), 0)?;
    let first = records.first();
    let is_late = first.and_then(|first| DecisionHead::read(&first.body));
    let is_late = is_late.is_some_and(|head| head.covered_before >= Offset(0));
    Ok(first.map(|first| first.offset).filter(|_| is_late))
}

impl LogReader for StillReader {
    fn partition(&self) -> i64 {
        self.reader.partition()
    }

    fn ends(&self) -> Result<LogEnds> {
        Ok(self.ends)
    }

    /// Those that retention deleted are not there, which is no error here.
    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        let from = from.max(self.commands_from);
        if from >= self.ends.commands_next {
            return Ok(vec![]);
        }
        let mut commands = self.reader.commands(from, bytes_max)?;
        commands.retain(|command| command.offset < self.ends.commands_next);
        Ok(commands)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        let mut decisions = self.reader.decisions(from, bytes_max)?;
        decisions.retain(|decision| decision.offset < self.ends.decisions_next);
        Ok(decisions)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        let mut letters = self.reader.dead_letters(from, bytes_max)?;
        letters.retain(|letter| letter.offset < self.ends.decisions_next);
        Ok(letters)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        Ok(vec![])
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.reader.snapshot(offset)
    }
}
