//! Who waits in a pool, in which order, and for what.

use crate::error::Result;
use crate::estimate::{Estimate, Estimates, Held};
use crate::report::pools::find;
use crate::report::sentence;
use crate::report::show::{between, or_dash, rough};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::Viewer;
use conclave_core::blocker::Blockers;
use conclave_core::state::{Pool, Request, Stage, State};
use conclave_core::units::{DurationMs, PoolId, RequestId, TimeMs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Rows that are shown when nobody says how many.
pub const ROWS_DEFAULT: usize = 100;

/// The first of those who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose queue.
    pub pool: String,
    /// How many wait for capacity.
    pub waiting: i64,
    /// How many the council put off.
    pub deferred: i64,
    /// Whether the queue is being worked off over several decisions.
    pub is_carried_over: bool,
    /// The first of those who wait, in the order in which they would be granted.
    pub queue: Vec<QueueRow>,
    /// The first of those who were put off, by arrival.
    pub put_off: Vec<QueueRow>,
    /// How often what was said of waits in this pool was right; none where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates_held: Option<Held>,
}

/// A request that does not run. What only its tenant may know is missing for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueRow {
    /// Place in the order, from 1; none when it was put off.
    pub place: Option<i64>,
    /// Its name.
    pub request: Option<String>,
    /// Who pays, or `another tenant`.
    pub tenant: String,
    /// 1 (least) to 10.
    pub priority: i64,
    /// When it asked.
    pub arrived_at_ms: i64,
    /// Since when it waits for capacity; none when it was put off.
    pub waits_since_ms: Option<i64>,
    /// GPUs of the whole gang.
    pub gpu_milli: i64,
    /// What it wants, in words.
    pub wants: String,
    /// What keeps it from running: a name under `blocker`, and that blocker's numbers.
    #[schema(value_type = Option<Object>)]
    pub blocked_by: Option<Value>,
    /// The same in a sentence.
    pub sentence: Option<String>,
    /// How long it waits from joining the queue to its start, as was said when it joined; none
    /// where too few waits were known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

/// What keeps a request from running, as data and in a sentence.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    pub(super) blocked_by: Option<Value>,
    pub(super) sentence: Option<String>,
}

impl Blocked {
    /// # Panics
    /// When the request is not of the pool that the blockers are of.
    pub(super) fn of(
        blockers: &Blockers<'_>,
        pool: &Pool,
        request: &Request,
        now: TimeMs,
        viewer: &Viewer,
    ) -> Self {
        let Some(blocker) = blockers.blocker(request) else { return Self::default() };
        let blocker = viewer.hide(pool, blocker);
        let sentence = Some(sentence::blocker(&blocker, now));
        let blocked_by = Some(serde_json::to_value(blocker).expect("a blocker has named fields"));
        Self { blocked_by, sentence }
    }
}

/// What the rows of a pool have in common.
struct View<'a> {
    pool: &'a Pool,
    blockers: Blockers<'a>,
    now: TimeMs,
    viewer: &'a Viewer,
}

impl QueueReport {
    /// The first `rows_max` of those who wait, and of those who were put off, as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer, rows_max: usize) -> Result<Self> {
        let pool = find(state, id)?;
        let view = View { pool, blockers: Blockers::of(state, id), now: state.time_ms, viewer };
        Ok(Self {
            as_of: AsOf::of(state),
            pool: id.to_string(),
            waiting: pool.queue.len(),
            deferred: pool.deferred_count,
            is_carried_over: state.carried_over.contains(id),
            queue: view.waiting(rows_max),
            put_off: view.put_off(rows_max),
            estimates_held: None,
        })
    }

    /// The same with what was said of the waits of those who are named.
    #[must_use]
    pub fn estimated(mut self, estimates: &Estimates, pool: &PoolId) -> Self {
        for row in &mut self.queue {
            let request = row.request.as_deref().map(RequestId::from);
            row.estimate = request.and_then(|request| estimates.said_to(pool, &request));
        }
        self.estimates_held = Some(estimates.held(pool));
        self
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, waiting, deferred, .. } = self;
        let mut text = format!("{waiting} waiting in pool {pool}, {as_of}\n");
        if self.is_carried_over {
            text.push_str("the queue is being worked off over several decisions\n");
        }
        text.push_str(&section(&self.queue, *waiting, as_of.time()));
        if let Some(held) = self.estimates_held.filter(|_| *waiting > 0) {
            text.push_str(&format!("{}\n", legend(self.queue.as_slice(), &held)));
        }
        if *deferred > 0 {
            text.push_str(&format!("\n{deferred} put off by the council\n"));
            text.push_str(&section(&self.put_off, *deferred, as_of.time()));
        }
        text
    }
}

