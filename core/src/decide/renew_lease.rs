//! `RenewLease`: moves a lease's end to the command's time plus the extension.

use super::lease_of;
use super::stage_one::Bounds;
use crate::budget::{GPU_HOUR, in_milli_seconds};
use crate::command::{Command, RenewLease};
use crate::decision::{Event, LeaseRenewed, Rejected};
use crate::draft::Draft;
use crate::limits::{BUDGET_WINDOWS_MAX, DURATION_MS_MAX, TIME_MS_MAX};
use crate::prices::money;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::budget::window_of;
use crate::state::{Lease, Pool, Request};
use crate::units::TimeMs;

pub(super) fn check(renew: &RenewLease) -> Result<(), Rejected> {
    Bounds::id("request", &renew.request.0)?;
    Bounds::number("extend_ms", renew.extend_ms.0, 1, DURATION_MS_MAX.0)
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    renew: &RenewLease,
) -> Result<(), Rejected> {
    let lease = lease_of(draft, command, &renew.request, renew.fencing)?;
    if lease.notice.is_some() {
        // For whom is nothing that its tenant may be told.
        let ends_at_ms = lease.ends_at_ms;
        let detail = format!("the lease ends at {ends_at_ms} for another request: save its work");
        return Err(refuse(Code::UnderNotice, detail));
    }
    let lease_max_ms = draft.state.pool(&command.pool).policy.lease_max_ms;
    if renew.extend_ms > lease_max_ms {
        let detail = format!("extend_ms {} is over the pool's {lease_max_ms}", renew.extend_ms);
        return Err(refuse(Code::ExceedsLeaseMax, detail));
    }
    let ends_at_ms = draft.now.plus(renew.extend_ms).min(TIME_MS_MAX);
    let pool = draft.state.pool(&command.pool);
    let request = &pool.requests[&renew.request];
    let lease = request.lease().expect("the lease was found");
    let renewal = Renewal { pool, request, lease, now: draft.now, ends_at_ms };
    renewal.check_budget()?;
    renewal.check_cap()?;
    renewal.check_reservations()?;
    renewal.check_let_past()?;
    if pool.tenants[&request.ask.tenant].may_wait_for_budget() {
        // What waits beside it may keep nobody back any more, or fit where the lease ends earlier.
        draft.freed.insert(command.pool.clone());
    }
    draft.emit(Event::LeaseRenewed(LeaseRenewed {
        pool: command.pool.clone(),
        request: renew.request.clone(),
        fencing: draft.offset,
        ends_at_ms,
    }));
    Ok(())
}

/// A lease that is to end later, or earlier.
struct Renewal<'a> {
    pool: &'a Pool,
    request: &'a Request,
    lease: &'a Lease,
    now: TimeMs,
    ends_at_ms: TimeMs,
}

impl Renewal<'_> {
    /// A lease that was let past somebody who is protected ends before he could start.
    fn check_let_past(&self) -> Result<(), Rejected> {
        let Self { pool, lease, ends_at_ms, .. } = *self;
        let Some(past) = lease.let_past.as_ref().filter(|past| past.until_ms < ends_at_ms) else {
            return Ok(());
        };
        let protected = pool.request(&past.protected);
        let still_waits = |protected: &&Request| {
            protected.arrival == past.arrival && protected.waits_since().is_some()
        };
        if protected.filter(still_waits).is_none() {
            return Ok(());
        }
        // Who that is, its tenant may not be told.
        let until_ms = past.until_ms;
        let detail = format!(
            "the lease was granted before that of a request that waits longer and could start at \
             {until_ms}: extend_ms is {} at the most while it waits",
            until_ms.since(self.now)
        );
        Err(refuse(Code::WouldDelay, detail))
    }

    /// Until its later end the lease must not stand where something is reserved.
    fn check_reservations(&self) -> Result<(), Rejected> {
        let Self { pool, request, ends_at_ms, .. } = *self;
        let Some(one) = pool.runs_into(request, ends_at_ms) else { return Ok(()) };
        // Whose it is, and its name, is nothing that the lease's tenant may be told.
        let start_ms = one.reserve.start_ms;
        let detail = format!(
            "until {ends_at_ms} it would run into a reservation, which starts at {start_ms}: \
             extend_ms is {} at the most",
            start_ms.since(self.now)
        );
        Err(refuse(Code::Reserved, detail))
    }

    /// What a later end adds has to fit each window of the tenant's budget that it touches.
    fn check_budget(&self) -> Result<(), Rejected> {
        let Self { pool, request, lease, now, ends_at_ms } = *self;
        let Some(allowance) = pool.tenants[&request.ask.tenant].allowance() else { return Ok(()) };
        let last = window_of(TimeMs(ends_at_ms.0 - 1), allowance.width);
        let windows = last - window_of(now, allowance.width) + 1;
        // Before they are gone through.
        if windows > BUDGET_WINDOWS_MAX {
            let detail = format!(
                "until {ends_at_ms} it touches {windows} windows of {} ms: at most \
                 {BUDGET_WINDOWS_MAX} are kept",
                allowance.width
            );
            return Err(refuse(Code::ExceedsBudget, detail));
        }
        let gpu_milli = request.held_gpu_milli().0;
        if let Some(short) = allowance.short_in(gpu_milli, (lease.ends_at_ms, ends_at_ms)) {
            let detail = format!(
                "in the window from {} to {} it would add {} GPU milli seconds to {} that are \
                 reserved of {}",
                short.start_ms,
                short.next_ms,
                in_milli_seconds(short.wanted),
                in_milli_seconds(short.reserved),
                in_milli_seconds(short.allowed)
            );
            return Err(refuse(Code::ExceedsBudget, detail));
        }
        Ok(())
    }

    /// The whole lease, from its grant to its new end, has to cost no more than its cap.
    fn check_cap(&self) -> Result<(), Rejected> {
        let Self { request, lease, ends_at_ms, .. } = *self;
        let Some(cap) = request.ask.budget_cap_micro_usd else { return Ok(()) };
        let length = ends_at_ms.since(lease.granted_at_ms);
        let cost = request.rate_from(0).cost * i128::from(length.0);
        if ends_at_ms <= lease.ends_at_ms || cost <= i128::from(cap.0) * GPU_HOUR {
            return Ok(());
        }
        let whole = money(cost);
        let detail = format!(
            "until {ends_at_ms} its {length} ms would cost {whole} micro-USD, and its cap is {cap}"
        );
        Err(refuse(Code::ExceedsCap, detail))
    }
}
