//! Whole rounds, one transaction: decisions, dead letters and the group's offset, or nothing.

use super::crash::{self, CrashPoint};
use super::cursor::ASK_TIMEOUT;
use super::errors::{TransactionFault, asked};
use super::queue::{queue, serve};
use super::settings::KafkaSettings;
use super::topics::TopicRole;
use crate::error::Result;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// How long one answer of a broker is waited for.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(5);

/// How a transaction ended that did not succeed.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing of it can be read by anybody, now or later.
    Aborted(String),
    /// Only the log knows: it has to be asked after the producer was made anew.
    Unknown(String),
    /// Somebody else writes to the partition now.
    Fenced(String),
}

/// A record on its way.
pub(super) struct Outgoing<'r> {
    pub(super) topic: &'r str,
    pub(super) key: &'r [u8],
    pub(super) value: Cow<'r, [u8]>,
    pub(super) headers: OwnedHeaders,
}

/// The producer of one partition. Making one ends its predecessor's open transaction, and keeps it
/// from ever writing again.
pub(super) struct Writer {
    producer: BaseProducer,
    partition: i32,
    timeout: Duration,
    /// Whether it may still write: after an abort, or an end that nobody knows, it may not.
    is_spent: bool,
}

impl Writer {
    pub(super) fn open(
        settings: &KafkaSettings,
        transactional_id: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<Self> {
        let timeout_ms = timeout.as_millis().to_string();
        let mut config = settings.client("decide");
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", &timeout_ms);
        // A record that is not delivered in time makes the transaction abortable, in time.
        config.set("message.timeout.ms", &timeout_ms);
        // The library refuses one that outlives the transaction.
        config.set("socket.timeout.ms", timeout.min(SOCKET_TIMEOUT).as_millis().to_string());
        config.set("linger.ms", "1");
        // Under the usual 100 ms a transaction waits for the end of the one before it.
        config.set("retry.backoff.ms", "1");
        config.set("retry.backoff.max.ms", "100");
        // A failed delivery fails the transaction; the others need no report.
        config.set("delivery.report.only.error", "true");
        config.set("compression.type", "lz4");
        config.set("queue.buffering.max.messages", "100000");
        config.set("queue.buffering.max.kbytes", "65536");
        config.set("batch.num.messages", "10000");
        // A dead letter holds a command whole, and says more: it has to fit whatever came.
        let bytes_max = TopicRole::DeadLetters.file().max_message_bytes.value;
        config.set("message.max.bytes", bytes_max.to_string());
        let what = format!("partition {partition} cannot be taken over");
        let producer: BaseProducer = asked(config.create(), &what)?;
        asked(init(&producer), &what)?;
        Ok(Self { producer, partition, timeout, is_spent: false })
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Writes `records` and moves the group's offset in one piece, while `still_ours` holds what
    /// keeps the partition ours.
    pub(super) fn write<'r, H>(
        &mut self,
        records: impl Iterator<Item = Outgoing<'r>>,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
        still_ours: impl FnOnce() -> Option<H>,
    ) -> std::result::Result<(), Ended> {
        // Before the brokers end the transaction by themselves, which looks like a fence.
        let deadline = Instant::now() + self.timeout * 4 / 5;
        let sent = self.send(records, offsets, member, deadline);
        if let Err(error) = sent {
            return Err(self.give_up(&error));
        }
        let Some(hold) = still_ours() else {
            self.abort();
            return Err(Ended::Fenced("the partition was assigned to another instance".to_owned()));
        };
        crash::pass(CrashPoint::BeforeCommit);
        let committed = self.again(deadline, |producer| producer.commit_transaction(self.timeout));
        drop(hold);
        crash::pass(CrashPoint::AfterCommit);
        match committed.map_err(|error| (TransactionFault::of(&error), error)) {
            Ok(()) => Ok(()),
            Err((TransactionFault::Abortable(why), _)) => {
                // It says that it was not committed; the log is asked all the same.
                self.abort();
                Err(Ended::Unknown(why))
            }
            Err((TransactionFault::Fenced(why), _)) => {
                self.is_spent = true;
                Err(Ended::Fenced(why))
            }
            Err((TransactionFault::Fatal(why) | TransactionFault::Retriable(why), _)) => {
                self.is_spent = true;
                Err(Ended::Unknown(why))
            }
        }
    }

    fn send<'r>(
        &self,
        records: impl Iterator<Item = Outgoing<'r>>,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> std::result::Result<(), KafkaError> {
        crash::pass(CrashPoint::BeforeSend);
        self.producer.begin_transaction()?;
        // First, and it carries the fence: there is no way around it. While marks of the one before
        // are still being written the coordinator takes nothing; the library asks again for
        // offsets after `retry.backoff.ms`, but for partitions only after 20 ms.
        self.producer.send_offsets_to_transaction(offsets, member, self.timeout)?;
        crash::pass(CrashPoint::AfterOffsets);
        for Outgoing { topic, key, value, headers } in records {
            let record = BaseRecord::to(topic).partition(self.partition).headers(headers);
            queue(&self.producer, record.key(key).payload(&*value), deadline)?;
        }
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            serve(&self.producer);
        }
        crash::pass(CrashPoint::AfterSend);
        Ok(())
    }

    /// The same call again for as long as that is what helps.
    fn again(
        &self,
        deadline: Instant,
        call: impl Fn(&BaseProducer) -> std::result::Result<(), KafkaError>,
    ) -> std::result::Result<(), KafkaError> {
        loop {
            let Err(error) = call(&self.producer) else { return Ok(()) };
            let is_retriable =
                matches!(TransactionFault::of(&error), TransactionFault::Retriable(_));
            if !is_retriable || Instant::now() > deadline {
                return Err(error);
            }
        }
    }

    /// Ends a transaction that was not committed. Whatever the fault: without a commit nobody will
    /// ever read it, and the next producer of this name ends what this one could not.
    fn give_up(&mut self, error: &KafkaError) -> Ended {
        let fault = TransactionFault::of(error);
        self.abort();
        match fault {
            TransactionFault::Fenced(why) => Ended::Fenced(why),
            TransactionFault::Fatal(why)
            | TransactionFault::Abortable(why)
            | TransactionFault::Retriable(why) => Ended::Aborted(why),
        }
    }

    fn abort(&mut self) {
        self.is_spent = true;
        // What is still under way has to be told of, which needs polling: the library waits for it
        // until its time is up otherwise.
        self.producer.purge(PurgeConfig::default().queue());
        let deadline = Instant::now() + self.timeout;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            serve(&self.producer);
        }
        if let Err(error) = self.producer.abort_transaction(self.timeout) {
            tracing::warn!(%error, "a transaction could not be aborted: its successor ends it");
        }
    }
}

fn init(producer: &BaseProducer) -> std::result::Result<(), KafkaError> {
    let deadline = Instant::now() + ASK_TIMEOUT;
    loop {
        let Err(error) = producer.init_transactions(ASK_TIMEOUT) else { return Ok(()) };
        let is_retriable = matches!(TransactionFault::of(&error), TransactionFault::Retriable(_));
        if !is_retriable || Instant::now() > deadline {
            return Err(error);
        }
    }
}
