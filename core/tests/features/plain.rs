//! A tenant's history, computed again from the decisions alone: day by day, with books of its own.

use conclave_core::command::RequestAllocation;
use conclave_core::decision::{Decision, Event, Outcome, RequestEnd};
use conclave_core::rejection::RejectionCode;
use conclave_core::state::History as Kept;
use conclave_core::state::history::{Counted, DAY_MS, Faded};
use conclave_core::units::{GpuMilliSeconds, PoolId, RequestId, TenantId, TimeMs};
use std::collections::BTreeMap;

/// What happened on one day.
#[derive(Clone, Debug, Default)]
struct Day {
    counts: BTreeMap<usize, i64>,
    utilisation_bp: i64,
    expected: i64,
    held: i64,
}

/// A lease in the books.
struct Lease {
    ask: RequestAllocation,
    granted_at: i64,
    ends_at: i64,
    replicas: i64,
}

/// All days of a tenant.
pub(crate) struct History {
    days: BTreeMap<i64, Day>,
}

impl History {
    pub(crate) fn of(decisions: &[Decision], pool: &PoolId, tenant: &TenantId) -> Self {
        let mut history = Self { days: BTreeMap::new() };
        let mut books = Books { pool, tenant, asks: BTreeMap::new(), leases: BTreeMap::new() };
        let mut denied: BTreeMap<RequestId, TenantId> = BTreeMap::new();
        for decision in decisions {
            for event in &decision.events {
                if let Event::RequestEnded(ended) = event
                    && ended.pool == *pool
                    && ended.reason == RequestEnd::CouncilDenied
                {
                    let own = books.asks.contains_key(&ended.request);
                    let whose = if own { tenant.clone() } else { TenantId::default() };
                    denied.insert(ended.request.clone(), whose);
                }
                history.see(&mut books, decision.time_ms, event);
            }
            let Outcome::Rejected(rejected) = &decision.outcome else { continue };
            if rejected.code != RejectionCode::CouncilDenied || decision.pool != *pool {
                continue;
            }
            let whose = match decision.kind.as_str() {
                "RequestAllocation" => {
                    denied.insert(decision.request.clone(), decision.tenant.clone());
                    &decision.tenant
                }
                _ => &denied[&decision.request],
            };
            if whose == tenant {
                history.note(decision.time_ms, Counted::Asked);
                history.note(decision.time_ms, Counted::Denied);
            }
        }
        history
    }

    fn day(&mut self, now: TimeMs) -> &mut Day {
        self.days.entry(now.0 / DAY_MS.0).or_default()
    }

    fn note(&mut self, now: TimeMs, what: Counted) {
        *self.day(now).counts.entry(what as usize).or_default() += 1;
    }

    fn give_back(&mut self, now: TimeMs, lease: &Lease, replicas: i64) {
        let milli = replicas * lease.ask.gpu_count * lease.ask.gpu_milli.0;
        let held = now.0.min(lease.ends_at) - lease.granted_at;
        let day = self.day(now);
        day.expected += milli * lease.ask.expected_duration_ms.0 / 1_000;
        day.held += milli * held / 1_000;
    }

    fn see(&mut self, books: &mut Books, now: TimeMs, event: &Event) {
        match event {
            Event::RequestAdmitted(admitted) if books.is_own(&admitted.pool, &admitted.request) => {
                books.asks.insert(admitted.request.request.clone(), admitted.request.clone());
                self.note(now, Counted::Asked);
            }
            Event::RequestEnded(ended) if books.is_live(&ended.pool, &ended.request) => {
                books.asks.remove(&ended.request);
                match ended.reason {
                    RequestEnd::Cancelled | RequestEnd::DeadlinePassed => {
                        self.note(now, Counted::Withdrawn);
                    }
                    RequestEnd::CouncilDenied => self.note(now, Counted::Denied),
                    RequestEnd::Overridden => {}
                }
            }
            Event::LeaseGranted(granted) if books.is_live(&granted.pool, &granted.request) => {
                let ask = books.asks[&granted.request].clone();
                let (granted_at, ends_at, replicas) = (now.0, granted.ends_at_ms.0, ask.replicas);
                let lease = Lease { ask, granted_at, ends_at, replicas };
                books.leases.insert(granted.request.clone(), lease);
                self.note(now, Counted::Granted);
            }
            Event::LeaseRenewed(renewed) if books.is_live(&renewed.pool, &renewed.request) => {
                let lease = books.leases.get_mut(&renewed.request).expect("it runs");
                lease.ends_at = renewed.ends_at_ms.0;
            }
            Event::LeaseShrunk(shrunk) if books.is_live(&shrunk.pool, &shrunk.request) => {
                let lease = books.leases.get_mut(&shrunk.request).expect("it runs");
                let gone = std::mem::replace(&mut lease.replicas, shrunk.replicas);
                self.give_back(now, lease, gone - shrunk.replicas);
            }
            Event::LeaseEnded(ended) if books.is_live(&ended.pool, &ended.request) => {
                books.asks.remove(&ended.request);
                let lease = books.leases.remove(&ended.request).expect("it runs");
                self.give_back(now, &lease, lease.replicas);
                self.note(now, Counted::ending(ended.reason, ended.outcome));
                if let Some(share) = ended.utilisation_bp {
                    self.note(now, Counted::Measured);
                    self.day(now).utilisation_bp += share;
                }
            }
            _ => {}
        }
    }

    /// Fades all days one by one, and compares.
    #[track_caller]
    pub(crate) fn check(&self, kept: &Kept, now: TimeMs) {
        let (mut counts, mut sums) = ([0; Counted::ALL.len()], [0; 4]);
        let first = self.days.keys().next().copied().unwrap_or(0);
        for at in first..=now.0 / DAY_MS.0 {
            counts.iter_mut().chain(&mut sums).for_each(|count| *count /= 2);
            let Some(day) = self.days.get(&at) else { continue };
            for (what, times) in &day.counts {
                counts[*what] += times * Faded::ONCE;
            }
            sums[0] += day.utilisation_bp * Faded::ONCE;
            sums[1] += day.expected;
            sums[2] += day.held;
            let measured = day.counts.get(&(Counted::Measured as usize)).copied().unwrap_or(0);
            sums[3] += measured * 10_000 * Faded::ONCE;
        }
        let kept = kept.at(now);
        for what in Counted::ALL {
            assert_eq!(kept.count(what), Faded(counts[what as usize]), "{what:?}: {kept:?}");
        }
        assert_eq!(kept.utilisation_sum_bp(), Faded(sums[0]));
        assert_eq!(kept.utilisation_whole_bp(), Faded(sums[3]));
        assert_eq!(kept.expected(), GpuMilliSeconds(sums[1]));
        assert_eq!(kept.held(), GpuMilliSeconds(sums[2]));
    }
}

/// Live requests of the tenant.
struct Books<'a> {
    pool: &'a PoolId,
    tenant: &'a TenantId,
    asks: BTreeMap<RequestId, RequestAllocation>,
    leases: BTreeMap<RequestId, Lease>,
}

impl Books<'_> {
    fn is_own(&self, pool: &PoolId, ask: &RequestAllocation) -> bool {
        pool == self.pool && ask.tenant == *self.tenant
    }

    fn is_live(&self, pool: &PoolId, request: &RequestId) -> bool {
        pool == self.pool && self.asks.contains_key(request)
    }
}
