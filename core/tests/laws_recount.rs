//! Votes that are taken from the record and computed afterwards prove what votes that are computed
//! at once prove: whatever a round's record says of networks, one of the two passes looks at it.

mod common;

use common::networks::{Networks, council, digest};
use common::{Stream, config, run_rounds, streams};
use conclave_core::council::Runner as _;
use conclave_core::council::quorum::Ground;
use conclave_core::council::{ModelId, recount::OnRecord};
use conclave_core::decide::decide;
use conclave_core::decision::*;
use conclave_core::input::Input;
use conclave_core::round::{Round, open_round};
use conclave_core::seat::Seat as _;
use conclave_core::state::State;
use conclave_core::units::{DurationMs, Hash32, Offset};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What was found wrong with a record first: in which decision, and the sentence.
type Found = Option<(Offset, String)>;

/// Proves rounds as verify does: with the votes of the record, then those votes by themselves.
fn prove(inputs: &[Input], recorded: &[Decision]) -> Found {
    let mut state = State::new(0);
    for decisions in recorded.chunk_by(|one, next| one.round == next.round) {
        let (first, last) = (decisions[0].offset, decisions[decisions.len() - 1].offset);
        let index = |offset: Offset| usize::try_from(offset.0).expect("a short log");
        let round = Round { inputs: inputs[index(first)..=index(last)].to_vec() };
        let before = state.clone();
        if let Some(found) = on_record(&mut state, &round, decisions) {
            return found.or_else(|| at_once(&before, &round, decisions));
        }
    }
    None
}

/// None when nothing is wrong; nothing more when only computing all of it says what.
fn on_record(state: &mut State, round: &Round, recorded: &[Decision]) -> Option<Found> {
    let ballot = open_round(state, &round.inputs);
    if ballot.asked().is_none() {
        let votes = Networks.vote(&ballot).expect("networks are here");
        return (decide(state, round, &votes) != recorded).then_some(None);
    }
    let Some(OnRecord { votes, runs, testimonies }) = ballot.on_record(council(), recorded) else {
        return Some(None);
    };
    // A record of what cannot have happened makes the core contradict it.
    let again = catch_unwind(AssertUnwindSafe(|| decide(state, round, &votes)));
    if again.is_ok_and(|again| again == recorded) {
        let ran = council().run(&runs);
        let all = testimonies.iter().zip(&runs).zip(&ran);
        let found = all.flat_map(|((one, run), ran)| one.check(council(), digest, run, ran));
        let first = found.min_by_key(|found| found.at)?;
        return Some(Some((first.at, first.what)));
    }
    Some(None)
}

/// The first difference to what is decided with votes that are computed.
fn at_once(before: &State, round: &Round, recorded: &[Decision]) -> Found {
    let mut state = before.clone();
    let votes = Networks.vote(&open_round(&state, &round.inputs)).expect("networks are here");
    let again = decide(&mut state, round, &votes);
    let differs = again.iter().zip(recorded).find(|(again, recorded)| again != recorded);
    differs.map(|(_, recorded)| (recorded.offset, "decided otherwise".to_owned()))
}

/// Where networks said something: decisions and their events.
fn said(decisions: &[Decision]) -> Vec<(usize, usize)> {
    let is_theirs =
        |event: &Event| matches!(event, Event::CouncilVoted(_) | Event::CouncilRemembered(_));
    let of = |(at, decision): (usize, &Decision)| {
        let events = decision.events.iter().enumerate();
        let theirs = events.filter(|(_, event)| is_theirs(event)).map(|(event, _)| (at, event));
        theirs.collect::<Vec<_>>()
    };
    decisions.iter().enumerate().flat_map(of).collect()
}

/// Changes one word of a vote or of a memory.
fn change(event: &mut Event, word: usize) {
    match event {
        Event::CouncilVoted(voted) => change_vote(voted, word),
        Event::CouncilRemembered(remembered) => match word % 200 {
            0 => remembered.heard += 1,
            1 => remembered.stepped_at_ms.0 += 1,
            word => {
                let words = remembered.words.len();
                let word = &mut remembered.words[word % words];
                *word = if *word > 0 { *word - 1 } else { *word + 1 };
            }
        },
        other => unreachable!("{other:?}"),
    }
}

