//! Which leases have to end for a request, so that none of them could have stayed.

mod nodes;
mod search;

use super::pending::{Pending, freed};
use super::shift::Shift;
use crate::command::PreemptionRules;
use crate::decision::PreemptionRight;
use crate::limits::TIME_MS_MAX;
use crate::placement::{GpuSet, Shape};
use crate::queue::preferences;
use crate::state::{Lease, Pool, Request};
use crate::units::{RequestId, TenantId, TimeMs};
use search::Search;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Clone, Debug)]
struct Owner<'a> {
    name: &'a TenantId,
    is_own: bool,
    /// Who stands at the top above it, where it stands in a tree: what is promised there depends
    /// on what others below that one keep.
    top: Option<&'a TenantId>,
    /// What it holds without notice beyond what it is guaranteed, in GPU milli.
    beyond_guarantee: i64,
    /// How many of its leases may still get notice today: for requests of its own any number.
    notices_left: i64,
}

/// The leases that may end for a request, and whose they are.
#[derive(Debug)]
struct Candidates<'a> {
    /// Those of which least is lost first.
    leases: Vec<Victim<'a>>,
    owners: Vec<Owner<'a>>,
}

/// The search for leases to end, in one pool at one moment.
pub(super) struct Victims<'a> {
    pub(super) pool: &'a Pool,
    pub(super) rules: PreemptionRules,
    pub(super) now: TimeMs,
    /// Nodes of which something is reserved for others while its lease would run: whoever ends
    /// there may make room for nothing.
    pub(super) kept_out: BTreeSet<usize>,
    /// What earlier notices will change.
    pub(super) pending: &'a Pending,
}

/// Models on which leases that end might make enough room for a request.
pub(super) struct Ground {
    shape: Shape,
    /// How many replicas fit already.
    fit: i64,
    /// The nodes that would have more room.
    nodes: Vec<usize>,
}

impl Victim<'_> {
    /// Whether it borrowed, and a guarantee calls that back.
    fn is_called_back(&self) -> bool {
        self.right == PreemptionRight::Guarantee && !self.lease.loans.is_empty()
    }
}

impl Ground {
    /// All of them, as the request prefers them; none when not even all leases were enough, whoever
    /// is guaranteed what, nor when any of them has room: then it is not room that it waits for.
    pub(super) fn of(
        pool: &mut Pool,
        id: &RequestId,
        now: TimeMs,
        kept_out: &BTreeSet<usize>,
        pending: &Pending,
    ) -> Vec<Self> {
        pool.preemptible.make(&pool.fleet, &pool.requests);
        let by = &pool.requests[id];
        let Some(paid) = pool.affordable(&by.ask, now) else { return vec![] };
        let shapes: Vec<_> = preferences(&paid).map(|models| Shape::of(&paid, models)).collect();
        let (tenant, wanted) = (&by.ask.tenant, by.ask.total_gpu_milli().0);
        let is_covered = pending.covered_by(pool, tenant, wanted).is_some();
        let below = if is_covered { i64::MAX } else { by.ask.priority };
        let replicas = by.ask.replicas;
        let mut might = vec![];
        for shape in shapes {
            let row = pool.preemptible.look(&pool.fleet, &shape, below);
            let out = kept_out
                .iter()
                .map(|node| nodes::room(&pool.fleet, pool.fleet.node(*node), &shape));
            let fit = row.fit - out.sum::<i64>();
            let is_enough = replicas <= fit.saturating_add(row.gain_max);
            let nodes = row.nodes().filter(|node| !kept_out.contains(node));
            if fit >= replicas {
                return vec![];
            }
            if is_enough {
                let nodes = nodes.collect();
                might.push(Self { shape, fit, nodes });
            }
        }
        might
    }
}

