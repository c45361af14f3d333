//! What GPUs cost, and which models a request can pay for.
//!
//! A lease costs its GPU time at the prices at its grant; a model without a price costs nothing. A
//! model on which the whole lease, from its grant to its end, would cost more than the request's
//! cap is not acceptable for it. Where a pool has a tariff, prices change with the minute of the
//! day, and whoever cannot pay now waits for a cheaper one.

use crate::budget::GPU_HOUR;
use crate::command::{RequestAllocation, TariffSpan};
use crate::decision::Placement;
use crate::limits::MINUTES_OF_DAY;
use crate::state::budget::Rate;
use crate::state::{Pool, Request};
use crate::units::{GpuModel, MicroUsd, TimeMs};
use std::borrow::Cow;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// What GPU milli times milliseconds cost that were multiplied by the price of a GPU-hour, rounded
/// up.
pub(crate) fn money(cost: i128) -> MicroUsd {
    let whole = (cost + GPU_HOUR - 1).div_euclid(GPU_HOUR);
    MicroUsd(i64::try_from(whole).unwrap_or(i64::MAX))
}

/// The minute of the day (UTC) in which a time lies.
fn minute_of_day(now: TimeMs) -> i64 {
    now.0.div_euclid(MINUTE_MS).rem_euclid(MINUTES_OF_DAY)
}

impl Pool {
    /// The price of one GPU of a model for one hour at `now`.
    #[must_use]
    pub fn price_of(&self, model: &GpuModel, now: TimeMs) -> MicroUsd {
        let is_now = |span: &&TariffSpan| span.gpu_model == *model && span.is_at(now);
        if let Some(span) = self.tariff.iter().find(is_now) {
            return span.micro_usd_per_hour;
        }
        let priced = self.policy.prices.iter().find(|price| price.gpu_model == *model);
        priced.map_or(MicroUsd(0), |price| price.micro_usd_per_hour)
    }

    /// When the tariff next changes a price after `now`; none without a tariff.
    #[must_use]
    pub fn prices_change_at(&self, now: TimeMs) -> Option<TimeMs> {
        let minute = minute_of_day(now);
        let bounds = self.tariff.iter().flat_map(|span| [span.from_minute, span.until_minute]);
        // From 1 to a whole day ahead.
        let ahead =
            bounds.map(|bound| (bound - minute - 1).rem_euclid(MINUTES_OF_DAY) + 1).min()?;
        Some(TimeMs((now.0.div_euclid(MINUTE_MS) + ahead) * MINUTE_MS))
    }

    /// The prices of a day: `now` and the times within a day from it at which one changes.
    pub(crate) fn times_of_prices(&self, now: TimeMs) -> impl Iterator<Item = TimeMs> {
        let end = TimeMs(now.0 + MINUTES_OF_DAY * MINUTE_MS);
        let next = move |at: &TimeMs| self.prices_change_at(*at).filter(|next| *next < end);
        std::iter::successors(Some(now), next)
    }

    /// What the whole of a lease on `ask` that is granted at `now` would cost on GPUs of `model`,
    /// rounded up.
    ///
    /// # Panics
    /// Never: prices, GPUs and times are bounded.
    #[must_use]
    pub fn cost_on(&self, ask: &RequestAllocation, model: &GpuModel, now: TimeMs) -> MicroUsd {
        money(self.want(ask).total() * i128::from(self.price_of(model, now).0))
    }

    /// When a lease on `ask` can be paid for first, from `now` on; none when it never can, were
    /// prices and nodes to stay.
    #[must_use]
    pub fn affordable_at(&self, ask: &RequestAllocation, now: TimeMs) -> Option<TimeMs> {
        self.times_of_prices(now).find(|at| self.affordable(ask, *at).is_some())
    }

    /// The least that a lease on `ask` would cost at any time of the day.
    #[must_use]
    pub fn least_cost_of_day(&self, ask: &RequestAllocation, now: TimeMs) -> MicroUsd {
        let costs = self.times_of_prices(now).map(|at| self.least_cost(ask, at));
        costs.min().unwrap_or(MicroUsd(0))
    }

    /// `ask` as it can be paid for at `now`: without the models that would cost more than its cap.
    /// Who has a cap and accepts any model accepts each of the pool's that it can pay for, the
    /// cheapest first and one for the whole gang. None when there is no such model.
    #[must_use]
    pub fn affordable<'a>(
        &self,
        ask: &'a RequestAllocation,
        now: TimeMs,
    ) -> Option<Cow<'a, RequestAllocation>> {
        let Some(cap) = ask.budget_cap_micro_usd.filter(|_| ask.gpu_count > 0) else {
            return Some(Cow::Borrowed(ask));
        };
        let is_any = ask.gpu_models.is_empty();
        let mut models = if is_any { self.fleet.gpu_models() } else { ask.gpu_models.clone() };
        let count = models.len();
        models.retain(|model| self.cost_on(ask, model, now) <= cap);
        if is_any {
            models.sort_by_cached_key(|model| (self.price_of(model, now), model.clone()));
        }
        // A pool without GPUs refuses for another reason.
        if count == 0 || (!is_any && models.len() == count) {
            return Some(Cow::Borrowed(ask));
        }
        if models.is_empty() {
            return None;
        }
        Some(Cow::Owned(RequestAllocation { gpu_models: models, ..ask.clone() }))
    }

    /// The least that the whole of a lease on `ask` would cost at `now` on a model that it accepts.
    #[must_use]
    pub fn least_cost(&self, ask: &RequestAllocation, now: TimeMs) -> MicroUsd {
        let any = ask.gpu_models.is_empty();
        let models = if any { self.fleet.gpu_models() } else { ask.gpu_models.clone() };
        models.iter().map(|model| self.cost_on(ask, model, now)).min().unwrap_or(MicroUsd(0))
    }

    /// The price of a GPU-hour at `now` where each replica sits; empty in a pool without prices.
    pub(crate) fn prices_at(&self, replicas: &[Placement], now: TimeMs) -> Vec<MicroUsd> {
        if self.policy.prices.is_empty() && self.tariff.is_empty() {
            return vec![];
        }
        let price = |at: &Placement| {
            let node = self.fleet.index_of(&at.node).map(|index| self.fleet.node(index));
            node.map_or(MicroUsd(0), |node| self.price_of(self.fleet.model_of(node), now))
        };
        replicas.iter().map(price).collect()
    }
}

impl TariffSpan {
    /// Whether a time lies in it.
    #[must_use]
    pub fn is_at(&self, now: TimeMs) -> bool {
        (self.from_minute..self.until_minute).contains(&minute_of_day(now))
    }
}

impl Request {
    /// What the replicas of its lease, from one on, take of a budget each millisecond.
    ///
    /// # Panics
    /// Never: a gang is bounded.
    #[must_use]
    pub fn rate_from(&self, replica: usize) -> Rate {
        let Some(lease) = self.lease() else { return Rate::default() };
        let each = self.ask.replica_gpu_milli().0;
        let count = i64::try_from(lease.replicas.len() - replica).expect("a gang is bounded");
        let prices = lease.hourly_micro_usd.iter().skip(replica).map(|price| i128::from(price.0));
        Rate { gpu_milli: count * each, cost: prices.sum::<i128>() * i128::from(each) }
    }
}
