//! From a source to a workload: a part of the nodes, the gaps between arrivals divided so that the
//! load is what was asked for, one tenant per class.

use super::source::{Job, JobClass, Source};
use super::workload::{Arrival, FeedEnd, Workload};
use conclave_core::command::{
    CouncilMode, PlacementPolicy, RegisterNode, RequestAllocation, SetPoolPolicy, SetQuota,
    TargetShape, Topology, WorkOutcome,
};
use conclave_core::limits::{GPU_MILLI_WHOLE, TARGET_COUNT_MAX, TARGET_SHAPES_MAX};
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, LogId, PoolId, RequestId, TenantId, TimeMs, UserId,
};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const POOL: &str = "demo";
const SENDER: &str = "demo";
/// Long enough for the longest job of the real trace.
const LEASE_MAX_MS: DurationMs = DurationMs(200 * 24 * HOUR_MS);
/// Per tenant, in percent of the fleet's GPUs: guarantee and limit.
pub(crate) const SHARES: [(JobClass, i64, i64); 4] = [
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
        let arrivals: Vec<_> = source.jobs.iter().map(|job| arrival(job, TimeScale::ONE)).collect();
        let nodes = evenly(&source.nodes, self.nodes_permille);
        let mut workload = Workload {
            log_id: LogId::default(),
            sender: UserId::from(SENDER),
            starts_at_ms: TimeMs(0),
            until: FeedEnd::LastArrival,
            pool: PoolId::from(POOL),
            council: None,
            policy: policy(self.placement, &arrivals),
            quotas: class_quotas(&nodes),
            parents: vec![],
            nodes,
            arrivals,
        };
        let time = match self.time_permille {
            Some(permille) => TimeScale { multiply: 1_000, divide: permille },
            None => TimeScale::to_load(&workload, LOAD_PERMILLE),
        };
        workload.arrivals = source.jobs.iter().map(|job| arrival(job, time)).collect();
        workload.arrivals.sort_by(|a, b| (a.at_ms, &a.ask.request).cmp(&(b.at_ms, &b.ask.request)));
        workload.log_id = workload.identity("demo", &[]);
        workload
    }
}

/// Every so-manieth of all, at least one.
pub(crate) fn evenly<T: Clone>(all: &[T], permille: i64) -> Vec<T> {
    let permille = usize::try_from(permille).expect("a checked share");
    let is_taken = |index: &usize| (index + 1) * permille / 1_000 > index * permille / 1_000;
    let taken: Vec<T> = (0..all.len()).filter(is_taken).map(|index| all[index].clone()).collect();
    if taken.is_empty() { all.first().cloned().into_iter().collect() } else { taken }
}

fn arrival(job: &Job, time: TimeScale) -> Arrival {
    let at_ms = TimeMs(time.apply(job.created_s * 1_000));
    let ask = ask(job, SENDER);
    let (duration_ms, outcome) = (ask.expected_duration_ms, WorkOutcome::Unknown);
    Arrival { at_ms, duration_ms, ask, outcome }
}

/// What a job asks for.
pub(crate) fn ask(job: &Job, user: &str) -> RequestAllocation {
    RequestAllocation {
        request: RequestId::from(job.name.clone()),
        tenant: TenantId::from(job.class.tenant()),
        user: UserId::from(user),
        gpu_models: job.gpu_models.clone(),
        replicas: 1,
        gpu_count: job.gpu_count,
        gpu_milli: job.gpu_milli,
        cpu_milli: job.cpu_milli,
        memory_mib: job.memory_mib,
        expected_duration_ms: DurationMs(job.duration_s.max(1) * 1_000),
        priority: job.class.priority(),
        preemptible: job.class == JobClass::BestEffort,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    }
}

fn policy(placement: PlacementPolicy, arrivals: &[Arrival]) -> SetPoolPolicy {
    SetPoolPolicy {
        council: CouncilMode::Enforce,
        lease_max_ms: LEASE_MAX_MS,
        lease_grace_ms: DurationMs(HOUR_MS),
        wait_bound_ms: DurationMs(6 * HOUR_MS),
        defer_retry_ms: DurationMs(HOUR_MS / 2),
        queue_max: 50_000,
        placement,
        target_workload: target(arrivals),
        prices: vec![],
    }
}

/// The shapes of all replicas with their counts, the most frequent first.
pub(crate) fn target(arrivals: &[Arrival]) -> Vec<TargetShape> {
    let mut counts: BTreeMap<(CpuMilli, i64, GpuMilli, &[GpuModel]), i64> = BTreeMap::new();
    for Arrival { ask, .. } in arrivals {
        let models = ask.gpu_models.as_slice();
        let count = counts.entry((ask.cpu_milli, ask.gpu_count, ask.gpu_milli, models));
        let count = count.or_default();
        *count = (*count + ask.replicas).min(TARGET_COUNT_MAX);
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

/// One tenant per class of service, with its part of the fleet.
pub(crate) fn class_quotas(nodes: &[RegisterNode]) -> Vec<SetQuota> {
    let fleet = fleet_gpu_milli(nodes);
    let part = |percent: i64| GpuMilli(fleet.0 * percent / 100);
    let quota = |(class, guarantee, limit): (JobClass, i64, i64)| {
        quota(TenantId::from(class.tenant()), part(guarantee), part(limit))
    };
    SHARES.into_iter().map(quota).collect()
}

/// All GPUs of a fleet.
pub(crate) fn fleet_gpu_milli(nodes: &[RegisterNode]) -> GpuMilli {
    GpuMilli(nodes.iter().map(|node| node.gpu_count * GPU_MILLI_WHOLE).sum())
}

/// A tenant's share without any further rule.
pub(crate) fn quota(tenant: TenantId, guarantee: GpuMilli, limit: GpuMilli) -> SetQuota {
    SetQuota {
        tenant,
        guarantee_gpu_milli: guarantee,
        limit_gpu_milli: limit,
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    }
}
