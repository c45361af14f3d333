//! What a partition knows: the fold of its decisions. Nothing here is ever set but by `evolve`.

pub mod bench;
mod branch;
pub mod budget;
mod denials;
mod duplicates;
pub mod history;
mod ledger;
pub mod memory;
mod place_table;
mod preemptible;
mod preemption;
mod queue;
mod rate;
mod request;
mod requests;
mod reservation;
mod timer;
mod waiters;

pub use bench::{Bench, Said, Standing};
pub use branch::{Below, Branch};
pub use budget::Budget;
pub use denials::{Denial, Denials};
pub use duplicates::{DuplicateWindow, Seen};
pub use history::History;
pub use ledger::{Amounts, Ledger};
pub use memory::Memory;
pub(crate) use preemptible::Preemptible;
pub use preemption::{Claim, PreemptedOnDay, Preemption};
pub use queue::{GangNeed, Group, Queue, Terms, Waiter};
pub use request::{Lease, LetPast, Loan, Notice, Request, Stage};
pub use requests::Requests;
pub use reservation::{Reservation, Reservations};
pub use timer::{Timer, TimerKind};
pub use waiters::Waiters;

use crate::command::{OpenLog, RequestAllocation, SetPoolPolicy, SetQuota, TariffSpan};
use crate::council::ModelId;
use crate::decision::Placement;
use crate::limits::{DECIDE_VERSION_FIRST, DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX};
use crate::placement::{Fleet, GpuSet, Need, Placer};
use crate::units::{DurationMs, GpuMilli, Offset, PoolId, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The fold of a partition's decisions up to and including `covered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Which partition.
    pub partition: i64,
    /// What fixed the log's properties; none before the log is opened.
    pub log: Option<OpenLog>,
    /// Which rules decide the next command.
    pub decide_version: i64,
    /// The networks in the council seat; none while the rules sit there.
    pub council: Option<ModelId>,
    /// How its members stand.
    pub bench: Bench,
    /// Log time of the last command: it never goes back.
    pub time_ms: TimeMs,
    /// Offset of the last command that has a decision; -1 before the first.
    pub covered: Offset,
    /// Everything that is kept per pool.
    pub pools: BTreeMap<PoolId, Pool>,
    /// What will happen by itself, in the order in which it will.
    pub timers: BTreeSet<Timer>,
    /// Deferred requests whose time has come, in the order of their timers.
    pub due: BTreeSet<DueVote>,
    /// Pools whose queue was not worked off: nobody there is granted anything but by going on with
    /// it.
    pub carried_over: BTreeSet<PoolId>,
}

/// A deferred request that waits for its next vote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DueVote {
    /// When its timer was due.
    pub retry_at_ms: TimeMs,
    /// Which request.
    pub request: RequestId,
    /// Its pool.
    pub pool: PoolId,
}

/// One fleet and everybody who wants a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The pool's rules.
    pub policy: SetPoolPolicy,
    /// Its nodes, and what is free on them.
    pub fleet: Fleet,
    /// Chooses nodes by the policy; remembers scores, never decisions.
    pub placer: Placer,
    /// Who may ask, and how much they use.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Live requests: waiting, deferred or running.
    pub requests: Requests,
    /// Those that wait for capacity.
    pub queue: Queue,
    /// How many are deferred or due for a vote.
    pub deferred_count: i64,
    /// Sum over the tenants at the top of what is promised to them, and to those below with it.
    pub guarantees: GpuMilli,
    /// Sum over tenants of what is promised to them and not used.
    pub unused_guarantees: GpuMilli,
    /// Recent command ids.
    pub duplicates: DuplicateWindow,
    /// Whom the council denied lately.
    pub denials: Denials,
    /// What was used so long ago counts half in the order of the queue; none while it is ordered by
    /// arrival.
    pub half_life_ms: Option<DurationMs>,
    /// Who may be preempted, and who waits for whose lease to end.
    pub preemption: Preemption,
    /// What GPUs cost at which time of day, besides the policy's prices.
    pub tariff: Vec<TariffSpan>,
    /// Whose leases may end for others.
    #[serde(skip)]
    pub(crate) preemptible: Preemptible,
    /// When somebody who waits for a budget or a price may start; none when nobody does, as far as
    /// was seen when the queue was gone through last.
    pub budget_look_ms: Option<TimeMs>,
    /// Sum over tenants of what others may still borrow of them.
    pub lendable: GpuMilli,
    /// What live leases borrowed.
    pub borrowed: GpuMilli,
    /// What is kept free for whom.
    pub reservations: Reservations,
    /// When its leases end, and whose they are.
    pub lease_ends: BTreeSet<(TimeMs, RequestId)>,
}

