//! One life of a request, decision by decision, with what kept it from running as intervals.

use super::history::{RoomMade, WentAhead};
use super::made_room::Rooms;
use super::passed::{Own, Passed, Passing, Start};
use super::report::{EventAt, Moment, Waited, WaitedBy};
use super::watch::Watch;
use crate::report::event::Subject;
use crate::report::sentence;
use crate::report::viewer::{Viewer, behind_another};
use conclave_core::blocker::Blocker;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{CouncilVoted, Decision, Event, Outcome, Rejected};
use conclave_core::rejection::RejectionCode;
use conclave_core::state::State;
use conclave_core::units::{Offset, PoolId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, VecDeque};

/// Blockers one after the other; beyond it the oldest are forgotten, and counted.
const INTERVALS_MAX: usize = 1_000;

/// What the log says of one request since it was asked for last.
#[derive(Clone, Debug)]
pub struct Life {
    pub(super) pool: PoolId,
    pub(super) asked: Moment,
    /// What was asked; none when it was refused before anybody looked at it.
    pub(super) ask: Option<RequestAllocation>,
    pub(super) refused: Option<Rejected>,
    /// Votes, grant, renewals, end: with the moment of each.
    pub(super) events: Vec<EventAt>,
    intervals: VecDeque<Interval>,
    pub(super) intervals_forgotten: usize,
    waited_ms: BTreeMap<&'static str, i64>,
    watch: Watch,
    passing: Passing,
    /// Over all intervals.
    passed: Passed,
    pub(super) rooms: Rooms,
}

#[derive(Clone, Debug)]
struct Interval {
    from: Moment,
    until: Option<Moment>,
    blocker: Blocker,
    /// Whose request the blocker names.
    named: Option<TenantId>,
    /// When the blocker's numbers were taken.
    noted_ms: TimeMs,
    /// Who started meanwhile.
    passed: Passed,
}

/// Follows the requests of one name, in one pool or in whichever has them. It can be kept and fed
/// decision by decision.
#[derive(Clone, Debug)]
pub struct Follower {
    request: RequestId,
    pool: Option<PoolId>,
    life: Option<Life>,
}

impl Moment {
    pub(super) fn of(decision: &Decision) -> Self {
        Self { offset: decision.offset.0, time_ms: decision.time_ms.0 }
    }

    /// After the last decision that `state` contains.
    #[must_use]
    pub fn at(state: &State) -> Self {
        Self { offset: state.covered.0, time_ms: state.time_ms.0 }
    }
}

impl Follower {
    /// Follows the requests of this name from the next decision on.
    #[must_use]
    pub fn new(request: RequestId, pool: Option<PoolId>) -> Self {
        Self { request, pool, life: None }
    }

    /// Which request.
    #[must_use]
    pub fn request(&self) -> &RequestId {
        &self.request
    }

    /// The last life, given the state that the last decision left: time alone can put somebody
    /// protected before a request.
    #[must_use]
    pub fn life(&self, state: &State) -> Option<Life> {
        let mut life = self.life.clone()?;
        life.note_blocker(&self.request, state, Moment::at(state));
        Some(life)
    }

    /// Takes note of a decision. `state` is what it left.
    pub fn see(&mut self, decision: &Decision, state: &State) {
        let now = Moment::of(decision);
        self.begin(decision, state, now);
        let Some(life) = &mut self.life else { return };
        let mut touches_pool = decision.pool == life.pool;
        // What stands before the admission is of an earlier life under the same name.
        let is_new = life.asked == now && life.ask.is_some();
        let admission = decision.events.iter().position(|event| admits(event, &self.request));
        let first = admission.filter(|_| is_new).unwrap_or(0);
        // Whoever starts in this decision does while what kept the request back is what it was.
        let was_queued = life.passing.is_queued();
        let mut started = life.note_others(&self.request, &decision.events[first..], state, now);
        if was_queued {
            life.count(&std::mem::take(&mut started), now);
        }
        for event in &decision.events[first..] {
            let Subject { pool, request, .. } = Subject::of(event);
            if pool != Some(&life.pool) {
                continue;
            }
            touches_pool = true;
            if request == Some(&self.request) && life.is_of_it(event) {
                life.events.push(EventAt { at: now, event: event.clone() });
            }
        }
        // Nobody starts in a pool that no decision touches; see also `life`.
        if touches_pool {
            life.watch.note(decision, &life.pool, &self.request);
            life.note_blocker(&self.request, state, now);
        }
        life.count(&started, now);
    }

