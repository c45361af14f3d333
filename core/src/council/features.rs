//! What the council is told: 32 integers about a request that is voted on, or a lease that ended.
//!
//! They are computed from the state as it stands when a round opens, and from the log time of the
//! command. Nothing else gets in: no clock, no text (names, labels, who asked), no digest of any.
//! The layout is [`FEATURES`]; both kinds of step share it.

pub mod scale;
mod step;
mod table;

pub use step::{Asked, Ended};
pub use table::{
    FEATURE_COUNT, FEATURES, FEATURES_VERSION, FeatureGroup, FeatureRow, scale_text, schema_text,
};

use crate::command::RequestAllocation;
use crate::limits::{DEFERRALS_MAX, GPU_MILLI_WHOLE, PRIORITY_MAX};
use crate::state::history::Counted;
use crate::state::{Pool, Tenant};
use crate::units::{DurationMs, GpuMilli, TimeMs};
use scale::{ONE, balance, day_wave, flag, magnitude, ratio, share, week_wave};
use serde::{Deserialize, Serialize};

/// One value per row of [`FEATURES`], in 1/64 units, each -127 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features([i8; FEATURE_COUNT]);

/// The features that a member sees: bit k is feature k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMask(pub u32);

impl FeatureMask {
    /// Whether feature `index` is seen.
    #[must_use]
    pub fn shows(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

impl Features {
    /// None when one is -128, which no range proof covers.
    #[must_use]
    pub fn new(values: [i8; FEATURE_COUNT]) -> Option<Self> {
        values.iter().all(|value| *value != i8::MIN).then_some(Self(values))
    }

    /// The numbers, by feature.
    #[must_use]
    pub fn values(&self) -> &[i8; FEATURE_COUNT] {
        &self.0
    }

    /// What is told of a request to `pool` that is voted on at `now`. A tenant without a quota
    /// there counts as one that may hold nothing.
    #[must_use]
    pub fn of_request(pool: &Pool, asked: &Asked, now: TimeMs) -> Self {
        let Asked { ask, attempt, arrived_at_ms } = *asked;
        let standing = Standing::of(pool, ask);
        let slack = ask.deadline_ms.map(|deadline| deadline.since(now));
        Self::joined(
            request_size(ask),
            urgency(ask, attempt, now.since(arrived_at_ms), slack),
            standing.tenant_state(now),
            standing.past(now),
            standing.pool_state(ask),
            standing.cost(ask, ask.total_gpu_milli()),
            [day_wave(now), week_wave(now), flag(false)],
        )
    }

    /// What is told of a lease of `pool` that ended, entering the hidden state at `now`.
    #[must_use]
    pub fn of_outcome(pool: &Pool, ended: &Ended, now: TimeMs) -> Self {
        let ask = ended.ask;
        let standing = Standing::of(pool, ask);
        Self::joined(
            request_size(ask),
            urgency(ask, ended.attempts, now.since(ended.arrived_at_ms), None),
            standing.tenant_state(now),
            ended.past(),
            standing.pool_state(ask),
            standing.cost(ask, GpuMilli(0)),
            [day_wave(now), week_wave(now), flag(true)],
        )
    }

    /// Every feature with its row.
    pub fn iter(&self) -> impl Iterator<Item = (&'static FeatureRow, i8)> {
        FEATURES.iter().zip(self.0)
    }

    fn joined(
        request: [i8; 6],
        urgency: [i8; 6],
        tenant: [i8; 5],
        past: [i8; 6],
        pool: [i8; 4],
        cost: [i8; 2],
        time: [i8; 3],
    ) -> Self {
        let mut all = [0; FEATURE_COUNT];
        let mut rest = all.as_mut_slice();
        let groups: [&[i8]; 7] = [&request, &urgency, &tenant, &past, &pool, &cost, &time];
        for group in groups {
            let (here, behind) = rest.split_at_mut(group.len());
            here.copy_from_slice(group);
            rest = behind;
        }
        assert!(rest.is_empty(), "the groups fill all {FEATURE_COUNT} places");
        Self::new(all).expect("no scale goes below -127")
    }
}

/// As an array of numbers of 64 bits, the only ones that Avro bodies have.
impl Serialize for Features {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.map(i64::from))
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let told = Vec::<i64>::deserialize(from)?;
        let mut values = [0; FEATURE_COUNT];
        let is_whole = told.len() == values.len();
        let fits = values
            .iter_mut()
            .zip(&told)
            .all(|(value, told)| i8::try_from(*told).map(|told| *value = told).is_ok());
        let features = Self::new(values).filter(|_| is_whole && fits);
        features.ok_or_else(|| serde::de::Error::custom("32 features of -127 to 127"))
    }
}

fn in_seconds(span: DurationMs) -> i8 {
    magnitude(span.0 / 1_000)
}

fn request_size(ask: &RequestAllocation) -> [i8; 6] {
    let replica = ask.replica_gpu_milli().0;
    // Without GPUs, a replica counts as having one.
    let per_gpu = |amount: i64| {
        amount * GPU_MILLI_WHOLE / if replica > 0 { replica } else { GPU_MILLI_WHOLE }
    };
    [
        magnitude(ask.total_gpu_milli().0),
        magnitude(ask.replicas - 1),
        share(ask.gpu_milli.0, GPU_MILLI_WHOLE, 0),
        magnitude(per_gpu(ask.cpu_milli.0)),
        magnitude(per_gpu(ask.memory_mib.0)),
        in_seconds(ask.expected_duration_ms),
    ]
}

