//! `RemoveNode`: an empty machine leaves the pool.

use crate::command::RemoveNode;
use crate::decision::{Event, NodeRemoved, Rejected};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;

pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    remove: &RemoveNode,
) -> Result<(), Rejected> {
    let fleet = &draft.state.pool(pool).fleet;
    let node = remove.node.clone();
    let Some(index) = fleet.index_of(&node) else {
        return Err(refuse(Code::UnknownNode, format!("pool '{pool}' has no node '{node}'")));
    };
    if !fleet.node(index).is_empty() {
        let detail = format!("leases sit on '{node}': drain it and wait until they end");
        return Err(refuse(Code::NodeInUse, detail));
    }
    if let Some(one) = draft.state.pool(pool).reservations.on_node(&node) {
        let (name, end_ms) = (&one.reserve.reservation, one.reserve.end_ms);
        let detail = format!(
            "a part of '{node}' is reserved by '{name}' until {end_ms}: drain it and wait, or \
             cancel the reservation"
        );
        return Err(refuse(Code::NodeReserved, detail));
    }
    draft.emit(Event::NodeRemoved(NodeRemoved { pool: pool.clone(), node }));
    draft.freed.insert(pool.clone());
    Ok(())
}
