//! `RegisterNode`: a machine joins the pool.

use super::stage_one::Bounds;
use crate::command::RegisterNode;
use crate::decision::{Event, NodeRegistered, Rejected};
use crate::draft::Draft;
use crate::limits::{CPU_MILLI_MAX, MEMORY_MIB_MAX, NODE_GPUS_MAX, NODES_MAX};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;

/// The first `decide_version` with topology groups, and with wishes for them.
pub(super) const TOPOLOGY_SINCE: i64 = 3;

pub(super) fn check(register: &RegisterNode, version: i64) -> Result<(), Rejected> {
    Bounds::id("node", &register.node.0)?;
    Bounds::number("gpu_count", register.gpu_count, 0, NODE_GPUS_MAX)?;
    if register.gpu_count == 0 {
        Bounds::id_or_empty("gpu_model", &register.gpu_model.0)?;
    } else {
        Bounds::id("gpu_model", &register.gpu_model.0)?;
    }
    Bounds::number("cpu_milli", register.cpu_milli.0, 0, CPU_MILLI_MAX)?;
    Bounds::number("memory_mib", register.memory_mib.0, 0, MEMORY_MIB_MAX)?;
    if version < TOPOLOGY_SINCE {
        Bounds::neutral("topology_group", register.topology_group.is_empty())?;
    }
    Bounds::id_or_empty("topology_group", &register.topology_group)
}

pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    register: &RegisterNode,
) -> Result<(), Rejected> {
    let fleet = &draft.state.pool(pool).fleet;
    if fleet.index_of(&register.node).is_some() {
        let detail = format!("pool '{pool}' has a node '{}': remove it first", register.node);
        return Err(refuse(Code::DuplicateNode, detail));
    }
    if fleet.nodes().len() >= NODES_MAX {
        return Err(refuse(Code::LogFull, format!("a pool holds at most {NODES_MAX} nodes")));
    }
    draft
        .emit(Event::NodeRegistered(NodeRegistered { pool: pool.clone(), node: register.clone() }));
    draft.freed.insert(pool.clone());
    Ok(())
}
