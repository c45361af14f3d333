//! The first command of each partition. Two that open the same topics at once agree on the log,
//! because the first record of partition 0 names it for both.

use super::cluster::Cluster;
use super::difference::Beginning;
use crate::error::{Error, Result};
use crate::log::own::{now, open_live, own_command};
use crate::wire::{encode_command, reframe};
use conclave_core::command::{OpenLog, Payload, TimeSource};

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
    let known = beginnings.iter().find_map(Beginning::opened).cloned();
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
    let open = open_live(i64::from(partitions), now());
    cluster.append(0, &encode(cluster, &open))?;
    let opened = cluster.beginnings(1)?.first().and_then(Beginning::opened).cloned();
    opened.ok_or_else(|| {
        Error::invalid(
            "a producer wrote to partition 0 of the commands before it was opened: stop the \
             producers, and take the topics anew under another --prefix",
        )
    })
}

/// The command as a record's value.
fn encode(cluster: &Cluster<'_>, open: &OpenLog) -> Vec<u8> {
    let id = format!("open-{}", open.log_id);
    let command = own_command(id, now(), Payload::OpenLog(open.clone()));
    let mut value = encode_command(&command);
    reframe(&mut value, cluster.settings.schema_ids.commands);
    value
}
