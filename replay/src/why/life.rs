//! One life of a request, decision by decision, with what kept it from running as intervals.

use super::{Moment, Waited};
use conclave::report::event::Subject;
use conclave::report::sentence;
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{Decision, Event, Outcome, Rejected};
use conclave_core::state::State;
use conclave_core::units::{PoolId, RequestId};

/// Blockers one after the other; beyond it the oldest are forgotten, and counted.
const INTERVALS_MAX: usize = 1_000;

/// What the log says of one request since it was asked for last.
pub(super) struct Life {
    pub(super) pool: PoolId,
    pub(super) asked: Moment,
    /// What was asked; none when it was refused before anybody looked at it.
    pub(super) ask: Option<RequestAllocation>,
    pub(super) refused: Option<Rejected>,
    /// Votes, grant, renewals, end: with the moment of each.
    pub(super) events: Vec<(Moment, Event)>,
    pub(super) intervals: Vec<Waited>,
    pub(super) intervals_forgotten: usize,
}

/// Follows the requests of one name, in one pool or in whichever has them.
pub(super) struct Follower<'a> {
    request: &'a RequestId,
    pool: Option<&'a PoolId>,
    life: Option<Life>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(request: &'a RequestId, pool: Option<&'a PoolId>) -> Self {
        Self { request, pool, life: None }
    }

    /// The last life, given the state that the last decision left: time alone can put somebody
    /// protected before a request.
    pub(super) fn into_life(self, state: &State) -> Option<Life> {
        let Self { request, pool: _, life } = self;
        let mut life = life?;
        life.note_blocker(request, state, Moment::at(state));
        Some(life)
    }

    /// Takes note of a decision. `state` is what it left.
    pub(super) fn see(&mut self, decision: &Decision, state: &State) {
        let now = Moment::of(decision);
        self.begin(decision, state, now);
        let Some(life) = &mut self.life else { return };
        let mut touches_pool = decision.pool == life.pool;
        // What stands before the admission is of an earlier life under the same name.
        let is_new = life.asked == now && life.ask.is_some();
        let admission = decision.events.iter().position(|event| {
            matches!(event, Event::RequestAdmitted(one) if one.request.request == *self.request)
        });
        let first = admission.filter(|_| is_new).unwrap_or(0);
        for event in &decision.events[first..] {
            let Subject { pool, request, .. } = Subject::of(event);
            if pool != Some(&life.pool) {
                continue;
            }
            touches_pool = true;
            // A life that was refused has votes at the most.
            let is_of_it = match event {
                Event::RequestAdmitted(_) => false,
                Event::RequestVoted(_) => true,
                _ => life.refused.is_none(),
            };
            if request == Some(self.request) && is_of_it {
                life.events.push((now, event.clone()));
            }
        }
        // Nobody starts in a pool that no decision touches; see also `into_life`.
        if touches_pool {
            life.note_blocker(self.request, state, now);
        }
    }

    /// Starts a new life when the decision is about asking for it.
    fn begin(&mut self, decision: &Decision, state: &State, asked: Moment) {
        let pool = state.pools.get(&decision.pool);
        let lives = pool.is_some_and(|pool| pool.request(self.request).is_some());
        // An operator, or an appeal, may bring back what was denied.
        let asks = decision.kind == "RequestAllocation" || admitted(decision).is_some();
        let is_meant = asks
            && decision.request == *self.request
            && self.pool.is_none_or(|pool| *pool == decision.pool);
        let (ask, refused) = match &decision.outcome {
            _ if !is_meant => return,
            // It lives already, or the command came twice: nothing changed.
            Outcome::Duplicate(_) => return,
            Outcome::Rejected(_) if lives => return,
            Outcome::Rejected(refused) => (None, Some(refused.clone())),
            Outcome::Accepted => (admitted(decision), None),
        };
        self.life = Some(Life {
            pool: decision.pool.clone(),
            asked,
            ask,
            refused,
            events: vec![],
            intervals: vec![],
            intervals_forgotten: 0,
        });
    }
}

fn admitted(decision: &Decision) -> Option<RequestAllocation> {
    decision.events.iter().find_map(|event| match event {
        Event::RequestAdmitted(admitted) if admitted.request.request == decision.request => {
            Some(admitted.request.clone())
        }
        _ => None,
    })
}

impl Life {
    /// In a word.
    pub(super) fn stands(&self) -> &'static str {
        if self.refused.is_some() {
            return "refused";
        }
        let last = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::RequestQueued(_) => Some("waiting"),
            Event::RequestDeferred(_) | Event::DeferralDue(_) => Some("put off by the council"),
            Event::LeaseGranted(_) | Event::LeaseRenewed(_) | Event::LeaseShrunk(_) => {
                Some("running")
            }
            Event::RequestEnded(_) => Some("ended without a lease"),
            Event::LeaseEnded(_) => Some("ended"),
            _ => None,
        });
        last.unwrap_or("admitted")
    }

    fn note_blocker(&mut self, id: &RequestId, state: &State, now: Moment) {
        let request = state.pools.get(&self.pool).and_then(|pool| pool.request(id));
        let blocker = request.and_then(|request| Blockers::of(state, &self.pool).blocker(request));
        let open = self.intervals.last_mut().filter(|interval| interval.until.is_none());
        match (open, blocker) {
            (None, None) => {}
            (Some(open), None) => open.until = Some(now),
            (Some(open), Some(blocker)) if is_the_same(&open.blocker, &blocker) => {
                open.sentence = sentence::blocker(&blocker, state.time_ms);
                open.blocker = blocker;
            }
            (open, Some(blocker)) => {
                if let Some(open) = open {
                    open.until = Some(now);
                }
                self.start_interval(blocker, state, now);
            }
        }
    }

    fn start_interval(&mut self, blocker: Blocker, state: &State, now: Moment) {
        if self.intervals.len() == INTERVALS_MAX {
            self.intervals.remove(0);
            self.intervals_forgotten += 1;
        }
        let sentence = sentence::blocker(&blocker, state.time_ms);
        self.intervals.push(Waited { from: now, until: None, blocker, sentence });
    }
}

/// Whether two blockers are one to whoever waits: the same rule, and the same request in the way.
/// Their numbers move with every decision.
fn is_the_same(one: &Blocker, other: &Blocker) -> bool {
    match (one, other) {
        (
            Blocker::BehindProtected { protected: one },
            Blocker::BehindProtected { protected: other },
        ) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
