//! A round's ballot as the networks take it: tenant by tenant, step by step.

use super::quorum::{Ground, SEATED_MEMBERS, Tally, Voice, Weights, tally, voices};
use super::run::{Ran, Run, Runner, Step};
use super::{Council, CouncilLogits, Features, HiddenState, ModelId, PerMille};
use crate::decision::{CouncilRemembered, MemberVote};
use crate::round::{Ballot, Grounds, Question, Vote, Votes};
use crate::seat::score;
use crate::state::Memory;
use crate::units::{DurationMs, Hash8, Offset, PoolId, TenantId, TimeMs};

/// Those whom the networks are asked about when a round opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// Which council is asked.
    pub model: ModelId,
    /// What each member's word counts when the round opens.
    pub weights: Weights,
    /// Tenants in the order in which they first come up, each with what is remembered of it.
    pub tenants: Vec<Heard>,
}

/// One tenant's part of a hearing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// In this pool.
    pub pool: PoolId,
    /// Whose requests they are.
    pub tenant: TenantId,
    /// What is remembered of it, leases included that ended since.
    pub memory: Memory,
    /// Its requests: deferred ones first, then newcomers in log order.
    pub cases: Vec<Case>,
}

/// One request that is voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which question of the ballot it is.
    pub place: Place,
    /// Log time of the step.
    pub at_ms: TimeMs,
    /// What is told of it.
    pub features: Features,
}

/// A question of a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A deferred request, by its place among the due ones.
    Due(usize),
    /// A newcomer, by the offset of its command.
    Newcomer(Offset),
}

/// What the networks said about one request: all that is needed to compute it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Which council.
    pub model: ModelId,
    /// Digest of the hidden state before the step.
    pub memory: Hash8,
    /// Log time since the step before.
    pub elapsed_ms: DurationMs,
    /// What was told.
    pub features: Features,
    /// Which weights held.
    pub weights_seq: i64,
    /// Member by member, in the order of the council's file.
    pub members: Vec<MemberVote>,
    /// Why the verdict is what it is.
    pub ground: Ground,
    /// How sure the members are that agreed.
    pub confidence: PerMille,
}

/// A council at work: how it computes, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Sitting<'c, R> {
    /// Computes the steps; every way finds the same words.
    pub runner: &'c R,
    /// The reference of the same council.
    pub council: &'c Council,
    /// First 8 bytes of the BLAKE3 digest of a hidden state's bytes.
    pub digest: fn(&HiddenState) -> Hash8,
}

impl<R: Runner> Sitting<'_, R> {
    /// Answers a ballot. Questions that are none for the networks get the rule score.
    ///
    /// # Panics
    /// When the ballot is for another council, or what is remembered is none of its states.
    #[must_use]
    pub fn answer(&self, ballot: &Ballot) -> Votes {
        let mut votes = Votes::by_rules(ballot);
        let Some(hearing) = &ballot.hearing else { return votes };
        let way = |heard| Way::of(self.council, heard);
        let (ways, runs): (Vec<Way>, Vec<Run>) = hearing.tenants.iter().map(way).unzip();
        let ran = self.runner.run(&runs);
        assert_eq!(ran.len(), runs.len(), "every run has its result");
        for (index, heard) in hearing.tenants.iter().enumerate() {
            let said = Said { way: &ways[index], run: &runs[index], ran: &ran[index] };
            self.vote_on(hearing, heard, &said, ballot, &mut votes);
            let (at, remembered) = said.remembered(heard, ballot.round);
            votes.memories.entry(at).or_default().push(remembered);
        }
        votes
    }

    /// The votes on one tenant's requests.
    fn vote_on(
        &self,
        Hearing { model, weights, .. }: &Hearing,
        heard: &Heard,
        said: &Said<'_>,
        ballot: &Ballot,
        votes: &mut Votes,
    ) {
        let ended = heard.memory.outcomes().count();
        for (index, Case { place, features, .. }) in (ended..).zip(&heard.cases) {
            let logits = &said.ran.logits[index];
            let spoken = |tally: Tally, members| Spoken {
                model: *model,
                memory: (self.digest)(said.run.state_before(said.ran, index)),
                elapsed_ms: said.way.elapsed_ms[index],
                features: *features,
                weights_seq: weights.seq,
                members,
                ground: tally.ground,
                confidence: tally.confidence,
            };
            let vote = self.vote(weights, logits, ballot.question(*place), spoken);
            votes.put(*place, vote);
        }
    }

    fn vote(
        &self,
        weights: &Weights,
        logits: &CouncilLogits,
        asked: &Question,
        spoken: impl FnOnce(Tally, Vec<MemberVote>) -> Spoken,
    ) -> Vote {
        let (tally, members) = heard_of(self.council, weights, asked, logits);
        let grounds = Grounds::Council(Box::new(spoken(tally, members)));
        Vote { attempt: asked.attempt, verdict: tally.verdict, grounds }
    }
}

/// What the logits of all members come to with what their words count, and what each member says.
pub(super) fn heard_of(
    council: &Council,
    weights: &Weights,
    asked: &Question,
    logits: &CouncilLogits,
) -> (Tally, Vec<MemberVote>) {
    let parts = council.parts();
    let voices = voices(parts, logits);
    let present: Vec<Option<Voice>> = voices.iter().copied().map(Some).collect();
    let tally = tally(parts, weights, &present).unwrap_or_else(|| Tally::by_rules(asked));
    (tally, member_votes(weights, &voices, logits))
}

