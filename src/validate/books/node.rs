//! A node, and what is taken of it, device by device.

use conclave_core::command::{RegisterNode, RequestAllocation};
use conclave_core::limits::GPU_MILLI_WHOLE;
use conclave_core::units::GpuModel;
use serde::{Deserialize, Serialize};

/// A node, and what leases hold of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeBook {
    pub(super) gpu_model: GpuModel,
    /// Empty is none. What was kept before there were any had none.
    #[serde(default)]
    pub(super) topology_group: String,
    /// Per GPU what is taken of it, in milli.
    gpus: Vec<i64>,
    cpu_milli: Part,
    memory_mib: Part,
    /// Replicas that sit on it.
    pub(super) replicas: usize,
    pub(super) is_draining: bool,
    pub(super) is_broken: bool,
}

/// Something that there is so much of.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Part {
    total: i64,
    taken: i64,
}

/// What one replica takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Need {
    pub(super) gpu_count: i64,
    pub(super) gpu_milli: i64,
    pub(super) cpu_milli: i64,
    pub(super) memory_mib: i64,
}

impl Need {
    pub(super) fn of(ask: &RequestAllocation) -> Self {
        Self {
            gpu_count: ask.gpu_count,
            gpu_milli: ask.gpu_milli.0,
            cpu_milli: ask.cpu_milli.0,
            memory_mib: ask.memory_mib.0,
        }
    }

    /// GPUs of one replica, in milli. What is recorded is input: it saturates.
    pub(super) fn total_gpu_milli(&self) -> i64 {
        self.gpu_count.saturating_mul(self.gpu_milli)
    }
}

impl NodeBook {
    pub(super) fn new(node: &RegisterNode) -> Self {
        let part = |total| Part { total, taken: 0 };
        Self {
            gpu_model: node.gpu_model.clone(),
            topology_group: node.topology_group.clone(),
            gpus: vec![0; usize::try_from(node.gpu_count).unwrap_or(0)],
            cpu_milli: part(node.cpu_milli.0),
            memory_mib: part(node.memory_mib.0),
            replicas: 0,
            is_draining: false,
            is_broken: false,
        }
    }

    /// Takes what one replica needs, and says what the node does not have.
    pub(super) fn take(&mut self, need: &Need, gpus: &[i64]) -> Vec<String> {
        self.replicas += 1;
        let mut lacks = Vec::new();
        if i64::try_from(gpus.len()) != Ok(need.gpu_count) {
            lacks.push(format!("{} GPUs are named and {} asked", gpus.len(), need.gpu_count));
        }
        if !gpus.is_sorted_by(|one, other| one < other) {
            lacks.push("a GPU is named twice, or out of order".to_owned());
        }
        for gpu in gpus {
            match self.gpu(*gpu) {
                None => lacks.push(format!("it has no GPU {gpu}")),
                Some(taken) => {
                    *taken = taken.saturating_add(need.gpu_milli);
                    if *taken > GPU_MILLI_WHOLE {
                        let sum = *taken;
                        lacks.push(format!("{sum} of {GPU_MILLI_WHOLE} milli of GPU {gpu}"));
                    }
                }
            }
        }
        for (part, more, name) in [
            (&mut self.cpu_milli, need.cpu_milli, "milli of CPU"),
            (&mut self.memory_mib, need.memory_mib, "MiB of memory"),
        ] {
            part.taken = part.taken.saturating_add(more);
            let Part { total, taken } = *part;
            if more > 0 && taken > total {
                lacks.push(format!("{taken} of {total} {name}"));
            }
        }
        lacks
    }

    pub(super) fn give_back(&mut self, need: &Need, gpus: &[i64]) {
        self.replicas = self.replicas.saturating_sub(1);
        for gpu in gpus {
            if let Some(taken) = self.gpu(*gpu) {
                *taken = taken.saturating_sub(need.gpu_milli);
            }
        }
        self.cpu_milli.taken = self.cpu_milli.taken.saturating_sub(need.cpu_milli);
        self.memory_mib.taken = self.memory_mib.taken.saturating_sub(need.memory_mib);
    }

    fn gpu(&mut self, index: i64) -> Option<&mut i64> {
        self.gpus.get_mut(usize::try_from(index).ok()?)
    }
}
