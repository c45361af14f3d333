//! Follows a log decision by decision: what happened to each request, and how full the nodes were.

use super::data::{KINDS, Kind, Names, Timeline};
use super::heat::HeatMap;
use super::life::{Life, Lives, Moment};
use super::waiting::Waiting;
use super::{LOOK_EVERY, Options};
use crate::report::event::Subject;
use crate::report::sentence;
use crate::report::show::span;
use crate::report::viewer::Viewer;
use conclave_core::blocker::Blocker;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{Decision, Event, Placement};
use conclave_core::state::{Request, Stage, State};
use conclave_core::units::{Offset, PoolId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Follower<'a> {
    pub(super) options: &'a Options,
    began_at: TimeMs,
    from_ms: TimeMs,
    pub(super) names: Names,
    pub(super) lives: Lives,
    heat: HeatMap,
    waiting: BTreeMap<PoolId, Waiting>,
    touches: u64,
    sampled_from: Option<Offset>,
}

impl<'a> Follower<'a> {
    /// Begins with what `state` holds, which is what the decisions before the first one left.
    pub(super) fn new(options: &'a Options, state: &State, began_at: TimeMs) -> Self {
        let from_ms = if state.covered.0 < 0 { began_at } else { state.time_ms };
        let mut follower = Self {
            options,
            began_at,
            from_ms,
            names: Names::new(),
            lives: Lives::new(options.requests_max),
            heat: HeatMap::new(from_ms, options.nodes_max),
            waiting: BTreeMap::new(),
            touches: 0,
            sampled_from: None,
        };
        for pool in state.pools.keys().filter(|pool| options.shows(pool)) {
            follower.heat.take_over(state, pool);
            for request in state.pools[pool].requests.values() {
                follower.take_over(state, pool, request);
            }
            follower.look(state, pool, (&[], true), Moment::at(state));
        }
        follower
    }

    pub(super) fn shows(&self, pool: &PoolId) -> bool {
        self.options.shows(pool)
    }

    /// A request that lived before the first decision that is shown.
    fn take_over(&mut self, state: &State, pool: &PoolId, request: &Request) {
        if !self.options.may_see(&request.ask.tenant) {
            return;
        }
        let received = Moment { time_ms: request.arrived_at_ms, offset: request.arrival };
        let mut life = self.life(pool, &request.ask, received);
        let since = |time_ms: TimeMs| Moment { time_ms, offset: state.covered };
        life.open(Kind::Earlier, received, 0);
        match &request.stage {
            Stage::Running(lease) => {
                let note = self.names.place(&sentence::places(&lease.replicas, &lease.gpu_model));
                let granted = Moment { time_ms: lease.granted_at_ms, offset: lease.fencing };
                life.open(Kind::Running, granted, note);
                life.nodes = self.nodes(pool, &lease.replicas);
            }
            Stage::Deferred { .. } => life.open(Kind::Deferred, since(state.time_ms), 0),
            Stage::Due { .. } => life.open(Kind::VoteDue, since(state.time_ms), 0),
            Stage::Admitted | Stage::Waiting { .. } => {}
        }
        self.lives.begin(pool, &request.ask.request, life);
    }

    pub(super) fn life(
        &mut self,
        pool: &PoolId,
        ask: &RequestAllocation,
        received: Moment,
    ) -> Life {
        let place = |names: &mut Names, text: &str| names.place(text);
        let names = &mut self.names;
        let shape = format!("{} for {}", sentence::wants(ask), span(ask.expected_duration_ms));
        Life {
            name: place(names, &ask.request.0),
            pool: place(names, &pool.0),
            tenant: place(names, &ask.tenant.0),
            user: place(names, &ask.user.0),
            shape: place(names, &shape),
            gpu_milli: ask.total_gpu_milli(),
            priority: ask.priority,
            received,
            segments: vec![],
            nodes: BTreeSet::new(),
            is_over: false,
        }
    }

    pub(super) fn nodes(&self, pool: &PoolId, replicas: &[Placement]) -> BTreeSet<u32> {
        let places = replicas.iter().filter_map(|replica| self.heat.place(pool, &replica.node));
        places.map(|place| u32::try_from(place).expect("nodes are bounded")).collect()
    }

