//! What a decision does to the state. It obeys: whatever a decision says has happened, and a
//! decision that cannot have happened is a broken program (or a damaged log), so it panics with a
//! sentence.

mod budget;
mod council;
mod lease;
mod queue;
mod reservation;
mod sharing;
mod tree;

use crate::command::{NodeHealth, RegisterNode};
use crate::decision::{
    AppealFiled, Decision, DeferralDue, Event, LeaseGranted, LeaseRenewed, NodeRegistered,
    Outcome as Answer, RequestAdmitted, RequestDeferred, RequestEnd, RequestEnded, RequestQueued,
};
use crate::quota::Demand;
use crate::rejection::RejectionCode;
use crate::state::history::Counted;
use crate::state::{
    Amounts, Denial, DueVote, Group, Lease, Pool, Request, Said, Seen, Stage, State, Timer,
    TimerKind, Waiter,
};
use crate::units::{Offset, PoolId, RequestId, TimeMs};

/// Folds one decision into the state.
///
/// # Panics
/// When the decision does not continue the state, or says what cannot have happened.
pub fn evolve(state: &mut State, decision: &Decision) {
    state.begin(decision.offset, decision.time_ms);
    for event in &decision.events {
        state.apply(decision.offset, event);
    }
    state.finish(decision);
}

impl State {
    /// Moves to the time of the command at `offset`.
    pub(crate) fn begin(&mut self, offset: Offset, time_ms: TimeMs) {
        assert!(offset > self.covered, "offset {offset} again: {} is covered", self.covered);
        assert!(time_ms >= self.time_ms, "log time went back from {} to {time_ms}", self.time_ms);
        self.time_ms = time_ms;
    }

    /// Closes the decision: covers its command and remembers its id.
    pub(crate) fn finish(&mut self, decision: &Decision) {
        assert_eq!(decision.covered_before, self.covered, "offset {}: a gap", decision.offset);
        self.covered = decision.offset;
        self.note_denied_newcomer(decision);
        self.forget_served(decision);
        let Some(digests) = decision.remembered else { return };
        let Some(pool) = self.pools.get_mut(&decision.pool) else { return };
        let time_ms = decision.time_ms;
        pool.duplicates.remember(Seen { digests, offset: decision.offset, time_ms });
        if let Some(tenant) = pool.tenants.get_mut(&decision.tenant) {
            tenant.pay_for_command(time_ms);
        }
    }

    /// A newcomer whom the council denied leaves no event that names its tenant.
    fn note_denied_newcomer(&mut self, decision: &Decision) {
        let Answer::Rejected(rejected) = &decision.outcome else { return };
        if rejected.code != RejectionCode::CouncilDenied {
            return;
        }
        let Some(pool) = self.pools.get_mut(&decision.pool) else { return };
        let (offset, at_ms) = (decision.offset, decision.time_ms);
        // Whoever appeals may be an operator: the denial before says whose request it is.
        let is_appeal = decision.kind == "Appeal";
        let before = pool.denials.find(&decision.request, at_ms).filter(|_| is_appeal);
        let tenant = before.map_or(&decision.tenant, |denial| &denial.tenant).clone();
        if let Some(tenant) = pool.tenants.get_mut(&tenant) {
            tenant.history.note_turned_away(at_ms);
        }
        if decision.kind == "RequestAllocation" {
            let denial = Denial { tenant, offset, at_ms, is_appealed: false };
            pool.denials.remember(decision.request.clone(), denial);
        }
    }

