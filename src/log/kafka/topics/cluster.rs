//! Asks a cluster what it has, and has it make what is missing.

use super::difference::{Beginning, Found};
use super::waiting::{block_on, deliver, reason};
use crate::error::{Error, Result};
use crate::log::kafka::settings::{KafkaSettings, SchemaIds};
use crate::log::{CommandRecord, Headers, StoredCommand};
use crate::wire::{CommandReader, localized};
use conclave_core::command::Payload;
use conclave_core::input::Content;
use conclave_core::limits::DECIDE_VERSION_FIRST;
use conclave_core::rejection::RejectionCode;
use conclave_core::units::{Offset, TimeMs};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Assigning partitions needs the name of a group, which nobody joins.
const GROUP: &str = "conclave-topics";
/// How long a topic that was just made may take to have leaders.
const LEADERS: Duration = Duration::from_secs(20);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// A connection to a cluster.
pub(super) struct Cluster<'a> {
    pub(super) settings: &'a KafkaSettings,
    admin: AdminClient<DefaultClientContext>,
}

impl<'a> Cluster<'a> {
    /// Connects, and counts the brokers.
    pub(super) fn connect(settings: &'a KafkaSettings) -> Result<(Self, i32)> {
        settings.check()?;
        let mut config = settings.client("admin");
        config.set("allow.auto.create.topics", "false");
        let admin = config.create();
        let admin = admin.map_err(|error| {
            Error::invalid("librdkafka refuses these settings").caused_by(error)
        })?;
        let cluster = Self { settings, admin };
        let metadata =
            cluster.admin.inner().fetch_metadata(Some(&settings.topics.commands), ANSWER);
        let metadata = metadata.map_err(|error| {
            let why = reason(&config).map_or_else(String::new, |why| {
                let advice = settings.security.advice(&why);
                format!(": {why}{advice}")
            });
            cluster.away_because(&why, error)
        })?;
        let brokers = i32::try_from(metadata.brokers().len()).unwrap_or(i32::MAX);
        Ok((cluster, brokers))
    }

    fn away(&self, error: KafkaError) -> Error {
        self.away_because("", error)
    }

    fn away_because(&self, why: &str, error: KafkaError) -> Error {
        let brokers = &self.settings.brokers;
        Error::unavailable(format!(
            "{brokers} gave no answer{why}. Start the brokers, or mend kafka.brokers and \
             kafka.security"
        ))
        .caused_by(error)
    }

    /// The topic, when it is there.
    pub(super) fn topic(&self, name: &str) -> Result<Option<Found>> {
        let metadata = self.admin.inner().fetch_metadata(Some(name), ANSWER);
        let metadata = metadata.map_err(|error| self.away(error))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let Some(topic) = topic else { return Ok(None) };
        match topic.error() {
            None => {}
            Some(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            ) => return Ok(None),
            Some(error) => {
                let code = RDKafkaErrorCode::from(error);
                return Err(self.refused(&format!("describe {name}"), code));
            }
        }
        let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
        Ok(Some(Found {
            partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
            replicas: i32::try_from(replicas.unwrap_or(0)).unwrap_or(i32::MAX),
            properties: self.properties(name)?,
        }))
    }

    fn refused(&self, what: &str, code: RDKafkaErrorCode) -> Error {
        let brokers = &self.settings.brokers;
        Error::unavailable(format!(
            "{brokers} did not {what}; docs/security.md says what each role may do"
        ))
        .caused_by(KafkaError::AdminOp(code))
    }

    fn properties(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let resources = [ResourceSpecifier::Topic(topic)];
        let described = block_on(self.admin.describe_configs(&resources, &options()));
        let described = described.map_err(|error| self.away(error))?;
        let mut properties = BTreeMap::new();
        for resource in described {
            let resource = resource
                .map_err(|code| self.refused(&format!("describe the settings of {topic}"), code))?;
            let entries = resource.entries.into_iter();
            properties
                .extend(entries.filter_map(|entry| entry.value.map(|value| (entry.name, value))));
        }
        Ok(properties)
    }

