//! What an operator could change: a tenant's share or a rule of the pool. Each is tried out on a
//! copy, because others may start before the request does.

use super::change::{By, Change, Field, Grant, Value};
use super::ground::{Ground, settle};
use super::search::turning_point;
use crate::blocker::fits_now;
use crate::budget::Allowance;
use crate::command::{CouncilMode, RequestAllocation, SetPoolPolicy, SetQuota};
use crate::decide::{TREES_SINCE, room_for_guarantee};
use crate::decision::{Event, LeaseGranted, PoolPolicySet, QuotaSet};
use crate::limits::{DURATION_MS_MAX, GPU_HOURS_MAX, QUEUE_MAX, QUOTA_GPU_MILLI_MAX};
use crate::overtaking::Barriers;
use crate::quota::{Demand, QuotaBlock, may_grant};
use crate::rejection::RejectionCode as Code;
use crate::state::{Pool, Request, State};
use crate::units::{DurationMs, GpuMilli, PoolId};

/// How often a higher value is tried when others took what the last one gave.
const TRIES_MAX: usize = 4;

/// The operator's changes that let a waiting request start.
pub(super) fn changes(state: &State, pool_id: &PoolId, request: &Request) -> Vec<Change> {
    let pool = state.pool(pool_id);
    let ask = &request.ask;
    // While something is left to be done, any command at all lets somebody start.
    if state.needs_a_tick() || !fits_now(pool, ask, state.time_ms) {
        return vec![];
    }
    let trial = Trial { state, pool_id, pool, request };
    let changes =
        [trial.limit(), trial.guarantee(), trial.borrow(), trial.wait_bound(), trial.budget()];
    changes.into_iter().flatten().collect()
}

struct Trial<'a> {
    state: &'a State,
    pool_id: &'a PoolId,
    pool: &'a Pool,
    request: &'a Request,
}