fn section(rows: &[QueueRow], all: i64, now: TimeMs) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let titles = [">#", "REQUEST", "TENANT", ">PRIORITY", ">WAITS", ">OF", "WANTS", "WHY"];
    let is_estimated = rows.iter().any(|row| row.estimate.is_some());
    let shown: Vec<_> =
        titles.into_iter().filter(|title| is_estimated || *title != ">OF").collect();
    let mut table = Table::new(&shown);
    for row in rows {
        let [place, request, tenant, priority, waits, of, wants, why] = row.cells(now);
        match is_estimated {
            true => table.row([place, request, tenant, priority, waits, of, wants, why]),
            false => table.row([place, request, tenant, priority, waits, wants, why]),
        }
    }
    let more = match all - super::pools::number(rows.len()) {
        0 => String::new(),
        more => format!("and {more} more: --limit shows more of them\n"),
    };
    format!("\n{}{more}", table.text())
}

/// What the column of estimates means, and how far it can be trusted.
fn legend(rows: &[QueueRow], held: &Held) -> String {
    if rows.iter().all(|row| row.estimate.is_none()) {
        return "no estimates of waits: too few like these have ended yet".to_owned();
    }
    format!(
        "OF: waits of its like, in half / 9 of 10 cases, as known when it joined; {}; no promise",
        held.words()
    )
}

impl View<'_> {
    fn waiting(&self, rows_max: usize) -> Vec<QueueRow> {
        let in_order = (1..).zip(self.pool.in_order(self.now).take(rows_max));
        let row = |(place, (_, _, waiter)): (i64, (_, _, &conclave_core::state::Waiter))| {
            self.row(&self.pool.requests[&waiter.request], Some(place))
        };
        in_order.map(row).collect()
    }

    fn put_off(&self, rows_max: usize) -> Vec<QueueRow> {
        if self.pool.deferred_count == 0 {
            return vec![];
        }
        let is_put_off = |request: &&Request| match request.stage {
            Stage::Deferred { .. } | Stage::Due { .. } => true,
            Stage::Admitted | Stage::Waiting { .. } | Stage::Running(_) => false,
        };
        let mut put_off: Vec<&Request> = self.pool.requests.values().filter(is_put_off).collect();
        put_off.sort_by_key(|request| request.arrival);
        put_off.into_iter().take(rows_max).map(|request| self.row(request, None)).collect()
    }

    fn row(&self, request: &Request, place: Option<i64>) -> QueueRow {
        let Self { pool, blockers, now, viewer } = self;
        let ask = &request.ask;
        let is_seen = viewer.sees(&ask.tenant);
        let blocked = match is_seen {
            true => Blocked::of(blockers, pool, request, *now, viewer),
            false => Blocked::default(),
        };
        QueueRow {
            place,
            request: is_seen.then(|| ask.request.to_string()),
            tenant: viewer.name_of(&ask.tenant),
            priority: ask.priority,
            arrived_at_ms: request.arrived_at_ms.0,
            waits_since_ms: waits_since(request).map(|since| since.0),
            gpu_milli: ask.total_gpu_milli().0,
            wants: sentence::wants(ask),
            blocked_by: blocked.blocked_by,
            sentence: blocked.sentence,
            estimate: None,
        }
    }
}

/// Since when a request waits for capacity.
pub(super) fn waits_since(request: &Request) -> Option<TimeMs> {
    match request.stage {
        Stage::Waiting { since_ms } => Some(since_ms),
        Stage::Admitted | Stage::Deferred { .. } | Stage::Due { .. } | Stage::Running(_) => None,
    }
}

impl QueueRow {
    fn cells(&self, now: TimeMs) -> [String; 8] {
        let since = TimeMs(self.waits_since_ms.unwrap_or(self.arrived_at_ms));
        let DurationMs(waits) = between(since, now);
        [
            self.place.map_or_else(|| "-".to_owned(), |place| place.to_string()),
            or_dash(self.request.as_deref().unwrap_or("")).to_owned(),
            self.tenant.clone(),
            self.priority.to_string(),
            rough(DurationMs(waits)),
            self.estimate.map_or_else(|| "-".to_owned(), |estimate| estimate.short()),
            self.wants.clone(),
            or_dash(self.sentence.as_deref().unwrap_or("")).to_owned(),
        ]
    }
}
