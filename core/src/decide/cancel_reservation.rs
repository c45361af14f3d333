//! `CancelReservation`: gives up a reservation. Leases that use it live on as they are.

use super::stage_one::Bounds;
use super::{check_version, reserve};
use crate::command::{CancelReservation, Command};
use crate::decision::{Event, Rejected, ReservationCancelled};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};

pub(super) fn check(cancel: &CancelReservation) -> Result<(), Rejected> {
    Bounds::id("reservation", &cancel.reservation.0)?;
    Bounds::text("reason", &cancel.reason)
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    cancel: &CancelReservation,
) -> Result<(), Rejected> {
    check_version(draft, reserve::SINCE, "reservations come")?;
    let (pool, id) = (&command.pool, &cancel.reservation);
    if draft.state.pool(pool).reservations.get(id).is_none() {
        let detail = format!("'{pool}' has no reservation '{id}': it is over, or never was");
        return Err(refuse(Code::UnknownReservation, detail));
    }
    draft.emit(Event::ReservationCancelled(ReservationCancelled {
        pool: pool.clone(),
        reservation: id.clone(),
        operator: command.actor.user.clone(),
        reason: cancel.reason.clone(),
    }));
    draft.freed.insert(pool.clone());
    Ok(())
}
