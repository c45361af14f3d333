//! Whether the brokers can be reached: asked all the time, so that everybody knows since when not;
//! and what is known without them.

use crate::error::{Error, ErrorKind, Result};
use crate::log::kafka::partition_count;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::topics::{Difference, check, refuse};
use crate::log::rocks::SnapshotStore;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use crate::resilience::{DelaySettings, Delays};
use crate::service::Notices;
use conclave_core::command::TimeSource;
use conclave_core::units::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two questions to the brokers, and how long one may take.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Pauses before the topics are looked at again.
const AGAIN: DelaySettings = DelaySettings {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(2),
    retries_max: usize::MAX,
};
/// Pauses before brokers are asked again for topics that they do not know, and for how long in all:
/// brokers that come back may not know them yet.
const UNKNOWN: DelaySettings = DelaySettings {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(1),
    retries_max: usize::MAX,
};
const UNKNOWN_MAX: Duration = Duration::from_secs(5);
/// What the topics were when they were last seen.
const SEEN_FILE: &str = "topics-seen";

/// The end of the service, for those who wait for something else meanwhile.
#[derive(Debug, Default)]
pub(super) struct Ending {
    has_come: Mutex<bool>,
    told: Condvar,
}

impl Ending {
    /// Lets all who wait go on.
    pub(super) fn come(&self) {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Whether it comes within `span`.
    fn comes_within(&self, span: Duration) -> bool {
        let has_come = self.has_come.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(has_come, span, |has_come| !*has_come);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Asks the brokers whether they are there until the end, and tells the partitions.
pub(super) fn listen(settings: &KafkaSettings, partitions: &[Notices], ending: &Ending) {
    let consumer: BaseConsumer = match settings.client("read").create() {
        Ok(consumer) => consumer,
        Err(error) => {
            tracing::error!(%error, "nobody notices whether the brokers answer");
            return;
        }
    };
    let (topic, mut answered) = (&settings.topics.commands, true);
    loop {
        let asked = consumer.fetch_metadata(Some(topic), ANSWER_MAX);
        match (&asked, answered) {
            (Ok(_), false) => tracing::warn!("the brokers answer again"),
            (Err(error), true) => tracing::warn!(%error, "the brokers do not answer"),
            _ => {}
        }
        answered = asked.is_ok();
        if answered {
            partitions.iter().for_each(Notices::heard);
        }
        if ending.comes_within(ASK_EVERY) {
            return;
        }
    }
}

/// What is known of the topics at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topics {
    /// Partitions.
    pub(super) count: i32,
    /// Whether the brokers said so just now, and nothing about the topics is harmful.
    pub(super) is_checked: bool,
}

/// What the brokers say of the topics; while they are away, what they said at an earlier start.
/// Topics that they do not know are asked for again for a while, until `ending`.
///
/// # Errors
/// `Unavailable` when they are away and never were there, `Invalid` when the topics could lose or
/// change decisions, or are other ones than those that `data` belongs to.
pub(super) fn topics(settings: &KafkaSettings, data: &Path, ending: &Ending) -> Result<Topics> {
    let (topic, file) = (&settings.topics.commands, data.join(SEEN_FILE));
    let seen = std::fs::read_to_string(&file).ok();
    match (known(ending, UNKNOWN_MAX, || look(settings)), seen) {
        (Ok(count), Some(seen)) if seen != line(topic, count) => Err(Error::invalid(format!(
            "{} belongs to other topics ('{}') than {topic} with {count} partitions: give each log \
             a directory of its own (data)",
            data.display(),
            seen.trim()
        ))),
        (Ok(count), seen) => {
            if seen.is_none() {
                keep(&file, &line(topic, count))?;
            }
            Ok(Topics { count, is_checked: true })
        }
        (Err(error), Some(seen)) if error.kind == ErrorKind::Unavailable => {
            let count = seen.strip_prefix(&format!("{topic} "));
            let count = count.and_then(|count| count.trim().parse().ok()).ok_or(error)?;
            tracing::warn!("the brokers are away: commands are kept until they answer");
            Ok(Topics { count, is_checked: false })
        }
        (Err(error), _) => Err(error),
    }
}

/// What one look at the topics found.
#[derive(Debug)]
enum Looked {
    /// So many partitions, and nothing about the topics is harmful.
    Sound(i32),
    /// The brokers do not know some of them, as this error says.
    Unknown(Error),
}

fn look(settings: &KafkaSettings) -> Result<Looked> {
    let differences = check(settings, TimeSource::LogAppend)?;
    let is_unknown = differences.iter().any(Difference::is_missing_topic);
    match refuse(&differences) {
        Err(error) if is_unknown => Ok(Looked::Unknown(error)),
        Err(error) => Err(error),
        // Another broker may answer this one, which does not know them yet.
        Ok(()) => match partition_count(settings) {
            Err(error) if error.kind == ErrorKind::Invalid => Ok(Looked::Unknown(error)),
            counted => counted.map(Looked::Sound),
        },
    }
}

/// How many partitions there are. While topics are not known it looks again, for as long as that
/// may pass (`patience`) and `ending` has not come.
fn known(
    ending: &Ending,
    patience: Duration,
    mut look: impl FnMut() -> Result<Looked>,
) -> Result<i32> {
    let until = Instant::now() + patience;
    let mut looked = look()?;
    if let Looked::Unknown(_) = looked {
        tracing::warn!("the brokers do not know all topics: they are asked again for a while");
    }
    for pause in Delays::new(&UNKNOWN, u64::from(std::process::id())) {
        let may_pass = matches!(looked, Looked::Unknown(_)) && Instant::now() + pause < until;
        if !may_pass || ending.comes_within(pause) {
            break;
        }
        looked = look()?;
    }
    match looked {
        Looked::Sound(count) => Ok(count),
        Looked::Unknown(error) => Err(error),
    }
}

fn line(topic: &str, count: i32) -> String {
    format!("{topic} {count}\n")
}

/// Writes a file whole or not at all.
fn keep(file: &Path, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    let written = std::fs::create_dir_all(file.parent().unwrap_or_else(|| Path::new(".")))
        .and_then(|()| std::fs::write(&new, text))
        .and_then(|()| std::fs::rename(&new, file));
    written.map_err(|error| {
        Error::unavailable(format!("{} cannot be written", file.display())).caused_by(error)
    })
}

/// Waits until the brokers answer and nothing about the topics is harmful; false when the end comes
/// first.
///
/// # Errors
/// `Invalid` when the topics could lose or change decisions, or are not what they were.
pub(super) fn await_topics(settings: &KafkaSettings, data: &Path, ending: &Ending) -> Result<bool> {
    for pause in Delays::new(&AGAIN, u64::from(std::process::id())) {
        match topics(settings, data, ending) {
            Ok(Topics { is_checked: true, .. }) => return Ok(true),
            Ok(Topics { is_checked: false, .. }) => {}
            Err(error) if error.kind == ErrorKind::Unavailable => {}
            // What was not known yet is no reason to end otherwise than asked.
            Err(_) if ending.comes_within(Duration::ZERO) => return Ok(false),
            Err(error) => return Err(error),
        }
        if ending.comes_within(pause) {
            return Ok(false);
        }
    }
    Ok(false)
}

/// What is known of a partition without the brokers: its snapshots.
#[derive(Debug)]
pub(super) struct Unreached {
    pub(super) partition: i32,
    pub(super) snapshots: Arc<SnapshotStore>,
}

impl LogReader for Unreached {
    fn partition(&self) -> i64 {
        i64::from(self.partition)
    }

    fn ends(&self) -> Result<LogEnds> {
        Ok(LogEnds::default())
    }

    fn commands(&self, _: Offset, _: usize) -> Result<Vec<StoredCommand>> {
        Ok(vec![])
    }

    fn decisions(&self, _: Offset, _: usize) -> Result<Vec<DecisionRecord>> {
        Ok(vec![])
    }

    fn dead_letters(&self, _: Offset, _: usize) -> Result<Vec<DeadLetterRecord>> {
        Ok(vec![])
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.snapshots.offsets()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.snapshots.read(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of looks that do not know all topics so often, and then do; and how many it took.
    fn look_until(unknown: usize, ending: &Ending, patience: Duration) -> (Result<i32>, usize) {
        let mut looks = 0;
        let known = known(ending, patience, || {
            looks += 1;
            Ok(if looks > unknown {
                Looked::Sound(3)
            } else {
                Looked::Unknown(Error::invalid("commands: topic is not there"))
            })
        });
        (known, looks)
    }

    #[test]
    fn topics_that_are_not_known_for_a_moment_end_no_start() {
        let patience = Duration::from_secs(60);
        let (known, looks) = look_until(2, &Ending::default(), patience);
        assert_eq!((known.expect("they are known by then"), looks), (3, 3));
    }

    #[test]
    fn topics_that_stay_unknown_are_named_in_the_end() {
        let (known, looks) = look_until(usize::MAX, &Ending::default(), Duration::from_secs(1));
        assert_eq!(known.expect_err("they are not there").kind, ErrorKind::Invalid);
        assert!(looks > 1, "{looks}");
        let ending = Ending::default();
        ending.come();
        let (known, looks) = look_until(usize::MAX, &ending, Duration::from_secs(60));
        assert_eq!((known.is_err(), looks), (true, 1), "a stop does not wait for them");
    }
}
