//! What is on its way: leases that have notice will be gone, and those for whom they end will run.
//! Whoever looks for more leases to end counts with both.

use super::shift::Shift;
use crate::command::RequestAllocation;
use crate::decision::Placement;
use crate::state::{Group, Pool, Request, Stage};
use crate::units::{TenantId, TimeMs};
use std::collections::BTreeMap;

/// The pending claims of a pool, by what they will change.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// Without the leases that have notice.
    pub(super) gone: Shift,
    /// With the requests for whom they end.
    come: Shift,
    /// With both.
    pub(super) settled: Shift,
    /// How many GPU milli more are free then on nodes that accept work; mostly fewer.
    pub(super) free: i64,
    /// By tenant with a budget, what these requests may reserve of any one window.
    in_one_window: BTreeMap<TenantId, i128>,
}

impl Pending {
    pub(super) fn of(pool: &Pool) -> Self {
        let mut all = Self::default();
        for (by, claim) in &pool.preemption.claims {
            for request in claim.victims.iter().filter_map(|victim| pool.request(victim)) {
                let (tenant, held) = (&request.ask.tenant, request.held_gpu_milli().0);
                all.gone.move_use(pool, tenant, -held);
                all.settled.move_use(pool, tenant, -held);
                all.free += freed(pool, request);
            }
            let waits = |request: &&Request| {
                request.arrival == claim.arrival && matches!(request.stage, Stage::Waiting { .. })
            };
            if let Some(request) = pool.request(by).filter(waits) {
                all.expect(pool, &request.ask);
            }
        }
        all
    }

    /// A request for whom leases end will run.
    fn expect(&mut self, pool: &Pool, ask: &RequestAllocation) {
        let wanted = ask.total_gpu_milli().0;
        self.come.move_use(pool, &ask.tenant, wanted);
        self.settled.move_use(pool, &ask.tenant, wanted);
        self.free -= wanted;
        if let Some(allowance) = pool.tenants[&ask.tenant].allowance() {
            let in_one = allowance.in_one_window(pool.want(ask));
            *self.in_one_window.entry(ask.tenant.clone()).or_default() += in_one;
        }
    }

    /// Whose unused guarantee covers all that is asked beside those who come.
    pub(super) fn covered_by<'p>(
        &self,
        pool: &'p Pool,
        tenant: &'p TenantId,
        wanted: i64,
    ) -> Option<&'p TenantId> {
        self.come.covered_by(pool, tenant, wanted)
    }

    /// Whether all limits on the way up leave room for one of `group` beside those who come.
    pub(super) fn keeps_limits(&self, pool: &Pool, group: &Group) -> bool {
        self.come.keeps_limits(pool, &group.tenant, group.need.total_gpu_milli().0)
    }

    /// Whether the budget of its tenant has room for `ask` beside them, whenever it starts.
    pub(super) fn keeps_budget(&self, pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> bool {
        let beside = self.in_one_window.get(&ask.tenant).copied().unwrap_or_default();
        pool.always_fits_budget(ask, beside, now)
    }
}

/// What of a lease will be free, in GPU milli: a node that takes no work has no room for others.
pub(super) fn freed(pool: &Pool, request: &Request) -> i64 {
    let replicas = request.lease().map_or([].as_slice(), |lease| &lease.replicas);
    let accepts_work = |at: &&Placement| {
        let index = pool.fleet.index_of(&at.node).expect("a lease sits on a known node");
        pool.fleet.node(index).accepts_work()
    };
    let replicas = replicas.iter().filter(accepts_work).count();
    i64::try_from(replicas).expect("a gang is bounded") * request.ask.replica_gpu_milli().0
}
