//! Where the decisions of all partitions end: one consumer, without a group, that tells every
//! partition's view as soon as more of them can be read, whoever decided them.

use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::{KafkaReader, command_offset};
use crate::service::Notices;
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Message as _, Offset as KafkaOffset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const POLL_MAX: Duration = Duration::from_millis(100);
/// How often all ends are asked for anew: a notice that got lost costs this much.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// A partition that is watched.
pub(super) struct Watched {
    pub(super) reader: KafkaReader,
    pub(super) notices: Notices,
}

/// Watches until `is_closing`.
pub(super) fn watch(settings: &KafkaSettings, partitions: &[Watched], is_closing: &AtomicBool) {
    while !is_closing.load(Ordering::Acquire) {
        if let Err(error) = follow(settings, partitions, is_closing) {
            tracing::warn!(%error, "the decisions cannot be followed; it is tried again");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

fn follow(settings: &KafkaSettings, partitions: &[Watched], is_closing: &AtomicBool) -> Result<()> {
    let consumer = consumer(settings, partitions)?;
    let mut asked_at: Option<Instant> = None;
    while !is_closing.load(Ordering::Acquire) {
        if asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            asked_at = Some(Instant::now());
            for watched in partitions {
                watched.notices.advance(watched.reader.ends()?);
            }
        }
        match consumer.poll(POLL_MAX) {
            None => {}
            Some(Ok(message)) => {
                let watched = usize::try_from(message.partition()).ok();
                let watched = watched.and_then(|number| partitions.get(number));
                if let (Some(watched), Some(offset)) = (watched, command_offset(&message)) {
                    watched.notices.decided(Offset(offset.0 + 1));
                }
            }
            Some(Err(error)) => tracing::debug!(%error, "the watch of the decisions reports"),
        }
    }
    Ok(())
}

fn consumer(settings: &KafkaSettings, partitions: &[Watched]) -> Result<BaseConsumer> {
    let what = "the decisions cannot be followed";
    let group = format!("{}.watch", settings.topics.decisions);
    let mut config = settings.consumer("read", &group, "read_committed");
    config.set("auto.offset.reset", "latest");
    config.set("fetch.wait.max.ms", "100");
    config.set("queued.max.messages.kbytes", "8192");
    let consumer: BaseConsumer =
        config.create().map_err(|error| Error::invalid(what).caused_by(error))?;
    let mut assignment = TopicPartitionList::with_capacity(partitions.len());
    for watched in partitions {
        let partition = i32::try_from(watched.reader.partition());
        let partition = partition.map_err(|_| Error::bug("a partition is no number of Kafka's"))?;
        let topic = &settings.topics.decisions;
        assignment
            .add_partition_offset(topic, partition, KafkaOffset::End)
            .map_err(|error| Error::bug(what).caused_by(error))?;
    }
    consumer.assign(&assignment).map_err(|error| Error::unavailable(what).caused_by(error))?;
    Ok(consumer)
}
