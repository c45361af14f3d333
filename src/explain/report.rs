//! What an explanation holds. Quantities carry their unit in the name; a blocker, an event and what
//! was asked look as they do everywhere else.

use super::history::{RoomMade, WentAhead};
use super::networks::Networks;
use crate::estimate::{Estimates, Outlook};
use conclave_core::blocker::Blocker;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::{Event, Placement};
use conclave_core::explain::Change;
use conclave_core::units::{PoolId, RequestId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Right after which decision, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moment {
    /// Offset of the decision.
    pub offset: i64,
    /// Its log time.
    pub time_ms: i64,
}

/// Why a request waits, was refused, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainReport {
    /// Which request.
    pub request: String,
    /// Its pool.
    pub pool: String,
    /// The decision after which the answer holds.
    pub as_of: Moment,
    /// When it was asked for; of several that bore the name, the last.
    pub asked: Moment,
    /// In a word: `waiting`, `running`, `put off by the council`, `refused`, `ended`, `ended
    /// without a lease`.
    pub stands: String,
    /// What was asked; none when it was refused and the command is not at hand.
    #[schema(value_type = Option<Object>)]
    pub ask: Option<RequestAllocation>,
    /// The rule that refused it.
    pub refused_code: Option<String>,
    /// That rule's numbers in words.
    pub refused_detail: Option<String>,
    /// Everything that stands against it now, the rule that is met first coming first.
    #[schema(value_type = Vec<Object>)]
    pub blocked_by: Vec<Blocker>,
    /// The same in sentences.
    pub blocked_by_sentences: Vec<String>,
    /// What kept it from running, one after the other.
    pub waited: Vec<Waited>,
    /// Older ones beyond the first thousand.
    pub waited_forgotten: usize,
    /// How long by each kind of blocker, longest first; the forgotten ones are in it.
    pub waited_by: Vec<WaitedBy>,
    /// Who started while it waited and could have wanted a GPU that it wants; none when nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went_ahead: Option<WentAhead>,
    /// Each time its lease was told to end for another request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preempted: Vec<RoomMade>,
    /// Each lease that was told to end for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_room: Vec<RoomMade>,
    /// Older ones of both beyond the first thousand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub made_room_forgotten: usize,
    /// Who stands before it in the order; none when it does not wait in the queue.
    pub ahead: Option<Ahead>,
    /// What was said of its wait when it joined the queue; none when it does not wait there, or
    /// nobody saw it join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Outlook>,
    /// The last vote, for what was put off or denied, when the rules gave it.
    pub council: Option<Council>,
    /// The last vote of networks, when they voted last, with its reasons where they are proved.
    pub networks: Option<Networks>,
    /// Where the rules voted last: the last vote of networks before that, with its reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks_before: Option<Networks>,
    /// The numbers that the refusing rule compared.
    pub refusal_numbers: BTreeMap<String, i64>,
    /// The smallest changes of one field that would let it start now; of a refused or deferred one,
    /// that would have let it in.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Change>,
    /// What to make of the changes, or of there being none.
    pub advice: Option<String>,
    /// Votes, grant, renewals, end.
    pub events: Vec<EventAt>,
}

impl ExplainReport {
    /// Adds what was said of its wait.
    pub fn add_estimate(&mut self, estimates: &Estimates) {
        if self.ahead.is_some() {
            let (pool, request) = (PoolId::from(&*self.pool), RequestId::from(&*self.request));
            self.wait = estimates.outlook_of(&pool, &request);
        }
    }

    /// The sentence about a vote that does not follow from the log; none when all of them do.
    #[must_use]
    pub fn corruption(&self) -> Option<&str> {
        let votes = self.networks.iter().chain(&self.networks_before);
        votes.filter_map(Networks::corruption).next()
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What kept a request from running, from one decision to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waited {
    /// The decision from which on.
    pub from: Moment,
    /// None while it lasts.
    pub until: Option<Moment>,
    /// As it stood last.
    #[schema(value_type = Object)]
    pub blocker: Blocker,
    /// The same for people.
    pub sentence: String,
    /// Who started meanwhile and could have wanted a GPU that it wants; none when nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went_ahead: Option<WentAhead>,
}

/// How long one kind of blocker kept a request from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitedBy {
    /// The kind, as a blocker is tagged.
    pub blocker: String,
    /// All its intervals together.
    pub waited_ms: i64,
}

/// Those before a request in the order of its queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ahead {
    /// Its place in the order, from 1.
    pub place: usize,
    /// How many stand before it because their priority is higher.
    pub by_priority: usize,
    /// How many of its own priority stand before it because their tenant has used less of the pool
    /// for its weight; 0 where the queue is ordered by arrival.
    #[serde(default)]
    pub by_fair_share: usize,
    /// How many of its own priority stand before it because they came earlier.
    pub by_arrival: usize,
    /// How many of them could want a GPU that it wants: the others are not in its way.
    pub sharing_a_model: usize,
    /// The first of them all, by name; another tenant's is not named.
    pub first: Vec<String>,
    /// The first of those who could want a GPU that it wants.
    pub in_its_way: Vec<InItsWay>,
    /// Requests that nobody who came later may overtake and that keep this one back.
    pub protected: Vec<InItsWay>,
    /// Whether it is protected itself.
    pub is_protected: bool,
    /// From when on nobody who comes later may overtake it, as the queue stands now; none when it
    /// does not wait for capacity or somebody before it would have to start first.
    pub protected_from_ms: Option<i64>,
}

/// Somebody before a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InItsWay {
    /// Which request, or that it is another tenant's.
    pub request: String,
    /// Whose.
    pub tenant: String,
    /// The rule: `priority`, `fair_share`, `arrival` or `bounded_overtaking`.
    pub rule: String,
    /// Its priority.
    pub priority: i64,
    /// Since when it waits for capacity.
    pub since_ms: i64,
    /// By fair share: what its tenant has used of the pool for its weight, in billionths of all of
    /// it; none where the viewer may not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub its_use_per_billion: Option<i64>,
    /// The same of the tenant that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_use_per_billion: Option<i64>,
}

/// A vote and what it is measured by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Council {
    /// Which vote it was, from 1.
    pub attempt: i64,
    /// Sum of the terms.
    pub score: i64,
    /// Priority times 4.
    pub priority_points: i64,
    /// More for smaller requests.
    pub size_points: i64,
    /// More for shorter requests.
    pub duration_points: i64,
    /// More when preemptible.
    pub preemptible_points: i64,
    /// As many approve.
    pub approve_from: i64,
    /// As many put off; none at the last vote.
    pub defer_from: Option<i64>,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventAt {
    /// When.
    pub at: Moment,
    /// What, with its name under `event`.
    #[serde(flatten, with = "named")]
    #[schema(value_type = Object)]
    pub event: Event,
}

/// Where a request would start, or starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// Which request, or that it is another tenant's.
    pub request: String,
    /// Model of the GPUs; empty for CPU only, or when replicas sit on different models.
    pub gpu_model: String,
    /// Where each replica sits.
    #[schema(value_type = Vec<Object>)]
    pub replicas: Vec<Placement>,
    /// When its lease would end by itself.
    pub ends_at_ms: i64,
}

/// Events as they read everywhere.
mod named {
    use crate::report::event::{EventJson, from_json};
    use conclave_core::decision::Event;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(event: &Event, to: S) -> Result<S::Ok, S::Error> {
        EventJson(event).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Event, D::Error> {
        let json = Value::deserialize(from)?;
        from_json(&json).ok_or_else(|| D::Error::custom("no event that this release knows"))
    }
}