    /// Makes one event true. `offset` is the decision's own.
    pub(crate) fn apply(&mut self, offset: Offset, event: &Event) {
        match event {
            Event::LogOpened(opened) => {
                assert!(self.log.is_none(), "the log was opened before");
                self.log = Some(opened.log.clone());
            }
            Event::DeciderActivated(activated) => self.decide_version = activated.version,
            Event::NodeRegistered(registered) => self.register_node(registered),
            Event::NodeDrained(drained) => self.pool_mut(&drained.pool).fleet.drain(&drained.node),
            Event::NodeRemoved(removed) => self.pool_mut(&removed.pool).remove_node(&removed.node),
            Event::QuotaSet(set) => self.set_quota(set),
            Event::PoolPolicySet(set) => {
                let new = || Pool::new(set.policy.clone(), self.log.as_ref());
                let pool = self.pools.entry(set.pool.clone()).or_insert_with(new);
                pool.set_policy(set.policy.clone());
            }
            Event::FairShareSet(set) => self.set_fair_share(set),
            Event::PreemptionSet(set) => self.set_preemption(set),
            Event::PreemptionNoticed(noticed) => self.notice(noticed),
            Event::LeasePreempted(preempted) => self.preempt(preempted),
            Event::BudgetToppedUp(topped_up) => self.top_up_budget(topped_up),
            Event::BudgetAwaited(awaited) => self.await_budget(awaited),
            Event::TariffSet(set) => self.set_tariff(set),
            Event::TenantParentSet(set) => self.set_tenant_parent(set),
            Event::LeaseLetPast(past) => self.let_past(past),
            Event::ReservationMade(made) => self.make_reservation(made),
            Event::ReservationStarted(started) => self.start_reservation(started),
            Event::ReservationEnded(ended) => self.end_reservation(ended),
            Event::ReservationCancelled(cancelled) => self.cancel_reservation(cancelled),
            Event::RequestVoted(voted) => {
                self.count_vote(&voted.pool, &voted.request, voted.attempt, None);
            }
            Event::RequestAdmitted(admitted) => self.admit(offset, admitted),
            Event::RequestQueued(queued) => self.queue(queued),
            Event::RequestDeferred(deferred) => self.defer(deferred),
            Event::DeferralDue(due) => self.mark_due(due),
            Event::RequestEnded(ended) => self.end_request(offset, ended),
            Event::LeaseGranted(granted) => self.grant(granted),
            Event::LeaseRenewed(renewed) => self.renew(renewed),
            Event::LeaseShrunk(shrunk) => self.shrink(shrunk),
            Event::LeaseEnded(ended) => self.end_lease(ended),
            Event::QueueCarriedOver(carried) => {
                self.carried_over.insert(carried.pool.clone());
            }
            Event::QueueCaughtUp(caught) => {
                self.carried_over.remove(&caught.pool);
            }
            Event::NodeHealthChanged(changed) => {
                let is_healthy = changed.health == NodeHealth::Healthy;
                self.pool_mut(&changed.pool).fleet.set_health(&changed.node, is_healthy);
            }
            // Who did it and why; what was done stands in the events after it.
            Event::DecisionOverridden(_) => {}
            Event::AppealFiled(appeal) => self.note_appeal(appeal),
            Event::CouncilActivated(activated) => self.seat_council(activated),
            Event::CouncilVoted(voted) => self.hear(voted),
            Event::CouncilRemembered(remembered) => self.remember(remembered),
            Event::MemberQuarantined(gone) => {
                self.bench.member_mut(gone.member).quarantined = Some(gone.cause);
            }
            Event::MemberReturned(back) => self.bench.member_mut(back.member).quarantined = None,
            Event::CouncilWeighed(weighed) => self.weigh(weighed),
        }
    }

    fn register_node(&mut self, registered: &NodeRegistered) {
        let NodeRegistered { pool, node } = registered;
        let RegisterNode { node, gpu_model, gpu_count, cpu_milli, memory_mib, topology_group } =
            node;
        let fleet = &mut self.pool_mut(pool).fleet;
        fleet.add_node(node.clone(), gpu_model, *gpu_count, *cpu_milli, *memory_mib);
        if !topology_group.is_empty() {
            fleet.join_group(node, topology_group);
        }
    }

    fn count_vote(
        &mut self,
        pool: &PoolId,
        request: &RequestId,
        attempt: i64,
        said: Option<Box<Said>>,
    ) {
        // A first vote that denies leaves nothing to count on.
        if let Some(request) = self.pool_mut(pool).requests.get_mut(request) {
            request.attempts = attempt;
            request.said = said;
        }
    }

    fn admit(&mut self, offset: Offset, admitted: &RequestAdmitted) {
        let RequestAdmitted { pool, request: ask } = admitted;
        let request = Request {
            arrival: offset,
            arrived_at_ms: self.time_ms,
            ask: ask.clone(),
            attempts: 0,
            is_appealed: false,
            preemptions: 0,
            preemptions_by_own: 0,
            said: None,
            stage: Stage::Admitted,
        };
        let now = self.time_ms;
        let state = self.pool_mut(pool);
        state.denials.forget(&ask.request);
        let previous = state.requests.insert(ask.request.clone(), request);
        assert!(previous.is_none(), "request {} admitted twice", ask.request);
        let tenant = state.tenant_mut(&ask.tenant);
        tenant.waiting_count += 1;
        tenant.history.note_admitted(now);
        if let Some(at_ms) = ask.deadline_ms {
            self.set_timer(pool, &ask.request, at_ms, TimerKind::DeadlinePasses);
        }
    }

