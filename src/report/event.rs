//! Events: their names, what they are about, and how they look as JSON.

use conclave_core::decision::Event;
use conclave_core::units::{PoolId, RequestId, TenantId};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// An event as a JSON object: its name under `event`, then its fields.
#[derive(Debug)]
pub struct EventJson<'a>(pub &'a Event);

#[derive(Serialize)]
struct Named<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    fields: &'a T,
}

macro_rules! events {
    ($($variant:ident),*) => {
        /// Every event's name.
        pub const NAMES: &[&str] = &[$(stringify!($variant)),*];

        /// The event's name.
        #[must_use]
        pub fn name(event: &Event) -> &'static str {
            match event { $(Event::$variant(_) => stringify!($variant)),* }
        }

        /// The event that an [`EventJson`] shows; none when this release knows no such event.
        #[must_use]
        pub fn from_json(json: &Value) -> Option<Event> {
            match json.get("event")?.as_str()? {
                $(stringify!($variant) => {
                    serde_json::from_value(json.clone()).ok().map(Event::$variant)
                })*
                _ => None,
            }
        }

        impl Serialize for EventJson<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    $(Event::$variant(fields) => {
                        Named { event: stringify!($variant), fields }.serialize(to)
                    })*
                }
            }
        }
    };
}

events!(
    LogOpened,
    DeciderActivated,
    NodeRegistered,
    NodeDrained,
    NodeRemoved,
    QuotaSet,
    PoolPolicySet,
    RequestVoted,
    RequestAdmitted,
    RequestQueued,
    RequestDeferred,
    DeferralDue,
    RequestEnded,
    LeaseGranted,
    LeaseRenewed,
    LeaseShrunk,
    LeaseEnded,
    QueueCarriedOver,
    QueueCaughtUp,
    NodeHealthChanged,
    DecisionOverridden,
    AppealFiled,
    CouncilActivated,
    CouncilVoted,
    CouncilRemembered,
    MemberQuarantined,
    MemberReturned,
    CouncilWeighed,
    FairShareSet,
    PreemptionSet,
    PreemptionNoticed,
    LeasePreempted,
    BudgetToppedUp,
    BudgetAwaited,
    TariffSet,
    TenantParentSet,
    ReservationMade,
    ReservationStarted,
    ReservationEnded,
    ReservationCancelled,
    LeaseLetPast
);

/// What an event names.
#[derive(Debug, Default)]
pub struct Subject<'a> {
    /// Its pool.
    pub pool: Option<&'a PoolId>,
    /// The tenant whose quota or request it is, where the event says.
    pub tenant: Option<&'a TenantId>,
    /// The request or lease.
    pub request: Option<&'a RequestId>,
}

impl<'a> Subject<'a> {
    /// What `event` names.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        let about = |pool, request| Self { pool: Some(pool), request: Some(request), tenant: None };
        let within = |pool| Self { pool: Some(pool), ..Self::default() };
        match event {
            Event::LogOpened(_)
            | Event::DeciderActivated(_)
            | Event::CouncilActivated(_)
            | Event::MemberQuarantined(_)
            | Event::MemberReturned(_) => Self::default(),
            Event::CouncilWeighed(event) => about(&event.pool, &event.request),
            Event::NodeRegistered(event) => within(&event.pool),
            Event::NodeDrained(event) => within(&event.pool),
            Event::NodeRemoved(event) => within(&event.pool),
            Event::NodeHealthChanged(event) => within(&event.pool),
            Event::PoolPolicySet(event) => within(&event.pool),
            Event::FairShareSet(event) => within(&event.pool),
            Event::PreemptionSet(event) => within(&event.pool),
            Event::PreemptionNoticed(event) => about(&event.pool, &event.request),
            Event::LeasePreempted(event) => about(&event.pool, &event.request),
            Event::BudgetAwaited(event) => within(&event.pool),
            Event::TariffSet(event) => within(&event.pool),
            Event::ReservationMade(event) => {
                Self { tenant: Some(&event.reserve.tenant), ..within(&event.pool) }
            }
            Event::ReservationStarted(event) => within(&event.pool),
            Event::ReservationEnded(event) => within(&event.pool),
            Event::ReservationCancelled(event) => within(&event.pool),
            Event::LeaseLetPast(event) => about(&event.pool, &event.request),
            Event::BudgetToppedUp(event) => {
                Self { tenant: Some(&event.tenant), ..within(&event.pool) }
            }
            Event::TenantParentSet(event) => {
                Self { tenant: Some(&event.tenant), ..within(&event.pool) }
            }
            Event::QueueCarriedOver(event) => within(&event.pool),
            Event::QueueCaughtUp(event) => within(&event.pool),
            Event::QuotaSet(event) => {
                Self { tenant: Some(&event.quota.tenant), ..within(&event.pool) }
            }
            Event::RequestAdmitted(event) => {
                let ask = &event.request;
                Self { tenant: Some(&ask.tenant), ..about(&event.pool, &ask.request) }
            }
            Event::DecisionOverridden(event) => about(&event.pool, &event.request),
            Event::AppealFiled(event) => about(&event.pool, &event.request),
            Event::CouncilRemembered(event) => {
                Self { tenant: Some(&event.tenant), ..within(&event.pool) }
            }
            Event::CouncilVoted(event) => about(&event.pool, &event.request),
            Event::RequestVoted(event) => about(&event.pool, &event.request),
            Event::RequestQueued(event) => about(&event.pool, &event.request),
            Event::RequestDeferred(event) => about(&event.pool, &event.request),
            Event::DeferralDue(event) => about(&event.pool, &event.request),
            Event::RequestEnded(event) => about(&event.pool, &event.request),
            Event::LeaseGranted(event) => about(&event.pool, &event.request),
            Event::LeaseRenewed(event) => about(&event.pool, &event.request),
            Event::LeaseShrunk(event) => about(&event.pool, &event.request),
            Event::LeaseEnded(event) => about(&event.pool, &event.request),
        }
    }
}
