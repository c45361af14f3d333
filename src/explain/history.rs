//! What an explanation holds of the past: who started before a request while it waited, and who
//! made room for whom.

use super::report::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// By which rule somebody started while a request waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassRule {
    /// Others' leases were told to end for it.
    RoomMade,
    /// It kept the request back: it had waited W.
    Protection,
    /// Its priority is higher.
    Priority,
    /// Of the same priority, and its tenant had used less of the pool for its weight.
    FairShare,
    /// Of the same place in both, and it came earlier.
    Arrival,
    /// It comes after the request in the order, and could start where that could not.
    Overtaking,
}

impl PassRule {
    /// The rule as JSON spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoomMade => "room_made",
            Self::Protection => "protection",
            Self::Priority => "priority",
            Self::FairShare => "fair_share",
            Self::Arrival => "arrival",
            Self::Overtaking => "overtaking",
        }
    }
}

/// Those who started while a request waited and could have wanted a GPU that it wants. One that
/// started, was preempted and started again counts twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WentAhead {
    /// How many starts.
    pub starts: usize,
    /// The same by rule: `room_made`, `protection`, `priority`, `fair_share`, `arrival`,
    /// `overtaking`. A rule by which nobody did is missing.
    pub by_rule: BTreeMap<String, usize>,
    /// The first of them; another tenant's is not named.
    pub first: Vec<WentFirst>,
}

/// Somebody who started while a request waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WentFirst {
    /// Which request, or that it is another tenant's.
    pub request: String,
    /// Whose.
    pub tenant: String,
    /// By which rule, the first time.
    pub rule: PassRule,
    /// The decisions that granted it, the first ones of them.
    pub at: Vec<Moment>,
    /// How often it started.
    pub times: usize,
    /// By fair share: what its tenant had used of the pool for its weight before that, in
    /// billionths of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub its_use_per_billion: Option<i64>,
    /// The same of the tenant that waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_use_per_billion: Option<i64>,
}

/// A lease that was told to end for another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomMade {
    /// Whose lease: the request itself, or the one that it preempted. Another tenant's is not
    /// named.
    pub request: String,
    /// Whose request that is.
    pub tenant: String,
    /// For which request.
    pub by: String,
    /// Whose request that is.
    pub by_tenant: String,
    /// By which right: `priority` or `guarantee`.
    pub right: String,
    /// When its holder was told.
    pub noticed: Moment,
    /// When it was to end.
    pub ends_at_ms: i64,
    /// When it ended; none while it runs.
    pub ended: Option<Moment>,
    /// `preempted`, or in which other way its lease ended before that: `released`, `expired` or
    /// `revoked`.
    pub how: Option<String>,
    /// Since when its request waits again; none when it does not, or did not.
    pub waits_again: Option<Moment>,
}
