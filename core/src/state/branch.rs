//! A tenant's place in its pool's tree, and what is kept there of everybody below it.
//!
//! Sums over a tenant and all below it follow every grant and every end of a lease on the way up,
//! so that nobody has to walk down a tree to decide.

use super::{Ledger, Pool, Tenant};
use crate::units::{DurationMs, GpuMilli, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// Where a tenant stands in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Whose child it is; none at the top.
    pub parent: Option<TenantId>,
    /// How many children it has.
    pub children: i64,
    /// Most of its idle guarantee that others may borrow at once; none for all of it.
    pub lend_gpu_milli: Option<GpuMilli>,
    /// What live leases borrowed of it.
    pub lent_gpu_milli: GpuMilli,
    /// What its own leases borrowed of others.
    pub borrowed_gpu_milli: GpuMilli,
    /// What there is below it.
    pub below: Below,
    /// What its own leases and all below it have used; none without children.
    pub ledger: Option<Box<Ledger>>,
}

/// Sums over the tenants below one, of GPU milli.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below {
    /// What leases hold.
    pub used: i64,
    /// Guarantees of its children, which theirs are a part of.
    pub guarantees: i64,
    /// What is promised and not used.
    pub promised: i64,
    /// What leases borrowed.
    pub borrowed: i64,
}

impl Below {
    fn plus(self, other: Self, times: i64) -> Self {
        Self {
            used: self.used + times * other.used,
            guarantees: self.guarantees + times * other.guarantees,
            promised: self.promised + times * other.promised,
            borrowed: self.borrowed + times * other.borrowed,
        }
    }
}

impl Tenant {
    /// GPUs that its leases hold and those of all below it.
    #[must_use]
    pub fn used_with_below(&self) -> GpuMilli {
        GpuMilli(self.used_gpu_milli.0 + self.branch.below.used)
    }

    /// What these leases borrowed of others.
    #[must_use]
    pub fn borrowed_with_below(&self) -> GpuMilli {
        GpuMilli(self.branch.borrowed_gpu_milli.0 + self.branch.below.borrowed)
    }

    /// What is promised to it and nobody below it, and not used.
    #[must_use]
    pub fn unused_guarantee(&self) -> GpuMilli {
        let unused = self.quota.guarantee_gpu_milli.0 - self.used_with_below().0;
        GpuMilli((unused - self.branch.below.promised).max(0))
    }

    /// What is promised to it or to anybody below it, and not used.
    #[must_use]
    pub fn promised(&self) -> GpuMilli {
        GpuMilli(self.unused_guarantee().0 + self.branch.below.promised)
    }

    /// What others may still borrow of its idle guarantee.
    #[must_use]
    pub fn lendable(&self) -> GpuMilli {
        let Branch { lend_gpu_milli, lent_gpu_milli, .. } = self.branch;
        let idle = self.unused_guarantee();
        GpuMilli((lend_gpu_milli.map_or(idle, |most| most.min(idle)).0 - lent_gpu_milli.0).max(0))
    }

    /// What its leases have used and those of all below it.
    #[must_use]
    pub fn ledger_with_below(&self) -> &Ledger {
        self.branch.ledger.as_deref().unwrap_or(&self.ledger)
    }

    /// Whether it has a parent or children.
    #[must_use]
    pub fn is_in_a_tree(&self) -> bool {
        self.branch.parent.is_some() || self.branch.children > 0
    }

    /// What its parent counts of it.
    fn whole(&self) -> Below {
        Below {
            used: self.used_with_below().0,
            guarantees: self.quota.guarantee_gpu_milli.0,
            promised: self.promised().0,
            borrowed: self.borrowed_with_below().0,
        }
    }

    /// What it holds is within what it may hold; what it gave back above its limit is gone.
    ///
    /// # Panics
    /// When it holds more.
    pub(crate) fn keep_ceiling(&mut self) {
        let (used, ceiling) = (self.used_with_below(), self.ceiling_gpu_milli);
        assert!((0..=ceiling.0).contains(&used.0), "tenant uses {used} of {ceiling} milli");
        self.ceiling_gpu_milli = self.quota.limit_gpu_milli.max(used);
    }
}

impl Pool {
    /// A tenant, its parent, and so on to the top; nobody when the pool does not know it.
    pub fn path<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> impl Iterator<Item = (&'a TenantId, &'a Tenant)> {
        let of = |name: &'a TenantId| self.tenants.get_key_value(name);
        std::iter::successors(of(tenant), move |(_, tenant)| of(tenant.branch.parent.as_ref()?))
    }

    /// Whether `tenant` is `ancestor`, or stands below it.
    #[must_use]
    pub fn is_within(&self, tenant: &TenantId, ancestor: &TenantId) -> bool {
        tenant == ancestor || self.path(tenant).any(|(name, _)| name == ancestor)
    }

    /// Who stands at the top above a tenant, or is it.
    pub(crate) fn top_of<'a>(&'a self, tenant: &'a TenantId) -> &'a TenantId {
        self.path(tenant).last().map_or(tenant, |(name, _)| name)
    }

    /// What `tenant` may take of what is promised: its own unused guarantee, and that of each above
    /// it which nobody else below that one is promised.
    #[must_use]
    pub fn reach(&self, tenant: &TenantId) -> GpuMilli {
        GpuMilli(self.path(tenant).map(|(_, tenant)| tenant.unused_guarantee().0).sum())
    }

