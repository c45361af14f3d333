//! From a source to a workload: a part of the nodes, the gaps between arrivals divided so that the
//! load is what was asked for, one tenant per class.

use super::source::{Job, JobClass, Source};
use super::workload::{Arrival, Workload};
use conclave_core::command::{
    CouncilMode, PlacementPolicy, RequestAllocation, SetPoolPolicy, SetQuota, TargetShape, Topology,
};
use conclave_core::limits::TARGET_SHAPES_MAX;
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, LogId, PoolId, RequestId, TenantId, TimeMs, UserId,
};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const POOL: &str = "demo";
/// Long enough for the longest job of the real trace.
const LEASE_MAX_MS: DurationMs = DurationMs(200 * 24 * HOUR_MS);
/// Per tenant, in percent of the fleet's GPUs: guarantee and limit.
const SHARES: [(JobClass, i64, i64); 4] = [
    (JobClass::LatencySensitive, 30, 80),
    (JobClass::Guaranteed, 2, 20),
    (JobClass::Burstable, 0, 30),
    (JobClass::BestEffort, 0, 60),
];

/// The load of a demo whose time scale nobody chose.
const LOAD_PERMILLE: i64 = 1_050;

/// Gaps between arrivals are multiplied and divided by these.
#[derive(Clone, Copy, Debug)]
struct TimeScale {
    multiply: i64,
    divide: i64,
}

impl TimeScale {
    const ONE: Self = Self { multiply: 1, divide: 1 };

    /// The scale at which `workload`, now at a scale of one, has a load of `permille`.
    fn to_load(workload: &Workload, permille: i64) -> Self {
        let horizon_ms = workload.arrivals.last().map_or(1, |last| last.at_ms.0.max(1));
        Self { multiply: workload.horizon_at_load(permille).0, divide: horizon_ms }
    }

    fn apply(self, ms: i64) -> i64 {
        let scaled = i128::from(ms) * i128::from(self.multiply) / i128::from(self.divide.max(1));
        i64::try_from(scaled).expect("a trace of years, scaled, still fits")
    }
}

/// How a source becomes a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Part of the nodes, in thousandths.
    pub nodes_permille: i64,
    /// Gaps between arrivals are divided by this many thousandths; none is whatever gives a load of
    /// 105 %.
    pub time_permille: Option<i64>,
    /// How nodes are chosen.
    pub placement: PlacementPolicy,
}

impl Scale {
    /// The workload of `source`.
    #[must_use]
    pub fn apply(&self, source: &Source) -> Workload {
        let mut workload = Workload {
            log_id: LogId::default(),
            pool: PoolId::from(POOL),
            policy: policy(self.placement, &source.jobs),
            nodes: evenly(&source.nodes, self.nodes_permille),
            quotas: vec![],
            arrivals: source.jobs.iter().map(|job| arrival(job, TimeScale::ONE)).collect(),
        };
        let time = match self.time_permille {
            Some(permille) => TimeScale { multiply: 1_000, divide: permille },
            None => TimeScale::to_load(&workload, LOAD_PERMILLE),
        };
        workload.arrivals = source.jobs.iter().map(|job| arrival(job, time)).collect();
        workload.arrivals.sort_by(|a, b| (a.at_ms, &a.ask.request).cmp(&(b.at_ms, &b.ask.request)));
        workload.quotas = quotas(&workload);
        workload.log_id = identity(&workload);
        workload
    }
}

/// Every so-manieth of all, at least one.
fn evenly<T: Clone>(all: &[T], permille: i64) -> Vec<T> {
    let permille = usize::try_from(permille).expect("a checked share");
    let is_taken = |index: &usize| (index + 1) * permille / 1_000 > index * permille / 1_000;
    let taken: Vec<T> = (0..all.len()).filter(is_taken).map(|index| all[index].clone()).collect();
    if taken.is_empty() { all.first().cloned().into_iter().collect() } else { taken }
}

fn arrival(job: &Job, time: TimeScale) -> Arrival {
    let duration_ms = DurationMs(job.duration_s.max(1) * 1_000);
    let ask = RequestAllocation {
        request: RequestId::from(job.name.clone()),
        tenant: TenantId::from(job.class.tenant()),
        user: UserId::from("demo"),
        gpu_models: job.gpu_models.clone(),
        replicas: 1,
        gpu_count: job.gpu_count,
        gpu_milli: job.gpu_milli,
        cpu_milli: job.cpu_milli,
        memory_mib: job.memory_mib,
        expected_duration_ms: duration_ms,
        priority: job.class.priority(),
        preemptible: job.class == JobClass::BestEffort,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    };
    let at_ms = TimeMs(time.apply(job.created_s * 1_000));
    Arrival { at_ms, ask, duration_ms }
}

fn policy(placement: PlacementPolicy, jobs: &[Job]) -> SetPoolPolicy {
    SetPoolPolicy {
        council: CouncilMode::Enforce,
        lease_max_ms: LEASE_MAX_MS,
        lease_grace_ms: DurationMs(HOUR_MS),
        wait_bound_ms: DurationMs(6 * HOUR_MS),
        defer_retry_ms: DurationMs(HOUR_MS / 2),
        queue_max: 50_000,
        placement,
        target_workload: target(jobs),
        prices: vec![],
    }
}

/// The shapes of all jobs with their counts, the most frequent first.
fn target(jobs: &[Job]) -> Vec<TargetShape> {
    let mut counts: BTreeMap<(CpuMilli, i64, GpuMilli, &[GpuModel]), i64> = BTreeMap::new();
    for job in jobs {
        let models = job.gpu_models.as_slice();
        *counts.entry((job.cpu_milli, job.gpu_count, job.gpu_milli, models)).or_default() += 1;
    }
    let shape =
        |((cpu_milli, gpu_count, gpu_milli, models), count): ((_, _, _, &[GpuModel]), _)| {
            TargetShape { cpu_milli, gpu_count, gpu_milli, gpu_models: models.to_vec(), count }
        };
    let mut shapes: Vec<TargetShape> = counts.into_iter().map(shape).collect();
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.count));
    shapes.truncate(TARGET_SHAPES_MAX);
    shapes
}

fn quotas(workload: &Workload) -> Vec<SetQuota> {
    let fleet: i64 = workload.nodes.iter().map(|node| node.gpu_count * 1_000).sum();
    let quota = |(class, guarantee, limit): (JobClass, i64, i64)| SetQuota {
        tenant: TenantId::from(class.tenant()),
        guarantee_gpu_milli: GpuMilli(fleet * guarantee / 100),
        limit_gpu_milli: GpuMilli(fleet * limit / 100),
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    };
    SHARES.into_iter().map(quota).collect()
}

/// The same settings over the same source give the same log, byte for byte, so its name follows
/// from both.
fn identity(workload: &Workload) -> LogId {
    let Workload { log_id: _, pool, policy, nodes, quotas, arrivals } = workload;
    let mut hasher = blake3::Hasher::new();
    let settings = (pool, policy, nodes, quotas);
    serde_json::to_writer(&mut hasher, &settings).expect("a hasher takes every byte");
    for arrival in arrivals {
        let Arrival { at_ms, ask, duration_ms } = arrival;
        let row = (at_ms, ask, duration_ms);
        serde_json::to_writer(&mut hasher, &row).expect("a hasher takes every byte");
    }
    LogId::from(format!("demo-{}", &hasher.finalize().to_hex()[..16]))
}
