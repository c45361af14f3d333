//! Live requests, one by one: waiting, put off or running. Those that ended are in the log only.

use crate::error::Result;
use crate::report::pools::{find, number};
use crate::report::queue::{Blocked, waits_since};
use crate::report::sentence;
use crate::report::show::{between, clock, gpus, or_dash, rough};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::Viewer;
use conclave_core::blocker::Blockers;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::Placement;
use conclave_core::state::{Lease, Pool, Request, Stage, State};
use conclave_core::units::{GpuMilli, GpuModel, PoolId, RequestId, TimeMs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Live requests of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestsReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose requests.
    pub pool: String,
    /// How many of the stage there are that the viewer may see.
    pub count: i64,
    /// The first of them, by name.
    pub requests: Vec<RequestRow>,
    /// How many of the stage belong to others.
    pub of_others: i64,
}

/// One live request, and what keeps it from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Its pool.
    pub pool: String,
    /// The request.
    pub request: RequestRow,
    /// What keeps it from running: a name under `blocker`, and that blocker's numbers; none when
    /// it runs.
    #[schema(value_type = Option<Object>)]
    pub blocked_by: Option<Value>,
    /// The same in a sentence.
    pub sentence: Option<String>,
}

/// One live request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestRow {
    /// Its name.
    pub request: String,
    /// Who pays.
    pub tenant: String,
    /// Who asked.
    pub user: String,
    /// Where it stands.
    pub stage: StageName,
    /// What was asked, as the command `RequestAllocation` said it.
    #[schema(value_type = Object)]
    pub ask: RequestAllocation,
    /// Offset of the decision about its asking.
    pub arrival: i64,
    /// When it asked.
    pub arrived_at_ms: i64,
    /// Votes so far.
    pub votes: i64,
    /// Place in the queue, from 1; none when it does not wait for capacity.
    pub place: Option<i64>,
    /// Since when it waits for capacity.
    pub waits_since_ms: Option<i64>,
    /// When the next vote is due; none when it was not put off.
    pub retry_at_ms: Option<i64>,
    /// Its lease; none when it does not run.
    pub lease: Option<LeaseReport>,
}

/// Where a live request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// In the queue.
    Waiting,
    /// Put off by the council, until its next vote.
    Deferred,
    /// With a lease.
    Running,
}

/// A timed right to GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseReport {
    /// What whoever acts on the lease has to show: the decision that last changed it.
    pub fencing: i64,
    /// When it was granted.
    pub granted_at_ms: i64,
    /// When it ends by itself, or for another request.
    pub ends_at_ms: i64,
    /// Whether it ends for another request: then it is not renewed any more.
    pub under_notice: bool,
    /// What it holds.
    pub gpu_milli: i64,
    /// Model of its GPUs; empty for CPU only and for a mix.
    pub gpu_model: String,
    /// Where its replicas sit.
    #[schema(value_type = Vec<Object>)]
    pub replicas: Vec<Placement>,
}

impl StageName {
    fn of(stage: &Stage) -> Self {
        match stage {
            Stage::Waiting { .. } => Self::Waiting,
            Stage::Admitted | Stage::Deferred { .. } | Stage::Due { .. } => Self::Deferred,
            Stage::Running(_) => Self::Running,
        }
    }

    /// All stages.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Deferred, Self::Running];

    /// The stage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// The stage as JSON spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Deferred => "deferred",
            Self::Running => "running",
        }
    }
}

impl RequestsReport {
    /// The first `rows_max` requests of a stage (or of any), as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(
        state: &State,
        id: &PoolId,
        viewer: &Viewer,
        stage: Option<StageName>,
        rows_max: usize,
    ) -> Result<Self> {
        let pool = find(state, id)?;
        let places = places_of(pool, state.time_ms);
        let (mut requests, mut count, mut of_others) = (vec![], 0, 0);
        for request in pool.requests.values() {
            let is_asked = stage.is_none_or(|stage| stage == StageName::of(&request.stage));
            match (is_asked, viewer.sees(&request.ask.tenant)) {
                (false, _) => {}
                (true, false) => of_others += 1,
                (true, true) => {
                    count += 1;
                    if requests.len() < rows_max {
                        let place = places.get(&request.ask.request).copied();
                        requests.push(RequestRow::of(request, place));
                    }
                }
            }
        }
        Ok(Self { as_of: AsOf::of(state), pool: id.to_string(), count, requests, of_others })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, count, requests, of_others } = self;
        let mut table = Table::new(&[
            "REQUEST", "TENANT", "STAGE", ">PLACE", ">GPUS", ">FENCING", "SINCE", "UNTIL", "WHERE",
        ]);
        for row in requests {
            table.row(row.cells(as_of.time()));
        }
        let mut text = format!("{count} live requests of pool {pool}, {as_of}\n\n{}", table.text());
        let more = count - number(requests.len());
        if more > 0 {
            text.push_str(&format!("and {more} more: --limit shows more of them\n"));
        }
        if *of_others > 0 {
            text.push_str(&format!("and {of_others} of other tenants\n"));
        }
        text
    }
}

/// Where each waiting request stands in the order.
fn places_of(pool: &Pool, now: TimeMs) -> BTreeMap<&RequestId, i64> {
    (1..).zip(pool.in_order(now)).map(|(place, (_, _, one))| (&one.request, place)).collect()
}

