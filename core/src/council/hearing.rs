//! A round's ballot as the networks take it: tenant by tenant, step by step.

use super::quorum::{Ground, SEATED_MEMBERS, Tally, Voice, tally, voices};
use super::{Council, CouncilLogits, Evaluator, Features, HiddenState, ModelId, PerMille};
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
    /// Member by member, in the order of the council's file.
    pub members: Vec<MemberVote>,
    /// Why the verdict is what it is.
    pub ground: Ground,
    /// How sure the members are that agreed.
    pub confidence: PerMille,
}

/// A council at work: how it computes, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Sitting<'c, E> {
    /// Computes the steps; every way finds the same words.
    pub evaluator: &'c E,
    /// The reference of the same council.
    pub council: &'c Council,
    /// First 8 bytes of the BLAKE3 digest of a hidden state's bytes.
    pub digest: fn(&HiddenState) -> Hash8,
}

impl<E: Evaluator> Sitting<'_, E> {
    /// Answers a ballot. Questions that are none for the networks get the rule score.
    ///
    /// # Panics
    /// When the ballot is for another council, or what is remembered is none of its states.
    #[must_use]
    pub fn answer(&self, ballot: &Ballot) -> Votes {
        let mut votes = Votes::by_rules(ballot);
        let Some(hearing) = &ballot.hearing else { return votes };
        for heard in &hearing.tenants {
            let (at, remembered) = self.hear(hearing.model, heard, ballot, &mut votes);
            votes.memories.entry(at).or_default().push(remembered);
        }
        votes
    }

    /// Steps one tenant's state through what ended and what is asked. Returns where its new state
    /// is recorded: in the decision about its last newcomer, or in the round's first one.
    fn hear(
        &self,
        model: ModelId,
        heard: &Heard,
        ballot: &Ballot,
        votes: &mut Votes,
    ) -> (Offset, CouncilRemembered) {
        let Heard { pool, tenant, memory, cases } = heard;
        let mut steps = Steps::new(self.council, memory);
        for outcome in memory.outcomes() {
            steps.next(self, &outcome.features, outcome.at_ms);
        }
        let mut recorded_at = ballot.round;
        for Case { place, at_ms, features } in cases {
            let memory = (self.digest)(&steps.state);
            let (elapsed_ms, logits) = steps.next(self, features, *at_ms);
            let spoken = |tally: Tally, voices: &[Voice]| Spoken {
                model,
                memory,
                elapsed_ms,
                features: *features,
                members: member_votes(voices, &logits),
                ground: tally.ground,
                confidence: tally.confidence,
            };
            let vote = self.vote(&logits, ballot.question(*place).attempt, spoken);
            votes.put(*place, vote);
            if let Place::Newcomer(offset) = place {
                recorded_at = *offset;
            }
        }
        let words = steps.state.words().iter().map(|word| i64::from(*word)).collect();
        let stepped_at_ms = steps.stepped_at_ms.expect("a tenant is heard for a case");
        let (pool, tenant, heard) = (pool.clone(), tenant.clone(), memory.ended());
        (recorded_at, CouncilRemembered { pool, tenant, stepped_at_ms, heard, words })
    }

    fn vote(
        &self,
        logits: &CouncilLogits,
        attempt: i64,
        spoken: impl FnOnce(Tally, &[Voice]) -> Spoken,
    ) -> Vote {
        let parts = self.council.parts();
        let voices = voices(parts, logits);
        let present: Vec<Option<Voice>> = voices.iter().copied().map(Some).collect();
        let tally = tally(parts, &present).expect("all members are present");
        let grounds = Grounds::Council(Box::new(spoken(tally, &voices)));
        Vote { attempt, verdict: tally.verdict, grounds }
    }
}

/// A hidden state on its way through a round.
struct Steps {
    state: HiddenState,
    stepped_at_ms: Option<TimeMs>,
}

impl Steps {
    fn new(council: &Council, memory: &Memory) -> Self {
        let Memory { words, stepped_at_ms, .. } = memory;
        let state = if words.is_empty() {
            HiddenState::new(council)
        } else {
            let state = HiddenState::from_words(council, words.clone());
            state.expect("a new council forgets what another one remembered")
        };
        Self { state, stepped_at_ms: *stepped_at_ms }
    }

    fn next<E: Evaluator>(
        &mut self,
        sitting: &Sitting<'_, E>,
        features: &Features,
        at_ms: TimeMs,
    ) -> (DurationMs, CouncilLogits) {
        let elapsed = self.stepped_at_ms.map_or(DurationMs(0), |last| at_ms.since(last));
        self.stepped_at_ms = self.stepped_at_ms.max(Some(at_ms));
        let time = sitting.council.parts().time.code(elapsed);
        (elapsed, sitting.evaluator.step(&mut self.state, features, time))
    }
}

fn member_votes(voices: &[Voice], logits: &CouncilLogits) -> Vec<MemberVote> {
    assert_eq!(voices.len(), SEATED_MEMBERS, "a council of another size is not seated");
    let of = |(voice, logits): (&Voice, &super::Logits)| {
        let [approve, deny, defer] = logits.0.map(i64::from);
        let confidence_per_mille = i64::from(voice.confidence.0);
        MemberVote { verdict: voice.verdict, confidence_per_mille, approve, deny, defer }
    };
    voices.iter().zip(logits.members()).map(of).collect()
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

    fn put(&mut self, place: Place, vote: Vote) {
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
