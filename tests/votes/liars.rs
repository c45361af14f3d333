//! Forgeries: seats that lie and are obeyed, so that all but the lie itself is what follows from
//! it; and records that were rearranged.

use crate::system_common::Disk;
use crate::{Act, at_once, check_found, forge, in_two_passes, networks, story, told, words};
use conclave::council::CouncilSeat;
use conclave::verify::{Divergence, Report, Verdict};
use conclave_core::council::quorum::Ground;
use conclave_core::decision::Verdict::{Approve, Defer};
use conclave_core::decision::*;
use conclave_core::round::{Ballot, Grounds, Vote, Votes};
use conclave_core::seat::{Absent, Seat};
use conclave_core::units::Offset;

/// Votes as the networks do, but for what `lie` makes of their answers to later ballots.
struct Liar<L>(CouncilSeat, L);

impl<L: FnMut(&Ballot, &mut Votes)> Seat for Liar<L> {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let mut votes = self.0.vote(ballot)?;
        (self.1)(ballot, &mut votes);
        Ok(votes)
    }
}

/// The story with a lie about the newcomers of rounds behind offset 60, which says at which offset
/// it was told first; and that offset.
fn lied(mut lie: impl FnMut(&mut Vote) -> bool) -> (Disk, Offset) {
    let mut told_at = None;
    let liar = |ballot: &Ballot, votes: &mut Votes| {
        for (offset, vote) in &mut votes.newcomers {
            if ballot.round > Offset(60) && told_at.is_none() && lie(vote) {
                told_at = Some(*offset);
            }
        }
    };
    let disk = told(&story(), Liar(networks(), liar));
    (disk, told_at.expect("there was an occasion"))
}

/// That a lie is the one divergence, and everything that follows from it is not.
#[track_caller]
fn check_lie(lie: impl FnMut(&mut Vote) -> bool, what: &str) {
    let (disk, at) = lied(lie);
    let report = check_found(&disk, at);
    assert_eq!(report.divergences, 1, "{report:#?}");
    let said = &report.first_divergences[0].what;
    assert!(said.contains(what), "{said}");
}

#[track_caller]
fn check_spoken_lie(mut lie: impl FnMut(&mut conclave_core::council::hearing::Spoken), what: &str) {
    let spoken = |vote: &mut Vote| match &mut vote.grounds {
        Grounds::Council(spoken) => {
            lie(spoken);
            true
        }
        Grounds::Rules(..) => false,
    };
    check_lie(spoken, what);
}

#[test]
fn a_verdict_that_was_obeyed_and_that_nobody_gave_is_found() {
    let flip = |vote: &mut Vote| {
        let is_occasion = vote.verdict == Defer;
        if is_occasion {
            vote.verdict = Approve;
        }
        is_occasion && matches!(vote.grounds, Grounds::Council(_))
    };
    check_lie(flip, "verdict: recorded Approve, computed Defer");
}

#[test]
fn the_word_of_a_member_is_named() {
    check_spoken_lie(|spoken| spoken.members[3].deny += 1, "member risk, logit to deny: recorded");
    check_spoken_lie(|spoken| spoken.members[0].approve -= 9, ", logit to approve: recorded");
    check_spoken_lie(
        |spoken| spoken.members[2].confidence_per_mille ^= 1,
        ", confidence: recorded",
    );
    check_spoken_lie(
        |spoken| {
            spoken.members[4].verdict = words::other(spoken.members[4].verdict);
        },
        ", verdict: recorded",
    );
    check_spoken_lie(|spoken| spoken.memory.0[7] ^= 1, "state before it: recorded");
    let other = |ground| if ground == Ground::Agreed { Ground::Vetoed } else { Ground::Agreed };
    check_spoken_lie(|spoken| spoken.ground = other(spoken.ground), "ground: recorded");
    check_spoken_lie(|spoken| spoken.members[1].counted = false, "listened to: recorded false");
}

#[test]
fn a_vote_of_the_rules_where_networks_were_due_is_found() {
    let ruled = |ballot: &Ballot, votes: &mut Votes| {
        if ballot.round > Offset(60) {
            *votes = Votes { memories: votes.memories.clone(), ..Votes::by_rules(ballot) };
        }
    };
    let disk = told(&story(), Liar(networks(), ruled));
    let report = in_two_passes(&disk);
    assert_eq!(report.verdict(), Verdict::Differs, "{report:#?}");
    let is_said = |found: &Divergence| found.what.contains("recorded RequestVoted");
    assert!(report.first_divergences.iter().any(is_said), "{report:#?}");
    assert!(report.divergences > 50, "{report:#?}");
    assert_eq!(report.divergences, at_once(&disk).divergences);
}

#[test]
fn many_lies_are_all_counted_and_the_first_are_listed_in_order() {
    let spread = |ballot: &Ballot, votes: &mut Votes| {
        let due = votes.due.iter_mut().map(|(_, vote)| vote);
        for vote in votes.newcomers.values_mut().chain(due) {
            if let Grounds::Council(spoken) = &mut vote.grounds
                && ballot.round > Offset(60)
            {
                spoken.members[1].defer ^= 1;
            }
        }
    };
    let disk = told(&story(), Liar(networks(), spread));
    let (report, at_once) = (in_two_passes(&disk), at_once(&disk));
    assert_eq!(report.verdict(), Verdict::Differs);
    assert_eq!(report.divergences, at_once.divergences);
    assert_eq!(report.dead_letters, at_once.dead_letters);
    assert!(report.divergences > 60, "{report:#?}");
    let offsets = |report: &Report| -> Vec<i64> {
        report.first_divergences.iter().map(|found| found.offset).collect()
    };
    assert_eq!(offsets(&report), offsets(&at_once));
    assert_eq!(report.first_divergences.len(), 20);
    let honest = forge::votes(&disk) - report.council_votes;
    assert!(honest >= report.divergences, "{report:#?}");
}

