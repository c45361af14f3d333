//! Sending commands: each is stored once, whatever becomes of the connection.

use super::errors::asked;
use super::queue::{queue, serve};
use super::record::{RECORD_TIME_MS, to_kafka};
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use crate::log::CommandRecord;
use conclave_core::units::Offset;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long brokers may take to store a batch.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// A record that the brokers stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) offset: Offset,
    /// Whether the brokers said a time of their own: the topic's times are theirs, or they had
    /// stored the record before and answer a second time, with a time of the whole batch.
    pub(super) is_stamped: bool,
}

/// Takes note of what became of each record of a batch, by its place there.
#[derive(Debug, Default)]
struct Deliveries(Mutex<Vec<std::result::Result<(usize, Delivered), KafkaError>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<usize>) {
        let delivered = match result {
            Ok(message) => {
                let is_stamped = matches!(message.timestamp(), Timestamp::LogAppendTime(_));
                Ok((*place, Delivered { offset: Offset(message.offset()), is_stamped }))
            }
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(delivered);
    }
}

/// Appends commands to one partition.
pub(super) struct Submitter {
    producer: BaseProducer<Deliveries>,
    topic: String,
    partition: i32,
}

impl Submitter {
    pub(super) fn open(settings: &KafkaSettings, partition: i32) -> Result<Self> {
        let mut config = settings.client("submit");
        // Stored once and in order, by all replicas that are in sync.
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", ACCEPT_TIMEOUT.as_millis().to_string());
        config.set("linger.ms", "1");
        config.set("compression.type", "lz4");
        config.set("batch.num.messages", "10000");
        let what = "commands cannot be sent";
        let producer = asked(config.create_with_context(Deliveries::default()), what)?;
        Ok(Self { producer, topic: settings.topics.commands.clone(), partition })
    }

    /// Appends commands, in order, and says where each is stored.
    ///
    /// # Errors
    /// `Unavailable` when not all of them are known to be stored: some may be.
    pub(super) fn send(&self, commands: &[CommandRecord]) -> Result<Vec<Delivered>> {
        let deadline = Instant::now() + ACCEPT_TIMEOUT + ACCEPT_TIMEOUT;
        for (place, command) in commands.iter().enumerate() {
            self.queue(place, command, deadline)?;
        }
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            serve(&self.producer);
        }
        let mut reports = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut delivered = vec![None; commands.len()];
        for report in reports.drain(..) {
            let (place, one) = asked(report, "a command was not stored")?;
            if one.offset < Offset(0) {
                // What was sent twice is stored once, and the brokers do not always say where.
                return Err(Error::unavailable(
                    "commands are stored and the brokers do not say where: send them again, they \
                     are told apart by their ids",
                ));
            }
            delivered[place] = Some(one);
        }
        let all: Option<Vec<_>> = delivered.into_iter().collect();
        all.ok_or_else(|| {
            Error::unavailable("not all commands were stored in time: send them again")
        })
    }

    fn queue(&self, place: usize, command: &CommandRecord, deadline: Instant) -> Result<()> {
        let headers = to_kafka(&command.headers, RECORD_TIME_MS, command.time_ms.0);
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(place))
            .partition(self.partition)
            .key(command.key.as_slice())
            .payload(command.value.as_slice())
            // 0 would be taken for "now", and nothing before 1970 can be said: the header says it.
            .timestamp(command.time_ms.0.max(1))
            .headers(headers);
        asked(queue(&self.producer, record, deadline), "a command was not sent")
    }
}