/// A tenant's part of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its share.
    pub quota: SetQuota,
    /// GPUs that its leases hold.
    pub used_gpu_milli: GpuMilli,
    /// What it may hold at the most: its limit, or what it held when the limit fell below that.
    pub ceiling_gpu_milli: GpuMilli,
    /// Rate limit: when the commands so far will have been paid off, in microseconds of log time.
    pub rate_paid_us: i64,
    /// Its live requests that have no lease: waiting, deferred or due for a vote.
    pub waiting_count: i64,
    /// Those of them that were put off: they are not in the queue.
    pub deferred_count: i64,
    /// Its live requests that have one.
    pub running_count: i64,
    /// What the council is told of its past.
    pub history: History,
    /// What the networks remember of it.
    pub memory: Memory,
    /// What its leases have used.
    pub ledger: Ledger,
    /// How many of its leases were told today that they end for others.
    pub preempted: PreemptedOnDay,
    /// What they reserve of its budget; none while it has none.
    pub budget: Option<Box<Budget>>,
    /// Where it stands in the tree.
    pub branch: Branch,
}

impl State {
    /// A partition before its first command.
    #[must_use]
    pub fn new(partition: i64) -> Self {
        Self {
            partition,
            log: None,
            decide_version: DECIDE_VERSION_FIRST,
            council: None,
            bench: Bench::default(),
            time_ms: TimeMs(0),
            covered: Offset(-1),
            pools: BTreeMap::new(),
            timers: BTreeSet::new(),
            due: BTreeSet::new(),
            carried_over: BTreeSet::new(),
        }
    }

    /// The pool of this name.
    ///
    /// # Panics
    /// When there is none: callers name pools that decide has checked.
    #[must_use]
    pub fn pool(&self, pool: &PoolId) -> &Pool {
        self.pools.get(pool).unwrap_or_else(|| panic!("pool {pool} was checked before"))
    }

    /// The same, to be changed by `evolve`.
    pub(crate) fn pool_mut(&mut self, pool: &PoolId) -> &mut Pool {
        self.pools.get_mut(pool).unwrap_or_else(|| panic!("pool {pool} was checked before"))
    }

    /// Whether something is to be done that no command asks for: timers are overdue or a queue is
    /// not worked off (until they are, nothing new is granted), or votes are due. The partition's
    /// owner appends ticks until this is over.
    #[must_use]
    pub fn needs_a_tick(&self) -> bool {
        self.overdue_timer().is_some() || !self.carried_over.is_empty() || !self.due.is_empty()
    }

