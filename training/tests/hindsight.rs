//! What each member learns to say, on jobs whose end is known.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::command::WorkOutcome::{self, Failed, Stopped, Succeeded, Unknown};
use conclave_core::decision::Verdict::{self, Approve, Defer, Deny};
use conclave_training::job::{Ending, Job};
use conclave_training::member::{Judged, ROLES};
use conclave_training::simulate;
use conclave_training::trace::gentd;
use conclave_training::world::{Fate, Story, Way};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// One GPU for an hour, as it is asked.
fn job(tenant: usize, at_ms: i64) -> Job {
    Job {
        tenant,
        at_ms,
        replicas: 1,
        gpu_count: 1,
        gpu_milli: 1_000,
        cpu_milli: 0,
        memory_mib: 0,
        gpu_models: vec![],
        expected_ms: HOUR,
        priority: 5,
        preemptible: false,
        patience_ms: None,
        run_ms: HOUR,
        ending: Ending::Abandoned,
        utilisation_bp: None,
    }
}

fn story(name: &'static str, pairs: Vec<(Job, Fate)>) -> Story {
    let (jobs, fates) = pairs.into_iter().unzip();
    let (steps, end_ms, fleet_gpu_milli) = (vec![], 100 * HOUR, 4_000);
    Story { name, tenants: 2, jobs, fates, steps, end_ms, fleet_gpu_milli }
}

/// Started at once, held for `held_ms`.
fn ran(way: Way, held_ms: i64) -> Fate {
    Fate { started_ms: Some(0), ended: Some((held_ms, way)), ..Fate::default() }
}

fn hindsight(label: &str, story: &Story) -> Vec<Option<Judged>> {
    (ROLES.iter().find(|role| role.label == label).unwrap().hindsight)(story)
}

#[track_caller]
fn check(label: &str, one: (Job, Fate), verdict: Option<Verdict>, known_ms: i64) {
    let judged = hindsight(label, &story(simulate::NAME, vec![one]))[0];
    assert_eq!(judged, verdict.map(|verdict| Judged { verdict, known_ms }));
}

fn released(outcome: WorkOutcome) -> Way {
    Way::Released(outcome)
}

#[test]
fn risk_is_work_that_broke_or_was_stopped_late() {
    let of = |way, held| (job(0, 0), ran(way, held));
    check("risk", of(released(Succeeded), HOUR), Some(Approve), HOUR);
    check("risk", of(released(Succeeded), 2 * HOUR + 1), Some(Defer), 2 * HOUR + 1);
    check("risk", of(released(Failed), MINUTE), Some(Deny), MINUTE);
    check("risk", of(released(Stopped), 15 * MINUTE), Some(Approve), 15 * MINUTE);
    check("risk", of(released(Stopped), 16 * MINUTE), Some(Deny), 16 * MINUTE);
    check("risk", of(Way::Expired, 2 * HOUR), Some(Deny), 2 * HOUR);
    check("risk", (job(0, 0), Fate::default()), None, 0);
}

#[test]
fn cost_is_time_held_by_time_asked() {
    for (minutes, verdict) in [(66, Approve), (67, Defer), (90, Defer), (91, Deny)] {
        let one = (job(0, 0), ran(released(Failed), minutes * MINUTE));
        check("cost", one, Some(verdict), minutes * MINUTE);
    }
}

#[test]
fn efficiency_is_use_by_work_that_succeeded() {
    let of = |way, held, used| (Job { utilisation_bp: used, ..job(0, 0) }, ran(way, held));
    check("efficiency", of(released(Succeeded), HOUR, Some(5_000)), Some(Approve), HOUR);
    check("efficiency", of(released(Succeeded), HOUR, Some(4_999)), Some(Defer), HOUR);
    check("efficiency", of(released(Succeeded), HOUR, Some(1_999)), Some(Deny), HOUR);
    check("efficiency", of(released(Succeeded), HOUR, None), None, 0);
    check("efficiency", of(released(Succeeded), 59_999, Some(9_000)), Some(Deny), 59_999);
    check("efficiency", of(released(Failed), HOUR, Some(9_000)), Some(Deny), HOUR);
    // Traces measure nothing.
    for (way, verdict) in [(Succeeded, Approve), (Unknown, Approve), (Failed, Deny)] {
        let unmeasured = story(gentd::NAME, vec![of(released(way), 1_000, None)]);
        let judged = Judged { verdict, known_ms: 1_000 };
        assert_eq!(hindsight("efficiency", &unmeasured), [Some(judged)]);
    }
}

#[test]
fn service_is_time_until_the_start_and_nothing_while_it_is_open() {
    let started = |at| Fate { started_ms: Some(at), ..Fate::default() };
    let minutes = |minutes: i64| minutes * MINUTE;
    for (wait, verdict, known) in [
        (minutes(5), Approve, minutes(5)),
        (minutes(6), Defer, minutes(6)),
        (minutes(60), Defer, minutes(60)),
        (minutes(61), Deny, minutes(60)),
    ] {
        check("service_level", (job(0, 0), started(wait)), Some(verdict), known);
    }
    let withdrawn = Fate { withdrawn_ms: Some(minutes(20)), ..Fate::default() };
    check("service_level", (job(0, 0), withdrawn), Some(Deny), minutes(20));
    check("service_level", (job(0, 0), Fate::default()), Some(Deny), HOUR);
    let late = story(simulate::NAME, vec![(job(0, 100 * HOUR - 1), Fate::default())]);
    assert_eq!(hindsight("service_level", &late), [None]);
}

/// Four GPUs, two tenants: above two of them is above the share.
#[test]
fn fairness_is_who_waits_below_its_share_while_others_are_above() {
    let waits =
        |from: i64, until| (job(1, from), Fate { started_ms: Some(until), ..Fate::default() });
    let large = |used_gpu_milli| (job(0, HOUR), Fate { used_gpu_milli, ..Fate::default() });
    let said = |used, other: (Job, Fate)| {
        hindsight("fairness", &story(simulate::NAME, vec![large(used), other]))[0].unwrap()
    };
    let verdict = |used, other| said(used, other).verdict;
    assert_eq!(verdict(2_000, waits(HOUR, HOUR + 30 * MINUTE)), Deny);
    assert_eq!(verdict(2_000, waits(HOUR, HOUR + 29 * MINUTE)), Defer);
    assert_eq!(verdict(2_000, waits(HOUR, HOUR + 4 * MINUTE)), Approve);
    // Within its share nobody is in the way, and a wait outside of the hour is not its doing.
    assert_eq!(verdict(1_000, waits(HOUR, 2 * HOUR)), Approve);
    assert_eq!(verdict(2_000, waits(3 * HOUR, 4 * HOUR)), Approve);
    assert_eq!(verdict(2_000, waits(0, HOUR + 6 * MINUTE)), Defer);
    // Its own waiting is no harm to others.
    let own = (job(0, HOUR), Fate { started_ms: Some(2 * HOUR), ..Fate::default() });
    assert_eq!(verdict(2_000, own), Approve);
    assert_eq!(said(0, waits(0, 1)).known_ms, 2 * HOUR);
}
