//! Commands that Conclave sends itself: they are about a log, not about a pool.

use conclave_core::command::{Actor, Command, OpenLog, Payload, Role, TimeSource};
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, ROUND_COMMANDS_MAX};
use conclave_core::units::{CommandId, LogId, PoolId, TenantId, TimeMs, UserId};
use std::time::{SystemTime, UNIX_EPOCH};

/// A command that Conclave sends itself.
#[must_use]
pub fn own_command(id: String, now: TimeMs, payload: Payload) -> Command {
    Command {
        command_id: CommandId::from(id),
        pool: PoolId::default(),
        actor: Actor {
            tenant: TenantId::default(),
            user: UserId::from("conclave"),
            role: Role::Administrator,
        },
        submitted_at_ms: now,
        payload,
    }
}

/// What opens a live log of so many partitions that begins `now`.
#[must_use]
pub fn open_live(partition_count: i64, now: TimeMs) -> OpenLog {
    OpenLog {
        log_id: new_log_id(now),
        time_source: TimeSource::LogAppend,
        partition_count,
        round_commands: ROUND_COMMANDS_MAX,
        duplicate_ids: DUPLICATE_IDS_MAX,
        duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
    }
}

/// A name that no other log has: the moment and the process that made it, as a digest. It is an
/// input of the log like any other, so nothing depends on how it was drawn.
fn new_log_id(now: TimeMs) -> LogId {
    let salt = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now.0);
    let digest = blake3::hash(format!("{now} {} {salt}", std::process::id()).as_bytes());
    LogId::from(format!("log-{}", &digest.to_hex()[..16]))
}

/// This machine's clock in milliseconds since 1970. Read at the edge only: commands carry it.
#[must_use]
pub fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
