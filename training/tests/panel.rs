//! Who sits in the seat, and what that does to a fleet.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::command::CouncilMode;
use conclave_core::council::{Council, ModelId, PerMille, QuorumNumbers};
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, Seat};
use conclave_training::choice::{Choice, seated};
use conclave_training::export::QUORUM;
use conclave_training::job::Scenario;
use conclave_training::lean::{Candidate, Lean};
use conclave_training::member::ROLES;
use conclave_training::network::weights::Weights;
use conclave_training::panel::{Networks, Nobody, Panel, Rules};
use conclave_training::simulate::{Extent, scenario};
use conclave_training::world::{Story, run_with};
use conclave_training::worth::Worth;

fn fleet() -> Scenario {
    scenario(3, Extent { tenants: 8, days: 4, requests: 300 })
}

/// Five members that have learnt nothing: whatever they are told, they say what they lean to.
fn leaning(deny: f64, defer: f64) -> Council {
    let nothing = |role| Candidate { role, weights: Weights::zeros(16), fitted: vec![] };
    let candidates = ROLES.map(nothing);
    let quorum = QuorumNumbers { confidence_min: PerMille(0), ..QUORUM };
    let (leans, vetoes) = (vec![Lean { deny, defer }; 5], vec![PerMille(500); 5]);
    let choice = Choice { leans, vetoes, quorum, worth: Worth::default(), tried: 0 };
    seated(&candidates, &choice).unwrap()
}

/// A council that is listened to, and no more.
#[derive(Debug)]
struct Advisers<'c>(Networks<'c>);

impl Seat for Advisers<'_> {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        self.0.vote(ballot)
    }
}

impl Panel for Advisers<'_> {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Advise
    }

    fn model(&self) -> Option<ModelId> {
        self.0.model()
    }
}

#[test]
fn what_is_learnt_from_is_what_a_live_council_is_told() {
    let council = leaning(-1.0, 0.0);
    let live = run_with(&fleet(), &mut Advisers(Networks::new(&council)));
    let learnt = run_with(&fleet(), &mut Nobody);
    assert_eq!((live.steps, live.fates), (learnt.steps, learnt.fates));
}

#[test]
fn a_council_that_agrees_does_what_it_says() {
    let run = |deny, defer| run_with(&fleet(), &mut Networks::new(&leaning(deny, defer)));
    let approved = run(-1.0, -1.0);
    assert_eq!(approved.fates, run_with(&fleet(), &mut Nobody).fates);
    let voted = |story: &Story| {
        let fates = story.fates.clone().into_iter();
        fates.filter(|fate| !fate.is_refused).collect::<Vec<_>>()
    };
    assert!(voted(&run(1.0, 0.0)).iter().all(|fate| fate.is_denied));
    // Put off three times for ten minutes, and then the rules answer.
    let deferred = run(0.0, 1.0);
    let waits = deferred
        .jobs
        .iter()
        .zip(&deferred.fates)
        .filter_map(|(job, fate)| fate.started_ms.map(|started| started - job.at_ms));
    assert!(waits.clone().count() > 50 && waits.min().unwrap() == 30 * 60_000);
    assert!(voted(&deferred).iter().any(|fate| fate.is_denied));
    assert!(4 * voted(&deferred).len() > deferred.requests());
}

#[test]
fn a_seat_that_says_no_keeps_work_out() {
    let (open, rules) = (run_with(&fleet(), &mut Nobody), run_with(&fleet(), &mut Rules));
    let denied = rules.fates.iter().filter(|fate| fate.is_denied);
    assert!(0 < denied.clone().count() && open.fates.iter().all(|fate| !fate.is_denied));
    assert!(denied.clone().all(|fate| fate.started_ms.is_none()));
    let starts = |story: &Story| story.fates.iter().filter(|f| f.started_ms.is_some()).count();
    assert!(starts(&rules) < starts(&open));
}
