//! `DrainNode`: a machine takes no new work. Leases on it live on; remove it when it is empty.

use super::stage_one::Bounds;
use crate::command::DrainNode;
use crate::decision::{Event, NodeDrained, Rejected};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::{NodeId, PoolId};

pub(super) fn check(node: &NodeId, reason: &str) -> Result<(), Rejected> {
    Bounds::id("node", &node.0)?;
    Bounds::text("reason", reason)
}

pub(super) fn decide(draft: &mut Draft, pool: &PoolId, drain: &DrainNode) -> Result<(), Rejected> {
    let node = drain.node.clone();
    if draft.state.pool(pool).fleet.index_of(&node).is_none() {
        return Err(refuse(Code::UnknownNode, format!("pool '{pool}' has no node '{node}'")));
    }
    draft.emit(Event::NodeDrained(NodeDrained { pool: pool.clone(), node }));
    // Less free capacity can lift the bar that the first in the queue puts before the others.
    draft.freed.insert(pool.clone());
    Ok(())
}
