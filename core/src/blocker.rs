//! Why a request is not running: derived from the state at any offset, never stored.

use crate::budget::{Over, in_milli_seconds};
use crate::command::{RequestAllocation, Topology};
use crate::explain::highest;
use crate::limits::BUDGET_WINDOWS_MAX;
use crate::overtaking::Barriers;
use crate::placement::{Gang, OutOfService};
use crate::queue::preferences;
use crate::quota::{Demand, OnDraining, QuotaBlock, may_grant};
use crate::state::{Pool, Request, Stage, State};
use crate::units::{
    GpuMilli, GpuMilliSeconds, MicroUsd, PoolId, RequestId, ReservationId, TenantId, TimeMs,
};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;

/// What keeps a request from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "blocker", rename_all = "snake_case")]
pub enum Blocker {
    /// The council put it off.
    Deferred {
        /// Votes so far.
        attempts: i64,
        /// When it is looked at again.
        retry_at_ms: TimeMs,
    },
    /// Its next vote is taken when the next round opens.
    VoteDue,
    /// The queue is being worked off over several decisions.
    CarriedOver,
    /// Its tenant's limit, or that of a tenant above it.
    TenantLimit {
        /// Whose.
        tenant: TenantId,
        /// What that tenant holds, and all below it.
        used_gpu_milli: GpuMilli,
        /// What it may hold.
        limit_gpu_milli: GpuMilli,
        /// What the request wants.
        wanted_gpu_milli: GpuMilli,
    },
    /// What is free is promised to others.
    HeldForOthers {
        /// Free GPUs of the pool.
        free_gpu_milli: GpuMilli,
        /// The part of them that is promised to others.
        held_gpu_milli: GpuMilli,
        /// What the request wants.
        wanted_gpu_milli: GpuMilli,
    },
    /// Somebody who came before it has waited so long that nobody may overtake him.
    BehindProtected {
        /// Who.
        protected: RequestId,
    },
    /// Nodes left the pool: even empty, and with all nodes, it could not hold the request.
    PoolTooSmall,
    /// The nodes have no room for the whole gang now.
    NoRoom {
        /// How many replicas would fit now, on the model that holds most.
        replicas_fit: i64,
        /// How many it wants.
        replicas: i64,
    },
    /// The nodes have room, but its lease would run into what is reserved for somebody else.
    Reserved {
        /// The reservation of those in its way that starts first.
        reservation: ReservationId,
        /// When that starts.
        start_ms: TimeMs,
        /// When it is over.
        until_ms: TimeMs,
    },
    /// Leases end for it.
    RoomIsMade {
        /// How many.
        leases: i64,
        /// When the last of them does.
        until_ms: TimeMs,
    },
    /// The nodes that accept work could not hold it even if they were empty; with those that take
    /// no new work they could.
    NodesOutOfService {
        /// How many drain.
        draining_nodes: i64,
        /// How many others were reported unhealthy.
        unhealthy_nodes: i64,
    },
    /// The nodes have room for the whole gang, but not as near each other as it wishes.
    Topology {
        /// What it wishes.
        topology: Topology,
        /// How many replicas would fit now on the node, or in the topology group, that holds most.
        replicas_fit: i64,
        /// How many it wants.
        replicas: i64,
        /// How many nodes have room for a replica: without the wish it would start on them.
        nodes_with_room: i64,
    },
    /// Nodes left the pool: even empty, and with all nodes, no node or no topology group could hold
    /// all of it. Without its wish the nodes that accept work could.
    TopologyTooSmall {
        /// What it wishes.
        topology: Topology,
        /// How many it wants.
        replicas: i64,
    },
    /// Its lease would be over its tenant's budget in a window that it touches. Amounts are rounded
    /// up.
    BudgetUsedUp {
        /// When the first such window begins.
        window_start_ms: TimeMs,
        /// When the next window begins.
        next_window_ms: TimeMs,
        /// The window's budget, with what was approved on top.
        budget_gpu_milli_seconds: GpuMilliSeconds,
        /// What leases reserve of it.
        reserved_gpu_milli_seconds: GpuMilliSeconds,
        /// What the request would add.
        wanted_gpu_milli_seconds: GpuMilliSeconds,
        /// When it fits, were nothing else to change; none when it never does.
        fits_at_ms: Option<TimeMs>,
    },
    /// Its lease may touch more windows of its tenant's budget than are kept.
    TooManyWindows {
        /// How many.
        windows: i64,
        /// How many it may touch.
        windows_max: i64,
    },
    /// On every model that it accepts it would cost more than its cap.
    OverCap {
        /// What it would cost on the cheapest.
        least_micro_usd: MicroUsd,
        /// Most that it may cost.
        cap_micro_usd: MicroUsd,
        /// When the tariff lets it pay, were nothing else to change; none when it never does.
        cheaper_at_ms: Option<TimeMs>,
    },
    /// What is free is promised to others, and its tenant, or a tenant above it, has borrowed as
    /// much of it as it may.
    BorrowLimit {
        /// Whose limit it is.
        tenant: TenantId,
        /// What that tenant has borrowed, and all below it.
        borrowed_gpu_milli: GpuMilli,
        /// What it may borrow.
        limit_gpu_milli: GpuMilli,
        /// What the request would borrow.
        needed_gpu_milli: GpuMilli,
    },
}