    /// Starts a new life when the decision is about asking for it.
    fn begin(&mut self, decision: &Decision, state: &State, asked: Moment) {
        let pool = state.pools.get(&decision.pool);
        let lives = pool.is_some_and(|pool| pool.request(&self.request).is_some());
        let ask = admitted(decision, &self.request);
        let is_meant = (decision.kind == "RequestAllocation" || ask.is_some())
            && decision.request == self.request
            && self.pool.as_ref().is_none_or(|pool| *pool == decision.pool);
        let (ask, refused) = match &decision.outcome {
            _ if !is_meant => return,
            // It lives already, or the command came twice: nothing changed.
            Outcome::Duplicate(_) | Outcome::Failed(_) => return,
            Outcome::Rejected(_) if lives => return,
            Outcome::Rejected(refused) => (None, Some(refused.clone())),
            Outcome::Accepted => (ask, None),
        };
        self.life = Some(Life {
            pool: decision.pool.clone(),
            asked,
            ask,
            refused,
            events: vec![],
            intervals: VecDeque::new(),
            intervals_forgotten: 0,
            waited_ms: BTreeMap::new(),
            watch: Watch::default(),
            passing: Passing::begin(pool),
            passed: Passed::default(),
            rooms: Rooms::default(),
        });
    }
}

fn admits(event: &Event, request: &RequestId) -> bool {
    matches!(event, Event::RequestAdmitted(one) if one.request.request == *request)
}

fn admitted(decision: &Decision, request: &RequestId) -> Option<RequestAllocation> {
    decision.events.iter().find_map(|event| match event {
        Event::RequestAdmitted(admitted)
            if admitted.pool == decision.pool && admits(event, request) =>
        {
            Some(admitted.request.clone())
        }
        _ => None,
    })
}

impl Life {
    /// Whether the event belongs to this life. One that was refused has what the council was asked.
    fn is_of_it(&self, event: &Event) -> bool {
        match event {
            Event::RequestAdmitted(_) => false,
            Event::RequestVoted(_) | Event::CouncilVoted(_) | Event::AppealFiled(_) => true,
            _ => self.refused.is_none(),
        }
    }

    /// Whether the last vote on it was no, or not now.
    pub(super) fn is_held_back_by_the_council(&self) -> bool {
        let is_denied =
            self.refused.as_ref().is_some_and(|one| one.code == RejectionCode::CouncilDenied);
        is_denied || self.stands() == "put off by the council"
    }

    /// The last vote on it, when networks gave it, and when.
    pub(super) fn last_vote_of_networks(&self) -> Option<(Moment, &CouncilVoted)> {
        let is_vote =
            |event: &Event| matches!(event, Event::RequestVoted(_) | Event::CouncilVoted(_));
        let last = self.events.iter().rev().find(|at| is_vote(&at.event))?;
        voted(last)
    }

    /// The last vote of networks on it and when, where the rules voted after them.
    pub(super) fn earlier_vote_of_networks(&self) -> Option<(Moment, &CouncilVoted)> {
        match self.last_vote_of_networks() {
            Some(_) => None,
            None => self.events.iter().rev().find_map(voted),
        }
    }

