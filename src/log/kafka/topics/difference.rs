//! What a cluster has against what the files under `topics/` say: pure, so that every rule can be
//! tested without a broker.

use super::file::{TIME_LIMITS, TopicRole, insync};
use crate::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave_core::command::{OpenLog, TimeSource};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Something that is not as the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The topic.
    pub topic: String,
    /// The setting, as Kafka spells it, or what else was compared.
    pub setting: String,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// What it can do.
    pub harm: Harm,
    /// Why that matters.
    pub why: String,
    /// What to do.
    pub mending: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, setting, found, wanted, why, mending, harm } = self;
        let then = match harm {
            Harm::Decisions => "\n    ",
            Harm::Harmless => "; ",
        };
        write!(f, "{topic}: {setting} is {found}, should be {wanted}: {why}{then}{mending}")
    }
}

impl Difference {
    /// Whether a topic is not there that nothing can be decided without. Brokers that come back may
    /// not know it yet.
    #[must_use]
    pub fn is_missing_topic(&self) -> bool {
        self.setting == TOPIC && self.harm == Harm::Decisions
    }

    /// For people: those that are alike but for their topics as one, which names them all.
    #[must_use]
    pub fn merged(differences: &[Self]) -> Vec<Self> {
        let mut merged: Vec<Self> = vec![];
        for difference in differences {
            let same = merged
                .iter_mut()
                .find(|other| Self { topic: other.topic.clone(), ..difference.clone() } == **other);
            match same {
                Some(same) => same.topic = format!("{}, {}", same.topic, difference.topic),
                None => merged.push(difference.clone()),
            }
        }
        merged
    }
}

/// What is compared of a topic that is not there.
const TOPIC: &str = "topic";

/// What a difference can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It could lose, change or stop decisions: the service does not start.
    Decisions,
    /// It costs something else, or nothing.
    Harmless,
}

/// A topic as the cluster has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) partitions: i32,
    /// Copies of the partition that has the fewest.
    pub(super) replicas: i32,
    /// By Kafka's names.
    pub(super) properties: BTreeMap<String, String>,
}

/// How a partition of the commands begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing was ever written to it.
    Empty,
    /// With this.
    Opened(OpenLog),
    /// With something else, in words.
    Other(String),
    /// With a schema that a registry may know, in words: nobody was asked, or nobody knew it.
    Numbered(String),
    /// Records before this offset are gone.
    Cut(i64),
}

impl Beginning {
    /// What opens it, when that is what it begins with.
    pub(super) fn opened(&self) -> Option<&OpenLog> {
        match self {
            Self::Opened(open) => Some(open),
            Self::Empty | Self::Other(_) | Self::Numbered(_) | Self::Cut(_) => None,
        }
    }
}

/// What the cluster has, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Topics that are there.
    pub(super) topics: BTreeMap<TopicRole, Found>,
    /// By partition of the commands.
    pub(super) beginnings: Vec<Beginning>,
}

/// Everything that is not as the files say, the harmful first.
pub(super) fn compare(
    settings: &KafkaSettings,
    source: TimeSource,
    seen: &Seen,
) -> Vec<Difference> {
    let eye = Eye { settings, names: &settings.topics, source, seen };
    let mut differences = Vec::new();
    for role in TopicRole::ALL {
        match seen.topics.get(&role) {
            None => differences.push(eye.missing(role)),
            Some(found) => {
                differences.extend(eye.properties(role, found));
                differences.extend(eye.replicas(role, found));
                differences.extend(eye.partitions(role, found));
            }
        }
    }
    differences.extend(eye.beginnings());
    differences.sort_by_key(|difference| difference.harm);
    differences
}

/// Looks at everything with the same question.
#[derive(Clone, Copy)]
struct Eye<'a> {
    settings: &'a KafkaSettings,
    names: &'a TopicNames,
    source: TimeSource,
    seen: &'a Seen,
}

