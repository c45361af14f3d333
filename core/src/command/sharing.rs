//! How a pool is shared: who comes first in its queue, and who makes room for whom.

use crate::units::{DurationMs, GpuMilli, TenantId};
use serde::{Deserialize, Serialize};

/// Orders the pool's queue by fair share, or by arrival again: among requests of one priority, that
/// of the tenant comes first that has used least for its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFairShare {
    /// What was used so long ago counts half; a minute to ten years. Null: by arrival.
    pub half_life_ms: Option<DurationMs>,
}

/// Lets waiting requests take the places of preemptible ones that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPreemption {
    /// Under these rules. Null: nobody is preempted any more, but whoever has his notice.
    pub rules: Option<PreemptionRules>,
}

/// How much a running request has to put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreemptionRules {
    /// Every lease runs at least so long.
    pub min_run_ms: DurationMs,
    /// From the notice to the end of the lease.
    pub grace_ms: DurationMs,
    /// How often one request may be preempted; 1 to 100.
    pub per_request: i64,
    /// How many leases of one tenant may be preempted within one day of log time; 0 to 1,000,000.
    pub per_tenant_and_day: i64,
}

/// Puts a tenant below another one, or at the top again, with all that stands below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTenantParent {
    /// Who: a tenant with a quota.
    pub tenant: TenantId,
    /// Below whom; empty for the top.
    pub parent: TenantId,
    /// Most of its idle guarantee that others may borrow at once; null for all of it.
    pub lend_gpu_milli: Option<GpuMilli>,
}
