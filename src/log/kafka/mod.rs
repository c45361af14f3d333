//! The log on Kafka: one partition of the topics for commands, decisions and dead letters.
//!
//! ```text
//! take over: end the predecessor's transaction → compare coverage with the group's offset → fold
//! rounds:    one transaction: decisions, dead letters, the group's next offset
//! ```
//!
//! Coverage in the decision log is the truth, the group's offset is the fence. Every transaction
//! carries offsets and is committed while the partition cannot be taken away; after an abort the
//! producer is made anew before anything else is written, and after an end that nobody knows the
//! topic is asked what it holds.
//!
//! Offsets have holes here, where marks of transactions stand. A decision is called by the offset
//! of its command; where it stands in its own topic is nobody's business (`reader` finds it).

mod counts;
pub(crate) mod crash;
mod cursor;
mod ends;
mod errors;
mod extra;
mod feed;
mod index;
mod member;
mod partitions;
mod queue;
mod reader;
mod record;
pub mod security;
mod sent;
pub mod settings;
mod still;
pub mod stored;
mod submit;
pub mod topics;
mod transaction;
mod uncommitted;

pub use counts::{COMMIT_BUCKETS_S, TransactionCounts, TransactionFigures};
pub use ends::{PartitionEnds, TopicEnds};
pub use feed::Feed;
pub use member::{Alone, Hold, Member, committed, metadata};
pub use partitions::partition_count;
pub use reader::KafkaReader;
pub use record::{
    COMMAND_OFFSET, RECORD_TIME_MS, about as command_offset, command as stored_command,
};
pub use still::StillReader;
pub use uncommitted::{Fate, Uncommitted};

use crate::error::{Error, Result};
use crate::log::rocks::SnapshotStore;
use crate::log::{
    BYTES_PER_READ, CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog,
    LogEnds, LogReader, RoundRecord, StoredCommand, check_round,
};
use conclave_core::units::Offset;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use record::{framed, to_kafka};
use sent::Sent;
use settings::KafkaSettings;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use submit::Submitter;
use transaction::{Ended, Outgoing, Writer};

/// How long an offset of the group may be ahead of the decisions that can be read: marks of one
/// transaction reach the partitions one by one. Transaction timeout and the brokers' sweep.
const MARKS_TIMEOUT: Duration = Duration::from_secs(15);
const MARKS_NAP: Duration = Duration::from_millis(50);
const VISIBLE_NAP: Duration = Duration::from_millis(1);
/// Commands up to which rounds share a transaction. Measured: below 1,000 its own cost shows, and
/// above nothing is gained (`cargo bench --bench kafka -- --only tune`).
const TRANSACTION_COMMANDS: usize = 1_000;
/// Bytes of commands that are read at once from a feed: about a round.
const FED_BYTES_PER_READ: usize = 256 * 1024;
/// Bytes of one record; what topics take by default, less what surrounds it.
const RECORD_BYTES_MAX: usize = 1000 * 1000;

/// How a partition is taken over.
#[derive(Clone, Debug)]
pub struct KafkaLogOptions {
    /// Where the brokers are.
    pub settings: KafkaSettings,
    /// Which partition.
    pub partition: i32,
    /// Where snapshots of it are kept on this machine.
    pub snapshots: Arc<SnapshotStore>,
    /// After which time brokers abort a transaction that was not ended.
    pub transaction_timeout: Duration,
    /// Where its transactions are counted.
    pub counts: Arc<TransactionCounts>,
}

impl KafkaLogOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(settings: &KafkaSettings, partition: i32, snapshots: Arc<SnapshotStore>) -> Self {
        Self {
            settings: settings.clone(),
            partition,
            snapshots,
            transaction_timeout: Duration::from_secs(5),
            counts: Arc::default(),
        }
    }
}

/// One partition, open for writing.
pub struct KafkaLog {
    options: KafkaLogOptions,
    member: Arc<dyn Member>,
    reader: KafkaReader,
    /// Where commands come from when somebody else reads them for us; otherwise we ask the brokers.
    feed: Option<Mutex<Feed>>,
    writer: Writer,
    submitter: Option<Submitter>,
    /// What this process has sent and not decided: without a feed it need not be read again.
    sent: Sent,
    ends: LogEnds,
    /// After the last dead letter that this process wrote.
    letters_next: Offset,
    /// Why nothing is written any more until the log is opened again.
    failure: Option<String>,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("partition", &self.options.partition)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Takes over a partition: whoever wrote to it before cannot any more, and what was left open
    /// is ended. `feed` brings the commands; without one they are read from the brokers.
    ///
    /// # Errors
    /// `Unavailable` when brokers do not answer; `Corrupt` when the group's offset and the
    /// decisions contradict each other.
    pub fn open(
        options: KafkaLogOptions,
        member: Arc<dyn Member>,
        feed: Option<Feed>,
    ) -> Result<Self> {
        let (settings, partition) = (&options.settings, options.partition);
        let snapshots = Arc::clone(&options.snapshots);
        let reader = KafkaReader::open(settings, partition)?.with_snapshots(snapshots);
        let writer = writer(&options)?;
        let committed = member.committed(&settings.topics.commands, partition)?;
        let ends = covered(&reader, partition, committed)?;
        Ok(Self {
            member,
            reader,
            feed: feed.map(Mutex::new),
            writer,
            submitter: None,
            sent: Sent::default(),
            ends,
            letters_next: Offset(0),
            failure: None,
            options,
        })
    }