    /// Takes note of a decision. `state` is what it left.
    pub(super) fn see(&mut self, decision: &Decision, state: &State) {
        let now = Moment::of(decision);
        self.heat.pass(decision.time_ms);
        self.note_refusal(decision, now);
        let mut touched: BTreeMap<&PoolId, Vec<RequestId>> = BTreeMap::new();
        for event in &decision.events {
            let Some(pool) = Subject::of(event).pool.filter(|pool| self.shows(pool)) else {
                continue;
            };
            let newcomers = touched.entry(pool).or_default();
            match event {
                Event::RequestQueued(queued) => newcomers.push(queued.request.clone()),
                Event::LeasePreempted(preempted) => newcomers.push(preempted.request.clone()),
                _ => {}
            }
            // A node that joins and is granted at once has to be known before.
            if matches!(event, Event::NodeRegistered(_)) {
                self.heat.take_over(state, pool);
            }
            self.note_event(pool, event, now);
        }
        for (pool, newcomers) in touched {
            self.heat.take_over(state, pool);
            self.note_waiting(state, pool, &newcomers, now);
        }
    }

    /// Nobody's reason to wait changes in a pool that no decision touches.
    fn note_waiting(&mut self, state: &State, pool: &PoolId, newcomers: &[RequestId], now: Moment) {
        self.touches += 1;
        let looks: u64 = self.waiting.values().map(Waiting::looks).sum();
        if looks > self.options.looks_max && self.sampled_from.is_none() {
            self.sampled_from = Some(now.offset);
        }
        let all = self.sampled_from.is_none() || self.touches.is_multiple_of(LOOK_EVERY);
        self.look(state, pool, (newcomers, all), now);
    }

    fn look(&mut self, state: &State, pool: &PoolId, whom: (&[RequestId], bool), now: Moment) {
        let Self { waiting, lives, names, options, .. } = self;
        let waiting = waiting.entry(pool.clone()).or_default();
        waiting.look(state, pool, whom, |id, blocker| {
            note_blocker((lives, names), (state, pool, options), (id, blocker), now);
        });
    }

    /// The timeline; `state` is what the last decision left, `end` where the log ends.
    pub(super) fn into_timeline(mut self, state: &State, end: Offset) -> Timeline {
        let now = Moment::at(state);
        // Time alone can put somebody protected before others.
        for pool in state.pools.keys().filter(|pool| self.options.shows(pool)) {
            self.look(state, pool, (&[], true), now);
        }
        let began_at = self.began_at;
        let since = |time: TimeMs| time.0.saturating_sub(began_at.0);
        let (heat, nodes_left_out) = self.heat.into_heat(&mut self.names, began_at);
        let (requests, segments, requests_left_out) = self.lives.into_columns(began_at);
        let text = |name: &str| name.to_owned();
        Timeline {
            log_id: state.log.as_ref().map_or(String::new(), |log| text(&log.log_id.0)),
            partition: state.partition,
            began_at_ms: began_at.0,
            from: self.options.from.0,
            until: state.covered.0,
            log_next: end.0,
            from_ms: since(self.from_ms),
            until_ms: since(state.time_ms.max(self.from_ms)),
            pools: state.pools.keys().map(|pool| text(&pool.0)).collect(),
            pool: self.options.pool.as_ref().map(|pool| text(&pool.0)),
            viewer: self.options.viewer.as_ref().map(|tenant| text(&tenant.0)),
            kinds: KINDS.iter().map(|kind| text(kind)).collect(),
            names: self.names.into_texts(),
            requests,
            segments,
            heat,
            requests_left_out,
            nodes_left_out,
            sampled_from: self.sampled_from.map(|offset| offset.0),
        }
    }
}

impl Options {
    pub(super) fn shows(&self, pool: &PoolId) -> bool {
        self.pool.as_ref().is_none_or(|only| only == pool)
    }

    pub(super) fn may_see(&self, tenant: &TenantId) -> bool {
        self.viewer.as_ref().is_none_or(|viewer| viewer == tenant)
    }

    fn viewer(&self) -> Viewer {
        self.viewer.clone().map_or(Viewer::Everything, Viewer::Tenant)
    }
}

/// Takes note of why somebody waits, unless that is known.
fn note_blocker(
    (lives, names): (&mut Lives, &mut Names),
    (state, pool, options): (&State, &PoolId, &Options),
    (id, blocker): (&RequestId, &Blocker),
    now: Moment,
) {
    let Some(life) = lives.live(pool, id) else { return };
    let kind = Kind::of(blocker);
    if life.lasting() == Some(kind) || life.is_full() {
        return;
    }
    let note = sentence::blocker(&hidden(state, pool, options, blocker), now.time_ms);
    life.open(kind, now, names.place(&note));
}

/// The blocker without a name that the viewer may not see.
fn hidden(state: &State, pool: &PoolId, options: &Options, blocker: &Blocker) -> Blocker {
    let Blocker::BehindProtected { protected } = blocker else {
        return options.viewer().hide_owner(blocker.clone());
    };
    let protected = state.pool(pool).request(protected);
    if protected.is_none_or(|protected| options.may_see(&protected.ask.tenant)) {
        return blocker.clone();
    }
    Blocker::BehindProtected { protected: RequestId::from("another tenant's request") }
}