    /// What keeps it from running; none when it runs, or is over.
    #[must_use]
    pub fn blocker(&self) -> Option<&Blocker> {
        open(&self.intervals).map(|interval| &interval.blocker)
    }

    /// In a word.
    pub(super) fn stands(&self) -> &'static str {
        if self.refused.is_some() {
            return "refused";
        }
        let last = self.events.iter().rev().find_map(|at| match at.event {
            Event::RequestQueued(_) | Event::LeasePreempted(_) => Some("waiting"),
            Event::RequestDeferred(_) | Event::DeferralDue(_) => Some("put off by the council"),
            Event::LeaseGranted(_)
            | Event::LeaseRenewed(_)
            | Event::LeaseShrunk(_)
            | Event::PreemptionNoticed(_) => Some("running"),
            Event::RequestEnded(_) => Some("ended without a lease"),
            Event::LeaseEnded(_) => Some("ended"),
            _ => None,
        });
        last.unwrap_or("admitted")
    }

    /// The events as `viewer` may read them.
    pub(super) fn events_for(&self, viewer: &Viewer) -> Vec<EventAt> {
        let shown = |at: &EventAt| EventAt { event: viewer.hide_event(at.event.clone()), ..*at };
        self.events.iter().map(shown).collect()
    }

    /// The intervals as `viewer` may read them.
    pub(super) fn waited(&self, viewer: &Viewer) -> Vec<Waited> {
        let waited = |interval: &Interval| {
            let blocker = interval.shown_to(viewer);
            let sentence = sentence::blocker(&blocker, interval.noted_ms);
            let went_ahead = interval.passed.shown_to(viewer);
            Waited { from: interval.from, until: interval.until, blocker, sentence, went_ahead }
        };
        self.intervals.iter().map(waited).collect()
    }

    /// How long by each kind of blocker until `now`, longest first.
    pub(super) fn waited_by(&self, now: Moment) -> Vec<WaitedBy> {
        let mut sums = self.waited_ms.clone();
        if let Some(open) = open(&self.intervals) {
            *sums.entry(kind(&open.blocker)).or_default() += now.time_ms - open.from.time_ms;
        }
        let by =
            |(blocker, waited_ms): (&str, i64)| WaitedBy { blocker: blocker.into(), waited_ms };
        let mut by: Vec<WaitedBy> = sums.into_iter().map(by).collect();
        by.sort_by_key(|one| std::cmp::Reverse(one.waited_ms));
        by
    }

    /// Those who started over all of its wait, as `viewer` may read them.
    pub(super) fn went_ahead(&self, viewer: &Viewer) -> Option<WentAhead> {
        self.passed.shown_to(viewer)
    }

    /// Each time its lease was told to end for another request, and each lease that was told to end
    /// for it.
    pub(super) fn rooms_made(
        &self,
        own: &RequestId,
        viewer: &Viewer,
    ) -> (Vec<RoomMade>, Vec<RoomMade>) {
        self.rooms.shown_to(own, viewer)
    }

    /// Notes what happened in its pool. Returns whom it started before the request.
    fn note_others(
        &mut self,
        id: &RequestId,
        events: &[Event],
        state: &State,
        now: Moment,
    ) -> Vec<Start> {
        let Self { pool: pool_id, ask, asked, intervals, passing, rooms, .. } = self;
        let pool = state.pools.get(pool_id).filter(|_| self.refused.is_none());
        let (Some(pool), Some(ask)) = (pool, ask) else { return vec![] };
        let of_pool = events.iter().filter(|event| Subject::of(event).pool == Some(pool_id));
        let of_pool: Vec<&Event> = of_pool.collect();
        for event in &of_pool {
            rooms.note(id, event, pool, now);
        }
        let blocker = open(intervals).map(|interval| &interval.blocker);
        let own = Own { id, ask, arrival: Offset(asked.offset), blocker };
        passing.see(&own, &of_pool, pool, state.time_ms)
    }

    /// Counts who started, in the interval that is open.
    fn count(&mut self, starts: &[Start], now: Moment) {
        let open = self.intervals.back_mut().filter(|interval| interval.until.is_none());
        let Some(open) = open else { return };
        for start in starts {
            open.passed.add(start, now);
            self.passed.add(start, now);
        }
    }

    fn note_blocker(&mut self, id: &RequestId, state: &State, now: Moment) {
        let pool = state.pools.get(&self.pool);
        let request = pool.and_then(|pool| pool.request(id));
        let blocker = request.and_then(|request| self.watch.blocker(state, &self.pool, request));
        let open = self.intervals.back_mut().filter(|interval| interval.until.is_none());
        match (open, blocker) {
            (None, None) => {}
            (Some(_), None) => self.close(now),
            (Some(open), Some(blocker)) if is_the_same(&open.blocker, &blocker) => {
                open.blocker = blocker;
                open.noted_ms = state.time_ms;
            }
            (open, Some(blocker)) => {
                if open.is_some() {
                    self.close(now);
                }
                self.start_interval(blocker, state, now);
            }
        }
    }

    fn close(&mut self, now: Moment) {
        let open = self.intervals.back_mut().expect("an interval is open");
        open.until = Some(now);
        *self.waited_ms.entry(kind(&open.blocker)).or_default() += now.time_ms - open.from.time_ms;
    }

    fn start_interval(&mut self, blocker: Blocker, state: &State, now: Moment) {
        if self.intervals.len() == INTERVALS_MAX {
            self.intervals.pop_front();
            self.intervals_forgotten += 1;
        }
        let named = match &blocker {
            Blocker::BehindProtected { protected } => {
                let request = state.pool(&self.pool).request(protected);
                request.map(|request| request.ask.tenant.clone())
            }
            _ => None,
        };
        let (until, noted_ms) = (None, state.time_ms);
        let passed = Passed::default();
        self.intervals.push_back(Interval { from: now, until, blocker, named, noted_ms, passed });
    }
}

