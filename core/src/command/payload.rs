//! What every command says about itself: its name, its branch, and how it travels.

use super::Payload;

impl Payload {
    /// The command's name as people type and read it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenLog(_) => "OpenLog",
            Self::ActivateDecider(_) => "ActivateDecider",
            Self::Tick => "Tick",
            Self::RegisterNode(_) => "RegisterNode",
            Self::DrainNode(_) => "DrainNode",
            Self::RemoveNode(_) => "RemoveNode",
            Self::SetQuota(_) => "SetQuota",
            Self::SetPoolPolicy(_) => "SetPoolPolicy",
            Self::RequestAllocation(_) => "RequestAllocation",
            Self::CancelRequest(_) => "CancelRequest",
            Self::RenewLease(_) => "RenewLease",
            Self::ShrinkLease(_) => "ShrinkLease",
            Self::ReleaseLease(_) => "ReleaseLease",
            Self::ReportNodeHealth(_) => "ReportNodeHealth",
            Self::OverrideDecision(_) => "OverrideDecision",
            Self::Appeal(_) => "Appeal",
            Self::ActivateCouncil(_) => "ActivateCouncil",
            Self::SetFairShare(_) => "SetFairShare",
            Self::SetPreemption(_) => "SetPreemption",
            Self::TopUpBudget(_) => "TopUpBudget",
            Self::SetTariff(_) => "SetTariff",
            Self::SetTenantParent(_) => "SetTenantParent",
            Self::Reserve(_) => "Reserve",
            Self::CancelReservation(_) => "CancelReservation",
        }
    }

    /// Its branch of the union.
    #[must_use]
    pub fn branch(&self) -> u32 {
        match self {
            Self::OpenLog(_) => 0,
            Self::ActivateDecider(_) => 1,
            Self::Tick => 2,
            Self::RegisterNode(_) => 3,
            Self::DrainNode(_) => 4,
            Self::RemoveNode(_) => 5,
            Self::SetQuota(_) => 6,
            Self::SetPoolPolicy(_) => 7,
            Self::RequestAllocation(_) => 8,
            Self::CancelRequest(_) => 9,
            Self::RenewLease(_) => 10,
            Self::ShrinkLease(_) => 11,
            Self::ReleaseLease(_) => 12,
            Self::ReportNodeHealth(_) => 13,
            Self::OverrideDecision(_) => 14,
            Self::Appeal(_) => 15,
            Self::ActivateCouncil(_) => 16,
            Self::SetFairShare(_) => 17,
            Self::SetPreemption(_) => 18,
            Self::TopUpBudget(_) => 19,
            Self::SetTariff(_) => 20,
            Self::SetTenantParent(_) => 21,
            Self::Reserve(_) => 22,
            Self::CancelReservation(_) => 23,
        }
    }

    /// Log commands carry an empty key and are valid in any partition.
    #[must_use]
    pub fn is_log_command(&self) -> bool {
        match self {
            Self::OpenLog(_) | Self::ActivateDecider(_) | Self::ActivateCouncil(_) | Self::Tick => {
                true
            }
            Self::RegisterNode(_)
            | Self::DrainNode(_)
            | Self::RemoveNode(_)
            | Self::SetQuota(_)
            | Self::SetPoolPolicy(_)
            | Self::RequestAllocation(_)
            | Self::CancelRequest(_)
            | Self::RenewLease(_)
            | Self::ShrinkLease(_)
            | Self::ReleaseLease(_)
            | Self::ReportNodeHealth(_)
            | Self::OverrideDecision(_)
            | Self::Appeal(_)
            | Self::SetFairShare(_)
            | Self::SetPreemption(_)
            | Self::TopUpBudget(_)
            | Self::SetTariff(_)
            | Self::SetTenantParent(_)
            | Self::Reserve(_)
            | Self::CancelReservation(_) => false,
        }
    }

    /// A control command (log, policy, inventory or override, but neither a tick nor a report of a
    /// node's health, which come all the time and mostly change nothing) is alone in its round.
    #[must_use]
    pub fn is_control(&self) -> bool {
        match self {
            Self::OpenLog(_)
            | Self::ActivateDecider(_)
            | Self::ActivateCouncil(_)
            | Self::RegisterNode(_)
            | Self::DrainNode(_)
            | Self::RemoveNode(_)
            | Self::SetQuota(_)
            | Self::SetPoolPolicy(_)
            | Self::SetFairShare(_)
            | Self::SetPreemption(_)
            | Self::TopUpBudget(_)
            | Self::SetTariff(_)
            | Self::SetTenantParent(_)
            | Self::Reserve(_)
            | Self::CancelReservation(_)
            | Self::OverrideDecision(_) => true,
            Self::Tick
            | Self::RequestAllocation(_)
            | Self::CancelRequest(_)
            | Self::RenewLease(_)
            | Self::ShrinkLease(_)
            | Self::ReleaseLease(_)
            | Self::ReportNodeHealth(_)
            | Self::Appeal(_) => false,
        }
    }
}
