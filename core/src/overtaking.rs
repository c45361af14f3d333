//! Bounded overtaking: whom nobody who came later may pass.
//!
//! A request that waits for capacity and has waited W (`wait_bound_ms`) is *protected*, unless
//! somebody before it in the order joined the queue before that and could want one of its GPU
//! models: then that elder has to start first. Nobody who arrived later and could want one of its
//! models is granted anything until a protected request starts. What a tenant's own guarantee
//! covers, or has a place in what is reserved for it, is kept back by its own requests only, and
//! what a guarantee above it covers by those of whom that guarantee is for: a guarantee is a right
//! to GPUs of the pool, whoever waits. Whom the budget of its tenant may make wait keeps nobody
//! back.
//!
//! Whoever joins later takes no protection away, whatever its priority: the elders of a request
//! joined before it or within W of it, and theirs likewise. As long as one of them waits, others
//! may start on models that it does not want; the request itself would be kept back by it.

use crate::blocker::could_hold_at;
use crate::command::RequestAllocation;
use crate::quota::OnDraining;
use crate::state::{GangNeed, Group, Pool, Request, Stage, Waiter, Waiters};
use crate::units::{GpuModel, Offset, RequestId, TenantId, TimeMs};
use std::cell::LazyCell;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// A protected request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Who waits.
    pub request: RequestId,
    arrival: Offset,
    group: Group,
}

impl Barrier {
    /// `covered_by` is whose guarantee covers the other one, when one does.
    fn keeps_back(
        &self,
        pool: &Pool,
        arrival: Offset,
        group: &Group,
        covered_by: Option<&TenantId>,
    ) -> bool {
        arrival > self.arrival
            && group.need.shares_a_model_with(&self.group.need)
            && covered_by.is_none_or(|covering| pool.is_within(&self.group.tenant, covering))
    }
}

/// The barriers of a pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Barriers {
    barriers: Vec<Barrier>,
    has_anybody_waited_enough: bool,
    now: TimeMs,
}

impl Barriers {
    /// The pool's barriers at `now`.
    #[must_use]
    pub fn of(pool: &Pool, now: TimeMs) -> Self {
        let protected_from = |since_ms: TimeMs| since_ms.plus(pool.policy.wait_bound_ms);
        let Some(first_joined) = pool.queue.first_joined() else {
            return Self::default();
        };
        if protected_from(first_joined) > now {
            return Self::default();
        }
        let (on_draining, mut in_order) = (OnDraining::of(pool), candidates(pool));
        let (mut barriers, mut ahead) = (Vec::new(), Ahead::default());
        // Whoever is left is protected later than this, and has an elder whatever it wants.
        let named = LazyCell::new(|| models_named(pool));
        let all_have_elders =
            |ahead: &Ahead<'_>| ahead.covers_all(protected_from(first_joined), || &named);
        while let Some(Reverse(candidate)) = in_order.pop() {
            in_order.extend(candidate.next());
            let Candidate { arrival, group, waiter, .. } = candidate;
            if !waits_for_capacity(pool, &on_draining, &waiter.request, now) {
                continue;
            }
            let protected_from = protected_from(waiter.since_ms);
            let has_elder = ahead.earliest(&group.need).is_some_and(|at| at < protected_from);
            if protected_from <= now && !has_elder {
                let (request, group) = (waiter.request.clone(), group.clone());
                barriers.push(Barrier { request, arrival, group });
            }
            if ahead.add(waiter.since_ms, &group.need) && all_have_elders(&ahead) {
                break;
            }
        }
        Self { barriers, has_anybody_waited_enough: true, now }
    }

    /// The barrier that keeps a request of `pool` back, if one does.
    ///
    /// # Panics
    /// When the pool is not the request's: it has no such tenant.
    #[must_use]
    pub fn before<'a>(&'a self, pool: &'a Pool, request: &'a Request) -> Option<&'a Barrier> {
        if self.barriers.is_empty() {
            return None;
        }
        self.all_before(pool, request).next()
    }

    /// All of them, in the order of the queue.
    ///
    /// # Panics
    /// As [`Barriers::before`].
    pub fn all_before<'a>(
        &'a self,
        pool: &'a Pool,
        request: &'a Request,
    ) -> impl Iterator<Item = &'a Barrier> {
        let ask = &request.ask;
        let is_inside = pool.is_place_inside(ask, self.now);
        let covered_by = if is_inside { Some(&ask.tenant) } else { covered_by(pool, ask) };
        let (group, arrival) = (pool.group_of(request), request.arrival);
        let barriers = self.barriers.iter();
        barriers.filter(move |barrier| barrier.keeps_back(pool, arrival, &group, covered_by))
    }

    /// Whom of those `request` must not delay, each with its place among all who are protected.
    pub(crate) fn places_before<'a>(
        &'a self,
        pool: &'a Pool,
        request: &'a Request,
    ) -> impl Iterator<Item = (usize, &'a RequestId)> {
        let before = self.all_before(pool, request);
        let place = |barrier: &Barrier| self.barriers.iter().position(|other| other == barrier);
        before.map(move |barrier| (place(barrier).expect("it is one of them"), &barrier.request))
    }

    /// Whether one of them keeps back whoever of `group` arrived at `arrival`.
    pub(crate) fn keep_back(&self, pool: &Pool, arrival: Offset, group: &Group) -> bool {
        // Most are kept back by none, whatever is guaranteed to their tenants.
        let mut behind =
            self.barriers.iter().filter(|barrier| barrier.keeps_back(pool, arrival, group, None));
        let Some(first) = behind.next() else { return false };
        let is_inside = pool.has_active_reservation(&group.tenant)
            && pool.is_place_inside(&pool.waiter(group, arrival).ask, self.now);
        let covered_by = match is_inside {
            true => Some(&group.tenant),
            false => pool.covered_by(&group.tenant, group.need.total_gpu_milli()),
        };
        std::iter::once(first)
            .chain(behind)
            .any(|barrier| barrier.keeps_back(pool, arrival, group, covered_by))
    }

    /// Whether `request` is protected.
    #[must_use]
    pub fn protect(&self, request: &RequestId) -> bool {
        self.barriers.iter().any(|barrier| barrier.request == *request)
    }

    /// Follows a grant. Returns whether a barrier is gone, so that somebody whom it kept back may
    /// start: that of the one who started, or of one whose tenant's quota that used up.
    pub(crate) fn after_grant(&mut self, pool: &Pool, now: TimeMs) -> bool {
        if !self.has_anybody_waited_enough {
            return false;
        }
        let before = std::mem::replace(self, Self::of(pool, now));
        before.barriers.iter().any(|barrier| !self.protect(&barrier.request))
    }
}