    /// Makes a topic, and waits until its partitions can be written. False when somebody else made
    /// it meanwhile.
    pub(super) fn create(
        &self,
        name: &str,
        partitions: i32,
        replicas: i32,
        properties: &BTreeMap<&str, String>,
    ) -> Result<bool> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        let topic = properties.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let made = block_on(self.admin.create_topics([&topic], &options()));
        let made = made.map_err(|error| self.away(error))?;
        let mut is_new = true;
        for one in made {
            match one {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => is_new = false,
                Err((_, code)) => {
                    let what =
                        format!("make {name} with {partitions} partitions and {replicas} replicas");
                    return Err(self.refused(&what, code));
                }
            }
        }
        self.await_leaders(name, partitions)?;
        Ok(is_new)
    }

    fn await_leaders(&self, name: &str, partitions: i32) -> Result<()> {
        let until = Instant::now() + LEADERS;
        loop {
            let metadata = self.admin.inner().fetch_metadata(Some(name), ANSWER);
            let metadata = metadata.map_err(|error| self.away(error))?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let led = topic.map_or(0, |topic| {
                topic.partitions().iter().filter(|partition| partition.leader() >= 0).count()
            });
            if i32::try_from(led).is_ok_and(|led| led >= partitions) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Error::unavailable(format!(
                    "{name} has leaders for {led} of {partitions} partitions after {} s: look at \
                     the brokers' logs, and say it again",
                    LEADERS.as_secs()
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How each partition of the commands begins.
    pub(super) fn beginnings(&self, partitions: i32) -> Result<Vec<Beginning>> {
        let topic = &self.settings.topics.commands;
        let mut config = self.settings.consumer("admin", GROUP, "read_committed");
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "error");
        // Only the first record of each partition is looked at.
        config.set("fetch.message.max.bytes", "65536");
        let reader: BaseConsumer = config.create().map_err(|error| self.away(error))?;
        let (mut beginnings, mut wanted) = (BTreeMap::new(), TopicPartitionList::new());
        for partition in 0..partitions {
            let ends = reader.fetch_watermarks(topic, partition, ANSWER);
            match ends.map_err(|error| self.away(error))? {
                (_, 0) => drop(beginnings.insert(partition, Beginning::Empty)),
                (low @ 1.., _) => drop(beginnings.insert(partition, Beginning::Cut(low))),
                (low, _) => wanted
                    .add_partition_offset(topic, partition, KafkaOffset::Offset(low))
                    .map_err(|error| self.away(error))?,
            }
        }
        reader.assign(&wanted).map_err(|error| self.away(error))?;
        self.read_first(&reader, wanted.count(), &mut beginnings)?;
        Ok(beginnings.into_values().collect())
    }

    fn read_first(
        &self,
        reader: &BaseConsumer,
        wanted: usize,
        beginnings: &mut BTreeMap<i32, Beginning>,
    ) -> Result<()> {
        let until = Instant::now() + ANSWER;
        let all = beginnings.len() + wanted;
        while beginnings.len() < all {
            let (partition, beginning) = match reader.poll(LOOK) {
                None if Instant::now() >= until => {
                    return Err(self.away(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::OperationTimedOut,
                    )));
                }
                None => continue,
                // Of what was fetched along, nothing counts: there may be millions of commands.
                Some(Ok(message)) if beginnings.contains_key(&message.partition()) => continue,
                Some(Ok(message)) => {
                    let mut read = TopicPartitionList::new();
                    read.add_partition(message.topic(), message.partition());
                    reader.pause(&read).map_err(|error| self.away(error))?;
                    (message.partition(), beginning(&message, &self.settings.schema_ids))
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let nothing = "records of transactions that are open or aborted".to_owned();
                    (partition, Beginning::Other(nothing))
                }
                // Nobody joins a group here, so not to be told about one keeps nobody from reading.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::GroupAuthorizationFailed,
                ))) => continue,
                Some(Err(error)) => return Err(self.away(error)),
            };
            beginnings.entry(partition).or_insert(beginning);
        }
        Ok(())
    }

    /// Appends a command, and waits until the brokers that have to have it do.
    pub(super) fn append(&self, partition: i32, value: &[u8]) -> Result<()> {
        let mut config = self.settings.client("admin");
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", ANSWER.as_millis().to_string());
        let topic = &self.settings.topics.commands;
        deliver(&config, topic, partition, (&[], value))?.map_err(|code| {
            self.refused(&format!("take the first record of {topic}, partition {partition}"), code)
        })
    }
}

/// What the first record of a partition is.
fn beginning(message: &BorrowedMessage<'_>, ids: &SchemaIds) -> Beginning {
    let record = CommandRecord {
        time_ms: TimeMs(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().unwrap_or_default().to_vec(),
        value: localized(message.payload().unwrap_or_default(), ids.commands),
        headers: Headers::new(),
    };
    let stored = StoredCommand { offset: Offset(message.offset()), record };
    let read = CommandReader::new();
    let read = read.read(i64::from(message.partition()), &stored, DECIDE_VERSION_FIRST);
    match read.content {
        Content::Readable { command, .. } => match command.payload {
            Payload::OpenLog(open) => Beginning::Opened(open),
            other => Beginning::Other(format!("a command {}", other.name())),
        },
        Content::Unreadable(rejected) if rejected.code == RejectionCode::UnknownSchema => {
            Beginning::Numbered(format!("no command: {}", rejected.detail))
        }
        Content::Unreadable(rejected) => {
            Beginning::Other(format!("no command: {}", rejected.detail))
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}