/// What keeps the requests of a pool from running: what is the same for all of them is worked out
/// once.
#[derive(Debug)]
pub struct Blockers<'a> {
    pool: &'a Pool,
    now: TimeMs,
    is_carried_over: bool,
    on_draining: OnDraining,
    barriers: Barriers,
    out_of_service: OnceCell<Option<OutOfService>>,
}

impl<'a> Blockers<'a> {
    /// The blockers of a pool as `state` stands.
    ///
    /// # Panics
    /// When there is no such pool.
    #[must_use]
    pub fn of(state: &'a State, pool_id: &PoolId) -> Self {
        let pool = state.pool(pool_id);
        let (on_draining, barriers) = (OnDraining::of(pool), Barriers::of(pool, state.time_ms));
        let is_carried_over = state.carried_over.contains(pool_id);
        let out_of_service = OnceCell::new();
        let now = state.time_ms;
        Self { pool, now, is_carried_over, on_draining, barriers, out_of_service }
    }

    /// The same for somebody who knows by himself who keeps a request back, which is what takes
    /// long to work out: only [`Blockers::blocker_beside`] may be asked.
    ///
    /// # Panics
    /// When there is no such pool.
    #[must_use]
    pub fn without_barriers(state: &'a State, pool_id: &PoolId) -> Self {
        let pool = state.pool(pool_id);
        let (on_draining, barriers) = (OnDraining::of(pool), Barriers::default());
        let is_carried_over = state.carried_over.contains(pool_id);
        let (now, out_of_service) = (state.time_ms, OnceCell::new());
        Self { pool, now, is_carried_over, on_draining, barriers, out_of_service }
    }

    /// What keeps a live request of the pool from running; none when it runs.
    ///
    /// # Panics
    /// When the request is not of the pool: it has no such tenant.
    #[must_use]
    pub fn blocker(&self, request: &Request) -> Option<Blocker> {
        self.blocker_beside(request, || behind(self.pool, &self.barriers, request))
    }

    /// The same, given what is said of protected requests; it is asked only when it matters.
    ///
    /// # Panics
    /// As [`Blockers::blocker`].
    #[must_use]
    pub fn blocker_beside(
        &self,
        request: &Request,
        behind: impl FnOnce() -> Option<Blocker>,
    ) -> Option<Blocker> {
        match request.stage {
            Stage::Running(_) => None,
            Stage::Deferred { retry_at_ms } => {
                Some(Blocker::Deferred { attempts: request.attempts, retry_at_ms })
            }
            Stage::Due { .. } => Some(Blocker::VoteDue),
            Stage::Admitted => panic!("{} is admitted and nothing else", request.ask.request),
            Stage::Waiting { .. } if self.is_carried_over => Some(Blocker::CarriedOver),
            Stage::Waiting { .. } => Some(self.queue_blocker(request, behind)),
        }
    }

    /// Everything that stands against a waiting request at once, first what [`Blockers::blocker`]
    /// names.
    ///
    /// # Panics
    /// As [`Blockers::blocker`].
    #[must_use]
    pub fn all(&self, request: &Request) -> Vec<Blocker> {
        let (pool, ask) = (self.pool, &request.ask);
        let limit = tenant_limit(pool, request);
        // Over its limit a tenant waits for its own leases, whatever is promised to whom.
        let held =
            limit.is_none().then(|| held_for_others(pool, &self.on_draining, request)).flatten();
        let behind = behind(pool, &self.barriers, request);
        let paid = [over_cap(pool, ask, self.now), over_budget(pool, ask, self.now)];
        let rules = [self.too_small(ask), held, behind, room_is_made(pool, request)];
        let no_room = if !fits_now(pool, ask, self.now) {
            Some(no_room(pool, ask, self.now))
        } else if pool.fits_beside_reservations(ask, self.now) {
            None
        } else {
            reserved(pool, ask, self.now)
        };
        let limits = limit.into_iter().chain(paid.into_iter().flatten());
        limits.chain(rules.into_iter().flatten()).chain(no_room).collect()
    }