/// The models that waiting requests name.
fn models_named(pool: &Pool) -> BTreeSet<&GpuModel> {
    let needs = pool.queue.groups().keys().map(|group| &group.need);
    let named = needs.filter(|need| !need.shares_with_everybody());
    named.flat_map(|need| &need.gpu_models).collect()
}

/// A waiting request that could be protected, by its place in the order.
struct Candidate<'a> {
    group: &'a Group,
    waiters: &'a Waiters,
    arrival: Offset,
    waiter: &'a Waiter,
}

impl<'a> Candidate<'a> {
    /// The first of its group behind it who joined the queue before it.
    fn next(&self) -> Option<Reverse<Self>> {
        let Self { group, waiters, arrival, waiter } = *self;
        let next = waiters.next_elder(Some((arrival, waiter.since_ms)))?;
        Some(Reverse(Self { group, waiters, arrival: next.0, waiter: next.1 }))
    }

    fn place(&self) -> (Reverse<i64>, Offset) {
        (self.group.priority, self.arrival)
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Candidate<'_> {}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// No two requests of a pool arrived at the same offset.
impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// The first of each group. Behind them only those matter before whom nobody of their group joined
/// the queue: a late approval, which stands before them by arrival, must not hide how long they
/// have waited.
fn candidates(pool: &Pool) -> BinaryHeap<Reverse<Candidate<'_>>> {
    let firsts = pool.queue.groups().iter().filter_map(|(group, waiters)| {
        let (arrival, waiter) = waiters.next_elder(None)?;
        Some(Reverse(Candidate { group, waiters, arrival, waiter }))
    });
    firsts.collect()
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
    /// Returns whether that made any of the times earlier.
    fn add(&mut self, since: TimeMs, need: &'a GangNeed) -> bool {
        let is_earlier = |known: Option<TimeMs>| known.is_none_or(|known| since < known);
        if is_earlier(self.of_all) {
            self.of_all = Some(since);
        }
        if need.shares_with_everybody() {
            let is_news = is_earlier(self.of_any_model);
            if is_news {
                self.of_any_model = Some(since);
            }
            return is_news;
        }
        let mut is_news = false;
        for model in &need.gpu_models {
            if is_earlier(self.of_model.get(model).copied()) {
                self.of_model.insert(model, since);
                is_news = true;
            }
        }
        is_news
    }

    /// Whether somebody joined before `time` who could want what anybody does who takes any model
    /// or one of `named`.
    fn covers_all<'n>(
        &self,
        time: TimeMs,
        named: impl FnOnce() -> &'n BTreeSet<&'n GpuModel>,
    ) -> bool {
        let is_before = |at: Option<&TimeMs>| at.is_some_and(|at| *at < time);
        is_before(self.of_any_model.as_ref())
            || (is_before(self.of_all.as_ref())
                && named().iter().all(|model| is_before(self.of_model.get(model))))
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
/// of the pool forbids it, and its tenant's budget would let it whenever that was.
fn waits_for_capacity(
    pool: &Pool,
    on_draining: &OnDraining,
    request: &RequestId,
    now: TimeMs,
) -> bool {
    let ask = &pool.requests[request].ask;
    on_draining.waits_for_capacity(pool, &ask.tenant, ask.total_gpu_milli())
        && could_hold_at(pool, ask, now)
        && pool.always_fits_budget(ask, 0, now)
}

/// Whose unused guarantee covers all that is asked, when one does: its tenant's, or that of the
/// lowest tenant above it.
pub(crate) fn covered_by<'a>(pool: &'a Pool, ask: &'a RequestAllocation) -> Option<&'a TenantId> {
    pool.covered_by(&ask.tenant, ask.total_gpu_milli())
}

/// Whether others may start because `request` leaves the queue without having started.
#[must_use]
pub(crate) fn lifts_a_barrier(pool: &Pool, request: &RequestId, now: TimeMs) -> bool {
    let waits = matches!(pool.requests[request].stage, Stage::Waiting { .. });
    waits && Barriers::of(pool, now).protect(request)
}
