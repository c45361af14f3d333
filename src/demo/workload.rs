//! What a demo or an import feeds into the log: an inventory, quotas, a policy and arrivals, all
//! with times of their own.

use conclave_core::command::{
    RegisterNode, RequestAllocation, SetPoolPolicy, SetQuota, SetTenantParent, WorkOutcome,
};
use conclave_core::council::ModelId;
use conclave_core::units::{DurationMs, Hash32, LogId, PoolId, TimeMs, UserId};

/// Everything that a feed knows beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The log's identity: it derives from everything below, so that a run goes on only in its own
    /// log.
    pub log_id: LogId,
    /// In whose name commands are sent.
    pub sender: UserId,
    /// When the log is opened; no arrival is before.
    pub starts_at_ms: TimeMs,
    /// When nothing more is sent.
    pub until: FeedEnd,
    /// The one pool.
    pub pool: PoolId,
    /// The networks in the council seat; none leaves it to the rules.
    pub council: Option<ModelId>,
    /// Its rules.
    pub policy: SetPoolPolicy,
    /// Its inventory.
    pub nodes: Vec<RegisterNode>,
    /// Its tenants.
    pub quotas: Vec<SetQuota>,
    /// Who of them stands below whom.
    pub parents: Vec<SetTenantParent>,
    /// Requests, by time.
    pub arrivals: Vec<Arrival>,
}

/// When a feed ends. The log of the shorter one is how the log of the longer one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEnd {
    /// With the last arrival.
    LastArrival,
    /// When after it every request has ended, too.
    LastLease,
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
    /// What its holder says of the work then.
    pub outcome: WorkOutcome,
}

impl Workload {
    /// The same demo with networks in the council seat: another log.
    #[must_use]
    pub fn under_council(mut self, model: ModelId) -> Self {
        self.council = Some(model);
        self.log_id = self.identity("demo", &[]);
        self
    }

    /// Requested GPU time in thousandths of the pool's GPU time until the last arrival: 1000 is a
    /// load of 100 %.
    #[must_use]
    pub fn load_permille(&self) -> i64 {
        let end_ms = self.arrivals.last().map_or(self.starts_at_ms, |last| last.at_ms);
        let horizon = i128::from(end_ms.0 - self.starts_at_ms.0);
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

    /// The same settings over the same source give the same log, byte for byte, so its name follows
    /// from both: from all that is sent, and from `sources`, the digests of whatever it was read
    /// from.
    #[must_use]
    pub(crate) fn identity(&self, kind: &str, sources: &[Hash32]) -> LogId {
        let Self { pool, council, policy, nodes, quotas, parents, arrivals, .. } = self;
        let mut hasher = blake3::Hasher::new();
        for digest in sources.iter().chain(council.as_ref().map(|ModelId(digest)| digest)) {
            hasher.update(&digest.0);
        }
        let settings = (pool, policy, nodes, quotas);
        serde_json::to_writer(&mut hasher, &settings).expect("a hasher takes every byte");
        if !parents.is_empty() {
            serde_json::to_writer(&mut hasher, parents).expect("a hasher takes every byte");
        }
        for arrival in arrivals {
            let Arrival { at_ms, ask, duration_ms, outcome } = arrival;
            let row = (at_ms, ask, duration_ms);
            serde_json::to_writer(&mut hasher, &row).expect("a hasher takes every byte");
            if *outcome != WorkOutcome::Unknown {
                serde_json::to_writer(&mut hasher, outcome).expect("a hasher takes every byte");
            }
        }
        LogId::from(format!("{kind}-{}", &hasher.finalize().to_hex()[..16]))
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