#[test]
fn a_memory_that_nobody_has_is_found_where_it_is_recorded_and_where_it_is_used() {
    let mut lied_at = None;
    let implant = |ballot: &Ballot, votes: &mut Votes| {
        if let Some((at, memories)) = votes.memories.iter_mut().next()
            && ballot.round > Offset(60)
            && lied_at.is_none()
        {
            memories[0].words[40] += 1;
            lied_at = Some(*at);
        }
    };
    let disk = told(&story(), Liar(networks(), implant));
    let report = check_found(&disk, lied_at.unwrap());
    // The next votes are taken on the forged state, honestly.
    assert_eq!(report.divergences, 1, "{report:#?}");
    assert!(report.first_divergences[0].what.contains(", unit "), "{report:#?}");
}

/// The first decision behind offset 60 with an event that `is_it` likes: both places.
fn find(decisions: &[Decision], is_it: impl Fn(&Event) -> bool) -> (usize, usize) {
    let of = |(at, decision): (usize, &Decision)| {
        decision.events.iter().position(&is_it).map(|event| (at, event))
    };
    decisions.iter().enumerate().skip(60).find_map(of).expect("the story has one")
}

fn is_vote(event: &Event) -> bool {
    matches!(event, Event::CouncilVoted(_))
}

fn is_memory(event: &Event) -> bool {
    matches!(event, Event::CouncilRemembered(_))
}

/// That a record is found that `rearrange` made of the story, first at the offset that it says.
#[track_caller]
fn check_rearranged(rearrange: impl FnOnce(&mut Vec<Decision>) -> usize) {
    let disk = told(&story(), networks());
    let mut at = 0;
    let forged = forge::changed(&disk, |decisions| at = rearrange(decisions));
    check_found(&forged, Offset(i64::try_from(at).unwrap()));
}

#[test]
fn what_networks_said_cannot_be_added_to_taken_away_or_moved() {
    // A memory in the decision before.
    check_rearranged(|decisions| {
        let (at, event) = find(decisions, is_memory);
        let moved = decisions[at].events.remove(event);
        decisions[at - 1].events.push(moved);
        at - 1
    });
    // Twice.
    check_rearranged(|decisions| {
        let (at, event) = find(decisions, is_memory);
        let again = decisions[at].events[event].clone();
        decisions[at].events.insert(event, again);
        at
    });
    // Not at all.
    for is_it in [is_memory, is_vote] {
        check_rearranged(|decisions| {
            let (at, event) = find(decisions, is_it);
            drop(decisions[at].events.remove(event));
            at
        });
    }
    // Of a tenant whom nobody asked for in that round.
    check_rearranged(|decisions| {
        let (at, event) = find(decisions, is_memory);
        let mut other = decisions[at].events[event].clone();
        if let Event::CouncilRemembered(memory) = &mut other {
            memory.tenant = if memory.tenant.0 == *"t" { "u".into() } else { "t".into() };
        }
        decisions[at].events.push(other);
        at
    });
}

#[test]
fn a_vote_that_nobody_asked_for_is_found() {
    check_rearranged(|decisions| {
        let (at, event) = find(decisions, is_vote);
        let mut other = decisions[at].events[event].clone();
        if let Event::CouncilVoted(voted) = &mut other {
            voted.request = "nobody".into();
        }
        decisions[at].events.push(other);
        at
    });
    // On a request that networks voted on before, in a decision that is about something else.
    check_rearranged(|decisions| {
        let (from, event) = find(decisions, is_vote);
        let vote = decisions[from].events[event].clone();
        let is_tick = |decision: &Decision| decision.kind == "Tick";
        let at = (from..decisions.len()).find(|at| is_tick(&decisions[*at])).unwrap();
        decisions[at].events.push(vote);
        at
    });
}

#[test]
fn a_record_that_breaks_the_chain_is_counted_once() {
    let disk = told(&story(), networks());
    let decisions = forge::decisions(&disk);
    let (at, event) = find(&decisions, is_vote);
    let forged = forge::changed(&disk, |decisions| {
        if let Event::CouncilVoted(voted) = &mut decisions[at].events[event] {
            voted.members[0].deny ^= 1;
        }
    });
    // The forged body in the chain of the others.
    let broken = forge::replaced(&disk, &forged, at);
    let [two, one] = [in_two_passes(&broken), at_once(&broken)];
    assert_eq!(
        (two.verdict(), two.divergences, two.verified),
        (Verdict::Differs, one.divergences, one.verified)
    );
}

#[test]
fn lies_about_votes_that_are_taken_again_are_found_in_the_first_decision_of_their_round() {
    let mut lied_at = None;
    let liar = |ballot: &Ballot, votes: &mut Votes| {
        for (_, vote) in &mut votes.due {
            if let Grounds::Council(spoken) = &mut vote.grounds
                && lied_at.is_none()
            {
                spoken.members[2].approve += 1;
                lied_at = Some(ballot.round);
            }
        }
    };
    let acts: Vec<Act> = story();
    let disk = told(&acts, Liar(networks(), liar));
    let report = check_found(&disk, lied_at.expect("some were put off"));
    assert_eq!(report.divergences, 1, "{report:#?}");
}
