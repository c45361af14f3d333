//! Reading one partition of one topic, forward from wherever it is asked, up to what a reader of
//! committed records sees, or on request of all.

use super::errors::{asked, is_passing, sorted};
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long brokers may take to answer a question.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long reading waits for the next record before it gives up: a leader may be moving.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the notice that the end is reached may take before it is asked for again: it is given
/// once, and the read before this one may have taken it.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(500);

/// A reader of one partition.
pub(super) struct Cursor {
    consumer: BaseConsumer,
    topic: String,
    partition: i32,
    /// Position that the next message comes from, if anything was read before.
    next: Option<i64>,
    /// Up to where it can be read, as last seen.
    end: i64,
    /// Positions between which nothing can be read, at the end of what we know.
    empty: Option<Bounds>,
    poll: Poll,
    /// How long reading waits for the next record.
    patience: Duration,
}

/// How messages are taken from a consumer.
type Poll = for<'c> fn(&'c BaseConsumer, Duration) -> Option<KafkaResult<BorrowedMessage<'c>>>;

/// Positions of the first record, and after the last one that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: i64,
    pub(super) end: i64,
}

impl Cursor {
    /// Connects to nothing yet: brokers are spoken to when something is read.
    pub(super) fn open(settings: &KafkaSettings, topic: &str, partition: i32) -> Result<Self> {
        Self::open_isolated(settings, topic, partition, "read_committed")
    }

