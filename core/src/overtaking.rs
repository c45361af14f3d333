//! Bounded overtaking: whom nobody who came later may pass.
//!
//! A request that waits for capacity and has waited W (`wait_bound_ms`) is *protected*, unless
//! somebody before it in the order joined the queue before that and could want one of its GPU
//! models: then that elder has to start first. Nobody who arrived later and could want one of its
//! models is granted anything until a protected request starts. What a tenant's own guarantee
//! covers is kept back by its own requests only: a guarantee is a right to GPUs of the pool,
//! whoever waits.
//!
//! Whoever joins later takes no protection away, whatever its priority: the elders of a request
//! joined within W of it, and theirs within W of them. As long as one of them waits, others may
//! start on models that it does not want; the request itself would be kept back by it.

use crate::blocker::could_ever_hold;
use crate::command::RequestAllocation;
use crate::quota::OnDraining;
use crate::state::{GangNeed, Group, Pool, Request, Stage, Waiter};
use crate::units::{GpuMilli, GpuModel, Offset, RequestId, TimeMs};
use std::collections::BTreeMap;

/// A protected request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Who waits.
    pub request: RequestId,
    arrival: Offset,
    group: Group,
}

impl Barrier {
    fn keeps_back(&self, arrival: Offset, group: &Group, is_guaranteed: bool) -> bool {
        arrival > self.arrival
            && group.need.shares_a_model_with(&self.group.need)
            && !(is_guaranteed && group.tenant != self.group.tenant)
    }
}

/// The barriers of a pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Barriers {
    now: TimeMs,
    on_draining: OnDraining,
    /// Those who could be protected, in the order; nobody before the first has waited W.
    candidates: Vec<Candidate>,
    barriers: Vec<Barrier>,
}

impl Barriers {
    /// The pool's barriers at `now`.
    #[must_use]
    pub fn of(pool: &Pool, now: TimeMs) -> Self {
        let mut waiters = pool.queue.groups().values().flat_map(BTreeMap::values);
        if waiters.all(|waiter| protected_from(pool, waiter.since_ms) > now) {
            return Self { now, ..Self::default() };
        }
        let (on_draining, groups) = (OnDraining::of(pool), pool.queue.groups().keys());
        let of_group = |group| Candidate::of_group(pool, &on_draining, group);
        let candidates = groups.flat_map(of_group).collect();
        let mut barriers = Self { now, on_draining, candidates, barriers: Vec::new() };
        barriers.derive(pool);
        barriers
    }

    /// The barrier that keeps a request of `pool` back, if one does.
    ///
    /// # Panics
    /// When the pool is not the request's: it has no such tenant.
    #[must_use]
    pub fn before(&self, pool: &Pool, request: &Request) -> Option<&Barrier> {
        if self.barriers.is_empty() {
            return None;
        }
        let (group, is_guaranteed) = (Group::of(&request.ask), is_guaranteed(pool, &request.ask));
        let mut barriers = self.barriers.iter();
        barriers.find(|barrier| barrier.keeps_back(request.arrival, &group, is_guaranteed))
    }

    /// Whether `request` is protected.
    #[must_use]
    pub fn protect(&self, request: &RequestId) -> bool {
        self.barriers.iter().any(|barrier| barrier.request == *request)
    }

    /// Follows a grant to one of `group`. Returns whether a barrier is gone, so that somebody whom
    /// it kept back may start: that of the one who started, or of one whose tenant's quota that
    /// used up.
    pub(crate) fn after_grant(&mut self, pool: &Pool, group: &Group) -> bool {
        if self.candidates.is_empty() {
            return false;
        }
        self.candidates.retain(|candidate| candidate.group != *group);
        self.candidates.extend(Candidate::of_group(pool, &self.on_draining, group));
        for candidate in &mut self.candidates {
            if candidate.group.tenant == group.tenant {
                candidate.waits_for_capacity =
                    waits_for_capacity(pool, &self.on_draining, &candidate.request);
            }
        }
        let before = std::mem::take(&mut self.barriers);
        self.derive(pool);
        before.iter().any(|barrier| !self.protect(&barrier.request))
    }

