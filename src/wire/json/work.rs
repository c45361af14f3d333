//! The fields of commands about requests and their leases.

use super::labels::Labels;
use super::payload::{Form, Gaps};
use super::quantity::{Span, span, whole_gpu};
use conclave_core::command::{
    CancelRequest, Payload, ReleaseLease, RenewLease, RequestAllocation, ShrinkLease, Topology,
    WorkOutcome,
};
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, MemoryMib, MicroUsd, Offset, RequestId, TenantId,
    TimeMs, UserId,
};
use serde::Deserialize;

/// The middle of 1 to 10.
const PRIORITY_USUAL: i64 = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestAllocationForm {
    request: Option<RequestId>,
    tenant: Option<TenantId>,
    user: Option<UserId>,
    #[serde(default)]
    gpu_models: Vec<GpuModel>,
    replicas: Option<i64>,
    gpu_count: i64,
    gpu_milli: Option<GpuMilli>,
    #[serde(default)]
    cpu_milli: CpuMilli,
    #[serde(default)]
    memory_mib: MemoryMib,
    expected_duration_ms: Option<DurationMs>,
    expected_duration: Option<Span>,
    priority: Option<i64>,
    #[serde(default)]
    preemptible: bool,
    deadline_ms: Option<TimeMs>,
    budget_cap_micro_usd: Option<MicroUsd>,
    topology: Option<Topology>,
    #[serde(default)]
    labels: Labels,
}

impl Form for RequestAllocationForm {
    fn gaps(&self) -> Gaps {
        Gaps { tenant: self.tenant.is_none(), user: self.user.is_none() }
    }

    fn payload(self) -> Result<Payload, String> {
        self.ask(None).map(Payload::RequestAllocation)
    }
}

impl RequestAllocationForm {
    /// What is asked for; `about` names the request when this does not.
    pub(super) fn ask(self, about: Option<&RequestId>) -> Result<RequestAllocation, String> {
        let request = self.request.or_else(|| about.cloned()).ok_or("missing field `request`")?;
        let duration =
            span("expected_duration", self.expected_duration_ms, self.expected_duration)?;
        Ok(RequestAllocation {
            request,
            tenant: self.tenant.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            gpu_models: self.gpu_models,
            replicas: self.replicas.unwrap_or(1),
            gpu_count: self.gpu_count,
            gpu_milli: self.gpu_milli.unwrap_or_else(|| whole_gpu(self.gpu_count)),
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            expected_duration_ms: duration
                .ok_or("missing field `expected_duration`, such as \"2h30m\"")?,
            priority: self.priority.unwrap_or(PRIORITY_USUAL),
            preemptible: self.preemptible,
            deadline_ms: self.deadline_ms,
            budget_cap_micro_usd: self.budget_cap_micro_usd,
            topology: self.topology.unwrap_or(Topology::None),
            labels: self.labels.0,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelRequestForm {
    request: RequestId,
    #[serde(default)]
    reason: String,
}

impl Form for CancelRequestForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { request, reason } = self;
        Ok(Payload::CancelRequest(CancelRequest { request, reason }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewLeaseForm {
    request: RequestId,
    fencing: Offset,
    extend_ms: Option<DurationMs>,
    extend: Option<Span>,
}

impl Form for RenewLeaseForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { request, fencing, .. } = self;
        let extend_ms = span("extend", self.extend_ms, self.extend)?
            .ok_or("missing field `extend`, such as \"2h30m\"")?;
        Ok(Payload::RenewLease(RenewLease { request, fencing, extend_ms }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShrinkLeaseForm {
    request: RequestId,
    fencing: Offset,
    replicas: i64,
}

impl Form for ShrinkLeaseForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { request, fencing, replicas } = self;
        Ok(Payload::ShrinkLease(ShrinkLease { request, fencing, replicas }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseLeaseForm {
    request: RequestId,
    fencing: Offset,
    outcome: Option<WorkOutcome>,
    utilisation_bp: Option<i64>,
}

impl Form for ReleaseLeaseForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { request, fencing, outcome, utilisation_bp } = self;
        let outcome = outcome.unwrap_or(WorkOutcome::Unknown);
        Ok(Payload::ReleaseLease(ReleaseLease { request, fencing, outcome, utilisation_bp }))
    }
}
