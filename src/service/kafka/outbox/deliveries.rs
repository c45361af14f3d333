//! What became of each command that was sent, and who is to be told.

use crate::error::{Error, Result};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::rocks::KeptCommand;
use crate::service::{OutboxLevel, Receipt};
use conclave_core::units::Offset;
use rdkafka::ClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commands under way to the brokers; more wait in the store.
const UNDER_WAY_MAX: usize = 10_000;
/// The same in bytes.
const UNDER_WAY_KIB_MAX: u32 = 64 * 1024;
/// How long a producer that is given up may take to say what it still knows.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Shared by whoever sends and the producers' threads.
#[derive(Debug)]
pub(super) struct Deliveries {
    level: Arc<OutboxLevel>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Which producer is the present one: of another one only successes count.
    session: u64,
    receipts: BTreeMap<i64, Receipt>,
    /// Sent, and not known to be stored: position and bytes.
    under_way: BTreeMap<i64, u64>,
    /// Stored, and still kept here.
    delivered: Vec<i64>,
    /// Why the present producer cannot go on.
    failed: Option<String>,
    /// Whether it has delivered anything.
    has_delivered: bool,
}

impl Deliveries {
    pub(super) fn new(level: Arc<OutboxLevel>) -> Self {
        Self { level, state: Mutex::default() }
    }

    pub(super) fn level(&self) -> &OutboxLevel {
        &self.level
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever waits for the command at a position.
    pub(super) fn expect(&self, waiting: impl IntoIterator<Item = (i64, Receipt)>) {
        self.state().receipts.extend(waiting);
    }

    /// Lets go of those who do not wait any more.
    pub(super) fn forget_abandoned(&self) {
        self.state().receipts.retain(|_, receipt| !receipt.is_abandoned());
    }

    /// Positions of what was stored since the last call.
    pub(super) fn take_delivered(&self) -> Vec<i64> {
        std::mem::take(&mut self.state().delivered)
    }

    pub(super) fn has_delivered(&self) -> bool {
        !self.state().delivered.is_empty()
    }

    /// Why the present producer cannot go on, if so, and whether it ever delivered anything.
    pub(super) fn failure(&self) -> Option<(String, bool)> {
        let state = self.state();
        state.failed.clone().map(|why| (why, state.has_delivered))
    }

    /// Ends the present session, whose producer is gone: the first position that it had sent and
    /// nobody knows more about. Those who wait for such a command may see it decided twice.
    pub(super) fn end_session(&self) -> Option<i64> {
        let mut state = self.state();
        let under_way = std::mem::take(&mut state.under_way);
        for position in under_way.keys() {
            if let Some(receipt) = state.receipts.get_mut(position) {
                receipt.sent_again();
            }
        }
        (state.session, state.failed, state.has_delivered) = (state.session + 1, None, false);
        under_way.first_key_value().map(|(position, _)| *position)
    }

    fn delivered(&self, position: i64, offset: Offset) {
        let mut state = self.state();
        let bytes = state.under_way.remove(&position).unwrap_or(0);
        state.delivered.push(position);
        state.has_delivered = true;
        let receipt = state.receipts.remove(&position);
        drop(state);
        self.level.leave(bytes);
        if let Some(receipt) = receipt {
            receipt.accepted(offset);
        }
    }

    fn failed(&self, session: u64, why: String) {
        let mut state = self.state();
        if state.session == session && state.failed.is_none() {
            state.failed = Some(why);
        }
    }
}

/// One producer, from its first command until it cannot go on.
pub(super) struct Session {
    producer: ThreadedProducer<Reports>,
    topic: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Whether a command is under way now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// Too much is under way already.
    Later,
}

struct Reports {
    deliveries: Arc<Deliveries>,
    session: u64,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, position: Box<i64>) {
        match result {
            Ok(message) => self.deliveries.delivered(*position, Offset(message.offset())),
            Err((error, _)) => self.deliveries.failed(self.session, error.to_string()),
        }
    }
}

impl Session {
    pub(super) fn open(
        settings: &KafkaSettings,
        record_bytes_max: usize,
        deliveries: &Arc<Deliveries>,
    ) -> Result<Self> {
        let mut config = settings.client("submit");
        // Stored once and in order, by all replicas that are in sync, however long it takes: were
        // it to give up a command, a later one could overtake it.
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", "0");
        config.set("linger.ms", "1");
        config.set("compression.type", "lz4");
        config.set("message.max.bytes", record_bytes_max.to_string());
        config.set("queue.buffering.max.messages", UNDER_WAY_MAX.to_string());
        config.set("queue.buffering.max.kbytes", UNDER_WAY_KIB_MAX.to_string());
        let session = deliveries.state().session;
        let producer = config
            .create_with_context(Reports { deliveries: Arc::clone(deliveries), session })
            .map_err(|error| Error::invalid("a setting of [kafka] is refused").caused_by(error))?;
        Ok(Self { producer, topic: settings.topics.commands.clone() })
    }

    /// Sends a command; never blocks. What becomes of it is told to the deliveries.
    pub(super) fn send(&self, kept: &KeptCommand) -> Sent {
        let KeptCommand { position, partition, record } = kept;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers.iter() {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let Reports { deliveries, session } = &**self.producer.context();
        if !deliveries.begin(*position, kept.weight()) {
            return Sent::Later;
        }
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(*position))
            .partition(*partition)
            .key(record.key.as_slice())
            .payload(record.value.as_slice())
            .headers(headers);
        let Err((error, _)) = self.producer.send(record) else { return Sent::Yes };
        deliveries.state().under_way.remove(position);
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            deliveries.failed(*session, error.to_string());
        }
        Sent::Later
    }

    /// Waits a moment until all that is under way is stored.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        self.producer.flush(patience).is_ok()
    }

    /// Gives up what is under way. Nothing is reported afterwards.
    pub(super) fn give_up(self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = self.producer.flush(LAST_WORDS) {
            tracing::debug!(%error, "a producer did not say what became of all commands");
        }
    }
}

impl Deliveries {
    /// A place under way for the command at `position`; false when there is none.
    fn begin(&self, position: i64, bytes: u64) -> bool {
        let mut state = self.state();
        let has_room = state.under_way.len() < UNDER_WAY_MAX && state.failed.is_none();
        if has_room {
            state.under_way.insert(position, bytes);
        }
        has_room
    }
}
