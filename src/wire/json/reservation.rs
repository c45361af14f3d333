//! The fields of commands about reservations.

use super::payload::Form;
use super::quantity::{Span, span, whole_gpu};
use conclave_core::command::{CancelReservation, Payload, Reserve, Topology};
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, MemoryMib, ReservationId, TenantId, TimeMs,
};
use serde::Deserialize;

/// It ends at a time, or lasts for a span.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReserveForm {
    reservation: ReservationId,
    tenant: TenantId,
    start_ms: TimeMs,
    end_ms: Option<TimeMs>,
    duration_ms: Option<DurationMs>,
    duration: Option<Span>,
    #[serde(default)]
    gpu_models: Vec<GpuModel>,
    replicas: Option<i64>,
    gpu_count: i64,
    gpu_milli: Option<GpuMilli>,
    #[serde(default)]
    cpu_milli: CpuMilli,
    #[serde(default)]
    memory_mib: MemoryMib,
    topology: Option<Topology>,
    #[serde(default)]
    reason: String,
}

impl Form for ReserveForm {
    fn payload(self) -> Result<Payload, String> {
        let length = span("duration", self.duration_ms, self.duration)?;
        let end_ms = match (self.end_ms, length) {
            (Some(end_ms), None) => end_ms,
            (None, Some(length)) => TimeMs(self.start_ms.0.saturating_add(length.0)),
            (Some(_), Some(_)) => return Err("`end_ms` and `duration` say the same".to_owned()),
            (None, None) => {
                return Err("missing field `end_ms`, or `duration` such as \"2h30m\"".to_owned());
            }
        };
        Ok(Payload::Reserve(Box::new(Reserve {
            reservation: self.reservation,
            tenant: self.tenant,
            start_ms: self.start_ms,
            end_ms,
            gpu_models: self.gpu_models,
            replicas: self.replicas.unwrap_or(1),
            gpu_count: self.gpu_count,
            gpu_milli: self.gpu_milli.unwrap_or_else(|| whole_gpu(self.gpu_count)),
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            topology: self.topology.unwrap_or_default(),
            reason: self.reason,
        })))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelReservationForm {
    reservation: ReservationId,
    #[serde(default)]
    reason: String,
}

impl Form for CancelReservationForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { reservation, reason } = self;
        Ok(Payload::CancelReservation(CancelReservation { reservation, reason }))
    }
}
