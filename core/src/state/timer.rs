//! Things that happen by themselves when log time passes them.

use crate::units::{PoolId, RequestId, TimeMs};
use serde::{Deserialize, Serialize};

/// One thing that will happen. The order of the fields is the order in which timers fire:
/// deadline, then id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timer {
    /// When.
    pub at_ms: TimeMs,
    /// To which request or lease, or to which reservation; empty when it is about none.
    pub request: RequestId,
    /// In which pool.
    pub pool: PoolId,
    /// What.
    pub kind: TimerKind,
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimerKind {
    /// The lease ends unless it is renewed before.
    LeaseEnds,
    /// The request is no longer worth starting.
    DeadlinePasses,
    /// The deferred request is looked at again.
    DeferralIsDue,
    /// Somebody who waits for a budget or a price may start: the pool's queue is looked at again.
    BudgetFits,
    /// The reservation's time comes.
    ReservationStarts,
    /// The reservation's time is over.
    ReservationEnds,
}

impl TimerKind {
    /// Whether such a timer names a reservation where others name a request.
    #[must_use]
    pub fn is_of_reservation(self) -> bool {
        match self {
            Self::ReservationStarts | Self::ReservationEnds => true,
            Self::LeaseEnds | Self::DeadlinePasses | Self::DeferralIsDue | Self::BudgetFits => {
                false
            }
        }
    }
}
