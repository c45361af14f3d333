//! The five members: what each looks at, and what it would have been best to say of a request, seen
//! from after the fact.
//!
//! A member learns how probable each of the three is. Which of them it says then is a matter of
//! what saying it does ([`crate::lean`]); its confidence is how often hindsight agrees.

use crate::simulate;
use crate::trace::openb;
use crate::world::{Story, Way};
use conclave_core::command::WorkOutcome;
use conclave_core::council::FeatureMask;
use conclave_core::decision::Verdict;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Waiting up to this is what was promised.
const WAIT_TARGET_MS: i64 = 5 * MINUTE_MS;

/// A member before it has learnt anything.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its label in the file.
    pub label: &'static str,
    /// What it sees.
    pub features: &'static [usize],
    /// What hindsight says, for the model card.
    pub rule: &'static str,
    /// Hindsight about every job of a story; none where nobody can know.
    pub hindsight: fn(&Story) -> Vec<Option<Judged>>,
}

/// What hindsight says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What would have been best to say.
    pub verdict: Verdict,
    /// From when on it can be known.
    pub known_ms: i64,
}

/// All five, in the order of the file.
pub const ROLES: [Role; 5] = [EFFICIENCY, COST, FAIRNESS, RISK, SERVICE_LEVEL];

// `attempt` and `age` (8, 9) are hidden from all: whoever learns without a council that puts off
// sees first votes only.
const EFFICIENCY: Role = Role {
    label: "efficiency",
    features: &[0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 29, 30, 31],
    rule: "useful share of the GPU time: the utilisation when the work succeeded after at least a \
           minute, else 0; approve from 50 %, defer from 20 %, deny below; nothing where this \
           work was not measured. Where nothing is measured (traces): all of it unless it failed",
    hindsight: |story| each(story, efficiency),
};
const COST: Role = Role {
    label: "cost",
    features: &[0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22, 27, 28, 31],
    rule: "GPU time held by GPU time asked: approve up to 1.1, defer up to 1.5, deny above",
    hindsight: |story| each(story, cost),
};
const FAIRNESS: Role = Role {
    label: "fairness",
    features: &[0, 1, 2, 5, 6, 7, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29, 30, 31],
    rule: "a grant would put the tenant above its equal share of the fleet, and in the hour after, \
           requests of tenants below theirs wait: deny when one of them waits 30 minutes of that \
           hour, defer from 5 minutes, approve otherwise; nothing in openb, which names no tenants",
    hindsight: fairness,
};
const RISK: Role = Role {
    label: "risk",
    features: &[0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19, 20, 21, 22, 29, 30, 31],
    rule: "deny what failed, was stopped after a quarter of the expected time, or was never given \
           back; defer what succeeded after more than twice the expected time; approve the rest",
    hindsight: |story| each(story, risk),
};
// Nor does it see day and week: the days of openb are shortened.
const SERVICE_LEVEL: Role = Role {
    label: "service_level",
    features: &[0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 31],
    rule: "approve what started within 5 minutes, defer what started within an hour, deny what \
           waited longer or was withdrawn before; nothing while it is not known",
    hindsight: |story| each(story, service_level),
};

impl Role {
    /// What it sees, as the file says it.
    #[must_use]
    pub fn mask(&self) -> FeatureMask {
        FeatureMask(self.features.iter().fold(0, |mask, feature| mask | 1 << feature))
    }
}

fn each(story: &Story, judge: fn(&Story, usize) -> Option<Judged>) -> Vec<Option<Judged>> {
    (0..story.jobs.len()).map(|job| judge(story, job)).collect()
}

/// When a job started and ended, and how.
fn whole_run(story: &Story, job: usize) -> Option<(i64, i64, Way)> {
    let fate = &story.fates[job];
    let (ended, way) = fate.ended?;
    fate.started_ms.map(|started| (started, ended, way))
}

fn efficiency(story: &Story, job: usize) -> Option<Judged> {
    let (started, ended, way) = whole_run(story, job)?;
    let used_bp = match way {
        Way::Released(WorkOutcome::Succeeded | WorkOutcome::Unknown) if !is_measured(story) => {
            10_000
        }
        Way::Released(WorkOutcome::Succeeded) if MINUTE_MS <= ended - started => {
            story.jobs[job].utilisation_bp?
        }
        Way::Released(_) | Way::Expired => 0,
    };
    let verdict = match used_bp {
        5_000.. => Verdict::Approve,
        2_000..5_000 => Verdict::Defer,
        _ => Verdict::Deny,
    };
    Some(Judged { verdict, known_ms: ended })
}

/// Whether anybody measures there how GPUs are used.
fn is_measured(story: &Story) -> bool {
    story.name == simulate::NAME
}

