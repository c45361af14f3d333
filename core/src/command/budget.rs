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

/// The price of one GPU model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuPrice {
    /// Which model.
    pub gpu_model: GpuModel,
    /// Price of one GPU for one hour; more than 0.
    pub micro_usd_per_hour: MicroUsd,
}
