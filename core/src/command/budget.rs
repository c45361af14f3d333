//! Prices, and what is approved on top of budgets.

use crate::units::{GpuModel, MicroUsd, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// Approves GPU-hours on top of a tenant's budget, for one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUpBudget {
    /// Whose budget.
    pub tenant: TenantId,
    /// How many GPU-hours more.
    pub gpu_hours: i64,
    /// Any time of the window that they are for; null for the current one.
    pub window_at_ms: Option<TimeMs>,
    /// Why, for people; it stands in the decision.
    pub reason: String,
}

/// Lets prices depend on the time of day; where no span lies, the policy's price counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTariff {
    /// All of them: whoever sets a tariff sets all of it. Those of one model do not overlap.
    pub spans: Vec<TariffSpan>,
}

/// What a model costs at some time of every day of log time (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffSpan {
    /// Which model.
    pub gpu_model: GpuModel,
    /// First minute of the day, from 0.
    pub from_minute: i64,
    /// The minute after the last one, up to 1440.
    pub until_minute: i64,
    /// Price of one GPU for one hour; more than 0.
    pub micro_usd_per_hour: MicroUsd,
}

/// The price of one GPU model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuPrice {
    /// Which model.
    pub gpu_model: GpuModel,
    /// Price of one GPU for one hour; more than 0.
    pub micro_usd_per_hour: MicroUsd,
}
