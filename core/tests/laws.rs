//! Laws that hold for every stream of commands.

mod common;

use common::{POOL, World, run, run_fixed, steps};
use conclave_core::blocker::Blockers;
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::evolve::evolve;
use conclave_core::invariants::check;
use conclave_core::limits::{DECISION_EVENTS_MAX, ID_BYTES_MAX};
use conclave_core::overtaking::Barriers;
use conclave_core::rejection::RejectionCode;
use conclave_core::round::{Ballot, Round, Votes, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::state::{Stage, State};
use conclave_core::units::{Offset, PoolId};
use proptest::prelude::*;

fn fold(decisions: &[Decision]) -> State {
    let mut state = State::new(0);
    decisions.iter().for_each(|decision| evolve(&mut state, decision));
    state
}

/// The fields that say where a round was cut.
fn without_round(decision: &Decision) -> Decision {
    let (round, round_index, round_count) = (Offset(0), 0, None);
    Decision { round, round_index, round_count, ..decision.clone() }
}

/// `PROPTEST_CASES` streams per law, or as many as the ordinary suite has time for.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(96),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_invariant_holds_after_every_command(steps in steps(1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            check(&world.state);
        }
    }

    #[test]
    fn deciding_leaves_the_state_that_the_decisions_fold_to(steps in steps(1..120)) {
        let world = run(&steps);
        prop_assert_eq!(fold(&world.decisions), world.state);
    }

    #[test]
    fn snapshot_and_tail_are_the_full_fold(steps in steps(1..120), cut in 0..=100_usize) {
        let world = run(&steps);
        let cut = world.decisions.len() * cut / 100;
        let bytes = postcard_of(&fold(&world.decisions[..cut]));
        let mut state: State = postcard::from_bytes(&bytes).unwrap();
        world.decisions[cut..].iter().for_each(|decision| evolve(&mut state, decision));
        prop_assert_eq!(&state, &world.state);
        prop_assert_eq!(postcard_of(&state), postcard_of(&world.state));
    }

    #[test]
    fn every_command_has_one_decision_and_they_form_a_chain_of_offsets(steps in steps(1..120)) {
        let world = run(&steps);
        prop_assert_eq!(world.decisions.len(), world.inputs.len());
        let mut covered = Offset(-1);
        for (input, decision) in world.inputs.iter().zip(&world.decisions) {
            prop_assert_eq!(decision.offset, input.offset);
            prop_assert_eq!(decision.covered_before, covered);
            prop_assert!(decision.events.len() <= DECISION_EVENTS_MAX);
            covered = decision.offset;
        }
    }

    #[test]
    fn the_recorded_rounds_give_the_same_decisions_again(
        steps in steps(1..120),
        max in 1..9_usize,
    ) {
        let world = run(&steps);
        let (state, decisions) = run_fixed(&world.inputs, max);
        let (again_state, again) = run_fixed(&world.inputs, max);
        prop_assert_eq!(&again, &decisions);
        prop_assert_eq!(&again_state, &state);
        prop_assert_eq!(fold(&decisions), state);
    }

    /// Only votes may depend on where rounds are cut: with the votes given, keyed by request and
    /// attempt, no other byte does.
    #[test]
    fn with_verdicts_given_the_cut_changes_nothing(steps in steps(1..120), max in 2..9_usize) {
        let world = run(&steps);
        let (whole_state, whole) = run_fixed(&world.inputs, max);
        let mut state = State::new(0);
        for (input, expected) in world.inputs.iter().zip(&whole) {
            // Votes for deferred requests are taken at a round's first command: hand them over
            // exactly there, and nowhere else.
            let ballot = open_round(&state, std::slice::from_ref(input));
            let due = if expected.round_index == 0 { ballot.due } else { vec![] };
            let votes: Votes = RuleSeat.vote(&Ballot { newcomers: ballot.newcomers, due });
            let round = Round { inputs: vec![input.clone()] };
            let decisions = decide(&mut state, &round, &votes);
            prop_assert_eq!(without_round(&decisions[0]), without_round(expected));
        }
        prop_assert_eq!(state, whole_state);
    }

    /// Nobody waits who could start, unless the queue is being carried over: asking for a pass of
    /// the queue by a harmless change grants nothing.
    #[test]
    fn nobody_waits_who_could_start(steps in steps(1..120)) {
        let mut world = run(&steps);
        while world.state.needs_a_tick() {
            world.send(conclave_core::command::Payload::Tick);
        }
        let policy = world.state.pools[POOL].policy.clone();
        let same = conclave_core::command::Payload::SetPoolPolicy(policy);
        let decision = world.send(same);
        prop_assert_eq!(&decision.outcome, &Outcome::Accepted);
        let granted = decision.events.iter().any(|event| matches!(event, Event::LeaseGranted(_)));
        prop_assert!(!granted, "{:?}", decision.events);
    }

    #[test]
    fn a_refused_command_is_remembered_only_when_it_passed_stage_one(steps in steps(1..120)) {
        let world = run(&steps);
        for decision in &world.decisions {
            let Outcome::Rejected(rejected) = &decision.outcome else { continue };
            // Whether a lease is somebody else's is asked after stage 1: that refusal is
            // remembered.
            let is_domain_rule = rejected.code == RejectionCode::NotPermitted;
            if conclave_core::decide::STAGE_ONE.contains(&rejected.code) && !is_domain_rule {
                prop_assert_eq!(decision.remembered, None, "{:?}", decision);
            }
            prop_assert!(decision.command_id.0.len() <= ID_BYTES_MAX);
        }
    }

    #[test]
    fn nobody_who_came_later_passes_a_protected_request(steps in steps(1..120)) {
        let world = run(&steps);
        let mut before = State::new(0);
        for decision in &world.decisions {
            for (at, event) in decision.events.iter().enumerate() {
                let Event::LeaseGranted(granted) = event else { continue };
                // As it stood right before the grant.
                let events = decision.events[..at].to_vec();
                let mut state = before.clone();
                evolve(&mut state, &Decision { events, ..decision.clone() });
                let pool = &state.pools[&granted.pool];
                let barriers = Barriers::of(pool, decision.time_ms);
                let barrier = barriers.before(pool, &pool.requests[&granted.request]);
                prop_assert!(barrier.is_none(), "{granted:?} past {barrier:?}");
            }
            evolve(&mut before, decision);
        }
    }

    #[test]
    fn whoever_joins_takes_no_protection_away(steps in steps(1..120)) {
        let world = run(&steps);
        let pool_id = PoolId::from(POOL);
        let mut state = State::new(0);
        for decision in &world.decisions {
            let before = state.pools.get(&pool_id).cloned();
            evolve(&mut state, decision);
            let is_joining = |event: &Event| {
                use Event::{RequestAdmitted, RequestQueued, RequestVoted};
                matches!(event, RequestAdmitted(_) | RequestVoted(_) | RequestQueued(_))
            };
            let only_joins = decision.events.iter().all(is_joining);
            let Some(before) = before.filter(|_| only_joins) else { continue };
            let was = Barriers::of(&before, state.time_ms);
            let is = Barriers::of(&state.pools[&pool_id], state.time_ms);
            for id in before.requests.keys().filter(|id| was.protect(id)) {
                prop_assert!(is.protect(id), "{id} lost its protection at {}", decision.offset);
            }
        }
    }

    #[test]
    fn every_waiting_request_has_a_blocker(steps in steps(1..120)) {
        let world = run(&steps);
        let pool_id = PoolId::from(POOL);
        let blockers = Blockers::of(&world.state, &pool_id);
        for request in world.state.pools[POOL].requests.values() {
            let blocker = blockers.blocker(request);
            prop_assert_eq!(blocker.is_none(), matches!(request.stage, Stage::Running(_)));
        }
    }
}

fn postcard_of(state: &State) -> Vec<u8> {
    postcard::to_stdvec(state).expect("a state can be stored")
}
