//! Since which version of the deciding rules an event exists.

use super::Event;
use crate::command::PlacementPolicy;

impl Event {
    /// The first `decide_version` that has it.
    #[must_use]
    pub fn since(&self) -> i64 {
        match self {
            Self::PoolPolicySet(set) if set.policy.placement == PlacementPolicy::Default => 3,
            Self::FairShareSet(_)
            | Self::PreemptionSet(_)
            | Self::PreemptionNoticed(_)
            | Self::LeasePreempted(_)
            | Self::BudgetToppedUp(_)
            | Self::BudgetAwaited(_)
            | Self::TariffSet(_)
            | Self::TenantParentSet(_)
            | Self::ReservationMade(_)
            | Self::ReservationStarted(_)
            | Self::ReservationEnded(_)
            | Self::ReservationCancelled(_)
            | Self::LeaseLetPast(_) => 3,
            Self::CouncilActivated(_)
            | Self::CouncilVoted(_)
            | Self::CouncilRemembered(_)
            | Self::MemberQuarantined(_)
            | Self::MemberReturned(_)
            | Self::CouncilWeighed(_) => 2,
            Self::LogOpened(_)
            | Self::DeciderActivated(_)
            | Self::NodeRegistered(_)
            | Self::NodeDrained(_)
            | Self::NodeRemoved(_)
            | Self::QuotaSet(_)
            | Self::PoolPolicySet(_)
            | Self::RequestVoted(_)
            | Self::RequestAdmitted(_)
            | Self::RequestQueued(_)
            | Self::RequestDeferred(_)
            | Self::DeferralDue(_)
            | Self::RequestEnded(_)
            | Self::LeaseGranted(_)
            | Self::LeaseRenewed(_)
            | Self::LeaseShrunk(_)
            | Self::LeaseEnded(_)
            | Self::QueueCarriedOver(_)
            | Self::QueueCaughtUp(_)
            | Self::NodeHealthChanged(_)
            | Self::DecisionOverridden(_)
            | Self::AppealFiled(_) => 1,
        }
    }
}
