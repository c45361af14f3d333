//! Who holds what, kept from the events alone. Nothing of the core's fold is used here, so that a
//! fault in it does not hide itself; what cannot have happened is a finding, and the books go on
//! with whatever can be made of it.

mod inventory;
mod lease;
mod node;
mod preemption;
mod request;

use super::findings::Findings;
use super::rule::Rule;
use conclave_core::decision::{Decision, Event, RequestAdmitted};
use conclave_core::units::{NodeId, Offset, PoolId, RequestId, TenantId, TimeMs};
use node::NodeBook;
use request::{RequestBook, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that the events of one partition add up to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Books {
    is_open: bool,
    pools: BTreeMap<PoolId, PoolBook>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct PoolBook {
    nodes: BTreeMap<NodeId, NodeBook>,
    tenants: BTreeMap<TenantId, TenantBook>,
    requests: BTreeMap<RequestId, RequestBook>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct TenantBook {
    limit_gpu_milli: i64,
    /// With all below it.
    used_gpu_milli: i64,
    /// Empty at the top.
    parent: TenantId,
}

/// The decision whose events are being entered.
struct Entry<'a> {
    offset: Offset,
    now: TimeMs,
    /// Whether somebody asked for another look: then a deferral is due before its time.
    is_appealed: bool,
    findings: &'a mut Findings,
}

impl Entry<'_> {
    fn cause(&mut self, sentence: impl Into<String>) {
        self.findings.add(Rule::Causality, sentence);
    }

    fn capacity(&mut self, sentence: impl Into<String>) {
        self.findings.add(Rule::Capacity, sentence);
    }
}

impl Books {
    /// Enters what one decision says has happened.
    pub(super) fn enter(&mut self, decision: &Decision, findings: &mut Findings) {
        let is_appealed =
            decision.events.iter().any(|event| matches!(event, Event::AppealFiled(_)));
        let (offset, now) = (decision.offset, decision.time_ms);
        let mut entry = Entry { offset, now, is_appealed, findings };
        for event in &decision.events {
            self.enter_event(event, &mut entry);
        }
        if let Some((pool, request)) = admitted(decision)
            && let Some(found) = self.pools.get(pool).and_then(|pool| pool.requests.get(request))
            && matches!(found.stage, Stage::Admitted)
        {
            entry.cause(format!("'{request}' is admitted, and nothing says what follows"));
        }
    }

    /// The number that whoever changes a lease has to quote just now.
    pub(super) fn fencing(&self, pool: &PoolId, request: &RequestId) -> Option<Offset> {
        match &self.pools.get(pool)?.requests.get(request)?.stage {
            Stage::Running(lease) => Some(lease.fencing),
            Stage::Admitted | Stage::Waiting | Stage::Deferred(_) | Stage::Due => None,
        }
    }

    fn enter_event(&mut self, event: &Event, entry: &mut Entry<'_>) {
        match event {
            Event::LogOpened(_) => {
                if self.is_open {
                    entry.cause("the log is opened again");
                }
                self.is_open = true;
            }
            Event::PoolPolicySet(set) => {
                self.pools.entry(set.pool.clone()).or_default();
            }
            Event::DeciderActivated(_)
            | Event::FairShareSet(_)
            | Event::PreemptionSet(_)
            | Event::BudgetToppedUp(_)
            | Event::BudgetAwaited(_)
            | Event::TariffSet(_)
            | Event::ReservationMade(_)
            | Event::ReservationStarted(_)
            | Event::ReservationEnded(_)
            | Event::ReservationCancelled(_)
            | Event::LeaseLetPast(_)
            | Event::CouncilActivated(_)
            | Event::CouncilVoted(_)
            | Event::CouncilRemembered(_)
            | Event::MemberQuarantined(_)
            | Event::MemberReturned(_)
            | Event::CouncilWeighed(_)
            | Event::RequestVoted(_)
            | Event::DecisionOverridden(_)
            | Event::AppealFiled(_) => {}
            Event::NodeRegistered(event) => self.pool(&event.pool, entry).register(event, entry),
            Event::NodeDrained(event) => self.pool(&event.pool, entry).drain(event, entry),
            Event::NodeRemoved(event) => self.pool(&event.pool, entry).remove(event, entry),
            Event::NodeHealthChanged(event) => self.pool(&event.pool, entry).health(event, entry),
            Event::QuotaSet(event) => self.pool(&event.pool, entry).set_quota(event),
            Event::TenantParentSet(event) => {
                self.pool(&event.pool, entry).set_parent(event, entry);
            }
            Event::RequestAdmitted(event) => self.pool(&event.pool, entry).admit(event, entry),
            Event::RequestQueued(event) => {
                let pool = self.pool(&event.pool, entry);
                pool.move_on(&event.request, Stage::Waiting, "queued", entry);
            }
            Event::RequestDeferred(event) => {
                let stage = Stage::Deferred(event.retry_at_ms);
                self.pool(&event.pool, entry).move_on(&event.request, stage, "put off", entry);
            }
            Event::DeferralDue(event) => {
                let pool = self.pool(&event.pool, entry);
                pool.move_on(&event.request, Stage::Due, "due for a vote", entry);
            }
            Event::RequestEnded(event) => self.pool(&event.pool, entry).end(event, entry),
            Event::LeaseGranted(event) => self.pool(&event.pool, entry).grant(event, entry),
            Event::LeaseRenewed(event) => self.pool(&event.pool, entry).renew(event, entry),
            Event::LeaseShrunk(event) => self.pool(&event.pool, entry).shrink(event, entry),
            Event::LeaseEnded(event) => self.pool(&event.pool, entry).end_lease(event, entry),
            Event::PreemptionNoticed(event) => self.pool(&event.pool, entry).notice(event, entry),
            Event::LeasePreempted(event) => self.pool(&event.pool, entry).preempt(event, entry),
            Event::QueueCarriedOver(event) => {
                self.pool(&event.pool, entry);
            }
            Event::QueueCaughtUp(event) => {
                self.pool(&event.pool, entry);
            }
        }
    }

    /// The book of a pool. One that nobody made is a finding, and is made.
    fn pool(&mut self, pool: &PoolId, entry: &mut Entry<'_>) -> &mut PoolBook {
        if !self.pools.contains_key(pool) {
            entry.cause(format!("something happens in pool '{pool}', which has no policy"));
        }
        self.pools.entry(pool.clone()).or_default()
    }
}

/// The request that a decision admits, if it does.
fn admitted(decision: &Decision) -> Option<(&PoolId, &RequestId)> {
    decision.events.iter().rev().find_map(|event| match event {
        Event::RequestAdmitted(RequestAdmitted { pool, request }) => Some((pool, &request.request)),
        _ => None,
    })
}