impl Trial<'_> {
    fn quota(&self) -> &SetQuota {
        &self.pool.tenants[&self.request.ask.tenant].quota
    }

    /// What its tenant would hold with it.
    fn with_it(&self) -> GpuMilli {
        let ask = &self.request.ask;
        let used = self.pool.tenants[&ask.tenant].used_with_below();
        GpuMilli(used.0 + ask.total_gpu_milli().0)
    }

    fn limit(&self) -> Option<Change> {
        let (may, quota) = (may_grant(self.pool, &Demand::of(self.request)), self.quota());
        // The limit of a tenant above it is not this tenant's to change.
        if !matches!(may, Err(QuotaBlock::Limit { of, .. }) if of == quota.tenant) {
            return None;
        }
        let from = quota.limit_gpu_milli.0;
        let with = |to| SetQuota { limit_gpu_milli: GpuMilli(to), ..quota.clone() };
        let (to, grant) =
            self.rise(from, self.with_it().0, QUOTA_GPU_MILLI_MAX, |to| self.set_quota(with(to)))?;
        Some(change(Field::LimitGpuMilli, from, to, grant))
    }

    fn guarantee(&self) -> Option<Change> {
        let (wanted, quota) = (self.request.ask.total_gpu_milli(), self.quota());
        let from = quota.guarantee_gpu_milli.0;
        let covers = from >= self.with_it().0;
        if wanted.0 == 0 || covers {
            return None;
        }
        let with = |to| SetQuota { guarantee_gpu_milli: GpuMilli(to), ..quota.clone() };
        let high = quota.limit_gpu_milli.min(self.room_for_guarantee()).0;
        let (to, grant) = self.rise(from, self.with_it().0, high, |to| self.set_quota(with(to)))?;
        Some(change(Field::GuaranteeGpuMilli, from, to, grant))
    }

    /// Most that it may be guaranteed.
    fn room_for_guarantee(&self) -> GpuMilli {
        let name = &self.request.ask.tenant;
        let parent = self.pool.tenants[name].branch.parent.as_ref();
        let room = room_for_guarantee(self.pool, name, parent);
        let is_bounded = self.state.decide_version >= TREES_SINCE;
        room.filter(|_| is_bounded).unwrap_or(GpuMilli(QUOTA_GPU_MILLI_MAX))
    }

    /// What its tenant would have to be allowed to borrow.
    fn borrow(&self) -> Option<Change> {
        let (demand, quota) = (Demand::of(self.request), self.quota());
        let is_short = match may_grant(self.pool, &demand) {
            Err(QuotaBlock::BorrowLimit { of, .. }) => of == quota.tenant,
            Err(QuotaBlock::HeldForOthers { .. }) => quota.borrow_gpu_milli == GpuMilli(0),
            Ok(()) | Err(_) => false,
        };
        if !is_short || self.state.decide_version < TREES_SINCE {
            return None;
        }
        let borrowed = self.pool.tenants[&quota.tenant].borrowed_with_below().0;
        let low = borrowed + demand.needed(self.pool).0;
        let with = |to| SetQuota { borrow_gpu_milli: GpuMilli(to), ..quota.clone() };
        let from = quota.borrow_gpu_milli.0;
        let (to, grant) =
            self.rise(from, low, QUOTA_GPU_MILLI_MAX, |to| self.set_quota(with(to)))?;
        Some(change(Field::BorrowGpuMilli, from, to, grant))
    }

    /// The wait bound with which nobody who stands before it is protected yet.
    fn wait_bound(&self) -> Option<Change> {
        let (now, policy) = (self.state.time_ms, &self.pool.policy);
        may_grant(self.pool, &Demand::of(self.request)).ok()?;
        let barriers = Barriers::of(self.pool, now);
        let waits = barriers.all_before(self.pool, self.request);
        let since = waits.filter_map(|barrier| self.pool.requests[&barrier.request].waits_since());
        let to = now.0 - since.min()?.0 + 1;
        let with = |to| SetPoolPolicy { wait_bound_ms: DurationMs(to), ..policy.clone() };
        let from = policy.wait_bound_ms.0;
        let (to, grant) = self.rise(from, to, DURATION_MS_MAX.0, |to| self.set_policy(with(to)))?;
        Some(change(Field::WaitBoundMs, from, to, grant))
    }

    /// The budget with which its lease would fit the windows that it touches from now on.
    fn budget(&self) -> Option<Change> {
        let (now, ask) = (self.state.time_ms, &self.request.ask);
        self.pool.over_budget(ask, now)?;
        let quota = self.quota();
        let allowance = self.pool.tenants[&ask.tenant].allowance()?;
        let low = hours_that_fit(allowance, |allowance| {
            allowance.over(self.pool.want(ask), now).is_none()
        })?;
        let with = |to| SetQuota { gpu_hour_budget: Some(to), ..quota.clone() };
        let from = allowance.gpu_hours;
        let (to, grant) = self.rise(from, low, GPU_HOURS_MAX, |to| self.set_quota(with(to)))?;
        Some(change(Field::GpuHourBudget, from, to, grant))
    }

    /// The lowest value from `low` on, as far as it is looked for, with which the request starts,
    /// and where. What the others of its tenant take before it is added to the next try. Less than
    /// `low` is enough where what happens first helps it: leases that end for somebody, or another
    /// elder of whoever keeps it back. Then it is looked for above `from`, which it waits with.
    fn rise(
        &self,
        from: i64,
        low: i64,
        high: i64,
        grant: impl Fn(i64) -> Option<Grant>,
    ) -> Option<(i64, Grant)> {
        let (mut bad, mut to) = (low - 1, low);
        for _ in 0..TRIES_MAX {
            if to > high {
                return None;
            }
            if let Some(granted) = grant(to) {
                let is_reckoned = to == low && (bad <= from || grant(bad).is_none());
                if is_reckoned {
                    return Some((to, granted));
                }
                let bad = if to == low { from } else { bad };
                let lowest = turning_point(bad, to, &mut |to| grant(to).is_some());
                return grant(lowest).map(|granted| (lowest, granted));
            }
            bad = to;
            to = to.saturating_add((to - low).max(self.request.ask.total_gpu_milli().0).max(1));
        }
        None
    }

    fn set_quota(&self, quota: SetQuota) -> Option<Grant> {
        self.grant(Event::QuotaSet(QuotaSet { pool: self.pool_id.clone(), quota }))
    }

    fn set_policy(&self, policy: SetPoolPolicy) -> Option<Grant> {
        self.grant(Event::PoolPolicySet(PoolPolicySet { pool: self.pool_id.clone(), policy }))
    }

    /// Where the request starts in the decision that `event` is of, if it does.
    fn grant(&self, event: Event) -> Option<Grant> {
        let mut copy = self.state.for_plan(self.pool_id, self.state.time_ms, None);
        let events = settle(&mut copy, |draft| {
            draft.emit(event);
            draft.freed.insert(self.pool_id.clone());
        });
        events.into_iter().find_map(|event| {
            let Event::LeaseGranted(granted) = event else { return None };
            let is_it = granted.request == self.request.ask.request;
            let LeaseGranted { gpu_model, replicas, .. } = granted;
            is_it.then_some(Grant { gpu_model, replicas })
        })
    }
}

