//! What is left of tenants' GPU-hour budgets in the current window, and what their GPUs cost.

use crate::error::Result;
use crate::report::pools::find;
use crate::report::show::{clock, gpu_hours, usd};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::budget::{Allowance, GPU_HOUR, in_milli_seconds};
use conclave_core::command::{GpuPrice, TariffSpan};
use conclave_core::state::budget::{BudgetWindow, Rate, window_of};
use conclave_core::state::{Budget, Pool, State, Tenant};
use conclave_core::units::{GpuMilliSeconds, MicroUsd, PoolId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The budgets of a pool. GPU time is in thousandths of one GPU times seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetsReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose tenants.
    pub pool: String,
    /// What a GPU-hour costs, per model that costs anything.
    pub prices: Vec<PriceRow>,
    /// What it costs instead at some times of day.
    pub tariff: Vec<TariffRow>,
    /// Those that the viewer may see and that have a budget, by name.
    pub budgets: Vec<BudgetRow>,
    /// How many others have one.
    pub others: i64,
}

/// The price of one GPU model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceRow {
    /// Which model.
    pub gpu_model: String,
    /// What one GPU costs for one hour.
    pub micro_usd_per_hour: i64,
}

/// The price of one GPU model at some time of every day of log time (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TariffRow {
    /// Which model.
    pub gpu_model: String,
    /// First minute of the day.
    pub from_minute: i64,
    /// The minute after the last one.
    pub until_minute: i64,
    /// What one GPU costs for one hour.
    pub micro_usd_per_hour: i64,
    /// Whether it is the price now.
    pub is_now: bool,
}

/// A tenant's budget in the current window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetRow {
    /// Whose.
    pub tenant: String,
    /// When the window begins.
    pub window_start_ms: i64,
    /// When the next one does.
    pub window_end_ms: i64,
    /// GPU-hours of each window.
    pub gpu_hour_budget: i64,
    /// What was approved on top of it for this one.
    pub top_up_gpu_hours: i64,
    /// What leases have used of the window so far, rounded down.
    pub spent_gpu_milli_seconds: i64,
    /// What live leases may still use of it by their ends; with what is spent rounded up.
    pub reserved_gpu_milli_seconds: i64,
    /// What is left for others, rounded down; 0 when it was lowered under what is reserved.
    pub left_gpu_milli_seconds: i64,
    /// What the time spent has cost, at the prices at each grant, rounded down.
    pub spent_micro_usd: i64,
    /// The same with what is reserved.
    pub reserved_micro_usd: i64,
    /// GPUs that its leases hold.
    pub held_gpu_milli: i64,
    /// When the window's budget would be used up if these were held on; none when it would not be
    /// in this window.
    pub used_up_at_ms: Option<i64>,
    /// Its requests that wait for capacity or a budget, or were put off.
    pub waiting: i64,
    /// Later windows of which something is reserved, or for which something was approved.
    pub later: Vec<LaterWindow>,
    /// The current window in a sentence.
    pub sentence: String,
}

/// A window to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaterWindow {
    /// When it begins.
    pub window_start_ms: i64,
    /// What was approved on top of the budget for it.
    pub top_up_gpu_hours: i64,
    /// What live leases may use of it, rounded up.
    pub reserved_gpu_milli_seconds: i64,
    /// What that costs, rounded down.
    pub reserved_micro_usd: i64,
    /// What is left for others, rounded down.
    pub left_gpu_milli_seconds: i64,
}