    /// GPUs that are promised, not used, and not for `tenant` to take.
    #[must_use]
    pub fn held_for_others(&self, tenant: &TenantId) -> GpuMilli {
        GpuMilli(self.unused_guarantees.0 - self.reach(tenant).0)
    }

    /// The lowest on the path of `tenant` up to whose guarantee covers all of `wanted`; none when
    /// none does, or nothing is wanted.
    #[must_use]
    pub fn covered_by<'a>(
        &'a self,
        tenant: &'a TenantId,
        wanted: GpuMilli,
    ) -> Option<&'a TenantId> {
        let mut reach = 0;
        let mut path = self.path(tenant).filter(|_| wanted.0 > 0);
        let found = path.find(|(_, tenant)| {
            reach += tenant.unused_guarantee().0;
            reach >= wanted.0
        });
        found.map(|(name, _)| name)
    }

    /// Changes a tenant, but for its parent, and keeps the sums above it true.
    pub(crate) fn change_tenant(&mut self, name: &TenantId, change: impl FnOnce(&mut Tenant)) {
        let tenant = self.tenant_mut(name);
        let (before, lendable) = (tenant.whole(), tenant.lendable().0);
        change(tenant);
        let (more, lendable) = (tenant.whole().plus(before, -1), tenant.lendable().0 - lendable);
        let parent = tenant.branch.parent.clone();
        self.lendable.0 += lendable;
        self.pass_up(parent, more);
    }

    /// Below `parent` there is so much more.
    fn pass_up(&mut self, parent: Option<TenantId>, mut more: Below) {
        let mut next = parent;
        while let Some(name) = next {
            if more == Below::default() {
                return;
            }
            let tenant = self.tenant_mut(&name);
            let (before, lendable) = (tenant.whole(), tenant.lendable().0);
            tenant.branch.below = tenant.branch.below.plus(more, 1);
            tenant.keep_ceiling();
            let lendable = tenant.lendable().0 - lendable;
            more = tenant.whole().plus(before, -1);
            next = tenant.branch.parent.clone();
            self.lendable.0 += lendable;
        }
        self.guarantees.0 += more.guarantees;
        self.unused_guarantees.0 += more.promised;
        self.borrowed.0 += more.borrowed;
    }

    /// Charges a tenant, and everybody above it.
    pub(crate) fn charge(&mut self, tenant: &TenantId, change: impl Fn(&mut Ledger)) {
        let tenant = self.tenant_mut(tenant);
        change(&mut tenant.ledger);
        if let Some(ledger) = &mut tenant.branch.ledger {
            change(ledger);
        }
        let parent = tenant.branch.parent.clone();
        self.charge_from(parent, change);
    }

    fn charge_from(&mut self, parent: Option<TenantId>, change: impl Fn(&mut Ledger)) {
        let mut next = parent;
        while let Some(name) = next {
            let tenant = self.tenant_mut(&name);
            change(tenant.branch.ledger.as_mut().expect("whoever has children keeps their use"));
            next = tenant.branch.parent.clone();
        }
    }

    /// Gives a tenant another parent, with all below it: what its leases hold and have used counts
    /// there from now on. Whoever comes to hold more than its limit so keeps it.
    pub(crate) fn move_tenant(&mut self, name: &TenantId, to: Option<TenantId>, now: TimeMs) {
        let half_life = self.half_life();
        let tenant = self.tenant_mut(name);
        let (whole, ledger) = (tenant.whole(), tenant.ledger_with_below().clone());
        let from = std::mem::replace(&mut tenant.branch.parent, to.clone());
        self.pass_up(from.clone(), Below::default().plus(whole, -1));
        self.charge_from(from.clone(), |above| above.add(&ledger, -1, now, half_life));
        if let Some(from) = from {
            self.lose_child(&from);
        }
        if let Some(to) = &to {
            self.gain_child(to);
        }
        self.raise_ceilings(to.clone(), whole.used);
        self.pass_up(to.clone(), whole);
        self.charge_from(to, |above| above.add(&ledger, 1, now, half_life));
    }

    fn lose_child(&mut self, parent: &TenantId) {
        let tenant = self.tenant_mut(parent);
        tenant.branch.children -= 1;
        if tenant.branch.children == 0 {
            tenant.branch.ledger = None;
        }
    }

    fn gain_child(&mut self, parent: &TenantId) {
        let tenant = self.tenant_mut(parent);
        tenant.branch.children += 1;
        if tenant.branch.ledger.is_none() {
            tenant.branch.ledger = Some(Box::new(tenant.ledger.clone()));
        }
    }

    fn raise_ceilings(&mut self, parent: Option<TenantId>, more: i64) {
        let mut next = parent;
        while let Some(name) = next {
            let tenant = self.tenant_mut(&name);
            let used = GpuMilli(tenant.used_with_below().0 + more);
            tenant.ceiling_gpu_milli = tenant.ceiling_gpu_milli.max(used);
            next = tenant.branch.parent.clone();
        }
    }

    /// Fades everything that was used until `now`.
    pub(crate) fn fade_ledgers(&mut self, now: TimeMs, half_life: DurationMs) {
        for tenant in self.tenants.values_mut() {
            tenant.ledger.fade_to(now, half_life);
            if let Some(ledger) = &mut tenant.branch.ledger {
                ledger.fade_to(now, half_life);
            }
        }
    }
}
