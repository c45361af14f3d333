//! Who has used how much of a pool for its weight, who stands above and below its part, and why.

use crate::error::Result;
use crate::report::pools::find;
use crate::report::show::{gpus, span};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::fairness::{FairUse, Resource, WHOLE_SHARE};
use conclave_core::state::{Pool, State, Tenant};
use conclave_core::units::{DurationMs, GpuMilli, PoolId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// All of something, in basis points.
const WHOLE_BP: i128 = 10_000;
/// Of a tenant's part this much more or less is neither above nor below, in basis points: one tenth
/// of a percent.
const NEAR_BP: i64 = 10;

/// The fair share of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FairnessReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose tenants.
    pub pool: String,
    /// Whether the queue is ordered by fair share; by arrival otherwise.
    pub is_ordering: bool,
    /// What was used so long ago counts half.
    pub half_life_ms: i64,
    /// Those that the viewer may see: who would come next first.
    pub tenants: Vec<FairnessRow>,
    /// The others together; none when all are seen.
    pub others: Option<OthersFairness>,
    /// GPU milli times milliseconds of all leases of the log so far, as a decimal number: the sum
    /// over all tenants.
    pub used_gpu_milli_ms: String,
}

/// One tenant's place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FairnessRow {
    /// Who.
    pub tenant: String,
    /// Its place among all tenants, from 1: of equal priorities, requests of the first come first.
    pub turn: i64,
    /// What it may use beside others.
    pub weight: i64,
    /// The part of what is used that its weight entitles it to beside those who use or want
    /// something, in basis points.
    pub entitled_bp: i64,
    /// The part of what is used that it uses.
    pub uses_bp: i64,
    /// `above`, `below` or `at` its part; `idle` when it neither uses nor wants anything.
    pub stands: String,
    /// The resource of which it uses most: `gpu`, `cpu` or `memory`.
    pub dominant: String,
    /// The part of that resource that its leases hold, in basis points.
    pub holds_bp: i64,
    /// The part of it that they have used lately, what was used long ago counting less.
    pub lately_bp: i64,
    /// GPUs that its leases hold.
    pub held_gpu_milli: i64,
    /// Its requests that wait for capacity, or were put off.
    pub waiting: i64,
    /// GPU milli times milliseconds of its leases so far, as a decimal number: every lease from its
    /// grant to its end.
    pub used_gpu_milli_ms: String,
    /// All of it in a sentence.
    pub sentence: String,
}

/// Tenants that the viewer may not see, together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OthersFairness {
    /// How many they are.
    pub tenants: i64,
    /// The part of what is used that their weights entitle them to, in basis points.
    pub entitled_bp: i64,
    /// The part of what is used that they use.
    pub uses_bp: i64,
    /// Their requests that wait for capacity, or were put off.
    pub waiting: i64,
}

/// What is the same for all tenants of a pool.
struct Look<'a> {
    pool: &'a Pool,
    now: TimeMs,
    /// Sum of the shares of all.
    used: i128,
    /// Sum of the weights of those who use or want something.
    weights: i128,
    /// GPU milli times milliseconds by tenant.
    gpu_time: BTreeMap<&'a TenantId, i128>,
}

impl FairnessReport {
    /// The fair share as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let mut all: Vec<(&TenantId, &Tenant, FairUse)> = pool
            .tenants
            .iter()
            .map(|(name, tenant)| (name, tenant, pool.fair_use(tenant, state.time_ms)))
            .collect();
        // Names make the order of equals the same for everybody who asks.
        all.sort_by_key(|(name, _, fair)| (fair.key, *name));
        let look = Look::of(pool, state.time_ms, &all);
        let (mut tenants, mut others) = (vec![], OthersFairness::default());
        for (turn, (name, tenant, fair)) in (1..).zip(&all) {
            let row = look.row(turn, name, tenant, fair);
            if viewer.sees(name) {
                tenants.push(row);
            } else {
                others.add(&row);
            }
        }
        Ok(Self {
            as_of: AsOf::of(state),
            pool: id.to_string(),
            is_ordering: pool.half_life_ms.is_some(),
            half_life_ms: pool.half_life().0,
            tenants,
            others: (others.tenants > 0).then_some(others),
            used_gpu_milli_ms: look.gpu_time.values().sum::<i128>().to_string(),
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, .. } = self;
        let order = if self.is_ordering {
            "whoever has used least for its weight comes first among equal priorities"
        } else {
            "the queue is by arrival: SetFairShare orders it by this"
        };
        let half_life = span(DurationMs(self.half_life_ms));
        let mut table = Table::new(&[
            ">TURN",
            "TENANT",
            ">WEIGHT",
            ">ENTITLED",
            ">USES",
            "STANDS",
            "OF",
            ">HOLDS",
            ">LATELY",
            ">WAITING",
            ">GPU-HOURS",
        ]);
        self.tenants.iter().for_each(|row| table.row(row.cells()));
        if let Some(others) = &self.others {
            table.row(others.cells());
        }
        format!(
            "fair share of pool {pool}, {as_of}\n{order}; what was used {half_life} ago counts \
             half\n\n{}",
            table.text()
        )
    }
}

