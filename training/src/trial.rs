//! What a council is worth: scenarios of the simulator run again with nobody, the rule score and
//! the networks in the seat. What every job would have done is known there, so what was kept out
//! can be told from what was let in.

use crate::job::{Ending, Job, Scenario};
use crate::panel::{MAJORITY, Networks, Nobody, Panel, Rules, STRICT, UNSURE};
use crate::world::{Fate, Story, run_with};
use conclave_core::command::WorkOutcome;
use conclave_core::council::Council;
use std::collections::BTreeMap;

/// Waiting longer than this is over the target.
const TARGET_MS: i64 = 5 * 60_000;
const GPU_HOUR: f64 = 1_000.0 * 3_600_000.0;

/// How one seat did on one range of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Which scenario and range.
    pub where_: &'static str,
    /// Who sat in the seat.
    pub seat: &'static str,
    /// Requests in the range.
    pub requests: usize,
    /// Share that was denied.
    pub denied: f64,
    /// Share that started.
    pub started: f64,
    /// Share of all requests that did not start within five minutes.
    pub late: f64,
    /// GPU-hours that were held by work that failed, was stopped or never given back.
    pub wasted: f64,
    /// GPU-hours that were held and not used by work that succeeded, where measured.
    pub idle: f64,
    /// GPU-hours of work that succeeded.
    pub succeeded: f64,
    /// Of the GPU time of work that would succeed, what was started.
    pub good: f64,
    /// Of the GPU time of work that would not, what was started.
    pub bad: f64,
    /// Jain's index over tenants of the share of their GPU time that was started.
    pub fairness: f64,
}

/// Tries `council` on each scenario, on what is asked from the given time on.
#[must_use]
pub fn trials(council: &Council, scenarios: &[(&'static str, Scenario, i64)]) -> Vec<Trial> {
    let mut all = Vec::new();
    for (where_, scenario, from_ms) in scenarios {
        let tenants = scenario.tenants.len();
        let mut strict = Networks::new(council, STRICT, tenants);
        let mut unsure = Networks::new(council, UNSURE, tenants);
        let mut majority = Networks::new(council, MAJORITY, tenants);
        let seats: [(&'static str, &mut dyn Panel); 5] = [
            ("nobody", &mut Nobody),
            ("rule score", &mut Rules),
            ("council, as in the file", &mut strict),
            ("council, however sure", &mut unsure),
            ("council, three of five", &mut majority),
        ];
        for (seat, panel) in seats {
            all.push(trial((where_, seat), &run_with(scenario, panel), *from_ms));
        }
    }
    all
}

fn would_succeed(job: &Job) -> bool {
    job.ending == Ending::Released(WorkOutcome::Succeeded)
}

fn trial((where_, seat): (&'static str, &'static str), story: &Story, from_ms: i64) -> Trial {
    let asked = story.jobs.iter().zip(&story.fates);
    let asked: Vec<(&Job, &Fate)> =
        asked.filter(|(job, fate)| from_ms <= job.at_ms && !fate.is_refused).collect();
    let share = |is: &dyn Fn(&Job, &Fate) -> bool| {
        let count = asked.iter().filter(|(job, fate)| is(job, fate)).count();
        count as f64 / asked.len().max(1) as f64
    };
    let work = |job: &Job| job.total_gpu_milli() as f64 * job.run_ms as f64 / GPU_HOUR;
    let held = |job: &Job, fate: &Fate| {
        let until = fate.ended.map_or(story.end_ms, |(ended, _)| ended);
        let held = fate.started_ms.map_or(0, |started| until - started);
        job.total_gpu_milli() as f64 * held as f64 / GPU_HOUR
    };
    let sum = |of: &dyn Fn(&Job, &Fate) -> f64| asked.iter().map(|(j, f)| of(j, f)).sum::<f64>();
    let of_kind = |is_good: bool| {
        let mine = |job: &Job| if would_succeed(job) == is_good { work(job) } else { 0.0 };
        let started = sum(&|job, fate| if fate.started_ms.is_some() { mine(job) } else { 0.0 });
        started / sum(&|job, _| mine(job)).max(1e-9)
    };
    let is_late = |job: &Job, fate: &Fate| {
        fate.started_ms.is_none_or(|started| TARGET_MS < started - job.at_ms)
    };
    let idle = |job: &Job, fate: &Fate| {
        let unused = job.utilisation_bp.map_or(0.0, |used| 1.0 - used as f64 / 10_000.0);
        if would_succeed(job) { held(job, fate) * unused } else { 0.0 }
    };
    Trial {
        where_,
        seat,
        requests: asked.len(),
        denied: share(&|_, fate| fate.is_denied),
        started: share(&|_, fate| fate.started_ms.is_some()),
        late: share(&is_late),
        wasted: sum(&|job, fate| if would_succeed(job) { 0.0 } else { held(job, fate) }),
        idle: sum(&idle),
        succeeded: sum(&|job, fate| if would_succeed(job) { held(job, fate) } else { 0.0 }),
        good: of_kind(true),
        bad: of_kind(false),
        fairness: jain(&asked),
    }
}

/// 1 when all tenants got the same share of what they asked for; 1/n when one got all.
fn jain(asked: &[(&Job, &Fate)]) -> f64 {
    let mut tenants: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (job, fate) in asked {
        let work = job.total_gpu_milli() as f64 * job.run_ms as f64;
        let (started, all) = tenants.entry(job.tenant).or_default();
        *all += work;
        *started += if fate.started_ms.is_some() { work } else { 0.0 };
    }
    let shares = tenants.values().map(|(started, all)| started / all.max(1.0));
    let (sum, squares) =
        shares.fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
    sum * sum / (tenants.len() as f64 * squares).max(1e-9)
}
