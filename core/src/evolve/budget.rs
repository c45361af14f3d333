//! What decisions do to quotas and budgets.

use crate::decision::{BudgetAwaited, BudgetToppedUp, QuotaSet, TariffSet};
use crate::state::budget::{Rate, window_of};
use crate::state::{Budget, Pool, State, Tenant, TimerKind};
use crate::units::{DurationMs, GpuMilli, PoolId, RequestId, TenantId, TimeMs};

impl State {
    pub(super) fn set_quota(&mut self, set: &QuotaSet) {
        let QuotaSet { pool, quota } = set;
        let now = self.time_ms;
        let pool = self.pool_mut(pool);
        if !pool.tenants.contains_key(&quota.tenant) {
            let mut empty = quota.clone();
            // The guarantee joins the pool's sum through the change below.
            empty.guarantee_gpu_milli = GpuMilli(0);
            (empty.gpu_hour_budget, empty.budget_window_ms) = (None, DurationMs(0));
            pool.tenants.insert(quota.tenant.clone(), Tenant::new(empty));
        }
        let before = pool.tenants[&quota.tenant].quota.budget_window_ms;
        pool.change_tenant(&quota.tenant, |tenant| {
            tenant.quota = quota.clone();
            tenant.ceiling_gpu_milli = quota.limit_gpu_milli.max(tenant.used_with_below());
        });
        pool.follow_budget(&quota.tenant, before, now);
    }

    pub(super) fn top_up_budget(&mut self, topped_up: &BudgetToppedUp) {
        let BudgetToppedUp { pool, tenant, gpu_hours, window_start_ms, .. } = topped_up;
        let now = self.time_ms;
        let tenant = self.pool_mut(pool).tenant_mut(tenant);
        let width = tenant.quota.budget_window_ms;
        let budget = tenant.budget.as_mut().expect("decide tops up no budget that is not there");
        budget.forget_before(now, width);
        budget.top_up(window_of(*window_start_ms, width), *gpu_hours);
    }

    pub(super) fn set_tariff(&mut self, set: &TariffSet) {
        self.pool_mut(&set.pool).tariff.clone_from(&set.tariff.spans);
    }

    pub(super) fn await_budget(&mut self, awaited: &BudgetAwaited) {
        let BudgetAwaited { pool: id, until_ms } = awaited;
        let nobody = RequestId::default();
        let pool = self.pool_mut(id);
        let before = std::mem::replace(&mut pool.budget_look_ms, *until_ms);
        if let Some(at_ms) = before {
            self.stop_timer(id, &nobody, at_ms, TimerKind::BudgetFits);
        }
        if let Some(at_ms) = *until_ms {
            self.set_timer(id, &nobody, at_ms, TimerKind::BudgetFits);
        }
    }

    /// A lease ends later than `before`, or earlier.
    pub(super) fn renew_budget(&mut self, pool: &PoolId, request: &RequestId, before: TimeMs) {
        let now = self.time_ms;
        let pool = self.pool_mut(pool);
        let request = &pool.requests[request];
        let ends_at_ms = request.lease().map_or(before, |lease| lease.ends_at_ms);
        let (rate, tenant) = (request.rate_from(0), request.ask.tenant.clone());
        let tenant = pool.tenant_mut(&tenant);
        tenant.reserve(rate, (before, ends_at_ms), now);
        tenant.refund(rate, (ends_at_ms, before), now);
    }
}

impl Tenant {
    /// Reserves what is held at `rate` for a span, when it has a budget.
    pub(super) fn reserve(&mut self, rate: Rate, span: (TimeMs, TimeMs), now: TimeMs) {
        let width = self.quota.budget_window_ms;
        if let Some(budget) = &mut self.budget {
            budget.forget_before(now, width);
            budget.reserve(rate, span, width);
        }
    }

    /// Takes off what is not held for a span after all.
    pub(super) fn refund(&mut self, rate: Rate, span: (TimeMs, TimeMs), now: TimeMs) {
        let width = self.quota.budget_window_ms;
        if let Some(budget) = &mut self.budget {
            budget.forget_before(now, width);
            budget.refund(rate, span, width);
        }
    }
}

impl Pool {
    /// Follows a change of a tenant's quota, whose windows were of the width `before`: other
    /// windows begin with what its leases hold and will have held by their ends.
    pub(super) fn follow_budget(&mut self, name: &TenantId, before: DurationMs, now: TimeMs) {
        let tenant = &self.tenants[name];
        let (had, has) = (tenant.budget.is_some(), tenant.quota.gpu_hour_budget.is_some());
        let width = tenant.quota.budget_window_ms;
        if had == has && before == width {
            return;
        }
        let budget = has.then(|| Box::new(self.budget_of_leases(name, width, now)));
        // Who waits is grouped by what the budget is asked.
        let waiters = if had == has { vec![] } else { self.queue.take_all(name) };
        self.tenant_mut(name).budget = budget;
        for (arrival, waiter) in waiters {
            let group = self.group_of(&self.requests[&waiter.request]);
            self.queue.join(group, arrival, waiter);
        }
    }

    /// What the live leases of a tenant take of windows of a width, from that of `now` on.
    fn budget_of_leases(&self, tenant: &TenantId, width: DurationMs, now: TimeMs) -> Budget {
        let start = TimeMs(window_of(now, width) * width.0);
        let mut budget = Budget::default();
        for request in self.requests.values().filter(|request| request.ask.tenant == *tenant) {
            if let Some(lease) = request.lease() {
                let span = (lease.granted_at_ms.max(start), lease.ends_at_ms);
                budget.reserve(request.rate_from(0), span, width);
            }
        }
        budget
    }
}