impl<'a> Look<'a> {
    fn of(pool: &'a Pool, now: TimeMs, all: &[(&'a TenantId, &'a Tenant, FairUse)]) -> Self {
        let used = all.iter().map(|(_, _, fair)| fair.share).sum();
        let active = all.iter().filter(|(_, tenant, fair)| is_active(tenant, fair));
        let weights = active.map(|(_, tenant, _)| i128::from(tenant.quota.weight)).sum();
        let gpu_time = pool.used_gpu_milli_ms(now);
        Self { pool, now, used, weights, gpu_time }
    }

    fn row(&self, turn: i64, name: &TenantId, tenant: &Tenant, fair: &FairUse) -> FairnessRow {
        let (pool, weight) = (self.pool, tenant.quota.weight);
        let is_active = is_active(tenant, fair);
        let entitled_bp = if is_active { part_bp(i128::from(weight), self.weights) } else { 0 };
        let uses_bp = part_bp(fair.share, self.used);
        let at = fair.dominant as usize;
        let faded = tenant.ledger.faded_at(self.now, pool.half_life()).0[at];
        let mut row = FairnessRow {
            tenant: name.to_string(),
            turn,
            weight,
            entitled_bp,
            uses_bp,
            stands: stands(is_active, uses_bp - entitled_bp).to_owned(),
            dominant: resource(fair.dominant).to_owned(),
            holds_bp: part_bp(tenant.ledger.held().0[at], pool.capacity().0[at]),
            lately_bp: part_bp(faded, pool.faded_whole(fair.dominant, self.now)),
            held_gpu_milli: tenant.used_gpu_milli.0,
            waiting: tenant.waiting_count,
            used_gpu_milli_ms: self.gpu_time[name].to_string(),
            sentence: String::new(),
        };
        row.sentence = row.why();
        row
    }
}

fn is_active(tenant: &Tenant, fair: &FairUse) -> bool {
    // Less than a basis point of a basis point is nothing that anybody could see.
    fair.share > WHOLE_SHARE / (WHOLE_BP * WHOLE_BP)
        || tenant.waiting_count > 0
        || tenant.running_count > 0
}

fn stands(is_active: bool, more_bp: i64) -> &'static str {
    match more_bp {
        _ if !is_active => "idle",
        more if more > NEAR_BP => "above",
        more if more < -NEAR_BP => "below",
        _ => "at",
    }
}

fn part_bp(part: i128, whole: i128) -> i64 {
    let bp = if whole == 0 { 0 } else { part * WHOLE_BP / whole };
    i64::try_from(bp).unwrap_or(i64::MAX)
}

fn resource(resource: Resource) -> &'static str {
    match resource {
        Resource::Gpu => "gpu",
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
    }
}

/// `12.5 %`.
fn percent(bp: i64) -> String {
    format!("{}.{} %", bp / 100, bp % 100 / 10)
}

impl FairnessRow {
    fn why(&self) -> String {
        let Self { tenant, weight, dominant, stands, .. } = self;
        if stands == "idle" {
            return format!("{tenant} neither uses nor wants anything");
        }
        let place = match stands.as_str() {
            "at" => "at its part".to_owned(),
            stands => format!("{stands} its part"),
        };
        format!(
            "{tenant} is {place}: it uses {} of what is used, and weight {weight} entitles it to \
             {}; it holds {} of the {dominant} now and has used {} of it lately",
            percent(self.uses_bp),
            percent(self.entitled_bp),
            percent(self.holds_bp),
            percent(self.lately_bp)
        )
    }

    fn cells(&self) -> [String; 11] {
        [
            self.turn.to_string(),
            self.tenant.clone(),
            self.weight.to_string(),
            percent(self.entitled_bp),
            percent(self.uses_bp),
            self.stands.clone(),
            self.dominant.clone(),
            percent(self.holds_bp),
            percent(self.lately_bp),
            self.waiting.to_string(),
            self.gpu_hours(),
        ]
    }

    /// To a tenth of an hour of one GPU.
    fn gpu_hours(&self) -> String {
        const TENTH_OF_AN_HOUR: i128 = 1_000 * 360_000;
        let used: i128 = self.used_gpu_milli_ms.parse().unwrap_or(0);
        let tenths = used / TENTH_OF_AN_HOUR;
        // As GPUs are shown: thousandths, of which the last two are zero.
        i64::try_from(tenths * 100).map_or_else(|_| "-".to_owned(), |milli| gpus(GpuMilli(milli)))
    }
}

impl OthersFairness {
    fn add(&mut self, row: &FairnessRow) {
        self.tenants += 1;
        self.entitled_bp += row.entitled_bp;
        self.uses_bp += row.uses_bp;
        self.waiting += row.waiting;
    }

    fn cells(&self) -> [String; 11] {
        let who = match self.tenants {
            1 => ANOTHER_TENANT.to_owned(),
            tenants => format!("{tenants} other tenants"),
        };
        let dash = || "-".to_owned();
        let (entitled, uses) = (percent(self.entitled_bp), percent(self.uses_bp));
        let waiting = self.waiting.to_string();
        let (turn, weight, stands) = (dash(), dash(), dash());
        [turn, who, weight, entitled, uses, stands, dash(), dash(), dash(), waiting, dash()]
    }
}
