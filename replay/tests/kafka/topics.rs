//! Topics of a test's own, written through the real log or record by record.

use crate::broker::Broker;
use crate::common::{Answer, ask};
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::topics::{Wish, apply};
use conclave::log::kafka::{Alone, KafkaLog, KafkaLogOptions};
use conclave::log::rocks::SnapshotStore;
use conclave_core::command::TimeSource;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Topics called by `prefix`.
pub(crate) struct Topics {
    pub(crate) settings: KafkaSettings,
    prefix: String,
    snapshots: TempDir,
}

impl Topics {
    pub(crate) fn make(broker: &Broker, prefix: &str, partitions: i32) -> Self {
        let topics = TopicNames::prefixed(prefix);
        let settings = KafkaSettings { topics, ..KafkaSettings::plain(&broker.brokers()) };
        let wish = Wish {
            source: TimeSource::Carried,
            partitions: Some(partitions),
            replication: Some(1),
        };
        apply(&settings, &wish).unwrap();
        Self { settings, prefix: prefix.to_owned(), snapshots: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn log(&self, partition: i32) -> KafkaLog {
        let member = Arc::new(Alone::new(&self.settings, &self.prefix).unwrap());
        let snapshots = self.snapshots.path().join(partition.to_string());
        let snapshots = Arc::new(SnapshotStore::open(&snapshots).unwrap());
        let options = KafkaLogOptions::new(&self.settings, partition, snapshots);
        KafkaLog::open(options, member, None).unwrap()
    }

    /// Asks `replay` about them.
    pub(crate) fn replay(&self, arguments: &str) -> Answer {
        ask(arguments, &["--brokers", &self.settings.brokers, "--prefix", &self.prefix])
    }

    pub(crate) fn producer(&self, transactional_id: Option<&str>) -> BaseProducer {
        let mut config = self.settings.client("submit");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        config.create().unwrap()
    }

    /// Every committed record of partition 0 of `topic`.
    pub(crate) fn records(&self, topic: &str) -> Vec<OwnedMessage> {
        let mut config = self.settings.client("read");
        config.set("group.id", "reads-all").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&from).unwrap();
        let mut records = vec![];
        loop {
            match consumer.poll(PATIENCE).expect("a record or the end in time") {
                Ok(record) => records.push(BorrowedMessage::detach(&record)),
                Err(KafkaError::PartitionEOF(_)) => return records,
                Err(error) => panic!("{topic}: {error}"),
            }
        }
    }
}

/// What a record says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Option<OwnedHeaders>,
    pub(crate) time_ms: i64,
}

impl Said {
    pub(crate) fn of(record: &OwnedMessage) -> Self {
        Self {
            key: record.key().unwrap_or_default().to_vec(),
            value: record.payload().unwrap_or_default().to_vec(),
            headers: record.headers().cloned(),
            time_ms: record.timestamp().to_millis().unwrap(),
        }
    }

    /// Nothing that this system writes.
    pub(crate) fn foreign() -> Self {
        let greeting = Header { key: "from", value: Some("elsewhere") };
        let headers = Some(OwnedHeaders::new().insert(greeting));
        Self { key: vec![], value: b"hello".to_vec(), headers, time_ms: 1 }
    }

    /// Hands it to `producer` for partition 0 of `topic`.
    pub(crate) fn send(&self, producer: &BaseProducer, topic: &str) {
        let record = BaseRecord::to(topic).partition(0).key(&self.key[..]).payload(&self.value[..]);
        let record = record.timestamp(self.time_ms);
        let record = match &self.headers {
            Some(headers) => record.headers(headers.clone()),
            None => record,
        };
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
}

/// Writes records in order.
pub(crate) fn write(topics: &Topics, topic: &str, records: &[Said]) {
    let producer = topics.producer(None);
    records.iter().for_each(|record| record.send(&producer, topic));
    producer.flush(PATIENCE).unwrap();
}
