//! A made-up fleet with made-up tenants, drawn from a seed and run through the core like a trace:
//! what traces do not hold (utilisation, how far people are off with their estimates, several
//! tenants that compete) comes from here, and every number learnt from it says so.
//!
//! Tenants differ in what they ask, and each is in one of two moods for days at a time: in the
//! careful one work mostly succeeds, uses its GPUs and takes what was said; in the careless one
//! not. So a tenant's recent past tells more than what it asks, which is what real logs are like.

use crate::draw::Draw;
use crate::job::{Ending, Job, NodeSpec, Scenario, TenantSpec};
use crate::number::{index, nearest, nearest_within};
use conclave_core::command::WorkOutcome;

/// The source's name.
pub const NAME: &str = "simulator";
/// Whoever waits for so long holds up everybody behind, and a fleet stands idle for whole nodes.
const WAIT_BOUND_MS: i64 = 6 * 3_600_000;
/// Offered GPU time by what the fleet has.
pub const LOAD: f64 = 0.9;
const HOUR_MS: f64 = 3_600_000.0;
/// A Thursday, like the beginning of 1970: 2024-02-01.
const BEGIN_MS: i64 = 1_706_745_600_000;
const NODES: i64 = 24;
const NODE_GPUS: i64 = 8;

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Tenants.
    pub tenants: usize,
    /// Days of log time.
    pub days: usize,
    /// Requests that are aimed at.
    pub requests: usize,
}

impl Extent {
    /// The same fleet and tenants for half of the time.
    #[must_use]
    pub fn half(self) -> Self {
        Self { days: self.days / 2, requests: self.requests / 2, ..self }
    }
}

/// What a tenant is like.
struct Habits {
    /// Its part of all requests.
    share: f64,
    /// GPUs that it mostly asks for, in milli; less than a whole one is a slice.
    gpu_milli: i64,
    /// Typical hours that its work takes.
    hours: f64,
    /// Its priority.
    priority: i64,
    /// Whether its work may be interrupted.
    preemptible: bool,
    /// Probability that a request may go without a start after some hours.
    impatience: f64,
    /// Failures, in the careful mood and in the other one.
    failing: [f64; 2],
    /// Mean utilisation, likewise.
    utilisation: [f64; 2],
    /// Time taken by time said, likewise: the logarithm of the median.
    overrun: [f64; 2],
    /// When it changes its mood, by hour of the simulation.
    moods: Vec<bool>,
}

/// The scenario of `seed`.
#[must_use]
pub fn scenario(seed: u64, extent: Extent) -> Scenario {
    let mut draw = Draw::new(seed, "simulator");
    let habits: Vec<_> = (0..extent.tenants).map(|_| habits(&mut draw, extent.days)).collect();
    let total = habits.iter().map(|habits| habits.share).sum::<f64>();
    let mut jobs = Vec::new();
    for (tenant, habits) in habits.iter().enumerate() {
        let count = extent.requests as f64 * habits.share / total;
        ask_all(&mut draw, &mut jobs, (tenant, habits), (count, extent.days));
    }
    jobs.sort_by_key(|job| (job.at_ms, job.tenant));
    fill(&mut jobs, extent.days);
    let node = NodeSpec {
        gpu_model: "gpu".to_owned(),
        gpu_count: NODE_GPUS,
        cpu_milli: 128_000,
        memory_mib: 1_048_576,
    };
    let whole = 1_000 * NODE_GPUS * NODES;
    let tenants = (0..extent.tenants).map(|_| share(&mut draw, whole)).collect();
    Scenario {
        name: NAME,
        nodes: vec![node; index(NODES)],
        tenants,
        wait_bound_ms: WAIT_BOUND_MS,
        jobs,
    }
}

/// A third of the tenants have a small guarantee; all may hold a fifth to four fifths of the pool.
fn share(draw: &mut Draw, whole: i64) -> TenantSpec {
    let limit = whole / 5 * nearest_within(draw.between(0.5, 4.5), 1, 4);
    let guarantee = if draw.happens(0.33) { whole / 100 } else { 0 };
    TenantSpec { guarantee_gpu_milli: guarantee, limit_gpu_milli: limit }
}

fn habits(draw: &mut Draw, days: usize) -> Habits {
    const SIZES: [i64; 8] = [250, 500, 1_000, 1_000, 2_000, 4_000, 8_000, 16_000];
    let mut is_careless = draw.happens(0.35);
    let moods = (0..days * 24).map(|_| {
        // A mood lasts four days in the mean.
        if draw.happens(1.0 / 96.0) {
            is_careless = !is_careless;
        }
        is_careless
    });
    let moods = moods.collect();
    Habits {
        share: (0.9 * draw.normal()).exp(),
        gpu_milli: SIZES[draw.below(SIZES.len())],
        hours: (0.5 + 0.8 * draw.normal()).exp().clamp(0.1, 12.0),
        priority: nearest_within(draw.between(1.0, 10.0), 1, 10),
        preemptible: draw.happens(0.4),
        impatience: draw.between(0.4, 0.95),
        failing: [draw.between(0.01, 0.06), draw.between(0.2, 0.6)],
        utilisation: [draw.between(0.55, 0.9), draw.between(0.1, 0.45)],
        overrun: [draw.between(-0.7, -0.1), draw.between(0.1, 0.7)],
        moods,
    }
}

