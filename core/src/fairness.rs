//! The fair share of a pool: what each tenant has used of it lately and holds now, for its weight.
//!
//! A tenant's use of a resource is what its leases have used of it, faded by the half-life, and
//! what they hold now for one half-life more: so whoever is granted something comes later in the
//! order at once, and not only when time has passed. It is taken as a share of what whoever had
//! held the whole pool for ever would have. The largest share of GPUs, CPU and memory counts
//! (dominant resource fairness, Ghodsi et al., NSDI 2011), divided by the tenant's weight.

use crate::limits::HALF_LIFE_MS_DEFAULT;
use crate::state::{Amounts, Ledger, Pool, Tenant};
use crate::units::{DurationMs, TenantId, TimeMs};
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

/// A place in the order of a pool with fair share: from the top of the tree down, what each one
/// uses for its weight. Less comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FairKey {
    top: i128,
    /// Boxed, because most tenants stand at the top and have nobody below them.
    below: Option<Box<[i128]>>,
}

impl FairKey {
    /// What decides between two places, of the first and of the other: what each uses for its
    /// weight where their ways down from the top part.
    #[must_use]
    pub fn against(&self, other: &Self) -> (i128, i128) {
        if self.top != other.top {
            return (self.top, other.top);
        }
        let below = |key: &Self| key.below.as_deref().unwrap_or_default().to_vec();
        let (own, its) = (below(self), below(other));
        let mut pairs = own.into_iter().zip(its);
        pairs.find(|(own, its)| own != its).unwrap_or((self.top, other.top))
    }
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

    /// A tenant's place in the fair share at `now`, among the other children of its parent: what
    /// it and all below it use.
    ///
    /// # Panics
    /// Never: there are three resources.
    #[must_use]
    pub fn fair_use(&self, tenant: &Tenant, now: TimeMs) -> FairUse {
        let ledger = tenant.ledger_with_below();
        self.fair_use_of(ledger, tenant.quota.weight, now, Amounts::default())
    }

    /// The place of a tenant's requests in the order at `now`: tenants are compared where their
    /// ways down from the top part. What a parent asks for itself stands beside its children, as if
    /// it were one more of them with its weight.
    ///
    /// # Panics
    /// When the pool does not know the tenant.
    #[must_use]
    pub fn fair_key(&self, name: &TenantId, now: TimeMs) -> FairKey {
        self.fair_key_without(name, now, &BTreeMap::new())
    }

    /// The same if tenants held so much less of each resource: their places before grants that they
    /// got since.
    ///
    /// # Panics
    /// As [`Pool::fair_key`].
    #[must_use]
    pub fn fair_key_without(
        &self,
        name: &TenantId,
        now: TimeMs,
        granted: &BTreeMap<TenantId, Amounts>,
    ) -> FairKey {
        let tenant = &self.tenants[name];
        let key = |of: &TenantId, tenant: &Tenant| {
            let below = granted.iter().filter(|(one, _)| self.is_within(one, of));
            let less = below.fold(Amounts::default(), |sum, (_, amounts)| sum.plus(amounts));
            let ledger = tenant.ledger_with_below();
            self.fair_use_of(ledger, tenant.quota.weight, now, less).key
        };
        if !tenant.is_in_a_tree() {
            return FairKey { top: key(name, tenant), below: None };
        }
        let mut keys: Vec<i128> = self.path(name).map(|(of, tenant)| key(of, tenant)).collect();
        keys.reverse();
        if tenant.branch.children > 0 {
            let less = granted.get(name).copied().unwrap_or_default();
            let weight = tenant.quota.weight;
            keys.push(self.fair_use_of(&tenant.ledger, weight, now, less).key);
        }
        let top = keys.remove(0);
        FairKey { top, below: (!keys.is_empty()).then(|| keys.into()) }
    }

    /// The same of what it uses itself.
    #[must_use]
    pub fn fair_use_itself(&self, tenant: &Tenant, now: TimeMs) -> FairUse {
        self.fair_use_of(&tenant.ledger, tenant.quota.weight, now, Amounts::default())
    }

    fn fair_use_of(&self, ledger: &Ledger, weight: i64, now: TimeMs, less: Amounts) -> FairUse {
        let (half_life, capacity) = (self.half_life(), self.capacity());
        let (faded, held) = (ledger.faded_at(now, half_life), ledger.held());
        let share_of = |resource: Resource| {
            let (at, time) = (resource as usize, i128::from(half_life.0));
            let whole = self.faded_whole(resource, now) + capacity.0[at] * time;
            // What no node has any more is nobody's to share.
            if whole == 0 {
                0
            } else {
                (faded.0[at] + (held.0[at] - less.0[at]) * time) * WHOLE_SHARE / whole
            }
        };
        let shares = Resource::ALL.into_iter().map(|resource| (resource, share_of(resource)));
        // The first among equals: GPUs, where nothing is used.
        let (dominant, share) = shares
            .reduce(|most, next| if next.1 > most.1 { next } else { most })
            .expect("there are three resources");
        FairUse { dominant, share, key: share / i128::from(weight) }
    }
}

/// The places of tenants in the order of a queue, worked out as they are asked for.
#[derive(Debug)]
pub(crate) struct FairOrder {
    now: TimeMs,
    is_fair: bool,
    keys: BTreeMap<TenantId, FairKey>,
    /// Those at the top who were granted something, themselves or below them.
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
    pub(crate) fn key(&mut self, pool: &Pool, tenant: &TenantId) -> FairKey {
        if !self.is_fair {
            return FairKey::default();
        }
        if let Some(key) = self.keys.get(tenant) {
            return key.clone();
        }
        let key = pool.fair_key(tenant, self.now);
        self.keys.insert(tenant.clone(), key.clone());
        key
    }

    /// Forgets what a grant to `tenant` changed: in a tree, everybody's place below those above it.
    pub(crate) fn after_grant(&mut self, pool: &Pool, tenant: &TenantId) {
        if !self.is_fair {
            return;
        }
        if pool.tenants[tenant].is_in_a_tree() {
            self.keys.clear();
        } else {
            self.keys.remove(tenant);
        }
        let top = pool.top_of(tenant);
        if !self.moved.contains(top) {
            self.moved.insert(top.clone());
        }
    }

    /// Whether a grant changed where a tenant comes.
    pub(crate) fn has_moved(&self, pool: &Pool, tenant: &TenantId) -> bool {
        !self.moved.is_empty() && self.moved.contains(pool.top_of(tenant))
    }
}