impl RequestReport {
    /// One live request as `state` stands; none when there is no such request, or it is another
    /// tenant's: nobody learns names by asking for them.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(
        state: &State,
        id: &PoolId,
        request: &RequestId,
        viewer: &Viewer,
    ) -> Result<Option<Self>> {
        let pool = find(state, id)?;
        let seen = pool.request(request).filter(|request| viewer.sees(&request.ask.tenant));
        let Some(request) = seen else { return Ok(None) };
        let blockers = Blockers::of(state, id);
        let blocked = Blocked::of(&blockers, pool, request, state.time_ms, viewer);
        let place = request.waits_since().map(|_| {
            let before = pool.groups_before(request, state.time_ms).into_iter();
            number(before.map(|(_, count)| count).sum::<usize>()) + 1
        });
        Ok(Some(Self {
            as_of: AsOf::of(state),
            pool: id.to_string(),
            request: RequestRow::of(request, place),
            blocked_by: blocked.blocked_by,
            sentence: blocked.sentence,
        }))
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, request, sentence, .. } = self;
        let now = as_of.time();
        let stage = request.stage.as_str();
        let mut lines = vec![
            format!("{} in pool {pool}: {stage}, {as_of}", request.request),
            format!("  asked       {}", sentence::ask(&request.ask)),
            format!("  arrived     {} (decision {})", clock(request.arrived()), request.arrival),
        ];
        if let Some(place) = request.place {
            lines.push(format!("  place       {place} in the queue"));
        }
        if let Some(since) = request.waits_since_ms {
            lines.push(format!("  waits       {}", rough(between(TimeMs(since), now))));
        }
        if let Some(lease) = &request.lease {
            lines.extend(lease.lines(now));
        }
        if let Some(sentence) = sentence {
            lines.push(format!("  why         {sentence}"));
        }
        lines.join("\n") + "\n"
    }
}

impl RequestRow {
    fn of(request: &Request, place: Option<i64>) -> Self {
        let retry_at = match request.stage {
            Stage::Deferred { retry_at_ms } | Stage::Due { retry_at_ms } => Some(retry_at_ms.0),
            Stage::Admitted | Stage::Waiting { .. } | Stage::Running(_) => None,
        };
        Self {
            request: request.ask.request.to_string(),
            tenant: request.ask.tenant.to_string(),
            user: request.ask.user.to_string(),
            stage: StageName::of(&request.stage),
            ask: request.ask.clone(),
            arrival: request.arrival.0,
            arrived_at_ms: request.arrived_at_ms.0,
            votes: request.attempts,
            place,
            waits_since_ms: waits_since(request).map(|since| since.0),
            retry_at_ms: retry_at,
            lease: request.lease().map(|lease| LeaseReport::of(request, lease)),
        }
    }

    fn arrived(&self) -> TimeMs {
        TimeMs(self.arrived_at_ms)
    }

    fn cells(&self, now: TimeMs) -> [String; 9] {
        let lease = self.lease.as_ref();
        let since = lease.map(|lease| lease.granted_at_ms).or(self.waits_since_ms);
        let since = TimeMs(since.unwrap_or(self.arrived_at_ms));
        let until = lease.map(|lease| lease.ends_at_ms).or(self.retry_at_ms).map(TimeMs);
        let dash = || "-".to_owned();
        let GpuMilli(wanted) = self.ask.total_gpu_milli();
        [
            self.request.clone(),
            self.tenant.clone(),
            self.stage.as_str().to_owned(),
            self.place.map_or_else(dash, |place| place.to_string()),
            gpus(GpuMilli(lease.map_or(wanted, |lease| lease.gpu_milli))),
            lease.map_or_else(dash, |lease| lease.fencing.to_string()),
            rough(between(since, now)),
            until.map_or_else(dash, |until| format!("in {}", rough(between(now, until)))),
            lease.map_or_else(dash, LeaseReport::places),
        ]
    }
}

impl LeaseReport {
    fn of(request: &Request, lease: &Lease) -> Self {
        Self {
            fencing: lease.fencing.0,
            granted_at_ms: lease.granted_at_ms.0,
            ends_at_ms: lease.ends_at_ms.0,
            under_notice: lease.notice.is_some(),
            gpu_milli: request.held_gpu_milli().0,
            gpu_model: lease.gpu_model.to_string(),
            replicas: lease.replicas.clone(),
        }
    }

    fn places(&self) -> String {
        let model = GpuModel::from(self.gpu_model.as_str());
        or_dash(&sentence::places(&self.replicas, &model)).to_owned()
    }

    fn lines(&self, now: TimeMs) -> Vec<String> {
        let (from, until) = (TimeMs(self.granted_at_ms), TimeMs(self.ends_at_ms));
        let left = rough(between(now, until));
        let rest = match self.under_notice {
            true => "for another request, and is not renewed any more",
            false => "unless it is renewed",
        };
        vec![
            format!("  runs on     {}", self.places()),
            format!("  since       {} ({})", clock(from), rough(between(from, now))),
            format!("  ends        {} (in {left}) {rest}", clock(until)),
            format!("  fencing     {}", self.fencing),
        ]
    }
}
