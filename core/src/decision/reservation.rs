//! What happens to reservations.

use super::Placement;
use crate::command::Reserve;
use crate::units::{GpuModel, PoolId, ReservationId, UserId};
use serde::{Deserialize, Serialize};

/// Room is kept free for a tenant from some time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationMade {
    /// In this pool.
    pub pool: PoolId,
    /// Who made it.
    pub operator: UserId,
    /// What was asked.
    pub reserve: Reserve,
    /// Model of its GPUs; empty for CPU only, or when replicas are on different models.
    pub gpu_model: GpuModel,
    /// Where each replica is, in replica order.
    pub replicas: Vec<Placement>,
}

/// A reservation's time has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationStarted {
    /// Its pool.
    pub pool: PoolId,
    /// Which one.
    pub reservation: ReservationId,
}

/// A reservation's time is over: what it kept free is anybody's again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationEnded {
    /// Its pool.
    pub pool: PoolId,
    /// Which one.
    pub reservation: ReservationId,
}

/// A reservation was given up before its time was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationCancelled {
    /// Its pool.
    pub pool: PoolId,
    /// Which one.
    pub reservation: ReservationId,
    /// Who gave it up.
    pub operator: UserId,
    /// Why.
    pub reason: String,
}
