//! What is kept free for whom, when and where, and how much of it is used.

use crate::error::Result;
use crate::report::pools::{find, number};
use crate::report::show::{clock, gpus, or_dash};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::Viewer;
use conclave_core::state::{Pool, Reservation, State};
use conclave_core::units::{GpuMilli, PoolId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is said of each, for people.
const TITLES: [&str; 9] =
    ["RESERVATION", "TENANT", "STATE", "START", "END", ">GPUS", ">USED", ">SHORT", "NODES"];

/// The reservations of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationsReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose.
    pub pool: String,
    /// Those that the viewer may see and that are not over: the first to start first.
    pub reservations: Vec<ReservationRow>,
    /// Those of other tenants.
    pub of_others: i64,
}

/// One reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationRow {
    /// Its name.
    pub reservation: String,
    /// For whom.
    pub tenant: String,
    /// Whether its time has come.
    pub has_started: bool,
    /// When it starts.
    pub start_ms: i64,
    /// When it is over.
    pub end_ms: i64,
    /// How many times what follows.
    pub replicas: i64,
    /// GPUs per replica.
    pub gpu_count: i64,
    /// Milli of each GPU.
    pub gpu_milli: i64,
    /// CPU per replica.
    pub cpu_milli: i64,
    /// Memory per replica.
    pub memory_mib: i64,
    /// Model of its GPUs; empty for CPU only, or when replicas are on different models.
    pub gpu_model: String,
    /// What leases of its tenant hold of its GPUs now.
    pub used_gpu_milli: i64,
    /// Replicas on nodes that take no new work now: so many are not there for its requests.
    pub replicas_out_of_service: i64,
    /// Why it was made.
    pub reason: String,
    /// Where it is, node by node.
    pub nodes: Vec<ReservedHere>,
}

/// What of one node is reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservedHere {
    /// Which node.
    pub node: String,
    /// Replicas there.
    pub replicas: i64,
    /// Indices of their GPUs.
    pub gpus: Vec<i64>,
}

impl ReservationsReport {
    /// The reservations as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let (seen, others): (Vec<_>, Vec<_>) =
            pool.reservations.all().partition(|one| viewer.sees(&one.reserve.tenant));
        let mut reservations: Vec<_> = seen.into_iter().map(|one| row(pool, one)).collect();
        reservations.sort_by_key(|row| (row.start_ms, row.reservation.clone()));
        let of_others = number(others.len());
        Ok(Self { as_of: AsOf::of(state), pool: id.to_string(), reservations, of_others })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&TITLES);
        self.reservations.iter().for_each(|row| table.row(row.cells()));
        let Self { as_of, pool, of_others, .. } = self;
        let others = match of_others {
            0 => String::new(),
            count => format!("and {count} of other tenants\n"),
        };
        let rows = table.text();
        let nothing =
            if rows.is_empty() && others.is_empty() { "nothing is reserved\n" } else { "" };
        format!("reservations of pool {pool}, GPUs, {as_of}\n\n{rows}{nothing}{others}")
    }
}

impl ReservationRow {
    fn cells(&self) -> [String; 9] {
        let state = if self.has_started { "active" } else { "to come" };
        let all = self.replicas * self.gpu_count * self.gpu_milli;
        let nodes: Vec<String> = self.nodes.iter().map(ReservedHere::text).collect();
        [
            self.reservation.clone(),
            self.tenant.clone(),
            state.to_owned(),
            clock(TimeMs(self.start_ms)),
            clock(TimeMs(self.end_ms)),
            gpus(GpuMilli(all)),
            gpus(GpuMilli(self.used_gpu_milli)),
            or_dash(&short(self)).to_owned(),
            nodes.join(" "),
        ]
    }
}

fn short(row: &ReservationRow) -> String {
    match row.replicas_out_of_service {
        0 => String::new(),
        count => format!("{count} of {}", row.replicas),
    }
}

impl ReservedHere {
    fn text(&self) -> String {
        let gpus: Vec<String> = self.gpus.iter().map(ToString::to_string).collect();
        if gpus.is_empty() {
            self.node.clone()
        } else {
            format!("{}:{}", self.node, gpus.join(","))
        }
    }
}

fn row(pool: &Pool, one: &Reservation) -> ReservationRow {
    let reserve = &one.reserve;
    let mut nodes: BTreeMap<&str, ReservedHere> = BTreeMap::new();
    let mut out_of_service = 0;
    for at in &one.replicas {
        let new = || ReservedHere { node: at.node.to_string(), replicas: 0, gpus: vec![] };
        let here = nodes.entry(&at.node.0).or_insert_with(new);
        here.replicas += 1;
        here.gpus.extend(&at.gpus);
        let node = pool.fleet.index_of(&at.node).map(|index| pool.fleet.node(index));
        out_of_service += i64::from(node.is_none_or(|node| !node.accepts_work()));
    }
    for here in nodes.values_mut() {
        here.gpus.sort_unstable();
        here.gpus.dedup();
    }
    ReservationRow {
        reservation: reserve.reservation.to_string(),
        tenant: reserve.tenant.to_string(),
        has_started: one.has_started,
        start_ms: reserve.start_ms.0,
        end_ms: reserve.end_ms.0,
        replicas: reserve.replicas,
        gpu_count: reserve.gpu_count,
        gpu_milli: reserve.gpu_milli.0,
        cpu_milli: reserve.cpu_milli.0,
        memory_mib: reserve.memory_mib.0,
        gpu_model: one.gpu_model.to_string(),
        used_gpu_milli: used(pool, &reserve.tenant, &nodes).min(one.gpu_milli().0),
        replicas_out_of_service: out_of_service,
        reason: reserve.reason.clone(),
        nodes: nodes.into_values().collect(),
    }
}

/// What a tenant's leases hold of these GPUs.
fn used(pool: &Pool, tenant: &TenantId, nodes: &BTreeMap<&str, ReservedHere>) -> i64 {
    let own = pool.requests.values().filter(|request| request.ask.tenant == *tenant);
    let leases = own.filter_map(|request| Some((request.lease()?, request.ask.gpu_milli.0)));
    let held = leases.flat_map(|(lease, milli)| {
        lease.replicas.iter().map(move |at| {
            let here = nodes.get(at.node.0.as_str());
            let shared = |here: &ReservedHere| {
                number(at.gpus.iter().filter(|gpu| here.gpus.contains(gpu)).count())
            };
            milli * here.map_or(0, shared)
        })
    });
    held.sum()
}
