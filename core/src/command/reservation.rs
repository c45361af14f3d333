//! Reservations: what is kept free for a tenant from some time on.

use super::Topology;
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, ReservationId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// Keeps room free for a tenant from one time to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// Its name, unique among the pool's reservations.
    pub reservation: ReservationId,
    /// For whom.
    pub tenant: TenantId,
    /// From then on.
    pub start_ms: TimeMs,
    /// Until then.
    pub end_ms: TimeMs,
    /// Acceptable models, preferred first; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// How many times what follows.
    pub replicas: i64,
    /// GPUs per replica; 0 for CPU only, 1 for a slice.
    pub gpu_count: i64,
    /// Milli of each GPU: 1000 is whole, less is a slice of one GPU, 0 for CPU only.
    pub gpu_milli: GpuMilli,
    /// CPU per replica.
    pub cpu_milli: CpuMilli,
    /// Memory per replica.
    pub memory_mib: MemoryMib,
    /// Where replicas have to be near each other.
    pub topology: Topology,
    /// Why, for people; it stands in the decision.
    pub reason: String,
}

/// Gives up a reservation, whether it has started or not. Leases live on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelReservation {
    /// Which one.
    pub reservation: ReservationId,
    /// Why, for people; it stands in the decision.
    pub reason: String,
}
