//! Topics as files: makes what is missing, and says what is not as the files under `topics/` have
//! it. A difference that could lose or change decisions keeps the service from starting.

mod artifacts;
mod cluster;
mod difference;
mod file;
mod opening;
mod waiting;

pub use artifacts::Artifacts;
pub use difference::{Difference, Harm};
pub use file::{Choice, Stamp, TopicFile, TopicRole};

use super::settings::KafkaSettings;
use crate::error::{Error, Result};
use cluster::Cluster;
use conclave_core::command::TimeSource;
use conclave_core::limits::PARTITION_COUNT_MAX;
use difference::{Seen, compare};
use std::collections::BTreeMap;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where the log's times come from.
    pub source: TimeSource,
    /// Partitions of commands, decisions and dead letters; none takes what is there, or the files'.
    pub partitions: Option<i32>,
    /// Copies of each partition; none takes the files', or as many as there are brokers.
    pub replication: Option<i32>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Topics that were made.
    pub created: Vec<String>,
    /// Partitions of the commands that were opened.
    pub opened: Vec<i32>,
    /// What is still not as the files say.
    pub differences: Vec<Difference>,
}

/// Makes the topics that are missing, opens the partitions that nothing was ever written to, and
/// compares the rest. Said twice, it does nothing the second time; said twice at once, what both
/// write is the same.
///
/// A log with its own times is not opened: whoever carries the times names the log, too.
///
/// # Errors
/// `Invalid` for a count that does not fit what is there; `Unavailable` when brokers are away or
/// refuse.
pub fn apply(settings: &KafkaSettings, wish: &Wish) -> Result<Applied> {
    let (cluster, brokers) = Cluster::connect(settings)?;
    let mut there = topics(&cluster, settings)?;
    let partitions =
        partitions(wish, there.get(&TopicRole::Commands).map(|found| found.partitions))?;
    let mut applied = Applied::default();
    for role in TopicRole::ALL {
        if there.contains_key(&role) {
            continue;
        }
        let file = role.file();
        let partitions = match role {
            TopicRole::Artifacts => file.partitions.value,
            TopicRole::Commands | TopicRole::Decisions | TopicRole::DeadLetters => partitions,
        };
        let replicas = wish.replication.unwrap_or_else(|| file.replication.value.min(brokers));
        let properties = file.properties(wish.source, replicas);
        let name = role.name(&settings.topics);
        if cluster.create(name, partitions, replicas, &properties)? {
            applied.created.push(name.to_owned());
        }
        there.extend(cluster.topic(name)?.map(|found| (role, found)));
    }
    if wish.source == TimeSource::LogAppend {
        applied.opened = opening::open_empty(&cluster, partitions)?;
    }
    applied.differences = differences(&cluster, settings, wish.source, there)?;
    Ok(applied)
}

/// What is not as the files say, the harmful first. Changes nothing.
///
/// # Errors
/// `Unavailable` when brokers are away or refuse to say.
pub fn check(settings: &KafkaSettings, source: TimeSource) -> Result<Vec<Difference>> {
    let (cluster, _brokers) = Cluster::connect(settings)?;
    let there = topics(&cluster, settings)?;
    differences(&cluster, settings, source, there)
}

/// Refuses to start on a difference that could lose or change decisions.
///
/// # Errors
/// `Invalid`, naming each one and what to do; otherwise as [`check`].
pub fn refuse_harm(settings: &KafkaSettings, source: TimeSource) -> Result<()> {
    refuse(&check(settings, source)?)
}

/// The same for differences that were found.
///
/// # Errors
/// `Invalid`, naming each harmful one and what to do.
pub fn refuse(differences: &[Difference]) -> Result<()> {
    let merged = Difference::merged(differences);
    let harmful = merged.iter().filter(|difference| difference.harm == Harm::Decisions);
    let lines: Vec<_> = harmful.map(ToString::to_string).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the topics could lose or change decisions:\n{}\n`conclave topics check` says it again",
        lines.join("\n")
    )))
}

fn topics(
    cluster: &Cluster<'_>,
    settings: &KafkaSettings,
) -> Result<BTreeMap<TopicRole, difference::Found>> {
    let mut there = BTreeMap::new();
    for role in TopicRole::ALL {
        there.extend(cluster.topic(role.name(&settings.topics))?.map(|found| (role, found)));
    }
    Ok(there)
}

fn differences(
    cluster: &Cluster<'_>,
    settings: &KafkaSettings,
    source: TimeSource,
    topics: BTreeMap<TopicRole, difference::Found>,
) -> Result<Vec<Difference>> {
    let commands = topics.get(&TopicRole::Commands).map_or(0, |found| found.partitions);
    let beginnings = cluster.beginnings(commands)?;
    Ok(compare(settings, source, &Seen { topics, beginnings }))
}

/// How many partitions commands and decisions have or get.
fn partitions(wish: &Wish, there: Option<i32>) -> Result<i32> {
    let wanted = wish.partitions.unwrap_or_else(|| TopicRole::Commands.file().partitions.value);
    match (there, wish.partitions) {
        (Some(there), Some(wanted)) if there != wanted => Err(Error::invalid(format!(
            "the commands have {there} partitions, for life: leave --partitions {wanted} out, or \
             take another --prefix"
        ))),
        (Some(there), _) => Ok(there),
        (None, _) if (1..=PARTITION_COUNT_MAX).contains(&i64::from(wanted)) => Ok(wanted),
        (None, _) => Err(Error::invalid(format!(
            "a log has 1 to {PARTITION_COUNT_MAX} partitions, not {wanted}"
        ))),
    }
}
