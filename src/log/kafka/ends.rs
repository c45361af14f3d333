//! Where the topics of all partitions end, and which command is the first undecided one: for
//! whoever watches. Two consumers for all partitions; neither joins the group nor commits.

use super::errors::{asked, is_passing, sorted};
use super::record;
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use conclave_core::units::{Offset, TimeMs};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long brokers may take to answer whoever watches: the next look comes soon.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_MAX: Duration = Duration::from_millis(100);

/// Asks the brokers.
pub struct TopicEnds {
    /// Sees what is committed.
    committed: BaseConsumer,
    /// Sees everything.
    all: BaseConsumer,
    commands: String,
    decisions: String,
}

/// Where one partition's topics end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEnds {
    /// Behind the last command that can be read; marks of transactions count.
    pub commands: Offset,
    /// Positions at the end of the decisions that nobody can read yet: of open transactions.
    pub open_records: i64,
}

impl std::fmt::Debug for TopicEnds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicEnds").field("commands", &self.commands).finish_non_exhaustive()
    }
}

impl TopicEnds {
    /// Asks in the name of `group`, whose offsets it looks at. Nothing is asked yet.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused.
    pub fn open(settings: &KafkaSettings, group: &str) -> Result<Self> {
        let consumer = |isolation: &str| -> Result<BaseConsumer> {
            let mut config = settings.consumer("watch", group, isolation);
            config.set("auto.offset.reset", "error");
            config.set("enable.partition.eof", "true");
            config.set("fetch.wait.max.ms", "10");
            // One record is looked at each time.
            config.set("fetch.message.max.bytes", "16384");
            config.set("queued.min.messages", "1");
            asked(config.create(), "a consumer cannot be made")
        };
        Ok(Self {
            committed: consumer("read_committed")?,
            all: consumer("read_uncommitted")?,
            commands: settings.topics.commands.clone(),
            decisions: settings.topics.decisions.clone(),
        })
    }

    /// What the group has committed for each of so many partitions; none where it has nothing.
    /// Offsets that a transaction is about to commit are not waited for.
    ///
    /// # Errors
    /// When the brokers do not say; of a partition alone, when they do not say it of that one.
    pub fn group_offsets(&self, partitions: i32) -> Result<Vec<Result<Option<Offset>>>> {
        let what = "the group's offsets";
        let mut wanted = TopicPartitionList::with_capacity(1);
        wanted.add_partition_range(&self.commands, 0, partitions - 1);
        let found = asked(self.all.committed_offsets(wanted, LOOK_TIMEOUT), what)?;
        let offset = |partition| {
            let found = found.find_partition(&self.commands, partition);
            let found = found.ok_or_else(|| Error::bug(format!("{what} were not answered")))?;
            // A call that went well says nothing about its parts.
            found.error().map_err(|error| sorted(error, what))?;
            Ok(match found.offset() {
                KafkaOffset::Offset(next) => Some(Offset(next)),
                _ => None,
            })
        };
        Ok((0..partitions).map(offset).collect())
    }

    /// Where the topics of `partition` end now.
    ///
    /// # Errors
    /// When the brokers do not say.
    pub fn of(&self, partition: i32) -> Result<PartitionEnds> {
        let end = |consumer: &BaseConsumer, topic: &str| -> Result<i64> {
            let found = consumer.fetch_watermarks(topic, partition, LOOK_TIMEOUT);
            Ok(asked(found, &format!("the end of {topic}-{partition}"))?.1)
        };
        let commands = end(&self.committed, &self.commands)?;
        // What can be read first: what stands behind it may only grow meanwhile.
        let readable = end(&self.committed, &self.decisions)?;
        let written = end(&self.all, &self.decisions)?;
        Ok(PartitionEnds { commands: Offset(commands), open_records: (written - readable).max(0) })
    }

    /// Offset and time of the first command at `from` or behind it; none when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn first_command(&self, partition: i32, from: Offset) -> Result<Option<(Offset, TimeMs)>> {
        let what = format!("looking at {}-{partition} from {from} on", self.commands);
        let mut place = TopicPartitionList::with_capacity(1);
        let placed =
            place.add_partition_offset(&self.commands, partition, KafkaOffset::Offset(from.0));
        asked(placed.and_then(|()| self.committed.assign(&place)), &what)?;
        let found = self.read_one(&what);
        asked(self.committed.unassign(), &what)?;
        found
    }

    fn read_one(&self, what: &str) -> Result<Option<(Offset, TimeMs)>> {
        let patience = Instant::now() + LOOK_TIMEOUT;
        loop {
            match self.committed.poll(POLL_MAX) {
                Some(Ok(message)) => {
                    let command = record::command(&message);
                    return Ok(Some((command.offset, command.record.time_ms)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) if !is_passing(&error) => return Err(sorted(error, what)),
                Some(Err(_)) | None if Instant::now() < patience => {}
                Some(Err(_)) | None => {
                    return Err(Error::unavailable(format!(
                        "{what}: the brokers do not answer; it is tried again"
                    )));
                }
            }
        }
    }
}
