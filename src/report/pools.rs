//! Pools: what they own, how busy they are, by which rules they work.

use crate::error::{Error, Result};
use crate::report::sentence::policy;
use crate::report::show::{between, gpus, rough, some_gpus};
use crate::report::status::{AsOf, latest};
use crate::report::table::Table;
use crate::report::viewer::Viewer;
use conclave_core::command::{CouncilMode, SetPoolPolicy};
use conclave_core::state::{Pool, State, Timer, TimerKind, Waiters};
use conclave_core::units::{DurationMs, GpuMilli, PoolId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One pool in counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolStatus {
    /// Its name.
    pub pool: String,
    /// What the council's verdict does: `off`, `advise` or `enforce`.
    #[schema(value_type = String)]
    pub council: CouncilMode,
    /// GPUs of all nodes.
    pub gpu_milli_total: i64,
    /// What leases hold of them.
    pub gpu_milli_used: i64,
    /// What nobody holds on nodes that accept work.
    pub gpu_milli_free: i64,
    /// All nodes.
    pub nodes: i64,
    /// Nodes that take no new work, by order.
    pub draining: i64,
    /// Nodes that were reported unhealthy, draining or not.
    pub unhealthy: i64,
    /// Tenants with a quota.
    pub tenants: i64,
    /// Requests that hold a lease.
    pub running: i64,
    /// Requests that wait for capacity.
    pub waiting: i64,
    /// Requests that the council put off.
    pub deferred: i64,
    /// How long the longest waits by now; none when nobody does.
    pub longest_wait_ms: Option<i64>,
    /// Whether the queue is being worked off over several decisions.
    pub is_carried_over: bool,
    /// What happens by itself next; none when nothing will.
    pub next_timer: Option<NextTimer>,
}

/// Something that will happen by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextTimer {
    /// When.
    pub at_ms: i64,
    /// `lease_ends`, `deadline_passes` or `deferral_is_due`.
    pub kind: String,
    /// To which request; none when it is another tenant's.
    pub request: Option<String>,
}

/// All pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolsReport {
    /// The moment of all of it; of several partitions, the latest decision of any.
    pub as_of: AsOf,
    /// By name.
    pub pools: Vec<PoolStatus>,
}

/// One pool with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Its counts.
    pub status: PoolStatus,
    /// Its rules, as the command `SetPoolPolicy` gave them.
    #[schema(value_type = Object)]
    pub policy: SetPoolPolicy,
}

/// The pool of this name.
///
/// # Errors
/// `Invalid` when there is none: the message names those that there are.
pub fn find<'a>(state: &'a State, pool: &PoolId) -> Result<&'a Pool> {
    /// Names that a message has room for.
    const NAMED_MAX: usize = 20;
    if let Some(pool) = state.pools.get(pool) {
        return Ok(pool);
    }
    if state.log.as_ref().is_some_and(|log| log.partition_count > 1) {
        let partition = state.partition;
        return Err(Error::invalid(format!(
            "there is no pool '{pool}' in partition {partition}, where it would live: `conclave \
             status` names all pools, and a SetPoolPolicy creates one"
        )));
    }
    let names: Vec<&str> = state.pools.keys().take(NAMED_MAX).map(|id| id.0.as_str()).collect();
    let more = if state.pools.len() > NAMED_MAX { ", ..." } else { "" };
    Err(Error::invalid(match names.as_slice() {
        [] => format!("there is no pool '{pool}', nor any other: a SetPoolPolicy creates one"),
        names => format!("there is no pool '{pool}': use one of {}{more}", names.join(", ")),
    }))
}

impl PoolStatus {
    /// All pools of `state` by name.
    #[must_use]
    pub fn all(state: &State, viewer: &Viewer) -> Vec<Self> {
        let timers = next_timers(state);
        let of = |(id, pool): (&PoolId, &Pool)| {
            Self::of(state, id, pool, timers.get(id).copied(), viewer)
        };
        state.pools.iter().map(of).collect()
    }

    fn of(state: &State, id: &PoolId, pool: &Pool, next: Option<&Timer>, viewer: &Viewer) -> Self {
        let gpus = pool.fleet.gpus();
        let (waiting, deferred) = (pool.queue.len(), pool.deferred_count);
        let nodes = pool.fleet.nodes().iter();
        let unhealthy = nodes.clone().filter(|node| !node.is_healthy()).count();
        let groups = pool.queue.groups().values();
        let first_since = groups.filter_map(Waiters::first_joined).min();
        Self {
            pool: id.to_string(),
            council: pool.policy.council,
            gpu_milli_total: gpus.total_milli.0,
            gpu_milli_used: gpus.used_milli.0,
            gpu_milli_free: pool.free_gpu_milli().0,
            nodes: number(pool.fleet.nodes().len()),
            draining: number(nodes.filter(|node| node.is_draining()).count()),
            unhealthy: number(unhealthy),
            tenants: number(pool.tenants.len()),
            running: number(pool.requests.len()) - waiting - deferred,
            waiting,
            deferred,
            longest_wait_ms: first_since.map(|since| between(since, state.time_ms).0),
            is_carried_over: state.carried_over.contains(id),
            next_timer: next.map(|timer| NextTimer::of(timer, pool, viewer)),
        }
    }

