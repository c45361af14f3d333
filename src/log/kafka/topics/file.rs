//! The files under `topics/`: what each topic is set to, and why. They are part of the program, and
//! read strictly.

use crate::log::kafka::settings::TopicNames;
use conclave_core::command::TimeSource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A topic, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRole {
    /// What is asked.
    Commands,
    /// What is answered.
    Decisions,
    /// What could not be read.
    DeadLetters,
    /// What it was decided with.
    Artifacts,
}

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicFile {
    /// What records are keyed by.
    pub key: Choice<String>,
    /// Partitions, when nobody says otherwise.
    pub partitions: Choice<i32>,
    /// Copies of each partition.
    pub replication: Choice<i32>,
    /// Whose clock stamps a record.
    pub time_source: Choice<Stamp>,
    /// How long a record is kept; -1 is for ever.
    pub retention_ms: Choice<i64>,
    /// How many bytes of a partition are kept; -1 is all.
    pub retention_bytes: Choice<i64>,
    /// What happens to old records: `delete` or `compact`.
    pub cleanup: Choice<String>,
    /// How the broker stores batches.
    pub compression: Choice<String>,
    /// Bytes of one batch.
    pub max_message_bytes: Choice<i64>,
    /// Copies that an acknowledged record lies on.
    pub min_insync_replicas: Choice<i32>,
    /// Whether a copy that missed something may lead.
    pub unclean_leader_election: Choice<bool>,
}

/// One setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice<T> {
    /// What it is for a live log.
    pub value: T,
    /// What it is for a log that carries its own times, when that is something else.
    pub carried: Option<T>,
    /// Why.
    pub why: String,
}

/// Whose clock stamps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// The broker's.
    LogAppend,
    /// The producer's.
    Create,
}

impl<T> Choice<T> {
    /// What it is for a log with times from `source`.
    pub fn of(&self, source: TimeSource) -> &T {
        match source {
            TimeSource::LogAppend => &self.value,
            TimeSource::Carried => self.carried.as_ref().unwrap_or(&self.value),
        }
    }
}

impl TopicRole {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Commands, Self::Decisions, Self::DeadLetters, Self::Artifacts];

    /// What the topic is called.
    #[must_use]
    pub fn name(self, names: &TopicNames) -> &str {
        match self {
            Self::Commands => &names.commands,
            Self::Decisions => &names.decisions,
            Self::DeadLetters => &names.dead_letters,
            Self::Artifacts => &names.artifacts,
        }
    }

    /// Its file.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    #[must_use]
    pub fn file(self) -> TopicFile {
        let text = match self {
            Self::Commands => include_str!("../../../../topics/commands.toml"),
            Self::Decisions => include_str!("../../../../topics/decisions.toml"),
            Self::DeadLetters => include_str!("../../../../topics/dead-letters.toml"),
            Self::Artifacts => include_str!("../../../../topics/artifacts.toml"),
        };
        toml::from_str(text).expect("the files under topics/ are part of the program")
    }

    /// Whether a log cannot be proved without it.
    #[must_use]
    pub fn is_record(self) -> bool {
        matches!(self, Self::Commands | Self::Decisions)
    }
}

/// Copies that have to have what is acknowledged, among `replicas`: never all of several, or one
/// broker that is away would stop everything.
pub(super) fn insync(wanted: i32, replicas: i32) -> i32 {
    wanted.min(replicas - 1).max(1)
}

impl TopicFile {
    /// The topic's properties as Kafka spells them, for `replicas` copies.
    #[must_use]
    pub fn properties(&self, source: TimeSource, replicas: i32) -> BTreeMap<&'static str, String> {
        let stamp = match self.time_source.of(source) {
            Stamp::LogAppend => "LogAppendTime",
            Stamp::Create => "CreateTime",
        };
        let insync = insync(*self.min_insync_replicas.of(source), replicas);
        let unclean = self.unclean_leader_election.of(source);
        let mut properties = BTreeMap::from([
            ("message.timestamp.type", stamp.to_owned()),
            ("retention.ms", self.retention_ms.of(source).to_string()),
            ("retention.bytes", self.retention_bytes.of(source).to_string()),
            ("cleanup.policy", self.cleanup.of(source).clone()),
            ("compression.type", self.compression.of(source).clone()),
            ("max.message.bytes", self.max_message_bytes.of(source).to_string()),
            ("min.insync.replicas", insync.to_string()),
            ("unclean.leader.election.enable", unclean.to_string()),
        ]);
        if source == TimeSource::Carried {
            // A broker refuses times that are far from its own unless it is told not to.
            for limit in TIME_LIMITS {
                properties.insert(limit, i64::MAX.to_string());
            }
        }
        properties
    }
}

/// How far a producer's time may be from the broker's.
pub(super) const TIME_LIMITS: [&str; 2] =
    ["message.timestamp.before.max.ms", "message.timestamp.after.max.ms"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_says_why() {
        for role in TopicRole::ALL {
            let file = role.file();
            let TopicFile { key, time_source, cleanup, .. } = &file;
            for why in [&key.why, &time_source.why, &cleanup.why, &file.partitions.why] {
                assert!(why.len() > 10, "{role:?}: {why}");
            }
            let live = file.properties(TimeSource::LogAppend, 3);
            assert_eq!(live["message.timestamp.type"], "LogAppendTime");
            let carried = file.properties(TimeSource::Carried, 3);
            assert_eq!(carried["message.timestamp.type"], "CreateTime");
            assert_eq!(carried["retention.ms"], "-1", "times of 1970 are not deleted");
        }
    }

    #[test]
    fn commands_and_decisions_are_kept_alike() {
        let [commands, decisions] = [TopicRole::Commands, TopicRole::Decisions].map(|role| {
            let file = role.file();
            let mut kept = file.properties(TimeSource::LogAppend, 3);
            kept.remove("compression.type");
            (file.partitions.value, kept)
        });
        assert_eq!(commands, decisions);
    }

    #[test]
    fn what_is_acknowledged_lies_on_more_than_one_broker_where_there_are_three() {
        let wanted = [(1, 1), (2, 1), (3, 2), (5, 2)];
        assert_eq!(wanted.map(|(replicas, _)| (replicas, insync(2, replicas))), wanted);
    }

    #[test]
    fn a_setting_that_nobody_knows_is_refused() {
        let text = include_str!("../../../../topics/commands.toml");
        for stray in ["[colour]\nvalue = 1\nwhy = ''", "[key]\nvalue = 'a'\nwhy = ''\nwho = 'b'"] {
            let (_, rest) = text.split_once("[partitions]").expect("it is there");
            let key = "[key]\nvalue = 'a'\nwhy = ''\n";
            let stray =
                if stray.starts_with("[key]") { stray.into() } else { format!("{key}{stray}") };
            assert!(toml::from_str::<TopicFile>(&format!("{key}[partitions]{rest}")).is_ok());
            assert!(toml::from_str::<TopicFile>(&format!("{stray}\n[partitions]{rest}")).is_err());
        }
    }
}
