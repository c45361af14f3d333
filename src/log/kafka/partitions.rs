//! How many partitions a log has.

use super::cursor::ASK_TIMEOUT;
use super::errors::asked;
use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

/// How many partitions the log has.
///
/// # Errors
/// `Invalid` when a topic is missing, or they differ; `Unavailable` when brokers do not answer.
pub fn partition_count(settings: &KafkaSettings) -> Result<i32> {
    let mut config = settings.client("read");
    config.set("group.id", format!("{}.reader", settings.topics.commands));
    let consumer: BaseConsumer = asked(config.create(), "a reader cannot be made")?;
    let count = |topic: &str| -> Result<usize> {
        let what = format!("the partitions of {topic}");
        let found = asked(consumer.fetch_metadata(Some(topic), ASK_TIMEOUT), &what)?;
        let found = found.topics().first().map_or(0, |topic| topic.partitions().len());
        if found > 0 {
            return Ok(found);
        }
        Err(Error::invalid(format!("there is no topic {topic}: `conclave topics apply` makes it")))
    };
    let topics = &settings.topics;
    let (commands, decisions) = (count(&topics.commands)?, count(&topics.decisions)?);
    if commands != decisions || commands != count(&topics.dead_letters)? {
        return Err(Error::invalid(format!(
            "{} has {commands} partitions and {} has {decisions}: they and {} have to have the \
             same number, for ever (`conclave topics check`)",
            topics.commands, topics.decisions, topics.dead_letters
        )));
    }
    i32::try_from(commands).map_err(|_| Error::bug("a topic of more than 2^31 partitions"))
}