/// The last interval, while it lasts.
fn open(intervals: &VecDeque<Interval>) -> Option<&Interval> {
    intervals.back().filter(|interval| interval.until.is_none())
}

impl Interval {
    fn shown_to(&self, viewer: &Viewer) -> Blocker {
        let is_hidden = self.named.as_ref().is_some_and(|tenant| !viewer.sees(tenant));
        if is_hidden { behind_another() } else { viewer.hide_owner(self.blocker.clone()) }
    }
}

/// A vote of networks.
fn voted(at: &EventAt) -> Option<(Moment, &CouncilVoted)> {
    match &at.event {
        Event::CouncilVoted(voted) => Some((at.at, voted)),
        _ => None,
    }
}

/// The kind as a blocker is tagged.
fn kind(blocker: &Blocker) -> &'static str {
    match blocker {
        Blocker::Deferred { .. } => "deferred",
        Blocker::VoteDue => "vote_due",
        Blocker::CarriedOver => "carried_over",
        Blocker::TenantLimit { .. } => "tenant_limit",
        Blocker::HeldForOthers { .. } => "held_for_others",
        Blocker::BehindProtected { .. } => "behind_protected",
        Blocker::PoolTooSmall => "pool_too_small",
        Blocker::NoRoom { .. } => "no_room",
        Blocker::RoomIsMade { .. } => "room_is_made",
        Blocker::NodesOutOfService { .. } => "nodes_out_of_service",
        Blocker::Topology { .. } => "topology",
        Blocker::TopologyTooSmall { .. } => "topology_too_small",
        Blocker::BudgetUsedUp { .. } => "budget_used_up",
        Blocker::TooManyWindows { .. } => "too_many_windows",
        Blocker::OverCap { .. } => "over_cap",
        Blocker::BorrowLimit { .. } => "borrow_limit",
        Blocker::Reserved { .. } => "reserved",
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
