//! What the world sends next: a pure function of the workload and of the log so far.
//!
//! It learns only from decisions. So a run that was killed goes on where its log ends, and sends
//! what the uninterrupted run would have sent. Whatever may depend on decisions that are not known
//! yet is held back until they are: a batch ends before the earliest moment at which one of its own
//! requests could be given back.

use super::workload::{Arrival, FeedEnd, Workload};
use conclave_core::command::{
    ActivateCouncil, ActivateDecider, Actor, CancelRequest, Command, OpenLog, Payload,
    PlacementPolicy, ReleaseLease, Role, TimeSource, WorkOutcome,
};
use conclave_core::council::ModelId;
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::limits::{
    DECIDE_VERSION_NEWEST, DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, ROUND_COMMANDS_DEFAULT,
};
use conclave_core::state::State;
use conclave_core::units::{CommandId, DurationMs, Offset, PoolId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// Commands in one batch: as many as a round takes.
const BATCH_COMMANDS_MAX: usize = 64;
const _: () = assert!(BATCH_COMMANDS_MAX as i64 == ROUND_COMMANDS_DEFAULT);

/// A command and the time that it carries.
pub type Timed = (TimeMs, Command);

/// The world around a demo or an import.
#[derive(Debug)]
pub struct Feed<'a> {
    workload: &'a Workload,
    durations: BTreeMap<&'a str, DurationMs>,
    outcomes: BTreeMap<&'a str, WorkOutcome>,
    /// Decisions seen.
    seen: usize,
    arrived: usize,
    /// Requests that were neither granted nor refused yet, by how soon they would be given back.
    pending: BTreeSet<(DurationMs, RequestId)>,
    /// Cancellations to come, unless the request starts before.
    cancels: BTreeSet<(TimeMs, RequestId)>,
    cancel_at: BTreeMap<RequestId, TimeMs>,
    /// Leases to give back.
    releases: BTreeSet<(TimeMs, RequestId)>,
    leases: BTreeMap<RequestId, (TimeMs, Offset)>,
}

