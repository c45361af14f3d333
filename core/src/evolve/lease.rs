//! What leases give back: some of their replicas, or all that they hold.

use crate::command::RequestAllocation;
use crate::decision::{LeaseEnded, LeaseShrunk};
use crate::state::history::Counted;
use crate::state::{Amounts, State, Tenant, TimerKind};
use crate::units::{DurationMs, GpuMilli, GpuMilliSeconds, TimeMs};

impl State {
    pub(super) fn shrink(&mut self, shrunk: &LeaseShrunk) {
        let LeaseShrunk { pool, request: id, fencing, replicas } = shrunk;
        let keep = usize::try_from(*replicas).expect("decide keeps at least one replica");
        let now = self.time_ms;
        let lease = self.lease_mut(pool, id);
        assert!(keep < lease.replicas.len(), "lease {id} shrinks to {keep}");
        lease.fencing = *fencing;
        let (since, span) = (lease.granted_at_ms, lease.held_until(now));
        let pool = self.pool_mut(pool);
        let request = pool.requests.get_mut(id).expect("lease_mut found it");
        let (ask, rate) = (request.ask.clone(), request.rate_from(keep));
        pool.preemptible.forget(&pool.fleet, request);
        let lease = request.lease_mut().expect("lease_mut found it");
        let (freed, ends_at_ms) = (lease.replicas.split_off(keep), lease.ends_at_ms);
        lease.hourly_micro_usd.truncate(keep);
        pool.reservations.stand_up(id, &freed, &lease.replicas);
        let count = i64::try_from(freed.len()).expect("a gang is bounded");
        let gpus = GpuMilli(count * ask.replica_gpu_milli().0);
        let repaid = lease.repay(gpus);
        pool.preemptible.note(&pool.fleet, request);
        freed.iter().for_each(|replica| pool.give_back(replica, &ask));
        let (given, half_life) = (Amounts::of(&ask, count), pool.half_life());
        pool.charge(&ask.tenant, |ledger| ledger.give_back(&given, since, span, half_life));
        pool.count_loans(&ask.tenant, &repaid, -1);
        pool.use_quota(&ask.tenant, GpuMilli(-gpus.0), |tenant| {
            note_given_back(tenant, now, &ask, gpus, span);
            tenant.refund(rate, (now, ends_at_ms), now);
        });
    }

    pub(super) fn end_lease(&mut self, ended: &LeaseEnded) {
        let LeaseEnded { pool, request: id, reason, outcome, utilisation_bp } = ended;
        let now = self.time_ms;
        if self.council.is_some() {
            self.tell_of(ended);
        }
        let ends_at_ms = self.lease_mut(pool, id).ends_at_ms;
        self.stop_timer(pool, id, ends_at_ms, TimerKind::LeaseEnds);
        let pool = self.pool_mut(pool);
        let request = pool.requests.remove(id).expect("lease_mut found it");
        pool.preemptible.forget(&pool.fleet, &request);
        let lease = request.lease().expect("lease_mut found it");
        if let Some(notice) = &lease.notice {
            pool.settle_notice(&notice.by, id);
        }
        lease.replicas.iter().for_each(|replica| pool.give_back(replica, &request.ask));
        pool.reservations.stand_up(id, &lease.replicas, &[]);
        let (gpus, span) = (request.held_gpu_milli(), lease.held_until(now));
        let (given, half_life) = (request.held_amounts(), pool.half_life());
        let (rate, since, tenant) =
            (request.rate_from(0), lease.granted_at_ms, &request.ask.tenant);
        pool.charge(tenant, |ledger| ledger.give_back(&given, since, span, half_life));
        pool.count_loans(tenant, &lease.loans, -1);
        pool.use_quota(tenant, GpuMilli(-gpus.0), |tenant| {
            tenant.refund(rate, (now, ends_at_ms), now);
            tenant.running_count -= 1;
            note_given_back(tenant, now, &request.ask, gpus, span);
            let way = Counted::ending(*reason, *outcome);
            tenant.history.note_ended(now, way, *utilisation_bp);
        });
    }
}

/// Some GPUs of a lease, or all that were left of it, are the tenant's no more.
fn note_given_back(
    tenant: &mut Tenant,
    now: TimeMs,
    ask: &RequestAllocation,
    gpus: GpuMilli,
    span: DurationMs,
) {
    let expected = GpuMilliSeconds::of(gpus, ask.expected_duration_ms);
    tenant.history.note_given_back(now, expected, GpuMilliSeconds::of(gpus, span));
}
