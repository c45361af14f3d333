//! What the events of reservations do to the state.

use crate::decision::{
    ReservationCancelled, ReservationEnded, ReservationMade, ReservationStarted,
};
use crate::state::{Reservation, State, TimerKind};
use crate::units::{PoolId, RequestId, ReservationId};

impl State {
    pub(super) fn make_reservation(&mut self, made: &ReservationMade) {
        let ReservationMade { pool: id, operator: _, reserve, gpu_model, replicas } = made;
        let timer = timer_name(&reserve.reservation);
        self.set_timer(id, &timer, reserve.start_ms, TimerKind::ReservationStarts);
        self.set_timer(id, &timer, reserve.end_ms, TimerKind::ReservationEnds);
        let reservation = Reservation {
            reserve: reserve.clone(),
            gpu_model: gpu_model.clone(),
            replicas: replicas.clone(),
            has_started: false,
        };
        let pool = self.pool_mut(id);
        pool.reservations.add(reservation, &pool.requests);
    }

    pub(super) fn start_reservation(&mut self, started: &ReservationStarted) {
        let ReservationStarted { pool, reservation } = started;
        let start_ms = self.pool_mut(pool).reservations.start(reservation).reserve.start_ms;
        self.stop_timer(pool, &timer_name(reservation), start_ms, TimerKind::ReservationStarts);
    }

    pub(super) fn end_reservation(&mut self, ended: &ReservationEnded) {
        self.drop_reservation(&ended.pool, &ended.reservation);
    }

    pub(super) fn cancel_reservation(&mut self, cancelled: &ReservationCancelled) {
        self.drop_reservation(&cancelled.pool, &cancelled.reservation);
    }

    fn drop_reservation(&mut self, pool: &PoolId, id: &ReservationId) {
        let Reservation { reserve, has_started, .. } = self.pool_mut(pool).reservations.remove(id);
        let timer = timer_name(id);
        if !has_started {
            self.stop_timer(pool, &timer, reserve.start_ms, TimerKind::ReservationStarts);
        }
        self.stop_timer(pool, &timer, reserve.end_ms, TimerKind::ReservationEnds);
    }
}

/// A timer names a reservation where others name a request.
fn timer_name(id: &ReservationId) -> RequestId {
    RequestId(id.0.clone())
}
