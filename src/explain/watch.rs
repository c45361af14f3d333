//! What keeps one request from running, looked up as seldom as the answer allows.
//!
//! All but one of the rules ask a few numbers. Who is protected takes a walk along the queue, so
//! what follows from the rule is used: nobody is protected before he has waited W, whoever joins
//! later never takes a protection away, and besides time only what ends, starts or is ordered in
//! the pool changes who is. What a budget leaves changes with time, so where there is one the
//! answer is looked up each time.

use crate::report::event::Subject;
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::decision::{Decision, Event};
use conclave_core::limits::TIME_MS_MAX;
use conclave_core::overtaking::Barriers;
use conclave_core::state::{Pool, Request, State};
use conclave_core::units::{PoolId, RequestId, TimeMs};

/// Follows one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    blocker: Option<Known<Option<Blocker>>>,
    behind: Option<Behind>,
}

/// What holds before a moment, unless something happens.
#[derive(Clone, Debug)]
struct Known<T> {
    value: T,
    until_ms: TimeMs,
}

/// Who keeps the request back.
#[derive(Clone, Debug)]
struct Behind {
    known: Known<Option<RequestId>>,
    /// Nobody who could has waited W, so that nothing but time and other rules changes it.
    is_too_early: bool,
}

/// What an event may change for somebody else who waits.
enum Change {
    Nothing,
    Blocker,
    /// Also who is protected.
    Protection,
    /// Also how long it takes until anybody is.
    Rules,
}

fn change_of(event: &Event) -> Change {
    match event {
        Event::LogOpened(_)
        | Event::DeciderActivated(_)
        | Event::RequestVoted(_)
        | Event::RequestAdmitted(_)
        | Event::RequestQueued(_)
        | Event::RequestDeferred(_)
        | Event::DeferralDue(_)
        | Event::DecisionOverridden(_)
        | Event::AppealFiled(_)
        | Event::CouncilActivated(_)
        | Event::CouncilVoted(_)
        | Event::CouncilRemembered(_)
        | Event::MemberQuarantined(_)
        | Event::MemberReturned(_)
        | Event::CouncilWeighed(_)
        | Event::LeaseLetPast(_)
        | Event::FairShareSet(_) => Change::Nothing,
        // Nothing is lent without rules of preemption.
        Event::PreemptionSet(_)
        | Event::PreemptionNoticed(_)
        | Event::QueueCarriedOver(_)
        | Event::QueueCaughtUp(_) => Change::Blocker,
        Event::NodeRegistered(_)
        | Event::NodeDrained(_)
        | Event::NodeRemoved(_)
        | Event::NodeHealthChanged(_)
        | Event::QuotaSet(_)
        | Event::TenantParentSet(_)
        | Event::RequestEnded(_)
        | Event::LeaseGranted(_)
        // It may reserve more of a budget, or less.
        | Event::LeaseRenewed(_)
        | Event::BudgetToppedUp(_)
        // Prices may have changed with the time of day: whoever has a cap is protected, or not.
        | Event::BudgetAwaited(_)
        | Event::TariffSet(_)
        | Event::ReservationMade(_)
        | Event::ReservationStarted(_)
        | Event::ReservationEnded(_)
        | Event::ReservationCancelled(_)
        | Event::LeaseShrunk(_)
        | Event::LeaseEnded(_)
        | Event::LeasePreempted(_) => Change::Protection,
        Event::PoolPolicySet(_) => Change::Rules,
    }
}

impl Watch {
    /// Takes note of what happened.
    pub(super) fn note(&mut self, decision: &Decision, pool: &PoolId, request: &RequestId) {
        for event in &decision.events {
            let subject = Subject::of(event);
            if subject.pool != Some(pool) {
                continue;
            }
            let is_own = subject.request == Some(request);
            match change_of(event) {
                Change::Nothing if is_own => *self = Self::default(),
                Change::Nothing => {}
                Change::Blocker => self.blocker = None,
                Change::Protection => {
                    self.blocker = None;
                    if self.behind.as_ref().is_some_and(|behind| !behind.is_too_early) {
                        self.behind = None;
                    }
                }
                Change::Rules => *self = Self::default(),
            }
        }
    }

    /// What keeps `request` from running as `state` stands.
    pub(super) fn blocker(
        &mut self,
        state: &State,
        pool_id: &PoolId,
        request: &Request,
    ) -> Option<Blocker> {
        if let Some(known) = self.blocker.as_ref().filter(|known| state.time_ms < known.until_ms) {
            return known.value.clone();
        }
        let (pool, mut until_ms) = (state.pool(pool_id), TIME_MS_MAX);
        let value = Blockers::without_barriers(state, pool_id).blocker_beside(request, || {
            let known = self.behind(pool, request, state.time_ms);
            until_ms = known.until_ms;
            known.value.clone().map(|protected| Blocker::BehindProtected { protected })
        });
        // What is reserved, too, may be more of the lease the later it starts.
        if pool.tenants[&request.ask.tenant].budget.is_some() || !pool.reservations.is_empty() {
            until_ms = state.time_ms;
        }
        self.blocker = Some(Known { value: value.clone(), until_ms });
        value
    }

    fn behind(&mut self, pool: &Pool, request: &Request, now: TimeMs) -> &Known<Option<RequestId>> {
        if self.behind.as_ref().is_some_and(|behind| now >= behind.known.until_ms) {
            self.behind = None;
        }
        &self.behind.get_or_insert_with(|| Behind::of(pool, request, now)).known
    }
}

impl Behind {
    fn of(pool: &Pool, request: &Request, now: TimeMs) -> Self {
        let bound_ms = pool.policy.wait_bound_ms;
        let own = pool.group_of(request).need;
        let (mut is_too_early, mut until_ms) = (true, now.plus(bound_ms));
        for (group, line) in pool.queue.groups() {
            if !group.need.shares_a_model_with(&own) {
                continue;
            }
            for (_, waiter) in line.range(..request.arrival) {
                let protected_from = waiter.since_ms.plus(bound_ms);
                if protected_from <= now {
                    is_too_early = false;
                } else {
                    until_ms = until_ms.min(protected_from);
                }
            }
        }
        let barriers =
            || Barriers::of(pool, now).before(pool, request).map(|one| one.request.clone());
        if !is_too_early && pool.tenants.values().any(|tenant| tenant.budget.is_some()) {
            // What a budget leaves changes with time.
            until_ms = now;
        }
        let value = (!is_too_early).then(barriers).flatten();
        Self { known: Known { value, until_ms }, is_too_early }
    }
}
