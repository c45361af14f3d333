//! A council beside the seat says what it would say in the seat.

mod common;

use common::networks::{MODEL, OTHER, council, digest};
use common::{Stream, config, run_rounds, streams, streams_of_rules};
use conclave_core::council::hearing::Sitting;
use conclave_core::council::shadow::{GivenBy, Opinion, Shadow};
use conclave_core::council::{Council, ModelId};
use conclave_core::decision::{Decision, Event, MemberVote};
use conclave_core::evolve::evolve;
use conclave_core::input::Input;
use conclave_core::round::{Grounds, Votes, open_round};
use conclave_core::state::State;
use conclave_core::units::Hash32;
use proptest::prelude::*;

fn model(digits: &str) -> ModelId {
    ModelId(Hash32::from_hex(digits).expect("64 digits"))
}

/// What a shadow says along a log, computed after every so many rounds.
fn shadowed(
    inputs: &[Input],
    decisions: &[Decision],
    (own, parts): (ModelId, &Council),
    rounds: usize,
) -> Vec<Opinion> {
    let mut shadow = Shadow::new(0, own);
    let mut opinions = vec![];
    let all = decisions.chunk_by(|one, next| one.round == next.round);
    let mut from = 0;
    for (index, round) in all.enumerate() {
        let to = from + round.len();
        shadow.take(parts, Some(&inputs[from..to]), round.to_vec());
        from = to;
        if index % rounds == 0 {
            opinions.extend(shadow.settle(parts, parts));
            assert_eq!(shadow.open_steps(), 0);
        }
    }
    opinions.extend(shadow.settle(parts, parts));
    let counts = shadow.counts();
    assert_eq!((counts.decisions, counts.rounds_unread), (decisions.len() as u64, 0));
    let votes = decisions
        .iter()
        .flat_map(|decision| &decision.events)
        .filter(|event| matches!(event, Event::RequestVoted(_) | Event::CouncilVoted(_)));
    assert_eq!(opinions.len() as u64 + counts.not_asked, votes.count() as u64);
    opinions
}

fn decided(stream: &Stream, lengths: &[usize]) -> (Vec<Input>, Vec<Decision>) {
    let inputs = stream.run().inputs;
    let decisions = run_rounds(&inputs, lengths).1;
    (inputs, decisions)
}

/// Votes that the council called `model` gave from the seat.
fn given_by(decisions: &[Decision], model: ModelId) -> usize {
    let events = decisions.iter().flat_map(|decision| &decision.events);
    let is_its = |event: &&Event| matches!(event, Event::CouncilVoted(one) if one.model == model);
    events.filter(is_its).count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_shadow_of_the_council_in_the_seat_says_the_same_word_by_word(
        stream in streams(),
        lengths in proptest::collection::vec(1..20_usize, 1..4),
        rounds in 1..9_usize,
    ) {
        let (inputs, decisions) = decided(&stream, &lengths);
        for own in [MODEL, OTHER].map(model) {
            let opinions = shadowed(&inputs, &decisions, (own, council()), rounds);
            let same: Vec<_> = opinions
                .iter()
                .filter(|one| matches!(one.given_by, GivenBy::SameCouncil { .. }))
                .collect();
            prop_assert_eq!(same.len(), given_by(&decisions, own), "each vote has its opinion");
            for one in same {
                prop_assert_eq!(one.given_by, GivenBy::SameCouncil { is_same: true }, "{:?}", one);
                prop_assert_eq!(one.tally.verdict, one.seat);
            }
        }
    }

    /// Nobody votes beside the seat but who would vote in it: the same log under the same shadow
    /// says the same, whenever it is computed.
    #[test]
    fn when_a_shadow_is_computed_changes_nothing(
        stream in streams(),
        lengths in proptest::collection::vec(1..20_usize, 1..4),
    ) {
        let (inputs, decisions) = decided(&stream, &lengths);
        let own = ModelId(Hash32([5; 32]));
        let at_once = shadowed(&inputs, &decisions, (own, council()), 1);
        let late = shadowed(&inputs, &decisions, (own, council()), usize::MAX);
        prop_assert_eq!(at_once, late);
    }

    /// Beside the rules a shadow says what the council says in a seat where nobody listens to it,
    /// with memories that are computed round by round.
    #[test]
    fn beside_the_rules_a_shadow_is_a_council_that_nobody_listens_to(
        stream in streams_of_rules(),
    ) {
        let (inputs, decisions) = decided(&stream, &[1]);
        let own = ModelId(Hash32([5; 32]));
        let opinions = shadowed(&inputs, &decisions, (own, council()), 3);
        let mut state = State { council: Some(own), ..State::new(0) };
        let mut said = vec![];
        for (input, decision) in inputs.iter().zip(&decisions) {
            let ballot = open_round(&state, std::slice::from_ref(input));
            let sitting = Sitting { runner: council(), council: council(), digest };
            let votes: Votes = sitting.answer(&ballot);
            said.extend(words(&votes));
            let mut decision = decision.clone();
            let memories = votes.memories.into_values().flatten().map(Event::CouncilRemembered);
            decision.events.splice(..0, memories);
            evolve(&mut state, &decision);
        }
        for one in &opinions {
            prop_assert!(said.contains(&one.members), "{:?}", one);
        }
    }
}

/// What the members said of each question.
fn words(votes: &Votes) -> Vec<Vec<MemberVote>> {
    let due = votes.due.iter().map(|(_, vote)| vote);
    let spoken = votes.newcomers.values().chain(due).filter_map(|vote| match &vote.grounds {
        Grounds::Council(spoken) => Some(spoken.members.clone()),
        Grounds::Rules(..) => None,
    });
    spoken.collect()
}
