//! One field changed, from what to what, and what that would lead to.

use crate::decision::Placement;
use crate::units::GpuModel;
use serde::{Deserialize, Serialize};

/// One field that would have to be different, everything else as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Who could change it.
    pub by: By,
    /// Which field.
    pub field: Field,
    /// What it is.
    pub from: Value,
    /// The nearest value that helps.
    pub to: Value,
    /// Where the request would start; none when it would only be let in, and wait.
    pub granted: Option<Grant>,
}

/// Who could make a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Whoever asks: withdraw, and ask again.
    Sender,
    /// An operator: `SetQuota` or `SetPoolPolicy`.
    Operator,
}

/// A field of a request, a quota or a pool's rules, named as in its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Replicas of the gang.
    Replicas,
    /// GPUs per replica.
    GpuCount,
    /// Milli of each GPU.
    GpuMilli,
    /// CPU per replica.
    CpuMilli,
    /// Memory per replica.
    MemoryMib,
    /// Acceptable models.
    GpuModels,
    /// Priority: it counts where the council votes.
    Priority,
    /// Expected duration: it counts where the council votes, and for budgets and caps.
    ExpectedDurationMs,
    /// Whether it may be interrupted: it counts where the council votes, and for borrowing.
    Preemptible,
    /// Until when it is worth starting.
    DeadlineMs,
    /// The tenant's limit.
    LimitGpuMilli,
    /// The tenant's guarantee.
    GuaranteeGpuMilli,
    /// How long somebody waits before nobody may overtake him.
    WaitBoundMs,
    /// Requests that may wait at once.
    QueueMax,
    /// What the council's verdict does.
    Council,
    /// Where the replicas have to sit.
    Topology,
    /// The tenant's GPU-hours per window.
    GpuHourBudget,
    /// Most that it may cost.
    BudgetCapMicroUsd,
    /// What the tenant may borrow.
    BorrowGpuMilli,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number, in the field's unit.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Models; none is any.
    Models(Vec<GpuModel>),
    /// A word.
    Word(String),
}

/// Where a request would start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Model of the GPUs; empty for CPU only, or when replicas sit on different models.
    pub gpu_model: GpuModel,
    /// Where each replica would sit, in replica order.
    pub replicas: Vec<Placement>,
}

/// Thousandths of what a change of kind instead of degree weighs.
const OF_KIND_PER_MILLE: i64 = 250;

impl Value {
    /// How much of it changes when it becomes `to`, in thousandths of what it was; a change that
    /// has no degree (a model more, a flag) counts as a quarter.
    #[must_use]
    pub fn change_per_mille(&self, to: &Self) -> i64 {
        match (self, to) {
            (Self::Number(from), Self::Number(to)) => {
                let (from, to) = (i128::from(*from), i128::from(*to));
                let size = (to - from).abs() * 1_000 / from.abs().max(1);
                i64::try_from(size).unwrap_or(i64::MAX)
            }
            _ => OF_KIND_PER_MILLE,
        }
    }
}

impl Change {
    /// How much of the field changes: [`Value::change_per_mille`].
    #[must_use]
    pub fn size_per_mille(&self) -> i64 {
        self.from.change_per_mille(&self.to)
    }
}

/// The sender's changes first, then the operator's; of each, the smallest first.
pub(super) fn smallest_first(changes: &mut [Change]) {
    changes.sort_by_key(|change| (change.by, change.size_per_mille(), change.field));
}
