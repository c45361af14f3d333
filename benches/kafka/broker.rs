//! The broker that is used, its topics, and what stands in them.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::fmt;
use std::time::Duration;

/// How long the broker may take for one answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the broker is.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) address: String,
}

/// What a consumer of committed records finds in a topic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stock {
    pub(crate) records: u64,
    /// Keys, values and headers.
    pub(crate) bytes: u64,
}

impl Stock {
    /// Mean bytes of a record.
    pub(crate) fn bytes_each(self) -> f64 {
        self.bytes as f64 / self.records as f64
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records of {:.0} B", self.records, self.bytes_each())
    }
}

impl Broker {
    /// What every client starts from.
    pub(crate) fn client(&self, id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("client.id", id);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client("bench-admin").create().expect("sound settings")
    }

    /// Creates an empty topic that keeps everything.
    pub(crate) fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        new = new.set("retention.ms", "-1");
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let admin = self.admin();
        let created = wait(admin.create_topics([&new], &options)).expect("the broker is there");
        created.into_iter().for_each(|topic| drop(topic.expect("the topic is new")));
    }

    /// Removes a topic, with everything in it.
    pub(crate) fn delete(&self, topic: &str) {
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let deleted = wait(self.admin().delete_topics(&[topic], &options));
        deleted.expect("the broker is there").into_iter().for_each(drop);
    }

    /// Counts what a consumer of committed records sees of `topic`.
    pub(crate) fn count(&self, topic: &str, partitions: i32) -> Stock {
        let consumer = self.watcher();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            let at = Offset::Beginning;
            assignment.add_partition_offset(topic, partition, at).expect("a sound offset");
        }
        consumer.assign(&assignment).expect("a sound assignment");
        let (mut stock, mut ended) = (Stock::default(), 0);
        while ended < partitions {
            match consumer.poll(TIMEOUT).expect("a record or an end") {
                Ok(message) => {
                    stock.records += 1;
                    stock.bytes += bytes_of(&message);
                }
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("the broker is there: {error}"),
            }
        }
        stock
    }

    /// A consumer that sees what is committed and belongs to no group.
    pub(crate) fn watcher(&self) -> BaseConsumer {
        self.watcher_with(&[])
    }

    /// The same with some settings of its own.
    pub(crate) fn watcher_with(&self, settings: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.client("bench-watch");
        config
            .set("group.id", "bench-watch")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.queue.backoff.ms", "5");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config.create().expect("sound settings")
    }

    /// Offset after the last stable record of each partition.
    pub(crate) fn ends(&self, watcher: &BaseConsumer, topic: &str, partitions: i32) -> Vec<i64> {
        let end = |partition| {
            let marks = watcher.fetch_watermarks(topic, partition, TIMEOUT);
            marks.expect("the broker is there").1
        };
        (0..partitions).map(end).collect()
    }
}

fn bytes_of(message: &impl Message) -> u64 {
    let headers = message.headers().map_or(0, |headers| {
        let of = |header: rdkafka::message::Header<'_, &[u8]>| {
            header.key.len() + header.value.unwrap_or_default().len()
        };
        headers.iter().map(of).sum()
    });
    let part = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let parts = [part(message.key()), part(message.payload()), headers];
    parts.iter().map(|&part| u64::try_from(part).expect("a length")).sum()
}

/// Waits for an answer; the client's own threads do the work.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    let waiting = tokio::runtime::Builder::new_current_thread().build();
    waiting.expect("this thread can wait").block_on(answer)
}
