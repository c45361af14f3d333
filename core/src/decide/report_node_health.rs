//! `ReportNodeHealth`: a machine broke and takes no new work, or works again. Leases on it live on:
//! whether their work can is for their holders to say.

use crate::command::{NodeHealth, ReportNodeHealth};
use crate::decision::{Event, NodeHealthChanged, Rejected};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;

pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    report: &ReportNodeHealth,
) -> Result<(), Rejected> {
    let ReportNodeHealth { node, health, reason } = report;
    let fleet = &draft.state.pool(pool).fleet;
    let Some(index) = fleet.index_of(node) else {
        return Err(refuse(Code::UnknownNode, format!("pool '{pool}' has no node '{node}'")));
    };
    // Whoever watches nodes may report all of them, all the time.
    if fleet.node(index).is_healthy() == (*health == NodeHealth::Healthy) {
        return Ok(());
    }
    draft.emit(Event::NodeHealthChanged(NodeHealthChanged {
        pool: pool.clone(),
        node: node.clone(),
        health: *health,
        reason: reason.clone(),
    }));
    // Less free capacity can lift the bar that the first in the queue puts before the others.
    draft.freed.insert(pool.clone());
    Ok(())
}
