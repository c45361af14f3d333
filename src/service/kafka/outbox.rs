//! Commands on their way to the brokers: each is stored once, and whoever sent it is told where.

use crate::error::{Error, Result};
use crate::log::kafka::settings::KafkaSettings;
use crate::service::{NewCommand, Receipt, SubmitError};
use conclave_core::units::Offset;
use rdkafka::ClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use std::fmt;
use std::time::Duration;

/// How long brokers may take to store a command.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends commands to all partitions.
pub(super) struct Outbox {
    producer: ThreadedProducer<Receipts>,
    topic: String,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Tells each sender what became of its command.
struct Receipts;

impl ClientContext for Receipts {}

impl ProducerContext for Receipts {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        match result {
            Ok(message) => receipt.accepted(Offset(message.offset())),
            Err((error, _)) => receipt.refused(SubmitError::Away(error.to_string())),
        }
    }
}

impl Outbox {
    pub(super) fn open(settings: &KafkaSettings, commands_max: u64) -> Result<Self> {
        let mut config = settings.client("submit");
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string());
        config.set("linger.ms", "1");
        config.set("compression.type", "lz4");
        config.set("queue.buffering.max.messages", commands_max.to_string());
        let producer = config
            .create_with_context(Receipts)
            .map_err(|error| Error::invalid("a setting of [kafka] is refused").caused_by(error))?;
        Ok(Self { producer, topic: settings.topics.commands.clone() })
    }

    /// Sends a command to `partition`; never blocks.
    pub(super) fn submit(
        &self,
        partition: i32,
        command: &NewCommand,
        receipt: Receipt,
    ) -> std::result::Result<(), SubmitError> {
        let mut headers = OwnedHeaders::new_with_capacity(command.headers.len());
        for (key, value) in command.headers.iter() {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(receipt))
            .partition(partition)
            .key(command.key.as_slice())
            .payload(command.value.as_slice())
            .headers(headers);
        self.producer.send(record).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => SubmitError::Busy,
            _ => SubmitError::Away(error.to_string()),
        })
    }

    /// Waits until everything that was taken is stored, or it is given up.
    pub(super) fn close(&self) {
        if let Err(error) = self.producer.flush(Duration::from_secs(1)) {
            tracing::warn!(%error, "some commands were still under way at the end");
        }
    }
}
