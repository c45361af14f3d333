//! What a demo feeds into the log: an inventory, quotas, a policy and arrivals, all with times of
//! their own.

use conclave_core::command::{RegisterNode, RequestAllocation, SetPoolPolicy, SetQuota};
use conclave_core::units::{DurationMs, LogId, PoolId, TimeMs};

/// Everything that a demo knows beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The log's identity: it derives from everything below, so that a run goes on only in its own
    /// log.
    pub log_id: LogId,
    /// The one pool.
    pub pool: PoolId,
    /// Its rules.
    pub policy: SetPoolPolicy,
    /// Its inventory.
    pub nodes: Vec<RegisterNode>,
    /// Its tenants.
    pub quotas: Vec<SetQuota>,
    /// Requests, by time.
    pub arrivals: Vec<Arrival>,
}

/// One request of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is sent.
    pub at_ms: TimeMs,
    /// What it asks.
    pub ask: RequestAllocation,
    /// How long its holder keeps the GPUs before giving them back.
    pub duration_ms: DurationMs,
}

impl Workload {
    /// Requested GPU time in thousandths of the pool's GPU time until the last arrival: 1000 is a
    /// load of 100 %.
    #[must_use]
    pub fn load_permille(&self) -> i64 {
        let horizon = self.arrivals.last().map_or(0, |last| i128::from(last.at_ms.0));
        let (asked, capacity) = (self.asked_milli_ms(), self.capacity_milli());
        i64::try_from(asked * 1_000 / (capacity * horizon).max(1)).unwrap_or(i64::MAX)
    }

    /// The time until the last arrival at which the load would be `permille`.
    #[must_use]
    pub fn horizon_at_load(&self, permille: i64) -> DurationMs {
        let capacity = self.capacity_milli() * i128::from(permille);
        let horizon = self.asked_milli_ms() * 1_000 / capacity.max(1);
        DurationMs(i64::try_from(horizon).unwrap_or(i64::MAX))
    }

    fn asked_milli_ms(&self) -> i128 {
        self.arrivals.iter().map(Arrival::gpu_milli_ms).sum()
    }

    fn capacity_milli(&self) -> i128 {
        self.nodes.iter().map(|node| i128::from(node.gpu_count) * 1_000).sum()
    }
}

impl Arrival {
    fn gpu_milli_ms(&self) -> i128 {
        i128::from(self.ask.total_gpu_milli().0) * i128::from(self.duration_ms.0)
    }
}
