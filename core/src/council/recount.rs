//! Votes as a log records them: taken at their word first, computed again afterwards.
//!
//! Whoever proves a log has to decide every round again, and for that needs its votes. Computing
//! them round by round is what networks are worst at. So the votes are taken from the record
//! ([`Ballot::on_record`]); everything about them that does not need networks (who was asked, what
//! was told, how long ago, which attempt) is computed, and every word that was taken stands in a
//! [`Testimony`], which is checked later, with many others, by whatever [`super::Runner`] is there.
//!
//! A round is proved when deciding it with these votes gives the recorded bytes *and* its
//! testimonies are what is computed. Neither alone proves anything.

use super::hearing::{Case, Heard, Hearing, Place, Spoken, Way, heard_of};
use super::quorum::{Ground, SEATED_MEMBERS, Tally, Weights};
use super::run::{Ran, Run};
use super::{Council, HiddenState, Member, PerMille};
use crate::decision::{CouncilRemembered, CouncilVoted, Decision, Event, MemberVote, Verdict};
use crate::round::{Ballot, Grounds, Question, Vote, Votes};
use crate::units::{Hash8, Offset, PoolId, RequestId, TenantId};
use std::fmt::Debug;

/// A round's votes as they are recorded, and what is to be computed before they are believed.
#[derive(Clone, Debug)]
pub struct OnRecord {
    /// For `decide`. A vote that is recorded nowhere is one that no council gives: whoever hears it
    /// finds a difference.
    pub votes: Votes,
    /// Tenant by tenant.
    pub runs: Vec<Run>,
    /// What the record says of each of the runs.
    pub testimonies: Vec<Testimony>,
}

/// What a log says that came of one tenant's steps in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    pool: PoolId,
    tenant: TenantId,
    votes: Vec<RecordedVote>,
    /// What each member's word counted.
    weights: Weights,
    /// The decision that records the state after the last step.
    state_at: Offset,
    state: HiddenState,
}

/// What of a vote was taken from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RecordedVote {
    at: Offset,
    request: RequestId,
    question: Question,
    /// Which of the tenant's steps in this round.
    step: usize,
    memory: Hash8,
    members: Vec<MemberVote>,
    tally: Tally,
}

/// A word of a record that is not what was computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The decision that records it.
    pub at: Offset,
    /// Whose vote it belongs to; none when it is of a tenant's state.
    pub request: Option<RequestId>,
    /// Of which request or tenant, step and member, and both words.
    pub what: String,
}

impl Ballot {
    /// The votes of networks on this ballot as `decisions`, those of its round, record them. None
    /// when they say too little or too much of them: then only computing them says what is wrong.
    ///
    /// # Panics
    /// When the ballot is for another council, or what is remembered is none of its states.
    #[must_use]
    pub fn on_record(&self, council: &Council, decisions: &[Decision]) -> Option<OnRecord> {
        let record = Record { ballot: self, decisions };
        let mut taken =
            OnRecord { votes: Votes::by_rules(self), runs: vec![], testimonies: vec![] };
        let hearing = self.hearing.as_ref()?;
        for heard in &hearing.tenants {
            let (way, run) = Way::of(council, heard);
            let (at, remembered) = record.remembered(heard)?;
            let words: Option<Vec<i16>> =
                remembered.words.iter().map(|word| i16::try_from(*word).ok()).collect();
            let state = HiddenState::from_words(council, words?)?;
            let said = heard.remembered(&way, remembered.words.clone());
            taken.votes.memories.entry(at).or_default().push(said);
            let votes = record.votes_on(hearing, heard, &way, &mut taken.votes);
            let (pool, tenant) = (heard.pool.clone(), heard.tenant.clone());
            let (weights, state_at) = (hearing.weights, at);
            let testimony = Testimony { pool, tenant, votes, weights, state_at, state };
            taken.testimonies.push(testimony);
            taken.runs.push(run);
        }
        record.is_all_taken(&taken.testimonies).then_some(taken)
    }
}

/// A round as it stands in the log.
struct Record<'r> {
    ballot: &'r Ballot,
    decisions: &'r [Decision],
}

