//! What happens to budgets.

use crate::command::SetTariff;
use crate::units::{PoolId, TenantId, TimeMs, UserId};
use serde::{Deserialize, Serialize};

/// GPU-hours were approved on top of a tenant's budget, for one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetToppedUp {
    /// In this pool.
    pub pool: PoolId,
    /// Whose budget.
    pub tenant: TenantId,
    /// Who approved it.
    pub operator: UserId,
    /// How many GPU-hours more.
    pub gpu_hours: i64,
    /// When the window begins that they are for.
    pub window_start_ms: TimeMs,
    /// Why.
    pub reason: String,
}

/// What GPUs cost at which time of day changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffSet {
    /// Which pool.
    pub pool: PoolId,
    /// All of it.
    pub tariff: SetTariff,
}

/// When somebody who waits for a budget or a price may start: the queue is looked at again then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAwaited {
    /// Whose queue.
    pub pool: PoolId,
    /// When it is looked at again; null when nobody waits for a budget or a price any more, or that
    /// time has come.
    pub until_ms: Option<TimeMs>,
}