    fn queue(&mut self, queued: &RequestQueued) {
        let RequestQueued { pool, request: id } = queued;
        self.leave_stage(pool, id);
        let since_ms = self.time_ms;
        let pool = self.pool_mut(pool);
        let request = pool.requests.get_mut(id).expect("leave_stage found it");
        request.stage = Stage::Waiting { since_ms };
        let waiter = Waiter::of(&request.ask, since_ms);
        let (arrival, group) = (request.arrival, pool.group_of(&pool.requests[id]));
        pool.queue.join(group, arrival, waiter);
    }

    fn defer(&mut self, deferred: &RequestDeferred) {
        let RequestDeferred { pool, request, attempt: _, retry_at_ms } = deferred;
        self.leave_stage(pool, request);
        self.set_timer(pool, request, *retry_at_ms, TimerKind::DeferralIsDue);
        let pool = self.pool_mut(pool);
        let request = pool.requests.get_mut(request).expect("leave_stage found it");
        request.stage = Stage::Deferred { retry_at_ms: *retry_at_ms };
        let tenant = request.ask.tenant.clone();
        pool.count_deferred(&tenant, 1);
    }

    fn mark_due(&mut self, due: &DeferralDue) {
        let DeferralDue { pool, request } = due;
        let Stage::Deferred { retry_at_ms } = self.leave_stage(pool, request) else {
            panic!("request {request} is due without having been deferred");
        };
        let pool_state = self.pool_mut(pool);
        let live = pool_state.requests.get_mut(request).expect("leave_stage found it");
        live.stage = Stage::Due { retry_at_ms };
        let tenant = live.ask.tenant.clone();
        pool_state.count_deferred(&tenant, 1);
        self.due.insert(DueVote { retry_at_ms, request: request.clone(), pool: pool.clone() });
    }

    fn end_request(&mut self, offset: Offset, ended: &RequestEnded) {
        let RequestEnded { pool, request: id, reason } = ended;
        let stage = self.leave_stage(pool, id);
        assert!(!matches!(stage, Stage::Running(_)), "request {id} ended while it runs");
        let request = self.forget_request(pool, id);
        let (at_ms, is_appealed) = (self.time_ms, request.is_appealed);
        let pool = self.pool_mut(pool);
        let tenant = pool.tenant_mut(&request.ask.tenant);
        tenant.waiting_count -= 1;
        match reason {
            RequestEnd::Cancelled | RequestEnd::DeadlinePassed => {
                tenant.history.note(at_ms, Counted::Withdrawn);
            }
            RequestEnd::CouncilDenied => {
                tenant.history.note(at_ms, Counted::Denied);
                let denial = Denial { tenant: request.ask.tenant, offset, at_ms, is_appealed };
                pool.denials.remember(id.clone(), denial);
            }
            // Neither the tenant's doing nor the council's.
            RequestEnd::Overridden => {}
        }
    }

    /// By a live request, or by one that was denied.
    fn note_appeal(&mut self, filed: &AppealFiled) {
        let AppealFiled { pool, request, reason: _ } = filed;
        let pool = self.pool_mut(pool);
        match pool.requests.get_mut(request) {
            Some(request) => request.is_appealed = true,
            None => pool.denials.note_appeal(request),
        }
    }

    fn grant(&mut self, granted: &LeaseGranted) {
        let LeaseGranted { pool, request: id, fencing, ends_at_ms, gpu_model, replicas } = granted;
        self.leave_stage(pool, id);
        self.set_timer(pool, id, *ends_at_ms, TimerKind::LeaseEnds);
        let granted_at_ms = self.time_ms;
        let pool = self.pool_mut(pool);
        let hourly_micro_usd = pool.prices_at(replicas, granted_at_ms);
        let loans = pool.loans(&Demand::of(&pool.requests[id]));
        let request = pool.requests.get_mut(id).expect("leave_stage found it");
        let asked = usize::try_from(request.ask.replicas).expect("a gang is bounded");
        assert_eq!(replicas.len(), asked, "gang {id} is granted whole or not at all");
        request.stage = Stage::Running(Lease {
            fencing: *fencing,
            granted_at_ms,
            ends_at_ms: *ends_at_ms,
            gpu_model: gpu_model.clone(),
            hourly_micro_usd,
            replicas: replicas.clone(),
            notice: None,
            loans: loans.clone(),
            let_past: None,
        });
        pool.preemptible.note(&pool.fleet, request);
        let (ask, rate) = (request.ask.clone(), request.rate_from(0));
        replicas.iter().for_each(|replica| pool.take(replica, &ask));
        pool.reservations.sit_down(id, replicas);
        let (taken, half_life) = (Amounts::of(&ask, ask.replicas), pool.half_life());
        pool.charge(&ask.tenant, |ledger| ledger.take(&taken, granted_at_ms, half_life));
        pool.count_loans(&ask.tenant, &loans, 1);
        pool.use_quota(&ask.tenant, ask.total_gpu_milli(), |tenant| {
            tenant.waiting_count -= 1;
            tenant.running_count += 1;
            tenant.history.note(granted_at_ms, Counted::Granted);
            tenant.reserve(rate, (granted_at_ms, *ends_at_ms), granted_at_ms);
        });
        if let Some(at_ms) = ask.deadline_ms {
            self.stop_timer(&granted.pool, id, at_ms, TimerKind::DeadlinePasses);
        }
    }