fn cost(story: &Story, job: usize) -> Option<Judged> {
    let (started, ended, _) = whole_run(story, job)?;
    let (held, asked) = (ended - started, story.jobs[job].expected_ms);
    let verdict = match held * 10 {
        held if held <= asked * 11 => Verdict::Approve,
        held if held <= asked * 15 => Verdict::Defer,
        _ => Verdict::Deny,
    };
    Some(Judged { verdict, known_ms: ended })
}

fn risk(story: &Story, job: usize) -> Option<Judged> {
    let (started, ended, way) = whole_run(story, job)?;
    let (held, asked) = (ended - started, story.jobs[job].expected_ms);
    let verdict = match way {
        Way::Released(WorkOutcome::Failed) | Way::Expired => Verdict::Deny,
        Way::Released(WorkOutcome::Stopped) if asked < held * 4 => Verdict::Deny,
        Way::Released(WorkOutcome::Stopped | WorkOutcome::Unknown) => Verdict::Approve,
        Way::Released(WorkOutcome::Succeeded) if asked * 2 < held => Verdict::Defer,
        Way::Released(WorkOutcome::Succeeded) => Verdict::Approve,
    };
    Some(Judged { verdict, known_ms: ended })
}

fn service_level(story: &Story, job: usize) -> Option<Judged> {
    let asked = story.jobs[job].at_ms;
    let (is_started, waited) = story.wait(job);
    let is_withdrawn = story.fates[job].withdrawn_ms.is_some();
    let (verdict, known) = match (is_started, waited) {
        (true, wait) if wait <= WAIT_TARGET_MS => (Verdict::Approve, wait),
        (true, wait) if wait <= HOUR_MS => (Verdict::Defer, wait),
        (_, wait) if HOUR_MS < wait => (Verdict::Deny, HOUR_MS),
        (_, wait) if is_withdrawn => (Verdict::Deny, wait),
        _ => return None,
    };
    Some(Judged { verdict, known_ms: asked + known })
}

/// A request of a tenant below its equal share, and from when until when it waited.
struct Victim {
    tenant: usize,
    from_ms: i64,
    until_ms: i64,
}

fn fairness(story: &Story) -> Vec<Option<Judged>> {
    if story.name == openb::NAME {
        return vec![None; story.jobs.len()];
    }
    let share = story.fleet_gpu_milli / i64::try_from(story.tenants.max(1)).unwrap_or(1);
    let above =
        |job: usize| share < story.fates[job].used_gpu_milli + story.jobs[job].total_gpu_milli();
    let waiting = (0..story.jobs.len()).filter(|job| !above(*job) && !story.fates[*job].is_refused);
    let victims = waiting.filter_map(|job| {
        let (from_ms, waited) = (story.jobs[job].at_ms, story.wait(job).1);
        let tenant = story.jobs[job].tenant;
        let until_ms = from_ms + waited;
        (DEFER_WAIT_MS <= waited).then_some(Victim { tenant, from_ms, until_ms })
    });
    let victims: Vec<_> = victims.collect();
    let judge = |job: usize| {
        let from_ms = story.jobs[job].at_ms;
        let known_ms = from_ms + HOUR_MS;
        if story.fates[job].is_refused || story.end_ms < known_ms {
            return None;
        }
        let waits =
            if above(job) { longest_wait(&victims, story.jobs[job].tenant, from_ms) } else { 0 };
        let verdict = match waits {
            DENY_WAIT_MS.. => Verdict::Deny,
            DEFER_WAIT_MS.. => Verdict::Defer,
            _ => Verdict::Approve,
        };
        Some(Judged { verdict, known_ms })
    };
    (0..story.jobs.len()).map(judge).collect()
}

const DEFER_WAIT_MS: i64 = 5 * MINUTE_MS;
const DENY_WAIT_MS: i64 = 30 * MINUTE_MS;

/// The longest that a victim of another tenant waits within the hour from `from_ms` on.
fn longest_wait(victims: &[Victim], tenant: usize, from_ms: i64) -> i64 {
    let until_ms = from_ms + HOUR_MS;
    let others = victims.iter().filter(|victim| victim.tenant != tenant);
    let waits = others.map(|victim| victim.until_ms.min(until_ms) - victim.from_ms.max(from_ms));
    waits.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn labels_differ_and_every_member_knows_the_kind_of_step() {
        let labels: BTreeSet<_> = ROLES.iter().map(|role| role.label).collect();
        assert_eq!(labels.len(), ROLES.len());
        for role in ROLES {
            assert!(role.mask().shows(31), "{}", role.label);
            assert!(!role.mask().shows(8) && !role.mask().shows(9), "{}", role.label);
            assert!(role.features.is_sorted(), "{}", role.label);
        }
    }
}
