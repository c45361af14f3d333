//! A request from its admission to the end of its lease.

use super::node::Need;
use conclave_core::command::{RequestAllocation, Topology};
use conclave_core::decision::Placement;
use conclave_core::units::{GpuModel, Offset, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// A live request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestBook {
    pub(super) tenant: TenantId,
    pub(super) need: Need,
    pub(super) replicas: i64,
    pub(super) gpu_models: Vec<GpuModel>,
    /// What was kept before anybody could wish has none.
    #[serde(default)]
    pub(super) topology: Topology,
    pub(super) deadline_ms: Option<TimeMs>,
    pub(super) priority: i64,
    pub(super) preemptible: bool,
    /// How often it was preempted.
    pub(super) preemptions: i64,
    pub(super) stage: Stage,
}

/// Where it stands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Admitted; the same decision says what follows.
    Admitted,
    /// In the queue.
    Waiting,
    /// Put off until then.
    Deferred(TimeMs),
    /// Its next vote is due.
    Due,
    /// It holds GPUs.
    Running(LeaseBook),
}

/// What a running request holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeaseBook {
    pub(super) fencing: Offset,
    pub(super) ends_at_ms: TimeMs,
    pub(super) replicas: Vec<Placement>,
    /// For whom it ends early, when it does.
    pub(super) makes_room_for: Option<RequestId>,
}

impl RequestBook {
    pub(super) fn new(ask: &RequestAllocation) -> Self {
        Self {
            tenant: ask.tenant.clone(),
            need: Need::of(ask),
            replicas: ask.replicas,
            gpu_models: ask.gpu_models.clone(),
            topology: ask.topology,
            deadline_ms: ask.deadline_ms,
            priority: ask.priority,
            preemptible: ask.preemptible,
            preemptions: 0,
            stage: Stage::Admitted,
        }
    }

    pub(super) fn lease(&mut self) -> Option<&mut LeaseBook> {
        match &mut self.stage {
            Stage::Running(lease) => Some(lease),
            Stage::Admitted | Stage::Waiting | Stage::Deferred(_) | Stage::Due => None,
        }
    }
}

impl Stage {
    /// As a sentence says it.
    pub(super) fn said(&self) -> &'static str {
        match self {
            Self::Admitted => "was just admitted",
            Self::Waiting => "waits",
            Self::Deferred(_) => "is put off",
            Self::Due => "waits for a vote",
            Self::Running(_) => "runs",
        }
    }
}
