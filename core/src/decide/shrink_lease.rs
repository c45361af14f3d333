//! `ShrinkLease`: gives back the last replicas of a gang and keeps the first ones.

use super::lease_of;
use super::stage_one::Bounds;
use crate::command::{Command, ShrinkLease};
use crate::decision::{Event, LeaseShrunk, Rejected};
use crate::draft::Draft;
use crate::limits::REPLICAS_MAX;
use crate::rejection::{RejectionCode as Code, refuse};

pub(super) fn check(shrink: &ShrinkLease) -> Result<(), Rejected> {
    Bounds::id("request", &shrink.request.0)?;
    Bounds::number("replicas", shrink.replicas, 1, REPLICAS_MAX)
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    shrink: &ShrinkLease,
) -> Result<(), Rejected> {
    let lease = lease_of(draft, command, &shrink.request, shrink.fencing)?;
    let held = i64::try_from(lease.replicas.len()).expect("a gang is bounded");
    if shrink.replicas >= held {
        let detail = format!("the lease has {held} replicas: keep fewer, or release it");
        return Err(refuse(Code::NotSmaller, detail));
    }
    draft.freed.insert(command.pool.clone());
    draft.emit(Event::LeaseShrunk(LeaseShrunk {
        pool: command.pool.clone(),
        request: shrink.request.clone(),
        fencing: draft.offset,
        replicas: shrink.replicas,
    }));
    Ok(())
}
