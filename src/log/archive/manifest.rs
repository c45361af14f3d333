//! What an archive says about itself.

use serde::{Deserialize, Serialize};

/// What was cut, from where, and what came along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was made, in milliseconds since 1970, by the clock of whoever made it.
    pub made_at_ms: i64,
    /// The release that made it.
    pub release: String,
    /// The rules that it was verified with.
    pub decide_version: i64,
    /// Where it was read from.
    pub origin: Origin,
    /// How many partitions the log has; the archive may hold fewer.
    pub partition_count: i64,
    /// Those that it holds, by number.
    pub partitions: Vec<PartitionCut>,
    /// Digest over the heads of those, in order.
    pub chain_head: String,
    /// Fingerprints of the writers' schemas that came along, in the order of their frames.
    pub schemas: Vec<String>,
    /// Model ids of the councils that came along, in the order of their frames.
    pub models: Vec<String>,
}

/// Where an archive was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// An embedded log.
    Directory,
    /// Topics on Kafka.
    Topics {
        /// The topic of commands.
        commands: String,
        /// The topic of decisions.
        decisions: String,
        /// The topic of dead letters.
        dead_letters: String,
    },
}

/// One partition, up to its cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionCut {
    /// Its number.
    pub partition: i64,
    /// What its log is called; empty when it was never opened.
    pub log_id: String,
    /// Whose clock its times are: `log_append` or `carried`; empty when it was never opened.
    pub time_source: String,
    /// Exclusive end of what was cut: the end of a whole round.
    pub cut: i64,
    /// Digest of the last decision's body; zeros when there is none.
    pub head: String,
    /// Decisions before the cut.
    pub decisions: u64,
    /// Commands before the cut.
    pub commands: u64,
    /// Dead letters before the cut.
    pub dead_letters: u64,
    /// Bytes that its frames take.
    pub bytes: u64,
}
