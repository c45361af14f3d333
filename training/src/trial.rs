//! What a seat is worth: scenarios run again through the core with nobody, the rule score or the
//! networks in it. What every job would have done is known here, so what was kept out can be told
//! from what was let in.

use crate::job::{Ending, Job, Scenario};
use crate::panel::Panel;
use crate::world::{Fate, Story, run_with};
use conclave_core::command::WorkOutcome;
use std::collections::BTreeMap;

/// Waiting longer than this is over the target.
const TARGET_MS: i64 = 5 * 60_000;
const GPU_HOUR: f64 = 1_000.0 * 3_600_000.0;
/// What a GPU-hour costs that useful work waits over the target, in GPU-hours.
pub const WAIT_COST: f64 = 0.1;
/// Work that waited is worth at least this part of itself.
pub const WAITED_WORTH: f64 = 0.5;

/// What is asked within a time of a scenario.
#[derive(Clone, Debug)]
pub struct Range {
    /// What it is called in the model card.
    pub name: String,
    /// What is run.
    pub scenario: Scenario,
    /// What is asked before is not counted.
    pub from_ms: i64,
    /// Which stretch of its source it is: the same stretch may be run at several loads.
    pub stretch: usize,
}

/// How one seat did on one range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trial {
    /// Requests in the range.
    pub requests: f64,
    /// Share that was denied.
    pub denied: f64,
    /// Share of all requests that did not start within five minutes, whatever the reason.
    pub late: f64,
    /// GPU-hours that were held by bad work, by all GPU-hours that were held.
    pub wasted: f64,
    /// Of the GPU time of good work, what was started.
    pub good: f64,
    /// The same of the GPU time that good work uses: where nobody measured, all of it.
    pub useful: f64,
    /// Of the GPU time of bad work, what was started.
    pub bad: f64,
    /// Jain's index over tenants of the share of the GPU time of their good work that was started.
    pub fairness: f64,
    /// By GPU-hour of use by good work that was asked for: what was started of it, less what bad
    /// work held, less [`WAIT_COST`] of what good work waited over the target before it started,
    /// but no more than half of its use.
    pub utility: f64,
}

impl Range {
    /// `scenario` from `from_ms` on.
    #[must_use]
    pub fn new(name: &str, scenario: Scenario, from_ms: i64) -> Self {
        Self { name: name.to_owned(), scenario, from_ms, stretch: 0 }
    }

    /// The part of `scenario` that is asked between two times. As much time before is run, too, so
    /// that the fleet is in use and something is known of its tenants.
    #[must_use]
    pub fn between(name: &str, mut scenario: Scenario, from_ms: i64, until_ms: i64) -> Self {
        let begin_ms = from_ms - (until_ms - from_ms);
        scenario.jobs.retain(|job| (begin_ms..until_ms).contains(&job.at_ms));
        Self::new(name, scenario, from_ms)
    }

    /// How `panel` does.
    #[must_use]
    pub fn trial(&self, panel: &mut dyn Panel) -> Trial {
        Trial::of(&run_with(&self.scenario, panel), self.from_ms)
    }
}

/// Whether work is worth its GPUs: it succeeds, or nobody says how it ends.
fn is_good(job: &Job) -> bool {
    matches!(job.ending, Ending::Released(WorkOutcome::Succeeded | WorkOutcome::Unknown))
}

fn is_started(fate: &Fate) -> bool {
    fate.started_ms.is_some()
}

/// GPU-hours that it takes.
fn work(job: &Job) -> f64 {
    job.total_gpu_milli() as f64 * job.run_ms as f64 / GPU_HOUR
}

/// GPU-hours that it uses.
fn used(job: &Job) -> f64 {
    work(job) * job.utilisation_bp.map_or(1.0, |used| used as f64 / 10_000.0)
}

impl Trial {
    /// What a story says of all that is asked from `from_ms` on.
    #[must_use]
    pub fn of(story: &Story, from_ms: i64) -> Self {
        let asked = story.jobs.iter().zip(&story.fates);
        let asked: Vec<(&Job, &Fate)> =
            asked.filter(|(job, fate)| from_ms <= job.at_ms && !fate.is_refused).collect();
        let share = |is: &dyn Fn(&Job, &Fate) -> bool| {
            let count = asked.iter().filter(|(job, fate)| is(job, fate)).count();
            count as f64 / asked.len().max(1) as f64
        };
        let sum = |is: &dyn Fn(&Job, &Fate) -> bool, of: &dyn Fn(&Job, &Fate) -> f64| {
            let all = asked.iter().filter(|(job, fate)| is(job, fate));
            all.map(|(job, fate)| of(job, fate)).sum::<f64>()
        };
        let held = |job: &Job, fate: &Fate| {
            let until = fate.ended.map_or(story.end_ms, |(ended, _)| ended);
            let held = fate.started_ms.map_or(0, |started| until - started);
            job.total_gpu_milli() as f64 * held as f64 / GPU_HOUR
        };
        let over = |job: &Job, fate: &Fate| {
            let waited = fate.started_ms.map_or(0, |started| started - job.at_ms - TARGET_MS);
            let waited = job.total_gpu_milli() as f64 * waited.max(0) as f64 / GPU_HOUR;
            f64::min(WAIT_COST * waited, (1.0 - WAITED_WORTH) * used(job))
        };
        let of_work = |job: &Job, _: &Fate| work(job);
        let good_asked = sum(&|job, _| is_good(job), &of_work).max(1e-9);
        let good = sum(&|job, fate| is_good(job) && is_started(fate), &of_work);
        let of_use = |job: &Job, _: &Fate| used(job);
        let use_asked = sum(&|job, _| is_good(job), &of_use).max(1e-9);
        let useful = sum(&|job, fate| is_good(job) && is_started(fate), &of_use);
        let bad_asked = sum(&|job, _| !is_good(job), &of_work).max(1e-9);
        let bad = sum(&|job, fate| !is_good(job) && is_started(fate), &of_work);
        let wasted = sum(&|job, _| !is_good(job), &held);
        let waited = sum(&|job, _| is_good(job), &over);
        let is_late = |job: &Job, fate: &Fate| {
            fate.started_ms.is_none_or(|started| TARGET_MS < started - job.at_ms)
        };
        Self {
            requests: asked.len() as f64,
            denied: share(&|_, fate| fate.is_denied),
            late: share(&is_late),
            wasted: wasted / sum(&|_, _| true, &held).max(1e-9),
            good: good / good_asked,
            useful: useful / use_asked,
            bad: bad / bad_asked,
            fairness: jain(&asked),
            utility: (useful - wasted - waited) / use_asked,
        }
    }

    /// How many numbers there are.
    pub const NUMBERS: usize = 9;

    /// All numbers, in the order of the fields.
    #[must_use]
    pub fn numbers(&self) -> [f64; Self::NUMBERS] {
        let Self { requests, denied, late, wasted, good, useful, bad, fairness, utility } = *self;
        [requests, denied, late, wasted, good, useful, bad, fairness, utility]
    }
}

/// 1 when all tenants got the same share of the good work that they asked for; 1/n when one got
/// all.
fn jain(asked: &[(&Job, &Fate)]) -> f64 {
    let mut tenants: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (job, fate) in asked.iter().filter(|(job, _)| is_good(job)) {
        let (started, all) = tenants.entry(job.tenant).or_default();
        *all += work(job);
        *started += if is_started(fate) { work(job) } else { 0.0 };
    }
    let shares = tenants.values().map(|(started, all)| started / all.max(1e-9));
    let (sum, squares) =
        shares.fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
    sum * sum / (tenants.len() as f64 * squares).max(1e-9)
}
