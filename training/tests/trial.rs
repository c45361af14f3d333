//! What a seat is worth, on a story whose numbers can be added up by hand; and that a lean is what
//! it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::command::WorkOutcome::{Failed, Succeeded};
use conclave_core::council::{Evaluator, Features, HiddenState, PerMille, TimeCode};
use conclave_core::decision::Verdict::{Approve, Deny};
use conclave_training::draw::Draw;
use conclave_training::job::{Ending, Job};
use conclave_training::lean::{Candidate, Lean};
use conclave_training::member::ROLES;
use conclave_training::network::exact::alone;
use conclave_training::network::weights::Weights;
use conclave_training::simulate;
use conclave_training::trial::Trial;
use conclave_training::world::{Fate, Story, Way};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// One GPU from `at_ms` on.
fn job(tenant: usize, ending: Ending, hours: i64, utilisation_bp: Option<i64>) -> Job {
    Job {
        tenant,
        at_ms: HOUR,
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
        run_ms: hours * HOUR,
        ending,
        utilisation_bp,
    }
}

/// Started after `waited_ms`, and then held for as long as it ran.
fn started(job: &Job, waited_ms: i64) -> Fate {
    let from = job.at_ms + waited_ms;
    let ended = Some((from + job.run_ms, Way::Released(Succeeded)));
    Fate { started_ms: Some(from), ended, ..Fate::default() }
}

#[test]
fn good_work_counts_by_its_use_and_bad_work_by_what_it_holds() {
    let good = |tenant, hours, used| job(tenant, Ending::Released(Succeeded), hours, used);
    let bad = |tenant, hours| job(tenant, Ending::Released(Failed), hours, Some(9_000));
    let jobs = vec![
        good(0, 10, Some(5_000)),
        good(0, 6, None),
        good(1, 4, Some(10_000)),
        bad(1, 3),
        bad(1, 5),
        Job { at_ms: 0, ..good(1, 100, None) },
    ];
    let denied = Fate { is_denied: true, ..Fate::default() };
    let fates = vec![
        started(&jobs[0], 5 * MINUTE),
        started(&jobs[1], 65 * MINUTE),
        denied,
        started(&jobs[3], 0),
        denied,
        Fate::default(),
    ];
    let story = Story {
        name: simulate::NAME,
        tenants: 2,
        jobs,
        fates,
        steps: vec![],
        end_ms: 100 * HOUR,
        fleet_gpu_milli: 8_000,
    };
    let trial = Trial::of(&story, HOUR);
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
    close(trial.requests, 5.0);
    close(trial.denied, 2.0 / 5.0);
    close(trial.late, 3.0 / 5.0);
    close(trial.wasted, 3.0 / 19.0);
    close(trial.good, 16.0 / 20.0);
    close(trial.useful, 11.0 / 15.0);
    close(trial.bad, 3.0 / 8.0);
    // Shares 1 and 0.
    close(trial.fairness, 0.5);
    // An hour over five minutes.
    close(trial.utility, (11.0 - 3.0 - 0.1) / 15.0);
}

#[test]
fn a_lean_moves_the_logits_by_what_it_says() {
    let mut draw = Draw::new(4, "leaning");
    let role = ROLES[3];
    let weights = Weights::drawn(16, |k| role.mask().shows(k), &mut draw);
    let candidate = Candidate { role, weights: weights.clone(), fitted: vec![] };
    let lean = Lean { deny: -1.25, defer: 0.5 };
    let (plain, leaning) = (alone(&role, &weights).unwrap(), candidate.leaning(lean));
    let leaning = alone(&role, &leaning).unwrap();
    let (mut one, mut other) = (HiddenState::new(&plain), HiddenState::new(&leaning));
    let mut verdicts = [0; 2];
    for _ in 0..200 {
        let values = std::array::from_fn(|_| i8::try_from(draw.below(128)).unwrap() - 64);
        let features = Features::new(values).unwrap();
        let code = TimeCode::new(i32::try_from(draw.below(1_100)).unwrap()).unwrap();
        let plain = plain.step(&mut one, &features, code).members()[0];
        let leaning = leaning.step(&mut other, &features, code).members()[0];
        let moved: Vec<_> = (0..3).map(|at| leaning.0[at] - plain.0[at]).collect();
        assert!(moved[0].abs() <= 1, "{moved:?}");
        assert!((moved[1] + 2_560).abs() <= 1 && (moved[2] - 1_024).abs() <= 1, "{moved:?}");
        verdicts[0] += i32::from(plain.verdict() == Deny);
        verdicts[1] += i32::from(leaning.verdict() == Deny);
    }
    assert!(verdicts[1] < verdicts[0], "{verdicts:?}");
}

#[test]
fn no_source_is_vetoed_more_than_the_others_allow() {
    use conclave_core::council::Logits;
    let role = ROLES[3];
    // One source where denials are right, and a short one where two of three are not.
    let right: Vec<_> = (0..900_i16).map(|n| (Logits([0, 2_000 + n / 3, 0]), Deny)).collect();
    let wrong: Vec<_> = (0..300_i16)
        .map(|n| (Logits([0, 2_000 + n, 0]), if n % 3 == 0 { Deny } else { Approve }))
        .collect();
    let fitted = vec![right, wrong.clone()];
    let candidate = Candidate { role, weights: Weights::zeros(16), fitted };
    let member = candidate.member(Lean::default(), PerMille(500)).unwrap();
    let is_veto = |logits: &Logits| member.veto <= member.calibration.confidence(logits.margin());
    let approved = wrong.iter().filter(|(_, right)| *right == Approve);
    let vetoed = approved.clone().filter(|(logits, _)| is_veto(logits)).count();
    assert!(100 * vetoed <= approved.count(), "{vetoed}");
    // Both sources weigh the same: half of 1 and half of a third.
    let sure = member.calibration.confidence(Logits([0, 2_100, 0]).margin()).0;
    assert!((600..=730).contains(&sure), "{sure}");
}
