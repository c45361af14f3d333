//! Laws that hold for every stream of commands: decisions are all there is, and their fold is the
//! state.

mod common;

use common::{
    MOMENT_MS, POOLS, config, crowd, decide_round, decide_voted, fold, run_rounds, streams,
};
use conclave_core::decide::{STAGE_ONE, decide};
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::evolve::evolve;
use conclave_core::invariants::check;
use conclave_core::limits::{DECISION_EVENTS_MAX, DUE_VOTES_MAX, ID_BYTES_MAX};
use conclave_core::rejection::RejectionCode;
use conclave_core::round::{Round, fixed_round_length};
use conclave_core::state::State;
use conclave_core::units::{Offset, PoolId};
use proptest::prelude::*;

/// Pools whose queue one decision goes on with.
const CARRIED_POOLS_MAX: usize = 64;

/// The fields that say where a round was cut.
fn without_round(decision: &Decision) -> Decision {
    let (round, round_index, round_count) = (Offset(0), 0, None);
    Decision { round, round_index, round_count, ..decision.clone() }
}

fn postcard_of(state: &State) -> Vec<u8> {
    postcard::to_stdvec(state).expect("a state can be stored")
}

fn restored(state: &State) -> State {
    postcard::from_bytes(&postcard_of(state)).expect("a stored state can be read")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_invariant_holds_after_every_command(stream in streams()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            check(&world.state);
        }
    }

    #[test]
    fn deciding_leaves_the_state_that_the_decisions_fold_to(stream in streams()) {
        let world = stream.run();
        prop_assert_eq!(fold(&world.decisions), world.state);
    }

    #[test]
    fn snapshot_and_tail_are_the_full_fold(stream in streams(), cut in 0..=100_usize) {
        let world = stream.run();
        let cut = world.decisions.len() * cut / 100;
        let mut state = restored(&fold(&world.decisions[..cut]));
        world.decisions[cut..].iter().for_each(|decision| evolve(&mut state, decision));
        prop_assert_eq!(&state, &world.state);
        prop_assert_eq!(postcard_of(&state), postcard_of(&world.state));
    }

    /// What a state remembers only to be quick is not in its snapshot, and is not missed.
    #[test]
    fn a_restored_snapshot_decides_the_same(stream in streams(), cut in 0..=100_usize) {
        let world = stream.run();
        let from = world.begun + (world.inputs.len() - world.begun) * cut / 100;
        let mut state = State::new(0);
        let decide_alone =
            |state: &mut State, at: usize| decide_round(state, vec![world.inputs[at].clone()]);
        (0..from).for_each(|at| drop(decide_alone(&mut state, at)));
        let mut other = restored(&state);
        for at in from..world.inputs.len() {
            let expected = decide_alone(&mut state, at);
            prop_assert_eq!(decide_alone(&mut other, at), expected);
        }
        prop_assert_eq!(state, other);
    }

    #[test]
    fn every_command_has_one_decision_and_they_form_a_chain_of_offsets(stream in streams()) {
        let world = stream.run();
        prop_assert_eq!(world.decisions.len(), world.inputs.len());
        let mut covered = Offset(-1);
        for (input, decision) in world.inputs.iter().zip(&world.decisions) {
            prop_assert_eq!(decision.offset, input.offset);
            prop_assert_eq!(decision.covered_before, covered);
            prop_assert!(decision.events.len() <= DECISION_EVENTS_MAX);
            covered = decision.offset;
        }
    }

    /// As verify does it: the decisions say themselves where their rounds were cut.
    #[test]
    fn the_recorded_rounds_give_the_same_decisions_again(
        stream in streams(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let inputs = stream.run().inputs;
        let (state, decisions) = run_rounds(&inputs, &lengths);
        let (mut again, mut left) = (State::new(0), &decisions[..]);
        while let Some(first) = left.first() {
            let count = left.iter().take_while(|decision| decision.round == first.round).count();
            let (recorded, rest) = left.split_at(count);
            prop_assert_eq!(recorded[count - 1].round_count, i64::try_from(count).ok());
            let from = usize::try_from(first.round.0).expect("an offset of the stream");
            let decided = decide_round(&mut again, inputs[from..from + count].to_vec());
            prop_assert_eq!(&decided, recorded);
            left = rest;
        }
        prop_assert_eq!(&again, &state);
        prop_assert_eq!(fold(&decisions), state);
    }

    /// Only votes may depend on where rounds are cut: with the votes given, keyed by request and
    /// attempt, no other byte does.
    #[test]
    fn with_verdicts_given_the_cut_changes_nothing(
        stream in streams(),
        lengths in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let inputs = stream.run().inputs;
        let (mut whole_state, mut state) = (State::new(0), State::new(0));
        let (mut left, mut lengths) = (&inputs[..], lengths.iter().cycle());
        while !left.is_empty() {
            let length = *lengths.next().expect("over and over");
            let (round, rest) = left.split_at(fixed_round_length(left, length));
            left = rest;
            let (whole, mut votes) = decide_voted(&mut whole_state, round.to_vec());
            for (input, expected) in round.iter().zip(&whole) {
                let round = Round { inputs: vec![input.clone()] };
                let decisions = decide(&mut state, &round, &votes);
                prop_assert_eq!(without_round(&decisions[0]), without_round(expected));
                // Votes for deferred requests are taken at a round's first command: they are
                // handed over exactly there, and nowhere else.
                votes.due.clear();
            }
        }
        prop_assert_eq!(state, whole_state);
    }

    #[test]
    fn a_refused_command_is_remembered_only_when_it_passed_stage_one(stream in streams()) {
        for decision in &stream.run().decisions {
            let Outcome::Rejected(rejected) = &decision.outcome else { continue };
            // Whether a lease is somebody else's is asked after stage 1: that refusal is
            // remembered.
            let is_domain_rule = rejected.code == RejectionCode::NotPermitted;
            if STAGE_ONE.contains(&rejected.code) && !is_domain_rule {
                prop_assert_eq!(decision.remembered, None, "{:?}", decision);
            }
            prop_assert!(decision.command_id.0.len() <= ID_BYTES_MAX);
        }
    }
}

/// Otherwise no law would be asked about what is carried over.
#[test]
fn a_crowd_is_carried_over_for_every_reason() {
    let mut world = crowd();
    let (first, mut reasons) = (PoolId::from(POOLS[0]), [false; 4]);
    for _ in 0..50 {
        let is_gang = |event: &Event| matches!(event, Event::LeaseGranted(g) if g.pool == first);
        let a_gang_started = world.tick(MOMENT_MS).events.iter().any(is_gang);
        let state = &world.state;
        let now = [
            state.overdue_timer().is_some(),
            state.due.len() > DUE_VOTES_MAX,
            state.carried_over.len() > CARRIED_POOLS_MAX,
            // The next gang has no room beside it.
            a_gang_started && state.carried_over.contains(&first),
        ];
        reasons.iter_mut().zip(now).for_each(|(reason, now)| *reason |= now);
    }
    assert_eq!(reasons, [true; 4]);
    assert!(!world.state.needs_a_tick(), "it is worked off");
}