    /// Lines for people, one per pool, as seen at `now`.
    #[must_use]
    pub fn table(pools: &[Self], now: TimeMs) -> String {
        let mut table = Table::new(&[
            "POOL",
            "COUNCIL",
            ">USED",
            ">FREE",
            ">NODES",
            ">RUNNING",
            ">WAITING",
            ">DEFERRED",
            ">LONGEST WAIT",
            "NEXT",
        ]);
        for pool in pools {
            table.row(pool.cells(now));
        }
        table.text()
    }

    /// `3 (1 draining)`.
    #[must_use]
    pub fn nodes_in_words(&self) -> String {
        let parts = [(self.draining, "draining"), (self.unhealthy, "unhealthy")];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        match parts.as_slice() {
            [] => self.nodes.to_string(),
            parts => format!("{} ({})", self.nodes, parts.join(", ")),
        }
    }

    fn cells(&self, now: TimeMs) -> [String; 10] {
        let used = gpus(GpuMilli(self.gpu_milli_used));
        let carried = if self.is_carried_over { " (being worked off)" } else { "" };
        let longest = self.longest_wait_ms.map(|ms| rough(DurationMs(ms)));
        [
            self.pool.clone(),
            council(self.council).to_owned(),
            format!("{used} of {}", some_gpus(GpuMilli(self.gpu_milli_total))),
            gpus(GpuMilli(self.gpu_milli_free)),
            self.nodes_in_words(),
            self.running.to_string(),
            format!("{}{carried}", self.waiting),
            self.deferred.to_string(),
            longest.unwrap_or_else(|| "-".to_owned()),
            self.next_timer.as_ref().map_or_else(|| "-".to_owned(), |timer| timer.text(now)),
        ]
    }
}

/// The next timer of each pool that has one.
fn next_timers(state: &State) -> BTreeMap<&PoolId, &Timer> {
    let mut next = BTreeMap::new();
    for timer in &state.timers {
        next.entry(&timer.pool).or_insert(timer);
        if next.len() == state.pools.len() {
            break;
        }
    }
    next
}

impl NextTimer {
    fn of(timer: &Timer, pool: &Pool, viewer: &Viewer) -> Self {
        let is_of_request = !timer.kind.is_of_reservation();
        let request = pool.request(&timer.request).filter(|_| is_of_request);
        let is_seen = request.is_some_and(|request| viewer.sees(&request.ask.tenant));
        let kind = match timer.kind {
            TimerKind::LeaseEnds => "lease_ends",
            TimerKind::DeadlinePasses => "deadline_passes",
            TimerKind::DeferralIsDue => "deferral_is_due",
            TimerKind::BudgetFits => "budget_fits",
            TimerKind::ReservationStarts => "reservation_starts",
            TimerKind::ReservationEnds => "reservation_ends",
        };
        Self {
            at_ms: timer.at_ms.0,
            kind: kind.to_owned(),
            request: is_seen.then(|| timer.request.to_string()),
        }
    }

    fn text(&self, now: TimeMs) -> String {
        let in_so_long = rough(between(now, TimeMs(self.at_ms)));
        let what = match self.kind.as_str() {
            "lease_ends" => "ends",
            "deadline_passes" => "passes its deadline",
            "deferral_is_due" => "is voted on again",
            "reservation_starts" => return format!("a reservation starts in {in_so_long}"),
            "reservation_ends" => return format!("a reservation is over in {in_so_long}"),
            "budget_fits" => return format!("the queue is looked at again in {in_so_long}"),
            other => other,
        };
        let who = self.request.as_deref().unwrap_or("another tenant's request");
        format!("{who} {what} in {in_so_long}")
    }
}

impl PoolsReport {
    /// All pools as `state` stands.
    #[must_use]
    pub fn of(state: &State, viewer: &Viewer) -> Self {
        Self { as_of: AsOf::of(state), pools: PoolStatus::all(state, viewer) }
    }

    /// The pools of all partitions, given each one's.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn sum(each: Vec<Self>) -> Self {
        let as_of = latest(each.iter().map(|one| one.as_of));
        let mut pools: Vec<_> = each.into_iter().flat_map(|one| one.pools).collect();
        pools.sort_by(|one, other| one.pool.cmp(&other.pool));
        Self { as_of, pools }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n\n{}", self.as_of, PoolStatus::table(&self.pools, self.as_of.time()))
    }
}

impl PoolReport {
    /// One pool as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let next = state.timers.iter().find(|timer| timer.pool == *id);
        Ok(Self {
            as_of: AsOf::of(state),
            status: PoolStatus::of(state, id, pool, next, viewer),
            policy: pool.policy.clone(),
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let status = PoolStatus::table(std::slice::from_ref(&self.status), self.as_of.time());
        format!("{}\n\n{status}\npolicy: {}\n", self.as_of, policy(&self.policy))
    }
}

/// The mode as commands spell it.
fn council(mode: CouncilMode) -> &'static str {
    match mode {
        CouncilMode::Off => "off",
        CouncilMode::Advise => "advise",
        CouncilMode::Enforce => "enforce",
    }
}

/// A count as JSON has it.
pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).expect("what is counted is in memory")
}
