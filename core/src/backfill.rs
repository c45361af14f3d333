//! Backfill: who may pass a protected request, because it delays him by nothing.
//!
//! By the ends that leases have declared, a protected request cannot start before some time: until
//! then there is no room for it, whatever else happens. Whoever came later, and whose lease would
//! end by that time, is granted in spite of it: by then all is as it would have been. Such a lease
//! is not renewed past that time while the protected one waits. A lease that is given back early
//! lets the protected one start earlier than was known; those that were let past it do not end for
//! that.
//!
//! Only room is looked at. Whoever is protected and waits for something else, with room for it, is
//! passed by nobody.

use crate::limits::{BACKFILL_ENDS_MAX, BACKFILL_LOOKS_MAX, BACKFILL_PROTECTED_MAX};
use crate::overtaking::Barriers;
use crate::placement::Rooms;
use crate::state::{LetPast, Pool, Request, State};
use crate::units::{DurationMs, RequestId, TimeMs};
use std::collections::BTreeMap;

/// The first `decide_version` that lets anybody past.
pub(crate) const BACKFILL_SINCE: i64 = 3;

/// How long the work of those must take at the least that cannot pass: whoever's takes less may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LengthLimit(pub(crate) DurationMs);

/// Whether a request may pass those who keep it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// It may: the one of them who could start first, and when.
    Free(LetPast),
    /// Its lease would be too long.
    TooLong(LengthLimit),
}

/// What is known of those who are protected, as long as nothing is given back: grants do not let
/// them start earlier.
#[derive(Debug, Default)]
pub(crate) struct Backfill {
    not_before: BTreeMap<RequestId, TimeMs>,
}

impl Backfill {
    /// Whether anybody is let past at all.
    pub(crate) fn is_on(state: &State) -> bool {
        state.decide_version >= BACKFILL_SINCE
    }

    /// Whether `request`, which `barriers` keep back, may pass them at `now`.
    pub(crate) fn past(
        &mut self,
        pool: &Pool,
        barriers: &Barriers,
        request: &Request,
        now: TimeMs,
    ) -> Past {
        let mut first: Option<(TimeMs, RequestId)> = None;
        for (place, protected) in barriers.places_before(pool, request) {
            let time = if place < BACKFILL_PROTECTED_MAX {
                let known = self.not_before.get(protected).copied();
                known.unwrap_or_else(|| pool.starts_not_before(protected, now))
            } else {
                now
            };
            self.not_before.insert(protected.clone(), time);
            if first.as_ref().is_none_or(|(first, _)| time < *first) {
                first = Some((time, protected.clone()));
            }
        }
        let (until_ms, protected) = first.expect("somebody keeps it back");
        if pool.lease_end(&request.ask, now) <= until_ms {
            let arrival = pool.requests[&protected].arrival;
            return Past::Free(LetPast { protected, arrival, until_ms });
        }
        let whole = until_ms.since(now).0 - pool.policy.lease_grace_ms.0;
        Past::TooLong(LengthLimit(DurationMs((whole + 1).max(0))))
    }
}

impl Pool {
    /// A time before which `request` has no room, by the ends that leases and reservations have
    /// now: its first start, or one before it when that is far ahead.
    fn starts_not_before(&self, id: &RequestId, now: TimeMs) -> TimeMs {
        let ask = &self.requests[id].ask;
        // Whatever it may cost: prices change.
        let mut rooms = Rooms::of(&self.fleet, ask);
        let span = |at: TimeMs| (at, self.lease_end(ask, at));
        let mut looks = 0;
        let mut holds = |rooms: &Rooms<'_>, at: TimeMs| {
            if !rooms.hold() {
                return false;
            }
            let kept = self.parts_kept(&ask.tenant, span(at), at);
            looks += 1;
            kept.is_empty() || looks > BACKFILL_LOOKS_MAX || rooms.hold_beside(&kept)
        };
        if holds(&rooms, now) {
            return now;
        }
        let mut ends: Vec<TimeMs> = self.reservations.all().map(|one| one.reserve.end_ms).collect();
        ends.sort_unstable();
        let mut ends = ends.into_iter().peekable();
        let mut last = now;
        for (time, lease) in self.lease_ends.iter().take(BACKFILL_ENDS_MAX) {
            while let Some(end) = ends.next_if(|end| end < time) {
                if holds(&rooms, end.max(now)) {
                    return end.max(now);
                }
            }
            last = (*time).max(now);
            let request = &self.requests[lease];
            let lease = request.lease().expect("what ends is a lease");
            rooms.give_back(&request.ask, &lease.replicas);
            if holds(&rooms, last) {
                return last;
            }
        }
        if self.lease_ends.len() > BACKFILL_ENDS_MAX {
            return last;
        }
        ends.find(|end| holds(&rooms, (*end).max(now))).unwrap_or(last).max(now)
    }
}
