//! What the topics of a partition hold, in the order in which it is stored: repeats, swaps and
//! foreign records included, which a reader that asks by offset never sees.

use super::cursor::{Cursor, Enough};
use super::record;
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use crate::log::block::Record;
use crate::log::{DeadLetterRecord, DecisionRecord, StoredCommand};
use conclave_core::units::Offset;
use rdkafka::message::{BorrowedMessage, Message as _};

/// The topics of one partition, read once from the beginning or from where somebody stopped,
/// without a group.
pub struct Topics {
    partition: i32,
    commands: Stream,
    decisions: Stream,
    dead_letters: Stream,
}

/// One topic's partition.
struct Stream {
    cursor: Cursor,
    /// Position that the next record comes from; none before the first look.
    next: Option<i64>,
    /// Position of the last record of ours.
    last: Option<i64>,
    end: i64,
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics").field("partition", &self.partition).finish_non_exhaustive()
    }
}

impl Topics {
    /// A reader of `partition`. Nothing is asked of the brokers yet.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused.
    pub fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        let topics = &settings.topics;
        let open = |topic: &str| -> Result<Stream> {
            Ok(Stream {
                cursor: Cursor::open(settings, topic, partition)?,
                next: None,
                last: None,
                end: 0,
            })
        };
        Ok(Self {
            partition,
            commands: open(&topics.commands)?,
            decisions: open(&topics.decisions)?,
            dead_letters: open(&topics.dead_letters)?,
        })
    }

    /// Asks where the topics end now, and returns where commands do.
    ///
    /// # Errors
    /// `Unavailable` when the brokers do not answer.
    pub fn look(&mut self) -> Result<Offset> {
        // Decisions first: whatever they answer was accepted by then.
        self.decisions.look()?;
        self.dead_letters.look()?;
        self.commands.look()?;
        Ok(Offset(self.commands.end))
    }

    /// Positions of the decisions that were not read at the last look.
    #[must_use]
    pub fn decisions_left(&self) -> u64 {
        let Stream { next, end, .. } = self.decisions;
        end.saturating_sub(next.unwrap_or(0)).max(0).unsigned_abs()
    }

    /// Positions where commands, decisions and dead letters go on; none before the first look.
    #[must_use]
    pub fn next(&self) -> Option<[i64; 3]> {
        Some([self.commands.next?, self.decisions.next?, self.dead_letters.next?])
    }

    /// Position of the decision that was read last.
    #[must_use]
    pub fn last_decision(&self) -> Option<i64> {
        self.decisions.last
    }

    /// Goes on from these positions.
    pub fn go_to(&mut self, [command, decision, dead_letter]: [i64; 3]) {
        self.commands.next = Some(command);
        self.decisions.next = Some(decision);
        self.dead_letters.next = Some(dead_letter);
    }

    /// The next commands.
    ///
    /// # Errors
    /// `Unavailable` when the brokers do not answer.
    pub fn commands(&mut self, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.commands.read(bytes_max, |message| Ok(record::command(message)), |_| {})
    }

    /// The next decisions. `foreign` is told what is none.
    ///
    /// # Errors
    /// As [`Topics::commands`].
    pub fn decisions(
        &mut self,
        bytes_max: usize,
        foreign: impl FnMut(Error),
    ) -> Result<Vec<DecisionRecord>> {
        self.decisions.read(bytes_max, record::decision, foreign)
    }

    /// The next dead letters. `foreign` is told what is none.
    ///
    /// # Errors
    /// As [`Topics::commands`].
    pub fn dead_letters(
        &mut self,
        bytes_max: usize,
        foreign: impl FnMut(Error),
    ) -> Result<Vec<DeadLetterRecord>> {
        self.dead_letters.read(bytes_max, record::dead_letter, foreign)
    }
}

impl Stream {
    fn look(&mut self) -> Result<()> {
        let bounds = self.cursor.bounds()?;
        self.end = bounds.end;
        self.next.get_or_insert(bounds.low);
        Ok(())
    }

    /// Empty when there is no more for now.
    fn read<R: Record>(
        &mut self,
        bytes_max: usize,
        decode: impl Fn(&BorrowedMessage<'_>) -> Result<R>,
        mut foreign: impl FnMut(Error),
    ) -> Result<Vec<R>> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let last = &mut self.last;
        loop {
            let from = self.next.unwrap_or(0);
            let next = self.cursor.read(from, |message| {
                match decode(message) {
                    Ok(record) => {
                        bytes += record.weight();
                        records.push(record);
                        *last = Some(message.offset());
                    }
                    Err(error) => foreign(error),
                }
                Ok(if bytes > bytes_max { Enough::Yes } else { Enough::No })
            })?;
            self.next = Some(next);
            // Foreign records alone are not the end.
            if next == from || !records.is_empty() {
                return Ok(records);
            }
        }
    }
}
