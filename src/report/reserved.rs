//! Reservations, and who was let past whom, in a sentence each.

use crate::report::sentence::moment;
use crate::report::show::{clock, gpus, span};
use conclave_core::command::Reserve;
use conclave_core::decision::Event;
use conclave_core::units::TimeMs;

/// What happened at `now`; none when it is no event of these.
pub(super) fn event(event: &Event, now: TimeMs) -> Option<String> {
    Some(match event {
        Event::ReservationMade(made) => {
            let (who, what) = (&made.operator, sentence(&made.reserve, now));
            format!("{who} reserves {what}: {}", made.reserve.reason)
        }
        Event::ReservationStarted(started) => {
            format!("{}: reservation '{}' starts", started.pool, started.reservation)
        }
        Event::ReservationEnded(ended) => {
            format!("{}: reservation '{}' is over", ended.pool, ended.reservation)
        }
        Event::ReservationCancelled(by) => format!(
            "{}: {} gives up reservation '{}': {}",
            by.pool, by.operator, by.reservation, by.reason
        ),
        Event::LeaseLetPast(past) => format!(
            "{} ends before {}, which is protected, could start {}",
            past.request,
            past.protected,
            moment(now, past.until_ms)
        ),
        _ => return None,
    })
}

/// `demo for vision: 8 GPUs from TIME (in 2h) for 4h`.
fn sentence(reserve: &Reserve, now: TimeMs) -> String {
    format!(
        "'{}' for {}: {} GPUs {} for {}, until {}",
        reserve.reservation,
        reserve.tenant,
        gpus(reserve.gpu_milli_total()),
        moment(now, reserve.start_ms),
        span(reserve.length()),
        clock(reserve.end_ms)
    )
}
