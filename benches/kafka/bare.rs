//! A bare transactional copy: what `librdkafka` does when nothing is decided. One thread, one
//! consumer and one producer per partition; a record of a fixed size for each that is read.

use crate::broker::{Broker, TIMEOUT};
use crate::contender::Task;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long the copy waits between two looks at what is still under way. The crate's own `flush`,
/// and so its `commit_transaction`, would look every 100 ms.
const DRAIN_POLL: Duration = Duration::from_micros(200);

/// Settings of the producer that came out best: see `tune`.
pub(crate) const BEST: &[(&str, &str)] = &[
    ("linger.ms", "1"),
    ("retry.backoff.ms", "1"),
    ("retry.backoff.max.ms", "20"),
    ("delivery.report.only.error", "true"),
    ("compression.type", "lz4"),
];

/// What is copied, and how.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// Topic that is read.
    pub(crate) from: String,
    /// Topic that is written.
    pub(crate) to: String,
    /// Group and start of the transactional ids.
    pub(crate) id: String,
    /// Records of one transaction; fewer when no more are there.
    pub(crate) batch: usize,
    /// Bytes of each value written.
    pub(crate) value_bytes: usize,
    /// Bytes of the headers of each record written, over and above `command_offset`.
    pub(crate) header_bytes: usize,
    /// Settings of the producer that are tried.
    pub(crate) producer: Vec<(String, String)>,
    /// How a transaction goes about it.
    pub(crate) way: Way,
}

impl Copy {
    /// The copy of `task`, with the settings that came out best.
    pub(crate) fn of(task: &Task) -> Self {
        let setting = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            from: task.input.clone(),
            to: task.output.clone(),
            id: task.id.clone(),
            batch: task.batch,
            value_bytes: task.value_bytes,
            header_bytes: task.header_bytes,
            producer: BEST.iter().map(setting).collect(),
            way: task.way,
        }
    }
}

/// How a transaction goes about it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Way {
    /// Sends the offsets while records are under way instead of after the last report.
    pub(crate) offsets_first: bool,
    /// Sends the offsets before the records.
    pub(crate) offsets_early: bool,
    /// Leaves waiting for the reports to the crate's `commit_transaction`.
    pub(crate) no_drain: bool,
    /// Waits by the crate's `poll` of 200 µs, which spins: it knows whole milliseconds.
    pub(crate) spin: bool,
    /// Pause after a commit, for the broker to write the markers.
    pub(crate) pause_ms: u64,
    /// Two producers take turns: one commits while the other is filled.
    pub(crate) alternate: bool,
}

/// What the transactions of one partition took.
#[derive(Debug, Default)]
pub(crate) struct Took {
    pub(crate) produce: Vec<Duration>,
    pub(crate) drain: Vec<Duration>,
    pub(crate) offsets: Vec<Duration>,
    pub(crate) commit: Vec<Duration>,
}

/// Copies all of `partition` that there is up to `end`.
pub(crate) fn run(broker: &Broker, copy: &Copy, partition: i32, end: i64) -> Took {
    if copy.way.alternate {
        return crate::turns::run(broker, copy, partition, end);
    }
    let consumer = consumer(broker, copy, partition);
    let producer = producer(broker, copy, partition, 0);
    let filling = Filling::new(copy, partition);
    let mut took = Took::default();
    let mut next = 0;
    while next < end {
        std::thread::sleep(Duration::from_millis(copy.way.pause_ms));
        producer.begin_transaction().expect("the transaction before is over");
        if copy.way.offsets_early {
            next = early(&consumer, &producer, &filling, end, &mut took);
            continue;
        }
        let started = Instant::now();
        next = filling.fill(&consumer, &producer, end);
        took.produce.push(started.elapsed());
        finish(&consumer, &producer, copy, partition, next, &mut took);
    }
    took
}

/// A transaction that begins with its offsets. Returns the offset after its last record.
fn early(
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    filling: &Filling<'_>,
    end: i64,
    took: &mut Took,
) -> i64 {
    let Filling { copy, partition } = filling;
    let messages = filling.take(consumer, end);
    let next = messages.last().expect("at least one was taken").offset() + 1;
    took.offsets.push(timed(|| send_offsets(consumer, producer, copy, *partition, next)));
    took.produce.push(timed(|| {
        messages.iter().for_each(|message| filling.hand_over(producer, message));
    }));
    drop(messages);
    took.drain.push(timed(|| drain(producer, copy.way)));
    commit(producer, took);
    next
}

/// Everything of a transaction after its records were handed over.
pub(crate) fn finish(
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    copy: &Copy,
    partition: i32,
    next: i64,
    took: &mut Took,
) {
    if copy.way.offsets_first {
        took.offsets.push(timed(|| send_offsets(consumer, producer, copy, partition, next)));
        took.drain.push(timed(|| drain(producer, copy.way)));
    } else {
        if !copy.way.no_drain {
            took.drain.push(timed(|| drain(producer, copy.way)));
        }
        took.offsets.push(timed(|| send_offsets(consumer, producer, copy, partition, next)));
    }
    commit(producer, took);
}

