//! How leases get smaller, and end.

use crate::command::WorkOutcome;
use crate::units::{Offset, PoolId, RequestId};
use serde::{Deserialize, Serialize};

/// A lease kept fewer replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseShrunk {
    /// Its pool.
    pub pool: PoolId,
    /// Which lease.
    pub request: RequestId,
    /// Its new fencing number.
    pub fencing: Offset,
    /// How many replicas stay, the first ones.
    pub replicas: i64,
}

/// A lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnded {
    /// Its pool.
    pub pool: PoolId,
    /// Which lease.
    pub request: RequestId,
    /// Why.
    pub reason: LeaseEnd,
    /// How the work ended, as far as its holder said.
    pub outcome: WorkOutcome,
    /// Mean GPU utilisation in basis points, as far as its holder said.
    pub utilisation_bp: Option<i64>,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Its holder gave it back.
    Released,
    /// Nobody renewed it.
    Expired,
    /// An operator ended it.
    Revoked,
}