impl<'a> Feed<'a> {
    /// The world before the first decision.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let duration = |arrival: &'a Arrival| (arrival.ask.request.0.as_str(), arrival.duration_ms);
        let outcome = |arrival: &'a Arrival| {
            let said = arrival.outcome != WorkOutcome::Unknown;
            said.then_some((arrival.ask.request.0.as_str(), arrival.outcome))
        };
        Self {
            workload,
            durations: workload.arrivals.iter().map(duration).collect(),
            outcomes: workload.arrivals.iter().filter_map(outcome).collect(),
            seen: 0,
            arrived: 0,
            pending: BTreeSet::new(),
            cancels: BTreeSet::new(),
            cancel_at: BTreeMap::new(),
            releases: BTreeSet::new(),
            leases: BTreeMap::new(),
        }
    }

    /// Learns what was decided.
    pub fn see(&mut self, decision: &Decision) {
        self.seen += 1;
        if decision.kind == "RequestAllocation" {
            self.see_arrival(decision);
        }
        if matches!(decision.outcome, Outcome::Rejected(_)) && decision.kind == "CancelRequest" {
            // It started in the very decision that would have cancelled it.
            self.forget_cancel(&decision.request);
        }
        for event in &decision.events {
            self.see_event(decision.time_ms, event);
        }
    }

    /// How many requests were sent, of how many.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.arrived, self.workload.arrivals.len())
    }

    /// What is sent next, given that everything sent so far is decided and `state` is the fold of
    /// it. Empty at the end.
    #[must_use]
    pub fn next_batch(&self, state: &State) -> Vec<Timed> {
        if self.seen < self.opening_count() {
            return self.opening().skip(self.seen).collect();
        }
        let Some(end) = self.workload.arrivals.last().map(|last| last.at_ms) else { return vec![] };
        if self.is_at_its_end() {
            return vec![];
        }
        if state.needs_a_tick() {
            return vec![(state.time_ms, self.tick())];
        }
        let mut batch = Batch::default();
        let mut queues = Queues { feed: self, arrived: self.arrived, released: None };
        while batch.commands.len() < BATCH_COMMANDS_MAX {
            let Some((at_ms, next)) = queues.next(state) else { break };
            let is_known = batch.horizon_ms.is_none_or(|horizon_ms| at_ms <= horizon_ms);
            if !is_known || (at_ms > end && !self.goes_past_the_last_arrival(&batch, end)) {
                break;
            }
            match next {
                Next::Tick if batch.commands.is_empty() => return vec![(at_ms, self.tick())],
                Next::Cancel(id) if batch.commands.is_empty() => {
                    return vec![(at_ms, self.cancel(id))];
                }
                // Both may depend on what the batch so far decides.
                Next::Tick | Next::Cancel(_) => break,
                Next::Release(id) => batch.push(at_ms, self.release(id), None),
                Next::Arrival(arrival) => {
                    batch.push(at_ms, self.ask(arrival), Some(arrival.duration_ms));
                }
            }
            batch.limit(Some(at_ms.plus(self.workload.policy.defer_retry_ms)));
            // Any command can let a waiting request start.
            batch.limit(self.pending.first().map(|(duration_ms, _)| at_ms.plus(*duration_ms)));
        }
        batch.commands
    }

    fn is_at_its_end(&self) -> bool {
        let have_all_arrived = self.arrived == self.workload.arrivals.len();
        have_all_arrived
            && match self.workload.until {
                FeedEnd::LastArrival => true,
                FeedEnd::LastLease => self.releases.is_empty() && self.cancels.is_empty(),
            }
    }

    /// A batch that begins before the last arrival ends there, so that the log up to it is the same
    /// whether the feed goes on or not.
    fn goes_past_the_last_arrival(&self, batch: &Batch, end: TimeMs) -> bool {
        let begins_before = batch.commands.first().is_some_and(|(at_ms, _)| *at_ms <= end);
        self.workload.until == FeedEnd::LastLease && !begins_before
    }

    fn see_arrival(&mut self, decision: &Decision) {
        let arrival = &self.workload.arrivals[self.arrived];
        assert_eq!(arrival.ask.request, decision.request, "the log is of another workload");
        self.arrived += 1;
        if matches!(decision.outcome, Outcome::Accepted) {
            let wait_ms = self.workload.policy.wait_bound_ms;
            let at_ms = arrival.at_ms.plus(arrival.duration_ms).plus(wait_ms);
            let id = arrival.ask.request.clone();
            self.pending.insert((arrival.duration_ms, id.clone()));
            self.cancels.insert((at_ms, id.clone()));
            self.cancel_at.insert(id, at_ms);
        }
    }

    fn see_event(&mut self, now: TimeMs, event: &Event) {
        match event {
            Event::LeaseGranted(granted) => {
                let id = &granted.request;
                self.forget_cancel(id);
                let at_ms = now.plus(self.durations[id.0.as_str()]);
                self.releases.insert((at_ms, id.clone()));
                self.leases.insert(id.clone(), (at_ms, granted.fencing));
            }
            Event::LeaseEnded(ended) => {
                if let Some((at_ms, _)) = self.leases.remove(&ended.request) {
                    self.releases.remove(&(at_ms, ended.request.clone()));
                }
            }
            Event::RequestEnded(ended) => self.forget_cancel(&ended.request),
            _ => {}
        }
    }

    fn forget_cancel(&mut self, id: &RequestId) {
        if let Some(at_ms) = self.cancel_at.remove(id) {
            self.cancels.remove(&(at_ms, id.clone()));
            self.pending.remove(&(self.durations[id.0.as_str()], id.clone()));
        }
    }

    /// How many commands there are before the first arrival.
    fn opening_count(&self) -> usize {
        let Workload { council, nodes, quotas, parents, .. } = self.workload;
        let (newer, seated) = (self.needs_newest_rules(), council.is_some());
        2 + usize::from(newer) + usize::from(seated) + nodes.len() + quotas.len() + parents.len()
    }

    /// Whether a log that has just been opened would refuse the seat or the policy.
    fn needs_newest_rules(&self) -> bool {
        let Workload { council, policy, parents, .. } = self.workload;
        council.is_some() || !parents.is_empty() || policy.placement == PlacementPolicy::Default
    }

    /// The commands before the first arrival, one decision each: `OpenLog` and the rules, who sits
    /// in the council seat, the policy, then the nodes, the quotas and who stands below whom.
    fn opening(&self) -> impl Iterator<Item = Timed> {
        let Workload { log_id, starts_at_ms, council, policy, nodes, quotas, .. } = self.workload;
        let open = OpenLog {
            log_id: log_id.clone(),
            time_source: TimeSource::Carried,
            partition_count: 1,
            round_commands: ROUND_COMMANDS_DEFAULT,
            duplicate_ids: DUPLICATE_IDS_MAX,
            duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
        };
        let newest = ActivateDecider { version: DECIDE_VERSION_NEWEST };
        let newest = self.needs_newest_rules().then_some(Payload::ActivateDecider(newest));
        let seated = council.map(|ModelId(digest)| {
            Payload::ActivateCouncil(ActivateCouncil { model: digest.to_string() })
        });
        let payloads = std::iter::once(Payload::OpenLog(open))
            .chain(newest)
            .chain(seated)
            .chain([Payload::SetPoolPolicy(policy.clone())]);
        let nodes = nodes.iter().cloned().map(Payload::RegisterNode);
        let quotas = quotas.iter().cloned().map(Payload::SetQuota);
        let parents = self.workload.parents.iter().cloned().map(Payload::SetTenantParent);
        let all = payloads.chain(nodes).chain(quotas).chain(parents).enumerate();
        let opened_at = *starts_at_ms;
        all.map(move |(index, payload)| {
            (opened_at, self.operator(format!("setup-{index}"), payload))
        })
    }

    fn tick(&self) -> Command {
        self.operator(format!("tick-{}", self.seen), Payload::Tick)
    }

    fn ask(&self, arrival: &Arrival) -> Command {
        let request = &arrival.ask.request;
        let payload = Payload::RequestAllocation(arrival.ask.clone());
        self.tenant(format!("ask-{request}"), &arrival.ask.tenant, payload)
    }

    fn cancel(&self, id: &RequestId) -> Command {
        let (request, reason) = (id.clone(), "not started in time".to_owned());
        let payload = Payload::CancelRequest(CancelRequest { request, reason });
        self.operator(format!("cancel-{id}"), payload)
    }

    fn release(&self, id: &RequestId) -> Command {
        let (_, fencing) = self.leases[id];
        let outcome = self.outcomes.get(id.0.as_str()).copied().unwrap_or(WorkOutcome::Unknown);
        let utilisation_bp = None;
        let release = ReleaseLease { request: id.clone(), fencing, outcome, utilisation_bp };
        self.operator(format!("release-{id}"), Payload::ReleaseLease(release))
    }

    fn operator(&self, command_id: String, payload: Payload) -> Command {
        let actor = Actor {
            tenant: TenantId::default(),
            user: self.workload.sender.clone(),
            role: Role::Administrator,
        };
        self.command(command_id, actor, payload)
    }

    fn tenant(&self, command_id: String, tenant: &TenantId, payload: Payload) -> Command {
        let (tenant, user) = (tenant.clone(), self.workload.sender.clone());
        self.command(command_id, Actor { tenant, user, role: Role::Tenant }, payload)
    }

    fn command(&self, command_id: String, actor: Actor, payload: Payload) -> Command {
        let is_log_command = payload.is_log_command();
        Command {
            command_id: CommandId::from(command_id),
            pool: if is_log_command { PoolId::default() } else { self.workload.pool.clone() },
            actor,
            submitted_at_ms: TimeMs(0),
            payload,
        }
    }
}

