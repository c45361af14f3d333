//! How many partitions a log has.

use super::cursor::ASK_TIMEOUT;
use super::errors::{asked, is_unknown, sorted};
use super::settings::KafkaSettings;
use crate::error::{Error, ErrorKind, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How many partitions the log has.
///
/// # Errors
/// `Invalid` when a topic is missing, or they differ; `Unavailable` when brokers do not answer.
pub fn partition_count(settings: &KafkaSettings) -> Result<i32> {
    let mut config = settings.client("read");
    config.set("group.id", format!("{}.reader", settings.topics.commands));
    let consumer: BaseConsumer = asked(config.create(), "a reader cannot be made")?;
    let count = |topic: &String| -> Result<usize> {
        let found = consumer.fetch_metadata(Some(topic), ASK_TIMEOUT);
        let found = found.map_err(|error| unanswered(settings, topic, error))?;
        let Some(found) = found.topics().first() else { return Ok(0) };
        match found.error().map(RDKafkaErrorCode::from) {
            Some(code) if is_unknown(code) => Ok(0),
            // Whoever may not look at a topic does not see that it is there.
            None => Ok(found.partitions().len()),
            Some(code) => Err(unanswered(settings, topic, KafkaError::MetadataFetch(code))),
        }
    };
    let topics = &settings.topics;
    let names = [&topics.commands, &topics.decisions, &topics.dead_letters];
    let counts = [count(names[0])?, count(names[1])?, count(names[2])?];
    agreed(settings, names.map(String::as_str), counts)
}

/// The count that all topics have.
fn agreed(settings: &KafkaSettings, names: [&str; 3], counts: [usize; 3]) -> Result<i32> {
    let (brokers, prefix) = (&settings.brokers, settings.topics.prefix());
    let apply = format!("`{}`", settings.apply_line());
    if counts == [0; 3] {
        return Err(Error::invalid(format!(
            "{brokers} has no topics of the prefix '{prefix}' ({} and so on): name the prefix of \
             a log that is there (--prefix, or kafka.prefix), or, when it is a new one, make its \
             topics with {apply}",
            names[0]
        )));
    }
    if let Some((missing, _)) = names.iter().zip(counts).find(|(_, count)| *count == 0) {
        return Err(Error::invalid(format!("there is no topic {missing}: {apply} makes it")));
    }
    let [commands, decisions, dead_letters] = counts;
    if commands != decisions || commands != dead_letters {
        return Err(Error::invalid(format!(
            "{} has {commands} partitions and {} has {decisions}: they and {} have to have the \
             same number, for ever (`conclave topics check`)",
            names[0], names[1], names[2]
        )));
    }
    i32::try_from(commands).map_err(|_| Error::bug("a topic of more than 2^31 partitions"))
}

/// Why nobody said how many partitions `topic` has.
fn unanswered(settings: &KafkaSettings, topic: &str, error: KafkaError) -> Error {
    let brokers = &settings.brokers;
    match sorted(error, &format!("asking {brokers} for the partitions of {topic}")) {
        // Whoever reads once does not try again, and the address may be mistyped.
        Error { kind: ErrorKind::Unavailable, source, .. } => Error {
            kind: ErrorKind::Unavailable,
            message: format!(
                "{brokers} gave no answer. Start the brokers, or name others (--brokers, or \
                 kafka.brokers)"
            ),
            source,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::kafka::settings::TopicNames;
    use rdkafka::error::RDKafkaErrorCode as Code;

    #[track_caller]
    fn check(counts: [usize; 3], said: &[&str]) {
        let settings = KafkaSettings {
            topics: TopicNames::prefixed("lba"),
            ..KafkaSettings::plain("k1:9092")
        };
        let names = ["lba.commands", "lba.decisions", "lba.dead-letters"];
        let error = agreed(&settings, names, counts).expect_err("they do not agree");
        assert_eq!(error.kind, ErrorKind::Invalid);
        for said in said {
            assert!(error.message.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let apply = "topics apply --brokers k1:9092 --prefix lba";
        check([0, 0, 0], &["no topics of the prefix 'lba'", "(--prefix, or kafka.prefix)", apply]);
        check([2, 0, 2], &["there is no topic lba.decisions", apply]);
        check([2, 2, 3], &["lba.commands has 2 partitions"]);
    }

    #[test]
    fn a_wrong_address_is_named() {
        let settings = KafkaSettings::plain("k1:9029");
        let error = |code| unanswered(&settings, "t", KafkaError::MetadataFetch(code));
        let away = error(Code::BrokerTransportFailure);
        assert_eq!(away.kind, ErrorKind::Unavailable);
        assert!(away.message.contains("k1:9029 gave no answer"), "{away}");
        assert!(away.message.contains("--brokers"), "{away}");
        let refused = error(Code::TopicAuthorizationFailed);
        assert_eq!(refused.kind, ErrorKind::Invalid, "{refused}");
        assert!(refused.message.contains("asking k1:9029 for the partitions of t"), "{refused}");
    }
}
