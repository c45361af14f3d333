//! What writes to a partition in the name of a group: whoever owns it, and for as long as that is.

use super::cursor::ASK_TIMEOUT;
use super::errors::{asked, sorted};
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two questions to a group whose coordinator is not there yet.
const ASK_NAP: Duration = Duration::from_millis(50);

/// A member of the group that decides, as far as one partition of it is concerned.
pub trait Member: Debug + Send + Sync {
    /// Who it is, asked anew for every transaction.
    ///
    /// # Errors
    /// `Unavailable` when it has not joined.
    fn metadata(&self) -> Result<ConsumerGroupMetadata>;

    /// What the group has committed for a partition of `topic`; none when nothing is.
    ///
    /// # Errors
    /// When the brokers do not say.
    fn committed(&self, topic: &str, partition: i32) -> Result<Option<Offset>>;

    /// Keeps the partition from being taken away until what is returned is dropped; none when it
    /// is not ours any more, or was not ours all the time since it was taken up.
    fn hold(&self) -> Option<Hold<'_>>;
}

/// While it lives, the partition is ours.
#[derive(Debug)]
pub struct Hold<'m>(#[expect(dead_code, reason = "held, not read")] Option<MutexGuard<'m, ()>>);

impl<'m> Hold<'m> {
    /// Nobody could take it away.
    #[must_use]
    pub fn unguarded() -> Self {
        Self(None)
    }

    /// Whoever takes it away has to wait for the lock.
    #[must_use]
    pub fn locked(lock: &'m Mutex<()>) -> Self {
        Self(Some(lock.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A process that owns all partitions because nobody else is there: a demo, an import, a test. The
/// group refuses its offsets as soon as a service has joined.
pub struct Alone {
    consumer: BaseConsumer,
}

impl Debug for Alone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alone")
    }
}

impl Alone {
    /// Writes in the name of `group`, and never joins it.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused.
    pub fn new(settings: &KafkaSettings, group: &str) -> Result<Self> {
        let config = settings.consumer("decide", group, "read_committed");
        Ok(Self { consumer: asked(config.create(), "a consumer cannot be made")? })
    }
}

impl Member for Alone {
    fn metadata(&self) -> Result<ConsumerGroupMetadata> {
        metadata(&self.consumer)
    }

    fn committed(&self, topic: &str, partition: i32) -> Result<Option<Offset>> {
        committed(&self.consumer, topic, partition)
    }

    fn hold(&self) -> Option<Hold<'_>> {
        Some(Hold::unguarded())
    }
}

/// Who `consumer` is in its group.
///
/// # Errors
/// `Unavailable` when it has none.
pub fn metadata<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Result<ConsumerGroupMetadata> {
    let none = || Error::unavailable("this instance has not joined its group; it is tried again");
    consumer.group_metadata().ok_or_else(none)
}

/// What the group of `consumer` has committed. A consumer of committed records also waits for
/// offsets that a transaction is about to commit.
///
/// # Errors
/// When the brokers do not say.
pub fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<Option<Offset>> {
    let what = format!("the offset that the group committed for {topic}-{partition}");
    let mut wanted = TopicPartitionList::with_capacity(1);
    wanted.add_partition(topic, partition);
    let patience = Instant::now() + ASK_TIMEOUT;
    let found = loop {
        match consumer.committed_offsets(wanted.clone(), ASK_TIMEOUT) {
            // Who coordinates the group is looked for, or its offsets are just being loaded.
            Err(_) if Instant::now() < patience => std::thread::sleep(ASK_NAP),
            answered => break asked(answered, &what)?,
        }
    };
    let found = found.find_partition(topic, partition);
    let found = found.ok_or_else(|| Error::bug(format!("{what} was not answered")))?;
    // A call that went well says nothing about its parts.
    found.error().map_err(|error| sorted(error, &what))?;
    match found.offset() {
        KafkaOffset::Offset(next) => Ok(Some(Offset(next))),
        _ => Ok(None),
    }
}
