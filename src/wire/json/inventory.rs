//! The fields of commands about nodes.

use super::payload::Form;
use conclave_core::command::{
    DrainNode, NodeHealth, Payload, RegisterNode, RemoveNode, ReportNodeHealth,
};
use conclave_core::units::{CpuMilli, GpuModel, MemoryMib, NodeId};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterNodeForm {
    node: NodeId,
    #[serde(default)]
    gpu_model: GpuModel,
    gpu_count: i64,
    cpu_milli: CpuMilli,
    memory_mib: MemoryMib,
    #[serde(default)]
    topology_group: String,
}

impl Form for RegisterNodeForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { node, gpu_model, gpu_count, cpu_milli, memory_mib, topology_group } = self;
        let node =
            RegisterNode { node, gpu_model, gpu_count, cpu_milli, memory_mib, topology_group };
        Ok(Payload::RegisterNode(node))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainNodeForm {
    node: NodeId,
    #[serde(default)]
    reason: String,
}

impl Form for DrainNodeForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { node, reason } = self;
        Ok(Payload::DrainNode(DrainNode { node, reason }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveNodeForm {
    node: NodeId,
    #[serde(default)]
    reason: String,
}

impl Form for RemoveNodeForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { node, reason } = self;
        Ok(Payload::RemoveNode(RemoveNode { node, reason }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportNodeHealthForm {
    node: NodeId,
    health: NodeHealth,
    #[serde(default)]
    reason: String,
}

impl Form for ReportNodeHealthForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { node, health, reason } = self;
        Ok(Payload::ReportNodeHealth(ReportNodeHealth { node, health, reason }))
    }
}
