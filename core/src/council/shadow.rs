//! A council that votes beside the seat of a log and changes nothing: what would it have said?
//!
//! It keeps the state of the log as if it sat in the seat: the same decisions, but what the log
//! says of its own council's memories is left out, and the shadow's take their place. So the same
//! code opens its ballots, whoever sits there and whatever version decides. Outcomes and times do
//! not depend on words, so a tenant's steps of many rounds are one run: nothing is computed
//! before somebody [`settle`](Shadow::settle)s it.
//!
//! What members earn or lose in the seat (weights, quarantine) is the seat's: a shadow counts with
//! the weights of its file, unless its own council sits there.

use super::hearing::{Case, Heard, Place, heard_of};
use super::quorum::{Tally, Weights};
use super::run::{Ran, Run, Runner};
use super::{Council, HiddenState, ModelId};
use crate::decision::{
    CouncilRemembered, CouncilVoted, Decision, Event, MemberVote, Outcome, RequestVoted, SeatKind,
    Verdict,
};
use crate::evolve::evolve;
use crate::input::Input;
use crate::round::{Ballot, Question, open_round};
use crate::state::{Bench, State};
use crate::units::{Offset, PoolId, RequestId, TenantId};
use std::collections::BTreeMap;

/// A council beside the seat of one partition.
#[derive(Clone, Debug)]
pub struct Shadow {
    model: ModelId,
    /// The log's, with the shadow in the seat.
    state: State,
    /// What it remembers of tenants, as far as that is computed.
    known: BTreeMap<(PoolId, TenantId), HiddenState>,
    /// Who sits in the seat in truth, and how the members stand.
    seated: Option<ModelId>,
    bench: Bench,
    open: Open,
    counts: Counts,
}

/// What was seen and not computed.
#[derive(Clone, Debug, Default)]
struct Open {
    runs: Vec<Run>,
    /// Whose run it is; none once what it leaves means nothing any more.
    owners: Vec<Option<(PoolId, TenantId)>>,
    places: BTreeMap<(PoolId, TenantId), usize>,
    asked: Vec<Asked>,
    steps: usize,
}

/// A vote of the seat, and the step that answers the same question.
#[derive(Clone, Debug)]
struct Asked {
    at: Offset,
    pool: PoolId,
    tenant: TenantId,
    request: RequestId,
    question: Question,
    weights: Weights,
    seat: Verdict,
    /// What the members of the same council said.
    by: By,
    run: usize,
    step: usize,
}

/// Whose vote it is.
#[derive(Clone, Debug)]
enum By {
    Rules(SeatKind),
    OtherCouncil,
    /// With what its members said.
    SameCouncil(Vec<MemberVote>),
}

/// A vote as the log records it.
#[derive(Clone, Copy, Debug)]
enum Said<'v> {
    Rules(&'v RequestVoted),
    Council(&'v CouncilVoted),
}

/// What the shadow says of a request, and what the seat said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The decision that records the seat's vote.
    pub at: Offset,
    /// In this pool.
    pub pool: PoolId,
    /// Whose request it is.
    pub tenant: TenantId,
    /// Which one.
    pub request: RequestId,
    /// 1 for the first vote.
    pub attempt: i64,
    /// The seat's verdict, be it listened to or not.
    pub seat: Verdict,
    /// Who gave it.
    pub given_by: GivenBy,
    /// What the shadow's members come to.
    pub tally: Tally,
    /// What each of them says.
    pub members: Vec<MemberVote>,
}

/// Who sat in the seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBy {
    /// The rules.
    Rules(SeatKind),
    /// Other networks.
    OtherCouncil,
    /// The council that the shadow is.
    SameCouncil {
        /// Whether all its members said the same, logit by logit.
        is_same: bool,
    },
}

/// What was counted besides opinions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Decisions that were taken.
    pub decisions: u64,
    /// Votes of the seat that the shadow is not asked for: last attempts and appeals, which are the
    /// rules' whoever sits there, and what a longer list of deferred requests held.
    pub not_asked: u64,
    /// Rounds whose commands could not be read: what they would have taught is missing.
    pub rounds_unread: u64,
}

impl Shadow {
    /// A shadow called `model` before the first command of a partition.
    #[must_use]
    pub fn new(partition: i64, model: ModelId) -> Self {
        let (known, open, counts) = (BTreeMap::new(), Open::default(), Counts::default());
        let state = State { council: Some(model), ..State::new(partition) };
        Self { model, state, known, seated: None, bench: Bench::default(), open, counts }
    }

    /// The version that reads the next command.
    #[must_use]
    pub fn decide_version(&self) -> i64 {
        self.state.decide_version
    }

