//! One verdict of five, and what a seat does to a fleet.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::council::logits::CALIBRATION_ENTRIES;
use conclave_core::council::{Calibration, Logits, Member, PerMille};
use conclave_core::decision::Verdict::{self, Approve, Defer, Deny};
use conclave_training::member::ROLES;
use conclave_training::network::weights::Weights;
use conclave_training::panel::{MAJORITY, Nobody, Quorum, Rules, STRICT};
use conclave_training::quantise::member;
use conclave_training::simulate::{Extent, scenario};
use conclave_training::world::run_with;

/// Five members that are as sure as their margin says: 10 per mille for each 1/8.
fn members() -> Vec<Member> {
    let entries: [u16; CALIBRATION_ENTRIES] =
        std::array::from_fn(|entry| u16::try_from(entry).unwrap() * 10 + 370);
    let of = |role| Member {
        calibration: Calibration::new(entries).unwrap(),
        veto: PerMille(900),
        ..member(role, &Weights::zeros(16)).unwrap()
    };
    ROLES.iter().map(of).collect()
}

fn logits(verdict: Verdict, confidence: i16) -> Logits {
    let margin = (confidence - 370) / 10 * 256;
    Logits(match verdict {
        Approve => [margin, 0, 0],
        Deny => [0, margin, 0],
        Defer => [0, 0, margin],
    })
}

#[track_caller]
fn check(quorum: Quorum, votes: [(Verdict, i16); 5], expected: Verdict) {
    let logits = votes.map(|(verdict, confidence)| logits(verdict, confidence));
    assert_eq!(quorum.verdict(&members(), &logits), expected, "{votes:?}");
}

#[test]
fn four_approve_three_deny_and_everything_else_is_put_off() {
    let (yes, no, later) = ((Approve, 800), (Deny, 800), (Defer, 800));
    let (veto, unsure) = ((Deny, 950), (Approve, 600));
    check(STRICT, [yes; 5], Approve);
    check(STRICT, [yes, yes, yes, yes, no], Approve);
    check(STRICT, [yes, yes, yes, no, no], Defer);
    check(STRICT, [yes, yes, no, no, no], Deny);
    check(STRICT, [later; 5], Defer);
    // A veto delays and never denies; who is not sure says nothing.
    check(STRICT, [yes, yes, yes, yes, veto], Defer);
    check(STRICT, [yes, yes, yes, unsure, unsure], Defer);
    check(MAJORITY, [yes, yes, yes, no, veto], Approve);
    check(MAJORITY, [yes, yes, unsure, no, later], Approve);
}

#[test]
fn a_seat_that_says_no_keeps_work_out_and_puts_some_off() {
    let fleet = scenario(3, Extent { tenants: 8, days: 4, requests: 300 });
    let (open, rules) = (run_with(&fleet, &mut Nobody), run_with(&fleet, &mut Rules));
    let denied = rules.fates.iter().filter(|fate| fate.is_denied);
    assert!(0 < denied.clone().count() && open.fates.iter().all(|fate| !fate.is_denied));
    assert!(denied.clone().all(|fate| fate.started_ms.is_none()));
    let starts = |story: &conclave_training::world::Story| {
        story.fates.iter().filter(|fate| fate.started_ms.is_some()).count()
    };
    assert!(starts(&rules) < starts(&open));
    // Whoever was put off is voted on again.
    let requests = rules.requests();
    let asked = rules.fates.iter().filter(|fate| !fate.is_refused).count();
    assert!(asked <= requests, "{asked} {requests}");
}
