//! Which leases have to end for a request, so that none of them could have stayed.

mod nodes;
mod search;

use crate::command::PreemptionRules;
use crate::decision::PreemptionRight;
use crate::limits::TIME_MS_MAX;
use crate::overtaking::is_guaranteed;
use crate::placement::{GpuSet, Shape};
use crate::queue::preferences;
use crate::state::{Lease, Pool, Request, Tenant};
use crate::units::{RequestId, TenantId, TimeMs};
use search::Search;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A lease that may end for a request.
#[derive(Clone, Debug)]
pub(super) struct Victim<'a> {
    pub(super) request: &'a Request,
    lease: &'a Lease,
    right: PreemptionRight,
    /// Its tenant, by its place in [`Candidates`].
    tenant: usize,
    /// Where its replicas sit: places in the fleet's order.
    seats: Vec<(usize, GpuSet)>,
}

/// Whose leases may end for a request.
#[derive(Debug)]
struct Owner {
    is_own: bool,
    /// What it holds beyond what it is guaranteed, in GPU milli.
    beyond_guarantee: i64,
    /// How many of its leases may still get notice today.
    notices_left: i64,
}

/// The leases that may end for a request, and whose they are.
#[derive(Debug)]
struct Candidates<'a> {
    /// Those of which least is lost first.
    leases: Vec<Victim<'a>>,
    owners: Vec<Owner>,
}

/// The search for leases to end, in one pool at one moment.
pub(super) struct Victims<'a> {
    pub(super) pool: &'a Pool,
    pub(super) rules: PreemptionRules,
    pub(super) now: TimeMs,
}

/// Models on which leases that end might make enough room for a request.
pub(super) struct Ground {
    shape: Shape,
    /// How many replicas fit already.
    fit: i64,
    /// The nodes that would have more room.
    nodes: Vec<usize>,
}

impl Ground {
    /// All of them, as the request prefers them; none when not even all leases were enough, whoever
    /// is guaranteed what.
    pub(super) fn of(pool: &mut Pool, id: &RequestId, now: TimeMs) -> Vec<Self> {
        pool.preemptible.make(&pool.fleet, &pool.requests);
        let by = &pool.requests[id];
        let Some(paid) = pool.affordable(&by.ask, now) else { return vec![] };
        let shapes: Vec<_> = preferences(&paid).map(|models| Shape::of(&paid, models)).collect();
        let is_covered = is_guaranteed(pool, &by.ask);
        let below = if is_covered { i64::MAX } else { by.ask.priority };
        let replicas = by.ask.replicas;
        let might = shapes.into_iter().filter_map(|shape| {
            let row = pool.preemptible.look(&pool.fleet, &shape, below);
            let (fit, is_enough) = (row.fit, replicas <= row.fit.saturating_add(row.gain_max));
            let nodes = row.nodes();
            (fit < replicas && is_enough).then(|| Self { shape, fit, nodes: nodes.collect() })
        });
        might.collect()
    }
}

