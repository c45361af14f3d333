//! Places for those who are asked.

use crate::blocker::fits_now;
use crate::command::RequestAllocation;
use crate::decision::Placement;
use crate::placement::{Fleet, Gang, Placer, Spot, seed_of};
use crate::reservation::{hold_all, let_go_all};
use crate::state::Pool;
use crate::units::{GpuModel, RequestId, TimeMs};
use std::borrow::Cow;

/// What came of looking for a place.
pub(crate) enum Found {
    /// The model, and nodes and GPUs of all replicas.
    At(GpuModel, Vec<Placement>),
    /// There is one, but the lease would run into what is reserved for others.
    Reserved,
    /// There is none.
    Nowhere,
}

/// Nodes for a whole gang: the first model of its preference that can hold it.
pub(crate) fn find_place(pool: &mut Pool, id: &RequestId, now: TimeMs) -> Found {
    // Most requests have no cap, and most pools no reservations: then nothing is copied.
    let Some(paid) = pool.affordable(&pool.requests[id].ask, now) else { return Found::Nowhere };
    if !pool.reservations.is_empty() {
        let paid = paid.into_owned();
        return place_beside(pool, &paid, now);
    }
    let paid = match paid {
        Cow::Borrowed(_) => None,
        Cow::Owned(ask) => Some(ask),
    };
    let Pool { fleet, placer, requests, .. } = pool;
    match place_gang(fleet, placer, paid.as_ref().unwrap_or_else(|| &requests[id].ask)) {
        Some((gpu_model, replicas)) => Found::At(gpu_model, replicas),
        None => Found::Nowhere,
    }
}

/// A place for a request, as it can be paid for, that need not be of the pool yet: in what is
/// reserved for its tenant first, and never where something is reserved for others.
pub(crate) fn place_beside(pool: &mut Pool, paid: &RequestAllocation, now: TimeMs) -> Found {
    if let Some((gpu_model, replicas)) = pool.place_inside(paid, now) {
        return Found::At(gpu_model, replicas);
    }
    let kept = pool.parts_kept_from(paid, now);
    let Pool { fleet, placer, .. } = pool;
    let held = hold_all(fleet, &kept);
    let found = place_gang(fleet, placer, paid);
    let_go_all(fleet, &held);
    match found {
        Some((gpu_model, replicas)) => Found::At(gpu_model, replicas),
        None if !kept.is_empty() && fits_now(pool, paid, now) => Found::Reserved,
        None => Found::Nowhere,
    }
}

/// A place in `fleet`, where nothing is reserved. It stays as it is.
pub(crate) fn place_gang(
    fleet: &mut Fleet,
    placer: &mut Placer,
    ask: &RequestAllocation,
) -> Option<(GpuModel, Vec<Placement>)> {
    let seed = seed_of(&ask.request.0);
    let spots = preferences(ask)
        .find_map(|models| placer.choose_gang(fleet, &Gang::of(ask, models), seed))?;
    let replicas = spots.iter().map(|spot| Placement {
        node: fleet.node(spot.node).id().clone(),
        gpus: spot.gpus.indices(),
    });
    Some((common_model(fleet, ask, &spots), replicas.collect()))
}

/// The sets of models to try, in order: each acceptable model alone, or any.
pub(crate) fn preferences(ask: &RequestAllocation) -> impl Iterator<Item = &[GpuModel]> {
    let any = ask.gpu_count == 0 || ask.gpu_models.is_empty();
    let each = if any { &[] } else { ask.gpu_models.as_slice() };
    let no_wish: Option<&[GpuModel]> = any.then_some(&[]);
    each.iter().map(std::slice::from_ref).chain(no_wish)
}

fn common_model(fleet: &Fleet, ask: &RequestAllocation, spots: &[Spot]) -> GpuModel {
    let model = |spot: &Spot| fleet.model_of(fleet.node(spot.node));
    let first = model(spots.first().expect("a gang has a replica"));
    let is_common = ask.gpu_count > 0 && spots.iter().all(|spot| model(spot) == first);
    if is_common { first.clone() } else { GpuModel::default() }
}