#[derive(Default)]
struct Batch {
    commands: Vec<Timed>,
    /// After this moment, what is sent next may depend on how the batch is decided.
    horizon_ms: Option<TimeMs>,
}

impl Batch {
    fn push(&mut self, at_ms: TimeMs, command: Command, duration_ms: Option<DurationMs>) {
        self.limit(duration_ms.map(|duration_ms| at_ms.plus(duration_ms)));
        self.commands.push((at_ms, command));
    }

    fn limit(&mut self, at_ms: Option<TimeMs>) {
        let both = self.horizon_ms.into_iter().chain(at_ms);
        self.horizon_ms = both.min();
    }
}

/// What could be sent next, by time; at the same time in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Tick,
    Release,
    Cancel,
    Arrival,
}

enum Next<'a> {
    Tick,
    Release(&'a RequestId),
    Cancel(&'a RequestId),
    Arrival(&'a Arrival),
}

/// A walk along everything that is known to come.
struct Queues<'f, 'a> {
    feed: &'f Feed<'a>,
    arrived: usize,
    released: Option<&'f (TimeMs, RequestId)>,
}

impl<'f, 'a> Queues<'f, 'a> {
    fn next(&mut self, state: &State) -> Option<(TimeMs, Next<'f>)> {
        let feed = self.feed;
        let after = |last: &(TimeMs, RequestId)| {
            use std::ops::Bound::{Excluded, Unbounded};
            feed.releases.range((Excluded(last.clone()), Unbounded)).next()
        };
        let release = self.released.map_or_else(|| feed.releases.first(), after);
        let cancel = feed.cancels.first();
        let arrival = feed.workload.arrivals.get(self.arrived);
        let first = [
            state.next_timer_ms().map(|at_ms| (at_ms, Rank::Tick)),
            release.map(|(at_ms, _)| (*at_ms, Rank::Release)),
            cancel.map(|(at_ms, _)| (*at_ms, Rank::Cancel)),
            arrival.map(|arrival| (arrival.at_ms, Rank::Arrival)),
        ];
        let (at_ms, rank) = first.into_iter().flatten().min()?;
        let next = match rank {
            Rank::Tick => Next::Tick,
            Rank::Cancel => Next::Cancel(&cancel?.1),
            Rank::Release => {
                self.released = release;
                Next::Release(&release?.1)
            }
            Rank::Arrival => {
                self.arrived += 1;
                Next::Arrival(arrival?)
            }
        };
        Some((at_ms, next))
    }
}
