//! Who has used how much of a pool for its weight, who stands above and below its part, and why.

use crate::error::Result;
use crate::report::pools::find;
use crate::report::show::{gpus, span};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::tree::{in_tree, indented};
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::fairness::{FairUse, Resource, WHOLE_SHARE};
use conclave_core::state::{Pool, State, Tenant};
use conclave_core::units::{DurationMs, GpuMilli, PoolId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Below whom it stands; none at the top. A tenant's numbers are those of itself and all below
    /// it, beside the other children of its parent and what the parent holds itself.
    pub parent: Option<String>,
    /// How many of those above it are seen.
    pub depth: usize,
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
    /// GPUs that its leases hold, and those of all below it.
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
    /// By parent, sums of the shares of all below it, and of the weights of those who use or want
    /// something.
    below: BTreeMap<Option<&'a TenantId>, (i128, i128)>,
    /// Those of whom somebody below, or they themselves, use or want something.
    active: BTreeSet<&'a TenantId>,
    /// GPU milli times milliseconds by tenant, with all below it.
    gpu_time: BTreeMap<&'a TenantId, i128>,
    /// The place of everybody's requests.
    turns: BTreeMap<&'a TenantId, i64>,
}

impl FairnessReport {
    /// The fair share as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let now = state.time_ms;
        let look = Look::of(pool, now);
        let (mut tenants, mut others) = (vec![], OthersFairness::default());
        for (name, tenant, depth) in in_tree(pool, viewer, |_, one| pool.fair_use(one, now).key) {
            let mut row = look.row(name, tenant);
            let parent = tenant.branch.parent.as_ref();
            (row.depth, row.parent) = (depth, parent.map(|parent| viewer.name_of(parent)));
            row.sentence = row.why();
            if viewer.sees(name) {
                tenants.push(row);
            } else {
                // What a child uses is a part of what its parent does.
                others.add(&row, parent.is_none());
            }
        }
        let gpu_time = pool.used_gpu_milli_ms(now).values().sum::<i128>();
        Ok(Self {
            as_of: AsOf::of(state),
            pool: id.to_string(),
            is_ordering: pool.half_life_ms.is_some(),
            half_life_ms: pool.half_life().0,
            tenants,
            others: (others.tenants > 0).then_some(others),
            used_gpu_milli_ms: gpu_time.to_string(),
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
    fn of(pool: &'a Pool, now: TimeMs) -> Self {
        let mut active = BTreeSet::new();
        for (name, tenant) in &pool.tenants {
            if is_active(tenant, &pool.fair_use(tenant, now)) {
                active.extend(pool.path(name).map(|(above, _)| above));
            }
        }
        let mut below: BTreeMap<_, (i128, i128)> = BTreeMap::new();
        let mut add = |parent, fair: FairUse, tenant: &Tenant, is_active| {
            let (used, weights) = below.entry(parent).or_default();
            *used += fair.share;
            *weights += if is_active { i128::from(tenant.quota.weight) } else { 0 };
        };
        for (name, tenant) in &pool.tenants {
            let (parent, fair) = (tenant.branch.parent.as_ref(), pool.fair_use(tenant, now));
            add(parent, fair, tenant, active.contains(name));
            if tenant.branch.children > 0 {
                // What it does itself stands beside its children.
                let own = pool.fair_use_itself(tenant, now);
                add(Some(name), own, tenant, is_active(tenant, &own));
            }
        }
        let mut gpu_time: BTreeMap<&TenantId, i128> = BTreeMap::new();
        for (name, used) in pool.used_gpu_milli_ms(now) {
            pool.path(name).for_each(|(above, _)| *gpu_time.entry(above).or_default() += used);
        }
        // Names make the order of equals the same for everybody who asks.
        let mut order: Vec<_> =
            pool.tenants.keys().map(|name| (pool.fair_key(name, now), name)).collect();
        order.sort_unstable();
        let turns = order.into_iter().zip(1..).map(|((_, name), turn)| (name, turn)).collect();
        Self { pool, now, below, active, gpu_time, turns }
    }

    fn row(&self, name: &TenantId, tenant: &Tenant) -> FairnessRow {
        let (pool, weight) = (self.pool, tenant.quota.weight);
        let fair = pool.fair_use(tenant, self.now);
        let (used, weights) = self.below[&tenant.branch.parent.as_ref()];
        let is_active = self.active.contains(name);
        let entitled_bp = if is_active { part_bp(i128::from(weight), weights) } else { 0 };
        let uses_bp = part_bp(fair.share, used);
        let ledger = tenant.ledger_with_below();
        let at = fair.dominant as usize;
        let faded = ledger.faded_at(self.now, pool.half_life()).0[at];
        FairnessRow {
            tenant: name.to_string(),
            parent: None,
            depth: 0,
            turn: self.turns[name],
            weight,
            entitled_bp,
            uses_bp,
            stands: stands(is_active, uses_bp - entitled_bp).to_owned(),
            dominant: resource(fair.dominant).to_owned(),
            holds_bp: part_bp(ledger.held().0[at], pool.capacity().0[at]),
            lately_bp: part_bp(faded, pool.faded_whole(fair.dominant, self.now)),
            held_gpu_milli: tenant.used_with_below().0,
            waiting: tenant.waiting_count,
            used_gpu_milli_ms: self.gpu_time[name].to_string(),
            sentence: String::new(),
        }
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
        let of = match &self.parent {
            Some(parent) => format!("what is used below {parent}"),
            None => "what is used".to_owned(),
        };
        format!(
            "{tenant} is {place}: it uses {} of {of}, and weight {weight} entitles it to \
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
            indented(&self.tenant, self.depth),
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
    fn add(&mut self, row: &FairnessRow, is_at_the_top: bool) {
        self.tenants += 1;
        if is_at_the_top {
            self.entitled_bp += row.entitled_bp;
            self.uses_bp += row.uses_bp;
        }
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
