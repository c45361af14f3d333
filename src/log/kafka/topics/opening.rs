//! The first command of each partition. Two that open the same topics at once agree on the log,
//! because the first record of partition 0 names it for both.

use super::cluster::Cluster;
use super::difference::Beginning;
use crate::error::{Error, Result};
use crate::wire::{encode_command, reframe};
use conclave_core::command::{Actor, Command, OpenLog, Payload, Role, TimeSource};
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, ROUND_COMMANDS_MAX};
use conclave_core::units::{CommandId, LogId, PoolId, TenantId, TimeMs, UserId};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes an `OpenLog` into every partition that nothing was ever written to, and returns which.
///
/// Partition 0 goes first, and what stands there then, ours or somebody else's, is what all others
/// are opened with. So two at once may write a partition's `OpenLog` twice, and both say the same:
/// the second one is refused as `log_already_open` and changes nothing.
///
/// Partitions that a live log of as many partitions cannot have are left alone: comparing says why.
pub(super) fn open_empty(cluster: &Cluster<'_>, partitions: i32) -> Result<Vec<i32>> {
    let beginnings = cluster.beginnings(partitions)?;
    let empty: Vec<_> = (0..partitions)
        .zip(&beginnings)
        .filter(|(_, beginning)| **beginning == Beginning::Empty)
        .map(|(partition, _)| partition)
        .collect();
    if empty.is_empty() {
        return Ok(empty);
    }
    let known = beginnings.iter().find_map(|beginning| match beginning {
        Beginning::Opened(open) => Some(open.clone()),
        Beginning::Empty | Beginning::Other(_) | Beginning::Cut(_) => None,
    });
    let is_ours = |open: &OpenLog| {
        open.partition_count == i64::from(partitions) && open.time_source == TimeSource::LogAppend
    };
    if known.as_ref().is_some_and(|open| !is_ours(open)) {
        return Ok(vec![]);
    }
    let was_known = known.is_some();
    let open = match known {
        Some(open) => open,
        None if empty.first() == Some(&0) => first(cluster, partitions)?,
        None => {
            return Err(Error::invalid(
                "partition 0 of the commands begins with something else than OpenLog, so nobody \
                 can say which log the others belong to: take the topics anew under another \
                 --prefix",
            ));
        }
    };
    // Partition 0 is opened by now, unless it was lost and another one still names the log.
    let left = empty.iter().filter(|partition| **partition != 0 || was_known);
    for partition in left {
        cluster.append(*partition, &encode(cluster, &open))?;
    }
    Ok(empty)
}

/// Opens partition 0, and returns what opened it.
fn first(cluster: &Cluster<'_>, partitions: i32) -> Result<OpenLog> {
    let open = OpenLog {
        log_id: new_log_id(),
        time_source: TimeSource::LogAppend,
        partition_count: i64::from(partitions),
        round_commands: ROUND_COMMANDS_MAX,
        duplicate_ids: DUPLICATE_IDS_MAX,
        duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
    };
    cluster.append(0, &encode(cluster, &open))?;
    match cluster.beginnings(1)?.pop() {
        Some(Beginning::Opened(open)) => Ok(open),
        Some(Beginning::Empty | Beginning::Other(_) | Beginning::Cut(_)) | None => {
            Err(Error::invalid(
                "a producer wrote to partition 0 of the commands before it was opened: stop the \
                 producers, and take the topics anew under another --prefix",
            ))
        }
    }
}

/// The command as a record's value.
fn encode(cluster: &Cluster<'_>, open: &OpenLog) -> Vec<u8> {
    let mut value = encode_command(&Command {
        command_id: CommandId::from(format!("open-{}", open.log_id)),
        pool: PoolId::default(),
        actor: Actor {
            tenant: TenantId::default(),
            user: UserId::from("conclave"),
            role: Role::Administrator,
        },
        submitted_at_ms: now(),
        payload: Payload::OpenLog(open.clone()),
    });
    reframe(&mut value, cluster.settings.schema_ids.commands);
    value
}

fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs(i64::try_from(since.as_millis()).unwrap_or(0))
}

/// A name that no other log has: the moment and the process that made it, as a digest. It is an
/// input of the log like any other, so nothing depends on how it was drawn.
fn new_log_id() -> LogId {
    let now = now();
    let salt = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now.0);
    let digest = blake3::hash(format!("{now} {} {salt}", std::process::id()).as_bytes());
    LogId::from(format!("log-{}", &digest.to_hex()[..16]))
}