    fn derive(&mut self, pool: &Pool) {
        self.candidates.sort_by_key(|candidate| (candidate.group.priority, candidate.arrival));
        let mut ahead = Ahead::default();
        for candidate in self.candidates.iter().filter(|candidate| candidate.waits_for_capacity) {
            let Candidate { group, arrival, since_ms, request, waits_for_capacity: _ } = candidate;
            let protected_from = protected_from(pool, *since_ms);
            let has_elder = ahead.earliest(&group.need).is_some_and(|since| since < protected_from);
            if protected_from <= self.now && !has_elder {
                let (request, group) = (request.clone(), group.clone());
                self.barriers.push(Barrier { request, arrival: *arrival, group });
            }
            ahead.add(*since_ms, &group.need);
        }
    }
}

fn protected_from(pool: &Pool, since_ms: TimeMs) -> TimeMs {
    since_ms.plus(pool.policy.wait_bound_ms)
}

/// A waiting request that could be protected: nobody before it in its group joined the queue before
/// it did, so that a late approval does not hide who has waited longer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    group: Group,
    arrival: Offset,
    since_ms: TimeMs,
    request: RequestId,
    waits_for_capacity: bool,
}

impl Candidate {
    fn of_group(pool: &Pool, on_draining: &OnDraining, group: &Group) -> Vec<Self> {
        let Some(waiters) = pool.queue.groups().get(group) else { return vec![] };
        let mut candidates: Vec<Self> = Vec::new();
        for (arrival, Waiter { request, since_ms }) in waiters {
            if candidates.last().is_none_or(|before| *since_ms < before.since_ms) {
                candidates.push(Self {
                    group: group.clone(),
                    arrival: *arrival,
                    since_ms: *since_ms,
                    request: request.clone(),
                    waits_for_capacity: waits_for_capacity(pool, on_draining, request),
                });
            }
        }
        candidates
    }
}

/// When the earliest of those before a place in the order joined the queue.
#[derive(Default)]
struct Ahead<'a> {
    of_all: Option<TimeMs>,
    /// Of those who share with everybody.
    of_any_model: Option<TimeMs>,
    of_model: BTreeMap<&'a GpuModel, TimeMs>,
}

impl<'a> Ahead<'a> {
    fn add(&mut self, since: TimeMs, need: &'a GangNeed) {
        let earlier = |known: Option<TimeMs>| Some(known.map_or(since, |known| known.min(since)));
        self.of_all = earlier(self.of_all);
        if need.shares_with_everybody() {
            self.of_any_model = earlier(self.of_any_model);
            return;
        }
        for model in &need.gpu_models {
            self.of_model.entry(model).and_modify(|at| *at = since.min(*at)).or_insert(since);
        }
    }

    /// Among those who could want a GPU that `need` could want.
    fn earliest(&self, need: &GangNeed) -> Option<TimeMs> {
        if need.shares_with_everybody() {
            return self.of_all;
        }
        let of_models = need.gpu_models.iter().filter_map(|model| self.of_model.get(model));
        of_models.copied().chain(self.of_any_model).min()
    }
}

/// Whether a request would start once enough leases ended: neither its tenant's quota nor the size
/// of the pool forbids it.
fn waits_for_capacity(pool: &Pool, on_draining: &OnDraining, request: &RequestId) -> bool {
    let ask = &pool.requests[request].ask;
    on_draining.waits_for_capacity(pool, &ask.tenant, ask.total_gpu_milli())
        && could_ever_hold(pool, ask)
}

/// Whether a tenant's unused guarantee covers all of what it asks for.
fn is_guaranteed(pool: &Pool, ask: &RequestAllocation) -> bool {
    let wanted = ask.total_gpu_milli();
    wanted > GpuMilli(0) && wanted <= pool.tenants[&ask.tenant].unused_guarantee()
}

/// Whether others may start because `request` leaves the queue without having started.
#[must_use]
pub(crate) fn lifts_a_barrier(pool: &Pool, request: &RequestId, now: TimeMs) -> bool {
    let waits = matches!(pool.requests[request].stage, Stage::Waiting { .. });
    waits && Barriers::of(pool, now).protect(request)
}