impl<'r> Record<'r> {
    fn events(&self, at: Offset) -> &'r [Event] {
        let found = self.decisions.binary_search_by_key(&at, |decision| decision.offset);
        found.map_or(&[], |index| &self.decisions[index].events)
    }

    /// The state that a tenant is left with, where it has to be recorded.
    fn remembered(&self, heard: &Heard) -> Option<(Offset, &'r CouncilRemembered)> {
        let at = heard.recorded_at(self.ballot.round);
        let is_its =
            |one: &&CouncilRemembered| one.pool == heard.pool && one.tenant == heard.tenant;
        self.events(at).iter().filter_map(remembered).find(is_its).map(|one| (at, one))
    }

    /// Puts the recorded votes on a tenant's cases, and returns what was taken from the record.
    fn votes_on(
        &self,
        hearing: &Hearing,
        heard: &Heard,
        way: &Way,
        votes: &mut Votes,
    ) -> Vec<RecordedVote> {
        let ended = heard.memory.outcomes().count();
        let mut taken = vec![];
        for (step, case) in (ended..).zip(&heard.cases) {
            let question = self.ballot.question(case.place);
            let attempt = question.attempt;
            let recorded = self.vote_on(heard, case, attempt).map(|(at, voted)| RecordedVote {
                at,
                request: voted.request.clone(),
                question: question.clone(),
                step,
                memory: voted.memory,
                members: voted.members.clone(),
                tally: tally_of(voted),
            });
            let said = recorded.as_ref().map(|one| (one.memory, one.members.clone(), one.tally));
            let (memory, members, tally) = said.unwrap_or_else(silence);
            let Tally { verdict, ground, confidence } = tally;
            let (elapsed_ms, features) = (way.elapsed_ms[step], case.features);
            let spoken = Spoken {
                model: hearing.model,
                memory,
                elapsed_ms,
                features,
                weights_seq: hearing.weights.seq,
                members,
                ground,
                confidence,
            };
            let grounds = Grounds::Council(Box::new(spoken));
            votes.put(case.place, Vote { attempt, verdict, grounds });
            taken.extend(recorded);
        }
        taken
    }

    /// The recorded vote on a case. The wrong one is no danger: what is decided with it has other
    /// bytes.
    fn vote_on(
        &self,
        heard: &Heard,
        case: &Case,
        attempt: i64,
    ) -> Option<(Offset, &'r CouncilVoted)> {
        let is_its = |one: &&CouncilVoted| one.pool == heard.pool && one.attempt == attempt;
        match case.place {
            Place::Due(index) => {
                let (at, request) = (self.ballot.round, &self.ballot.due[index].0.request);
                let mut votes = self.events(at).iter().filter_map(voted).filter(is_its);
                votes.find(|one| one.request == *request).map(|one| (at, one))
            }
            // After those on deferred requests.
            Place::Newcomer(at) => {
                let mut votes = self.events(at).iter().filter_map(voted).filter(is_its);
                votes.next_back().map(|one| (at, one))
            }
        }
    }

    /// Whether nothing that networks say of the round is left unchecked.
    fn is_all_taken(&self, testimonies: &[Testimony]) -> bool {
        let events = || self.decisions.iter().flat_map(|decision| &decision.events);
        let taken: usize = testimonies.iter().map(|one| one.votes.len()).sum();
        events().filter_map(voted).count() == taken
            && events().filter_map(remembered).count() == testimonies.len()
    }
}

/// What stands in for a vote that is recorded nowhere: whoever hears it finds one that the record
/// does not have.
fn silence() -> (Hash8, Vec<MemberVote>, Tally) {
    let (ground, confidence) = (Ground::NoQuorum, PerMille(0));
    let member = MemberVote {
        verdict: Verdict::Defer,
        confidence_per_mille: 0,
        approve: 0,
        deny: 0,
        defer: 0,
        counted: true,
    };
    let tally = Tally { verdict: Verdict::Defer, ground, confidence };
    (Hash8::default(), vec![member; SEATED_MEMBERS], tally)
}