    /// Steps that were seen and not computed.
    #[must_use]
    pub fn open_steps(&self) -> usize {
        self.open.steps
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next round: its commands, none when one of them cannot be read, and its decisions.
    ///
    /// # Panics
    /// When the decisions do not continue the log, or cannot have happened.
    pub fn take(
        &mut self,
        council: &Council,
        commands: Option<&[Input]>,
        decisions: Vec<Decision>,
    ) {
        let is_skipped = |decision: &Decision| matches!(decision.outcome, Outcome::Failed(_));
        let mut remembered = BTreeMap::new();
        match commands {
            _ if decisions.iter().any(is_skipped) => {}
            None => self.counts.rounds_unread += 1,
            Some(commands) => {
                let ballot = open_round(&self.state, commands);
                remembered = self.hear(council, &ballot, &decisions);
            }
        }
        for mut decision in decisions {
            self.counts.decisions += 1;
            let own = remembered.remove(&decision.offset).unwrap_or_default();
            self.take_the_place(&mut decision, own);
            evolve(&mut self.state, &decision);
        }
    }

    /// Notes the steps of a ballot, and returns what is remembered afterwards, by decision.
    fn hear(
        &mut self,
        council: &Council,
        ballot: &Ballot,
        decisions: &[Decision],
    ) -> BTreeMap<Offset, Vec<CouncilRemembered>> {
        let all: usize = decisions.iter().map(|decision| votes(decision).count()).sum();
        let before = self.open.asked.len();
        let weights = self.weights();
        let mut remembered: BTreeMap<Offset, Vec<CouncilRemembered>> = BTreeMap::new();
        for heard in ballot.hearing.iter().flat_map(|hearing| &hearing.tenants) {
            let (steps, left_with) = heard.steps(council);
            let run = self.run_of(council, heard);
            let first = self.open.runs[run].steps.len() + heard.memory.outcomes().count();
            self.open.steps += steps.len();
            self.open.runs[run].steps.extend(steps);
            for (step, case) in (first..).zip(&heard.cases) {
                if let Some((at, said)) = said(ballot, decisions, heard, case) {
                    self.open.asked.push(Asked {
                        at,
                        pool: heard.pool.clone(),
                        tenant: heard.tenant.clone(),
                        request: said.subject().1.clone(),
                        question: ballot.question(case.place).clone(),
                        weights,
                        seat: said.verdict(),
                        by: said.by(self.model),
                        run,
                        step,
                    });
                }
            }
            remembered.entry(heard.recorded_at(ballot.round)).or_default().push(left_with);
        }
        self.counts.not_asked += (all - (self.open.asked.len() - before)) as u64;
        remembered
    }

    /// Where the steps of a tenant go.
    fn run_of(&mut self, council: &Council, heard: &Heard) -> usize {
        let owner = (heard.pool.clone(), heard.tenant.clone());
        if let Some(run) = self.open.places.get(&owner) {
            return *run;
        }
        let state = self.known.get(&owner).cloned().unwrap_or_else(|| HiddenState::new(council));
        let run = self.open.runs.len();
        self.open.runs.push(Run { state, steps: vec![] });
        self.open.owners.push(Some(owner.clone()));
        self.open.places.insert(owner, run);
        run
    }

    /// What each member's word counts: what the file says, as for a council that has just begun;
    /// and where the shadow's own council sits, what it earned there.
    fn weights(&self) -> Weights {
        let is_seated = self.seated == Some(self.model);
        if is_seated { self.bench.weights() } else { Weights::default() }
    }

    /// Puts the shadow in the place of the council that sits: its memories stand where those of the
    /// seat are, and what was said there and of whom is noted without being obeyed. When the
    /// shadow's own council takes the seat, it begins anew, as the seat does.
    fn take_the_place(&mut self, decision: &mut Decision, own: Vec<CouncilRemembered>) {
        let events = std::mem::take(&mut decision.events);
        decision.events = own.into_iter().map(Event::CouncilRemembered).collect();
        for event in events {
            decision.events.extend(self.as_seen_from_the_seat(event));
        }
    }

    fn as_seen_from_the_seat(&mut self, event: Event) -> Option<Event> {
        if let Event::CouncilActivated(activated) = &event {
            (self.seated, self.bench) = (activated.model, Bench::default());
            if self.seated != Some(self.model) {
                return None;
            }
            self.forget();
        } else if let Event::CouncilVoted(voted) = &event {
            return Some(Event::RequestVoted(counted(voted)));
        } else if let Event::MemberQuarantined(gone) = &event {
            self.bench.member_mut(gone.member).quarantined = Some(gone.cause);
            return None;
        } else if let Event::MemberReturned(back) = &event {
            self.bench.member_mut(back.member).quarantined = None;
            return None;
        } else if let Event::CouncilWeighed(weighed) = &event {
            self.bench.weigh(weighed);
            return None;
        } else if matches!(event, Event::CouncilRemembered(_)) {
            return None;
        }
        Some(event)
    }

    fn forget(&mut self) {
        self.known.clear();
        self.open.places.clear();
        self.open.owners.iter_mut().for_each(|owner| *owner = None);
    }

    /// Computes everything that is open, and says it in the order of the log.
    ///
    /// # Panics
    /// When `runner` loses a run.
    pub fn settle<R: Runner>(&mut self, council: &Council, runner: &R) -> Vec<Opinion> {
        let Open { runs, owners, asked, .. } = std::mem::take(&mut self.open);
        let all = runner.run(&runs);
        assert_eq!(all.len(), runs.len(), "every run has its result");
        let opinions = asked.into_iter().map(|asked| asked.opinion(council, &all));
        let mut opinions: Vec<Opinion> = opinions.collect();
        // Within a round they were seen tenant by tenant.
        opinions.sort_by_key(|opinion| opinion.at);
        for (owner, ran) in owners.into_iter().zip(all) {
            if let (Some(owner), Some(state)) = (owner, ran.states.into_iter().next_back()) {
                self.known.insert(owner, state);
            }
        }
        opinions
    }
}

impl Asked {
    fn opinion(self, council: &Council, all: &[Ran]) -> Opinion {
        let Self { at, pool, tenant, request, question, weights, seat, by, run, step } = self;
        let logits = &all[run].logits[step];
        let (tally, members) = heard_of(council, &weights, &question, logits);
        let attempt = question.attempt;
        let given_by = match by {
            By::Rules(kind) => GivenBy::Rules(kind),
            By::OtherCouncil => GivenBy::OtherCouncil,
            By::SameCouncil(said) => GivenBy::SameCouncil { is_same: said == members },
        };
        Opinion { at, pool, tenant, request, attempt, seat, given_by, tally, members }
    }
}

/// The seat's vote on a case; none where nobody had a use for one.
fn said<'v>(
    ballot: &Ballot,
    decisions: &'v [Decision],
    heard: &Heard,
    case: &Case,
) -> Option<(Offset, Said<'v>)> {
    let attempt = ballot.question(case.place).attempt;
    let (at, request) = match case.place {
        Place::Due(index) => (ballot.round, Some(&ballot.due[index].0.request)),
        Place::Newcomer(offset) => (offset, None),
    };
    let found = decisions.binary_search_by_key(&at, |decision| decision.offset).ok()?;
    let is_its = |said: &Said<'_>| {
        let (pool, of, vote) = said.subject();
        *pool == heard.pool && vote == attempt && request.is_none_or(|request| request == of)
    };
    votes(&decisions[found]).find(is_its).map(|said| (at, said))
}