fn change(field: Field, from: i64, to: i64, granted: Grant) -> Change {
    let (from, to) = (Value::Number(from), Value::Number(to));
    Change { by: By::Operator, field, from, to, granted: Some(granted) }
}

/// A council that only advises would have approved.
pub(super) fn council_that_approves(
    ground: &mut Ground,
    ask: &RequestAllocation,
) -> Option<Change> {
    let policy = &ground.pool().policy;
    if policy.council != CouncilMode::Enforce {
        return None;
    }
    let to = SetPoolPolicy { council: CouncilMode::Advise, ..policy.clone() };
    let event = Event::PoolPolicySet(PoolPolicySet { pool: ground.pool.clone(), policy: to });
    let word = |word: &str| Value::Word(word.to_owned());
    admitted(ground, ask, event, (Field::Council, word("enforce"), word("advise")))
}

/// The operator's change that lets a request in which `code` refused.
pub(super) fn that_admits(
    ground: &mut Ground,
    ask: &RequestAllocation,
    code: Code,
) -> Option<Change> {
    if code == Code::ExceedsLimit {
        let quota = ground.pool().tenants[&ask.tenant].quota.clone();
        let (from, to) = (quota.limit_gpu_milli, ask.total_gpu_milli());
        let quota = SetQuota { limit_gpu_milli: to, ..quota };
        let event = Event::QuotaSet(QuotaSet { pool: ground.pool.clone(), quota });
        let (from, to) = (Value::Number(from.0), Value::Number(to.0));
        return admitted(ground, ask, event, (Field::LimitGpuMilli, from, to));
    }
    if code == Code::ExceedsBudget {
        let (now, want) = (ground.state.time_ms, ground.pool().want(ask));
        let tenant = &ground.pool().tenants[&ask.tenant];
        let (allowance, quota) = (tenant.allowance()?, tenant.quota.clone());
        let to = hours_that_fit(allowance, |allowance| allowance.could_ever_fit(want, now))?;
        let quota = SetQuota { gpu_hour_budget: Some(to), ..quota };
        let (from, to) = (Value::Number(allowance.gpu_hours), Value::Number(to));
        let event = Event::QuotaSet(QuotaSet { pool: ground.pool.clone(), quota });
        return admitted(ground, ask, event, (Field::GpuHourBudget, from, to));
    }
    if code == Code::QueueFull {
        let waiting = ground.pool().queue.len() + ground.pool().deferred_count;
        if waiting >= QUEUE_MAX {
            return None;
        }
        let policy = ground.pool().policy.clone();
        let (from, to) = (Value::Number(policy.queue_max), Value::Number(waiting + 1));
        let policy = SetPoolPolicy { queue_max: waiting + 1, ..policy };
        let event = Event::PoolPolicySet(PoolPolicySet { pool: ground.pool.clone(), policy });
        return admitted(ground, ask, event, (Field::QueueMax, from, to));
    }
    (code == Code::CouncilDenied).then(|| council_that_approves(ground, ask)).flatten()
}

/// The change, when `ask` is let in once `event` happened. It stays true on the ground.
fn admitted(
    ground: &mut Ground,
    ask: &RequestAllocation,
    event: Event,
    (field, from, to): (Field, Value, Value),
) -> Option<Change> {
    ground.change(event);
    let is_let_in = ground.answer(ask).is_let_in();
    is_let_in.then_some(Change { by: By::Operator, field, from, to, granted: None })
}

/// The lowest budget in GPU-hours above the present one with which `fits` says so.
fn hours_that_fit(allowance: Allowance, fits: impl Fn(&Allowance) -> bool) -> Option<i64> {
    let with = |gpu_hours| fits(&Allowance { gpu_hours, ..allowance });
    with(GPU_HOURS_MAX).then(|| turning_point(allowance.gpu_hours, GPU_HOURS_MAX, &mut { with }))
}
