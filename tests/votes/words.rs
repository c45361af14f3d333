//! Words of votes and memories, changed one at a time.

use conclave_core::council::ModelId;
use conclave_core::council::quorum::Ground;
use conclave_core::decision::*;
use conclave_core::units::Hash32;

/// Where networks said something: decisions and their events.
pub(crate) fn said(decisions: &[Decision]) -> Vec<(usize, usize)> {
    let mut said = vec![];
    for (at, decision) in decisions.iter().enumerate() {
        for (index, event) in decision.events.iter().enumerate() {
            if matches!(event, Event::CouncilVoted(_) | Event::CouncilRemembered(_)) {
                said.push((at, index));
            }
        }
    }
    said
}

/// Changes the word of an event that `word` chooses to another one that a body can hold.
pub(crate) fn change(event: &mut Event, word: usize) {
    match event {
        Event::CouncilVoted(voted) => change_vote(voted, word),
        Event::CouncilRemembered(memory) => match word % 50 {
            0 => memory.stepped_at_ms.0 += 1,
            1 => memory.heard -= 1,
            2 => memory.words.truncate(100),
            _ => {
                let words = memory.words.len();
                memory.words[word % words] ^= 1;
            }
        },
        other => unreachable!("{other:?}"),
    }
}

fn change_vote(voted: &mut CouncilVoted, word: usize) {
    let (features, members) = (voted.features.len(), voted.members.len());
    match word % 30 {
        0 => voted.attempt += 1,
        1 => voted.verdict = other(voted.verdict),
        2 if voted.ground == Ground::Agreed => voted.ground = Ground::Unsure,
        2 => voted.ground = Ground::Agreed,
        3 => voted.confidence_per_mille ^= 1,
        4 => voted.model = ModelId(Hash32([9; 32])),
        5 => voted.memory.0[word % 8] ^= 1,
        6 => voted.elapsed_ms.0 += 1,
        7 => voted.features[word % features] ^= 1,
        8 => voted.members.truncate(4),
        9 => voted.weights_seq += 1,
        10 => voted.members[3].counted = !voted.members[3].counted,
        kind => {
            let member = &mut voted.members[word % members];
            match kind % 5 {
                0 => member.approve ^= 1,
                1 => member.deny ^= 1,
                2 => member.defer += 65_536,
                3 => member.verdict = other(member.verdict),
                _ => member.confidence_per_mille ^= 1,
            }
        }
    }
}

/// Another verdict.
pub(crate) fn other(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Approve => Verdict::Deny,
        Verdict::Deny => Verdict::Defer,
        Verdict::Defer => Verdict::Approve,
    }
}