impl<'a> Victims<'a> {
    /// The leases that would have to end for `id`, none of which could be spared; none when there
    /// are none that would make enough room.
    pub(super) fn of(&self, id: &RequestId, grounds: &[Ground]) -> Option<Vec<Victim<'a>>> {
        let by = &self.pool.requests[id];
        let among = |ground: &Ground, candidates: &Candidates<'a>| {
            let chosen = Search::of(self, by, candidates, ground).chosen()?;
            self.leaves_promises(by, &chosen).then_some(chosen)
        };
        let called_back = |ground: &Ground| {
            let mut candidates = self.candidates(by, &ground.nodes);
            candidates.leases.retain(Victim::is_called_back);
            among(ground, &candidates)
        };
        let is_anything_lent = self.pool.borrowed.0 > 0;
        let called_back = is_anything_lent.then(|| grounds.iter().find_map(called_back)).flatten();
        let of_all = |ground: &Ground| among(ground, &self.candidates(by, &ground.nodes));
        called_back.or_else(|| grounds.iter().find_map(of_all))
    }

    /// Whoever on `nodes` may be preempted for `by` were nobody else: what is called back first,
    /// then the lowest priority, then the shortest run, so that least is lost.
    fn candidates(&self, by: &Request, nodes: &[usize]) -> Candidates<'a> {
        let (tenant, wanted) = (&by.ask.tenant, by.ask.total_gpu_milli().0);
        let covered_by = self.pending.covered_by(self.pool, tenant, wanted);
        let below = if covered_by.is_some() { i64::MAX } else { by.ask.priority };
        let mut owners: Vec<Owner<'a>> = vec![];
        let mut places: BTreeMap<&TenantId, usize> = BTreeMap::new();
        let mut found: BTreeMap<&RequestId, usize> = BTreeMap::new();
        // Whoever may not go is left out before its request is looked up.
        let is_anything_lent = self.pool.borrowed.0 > 0;
        let seats = nodes.iter().flat_map(|node| self.pool.preemptible.on(*node));
        for seat in seats.filter(|seat| seat.priority < below) {
            let place = *places.entry(&seat.tenant).or_insert_with(|| {
                owners.push(self.owner(&seat.tenant, seat.tenant == by.ask.tenant));
                owners.len() - 1
            });
            let owner = &owners[place];
            let may_lose = || self.may_lose(by, owner, (0, seat.held.0), &self.pending.gone);
            if owner.notices_left > 0 && (is_anything_lent || may_lose()) {
                found.insert(&seat.request, place);
            }
        }
        let mut leases = vec![];
        for (id, place) in found {
            let (request, owner) = (&self.pool.requests[id], &owners[place]);
            let ask = &request.ask;
            // A guarantee is no right against those whom it is for.
            let is_due = |covering: &TenantId| !self.pool.is_within(&ask.tenant, covering);
            let right = match (covered_by.is_some_and(is_due), by.ask.priority > ask.priority) {
                (true, _) => PreemptionRight::Guarantee,
                (false, true) => PreemptionRight::Priority,
                (false, false) => continue,
            };
            let so_often = match owner.is_own {
                true => request.preemptions_by_own,
                false => request.preemptions_by_others(),
            };
            if so_often >= self.rules.per_request {
                continue;
            }
            let (victim, goes) = (self.victim(request, right, place), request.held_gpu_milli().0);
            let is_of_use = victim.seats.iter().all(|(node, _)| !self.kept_out.contains(node));
            let may_go = || {
                victim.is_called_back() || self.may_lose(by, owner, (0, goes), &self.pending.gone)
            };
            if is_of_use && may_go() {
                leases.push(victim);
            }
        }
        leases.sort_by_key(|victim: &Victim<'_>| {
            let ask = &victim.request.ask;
            let (began, arrival) = (victim.lease.granted_at_ms, victim.request.arrival);
            (!victim.is_called_back(), ask.priority, Reverse(began), Reverse(arrival))
        });
        Candidates { leases, owners }
    }

    fn owner(&self, name: &'a TenantId, is_own: bool) -> Owner<'a> {
        let tenant = &self.pool.tenants[name];
        let used = tenant.used_gpu_milli.0 + self.pending.gone.used(name);
        let a_day = self.rules.per_tenant_and_day;
        Owner {
            name,
            is_own,
            top: tenant.is_in_a_tree().then(|| self.pool.top_of(name)),
            beyond_guarantee: used - tenant.quota.guarantee_gpu_milli.0,
            notices_left: if is_own { i64::MAX } else { a_day - tenant.preempted.on(self.now) },
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

    /// Whether, once they are gone, nothing that is promised to others is granted with it: if that
    /// is before whatever else is on its way, and if it is after.
    fn leaves_promises(&self, by: &Request, victims: &[Victim<'_>]) -> bool {
        let (pool, ask, wanted) = (self.pool, &by.ask, by.ask.total_gpu_milli().0);
        let free = victims.iter().map(|victim| freed(pool, victim.request)).sum::<i64>();
        let free = pool.free_gpu_milli().0 + free;
        let leaves = |mut shift: Shift, more: i64| {
            for victim in victims {
                let held = victim.request.held_gpu_milli().0;
                shift.move_use(pool, &victim.request.ask.tenant, -held);
            }
            let reach = shift.reach(pool, &ask.tenant);
            wanted <= reach || wanted <= free + more - (shift.promised(pool) - reach)
        };
        let settled = || leaves(self.pending.settled.clone(), self.pending.free);
        let is_any_pending = !pool.preemption.claims.is_empty();
        leaves(Shift::default(), 0) && (!is_any_pending || settled())
    }

    /// Whether `owner` keeps what it is guaranteed without `goes` more than `gone` already: and in
    /// a tree, where `shift` says what is gone, nobody is promised more by it up to whom it has in
    /// common with the tenant of `by`.
    fn may_lose(
        &self,
        by: &Request,
        owner: &Owner<'_>,
        (gone, goes): (i64, i64),
        shift: &Shift,
    ) -> bool {
        if owner.is_own || goes == 0 {
            return true;
        }
        if owner.top.is_none() {
            return gone + goes <= owner.beyond_guarantee;
        }
        let mut rises = shift.rises(self.pool, owner.name, -goes);
        rises.all(|(name, rise)| rise.promised <= 0 || self.pool.is_within(&by.ask.tenant, name))
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
