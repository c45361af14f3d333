//! What GPUs cost, and which models a request can pay for.
//!
//! A lease costs its GPU time at the prices at its grant; a model without a price costs nothing. A
//! model on which the whole lease, from its grant to its end, would cost more than the request's
//! cap is not acceptable for it.

use crate::budget::GPU_HOUR;
use crate::command::RequestAllocation;
use crate::decision::Placement;
use crate::state::budget::Rate;
use crate::state::{Pool, Request};
use crate::units::{GpuModel, MicroUsd};
use std::borrow::Cow;

impl Pool {
    /// The price of one GPU of a model for one hour.
    #[must_use]
    pub fn price_of(&self, model: &GpuModel) -> MicroUsd {
        let priced = self.policy.prices.iter().find(|price| price.gpu_model == *model);
        priced.map_or(MicroUsd(0), |price| price.micro_usd_per_hour)
    }

    /// What the whole of a lease on `ask` would cost on GPUs of `model`, rounded up.
    ///
    /// # Panics
    /// Never: prices, GPUs and times are bounded.
    #[must_use]
    pub fn cost_on(&self, ask: &RequestAllocation, model: &GpuModel) -> MicroUsd {
        let cost = self.want(ask).total() * i128::from(self.price_of(model).0);
        let whole = (cost + GPU_HOUR - 1).div_euclid(GPU_HOUR);
        MicroUsd(i64::try_from(whole).unwrap_or(i64::MAX))
    }

    /// `ask` as it can be paid for: without the models that would cost more than its cap. Who has a
    /// cap and accepts any model accepts each of the pool's that it can pay for, the cheapest first
    /// and one for the whole gang. None when there is no such model.
    #[must_use]
    pub fn affordable<'a>(&self, ask: &'a RequestAllocation) -> Option<Cow<'a, RequestAllocation>> {
        let Some(cap) = ask.budget_cap_micro_usd.filter(|_| ask.gpu_count > 0) else {
            return Some(Cow::Borrowed(ask));
        };
        let is_any = ask.gpu_models.is_empty();
        let mut models = if is_any { self.fleet.gpu_models() } else { ask.gpu_models.clone() };
        let count = models.len();
        models.retain(|model| self.cost_on(ask, model) <= cap);
        if is_any {
            models.sort_by_cached_key(|model| (self.price_of(model), model.clone()));
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

    /// The least that the whole of a lease on `ask` would cost on a model that it accepts.
    #[must_use]
    pub fn least_cost(&self, ask: &RequestAllocation) -> MicroUsd {
        let any = ask.gpu_models.is_empty();
        let models = if any { self.fleet.gpu_models() } else { ask.gpu_models.clone() };
        models.iter().map(|model| self.cost_on(ask, model)).min().unwrap_or(MicroUsd(0))
    }

    /// The price of a GPU-hour where each replica sits; empty in a pool without prices.
    pub(crate) fn prices_at(&self, replicas: &[Placement]) -> Vec<MicroUsd> {
        if self.policy.prices.is_empty() {
            return vec![];
        }
        let price = |at: &Placement| {
            let node = self.fleet.index_of(&at.node).map(|index| self.fleet.node(index));
            node.map_or(MicroUsd(0), |node| self.price_of(self.fleet.model_of(node)))
        };
        replicas.iter().map(price).collect()
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
