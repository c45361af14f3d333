//! Who may use how much of a pool, and how much of it they use.

use crate::error::Result;
use crate::report::pools::find;
use crate::report::show::gpus;
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::tree::{in_tree, indented};
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::state::{Pool, Stage, State, Tenant};
use conclave_core::units::{GpuMilli, PoolId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The tenants of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotasReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose tenants.
    pub pool: String,
    /// Those that the viewer may see, by name.
    pub quotas: Vec<QuotaReport>,
    /// The others together; none when all are seen.
    pub others: Option<OthersReport>,
}

/// One tenant's share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaReport {
    /// Whose share.
    pub tenant: String,
    /// Kept free for this tenant.
    pub guarantee_gpu_milli: i64,
    /// Never granted more than this.
    pub limit_gpu_milli: i64,
    /// What its leases hold.
    pub used_gpu_milli: i64,
    /// Below whom it stands; none at the top.
    pub parent: Option<String>,
    /// How many of those above it are seen.
    pub depth: usize,
    /// What the leases of all below it hold.
    pub below_used_gpu_milli: i64,
    /// What is promised to it, or to anybody below it, and not used.
    pub promised_gpu_milli: i64,
    /// Most that its preemptible requests may hold of others' idle guarantees at once.
    pub borrow_gpu_milli: i64,
    /// What its leases, and those of all below it, borrowed.
    pub borrowed_gpu_milli: i64,
    /// Most of its idle guarantee that others may borrow at once; none for all of it.
    pub lend_gpu_milli: Option<i64>,
    /// What others borrowed of it.
    pub lent_gpu_milli: i64,
    /// Its leases.
    pub running: i64,
    /// Its requests that wait for capacity, or were put off.
    pub waiting: i64,
    /// What those want.
    pub waiting_gpu_milli: i64,
    /// Commands per minute of log time; 0 is unlimited.
    pub rate_per_minute: i64,
    /// What it may use beside others in the fair share.
    pub weight: i64,
    /// GPU-hours that its leases may take per window; none without a budget.
    pub gpu_hour_budget: Option<i64>,
    /// Length of a window; 0 without a budget.
    pub budget_window_ms: i64,
}

/// Tenants that the viewer may not see, together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OthersReport {
    /// How many they are.
    pub tenants: i64,
    /// What is kept free for them.
    pub guarantee_gpu_milli: i64,
    /// What their leases hold.
    pub used_gpu_milli: i64,
    /// Their requests that wait for capacity, or were put off.
    pub waiting: i64,
}

/// What a tenant's requests come to.
#[derive(Default)]
struct Demand {
    running: i64,
    waiting: i64,
    waiting_gpu_milli: i64,
}

impl QuotasReport {
    /// The shares as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let (demands, nothing) = (demands(pool), Demand::default());
        let (mut quotas, mut others) = (vec![], OthersReport::default());
        for (name, tenant, depth) in in_tree(pool, viewer, |_, _| ()) {
            let mut quota = QuotaReport::of(tenant, demands.get(name).unwrap_or(&nothing));
            let parent = tenant.branch.parent.as_ref();
            (quota.depth, quota.parent) = (depth, parent.map(|parent| viewer.name_of(parent)));
            if viewer.sees(name) {
                quotas.push(quota);
            } else {
                // A child's guarantee is a part of its parent's.
                let is_counted = parent.is_some_and(|parent| !viewer.sees(parent));
                others.add(&quota, !is_counted);
            }
        }
        let others = (others.tenants > 0).then_some(others);
        Ok(Self { as_of: AsOf::of(state), pool: id.to_string(), quotas, others })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            "TENANT",
            ">USED",
            ">GUARANTEED",
            ">LIMIT",
            ">RUNNING",
            ">WAITING",
            ">WANTED",
            ">COMMANDS/MIN",
        ]);
        for quota in &self.quotas {
            table.row(quota.cells());
        }
        if let Some(others) = &self.others {
            table.row(others.cells());
        }
        let Self { as_of, pool, .. } = self;
        let loans = self.loans();
        format!("tenants of pool {pool}, GPUs, {as_of}\n\n{}{loans}", table.text())
    }

    /// Who lends and borrows, where somebody may.
    fn loans(&self) -> String {
        let mut table =
            Table::new(&["TENANT", ">PROMISED", ">LENT", ">LENDS", ">BORROWED", ">BORROWS"]);
        if !self.quotas.iter().any(QuotaReport::may_lend_or_borrow) {
            return String::new();
        }
        self.quotas.iter().for_each(|quota| table.row(quota.loan_cells()));
        format!("\nwhat is promised and idle, and what of it is lent\n\n{}", table.text())
    }
}