impl<'a> Victims<'a> {
    /// The leases that would have to end for `id`, none of which could be spared; none when there
    /// are none that would make enough room.
    pub(super) fn of(&self, id: &RequestId, grounds: &[Ground]) -> Option<Vec<Victim<'a>>> {
        let by = &self.pool.requests[id];
        grounds.iter().find_map(|ground| {
            let candidates = self.candidates(by, &ground.nodes);
            let chosen = Search::of(self, by, &candidates, ground).chosen()?;
            self.leaves_promises(by, &chosen).then_some(chosen)
        })
    }

    /// Whoever on `nodes` may be preempted for `by` were nobody else: the lowest priority first,
    /// then the shortest run, so that least is lost.
    fn candidates(&self, by: &Request, nodes: &[usize]) -> Candidates<'a> {
        let is_covered = is_guaranteed(self.pool, &by.ask);
        let below = if is_covered { i64::MAX } else { by.ask.priority };
        let mut owners: Vec<Owner> = vec![];
        let mut places: BTreeMap<&TenantId, usize> = BTreeMap::new();
        let mut found: BTreeMap<&RequestId, usize> = BTreeMap::new();
        let seats = nodes.iter().flat_map(|node| self.pool.preemptible.on(*node));
        for seat in seats.filter(|seat| seat.priority < below) {
            let place = *places.entry(&seat.tenant).or_insert_with(|| {
                let is_own = seat.tenant == by.ask.tenant;
                owners.push(self.owner(&self.pool.tenants[&seat.tenant], is_own));
                owners.len() - 1
            });
            let owner = &owners[place];
            if owner.notices_left > 0 && owner.may_lose(seat.held.0) {
                found.insert(&seat.request, place);
            }
        }
        let mut leases = vec![];
        for (id, place) in found {
            let request = &self.pool.requests[id];
            let is_higher = by.ask.priority > request.ask.priority;
            let right = match (owners[place].is_own, is_covered, is_higher) {
                (false, true, _) => PreemptionRight::Guarantee,
                (_, _, true) => PreemptionRight::Priority,
                (_, _, false) => continue,
            };
            if request.preemptions < self.rules.per_request {
                leases.push(self.victim(request, right, place));
            }
        }
        leases.sort_by_key(|victim: &Victim<'_>| {
            let ask = &victim.request.ask;
            let (began, arrival) = (victim.lease.granted_at_ms, victim.request.arrival);
            (ask.priority, Reverse(began), Reverse(arrival))
        });
        Candidates { leases, owners }
    }

    fn owner(&self, tenant: &Tenant, is_own: bool) -> Owner {
        Owner {
            is_own,
            beyond_guarantee: tenant.used_gpu_milli.0 - tenant.quota.guarantee_gpu_milli.0,
            notices_left: self.rules.per_tenant_and_day - tenant.preempted.on(self.now),
        }
    }

    fn victim(&self, request: &'a Request, right: PreemptionRight, tenant: usize) -> Victim<'a> {
        let lease = request.lease().expect("what may be preempted runs");
        let seat = |at: &crate::decision::Placement| {
            let node = self.pool.fleet.index_of(&at.node).expect("a lease sits on a known node");
            (node, GpuSet::of(&at.gpus))
        };
        let seats = lease.replicas.iter().map(seat).collect();
        Victim { request, lease, right, tenant, seats }
    }

    /// Whether, once they are gone, nothing that is promised to others is granted with it.
    fn leaves_promises(&self, by: &Request, victims: &[Victim<'_>]) -> bool {
        let (pool, ask) = (self.pool, &by.ask);
        let milli = |victim: &Victim<'_>| victim.request.held_gpu_milli().0;
        let own = victims.iter().filter(|victim| victim.request.ask.tenant == ask.tenant);
        let tenant = &pool.tenants[&ask.tenant];
        let used = tenant.used_gpu_milli.0 - own.map(milli).sum::<i64>();
        let unused = (tenant.quota.guarantee_gpu_milli.0 - used).max(0);
        let free = pool.free_gpu_milli().0 + victims.iter().map(milli).sum::<i64>();
        let wanted = ask.total_gpu_milli().0;
        wanted <= unused || wanted <= free - pool.held_for_others(&ask.tenant).0
    }

    /// When all of them end: each has had its minimum and its grace by then.
    pub(super) fn end(&self, victims: &[Victim<'_>]) -> TimeMs {
        let of = |victim: &Victim<'_>| {
            let ran = victim.lease.granted_at_ms.plus(self.rules.min_run_ms);
            ran.max(self.now.plus(self.rules.grace_ms))
        };
        victims.iter().map(of).max().unwrap_or(self.now).min(TIME_MS_MAX)
    }

    /// Whose lease ends by which right, and when: no later than by itself.
    pub(super) fn notice(
        &self,
        victim: &Victim<'_>,
        at: TimeMs,
    ) -> (RequestId, PreemptionRight, TimeMs) {
        let request = victim.request.ask.request.clone();
        (request, victim.right, at.min(victim.lease.ends_at_ms))
    }
}

impl Owner {
    /// Whether it keeps what it is guaranteed without so much.
    fn may_lose(&self, gpu_milli: i64) -> bool {
        self.is_own || gpu_milli == 0 || gpu_milli <= self.beyond_guarantee
    }
}