fn change_vote(voted: &mut CouncilVoted, word: usize) {
    let (features, members) = (voted.features.len(), voted.members.len());
    match word % 40 {
        0 => voted.attempt += 1,
        1 => voted.verdict = other(voted.verdict),
        2 => {
            let is_agreed = voted.ground == Ground::Agreed;
            voted.ground = if is_agreed { Ground::Unsure } else { Ground::Agreed };
        }
        3 => voted.confidence_per_mille ^= 1,
        4 => voted.model = ModelId(Hash32([9; 32])),
        5 => voted.memory.0[word % 8] ^= 1,
        10 => voted.weights_seq += 1,
        6 => voted.elapsed_ms = DurationMs(voted.elapsed_ms.0 + 1),
        7 => voted.features[word % features] ^= 1,
        8 => drop(voted.members.pop()),
        9 => voted.members.swap(0, members - 1),
        kind => {
            let member = &mut voted.members[word % members];
            match kind % 5 {
                0 => member.approve += 1,
                1 => member.deny -= 1,
                2 => member.defer += 65_536,
                3 => member.verdict = other(member.verdict),
                _ if kind % 2 == 0 => member.counted = !member.counted,
                _ => member.confidence_per_mille ^= 1,
            }
        }
    }
}

fn other(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Approve => Verdict::Deny,
        Verdict::Deny => Verdict::Defer,
        Verdict::Defer => Verdict::Approve,
    }
}

/// Says of a vote of networks that it was the rules'.
fn by_rules(voted: &CouncilVoted) -> RequestVoted {
    RequestVoted {
        pool: voted.pool.clone(),
        request: voted.request.clone(),
        attempt: voted.attempt,
        seat: SeatKind::Rules,
        mode: voted.mode,
        verdict: voted.verdict,
        score: 70,
        priority_points: 20,
        size_points: 30,
        duration_points: 10,
        preemptible_points: 10,
    }
}

/// Adds, takes away, replaces or moves what networks said.
fn rearrange(decisions: &mut [Decision], (at, event): (usize, usize), how: usize) {
    let theirs = decisions[at].events[event].clone();
    match (how, &theirs) {
        (0, _) => drop(decisions[at].events.remove(event)),
        (1, _) => decisions[at].events.insert(event, theirs),
        (2, Event::CouncilVoted(voted)) => {
            decisions[at].events[event] = Event::RequestVoted(by_rules(voted));
        }
        // To a neighbour: somewhere in the round, or beyond.
        _ => {
            let to = if at > 0 { at - 1 } else { at + 1 };
            let moved = decisions[at].events.remove(event);
            decisions[to].events.push(moved);
        }
    }
}

fn decided(stream: &Stream, lengths: &[usize]) -> (Vec<Input>, Vec<Decision>) {
    let inputs = stream.run().inputs;
    let decisions = run_rounds(&inputs, lengths).1;
    (inputs, decisions)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_networks_decided_is_proved_by_its_record(
        stream in streams(),
        lengths in proptest::collection::vec(1..20_usize, 1..4),
    ) {
        let (inputs, decisions) = decided(&stream, &lengths);
        prop_assert_eq!(prove(&inputs, &decisions), None);
    }

    #[test]
    fn one_changed_word_is_found_where_it_stands(
        stream in streams(),
        lengths in proptest::collection::vec(1..20_usize, 1..4),
        words in proptest::collection::vec((any::<usize>(), any::<usize>()), 1),
    ) {
        let (inputs, decisions) = decided(&stream, &lengths);
        let said = said(&decisions);
        for (place, word) in words.into_iter().filter(|_| !said.is_empty()) {
            let (at, event) = said[place % said.len()];
            let mut changed = decisions.clone();
            change(&mut changed[at].events[event], word);
            prop_assume!(changed != decisions);
            let found = prove(&inputs, &changed);
            let offset = found.as_ref().map(|(offset, _)| *offset);
            prop_assert_eq!(offset, Some(decisions[at].offset), "{:?}", found);
        }
    }

    #[test]
    fn whatever_is_added_taken_away_or_moved_is_found(
        stream in streams(),
        lengths in proptest::collection::vec(1..20_usize, 1..4),
        places in proptest::collection::vec((any::<usize>(), 0..4_usize), 1),
    ) {
        let (inputs, decisions) = decided(&stream, &lengths);
        let said = said(&decisions);
        for (place, how) in places.into_iter().filter(|_| !said.is_empty()) {
            let mut changed = decisions.clone();
            rearrange(&mut changed, said[place % said.len()], how);
            prop_assert!(changed == decisions || prove(&inputs, &changed).is_some());
        }
    }
}
