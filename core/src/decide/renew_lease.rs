//! `RenewLease`: moves a lease's end to the command's time plus the extension.

use super::lease_of;
use super::stage_one::Bounds;
use crate::command::{Command, RenewLease};
use crate::decision::{Event, LeaseRenewed, Rejected};
use crate::draft::Draft;
use crate::limits::{DURATION_MS_MAX, TIME_MS_MAX};
use crate::rejection::{RejectionCode as Code, refuse};

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
    draft.emit(Event::LeaseRenewed(LeaseRenewed {
        pool: command.pool.clone(),
        request: renew.request.clone(),
        fencing: draft.offset,
        ends_at_ms,
    }));
    Ok(())
}