    /// The first timer that is due and has not fired.
    #[must_use]
    pub fn overdue_timer(&self) -> Option<&Timer> {
        self.timers.first().filter(|timer| timer.at_ms <= self.time_ms)
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_timer_ms(&self) -> Option<TimeMs> {
        self.timers.first().map(|timer| timer.at_ms)
    }
}

impl Pool {
    /// A pool without nodes and tenants.
    pub(crate) fn new(policy: SetPoolPolicy, log: Option<&OpenLog>) -> Self {
        let ids_max = log.map_or(DUPLICATE_IDS_MAX, |log| log.duplicate_ids);
        let ids_max = usize::try_from(ids_max).expect("OpenLog was validated");
        let window_ms = log.map_or(DUPLICATE_WINDOW_MS_MAX, |log| log.duplicate_window_ms);
        Self {
            placer: Placer::new(policy.placement, &policy.target_workload),
            policy,
            fleet: Fleet::default(),
            tenants: BTreeMap::new(),
            requests: Requests::default(),
            queue: Queue::default(),
            deferred_count: 0,
            guarantees: GpuMilli(0),
            unused_guarantees: GpuMilli(0),
            duplicates: DuplicateWindow::new(ids_max, window_ms),
            denials: Denials::default(),
            half_life_ms: None,
            preemption: Preemption::default(),
            tariff: Vec::new(),
            preemptible: Preemptible::default(),
            budget_look_ms: None,
            lendable: GpuMilli(0),
            borrowed: GpuMilli(0),
            reservations: Reservations::default(),
            lease_ends: BTreeSet::new(),
        }
    }

    /// The live request of this name, if it is one.
    #[must_use]
    pub fn request(&self, request: &RequestId) -> Option<&Request> {
        self.requests.get(request)
    }

    /// GPUs that leases could still take: free ones on nodes that accept work.
    #[must_use]
    pub fn free_gpu_milli(&self) -> GpuMilli {
        let gpus = self.fleet.gpus_accepting();
        GpuMilli(gpus.total_milli.0 - gpus.used_milli.0)
    }

    /// GPUs on nodes that accept work, free or not.
    #[must_use]
    pub fn accepting_gpu_milli(&self) -> GpuMilli {
        self.fleet.gpus_accepting().total_milli
    }

    /// The tenant of this name, to be changed in what no sum depends on.
    pub(crate) fn tenant_mut(&mut self, name: &TenantId) -> &mut Tenant {
        let tenant = self.tenants.get_mut(name);
        tenant.unwrap_or_else(|| panic!("tenant {name} was checked before"))
    }
}

impl Tenant {
    /// Its requests in the queue: those that wait for capacity, and were not put off.
    #[must_use]
    pub fn queued_count(&self) -> i64 {
        self.waiting_count - self.deferred_count
    }

    /// A tenant that uses nothing.
    pub(crate) fn new(quota: SetQuota) -> Self {
        let ceiling_gpu_milli = quota.limit_gpu_milli;
        Self {
            quota,
            used_gpu_milli: GpuMilli(0),
            ceiling_gpu_milli,
            rate_paid_us: 0,
            waiting_count: 0,
            deferred_count: 0,
            running_count: 0,
            history: History::default(),
            memory: Memory::default(),
            ledger: Ledger::default(),
            preempted: PreemptedOnDay::default(),
            budget: None,
            branch: Branch::default(),
        }
    }
}

impl Pool {
    /// So many more of a tenant's requests are put off.
    pub(crate) fn count_deferred(&mut self, tenant: &TenantId, more: i64) {
        self.deferred_count += more;
        self.tenant_mut(tenant).deferred_count += more;
    }

    /// Follows other rules from now on.
    pub(crate) fn set_policy(&mut self, policy: SetPoolPolicy) {
        self.placer = Placer::new(policy.placement, &policy.target_workload);
        self.policy = policy;
    }
}

impl Pool {
    /// Takes what one replica of `ask` holds, where it sits.
    pub(crate) fn take(&mut self, at: &Placement, ask: &RequestAllocation) {
        let (index, gpus) = self.spot_of(at);
        self.fleet.take(index, &Need::of(ask), gpus);
    }

    /// Gives it back.
    pub(crate) fn give_back(&mut self, at: &Placement, ask: &RequestAllocation) {
        let (index, gpus) = self.spot_of(at);
        self.fleet.give_back(index, &Need::of(ask), gpus);
    }

    pub(crate) fn spot_of(&self, at: &Placement) -> (usize, GpuSet) {
        let index = self.fleet.index_of(&at.node);
        let index = index.unwrap_or_else(|| panic!("a lease sits on unknown node {}", at.node));
        (index, GpuSet::of(&at.gpus))
    }
}