impl BudgetsReport {
    /// The budgets as `state` stands, of one tenant or all.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(
        state: &State,
        id: &PoolId,
        tenant: Option<&TenantId>,
        viewer: &Viewer,
    ) -> Result<Self> {
        let pool = find(state, id)?;
        let held = held_from(pool, state.time_ms);
        let (mut budgets, mut others) = (vec![], 0);
        for (name, of) in &pool.tenants {
            let Some(allowance) = of.allowance() else { continue };
            if !viewer.sees(name) {
                others += 1;
            } else if tenant.is_none_or(|tenant| tenant == name) {
                let held = held.get(name).copied().unwrap_or_default();
                budgets.push(BudgetRow::of(name, of, allowance, held, state.time_ms));
            }
        }
        let prices = pool.policy.prices.iter().map(PriceRow::of).collect();
        let tariff = pool.tariff.iter().map(|span| TariffRow::of(span, state.time_ms)).collect();
        let (as_of, pool) = (AsOf::of(state), id.to_string());
        Ok(Self { as_of, pool, prices, tariff, budgets, others })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, prices, tariff, budgets, others } = self;
        let mut lines = vec![format!("budgets of pool {pool}, GPU-hours, {as_of}")];
        if prices.is_empty() && tariff.is_empty() {
            lines.push("no GPU model has a price".to_owned());
        } else if !prices.is_empty() {
            let price = |row: &PriceRow| {
                format!("{} {}", row.gpu_model, usd(MicroUsd(row.micro_usd_per_hour)))
            };
            let prices = prices.iter().map(price).collect::<Vec<_>>();
            lines.push(format!("an hour of one GPU costs: {}", prices.join(", ")));
        }
        lines.extend(tariff.iter().map(TariffRow::sentence));
        if budgets.is_empty() {
            lines.push("no tenant that you may see has a budget".to_owned());
        }
        let mut text = lines.join("\n") + "\n";
        if !budgets.is_empty() {
            text = format!("{text}\n{}", table(budgets));
        }
        match others {
            0 => text,
            1 => format!("{text}{ANOTHER_TENANT} has one\n"),
            others => format!("{text}{others} other tenants have one\n"),
        }
    }
}

fn table(budgets: &[BudgetRow]) -> String {
    let mut table = Table::new(&[
        "TENANT",
        "WINDOW UNTIL",
        ">BUDGET",
        ">TOP-UP",
        ">SPENT",
        ">RESERVED",
        ">LEFT",
        ">COST SO FAR",
        "USED UP",
    ]);
    budgets.iter().for_each(|row| table.row(row.cells()));
    table.text()
}

impl PriceRow {
    fn of(price: &GpuPrice) -> Self {
        let GpuPrice { gpu_model, micro_usd_per_hour } = price;
        Self { gpu_model: gpu_model.to_string(), micro_usd_per_hour: micro_usd_per_hour.0 }
    }
}

impl TariffRow {
    fn of(span: &TariffSpan, now: TimeMs) -> Self {
        let TariffSpan { gpu_model, from_minute, until_minute, micro_usd_per_hour } = span;
        Self {
            gpu_model: gpu_model.to_string(),
            from_minute: *from_minute,
            until_minute: *until_minute,
            micro_usd_per_hour: micro_usd_per_hour.0,
            is_now: span.is_at(now),
        }
    }

    fn sentence(&self) -> String {
        let Self { gpu_model, from_minute, until_minute, micro_usd_per_hour, is_now } = self;
        let at = |minute: &i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let now = if *is_now { ", as now" } else { "" };
        format!(
            "  {gpu_model} {} from {} to {} UTC{now}",
            usd(MicroUsd(*micro_usd_per_hour)),
            at(from_minute),
            at(until_minute)
        )
    }
}

/// What a tenant's live leases hold, and will have held of the current window from now on.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    gpu_milli: i64,
    to_come: BudgetWindow,
}

fn held_from(pool: &Pool, now: TimeMs) -> BTreeMap<&TenantId, Held> {
    let mut all: BTreeMap<&TenantId, Held> = BTreeMap::new();
    for request in pool.requests.values() {
        let (Some(lease), name) = (request.lease(), &request.ask.tenant) else { continue };
        let Some(allowance) = pool.tenants[name].allowance() else { continue };
        if lease.ends_at_ms <= now {
            continue;
        }
        let Rate { gpu_milli, cost } = request.rate_from(0);
        let end = allowance.start_of(window_of(now, allowance.width) + 1);
        let ms = i128::from(lease.ends_at_ms.min(end).since(now).0);
        let held = all.entry(name).or_default();
        held.gpu_milli += gpu_milli;
        held.to_come.reserved += i128::from(gpu_milli) * ms;
        held.to_come.cost += cost * ms;
    }
    all
}

