//! `ReleaseLease`: gives back everything.

use super::stage_one::Bounds;
use super::{lease_of, members};
use crate::command::{Command, ReleaseLease};
use crate::decision::{Event, LeaseEnd, LeaseEnded, Rejected};
use crate::draft::Draft;

pub(super) fn check(release: &ReleaseLease) -> Result<(), Rejected> {
    Bounds::id("request", &release.request.0)?;
    match release.utilisation_bp {
        Some(share) => Bounds::number("utilisation_bp", share, 0, 10_000),
        None => Ok(()),
    }
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    release: &ReleaseLease,
) -> Result<(), Rejected> {
    lease_of(draft, command, &release.request, release.fencing)?;
    members::weigh(draft, &command.pool, release);
    draft.freed.insert(command.pool.clone());
    draft.emit(Event::LeaseEnded(LeaseEnded {
        pool: command.pool.clone(),
        request: release.request.clone(),
        reason: LeaseEnd::Released,
        outcome: release.outcome,
        utilisation_bp: release.utilisation_bp,
    }));
    Ok(())
}
