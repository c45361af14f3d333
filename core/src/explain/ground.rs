//! What a request would be answered: the copy of a state that the next command would find, and the
//! rules asked in the order in which `decide` asks them.

use super::change::Grant;
use crate::backfill::{Backfill, Past};
use crate::command::{CouncilMode, RequestAllocation};
use crate::decide::{check_ask, check_hard_rules, settle_due_votes};
use crate::decision::{Event, RequestEnd, RequestEnded, Verdict};
use crate::draft::Draft;
use crate::overtaking::{Barriers, lifts_a_barrier};
use crate::queue::{Found, place_beside, work_off_queues};
use crate::rejection::RejectionCode as Code;
use crate::round::{Question, Votes, open_round};
use crate::seat::score;
use crate::state::{Pool, Request, Stage, State};
use crate::timers::fire_due_timers;
use crate::units::{Offset, PoolId, RequestId, TimeMs};

/// A pool as the command at `offset` would find it.
pub(super) struct Ground {
    pub(super) state: State,
    pub(super) pool: PoolId,
    offset: Offset,
    now: TimeMs,
    barriers: Barriers,
}

/// What a request would be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// No.
    Refused(Code),
    /// Put off by the council.
    Deferred,
    /// It would wait.
    Waits,
    /// It would be granted at once.
    Starts,
}

impl Answer {
    /// Whether it got past the rules that refuse and past the council.
    pub(super) fn is_let_in(self) -> bool {
        matches!(self, Self::Waits | Self::Starts)
    }
}

impl Ground {
    /// What is left once `request` was withdrawn; none when it is gone by then anyway, or when more
    /// is to be done first than one decision has room for: then others come before whoever asks.
    pub(super) fn without(state: &State, pool: &PoolId, request: &RequestId) -> Option<Self> {
        let mut copy = state.for_plan(pool, state.time_ms, None);
        let mut is_withdrawn = false;
        settle(&mut copy, |draft| {
            let found = draft.state.pool(pool).request(request);
            if found.is_none_or(|found| found.lease().is_some()) {
                return;
            }
            if lifts_a_barrier(draft.state.pool(pool), request, draft.now) {
                draft.freed.insert(pool.clone());
            }
            let (pool, request) = (pool.clone(), request.clone());
            let reason = RequestEnd::Cancelled;
            draft.emit(Event::RequestEnded(RequestEnded { pool, request, reason }));
            is_withdrawn = true;
        });
        let (offset, now) = (Offset(copy.covered.0 + 1), copy.time_ms);
        (is_withdrawn && !copy.needs_a_tick()).then(|| Self::of(copy, pool, offset, now))
    }

    /// What the command at `offset` and `now` found, `state` being what was there before it.
    pub(super) fn before(state: &State, pool: &PoolId, offset: Offset, now: TimeMs) -> Self {
        let mut copy = state.for_plan(pool, now, None);
        let votes = Votes::by_rules(&open_round(&copy, &[]));
        let mut draft = Draft::new(&mut copy, offset, now);
        fire_due_timers(&mut draft);
        settle_due_votes(&mut draft, &votes);
        Self::of(copy, pool, offset, now)
    }

    fn of(state: State, pool: &PoolId, offset: Offset, now: TimeMs) -> Self {
        let barriers = Barriers::of(state.pool(pool), now);
        Self { state, pool: pool.clone(), offset, now, barriers }
    }

    /// Lets an operator's command go first.
    pub(super) fn change(&mut self, event: Event) {
        let Self { state, pool, offset, now, barriers } = self;
        settle(state, |draft| {
            draft.emit(event);
            draft.freed.insert(pool.clone());
        });
        *offset = Offset(state.covered.0 + 1);
        *barriers = Barriers::of(state.pool(pool), *now);
    }

    /// The log time of what is tried.
    pub(super) fn now(&self) -> TimeMs {
        self.now
    }

    pub(super) fn pool(&self) -> &Pool {
        self.state.pool(&self.pool)
    }

    /// The rule that refuses `ask`, the council's among them.
    pub(super) fn refusal(&mut self, ask: &RequestAllocation) -> Option<Code> {
        match self.answer(ask) {
            Answer::Refused(code) => Some(code),
            Answer::Deferred | Answer::Waits | Answer::Starts => None,
        }
    }

    /// What `ask` would be answered.
    pub(super) fn answer(&mut self, ask: &RequestAllocation) -> Answer {
        let draft = Draft::new(&mut self.state, self.offset, self.now);
        let refused = check_ask(ask, draft.state.decide_version).err();
        let refused = refused.or_else(|| check_hard_rules(&draft, &self.pool, ask).err());
        if let Some(refused) = refused {
            return Answer::Refused(refused.code);
        }
        // Networks are not asked here: what is found holds if they approve.
        let is_scored = self.state.council.is_none();
        if is_scored && self.pool().policy.council == CouncilMode::Enforce {
            match score(&Question::about(ask, 1)).verdict {
                Verdict::Approve => {}
                Verdict::Defer => return Answer::Deferred,
                Verdict::Deny => return Answer::Refused(Code::CouncilDenied),
            }
        }
        if self.would_start(ask) { Answer::Starts } else { Answer::Waits }
    }

    fn would_start(&self, ask: &RequestAllocation) -> bool {
        let is_granting =
            !self.state.carried_over.contains(&self.pool) && self.state.overdue_timer().is_none();
        let pool = self.pool();
        let newcomer = Request {
            arrival: self.offset,
            arrived_at_ms: self.now,
            ask: ask.clone(),
            attempts: 0,
            is_appealed: false,
            preemptions: 0,
            preemptions_by_own: 0,
            said: None,
            stage: Stage::Admitted,
        };
        is_granting
            && self.passes(&newcomer)
            && pool.may_start(&newcomer, self.now).is_ok()
            && pool.over_budget(ask, self.now).is_none()
            && pool.fits_beside_reservations(ask, self.now)
    }

    /// Whether nobody keeps a newcomer back, or its lease is short enough to be let past.
    fn passes(&self, newcomer: &Request) -> bool {
        let pool = self.pool();
        self.barriers.before(pool, newcomer).is_none()
            || Backfill::is_on(&self.state)
                && matches!(
                    Backfill::default().past(pool, &self.barriers, newcomer, self.now),
                    Past::Free(_)
                )
    }

    /// Where `ask` would start, if it would.
    pub(super) fn grant(&mut self, ask: &RequestAllocation) -> Option<Grant> {
        if self.answer(ask) != Answer::Starts {
            return None;
        }
        let now = self.now;
        let pool = self.state.pool_mut(&self.pool);
        let paid = pool.affordable(ask, now)?.into_owned();
        match place_beside(pool, &paid, now) {
            Found::At(gpu_model, replicas) => Some(Grant { gpu_model, replicas }),
            Found::Reserved | Found::Nowhere => None,
        }
    }
}

/// Decides on `state` what `follow` does, between the timers that are due and the queues, as every
/// command is; returns what happened.
pub(super) fn settle(state: &mut State, follow: impl FnOnce(&mut Draft)) -> Vec<Event> {
    let (offset, now) = (Offset(state.covered.0 + 1), state.time_ms);
    let votes = Votes::by_rules(&open_round(state, &[]));
    let mut draft = Draft::new(state, offset, now);
    fire_due_timers(&mut draft);
    settle_due_votes(&mut draft, &votes);
    follow(&mut draft);
    work_off_queues(&mut draft);
    let events = draft.into_events();
    state.covered = offset;
    events
}
