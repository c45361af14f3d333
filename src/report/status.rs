//! All partitions at a glance: one line per pool.

use crate::report::awaiting::Awaiting;
use crate::report::members::CouncilStatus;
use crate::report::pools::PoolStatus;
use crate::report::show::clock;
use crate::report::viewer::Viewer;
use crate::verify::chain_head;
use conclave_core::state::State;
use conclave_core::units::{Hash32, TimeMs};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The moment that a report is about: right after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsOf {
    /// The last decision that counts; -1 before the first.
    pub offset: i64,
    /// Log time of that decision.
    pub time_ms: i64,
    /// The partition that the decision is of; not written of partition 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partition: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl AsOf {
    /// The moment of `state`.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let partition = state.partition;
        Self { offset: state.covered.0, time_ms: state.time_ms.0, partition }
    }

    /// Log time of the decision.
    #[must_use]
    pub fn time(&self) -> TimeMs {
        TimeMs(self.time_ms)
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            -1 => f.write_str("before the first decision")?,
            offset => write!(f, "after decision {offset}")?,
        }
        if self.partition > 0 {
            write!(f, " of partition {}", self.partition)?;
        }
        if self.offset >= 0 {
            write!(f, ", {}", clock(self.time()))?;
        }
        Ok(())
    }
}

/// One partition of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionStatus {
    /// Its number.
    pub partition: i64,
    /// How far it has come.
    pub as_of: AsOf,
    /// Digest of its own chain.
    pub chain_head: String,
    /// Which rules decide its next command.
    pub decide_version: i64,
}

/// What all partitions do, or one of them, in counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusReport {
    /// The moment of all of it; of several partitions, the latest decision of any.
    pub as_of: AsOf,
    /// The log's identity; none before it is opened.
    pub log_id: Option<String>,
    /// What `replay verify --expect-head` takes: it fixes every decision up to here, in all
    /// partitions.
    pub chain_head: String,
    /// Which rules decide the next command; of several partitions, the oldest of them.
    pub decide_version: i64,
    /// By name.
    pub pools: Vec<PoolStatus>,
    /// The councils in the seats of partitions, and how their members stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub councils: Vec<CouncilStatus>,
    /// Partitions that cannot decide on, and what they wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<Awaiting>,
    /// Each partition, when there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionStatus>,
}

impl StatusReport {
    /// The status as `state` stands; `head` is the digest of its last decision.
    #[must_use]
    pub fn of(state: &State, head: Hash32, viewer: &Viewer) -> Self {
        Self {
            as_of: AsOf::of(state),
            log_id: state.log.as_ref().map(|log| log.log_id.to_string()),
            chain_head: chain_head(&[head]).to_string(),
            decide_version: state.decide_version,
            pools: PoolStatus::all(state, viewer),
            councils: CouncilStatus::of(state).into_iter().collect(),
            awaiting: vec![],
            partitions: vec![],
        }
    }

    /// The status of all partitions, given each one's with the digest of its last decision.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn sum(mut each: Vec<(Self, Hash32)>) -> Self {
        if each.len() == 1 {
            return each.remove(0).0;
        }
        let heads: Vec<Hash32> = each.iter().map(|(_, head)| *head).collect();
        let partitions = each.iter().map(|(one, _)| PartitionStatus {
            partition: one.as_of.partition,
            as_of: one.as_of,
            chain_head: one.chain_head.clone(),
            decide_version: one.decide_version,
        });
        let partitions: Vec<_> = partitions.collect();
        let (mut pools, mut councils, mut awaiting) = (vec![], vec![], vec![]);
        let mut log_id = None;
        for (one, _) in each {
            pools.extend(one.pools);
            councils.extend(one.councils);
            awaiting.extend(one.awaiting);
            log_id = log_id.or(one.log_id);
        }
        pools.sort_by(|one, other| one.pool.cmp(&other.pool));
        Self {
            as_of: latest(partitions.iter().map(|one| one.as_of)),
            log_id,
            chain_head: chain_head(&heads).to_string(),
            decide_version: partitions.iter().map(|one| one.decide_version).min().unwrap_or(0),
            pools,
            councils,
            awaiting,
            partitions,
        }
    }

    /// Calls members as their council's file does, where `labels` has it.
    pub fn name_members(&mut self, labels: impl Fn(&str) -> Option<Vec<String>>) {
        for council in &mut self.councils {
            if let Some(labels) = labels(&council.model) {
                council.name_members(&labels);
            }
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, log_id, chain_head, decide_version, pools, .. } = self;
        let log = match log_id {
            Some(log_id) => format!("log {log_id}, decide_version {decide_version}, {as_of}"),
            None => "the log is not opened yet: the first command has to be OpenLog".to_owned(),
        };
        let pools = match pools.as_slice() {
            [] => "no pools yet: a SetPoolPolicy creates one\n".to_owned(),
            pools => PoolStatus::table(pools, as_of.time()),
        };
        let line = |one: &PartitionStatus| {
            let PartitionStatus { partition, as_of: AsOf { offset, .. }, .. } = one;
            match offset {
                -1 => format!("partition {partition} before its first decision\n"),
                _ => format!("partition {partition} after decision {offset}\n"),
            }
        };
        let partitions: String = self.partitions.iter().map(line).collect();
        let awaiting = self.awaiting.iter().map(|one| format!("{}\n", one.sentence()));
        let awaiting: String = awaiting.collect();
        let councils: String = self.councils.iter().map(CouncilStatus::text).collect();
        format!("{log}\nchain head {chain_head}\n{partitions}{awaiting}{councils}\n{pools}")
    }
}

/// The latest of the moments.
///
/// # Panics
/// When there is none.
pub(super) fn latest(moments: impl Iterator<Item = AsOf>) -> AsOf {
    moments.max_by_key(|moment| moment.time_ms).expect("there is at least one partition")
}