fn commit(producer: &BaseProducer, took: &mut Took) {
    took.commit.push(timed(|| {
        producer.commit_transaction(TIMEOUT).expect("the broker is there");
    }));
}

pub(crate) fn drain(producer: &BaseProducer, way: Way) {
    while producer.in_flight_count() > 0 {
        if way.spin {
            producer.poll(DRAIN_POLL);
        } else {
            producer.poll(Duration::ZERO);
            if producer.in_flight_count() > 0 {
                std::thread::sleep(DRAIN_POLL);
            }
        }
    }
}

pub(crate) fn send_offsets(
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    copy: &Copy,
    partition: i32,
    next: i64,
) {
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(&copy.from, partition, Offset::Offset(next))
        .expect("a sound offset");
    let group = consumer.group_metadata().expect("the consumer has a group");
    producer.send_offsets_to_transaction(&offsets, &group, TIMEOUT).expect("the broker is there");
}

/// What is written for each record that is read.
pub(crate) struct Filling<'c> {
    copy: &'c Copy,
    partition: i32,
}

impl<'c> Filling<'c> {
    pub(crate) fn new(copy: &'c Copy, partition: i32) -> Self {
        Self { copy, partition }
    }

    /// Hands the next records over to `producer` and returns the offset after the last. Waits for
    /// the first record only.
    pub(crate) fn fill(&self, consumer: &BaseConsumer, producer: &BaseProducer, end: i64) -> i64 {
        let (mut next, mut count) = (0, 0);
        while let Some(message) = self.next(consumer, count, next, end) {
            self.hand_over(producer, &message);
            next = message.offset() + 1;
            count += 1;
        }
        next
    }

    /// The next records of a transaction. Waits for the first one only.
    fn take<'m>(&self, consumer: &'m BaseConsumer, end: i64) -> Vec<BorrowedMessage<'m>> {
        let (mut next, mut messages) = (0, vec![]);
        while let Some(message) = self.next(consumer, messages.len(), next, end) {
            next = message.offset() + 1;
            messages.push(message);
        }
        messages
    }

    fn next<'m>(
        &self,
        consumer: &'m BaseConsumer,
        count: usize,
        next: i64,
        end: i64,
    ) -> Option<BorrowedMessage<'m>> {
        if count >= self.copy.batch || next >= end {
            return None;
        }
        let wait = if count == 0 { Duration::from_secs(30) } else { Duration::ZERO };
        let message = consumer.poll(wait).map(|message| message.expect("the broker is there"));
        assert!(count > 0 || message.is_some(), "nothing came for 30 s");
        message
    }

    fn hand_over(&self, producer: &BaseProducer, message: &impl Message) {
        let offset = message.offset().to_string();
        // Bytes of the command as often as they go in: they compress as real ones do.
        let command = message.payload().unwrap_or_default();
        let mut bytes = command.iter().copied().cycle();
        let value: Vec<u8> = bytes.by_ref().take(self.copy.value_bytes).collect();
        let envelope: Vec<u8> = bytes.take(self.copy.header_bytes).collect();
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header { key: "command_offset", value: Some(offset.as_bytes()) })
            .insert(Header { key: "envelope", value: Some(&envelope) });
        let mut record = BaseRecord::to(&self.copy.to)
            .partition(self.partition)
            .key(message.key().unwrap_or_default())
            .payload(&value)
            .headers(headers);
        loop {
            match producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    producer.poll(DRAIN_POLL);
                    record = back;
                }
                Err((error, _)) => panic!("a record was refused: {error}"),
            }
        }
    }
}

pub(crate) fn consumer(broker: &Broker, copy: &Copy, partition: i32) -> BaseConsumer {
    let mut config = broker.client("bare-read");
    config
        .set("group.id", &copy.id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "false")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "4096");
    let consumer: BaseConsumer = config.create().expect("sound settings");
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(&copy.from, partition, Offset::Beginning)
        .expect("a sound offset");
    consumer.assign(&assignment).expect("a sound assignment");
    consumer
}

pub(crate) fn producer(broker: &Broker, copy: &Copy, partition: i32, turn: u8) -> BaseProducer {
    let mut config: ClientConfig = broker.client("bare-write");
    config.set("transactional.id", format!("{}-{partition}-{turn}", copy.id));
    config.set("transaction.timeout.ms", "30000");
    for (name, value) in &copy.producer {
        config.set(name, value);
    }
    let producer: BaseProducer = config.create().expect("sound settings");
    producer.init_transactions(TIMEOUT).expect("the broker is there");
    producer
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