    fn renew(&mut self, renewed: &LeaseRenewed) {
        let LeaseRenewed { pool, request, fencing, ends_at_ms } = renewed;
        let lease = self.lease_mut(pool, request);
        let before = lease.ends_at_ms;
        lease.ends_at_ms = *ends_at_ms;
        lease.fencing = *fencing;
        self.renew_budget(pool, request, before);
        self.stop_timer(pool, request, before, TimerKind::LeaseEnds);
        self.set_timer(pool, request, *ends_at_ms, TimerKind::LeaseEnds);
    }

    /// Takes a request that does not run out of whatever its stage keeps for it, and returns that
    /// stage.
    fn leave_stage(&mut self, pool_id: &PoolId, id: &RequestId) -> Stage {
        let pool = self.pool_mut(pool_id);
        let request = pool.requests.get_mut(id);
        let request = request.unwrap_or_else(|| panic!("request {id} is not live"));
        let stage = std::mem::replace(&mut request.stage, Stage::Admitted);
        match &stage {
            Stage::Admitted => {}
            Stage::Waiting { .. } => {
                let has_budget = pool.tenants[&request.ask.tenant].budget.is_some();
                let (group, arrival) = (Group::of(request, has_budget), request.arrival);
                pool.queue.leave(&group, arrival);
                pool.preemption.served.remove(id);
            }
            Stage::Deferred { retry_at_ms } => {
                let tenant = request.ask.tenant.clone();
                pool.count_deferred(&tenant, -1);
                self.stop_timer(pool_id, id, *retry_at_ms, TimerKind::DeferralIsDue);
            }
            Stage::Due { retry_at_ms } => {
                let tenant = request.ask.tenant.clone();
                pool.count_deferred(&tenant, -1);
                let (request, pool) = (id.clone(), pool_id.clone());
                self.due.remove(&DueVote { retry_at_ms: *retry_at_ms, request, pool });
            }
            Stage::Running(_) => panic!("request {id} runs already"),
        }
        stage
    }

    fn forget_request(&mut self, pool: &PoolId, id: &RequestId) -> Request {
        let request = self.pool_mut(pool).requests.remove(id).expect("leave_stage found it");
        if let Some(at_ms) = request.ask.deadline_ms {
            self.stop_timer(pool, id, at_ms, TimerKind::DeadlinePasses);
        }
        request
    }

    fn lease_mut(&mut self, pool: &PoolId, id: &RequestId) -> &mut Lease {
        let request = self.pool_mut(pool).requests.get_mut(id);
        match request.map(|request| &mut request.stage) {
            Some(Stage::Running(lease)) => lease,
            other => panic!("request {id} has no lease but {other:?}"),
        }
    }

    fn set_timer(&mut self, pool: &PoolId, request: &RequestId, at_ms: TimeMs, kind: TimerKind) {
        if kind == TimerKind::LeaseEnds {
            self.pool_mut(pool).lease_ends.insert((at_ms, request.clone()));
        }
        let timer = Timer { at_ms, request: request.clone(), pool: pool.clone(), kind };
        assert!(self.timers.insert(timer), "{request} has a second {kind:?} timer at {at_ms}");
    }

    fn stop_timer(&mut self, pool: &PoolId, request: &RequestId, at_ms: TimeMs, kind: TimerKind) {
        if kind == TimerKind::LeaseEnds {
            self.pool_mut(pool).lease_ends.remove(&(at_ms, request.clone()));
        }
        let timer = Timer { at_ms, request: request.clone(), pool: pool.clone(), kind };
        assert!(self.timers.remove(&timer), "{request} has no {kind:?} timer at {at_ms}");
    }
}
