//! Timers that are due fire before the command whose time passed them, in order of deadline and id.

use crate::command::WorkOutcome;
use crate::decision::{
    BudgetAwaited, DeferralDue, Event, LeaseEnd, LeaseEnded, RequestEnd, RequestEnded,
    ReservationEnded, ReservationStarted,
};
use crate::draft::Draft;
use crate::overtaking::lifts_a_barrier;
use crate::preemption;
use crate::state::{Timer, TimerKind};
use crate::units::ReservationId;

/// Fires due timers until none is left or the decision has no room for more: the next command goes
/// on where this one stopped.
pub(crate) fn fire_due_timers(draft: &mut Draft) {
    while draft.has_room_for_timer() {
        let Some(timer) = draft.state.overdue_timer().cloned() else { return };
        fire(draft, timer);
    }
}

fn fire(draft: &mut Draft, timer: Timer) {
    let Timer { at_ms: _, request, pool, kind } = timer;
    match kind {
        TimerKind::LeaseEnds => {
            draft.freed.insert(pool.clone());
            if preemption::ends_early(draft, &pool, &request) {
                return preemption::preempt(draft, &pool, &request);
            }
            let (reason, outcome) = (LeaseEnd::Expired, WorkOutcome::Unknown);
            let ended = LeaseEnded { pool, request, reason, outcome, utilisation_bp: None };
            draft.emit(Event::LeaseEnded(ended));
        }
        TimerKind::DeadlinePasses => {
            let is_freed = draft.freed.contains(&pool);
            if !is_freed && lifts_a_barrier(draft.state.pool(&pool), &request, draft.now) {
                draft.freed.insert(pool.clone());
            }
            let reason = RequestEnd::DeadlinePassed;
            draft.emit(Event::RequestEnded(RequestEnded { pool, request, reason }));
        }
        TimerKind::DeferralIsDue => {
            draft.emit(Event::DeferralDue(DeferralDue { pool, request }));
        }
        TimerKind::BudgetFits => {
            draft.freed.insert(pool.clone());
            draft.emit(Event::BudgetAwaited(BudgetAwaited { pool, until_ms: None }));
        }
        TimerKind::ReservationStarts => {
            draft.freed.insert(pool.clone());
            let reservation = ReservationId(request.0);
            draft.emit(Event::ReservationStarted(ReservationStarted { pool, reservation }));
        }
        TimerKind::ReservationEnds => {
            draft.freed.insert(pool.clone());
            let reservation = ReservationId(request.0);
            draft.emit(Event::ReservationEnded(ReservationEnded { pool, reservation }));
        }
    }
}
