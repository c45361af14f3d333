//! What a service on Kafka is told when it starts.

use crate::council::Models;
use crate::log::kafka::settings::{GroupProtocol, KafkaSettings};
use crate::log::rocks::Durability;
use crate::registry::Registry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a service on Kafka is run.
#[derive(Clone, Debug)]
pub struct KafkaServiceOptions {
    /// Where the brokers are and what the topics are called.
    pub settings: KafkaSettings,
    /// The group that shares the partitions out.
    pub group: String,
    /// How it does so.
    pub group_protocol: GroupProtocol,
    /// This instance's name in it.
    pub instance_id: Option<String>,
    /// How long an instance may be silent before its partitions go to others: with the classic
    /// protocol, as the brokers say with the other one.
    pub session_timeout: Duration,
    /// How long an open transaction outlives its writer.
    pub transaction_timeout: Duration,
    /// Commands that wait for the brokers here; one more is refused.
    pub outbox_commands_max: u64,
    /// What a command in the outbox outlives.
    pub durability: Durability,
    /// Directory of the outbox and the snapshots.
    pub data: PathBuf,
    /// Decisions between two snapshots.
    pub snapshot_every: i64,
    /// The councils that may sit in the seat.
    pub models: Models,
    /// Who knows the schemas of writers; without one the local table does.
    pub registry: Option<Arc<Registry>>,
}