fn urgency(
    ask: &RequestAllocation,
    attempt: i64,
    age: DurationMs,
    slack: Option<DurationMs>,
) -> [i8; 6] {
    [
        share(ask.priority, PRIORITY_MAX, 0),
        flag(ask.preemptible),
        share(attempt - 1, DEFERRALS_MAX, 0),
        in_seconds(age),
        flag(slack.is_some()),
        slack.map_or(0, in_seconds),
    ]
}

impl Ended<'_> {
    /// What the tenant's history says of many leases, said of this one.
    fn past(&self) -> [i8; 6] {
        let way = Counted::ending(self.reason, self.outcome);
        [
            known(true, self.utilisation_bp.is_some()),
            flag(way == Counted::Failed),
            flag(way == Counted::Stopped),
            flag(way == Counted::Expired),
            ratio(self.held_ms.0, self.ask.expected_duration_ms.0),
            self.utilisation_bp.map_or(0, utilisation),
        ]
    }
}

fn known(is_any_ended: bool, is_any_measured: bool) -> i8 {
    match (is_any_ended, is_any_measured) {
        (false, _) => 0,
        (true, false) => ONE / 2,
        (true, true) => ONE,
    }
}

fn utilisation(basis_points: i64) -> i8 {
    share(basis_points, 10_000, 0)
}

/// A tenant in its pool.
struct Standing<'a> {
    pool: &'a Pool,
    tenant: Option<&'a Tenant>,
}

impl<'a> Standing<'a> {
    fn of(pool: &'a Pool, ask: &RequestAllocation) -> Self {
        Self { pool, tenant: pool.tenants.get(&ask.tenant) }
    }

    fn used(&self) -> i64 {
        self.tenant.map_or(0, |tenant| tenant.used_gpu_milli.0)
    }

    fn limit(&self) -> i64 {
        self.tenant.map_or(0, |tenant| tenant.quota.limit_gpu_milli.0)
    }

    fn tenant_state(&self, now: TimeMs) -> [i8; 5] {
        let guarantee = self.tenant.map_or(0, |tenant| tenant.quota.guarantee_gpu_milli.0);
        let asks = |tenant: &Tenant| tenant.history.at(now).count(Counted::Asked).0;
        [
            share(self.used(), self.limit(), ONE),
            share(self.used(), guarantee, ONE),
            // The council is not told of those that it put off: it would see a crowd of its own.
            magnitude(self.tenant.map_or(0, Tenant::queued_count)),
            magnitude(self.tenant.map_or(0, |tenant| tenant.running_count)),
            magnitude(self.tenant.map_or(0, asks)),
        ]
    }

    fn past(&self, now: TimeMs) -> [i8; 6] {
        let Some(tenant) = self.tenant else { return [0; 6] };
        let history = tenant.history.at(now);
        let ended = history.ended().0;
        if ended == 0 {
            return [0; 6];
        }
        let of_ended = |way| share(history.count(way).0, ended, 0);
        let is_measured = history.count(Counted::Measured).0 > 0;
        let (used, whole) = (history.utilisation_sum_bp().0, history.utilisation_whole_bp().0);
        [
            known(true, is_measured),
            of_ended(Counted::Failed),
            of_ended(Counted::Stopped),
            of_ended(Counted::Expired),
            ratio(history.held().0, history.expected().0),
            if is_measured { share(used, whole, 0) } else { 0 },
        ]
    }

    fn pool_state(&self, ask: &RequestAllocation) -> [i8; 4] {
        let pool = self.pool;
        // A wish for models says something about GPUs only.
        let models = if ask.gpu_count == 0 { [].as_slice() } else { &ask.gpu_models };
        let acceptable = pool.fleet.gpus_accepting_among(models);
        let free_acceptable = acceptable.total_milli.0 - acceptable.used_milli.0;
        let (free, all) = (pool.free_gpu_milli().0, pool.accepting_gpu_milli().0);
        [
            share(free, all, 0),
            share(free_acceptable, acceptable.total_milli.0, 0),
            magnitude(pool.queue.len()),
            share(pool.held_for_others(&ask.tenant).0, all, 0),
        ]
    }

    /// `wanted` is what a grant would add to what the tenant holds.
    fn cost(&self, ask: &RequestAllocation, wanted: GpuMilli) -> [i8; 2] {
        let all = self.pool.accepting_gpu_milli().0;
        let work = ask.total_gpu_milli().0 * ask.expected_duration_ms.0;
        let pool_time = match (work, all) {
            (0, _) => 0,
            (_, 0) => i8::MAX,
            (work, all) => magnitude(work / all),
        };
        [pool_time, balance(self.limit() - self.used() - wanted.0, self.limit())]
    }
}

const _: () = {
    // The longest work of the largest gang still fits.
    use crate::limits::{DURATION_MS_MAX, NODE_GPUS_MAX, REPLICAS_MAX};
    let gang = REPLICAS_MAX * NODE_GPUS_MAX * GPU_MILLI_WHOLE;
    assert!(gang <= i64::MAX / DURATION_MS_MAX.0);
};
