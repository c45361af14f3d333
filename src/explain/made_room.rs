//! Who made room for whom: each time a request's lease was told to end for another one, and each
//! lease that was told to end for it.

use super::history::RoomMade;
use super::report::Moment;
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::decision::{Event, LeaseEnd, PreemptionNoticed, PreemptionRight};
use conclave_core::state::Pool;
use conclave_core::units::{RequestId, TenantId};
use std::collections::VecDeque;

/// Leases that are told of one by one; beyond it the oldest are forgotten, and counted.
const ROOMS_MAX: usize = 1_000;

/// What is known of it in one life of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    rooms: VecDeque<Room>,
    pub(super) forgotten: usize,
    /// How many of them have not ended.
    open: usize,
}

#[derive(Clone, Debug)]
struct Room {
    notice: PreemptionNoticed,
    /// Whose lease; none when it was gone at the end of the decision.
    tenant: Option<TenantId>,
    noticed: Moment,
    ended: Option<(Moment, &'static str)>,
    waits_again: Option<Moment>,
}

impl Rooms {
    /// Takes note of an event of the pool, whomever it is about. `pool` is what its decision left.
    pub(super) fn note(&mut self, own: &RequestId, event: &Event, pool: &Pool, now: Moment) {
        match event {
            Event::PreemptionNoticed(notice) if notice.request == *own || notice.by == *own => {
                self.open_room(notice, pool, now);
            }
            Event::LeasePreempted(preempted) => self.end(&preempted.request, now, "preempted"),
            Event::LeaseEnded(ended) => self.end(&ended.request, now, end_name(ended.reason)),
            // Its deadline passed meanwhile.
            Event::RequestEnded(ended) if ended.request == *own => {
                let last = self.rooms.iter_mut().rev().find(|room| room.notice.request == *own);
                if let Some(last) = last.filter(|room| room.waits_again == Some(now)) {
                    last.waits_again = None;
                }
            }
            _ => {}
        }
    }

    fn open_room(&mut self, notice: &PreemptionNoticed, pool: &Pool, noticed: Moment) {
        if self.rooms.len() == ROOMS_MAX {
            let oldest = self.rooms.pop_front();
            self.open -= usize::from(oldest.is_some_and(|room| room.ended.is_none()));
            self.forgotten += 1;
        }
        let tenant = pool.request(&notice.request).map(|request| request.ask.tenant.clone());
        let (ended, waits_again) = (None, None);
        self.rooms.push_back(Room { notice: notice.clone(), tenant, noticed, ended, waits_again });
        self.open += 1;
    }

    fn end(&mut self, request: &RequestId, now: Moment, how: &'static str) {
        if self.open == 0 {
            return;
        }
        let is_it = |room: &&mut Room| room.ended.is_none() && room.notice.request == *request;
        if let Some(room) = self.rooms.iter_mut().rev().find(is_it) {
            self.open -= 1;
            room.ended = Some((now, how));
            room.waits_again = (how == "preempted").then_some(now);
        }
    }

    /// Those of the request's own leases, and those that it had end, as `viewer` may read them.
    pub(super) fn shown_to(
        &self,
        own: &RequestId,
        viewer: &Viewer,
    ) -> (Vec<RoomMade>, Vec<RoomMade>) {
        let (of_it, by_it): (Vec<&Room>, Vec<&Room>) =
            self.rooms.iter().partition(|room| room.notice.request == *own);
        let shown = |rooms: Vec<&Room>| rooms.iter().map(|room| room.shown_to(viewer)).collect();
        (shown(of_it), shown(by_it))
    }
}

impl Room {
    fn shown_to(&self, viewer: &Viewer) -> RoomMade {
        let PreemptionNoticed { request, by, by_tenant, right, ends_at_ms, .. } = &self.notice;
        let (request, tenant) = named(request, self.tenant.as_ref(), viewer);
        let (by, by_tenant) = named(by, Some(by_tenant), viewer);
        RoomMade {
            request,
            tenant,
            by,
            by_tenant,
            right: right_name(*right).to_owned(),
            noticed: self.noticed,
            ends_at_ms: ends_at_ms.0,
            ended: self.ended.map(|(at, _)| at),
            how: self.ended.map(|(_, how)| how.to_owned()),
            waits_again: self.waits_again,
        }
    }
}

/// A request and its tenant, as far as `viewer` may know them.
fn named(request: &RequestId, tenant: Option<&TenantId>, viewer: &Viewer) -> (String, String) {
    match tenant {
        Some(tenant) if viewer.sees(tenant) => (request.to_string(), tenant.to_string()),
        None if *viewer == Viewer::Everything => (request.to_string(), String::new()),
        _ => (format!("a request of {ANOTHER_TENANT}"), ANOTHER_TENANT.to_owned()),
    }
}

fn right_name(right: PreemptionRight) -> &'static str {
    match right {
        PreemptionRight::Priority => "priority",
        PreemptionRight::Guarantee => "guarantee",
    }
}

fn end_name(reason: LeaseEnd) -> &'static str {
    match reason {
        LeaseEnd::Released => "released",
        LeaseEnd::Expired => "expired",
        LeaseEnd::Revoked => "revoked",
    }
}
