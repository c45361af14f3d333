//! How a pool is shared: quotas, the order of its queue, and who makes room for whom.

use crate::command::{SetFairShare, SetPreemption, SetQuota};
use crate::units::{GpuMilli, PoolId, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// A tenant's share changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSet {
    /// In this pool.
    pub pool: PoolId,
    /// The share.
    pub quota: SetQuota,
}

/// The order of a pool's queue changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FairShareSet {
    /// Which pool.
    pub pool: PoolId,
    /// By fair share, or by arrival.
    pub fair_share: SetFairShare,
}

/// Who may be preempted changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreemptionSet {
    /// Which pool.
    pub pool: PoolId,
    /// The rules.
    pub preemption: SetPreemption,
}

/// A running request is told that its lease ends for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreemptionNoticed {
    /// Its pool.
    pub pool: PoolId,
    /// Whose lease ends.
    pub request: RequestId,
    /// For whom.
    pub by: RequestId,
    /// Whose request that is.
    pub by_tenant: TenantId,
    /// By which right.
    pub right: PreemptionRight,
    /// When: it can be given back before, and is not renewed any more.
    pub ends_at_ms: TimeMs,
}

/// By which right a request takes another one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreemptionRight {
    /// It has the higher priority.
    Priority,
    /// Its tenant's guarantee covers it, and the other's does not.
    Guarantee,
}

/// A lease ended for another request. Whoever had it waits again, at the place of its arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePreempted {
    /// Its pool.
    pub pool: PoolId,
    /// Whose lease it was.
    pub request: RequestId,
    /// For whom.
    pub by: RequestId,
    /// Whose request that is.
    pub by_tenant: TenantId,
    /// How often this request was preempted by now.
    pub count: i64,
}

/// A tenant stands below another one from now on, or at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantParentSet {
    /// In this pool.
    pub pool: PoolId,
    /// Who.
    pub tenant: TenantId,
    /// Below whom; empty at the top.
    pub parent: TenantId,
    /// Most of its idle guarantee that others may borrow at once; none for all of it.
    pub lend_gpu_milli: Option<GpuMilli>,
}