    /// The same partition, asked of the brokers.
    #[must_use]
    pub fn reader(&self) -> &KafkaReader {
        &self.reader
    }

    /// Waits until there is a command to decide; false when none comes in time.
    pub fn wait(&self, timeout: Duration) -> bool {
        match &self.feed {
            Some(feed) => locked(feed).wait(self.ends.decisions_next, timeout),
            None => self.ends.commands_next > self.ends.decisions_next,
        }
    }

    fn check_writable(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(why) => Err(Error::unavailable(format!(
                "the partition has to be taken over again before anything is written: {why}"
            ))),
        }
    }

    /// Makes the producer anew when the last one may not write any more.
    fn recycle(&mut self) -> Result<()> {
        if self.writer.is_spent() {
            if self.member.hold().is_none() {
                return Err(Error::unavailable("the partition is not ours any more"));
            }
            self.options.counts.recycled();
            self.writer = writer(&self.options)?;
        }
        Ok(())
    }

    fn write(&mut self, round: &RoundRecord, next: Offset) -> std::result::Result<(), Ended> {
        let metadata = self.member.metadata();
        let metadata = metadata.map_err(|error| Ended::Aborted(error.to_string()))?;
        let topics = &self.options.settings.topics;
        let mut offsets = TopicPartitionList::with_capacity(1);
        let position = KafkaOffset::Offset(next.0);
        offsets
            .add_partition_offset(&topics.commands, self.options.partition, position)
            .expect("an offset that is not negative can be committed");
        let schema_id = self.options.settings.schema_ids.decisions;
        let decisions = round.decisions.iter().map(|decision| Outgoing {
            topic: &topics.decisions,
            key: &[],
            value: framed(schema_id, &decision.body).into(),
            headers: to_kafka(&decision.headers, COMMAND_OFFSET, decision.offset.0),
        });
        let letters = round.dead_letters.iter().map(|letter| Outgoing {
            topic: &topics.dead_letters,
            key: &letter.key,
            value: Cow::from(&letter.value),
            headers: to_kafka(&letter.headers, COMMAND_OFFSET, letter.offset.0),
        });
        let member = &self.member;
        self.writer.write(decisions.chain(letters), &offsets, &metadata, || member.hold())
    }

    /// What became of a transaction whose end nobody knows: its successor ended it, so the topic
    /// says.
    fn look(&mut self) -> Result<()> {
        self.recycle()?;
        let ends = self.reader.ends()?;
        self.ends = LogEnds { commands_next: self.ends.commands_next, ..ends };
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn writer(options: &KafkaLogOptions) -> Result<Writer> {
    let id = options.settings.topics.transactional_id(options.partition);
    Writer::open(&options.settings, &id, options.partition, options.transaction_timeout)
}

/// What is committed can be read a moment later, when the marks are written: `exists` says that
/// there is something to wait for.
fn visible<R>(exists: bool, read: impl Fn() -> Result<Vec<R>>) -> Result<Vec<R>> {
    let patience = Instant::now() + MARKS_TIMEOUT;
    loop {
        let found = read()?;
        if !found.is_empty() || !exists {
            return Ok(found);
        }
        if Instant::now() > patience {
            return Err(Error::unavailable(
                "what was committed cannot be read: a transaction of somebody else holds the \
                 partition's readers back; it is tried again",
            ));
        }
        std::thread::sleep(VISIBLE_NAP);
    }
}

/// Where the decisions end, once they reach what the group committed.
fn covered(reader: &KafkaReader, partition: i32, committed: Option<Offset>) -> Result<LogEnds> {
    let patience = Instant::now() + MARKS_TIMEOUT;
    loop {
        let ends = reader.ends()?;
        let Some(committed) = committed else {
            if ends.decisions_next > Offset(0) {
                let next = ends.decisions_next;
                tracing::warn!(partition, %next, "the group has no offset: its decisions have one");
            }
            return Ok(ends);
        };
        if committed == ends.decisions_next {
            return Ok(ends);
        }
        let next = ends.decisions_next;
        if committed < next {
            return Err(Error::corrupt(format!(
                "partition {partition}: the group's offset is {committed} and decisions reach \
                 {next}: somebody set it back; delete the group's offset, and it goes on from the \
                 decisions (docs/runbooks/group-offset.md)"
            )));
        }
        if Instant::now() > patience {
            return Err(Error::corrupt(format!(
                "partition {partition}: the group's offset is {committed} and decisions only reach \
                 {next}: somebody moved it, or decisions are lost (docs/runbooks/group-offset.md)"
            )));
        }
        std::thread::sleep(MARKS_NAP);
    }
}

impl LogReader for KafkaLog {
    fn partition(&self) -> i64 {
        i64::from(self.options.partition)
    }

    fn ends(&self) -> Result<LogEnds> {
        let fed = self.feed.as_ref().and_then(|feed| locked(feed).next());
        let commands_next = self.ends.commands_next.max(fed.unwrap_or(Offset(0)));
        Ok(LogEnds { commands_next, ..self.ends })
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        match &self.feed {
            Some(feed) => Ok(locked(feed).read(from, bytes_max)),
            None if from < self.ends.commands_next => match self.sent.read(from, bytes_max) {
                Some(commands) => Ok(commands),
                None => self.reader.commands(from, bytes_max),
            },
            None => Ok(vec![]),
        }
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        visible(from < self.ends.decisions_next, || self.reader.decisions(from, bytes_max))
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        visible(from < self.letters_next, || self.reader.dead_letters(from, bytes_max))
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.reader.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.reader.snapshot(offset)
    }
}

impl EventLog for KafkaLog {
    /// Sends commands to the partition. What a failure leaves behind may be stored: commands are
    /// told apart by their ids.
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        if commands.is_empty() {
            return Ok(self.ends.commands_next);
        }
        if let Some(long) = commands.iter().map(weight).find(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(Error::invalid(format!(
                "a command of {long} bytes; at most {RECORD_BYTES_MAX} fit a record"
            )));
        }
        if self.submitter.is_none() {
            let Self { options, .. } = self;
            self.submitter = Some(Submitter::open(&options.settings, options.partition)?);
        }
        let submitter = self.submitter.as_ref().expect("it was opened above");
        let sent = submitter.send(commands);
        if sent.is_err() {
            // What it still has under way would be taken for the next batch's.
            self.submitter = None;
        }
        let delivered = sent?;
        let last = delivered.iter().map(|one| one.offset).max().expect("a command was sent");
        self.ends.commands_next = self.ends.commands_next.max(Offset(last.0 + 1));
        if self.feed.is_none() {
            self.sent.add(commands, &delivered);
        }
        Ok(delivered[0].offset)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        self.check_writable().map_err(CommitError::Failed)?;
        let ends = self.ends().map_err(CommitError::Failed)?;
        check_round(&ends, round);
        let Some(last) = round.decisions.last() else { return Ok(()) };
        self.recycle().map_err(CommitError::Failed)?;
        let next = Offset(last.offset.0 + 1);
        let began = Instant::now();
        match self.write(round, next) {
            Ok(()) => {
                self.options.counts.committed(began.elapsed());
                self.ends = LogEnds { decisions_next: next, head: last.hash, ..self.ends };
                if let Some(letter) = round.dead_letters.last() {
                    self.letters_next = Offset(letter.offset.0 + 1);
                }
                self.sent.decided(next);
                if let Some(feed) = &self.feed {
                    locked(feed).decided(next);
                }
                Ok(())
            }
            Err(Ended::Aborted(why)) => {
                // The producer is made anew when there is something to write again: who only ends
                // would fence whoever comes next.
                self.options.counts.aborted();
                Err(CommitError::Aborted(why))
            }
            Err(Ended::Unknown(why)) => {
                self.options.counts.is_unknown();
                match self.look() {
                    Ok(()) => Err(CommitError::Unknown(why)),
                    Err(error) => {
                        self.failure = Some(why);
                        Err(CommitError::Failed(error))
                    }
                }
            }
            Err(Ended::Fenced(why)) => {
                self.options.counts.aborted();
                self.failure = Some(format!("another instance took it over: {why}"));
                self.check_writable().map_err(CommitError::Failed)
            }
        }
    }

    fn commands_per_commit(&self) -> usize {
        TRANSACTION_COMMANDS
    }

    fn bytes_per_read(&self) -> usize {
        match self.feed {
            Some(_) => FED_BYTES_PER_READ,
            None => BYTES_PER_READ,
        }
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        assert!(offset <= self.ends.decisions_next, "stored state never leads the committed log");
        self.options.snapshots.keep(offset, bytes)
    }

    /// What was acknowledged is on the brokers already.
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

fn weight(command: &CommandRecord) -> usize {
    command.key.len() + command.value.len() + command.headers.bytes()
}
