//! The topic of artifacts: what a log was decided with, under names, for all instances and for
//! whoever proves the log elsewhere. Compacted: the last value of a name counts, and all are alike.

use super::waiting::deliver;
use crate::council::{Depot, model_id};
use crate::error::{Error, Result};
use crate::log::kafka::cursor::{Cursor, Enough};
use crate::log::kafka::settings::KafkaSettings;
use crate::registry::Shared;
use conclave_core::council::ModelId;
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

/// Bytes of one record: a council's file of the largest size, its name and what is around them. The
/// topic takes no more (`topics/artifacts.toml`).
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024 + 64 * 1024;

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

    /// Puts the file of the council `id` there, for all instances and for whoever proves the log.
    ///
    /// # Errors
    /// `Invalid` when there is no such topic; `Unavailable` when brokers do not answer or refuse.
    pub fn put_model(&self, id: ModelId, file: &[u8]) -> Result<()> {
        if !self.exists()? {
            let topic = &self.0.topics.artifacts;
            let what = format!("there is no topic {topic}: `conclave topics apply` makes it");
            return Err(Error::invalid(what));
        }
        self.send(&id.0.to_string(), file)
    }

    fn send(&self, name: &str, value: &[u8]) -> Result<()> {
        let topic = &self.0.topics.artifacts;
        let mut config = self.0.client("submit");
        config.set("enable.idempotence", "true");
        config.set("allow.auto.create.topics", "false");
        config.set("message.timeout.ms", STORED.as_millis().to_string());
        config.set("message.max.bytes", RECORD_BYTES_MAX.to_string());
        let refused = |code: RDKafkaErrorCode| {
            Error::unavailable(format!("{topic} did not take {name} (see docs/security.md)"))
                .caused_by(code)
        };
        deliver(&config, topic, 0, (name.as_bytes(), value))?.map_err(refused)
    }

    /// Shows `take` every record that has a name and a value, the oldest first.
    fn scan(&self, mut take: impl FnMut(&[u8], &[u8])) -> Result<()> {
        if !self.exists()? {
            return Ok(());
        }
        let mut cursor = Cursor::open(&self.0, &self.0.topics.artifacts, 0)?;
        let bounds = cursor.bounds()?;
        let mut at = bounds.low;
        while at < bounds.end {
            let next = cursor.read(at, |message| {
                if let (Some(name), Some(value)) = (message.key(), message.payload()) {
                    take(name, value);
                }
                Ok(Enough::No)
            })?;
            if next == at {
                break;
            }
            at = next;
        }
        Ok(())
    }
}

impl Shared for Artifacts {
    fn read(&self) -> Result<BTreeMap<String, String>> {
        let (mut held, mut bytes) = (BTreeMap::new(), 0);
        self.scan(|name, value| {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
            // What is no text is a council, or of a later release.
            if let (Some(name), Some(value)) = (text(name), text(value))
                && bytes < BYTES_MAX
            {
                bytes += value.len();
                held.insert(name, value);
            }
        })?;
        Ok(held)
    }

    fn write(&self, entries: &[(String, String)]) -> Result<()> {
        if entries.is_empty() || !self.exists()? {
            return Ok(());
        }
        entries.iter().try_for_each(|(name, value)| self.send(name, value.as_bytes()))
    }
}

impl Depot for Artifacts {
    fn file(&self, id: ModelId) -> Result<Option<Vec<u8>>> {
        let (name, mut found) = (id.0.to_string(), None);
        self.scan(|key, value| {
            // Somebody may have put something else there under its name.
            if key == name.as_bytes() && model_id(value) == id {
                found = Some(value.to_vec());
            }
        })?;
        Ok(found)
    }

    fn name(&self) -> String {
        format!("the topic {}", self.0.topics.artifacts)
    }
}
