//! What is run through the core: who asks what and when, and what would then become of it.

use crate::number::nearest;
use conclave_core::command::WorkOutcome;

/// A fleet, its tenants, and all that they ask.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in the model card.
    pub name: &'static str,
    /// Its nodes.
    pub nodes: Vec<NodeSpec>,
    /// Its tenants.
    pub tenants: Vec<TenantSpec>,
    /// How long a request waits before nobody may overtake it.
    pub wait_bound_ms: i64,
    /// What they ask, by time.
    pub jobs: Vec<Job>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Model of its GPUs; empty when it has none.
    pub gpu_model: String,
    /// How many GPUs it has.
    pub gpu_count: i64,
    /// Its CPU, in milli.
    pub cpu_milli: i64,
    /// Its memory, in MiB.
    pub memory_mib: i64,
}

/// A tenant's share, in milli of one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSpec {
    /// Kept free for it.
    pub guarantee_gpu_milli: i64,
    /// Never granted more.
    pub limit_gpu_milli: i64,
}

/// One request, and what becomes of it once it runs. The second half is known to labels only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Index of the tenant.
    pub tenant: usize,
    /// When it is asked, in milliseconds of log time.
    pub at_ms: i64,
    /// Replicas of the gang.
    pub replicas: i64,
    /// GPUs of a replica.
    pub gpu_count: i64,
    /// Milli of each GPU.
    pub gpu_milli: i64,
    /// CPU of a replica.
    pub cpu_milli: i64,
    /// Memory of a replica.
    pub memory_mib: i64,
    /// Models that would do; none is any.
    pub gpu_models: Vec<String>,
    /// How long its sender says it takes.
    pub expected_ms: i64,
    /// 1 to 10.
    pub priority: i64,
    /// Whether it may be interrupted.
    pub preemptible: bool,
    /// After how long it is not worth starting any more.
    pub patience_ms: Option<i64>,
    /// How long it really takes.
    pub run_ms: i64,
    /// How it ends.
    pub ending: Ending,
    /// Mean utilisation of its GPUs, where anybody measured it.
    pub utilisation_bp: Option<i64>,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its holder gives the lease back and says how the work ended.
    Released(WorkOutcome),
    /// Nobody gives it back: the lease ends by its timer.
    Abandoned,
}

impl Scenario {
    /// The same with `factor` times as much asked in the same time.
    #[must_use]
    pub fn at_load(mut self, factor: f64) -> Self {
        let begin_ms = self.jobs.first().map_or(0, |job| job.at_ms);
        for job in &mut self.jobs {
            job.at_ms = begin_ms + nearest((job.at_ms - begin_ms) as f64 / factor);
        }
        self
    }
}

impl Job {
    /// GPUs of the whole gang, in milli.
    #[must_use]
    pub fn total_gpu_milli(&self) -> i64 {
        self.replicas * self.gpu_count * self.gpu_milli
    }
}