/// The log times of a tenant's way through a round: leases that ended first, then its cases.
pub(super) struct Way {
    /// Of each step, since the one before; 0 for a tenant's first.
    pub(super) elapsed_ms: Vec<DurationMs>,
    /// Of the last step.
    pub(super) stepped_at_ms: TimeMs,
}

impl Way {
    /// A tenant's way, and what is to be computed on it.
    pub(super) fn of(council: &Council, heard: &Heard) -> (Self, Run) {
        let (way, steps) = Self::through(council, heard);
        (way, Run::from_words(council, &heard.memory.words, steps))
    }

    fn through(council: &Council, heard: &Heard) -> (Self, Vec<Step>) {
        let Heard { memory, cases, .. } = heard;
        let ended = memory.outcomes().map(|outcome| (outcome.at_ms, outcome.features));
        let asked = cases.iter().map(|case| (case.at_ms, case.features));
        let (mut last, mut elapsed_ms, mut steps) = (memory.stepped_at_ms, vec![], vec![]);
        for (at_ms, features) in ended.chain(asked) {
            let elapsed = last.map_or(DurationMs(0), |last| at_ms.since(last));
            last = last.max(Some(at_ms));
            elapsed_ms.push(elapsed);
            steps.push(Step { features, time: council.parts().time.code(elapsed) });
        }
        let stepped_at_ms = last.expect("a tenant is heard for a case");
        (Self { elapsed_ms, stepped_at_ms }, steps)
    }
}

/// What was computed for one tenant.
struct Said<'r> {
    way: &'r Way,
    run: &'r Run,
    ran: &'r Ran,
}

impl Said<'_> {
    /// The tenant's new state, and where it is recorded.
    fn remembered(&self, heard: &Heard, round: Offset) -> (Offset, CouncilRemembered) {
        let state = self.ran.states.last().expect("a tenant is heard for a case");
        let words = state.words().iter().map(|word| i64::from(*word)).collect();
        (heard.recorded_at(round), heard.remembered(self.way, words))
    }
}

impl Heard {
    /// What its steps are, in order, and what the tenant is left with, but for the words of its
    /// state.
    ///
    /// # Panics
    /// When there is no case: then nobody is heard.
    #[must_use]
    pub fn steps(&self, council: &Council) -> (Vec<Step>, CouncilRemembered) {
        let (way, steps) = Way::through(council, self);
        (steps, self.remembered(&way, vec![]))
    }

    /// The decision that records the tenant's new state: that about its last newcomer, or the first
    /// one of `round`.
    #[must_use]
    pub fn recorded_at(&self, round: Offset) -> Offset {
        let newcomer = |case: &Case| match case.place {
            Place::Newcomer(offset) => Some(offset),
            Place::Due(_) => None,
        };
        self.cases.iter().rev().find_map(newcomer).unwrap_or(round)
    }

    /// That the state of `words` is what a round leaves of the tenant.
    pub(super) fn remembered(&self, way: &Way, words: Vec<i64>) -> CouncilRemembered {
        let (pool, tenant) = (self.pool.clone(), self.tenant.clone());
        let (stepped_at_ms, heard) = (way.stepped_at_ms, self.memory.ended());
        CouncilRemembered { pool, tenant, stepped_at_ms, heard, words }
    }
}

impl Tally {
    /// What the rule score says while too few members are listened to.
    fn by_rules(asked: &Question) -> Self {
        let (verdict, ground) = (score(asked).verdict, Ground::Fallback);
        Self { verdict, ground, confidence: PerMille(0) }
    }
}

fn member_votes(weights: &Weights, voices: &[Voice], logits: &CouncilLogits) -> Vec<MemberVote> {
    assert_eq!(voices.len(), SEATED_MEMBERS, "a council of another size is not seated");
    let of = |((voice, logits), counts): ((&Voice, &super::Logits), &Option<_>)| {
        let counted = counts.is_some();
        let [approve, deny, defer] = logits.0.map(i64::from);
        let confidence_per_mille = i64::from(voice.confidence.0);
        MemberVote { verdict: voice.verdict, confidence_per_mille, approve, deny, defer, counted }
    };
    voices.iter().zip(logits.members()).zip(&weights.members).map(of).collect()
}

impl Votes {
    /// The rule score of every question.
    #[must_use]
    pub fn by_rules(ballot: &Ballot) -> Self {
        let of = |asked: &Question| score(asked);
        Self {
            newcomers: ballot.newcomers.iter().map(|(at, asked)| (*at, of(asked))).collect(),
            due: ballot.due.iter().map(|(due, asked)| (due.clone(), of(asked))).collect(),
            memories: Default::default(),
        }
    }

    pub(super) fn put(&mut self, place: Place, vote: Vote) {
        match place {
            Place::Due(index) => self.due[index].1 = vote,
            Place::Newcomer(offset) => {
                self.newcomers.insert(offset, vote);
            }
        }
    }
}

impl Ballot {
    /// The question at `place`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn question(&self, place: Place) -> &Question {
        match place {
            Place::Due(index) => &self.due[index].1,
            Place::Newcomer(offset) => &self.newcomers[&offset],
        }
    }
}