fn tally_of(voted: &CouncilVoted) -> Tally {
    let CouncilVoted { verdict, ground, confidence_per_mille, .. } = voted;
    // One that does not fit is written otherwise than it is recorded: that is a difference, too.
    let confidence = PerMille(u16::try_from(*confidence_per_mille).unwrap_or_default());
    Tally { verdict: *verdict, ground: *ground, confidence }
}

fn voted(event: &Event) -> Option<&CouncilVoted> {
    if let Event::CouncilVoted(voted) = event { Some(voted) } else { None }
}

fn remembered(event: &Event) -> Option<&CouncilRemembered> {
    if let Event::CouncilRemembered(remembered) = event { Some(remembered) } else { None }
}

impl Testimony {
    /// How many votes on the tenant's requests are recorded.
    #[must_use]
    pub fn votes(&self) -> usize {
        self.votes.len()
    }

    /// Compares the record with what `ran`: of every vote and of the state, the first word that
    /// differs. `run` is the one that stood beside it, `digest` as in [`super::hearing::Sitting`].
    ///
    /// # Panics
    /// When another run ran.
    #[must_use]
    pub fn check(
        &self,
        council: &Council,
        digest: fn(&HiddenState) -> Hash8,
        run: &Run,
        ran: &Ran,
    ) -> Vec<Discrepancy> {
        let Self { pool, tenant, .. } = self;
        let mut found = vec![];
        for vote in &self.votes {
            let before = digest(run.state_before(ran, vote.step));
            let logits = &ran.logits[vote.step];
            let computed = heard_of(council, &self.weights, &vote.question, logits);
            if let Some(what) = vote.difference(council, before, &computed) {
                let RecordedVote { at, request, step, .. } = vote;
                let whose = format!("request '{request}' of tenant '{tenant}' in '{pool}'");
                let (at, request) = (*at, Some(request.clone()));
                found.push(Discrepancy {
                    at,
                    request,
                    what: format!("{whose}, step {step}: {what}"),
                });
            }
        }
        let computed = ran.states.last().expect("a tenant is heard for a case");
        if let Some(what) = state_difference(council, &self.state, computed) {
            let last = run.steps.len() - 1;
            let what = format!("tenant '{tenant}' in '{pool}', state after step {last}: {what}");
            found.push(Discrepancy { at: self.state_at, request: None, what });
        }
        found
    }
}

impl RecordedVote {
    /// The first word that is not what was computed from a state with the digest `before`.
    fn difference(
        &self,
        council: &Council,
        before: Hash8,
        (tally, members): &(Tally, Vec<MemberVote>),
    ) -> Option<String> {
        let each = self.members.iter().zip(members).zip(&council.parts().members);
        word("state before it", self.memory, before)
            .or_else(|| word("members", self.members.len(), members.len()))
            .or_else(|| each.into_iter().find_map(|((was, is), member)| spoken(member, was, is)))
            .or_else(|| word("verdict", self.tally.verdict, tally.verdict))
            .or_else(|| word("ground", self.tally.ground, tally.ground))
            .or_else(|| word("confidence", self.tally.confidence.0, tally.confidence.0))
    }
}

fn spoken(member: &Member, was: &MemberVote, is: &MemberVote) -> Option<String> {
    word("logit to approve", was.approve, is.approve)
        .or_else(|| word("logit to deny", was.deny, is.deny))
        .or_else(|| word("logit to defer", was.defer, is.defer))
        .or_else(|| word("verdict", was.verdict, is.verdict))
        .or_else(|| word("confidence", was.confidence_per_mille, is.confidence_per_mille))
        .or_else(|| word("listened to", was.counted, is.counted))
        .map(|what| format!("member {}, {what}", member.label))
}

fn state_difference(council: &Council, was: &HiddenState, is: &HiddenState) -> Option<String> {
    let mut words = was.words().iter().zip(is.words()).enumerate();
    let (at, (was, is)) = words.find(|(_, (was, is))| was != is)?;
    let units = council.parts().hidden.units();
    let member = &council.parts().members[at / units].label;
    word(&format!("member {member}, unit {}", at % units), *was, *is)
}

fn word<T: PartialEq + Debug>(name: &str, was: T, is: T) -> Option<String> {
    (was != is).then(|| format!("{name}: recorded {was:?}, computed {is:?}"))
}
