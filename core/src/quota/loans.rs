//! Borrowing: what is promised to others and idle, for work that makes room when they want it.

use super::QuotaBlock;
use crate::state::{Group, Loan, Pool, Request};
use crate::units::{GpuMilli, TenantId};
use std::cmp::Reverse;

/// What is asked of a quota.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// How much.
    pub gpu_milli: GpuMilli,
    /// Whether it makes room for others.
    preemptible: bool,
    /// How often it has for other tenants.
    preemptions: i64,
}

impl<'a> Demand<'a> {
    /// What a request asks.
    #[must_use]
    pub fn of(request: &'a Request) -> Self {
        let ask = &request.ask;
        Self {
            tenant: &ask.tenant,
            gpu_milli: ask.total_gpu_milli(),
            preemptible: ask.preemptible,
            preemptions: request.preemptions_by_others(),
        }
    }

    /// What each of a group of waiting requests asks.
    pub(crate) fn of_group(group: &'a Group) -> Self {
        Self {
            tenant: &group.tenant,
            gpu_milli: group.need.total_gpu_milli(),
            preemptible: group.preemptible,
            preemptions: group.preemptions,
        }
    }

    /// What of it is promised neither to its tenant nor to nobody; not above 0 when nothing is.
    pub(crate) fn needed(&self, pool: &Pool) -> GpuMilli {
        let to_nobody = (pool.free_gpu_milli().0 - pool.unused_guarantees.0).max(0);
        GpuMilli(self.gpu_milli.0 - pool.reach(self.tenant).0 - to_nobody)
    }
}

/// Whether what does not fit beside what is promised to others may be borrowed of them. `held` is
/// what is said where borrowing is out of the question.
pub(super) fn may_borrow(
    pool: &Pool,
    demand: &Demand<'_>,
    held: QuotaBlock,
) -> Result<(), QuotaBlock> {
    if !is_trusted(pool, demand) {
        return Err(held);
    }
    let needed = demand.needed(pool);
    for (name, tenant) in pool.path(demand.tenant) {
        let (borrowed, limit) = (tenant.borrowed_with_below(), tenant.quota.borrow_gpu_milli);
        // Above its tenant a limit of 0 is none.
        let is_limited = name == demand.tenant || limit.0 > 0;
        if is_limited && borrowed.0 + needed.0 > limit.0 {
            return Err(QuotaBlock::BorrowLimit { of: name.clone(), borrowed, limit, needed });
        }
    }
    let own = pool.path(demand.tenant).map(|(_, tenant)| tenant.lendable().0);
    if needed.0 <= pool.lendable.0 - own.sum::<i64>() { Ok(()) } else { Err(held) }
}

/// Whether what is lent for it can be had back, and its tenant borrows at all.
fn is_trusted(pool: &Pool, demand: &Demand<'_>) -> bool {
    let rules = pool.preemption.rules.as_ref();
    demand.preemptible
        && rules.is_some_and(|rules| demand.preemptions < rules.per_request)
        && pool.tenants[demand.tenant].quota.borrow_gpu_milli.0 > 0
}

impl Pool {
    /// Of whom what is granted now is borrowed: first of those who can lend most. Empty when
    /// nothing is.
    ///
    /// # Panics
    /// When they cannot lend enough: then it could not be granted.
    #[must_use]
    pub(crate) fn loans(&self, demand: &Demand<'_>) -> Vec<Loan> {
        // What is reserved for its tenant needs no loan.
        let is_inside = || !self.reservations.is_empty() && super::may_grant(self, demand).is_err();
        if !is_trusted(self, demand) || is_inside() {
            return vec![];
        }
        let mut left = demand.needed(self).0;
        if left <= 0 {
            return vec![];
        }
        let others = self.tenants.iter().filter(|(name, _)| !self.is_within(demand.tenant, name));
        let mut lenders: Vec<_> = others
            .map(|(name, tenant)| (Reverse(tenant.lendable()), name))
            .filter(|(lendable, _)| lendable.0.0 > 0)
            .collect();
        lenders.sort();
        let mut loans = Vec::new();
        for (Reverse(lendable), lender) in lenders {
            let gpu_milli = GpuMilli(lendable.0.min(left));
            loans.push(Loan { lender: lender.clone(), gpu_milli });
            left -= gpu_milli.0;
            if left == 0 {
                break;
            }
        }
        assert_eq!(left, 0, "{} is lent what nobody has to lend", demand.tenant);
        loans
    }
}
