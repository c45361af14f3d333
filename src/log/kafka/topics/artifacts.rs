//! The topic of artifacts: what a log was decided with, under names, for all instances and for
//! whoever proves the log elsewhere. Compacted: the last value of a name counts, and all are alike.

use super::waiting::deliver;
use crate::error::{Error, Result};
use crate::log::kafka::cursor::{Cursor, Enough};
use crate::log::kafka::settings::KafkaSettings;
use crate::registry::Shared;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long brokers may take to say whether there is such a topic: a start waits for it.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
/// How long they may take to store a record.
const STORED: Duration = Duration::from_secs(10);
/// Bytes of all values that are held at most; far more than all texts that a log meets.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// `PREFIX.artifacts` of one log.
#[derive(Clone, Debug)]
pub struct Artifacts(KafkaSettings);

impl Artifacts {
    /// Those of the log that `settings` name. Nothing is asked yet.
    #[must_use]
    pub fn of(settings: &KafkaSettings) -> Self {
        Self(settings.clone())
    }

    /// Whether the topic is there.
    fn exists(&self) -> Result<bool> {
        let topic = &self.0.topics.artifacts;
        let away = |error| {
            Error::unavailable(format!("no broker says whether there is {topic}")).caused_by(error)
        };
        let consumer: BaseConsumer = self
            .0
            .consumer("read", &format!("{topic}.reader"), "read_committed")
            .create()
            .map_err(away)?;
        let metadata = consumer.fetch_metadata(Some(topic), FIRST_ANSWER).map_err(away)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(false);
        };
        match found.error() {
            None => Ok(!found.partitions().is_empty()),
            Some(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            ) => Ok(false),
            Some(error) => {
                let what = format!("{topic} may not be read (see docs/security.md)");
                Err(Error::unavailable(what).caused_by(RDKafkaErrorCode::from(error)))
            }
        }
    }

    fn send(&self, name: &str, value: &str) -> Result<()> {
        let topic = &self.0.topics.artifacts;
        let mut config = self.0.client("submit");
        config.set("enable.idempotence", "true");
        config.set("allow.auto.create.topics", "false");
        config.set("message.timeout.ms", STORED.as_millis().to_string());
        let refused = |code: RDKafkaErrorCode| {
            Error::unavailable(format!("{topic} did not take {name} (see docs/security.md)"))
                .caused_by(code)
        };
        deliver(&config, topic, 0, (name.as_bytes(), value.as_bytes()))?.map_err(refused)
    }
}

impl Shared for Artifacts {
    fn read(&self) -> Result<BTreeMap<String, String>> {
        let (mut held, mut bytes) = (BTreeMap::new(), 0);
        if !self.exists()? {
            return Ok(held);
        }
        let mut cursor = Cursor::open(&self.0, &self.0.topics.artifacts, 0)?;
        let bounds = cursor.bounds()?;
        let mut at = bounds.low;
        while at < bounds.end && bytes < BYTES_MAX {
            let next = cursor.read(at, |message| {
                let text = |bytes: Option<&[u8]>| {
                    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned)
                };
                // What is no text is of a later release.
                if let (Some(name), Some(value)) = (text(message.key()), text(message.payload())) {
                    bytes += value.len();
                    held.insert(name, value);
                }
                Ok(Enough::No)
            })?;
            if next == at {
                break;
            }
            at = next;
        }
        Ok(held)
    }

    fn write(&self, entries: &[(String, String)]) -> Result<()> {
        if entries.is_empty() || !self.exists()? {
            return Ok(());
        }
        entries.iter().try_for_each(|(name, value)| self.send(name, value))
    }
}