    /// The same for `isolation` as Kafka calls it: `read_uncommitted` sees what transactions left
    /// that were aborted, or are open.
    pub(super) fn open_isolated(
        settings: &KafkaSettings,
        topic: &str,
        partition: i32,
        isolation: &str,
    ) -> Result<Self> {
        // The group is never joined: nothing is subscribed.
        let mut config = settings.consumer("read", &format!("{topic}.reader"), isolation);
        config.set("auto.offset.reset", "error");
        config.set("enable.partition.eof", "true");
        config.set("fetch.wait.max.ms", "50");
        config.set("fetch.queue.backoff.ms", "5");
        config.set("queued.max.messages.kbytes", "16384");
        let consumer = asked(config.create(), "a reader cannot be made")?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partition,
            next: None,
            end: 0,
            empty: None,
            poll: |consumer, wait| consumer.poll(wait),
            patience: READ_TIMEOUT,
        })
    }

    /// Asks the brokers where the partition begins and ends now.
    pub(super) fn bounds(&mut self) -> Result<Bounds> {
        let what = format!("the end of {}-{}", self.topic, self.partition);
        let found = self.consumer.fetch_watermarks(&self.topic, self.partition, ASK_TIMEOUT);
        let (low, end) = asked(found, &what)?;
        self.end = self.end.max(end);
        Ok(Bounds { low, end })
    }

    /// Shows `take` the messages from position `from` on, in order, until it has had enough or no
    /// more of them have arrived here: at least one, if there is one before the end as it is now.
    /// Returns the position after the last one looked at.
    ///
    /// # Errors
    /// When the partition cannot be read, or as `take`.
    pub(super) fn read(
        &mut self,
        from: i64,
        mut take: impl FnMut(&BorrowedMessage<'_>) -> Result<Enough>,
    ) -> Result<i64> {
        if from >= self.end || self.is_known_empty(from) {
            self.bounds()?;
        }
        if from >= self.end || self.is_known_empty(from) {
            return Ok(from);
        }
        // A notice that the end is reached may be older than the end that we know. It is not when
        // fetching began after we learnt of it.
        let mut is_fresh = self.next != Some(from);
        if is_fresh {
            self.go_to(from)?;
        }
        let (mut at, patience) = (from, Instant::now() + self.patience);
        let notice_due = Instant::now() + NOTICE_TIMEOUT;
        loop {
            let has_some = at > from;
            let wait = if has_some { Duration::ZERO } else { Duration::from_millis(100) };
            match (self.poll)(&self.consumer, wait) {
                Some(Ok(message)) => {
                    at = message.offset() + 1;
                    self.next = Some(at);
                    if take(&message)? == Enough::Yes {
                        return Ok(at);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) if has_some => return Ok(at),
                // Marks of transactions, or what was aborted, and nothing else.
                Some(Err(KafkaError::PartitionEOF(_))) if is_fresh => {
                    self.empty = Some(Bounds { low: from, end: self.end });
                    return Ok(at);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.go_to(from)?;
                    is_fresh = true;
                }
                Some(Err(error)) if is_passing(&error) && Instant::now() < patience => {}
                Some(Err(error)) => {
                    self.next = None;
                    return Err(sorted(error, &self.what(at)));
                }
                None if has_some => return Ok(at),
                None if !is_fresh && Instant::now() > notice_due => {
                    self.go_to(from)?;
                    is_fresh = true;
                }
                None if Instant::now() < patience => {}
                None => {
                    self.next = None;
                    return Err(Error::unavailable(format!(
                        "{}: the brokers have sent nothing for {:?}; it is tried again",
                        self.what(at),
                        self.patience
                    )));
                }
            }
        }
    }

    /// Whether nothing can be read from `from` up to the end as we know it.
    fn is_known_empty(&self, from: i64) -> bool {
        self.empty.is_some_and(|empty| empty.low <= from && self.end <= empty.end)
    }

    fn go_to(&mut self, from: i64) -> Result<()> {
        let mut assignment = TopicPartitionList::with_capacity(1);
        let position = KafkaOffset::Offset(from);
        let added = assignment.add_partition_offset(&self.topic, self.partition, position);
        asked(added.and_then(|()| self.consumer.assign(&assignment)), &self.what(from))?;
        self.next = Some(from);
        Ok(())
    }

    fn what(&self, at: i64) -> String {
        format!("reading {}-{} at {at}", self.topic, self.partition)
    }
}

/// Whether somebody who is shown messages wants more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use rdkafka::error::RDKafkaErrorCode as Code;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What reading the first record comes to when the library reports by `poll`.
    fn read(poll: Poll) -> Result<i64> {
        let settings = KafkaSettings::plain("127.0.0.1:1");
        let mut cursor = Cursor::open(&settings, "nowhere", 0).expect("nobody is asked yet");
        (cursor.end, cursor.patience) = (1, Duration::from_millis(50));
        cursor.poll = poll;
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(cursor.read(0, |_| Ok(Enough::Yes))));
        ended.recv_timeout(Duration::from_secs(20)).expect("it gives up")
    }

    fn reported<'c>(code: Code) -> Option<KafkaResult<BorrowedMessage<'c>>> {
        std::thread::sleep(Duration::from_millis(1));
        Some(Err(KafkaError::MessageConsumption(code)))
    }

    #[track_caller]
    fn check_gives_up(poll: Poll, said: &str) {
        let error = read(poll).expect_err("nothing can be read");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.message.contains("reading nowhere-0 at 0"), "{error}");
        assert!(error.message.contains(said), "{error}");
    }

    #[test]
    fn reading_gives_up_although_passing_errors_keep_coming() {
        check_gives_up(|_, _| reported(Code::BrokerTransportFailure), "do not answer");
        check_gives_up(|_, _| reported(Code::UnknownPartition), "conclave topics check");
    }

    #[test]
    fn what_brokers_do_not_know_yet_is_waited_for() {
        let read = read(|_, _| {
            static LEFT: AtomicUsize = AtomicUsize::new(3);
            match LEFT.fetch_sub(1, Ordering::Relaxed) {
                3 => reported(Code::UnknownTopicOrPartition),
                2 => reported(Code::UnknownTopic),
                1 => reported(Code::UnknownPartition),
                _ => Some(Err(KafkaError::PartitionEOF(0))),
            }
        });
        assert_eq!(read.expect("it is known by now"), 0);
    }
}