    fn queue_blocker(
        &self,
        request: &Request,
        behind: impl FnOnce() -> Option<Blocker>,
    ) -> Blocker {
        let (pool, ask) = (self.pool, &request.ask);
        tenant_limit(pool, request)
            .or_else(|| over_cap(pool, ask, self.now))
            .or_else(|| over_budget(pool, ask, self.now))
            .or_else(|| self.too_small(ask))
            .or_else(|| held_for_others(pool, &self.on_draining, request))
            .or_else(behind)
            .or_else(|| room_is_made(pool, request))
            // Whoever waits for nothing else and has room is kept from it.
            .or_else(|| reserved(pool, ask, self.now).filter(|_| fits_now(pool, ask, self.now)))
            .unwrap_or_else(|| no_room(pool, ask, self.now))
    }

    fn too_small(&self, ask: &RequestAllocation) -> Option<Blocker> {
        (!could_ever_hold(self.pool, ask, self.now)).then(|| self.why_too_small(ask))
    }

    fn why_too_small(&self, ask: &RequestAllocation) -> Blocker {
        let fleet = &self.pool.fleet;
        let out = self.out_of_service.get_or_init(|| OutOfService::of(fleet));
        let any = |holds: &dyn Fn(&Gang) -> bool| any_gang(self.pool, ask, self.now, holds);
        let holds = |out: &&OutOfService| any(&|gang| out.could_hold(fleet, gang));
        if let Some(out) = out.as_ref().filter(holds) {
            let OutOfService { draining_nodes, unhealthy_nodes, .. } = *out;
            return Blocker::NodesOutOfService { draining_nodes, unhealthy_nodes };
        }
        if any(&|gang| fleet.could_ever_hold(&gang.anywhere())) {
            return Blocker::TopologyTooSmall { topology: ask.topology, replicas: ask.replicas };
        }
        Blocker::PoolTooSmall
    }
}

fn tenant_limit(pool: &Pool, request: &Request) -> Option<Blocker> {
    match may_grant(pool, &Demand::of(request)) {
        Err(QuotaBlock::Limit { of, used, limit }) => Some(Blocker::TenantLimit {
            tenant: of,
            used_gpu_milli: used,
            limit_gpu_milli: limit,
            wanted_gpu_milli: request.ask.total_gpu_milli(),
        }),
        Ok(()) | Err(_) => None,
    }
}

fn held_for_others(pool: &Pool, on_draining: &OnDraining, request: &Request) -> Option<Blocker> {
    let demand = Demand::of(request);
    let (tenant, wanted_gpu_milli) = (demand.tenant, demand.gpu_milli);
    let is_held = match may_grant(pool, &demand) {
        Ok(()) => false,
        Err(QuotaBlock::HeldForOthers { .. }) => true,
        Err(QuotaBlock::BorrowLimit { of, borrowed, limit, needed }) => {
            return Some(Blocker::BorrowLimit {
                tenant: of,
                borrowed_gpu_milli: borrowed,
                limit_gpu_milli: limit,
                needed_gpu_milli: needed,
            });
        }
        Err(QuotaBlock::NotFree | QuotaBlock::Limit { .. }) => {
            !on_draining.waits_for_capacity(pool, tenant, wanted_gpu_milli)
        }
    };
    let (free_gpu_milli, held_gpu_milli) = (pool.free_gpu_milli(), pool.held_for_others(tenant));
    let held = Blocker::HeldForOthers { free_gpu_milli, held_gpu_milli, wanted_gpu_milli };
    is_held.then_some(held)
}

fn behind(pool: &Pool, barriers: &Barriers, request: &Request) -> Option<Blocker> {
    let barrier = barriers.before(pool, request)?;
    Some(Blocker::BehindProtected { protected: barrier.request.clone() })
}

