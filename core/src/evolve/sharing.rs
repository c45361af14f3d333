//! What the events of fair share and preemption do to the state.

use crate::decision::{
    Decision, Event, FairShareSet, LeasePreempted, PreemptionNoticed, PreemptionSet,
};
use crate::state::{Notice, Pool, Request, Stage, State, TimerKind, Waiter};
use crate::units::{GpuMilli, NodeId, RequestId};

impl State {
    /// What was used until now fades as it did.
    pub(super) fn set_fair_share(&mut self, set: &FairShareSet) {
        let now = self.time_ms;
        let pool = self.pool_mut(&set.pool);
        let half_life = pool.half_life();
        pool.fade_ledgers(now, half_life);
        pool.half_life_ms = set.fair_share.half_life_ms;
    }

    /// Whoever has notice keeps it.
    pub(super) fn set_preemption(&mut self, set: &PreemptionSet) {
        self.pool_mut(&set.pool).preemption.rules = set.preemption.rules;
    }

    /// It is the notice that counts for its tenant's day: the lease may be given back before. What
    /// a tenant does to itself does not count.
    pub(super) fn notice(&mut self, noticed: &PreemptionNoticed) {
        let PreemptionNoticed { pool, request, by, by_tenant, right, ends_at_ms } = noticed;
        let now = self.time_ms;
        let found = self.pool_mut(pool);
        if let Some(request) = found.requests.get(request) {
            found.preemptible.forget(&found.fleet, request);
        }
        let lease = self.lease_mut(pool, request);
        let before = lease.ends_at_ms;
        assert!(*ends_at_ms <= before, "notice lengthens the lease of {request}");
        assert!(lease.notice.is_none(), "{request} has notice already");
        lease.ends_at_ms = *ends_at_ms;
        let is_early = *ends_at_ms < before;
        let (by_tenant, right) = (by_tenant.clone(), *right);
        lease.notice = Some(Box::new(Notice { by: by.clone(), by_tenant, right, is_early }));
        self.stop_timer(pool, request, before, TimerKind::LeaseEnds);
        self.set_timer(pool, request, *ends_at_ms, TimerKind::LeaseEnds);
        self.renew_budget(pool, request, before);
        let pool = self.pool_mut(pool);
        let arrival = pool.requests[by].arrival;
        pool.preemption.claim(by, arrival, request);
        let tenant = pool.requests[request].ask.tenant.clone();
        if tenant != noticed.by_tenant {
            pool.tenant_mut(&tenant).preempted.add(now);
        }
    }

    /// Once the queues that this decision freed something of are worked off, room that was made has
    /// been taken, or there is none: whoever waits on for it waits like everybody else.
    pub(super) fn forget_served(&mut self, decision: &Decision) {
        for event in &decision.events {
            let pool = if let Event::LeasePreempted(preempted) = event {
                &preempted.pool
            } else if let Event::LeaseEnded(ended) = event {
                &ended.pool
            } else if let Event::QueueCaughtUp(caught) = event {
                &caught.pool
            } else {
                continue;
            };
            if !self.carried_over.contains(pool) {
                self.pool_mut(pool).preemption.served.clear();
            }
        }
    }

    /// Neither the tenant's doing nor the work's: its history does not hear of it.
    pub(super) fn preempt(&mut self, preempted: &LeasePreempted) {
        let LeasePreempted { pool: pool_id, request: id, by, by_tenant, count } = preempted;
        let now = self.time_ms;
        let ends_at_ms = self.lease_mut(pool_id, id).ends_at_ms;
        self.stop_timer(pool_id, id, ends_at_ms, TimerKind::LeaseEnds);
        let pool = self.pool_mut(pool_id);
        pool.settle_notice(by, id);
        let request = pool.requests.get_mut(id).expect("lease_mut found it");
        let (gpus, given) = (request.held_gpu_milli(), request.held_amounts());
        let waits = Stage::Waiting { since_ms: now };
        let Stage::Running(lease) = std::mem::replace(&mut request.stage, waits) else {
            panic!("{id} was preempted without a lease");
        };
        request.preemptions += 1;
        request.preemptions_by_own += i64::from(*by_tenant == request.ask.tenant);
        assert_eq!(request.preemptions, *count, "{id} was preempted so often");
        let (ask, arrival) = (request.ask.clone(), request.arrival);
        lease.replicas.iter().for_each(|replica| pool.give_back(replica, &ask));
        pool.reservations.stand_up(id, &lease.replicas, &[]);
        let (span, half_life) = (lease.held_until(now), pool.half_life());
        let since = lease.granted_at_ms;
        pool.charge(&ask.tenant, |ledger| ledger.give_back(&given, since, span, half_life));
        pool.count_loans(&ask.tenant, &lease.loans, -1);
        pool.use_quota(&ask.tenant, GpuMilli(-gpus.0), |tenant| {
            tenant.running_count -= 1;
            tenant.waiting_count += 1;
        });
        let group = pool.group_of(&pool.requests[id]);
        pool.queue.join(group, arrival, Waiter::of(&ask, now));
        if let Some(at_ms) = ask.deadline_ms {
            self.set_timer(pool_id, id, at_ms, TimerKind::DeadlinePasses);
        }
    }
}

impl Pool {
    /// The nodes behind it move up: whoever knows them by their places forgets them.
    pub(super) fn remove_node(&mut self, node: &NodeId) {
        self.fleet.remove(node);
        self.preemptible.node_left();
    }

    /// The lease of `victim`, which had notice because of `by`, ended.
    pub(super) fn settle_notice(&mut self, by: &RequestId, victim: &RequestId) {
        let Some(arrival) = self.preemption.settle(by, victim) else { return };
        let waits = |request: &Request| {
            request.arrival == arrival && matches!(request.stage, Stage::Waiting { .. })
        };
        if self.request(by).is_some_and(waits) {
            self.preemption.served.insert(by.clone());
        }
    }
}
