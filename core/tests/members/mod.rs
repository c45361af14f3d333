//! Members that misbehave: as a script has them, or as their weights make them.
#![allow(dead_code, reason = "each test file uses its own part")]

use super::networks::{Networks, council, digest};
use super::story::{Ask, HOUR, MINUTE, Story, ask, node, policy, quota, set};
use conclave_core::command::*;
use conclave_core::council::hearing::Sitting;
use conclave_core::council::*;
use conclave_core::decision::*;
use conclave_core::round::{Ballot, Grounds, Votes};
use conclave_core::seat::{Absent, Seat};

/// What a script changes of each vote, the first being 0.
type Script = Box<dyn FnMut(i64, &mut [MemberVote])>;
/// What a script changes of each hidden state.
type Words = Box<dyn FnMut(&mut [i64])>;

/// Networks whose members say what a script has them say.
pub(crate) struct Scripted {
    votes: i64,
    script: Script,
    words: Words,
}

impl Scripted {
    pub(crate) fn votes(script: impl FnMut(i64, &mut [MemberVote]) + 'static) -> Self {
        Self { votes: 0, script: Box::new(script), words: Box::new(|_| {}) }
    }

    pub(crate) fn words(words: impl FnMut(&mut [i64]) + 'static) -> Self {
        Self { words: Box::new(words), ..Self::votes(behave) }
    }
}

impl Seat for Scripted {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let mut votes = Networks.vote(ballot)?;
        for vote in votes.newcomers.values_mut() {
            if let Grounds::Council(spoken) = &mut vote.grounds {
                (self.script)(self.votes, &mut spoken.members);
                self.votes += 1;
            }
        }
        for remembered in votes.memories.values_mut().flatten() {
            remembered.words.iter_mut().for_each(|word| *word = 0);
            (self.words)(&mut remembered.words);
        }
        Ok(votes)
    }
}

/// Each member gives its verdicts by turns, and never the same logits twice in a row.
pub(crate) fn behave(vote: i64, members: &mut [MemberVote]) {
    use Verdict::{Approve, Defer, Deny};
    for (member, at) in members.iter_mut().zip(0..) {
        member.verdict = match (vote + at) % 4 {
            0 | 3 => Approve,
            1 => Deny,
            _ => Defer,
        };
        member.approve = vote;
        member.confidence_per_mille = 800;
    }
}

/// Has a member say the same as in every other frozen vote.
pub(crate) fn freeze(member: &mut MemberVote) {
    (member.approve, member.deny, member.defer) = (7, 8, 9);
}

/// A council in the seat as its weights make it.
pub(crate) struct Real(pub(crate) Council);

impl Seat for Real {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        Ok(Sitting { runner: &self.0, council: &self.0, digest }.answer(ballot))
    }
}

/// The untrained council with other members: `change` gets each with its place.
pub(crate) fn with_members(mut change: impl FnMut(usize, &mut Member)) -> Council {
    let mut parts = council().parts().clone();
    for (at, member) in parts.members.iter_mut().enumerate() {
        (member.weight_bp, member.veto) = (2_000, PerMille(1_000));
        change(at, member);
    }
    Council::new(parts).expect("within the proof")
}

/// Makes `member` say the same whatever it is told.
pub(crate) fn always(member: &mut Member, verdict: Verdict) {
    let readout = &mut member.readout;
    readout.weights.fill(0);
    readout.biases.fill(0);
    readout.multipliers.fill(512);
    readout.shifts.fill(12);
    let row = match verdict {
        Verdict::Approve => 0,
        Verdict::Deny => 1,
        Verdict::Defer => 2,
    };
    readout.biases[row] = 1 << 20;
    member.calibration = Calibration::new([999; 64]).expect("it does not fall");
}

/// Makes all that `member` computes zero.
pub(crate) fn silence(member: &mut Member) {
    for rows in [&mut member.heads, &mut member.readout] {
        rows.weights.fill(0);
        rows.biases.fill(0);
    }
}

/// A pool under the untrained council, as it was activated, with `seat` in its place.
pub(crate) fn pool(mode: CouncilMode, seat: impl Seat + 'static) -> Story {
    let rules = SetPoolPolicy { council: mode, ..policy() };
    let mut pool = Story::given([set(rules), node("a", 16, "A100"), quota("t", 0, 999)]);
    pool.seat = Box::new(seat);
    pool.send(0, Payload::ActivateDecider(ActivateDecider { version: 2 }));
    pool.send(0, seated(super::networks::MODEL));
    pool
}

pub(crate) fn seated(model: &str) -> Payload {
    Payload::ActivateCouncil(ActivateCouncil { model: model.to_owned() })
}

/// A request unlike the one before and after it.
pub(crate) fn request(number: i64) -> Ask {
    ask(&format!("r{number}"), "t").priority(1 + number % 10).hours(1 + number % 30).no_cpu()
}

/// The decision on one more request, one minute after the one before. It ends at once.
pub(crate) fn vote(pool: &mut Story, number: i64) -> Decision {
    let command = pool.command(request(number).into());
    let decision = pool.decide(HOUR + number * MINUTE, vec![command]).remove(0);
    let name = format!("r{number}");
    if pool.state.pools[super::story::POOL].requests.contains_key(name.as_str()) {
        let end = Payload::OverrideDecision(OverrideDecision {
            request: name.as_str().into(),
            action: OverrideAction::End,
            reason: "it has been voted on".to_owned(),
            ask: None,
        });
        pool.send(HOUR + number * MINUTE, end);
    }
    decision
}

/// What became of members by votes of these numbers: each with the vote's number and the member's
/// index.
pub(crate) fn changes(
    pool: &mut Story,
    numbers: std::ops::Range<i64>,
) -> Vec<(i64, &'static str, i64)> {
    let mut seen = vec![];
    for number in numbers {
        for event in vote(pool, number).events {
            match event {
                Event::MemberQuarantined(gone) => seen.push((number, "goes", gone.member - 1)),
                Event::MemberReturned(back) => seen.push((number, "returns", back.member - 1)),
                _ => {}
            }
        }
    }
    seen
}