fn room_is_made(pool: &Pool, request: &Request) -> Option<Blocker> {
    let claim = pool.preemption.claims.get(&request.ask.request)?;
    let ends = claim.victims.iter().filter_map(|victim| pool.request(victim)?.lease());
    let until_ms = ends.map(|lease| lease.ends_at_ms).max()?;
    let leases = i64::try_from(claim.victims.len()).expect("they are bounded");
    (claim.arrival == request.arrival).then_some(Blocker::RoomIsMade { leases, until_ms })
}

fn reserved(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Option<Blocker> {
    let one = &pool.reserved_for_others(ask, now)?.reserve;
    let (start_ms, until_ms) = (one.start_ms, one.end_ms);
    Some(Blocker::Reserved { reservation: one.reservation.clone(), start_ms, until_ms })
}

fn over_cap(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Option<Blocker> {
    let cap_micro_usd = ask.budget_cap_micro_usd?;
    let is_over = pool.affordable(ask, now).is_none();
    is_over.then(|| Blocker::OverCap {
        least_micro_usd: pool.least_cost(ask, now),
        cap_micro_usd,
        cheaper_at_ms: pool.affordable_at(ask, now),
    })
}

fn over_budget(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Option<Blocker> {
    let short = match pool.over_budget(ask, now)? {
        Over::Window(short) => short,
        Over::Windows(windows) => {
            return Some(Blocker::TooManyWindows { windows, windows_max: BUDGET_WINDOWS_MAX });
        }
    };
    Some(Blocker::BudgetUsedUp {
        window_start_ms: short.start_ms,
        next_window_ms: short.next_ms,
        budget_gpu_milli_seconds: in_milli_seconds(short.allowed),
        reserved_gpu_milli_seconds: in_milli_seconds(short.reserved),
        wanted_gpu_milli_seconds: in_milli_seconds(short.wanted),
        fits_at_ms: pool.fits_budget_at(ask, now),
    })
}

/// Whether the nodes have room for the whole gang now, on models that it can pay for.
pub(crate) fn fits_now(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> bool {
    any_gang(pool, ask, now, |gang| pool.fleet.can_hold(gang))
}

fn no_room(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Blocker {
    let (fleet, replicas) = (&pool.fleet, ask.replicas);
    let Some(paid) = pool.affordable(ask, now) else {
        return Blocker::NoRoom { replicas_fit: 0, replicas };
    };
    let fit = gangs(&paid).map(|gang| fleet.replicas_that_fit(&gang));
    let replicas_fit = fit.max().unwrap_or(0).min(replicas);
    let with_wish = gangs(&paid).filter(|gang| gang.topology() != Topology::None);
    let anywhere = with_wish.map(|gang| gang.anywhere()).find(|gang| fleet.can_hold(gang));
    let Some(anywhere) = anywhere else { return Blocker::NoRoom { replicas_fit, replicas } };
    let nodes_with_room = fleet.nodes_with_room(&anywhere);
    Blocker::Topology { topology: ask.topology, replicas_fit, replicas, nodes_with_room }
}

/// What is tried to be placed, in order of preference.
fn gangs(ask: &RequestAllocation) -> impl Iterator<Item = Gang> {
    preferences(ask).map(|models| Gang::of(ask, models))
}

/// What is tried to be placed of `ask`, as far as it can be paid for.
pub(crate) fn gangs_of(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Vec<Gang> {
    pool.affordable(ask, now).map_or_else(Vec::new, |paid| gangs(&paid).collect())
}

/// Whether something holds of what is tried to be placed of `ask`, as far as it can be paid for.
fn any_gang(
    pool: &Pool,
    ask: &RequestAllocation,
    now: TimeMs,
    holds: impl Fn(&Gang) -> bool,
) -> bool {
    pool.affordable(ask, now).is_some_and(|paid| gangs(&paid).any(|gang| holds(&gang)))
}

/// Whether the nodes that accept work could hold the whole gang on one model that is acceptable and
/// no dearer than its cap at `now` (or on any) if nothing else ran.
pub(crate) fn could_hold_at(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> bool {
    any_gang(pool, ask, now, |gang| pool.fleet.could_ever_hold(gang))
}

/// The same at the prices of any time of the day.
#[must_use]
pub fn could_ever_hold(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> bool {
    pool.times_of_prices(now).any(|at| could_hold_at(pool, ask, at))
}

/// How many replicas of `ask` those nodes could hold so; at most as many as it asks for.
pub(crate) fn replicas_ever(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> i64 {
    let mut holds =
        |replicas: i64| could_ever_hold(pool, &RequestAllocation { replicas, ..ask.clone() }, now);
    highest(1, ask.replicas, &mut holds).unwrap_or(0)
}
