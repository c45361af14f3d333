//! Commands on their way to the brokers: each is kept on this machine before anybody is told, and
//! sent until the brokers have stored it, however long they are away.
//!
//! ```text
//!  submit ─▶ intake (bounded) ─▶ courier: keep a group ─▶ tell positions ─▶ send in order
//!                                    │ store                                    │
//!                                    └──── forget ◀── deliveries ◀── brokers ◀──┘
//! ```
//!
//! One thread keeps and sends, so what one submitter sends to one partition stays in order. A
//! producer never gives up by itself; when it cannot go on (another one took its number, a broker
//! forgot it, a topic is gone), a new one sends everything again that is not known to be stored. So
//! a command may come to stand twice in the log: the second is decided as a duplicate, and whoever
//! waits is told the decision of the first.

mod courier;
mod deliveries;

use crate::error::{Error, Result};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::topics::TopicRole;
use crate::log::rocks::{Durability, OutboxStore, held_bytes};
use crate::service::{NewCommand, OutboxLevel, Receipt, SubmitError, spawn};
use courier::Courier;
use deliveries::{Deliveries, Session};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Commands that may wait to be kept; whoever comes then is asked to come back.
const INTAKE_MAX: usize = 16_384;
/// Bytes that a record takes in a batch of Kafka's beside key, value and headers, and each header
/// beside its own.
const RECORD_OVERHEAD_BYTES: usize = 512;
const HEADER_OVERHEAD_BYTES: usize = 16;

/// A command that was submitted.
struct Submitted {
    partition: i32,
    /// What it takes of the outbox.
    bytes: u64,
    command: NewCommand,
    receipt: Receipt,
}

/// Takes commands for all partitions.
#[derive(Debug)]
pub(super) struct Outbox {
    level: Arc<OutboxLevel>,
    record_bytes_max: usize,
    intake: SyncSender<Submitted>,
    courier: Mutex<Option<JoinHandle<()>>>,
}

impl Outbox {
    /// Opens the outbox in `dir`, which sends on what it holds from before.
    ///
    /// # Errors
    /// As the store's; `Invalid` when a setting is refused.
    pub(super) fn open(
        settings: &KafkaSettings,
        dir: &Path,
        durability: Durability,
        commands_max: u64,
    ) -> Result<Self> {
        let store = OutboxStore::open(dir, durability)?;
        let (commands, bytes) = store.held()?;
        let level = Arc::new(OutboxLevel::new(commands, bytes, commands_max));
        let record_bytes_max = TopicRole::Commands.file().max_message_bytes.value;
        let record_bytes_max = usize::try_from(record_bytes_max)
            .map_err(|_| Error::bug("a topic's records have a positive bound"))?;
        let deliveries = Arc::new(Deliveries::new(Arc::clone(&level)));
        let session = Session::open(settings, record_bytes_max, &deliveries)?;
        let (intake, submitted) = sync_channel(INTAKE_MAX);
        let settings = settings.clone();
        let open = move |deliveries: &Arc<Deliveries>| {
            Session::open(&settings, record_bytes_max, deliveries)
        };
        let reopen = dir.to_owned();
        let reopen = move || OutboxStore::open(&reopen, durability);
        let courier = Courier::new(store, session, deliveries, Box::new(open), Box::new(reopen));
        let courier = spawn("outbox", move || courier.run(&submitted))?;
        Ok(Self { level, record_bytes_max, intake, courier: Mutex::new(Some(courier)) })
    }

    /// How much it holds.
    pub(super) fn level(&self) -> &Arc<OutboxLevel> {
        &self.level
    }

    /// Takes a command for `partition`; never blocks.
    ///
    /// # Errors
    /// `Full` when it holds as much as it may, `Busy` when the disk is slower than what comes in,
    /// `TooLarge` when no broker would take it.
    pub(super) fn submit(
        &self,
        partition: i32,
        command: NewCommand,
        receipt: Receipt,
    ) -> std::result::Result<(), SubmitError> {
        let (bytes, bytes_max) = (record_bytes(&command), self.record_bytes_max);
        if bytes > bytes_max {
            return Err(SubmitError::TooLarge { bytes, bytes_max });
        }
        let bytes = held_bytes(&command.key, &command.value, &command.headers);
        if !self.level.enter(bytes) {
            return Err(SubmitError::Full { commands_max: self.level.commands_max() });
        }
        let sent = self.intake.try_send(Submitted { partition, bytes, command, receipt });
        sent.map_err(|error| {
            self.level.leave(bytes);
            match error {
                TrySendError::Full(_) => SubmitError::Busy,
                TrySendError::Disconnected(_) => SubmitError::Closing,
            }
        })
    }

    /// Keeps what was taken, gives the brokers a moment to store it and ends. What they have not
    /// stored is sent after the next start.
    pub(super) fn close(&self) {
        let courier = self.courier.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = courier else { return };
        self.level.close();
        if thread.join().is_err() {
            tracing::error!("the outbox panicked: what it had accepted is sent after a new start");
        }
    }
}

/// Bytes of a command as Kafka counts them, or some more.
fn record_bytes(command: &NewCommand) -> usize {
    let headers = command.headers.bytes() + command.headers.len() * HEADER_OVERHEAD_BYTES;
    RECORD_OVERHEAD_BYTES + command.key.len() + command.value.len() + headers
}