fn demands(pool: &Pool) -> BTreeMap<&TenantId, Demand> {
    let mut demands: BTreeMap<&TenantId, Demand> = BTreeMap::new();
    for request in pool.requests.values() {
        let demand = demands.entry(&request.ask.tenant).or_default();
        match request.stage {
            Stage::Running(_) => demand.running += 1,
            Stage::Admitted
            | Stage::Waiting { .. }
            | Stage::Deferred { .. }
            | Stage::Due { .. } => {
                demand.waiting += 1;
                demand.waiting_gpu_milli += request.ask.total_gpu_milli().0;
            }
        }
    }
    demands
}

impl QuotaReport {
    fn of(tenant: &Tenant, demand: &Demand) -> Self {
        Self {
            tenant: tenant.quota.tenant.to_string(),
            guarantee_gpu_milli: tenant.quota.guarantee_gpu_milli.0,
            limit_gpu_milli: tenant.quota.limit_gpu_milli.0,
            used_gpu_milli: tenant.used_gpu_milli.0,
            parent: None,
            depth: 0,
            below_used_gpu_milli: tenant.branch.below.used,
            promised_gpu_milli: tenant.promised().0,
            borrow_gpu_milli: tenant.quota.borrow_gpu_milli.0,
            borrowed_gpu_milli: tenant.borrowed_with_below().0,
            lend_gpu_milli: tenant.branch.lend_gpu_milli.map(|lend| lend.0),
            lent_gpu_milli: tenant.branch.lent_gpu_milli.0,
            running: demand.running,
            waiting: demand.waiting,
            waiting_gpu_milli: demand.waiting_gpu_milli,
            rate_per_minute: tenant.quota.rate_per_minute,
            weight: tenant.quota.weight,
            gpu_hour_budget: tenant.quota.gpu_hour_budget,
            budget_window_ms: tenant.quota.budget_window_ms.0,
        }
    }

    fn cells(&self) -> [String; 8] {
        let milli = |milli| gpus(GpuMilli(milli));
        [
            indented(&self.tenant, self.depth),
            milli(self.used_gpu_milli + self.below_used_gpu_milli),
            milli(self.guarantee_gpu_milli),
            milli(self.limit_gpu_milli),
            self.running.to_string(),
            self.waiting.to_string(),
            milli(self.waiting_gpu_milli),
            match self.rate_per_minute {
                0 => "-".to_owned(),
                rate => rate.to_string(),
            },
        ]
    }
}

impl QuotaReport {
    fn may_lend_or_borrow(&self) -> bool {
        self.borrow_gpu_milli > 0
            || self.borrowed_gpu_milli > 0
            || self.lent_gpu_milli > 0
            || self.lend_gpu_milli.is_some()
    }

    fn loan_cells(&self) -> [String; 6] {
        let milli = |milli| gpus(GpuMilli(milli));
        [
            indented(&self.tenant, self.depth),
            milli(self.promised_gpu_milli),
            milli(self.lent_gpu_milli),
            self.lend_gpu_milli.map_or_else(|| "all".to_owned(), milli),
            milli(self.borrowed_gpu_milli),
            milli(self.borrow_gpu_milli),
        ]
    }
}

impl OthersReport {
    fn add(&mut self, quota: &QuotaReport, with_guarantee: bool) {
        self.tenants += 1;
        self.guarantee_gpu_milli += if with_guarantee { quota.guarantee_gpu_milli } else { 0 };
        self.used_gpu_milli += quota.used_gpu_milli;
        self.waiting += quota.waiting;
    }

    fn cells(&self) -> [String; 8] {
        let milli = |milli| gpus(GpuMilli(milli));
        let who = match self.tenants {
            1 => ANOTHER_TENANT.to_owned(),
            tenants => format!("{tenants} other tenants"),
        };
        let dash = || "-".to_owned();
        let (used, guaranteed) = (milli(self.used_gpu_milli), milli(self.guarantee_gpu_milli));
        [who, used, guaranteed, dash(), dash(), self.waiting.to_string(), dash(), dash()]
    }
}