fn votes(decision: &Decision) -> impl Iterator<Item = Said<'_>> {
    decision.events.iter().filter_map(|event| {
        if let Event::RequestVoted(voted) = event {
            Some(Said::Rules(voted))
        } else if let Event::CouncilVoted(voted) = event {
            Some(Said::Council(voted))
        } else {
            None
        }
    })
}

/// A vote that counts as an attempt, whoever gave it.
fn counted(voted: &CouncilVoted) -> RequestVoted {
    RequestVoted {
        pool: voted.pool.clone(),
        request: voted.request.clone(),
        attempt: voted.attempt,
        seat: SeatKind::Rules,
        mode: voted.mode,
        verdict: voted.verdict,
        score: 0,
        priority_points: 0,
        size_points: 0,
        duration_points: 0,
        preemptible_points: 0,
    }
}

impl<'v> Said<'v> {
    fn subject(&self) -> (&'v PoolId, &'v RequestId, i64) {
        match self {
            Self::Rules(voted) => (&voted.pool, &voted.request, voted.attempt),
            Self::Council(voted) => (&voted.pool, &voted.request, voted.attempt),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Rules(voted) => voted.verdict,
            Self::Council(voted) => voted.verdict,
        }
    }

    fn by(&self, shadow: ModelId) -> By {
        match self {
            Self::Rules(voted) => By::Rules(voted.seat),
            Self::Council(voted) if voted.model == shadow => By::SameCouncil(voted.members.clone()),
            Self::Council(_) => By::OtherCouncil,
        }
    }
}