/// All requests of one tenant: bursts whose rate follows the hour and the day of the week.
fn ask_all(
    draw: &mut Draw,
    jobs: &mut Vec<Job>,
    (tenant, habits): (usize, &Habits),
    (count, days): (f64, usize),
) {
    let hours = days * 24;
    let weights: Vec<_> = (0..hours).map(weight_of_hour).collect();
    let total = weights.iter().sum::<f64>();
    let mut owed = 0.0;
    for (hour, weight) in weights.iter().enumerate() {
        owed += count * weight / total;
        // Several at once, and then none for a while.
        if owed < 1.0 || !draw.happens(0.35) {
            continue;
        }
        while 1.0 <= owed {
            owed -= 1.0;
            let offset = (hour as f64 + draw.unit()) * HOUR_MS;
            jobs.push(ask(draw, (tenant, habits), BEGIN_MS + nearest(offset), hour));
        }
    }
}

/// Busy by day, quiet at night and on Saturdays and Sundays.
fn weight_of_hour(hour: usize) -> f64 {
    let (of_day, day) = (hour % 24, hour / 24);
    let by_hour = if (8..20).contains(&of_day) { 1.3 } else { 0.7 };
    // The simulation begins on a Thursday.
    let is_weekend = matches!(day % 7, 2 | 3);
    by_hour * if is_weekend { 0.7 } else { 1.0 }
}

fn ask(draw: &mut Draw, (tenant, habits): (usize, &Habits), at_ms: i64, hour: usize) -> Job {
    let mood = usize::from(habits.moods[hour.min(habits.moods.len() - 1)]);
    let size = habits.gpu_milli << index(i64::from(draw.happens(0.2)));
    let (replicas, gpu_count, gpu_milli) = match size {
        slice if slice < 1_000 => (1, 1, slice),
        whole if whole <= 8_000 => (1, whole / 1_000, 1_000),
        gang => (gang / 8_000, 8, 1_000),
    };
    let hours = (habits.hours.ln() + 0.6 * draw.normal()).exp().clamp(0.05, 48.0);
    let mut run = hours * (habits.overrun[mood] + 0.25 * draw.normal()).exp();
    let is_failing = draw.happens(habits.failing[mood]);
    let is_stopped = !is_failing && draw.happens(0.05);
    if is_failing || is_stopped {
        run *= draw.between(0.05, 1.0);
    }
    let outcome = match (is_failing, is_stopped) {
        (true, _) => WorkOutcome::Failed,
        (false, true) => WorkOutcome::Stopped,
        (false, false) => WorkOutcome::Succeeded,
    };
    let is_abandoned = draw.happens([0.005, 0.05][mood]);
    let utilisation = (habits.utilisation[mood] + 0.1 * draw.normal()).clamp(0.0, 1.0);
    let gpus = (gpu_count * gpu_milli).max(250);
    Job {
        tenant,
        at_ms,
        replicas,
        gpu_count,
        gpu_milli,
        cpu_milli: 8 * gpus,
        memory_mib: 64 * gpus,
        gpu_models: vec![],
        expected_ms: nearest(hours * 6.0).max(1) * 600_000,
        priority: habits.priority,
        preemptible: habits.preemptible,
        patience_ms: draw
            .happens(habits.impatience)
            .then(|| nearest(draw.between(0.5, 6.0) * HOUR_MS)),
        run_ms: nearest(run * HOUR_MS).max(1_000),
        ending: if is_abandoned { Ending::Abandoned } else { Ending::Released(outcome) },
        // One in eight is not measured.
        utilisation_bp: draw.happens(0.875).then(|| nearest(utilisation * 10_000.0)),
    }
}

/// Makes all work longer or shorter so that the mean load is [`LOAD`].
fn fill(jobs: &mut [Job], days: usize) {
    let offered: f64 =
        jobs.iter().map(|job| job.total_gpu_milli() as f64 * job.run_ms as f64).sum();
    let fleet = 1_000.0 * NODE_GPUS as f64 * NODES as f64 * days as f64 * 24.0 * HOUR_MS;
    let factor = LOAD * fleet / offered.max(1.0);
    for job in jobs {
        job.run_ms = nearest(job.run_ms as f64 * factor).max(1_000);
        job.expected_ms = nearest(job.expected_ms as f64 * factor).max(60_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all_and_another_one_something_else() {
        let extent = Extent { tenants: 5, days: 3, requests: 200 };
        let (one, again, other) = (scenario(1, extent), scenario(1, extent), scenario(2, extent));
        assert_eq!(one.jobs, again.jobs);
        assert_ne!(one.jobs, other.jobs);
        assert!((100..400).contains(&one.jobs.len()), "{}", one.jobs.len());
        assert!(one.jobs.is_sorted_by_key(|job| job.at_ms));
    }
}
