//! The fair share of a pool: what each tenant has used of it lately and holds now, for its weight.
//!
//! A tenant's use of a resource is what its leases have used of it, faded by the half-life, and
//! what they hold now for one half-life more: so whoever is granted something comes later in the
//! order at once, and not only when time has passed. It is taken as a share of what whoever had
//! held the whole pool for ever would have. The largest share of GPUs, CPU and memory counts
//! (dominant resource fairness, Ghodsi et al., NSDI 2011), divided by the tenant's weight.

use crate::limits::HALF_LIFE_MS_DEFAULT;
use crate::state::{Amounts, Group, Pool, Tenant, Waiter};
use crate::units::{DurationMs, Offset, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// The use of whoever holds all of a resource, and always did.
pub const WHOLE_SHARE: i128 = 1_000_000_000_000;

/// What a pool is shared out in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// GPUs.
    Gpu,
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
}

/// A tenant's place in the fair share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FairUse {
    /// The resource of which it uses the largest part.
    pub dominant: Resource,
    /// That part, of [`WHOLE_SHARE`]; over it only where nodes have left.
    pub share: i128,
    /// The same divided by its weight: whoever has less comes first.
    pub key: i128,
}

impl Resource {
    /// All of them, in the order of [`Amounts`].
    pub const ALL: [Self; 3] = [Self::Gpu, Self::Cpu, Self::Memory];
}

impl Pool {
    /// What was used so long ago counts half.
    #[must_use]
    pub fn half_life(&self) -> DurationMs {
        self.half_life_ms.unwrap_or(HALF_LIFE_MS_DEFAULT)
    }

    /// What all of its nodes have.
    #[must_use]
    pub fn capacity(&self) -> Amounts {
        self.fleet.capacity()
    }

    /// GPU milli times milliseconds that the leases of each tenant have used until `now`: every one
    /// from its grant to its end.
    ///
    /// # Panics
    /// When a lease has no tenant: the state contradicts itself.
    #[must_use]
    pub fn used_gpu_milli_ms(&self, now: TimeMs) -> BTreeMap<&TenantId, i128> {
        let tenants = self.tenants.iter();
        let settled = tenants.map(|(name, tenant)| (name, tenant.ledger.settled_gpu_milli_ms()));
        let mut used: BTreeMap<_, _> = settled.collect();
        for request in self.requests.values() {
            let Some(lease) = request.lease() else { continue };
            let held = i128::from(request.held_gpu_milli().0) * i128::from(lease.held_until(now).0);
            *used.get_mut(&request.ask.tenant).expect("a lease has a tenant") += held;
        }
        used
    }

    /// What of a resource whoever had held all of it for ever would have used by `now`, faded.
    #[must_use]
    pub fn faded_whole(&self, resource: Resource, now: TimeMs) -> i128 {
        let half_life = self.half_life().0;
        // A half, a quarter and so on of the windows before, and the current one.
        self.capacity().0[resource as usize] * i128::from(half_life + now.0.rem_euclid(half_life))
    }

    /// A tenant's place in the fair share at `now`.
    ///
    /// # Panics
    /// Never: there are three resources.
    #[must_use]
    pub fn fair_use(&self, tenant: &Tenant, now: TimeMs) -> FairUse {
        let half_life = self.half_life();
        let (ledger, capacity) = (&tenant.ledger, self.capacity());
        let (faded, held) = (ledger.faded_at(now, half_life), ledger.held());
        let share_of = |resource: Resource| {
            let (at, time) = (resource as usize, i128::from(half_life.0));
            let whole = self.faded_whole(resource, now) + capacity.0[at] * time;
            // What no node has any more is nobody's to share.
            if whole == 0 { 0 } else { (faded.0[at] + held.0[at] * time) * WHOLE_SHARE / whole }
        };
        let shares = Resource::ALL.into_iter().map(|resource| (resource, share_of(resource)));
        // The first among equals: GPUs, where nothing is used.
        let (dominant, share) = shares
            .reduce(|most, next| if next.1 > most.1 { next } else { most })
            .expect("there are three resources");
        FairUse { dominant, share, key: share / i128::from(tenant.quota.weight) }
    }
}

impl Pool {
    /// Where each waiting request stands at `now`: priority descending, then in a pool with fair
    /// share whose tenant has used least for its weight, then arrival. A grant moves what else its
    /// tenant waits for behind that of others.
    pub fn in_order(&self, now: TimeMs) -> impl Iterator<Item = (&Group, Offset, &Waiter)> {
        let mut order = FairOrder::of(self, now);
        let mut all: Vec<_> = self.queue.waiters().collect();
        all.sort_by_cached_key(|(group, arrival, _)| {
            (group.priority, order.key(self, &group.tenant), *arrival)
        });
        all.into_iter()
    }
}

/// The places of tenants in the order of a queue, worked out as they are asked for.
#[derive(Debug)]
pub(crate) struct FairOrder {
    now: TimeMs,
    is_fair: bool,
    keys: BTreeMap<TenantId, i128>,
    moved: BTreeSet<TenantId>,
}

impl FairOrder {
    /// The order of `pool` at `now`.
    pub(crate) fn of(pool: &Pool, now: TimeMs) -> Self {
        let (keys, moved) = (BTreeMap::new(), BTreeSet::new());
        Self { now, is_fair: pool.half_life_ms.is_some(), keys, moved }
    }

    /// Where a tenant comes among requests of one priority; everywhere the same in a pool that is
    /// ordered by arrival.
    pub(crate) fn key(&mut self, pool: &Pool, tenant: &TenantId) -> i128 {
        if !self.is_fair {
            return 0;
        }
        if let Some(key) = self.keys.get(tenant) {
            return *key;
        }
        let key = pool.fair_use(&pool.tenants[tenant], self.now).key;
        self.keys.insert(tenant.clone(), key);
        key
    }

    /// Forgets what a grant to `tenant` changed.
    pub(crate) fn after_grant(&mut self, tenant: &TenantId) {
        self.keys.remove(tenant);
        if self.is_fair && !self.moved.contains(tenant) {
            self.moved.insert(tenant.clone());
        }
    }

    /// Whether a grant changed where a tenant comes.
    pub(crate) fn has_moved(&self, tenant: &TenantId) -> bool {
        self.moved.contains(tenant)
    }
}
