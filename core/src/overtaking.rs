//! Bounded overtaking: whom nobody who came later may pass.
//!
//! A request that waits for capacity and has waited W (`wait_bound_ms`) is *protected*, unless
//! somebody before it in the order joined the queue before that and could want one of its GPU
//! models: then that one has to start first. Nobody who arrived later and could want one of its
//! models is granted anything until a protected request starts.
//!
//! What a tenant's own guarantee covers is kept back by its own requests only: no other tenant was
//! ever to have it.
//!
//! Whoever joins later takes no protection away, whatever its priority. Those who may still start
//! before a request therefore joined within W of it, or within W of one of higher priority who did:
//! with ten priorities, within ten times W.

use crate::blocker::could_ever_hold;
use crate::command::RequestAllocation;
use crate::quota;
use crate::state::{GangNeed, Group, Pool, Request, Waiter};
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
    barriers: Vec<Barrier>,
    has_anybody_waited_enough: bool,
}

impl Barriers {
    /// The pool's barriers at `now`.
    ///
    /// Only the first of each group is asked: the others of its group stand behind it.
    #[must_use]
    pub fn of(pool: &Pool, now: TimeMs) -> Self {
        let protected_from = |waiter: &Waiter| waiter.since_ms.plus(pool.policy.wait_bound_ms);
        let mut firsts: Vec<First> = pool.queue.groups().iter().filter_map(First::of).collect();
        if firsts.iter().all(|first| protected_from(first.waiter) > now) {
            return Self::default();
        }
        firsts.sort_unstable_by_key(|first| (first.group.priority, first.arrival));
        let (mut barriers, mut ahead) = (Vec::new(), Ahead::default());
        for First { group, arrival, waiter } in firsts {
            if !waits_for_capacity(pool, &pool.requests[&waiter.request]) {
                continue;
            }
            let protected_from = protected_from(waiter);
            let need = &group.need;
            let has_elder = ahead.earliest(need).is_some_and(|since| since < protected_from);
            if protected_from <= now && !has_elder {
                let (request, group) = (waiter.request.clone(), group.clone());
                barriers.push(Barrier { request, arrival, group });
            }
            ahead.add(waiter.since_ms, need);
        }
        Self { barriers, has_anybody_waited_enough: true }
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

    /// Whether a grant may lift a barrier or make another one: nobody can be protected before the
    /// first request has waited W.
    pub(crate) fn may_change_by_a_grant(&self) -> bool {
        self.has_anybody_waited_enough
    }
}

/// The first of a group.
#[derive(Clone, Copy)]
struct First<'a> {
    group: &'a Group,
    arrival: Offset,
    waiter: &'a Waiter,
}

impl<'a> First<'a> {
    fn of((group, waiters): (&'a Group, &'a BTreeMap<Offset, Waiter>)) -> Option<Self> {
        let (arrival, waiter) = waiters.first_key_value()?;
        Some(Self { group, arrival: *arrival, waiter })
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
fn waits_for_capacity(pool: &Pool, request: &Request) -> bool {
    let ask = &request.ask;
    quota::waits_for_capacity(pool, &ask.tenant, ask.total_gpu_milli())
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
    Barriers::of(pool, now).protect(request)
}