impl Eye<'_> {
    fn missing(self, role: TopicRole) -> Difference {
        let harm = if role == TopicRole::Artifacts { Harm::Harmless } else { Harm::Decisions };
        Difference {
            topic: role.name(self.names).to_owned(),
            setting: TOPIC.to_owned(),
            found: "not there".to_owned(),
            wanted: "there".to_owned(),
            harm,
            why: "there is nowhere to read from or to write to".to_owned(),
            mending: self.apply(),
        }
    }

    fn apply(self) -> String {
        let carried = if self.source == TimeSource::Carried { " --carried" } else { "" };
        format!("{}{carried}", self.settings.apply_line())
    }

    fn properties(self, role: TopicRole, found: &Found) -> Vec<Difference> {
        let wanted = role.file().properties(self.source, found.replicas);
        let topic = role.name(self.names);
        let differs = |(name, wanted): (&'static str, String)| {
            let is = found.properties.get(name).cloned().unwrap_or_default();
            if is == wanted {
                return None;
            }
            let (harm, why) = self.weigh(role, name, &is, found);
            Some(Difference {
                topic: topic.to_owned(),
                setting: name.to_owned(),
                mending: format!(
                    "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics \
                     --entity-name {topic} --add-config {name}={wanted}",
                    self.settings.brokers
                ),
                found: is,
                wanted,
                harm,
                why: why.to_owned(),
            })
        };
        wanted.into_iter().filter_map(differs).collect()
    }

    /// What a property that is not as its file says can do.
    fn weigh(self, role: TopicRole, name: &str, is: &str, found: &Found) -> (Harm, &'static str) {
        let number = is.parse::<i64>();
        let harmful = match name {
            "retention.ms" | "retention.bytes" if deletes(role, found) => {
                Some("the broker deletes what no proof and no fresh start can do without")
            }
            "cleanup.policy" if role.is_record() => {
                Some("compaction drops records that the chain of decisions needs")
            }
            "cleanup.policy" if role == TopicRole::DeadLetters && is != "delete" => Some(
                "compaction refuses dead letters without a key, and a refused dead letter \
                      holds its decision up",
            ),
            "message.timestamp.type" if role == TopicRole::Commands => match self.source {
                TimeSource::LogAppend => {
                    Some("clients' clocks would decide when leases and windows end")
                }
                TimeSource::Carried => Some("the log's own times would be lost"),
            },
            name if TIME_LIMITS.contains(&name) && role.is_record() => {
                Some("the broker refuses records with the times of a trace")
            }
            "unclean.leader.election.enable" if role != TopicRole::Artifacts => {
                Some("a broker that missed the end of the log may take back what was acknowledged")
            }
            "min.insync.replicas" if role != TopicRole::Artifacts => self.insync(role, is, found),
            "max.message.bytes" if self.is_too_tight(role, number.unwrap_or(0)) => {
                Some("what does not fit cannot be written, and holds its partition up")
            }
            _ => None,
        };
        match harmful {
            Some(why) => (Harm::Decisions, why),
            None => (Harm::Harmless, "no decision depends on it"),
        }
    }

    fn insync(self, role: TopicRole, is: &str, found: &Found) -> Option<&'static str> {
        let needed = insync(role.file().min_insync_replicas.value, found.replicas);
        let is: i32 = is.parse().unwrap_or(0);
        if is < needed {
            return Some("acks=all is content with one broker, whose loss takes decisions along");
        }
        (is > found.replicas).then_some("there are fewer copies than that: nothing can be written")
    }

    /// Whether batches that have to be written would be refused: decisions, and dead letters as
    /// large as a command may be.
    fn is_too_tight(self, role: TopicRole, limit: i64) -> bool {
        let of = |role: TopicRole| role.file().max_message_bytes.value;
        match role {
            TopicRole::Decisions | TopicRole::DeadLetters => limit < of(role),
            TopicRole::Commands => limit > of(TopicRole::DeadLetters),
            TopicRole::Artifacts => false,
        }
    }

    fn replicas(self, role: TopicRole, found: &Found) -> Option<Difference> {
        let wanted = *role.file().replication.of(self.source);
        (found.replicas < wanted).then(|| Difference {
            topic: role.name(self.names).to_owned(),
            setting: "replication".to_owned(),
            found: found.replicas.to_string(),
            wanted: wanted.to_string(),
            harm: Harm::Harmless,
            why: match found.replicas {
                1 => "the loss of one broker's disk is the loss of this log",
                _ => {
                    "while one broker is away, the loss of another one's disk is the loss of \
                      this log"
                }
            }
            .to_owned(),
            mending: "kafka-reassign-partitions.sh with more replicas, once there are as many \
                      brokers"
                .to_owned(),
        })
    }

    /// Partition counts: what belongs to one command stands in partitions of one number.
    fn partitions(self, role: TopicRole, found: &Found) -> Option<Difference> {
        let wanted = self.seen.topics.get(&TopicRole::Commands)?.partitions;
        let (harm, why) = match role {
            TopicRole::Commands | TopicRole::Artifacts => return None,
            TopicRole::Decisions => {
                (Harm::Decisions, "a decision stands in the partition of its command")
            }
            TopicRole::DeadLetters if found.partitions < wanted => {
                (Harm::Decisions, "a dead letter without its partition holds its decision up")
            }
            TopicRole::DeadLetters => (Harm::Harmless, "some of them are never written"),
        };
        (found.partitions != wanted).then(|| Difference {
            topic: role.name(self.names).to_owned(),
            setting: "partitions".to_owned(),
            found: found.partitions.to_string(),
            wanted: format!("{wanted}, as {} has", self.names.commands),
            harm,
            why: why.to_owned(),
            mending: format!(
                "take the topics anew under another --prefix; a topic of {} partitions too few may \
                 be raised with kafka-topics.sh --alter",
                self.names.commands
            ),
        })
    }

    fn beginnings(self) -> Vec<Difference> {
        let first = self.seen.beginnings.iter().find_map(Beginning::opened);
        let numbered = self.seen.beginnings.iter().zip(0..);
        numbered
            .filter_map(|(beginning, partition)| self.beginning(partition, beginning, first))
            .collect()
    }

    fn beginning(
        self,
        partition: i32,
        beginning: &Beginning,
        first: Option<&OpenLog>,
    ) -> Option<Difference> {
        let anew = "nothing in it can be decided soundly: take the topics anew under another \
                    --prefix, or delete them while nothing is decided";
        let (harm, found, wanted, why, mending) = match beginning {
            Beginning::Empty if self.source == TimeSource::Carried => return None,
            Beginning::Empty => (
                Harm::Decisions,
                "empty".to_owned(),
                "OpenLog".to_owned(),
                "a partition that is not opened refuses every command",
                self.apply(),
            ),
            Beginning::Other(found) => (
                Harm::Decisions,
                found.clone(),
                "OpenLog".to_owned(),
                "whatever comes before OpenLog is refused",
                anew.to_owned(),
            ),
            Beginning::Numbered(found) => (
                Harm::Decisions,
                found.clone(),
                "OpenLog".to_owned(),
                "its schema has a number of a registry, or is none of ours",
                format!(
                    "if a registry gave it, name that (`url` in [kafka.registry]); if not, {anew}"
                ),
            ),
            Beginning::Cut(offset) => (
                Harm::Harmless,
                format!("offset {offset}"),
                "offset 0".to_owned(),
                "what is before it can be proved from an archive only",
                "nothing, when an archive was made; otherwise find out who deletes records"
                    .to_owned(),
            ),
            Beginning::Opened(open) => {
                let (found, wanted, why) = self.opened(open, first)?;
                (Harm::Decisions, found, wanted, why, anew.to_owned())
            }
        };
        Some(Difference {
            topic: self.names.commands.clone(),
            setting: format!("beginning of partition {partition}"),
            found,
            wanted,
            harm,
            why: why.to_owned(),
            mending,
        })
    }

    /// What an `OpenLog` says against what it opens.
    fn opened(
        self,
        open: &OpenLog,
        first: Option<&OpenLog>,
    ) -> Option<(String, String, &'static str)> {
        let count = self.seen.topics.get(&TopicRole::Commands).map_or(0, |found| found.partitions);
        if open.partition_count != i64::from(count) {
            return Some((
                format!("a log of {} partitions", open.partition_count),
                format!("{count} partitions, as the topic has"),
                "with another count, pools belong to partitions that do not know them",
            ));
        }
        if open.time_source != self.source {
            return Some((
                format!("{:?} times", open.time_source),
                format!("{:?} times", self.source),
                "logs with their own times are never mixed with live ones",
            ));
        }
        let first = first?;
        (open.log_id != first.log_id).then(|| {
            (
                format!("log {}", open.log_id),
                format!("log {}, as other partitions", first.log_id),
                "the partitions of one log share its id",
            )
        })
    }
}

/// Whether retention would delete records that have to stay.
fn deletes(role: TopicRole, found: &Found) -> bool {
    let cleanup = found.properties.get("cleanup.policy").map_or("delete", String::as_str);
    role != TopicRole::DeadLetters && cleanup.contains("delete")
}

#[cfg(test)]
mod tests;
