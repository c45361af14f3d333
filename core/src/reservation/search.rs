//! Where a reservation is made.

use super::hold_all;
use crate::command::{PlacementPolicy, RequestAllocation, Reserve};
use crate::decision::Placement;
use crate::limits::{RESERVE_LOOKS_MAX, TIME_MS_MAX};
use crate::placement::{Fleet, Gang, Placer};
use crate::queue::{place_gang, preferences};
use crate::state::Pool;
use crate::units::{DurationMs, GpuModel, RequestId, TimeMs, UserId};
use std::collections::BTreeSet;

/// The model and the places of all replicas.
pub(crate) type Room = (GpuModel, Vec<Placement>);

/// Why there is no room for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoomFor {
    /// How many of its replicas would fit.
    pub(crate) replicas_fit: i64,
    /// The first start, as far as was looked, with which all of them do.
    pub(crate) fits_from: Option<TimeMs>,
}

impl Reserve {
    /// What it keeps free, as a request for it.
    pub(crate) fn as_ask(&self) -> RequestAllocation {
        RequestAllocation {
            request: RequestId(self.reservation.0.clone()),
            tenant: self.tenant.clone(),
            user: UserId::default(),
            gpu_models: self.gpu_models.clone(),
            replicas: self.replicas,
            gpu_count: self.gpu_count,
            gpu_milli: self.gpu_milli,
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            expected_duration_ms: self.length(),
            priority: 1,
            preemptible: false,
            deadline_ms: None,
            budget_cap_micro_usd: None,
            topology: self.topology,
            labels: Vec::new(),
        }
    }

    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> DurationMs {
        self.end_ms.since(self.start_ms)
    }
}

impl Pool {
    /// Places that are free during all of a reservation's time, as far as is known: on the nodes
    /// with least left then.
    ///
    /// # Errors
    /// How much room there would be.
    pub(crate) fn room_for_reservation(&self, reserve: &Reserve) -> Result<Room, NoRoomFor> {
        let ask = reserve.as_ask();
        let find = |start: TimeMs| {
            let mut fleet = self.fleet_during((start, start.plus(reserve.length())));
            place_gang(&mut fleet, &mut Placer::new(PlacementPolicy::BestFit, &[]), &ask)
        };
        if let Some(found) = find(reserve.start_ms) {
            return Ok(found);
        }
        let fleet = self.fleet_during((reserve.start_ms, reserve.end_ms));
        let fit = preferences(&ask).map(|models| fleet.replicas_that_fit(&Gang::of(&ask, models)));
        let replicas_fit = fit.max().unwrap_or(0).min(ask.replicas);
        let mut later = self.ends_after(reserve.start_ms).into_iter().take(RESERVE_LOOKS_MAX);
        let fits =
            |start: &TimeMs| start.plus(reserve.length()) <= TIME_MS_MAX && find(*start).is_some();
        Err(NoRoomFor { replicas_fit, fits_from: later.find(fits) })
    }

    /// The nodes without what runs at the start of `span`, and without what is reserved during it.
    fn fleet_during(&self, span: (TimeMs, TimeMs)) -> Fleet {
        let mut copy = self.fleet.clone();
        for request in self.requests.values() {
            let Some(lease) = request.lease().filter(|lease| lease.ends_at_ms <= span.0) else {
                continue;
            };
            lease.replicas.iter().for_each(|at| {
                let (index, gpus) = self.spot_of(at);
                copy.give_back(index, &crate::placement::Need::of(&request.ask), gpus);
            });
        }
        hold_all(&mut copy, &self.parts_held(None, span, span.0));
        copy
    }

    /// When leases and reservations end, after `time`.
    fn ends_after(&self, time: TimeMs) -> BTreeSet<TimeMs> {
        let leases = self.requests.values().filter_map(|request| request.lease());
        let leases = leases.map(|lease| lease.ends_at_ms);
        let reservations = self.reservations.all().map(|one| one.reserve.end_ms);
        leases.chain(reservations).filter(|end| *end > time).collect()
    }
}