impl BudgetRow {
    fn of(
        name: &TenantId,
        tenant: &Tenant,
        allowance: Allowance<'_>,
        held: Held,
        now: TimeMs,
    ) -> Self {
        let index = window_of(now, allowance.width);
        let window = allowance.budget.window(index);
        let spent = window.reserved - held.to_come.reserved;
        let (end, allowed) = (allowance.start_of(index + 1), allowance.allowed(&window));
        let spent_milli = rounded_down(spent);
        let mut row = Self {
            tenant: name.to_string(),
            window_start_ms: allowance.start_of(index).0,
            window_end_ms: end.0,
            gpu_hour_budget: allowance.gpu_hours,
            top_up_gpu_hours: window.top_up_gpu_hours,
            spent_gpu_milli_seconds: spent_milli,
            reserved_gpu_milli_seconds: in_milli_seconds(window.reserved).0 - spent_milli,
            left_gpu_milli_seconds: rounded_down(allowance.left(index)),
            spent_micro_usd: money(window.cost - held.to_come.cost),
            reserved_micro_usd: money(window.cost),
            held_gpu_milli: held.gpu_milli,
            used_up_at_ms: used_up_at(allowed - spent, held.gpu_milli, now, end),
            waiting: tenant.waiting_count,
            later: later(allowance, allowance.budget, index),
            sentence: String::new(),
        };
        row.sentence = row.why();
        row
    }

    fn why(&self) -> String {
        let forecast = match self.used_up_at_ms {
            Some(at_ms) if self.left_gpu_milli_seconds == 0 && at_ms <= self.window_start_ms => {
                "it is used up".to_owned()
            }
            Some(at_ms) => format!("at the present rate it is used up {}", clock(TimeMs(at_ms))),
            None => "at the present rate it lasts".to_owned(),
        };
        let more = match self.top_up_gpu_hours {
            0 => String::new(),
            more => format!(" and {more} approved on top"),
        };
        format!(
            "{} has {} GPU-hours{more} until {}: {} are spent for {}, {} reserved and {} left; \
             {forecast}",
            self.tenant,
            self.gpu_hour_budget,
            clock(TimeMs(self.window_end_ms)),
            hours(self.spent_gpu_milli_seconds),
            usd(MicroUsd(self.spent_micro_usd)),
            hours(self.reserved_gpu_milli_seconds),
            hours(self.left_gpu_milli_seconds)
        )
    }

    fn cells(&self) -> [String; 9] {
        [
            self.tenant.clone(),
            clock(TimeMs(self.window_end_ms)),
            self.gpu_hour_budget.to_string(),
            self.top_up_gpu_hours.to_string(),
            hours(self.spent_gpu_milli_seconds),
            hours(self.reserved_gpu_milli_seconds),
            hours(self.left_gpu_milli_seconds),
            usd(MicroUsd(self.spent_micro_usd)),
            self.used_up_at_ms.map_or_else(|| "-".to_owned(), |at_ms| clock(TimeMs(at_ms))),
        ]
    }
}

fn later(allowance: Allowance<'_>, budget: &Budget, current: i64) -> Vec<LaterWindow> {
    let windows = budget.windows().range(current + 1..);
    let row = |(index, window): (&i64, &BudgetWindow)| LaterWindow {
        window_start_ms: allowance.start_of(*index).0,
        top_up_gpu_hours: window.top_up_gpu_hours,
        reserved_gpu_milli_seconds: in_milli_seconds(window.reserved).0,
        reserved_micro_usd: money(window.cost),
        left_gpu_milli_seconds: rounded_down(allowance.left(*index)),
    };
    windows.map(row).collect()
}

/// When what is unspent would be used up by so many GPUs, if that is before the window's end.
fn used_up_at(unspent: i128, gpu_milli: i64, now: TimeMs, end: TimeMs) -> Option<i64> {
    if unspent <= 0 {
        return Some(now.0);
    }
    if gpu_milli == 0 {
        return None;
    }
    let at_ms = i128::from(now.0) + unspent / i128::from(gpu_milli);
    i64::try_from(at_ms).ok().filter(|at_ms| *at_ms < end.0)
}

fn rounded_down(time: i128) -> i64 {
    i64::try_from(time.div_euclid(1_000)).unwrap_or(i64::MAX)
}

fn money(cost: i128) -> i64 {
    i64::try_from(cost.div_euclid(GPU_HOUR)).unwrap_or(i64::MAX)
}

fn hours(milli_seconds: i64) -> String {
    gpu_hours(GpuMilliSeconds(milli_seconds))
}
