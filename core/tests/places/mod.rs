//! Where requests find a place, looked for anew.

use crate::paid::payable;
use conclave_core::command::{PlacementPolicy, RequestAllocation, Topology};
use conclave_core::placement::{Fleet, Gang, Node, Placer, Shape};
use conclave_core::state::Pool;
use conclave_core::units::{GpuModel, TimeMs};

/// Whether `replicas` of a request find a place together: on one model that it accepts or on any,
/// and where it wishes, as a gang of as many as it asks for does.
pub(crate) fn finds_place(
    pool: &Pool,
    now: TimeMs,
    fleet: &Fleet,
    ask: &RequestAllocation,
    replicas: i64,
) -> bool {
    let places = places(fleet, ask.topology.of_gang(ask.replicas));
    places.iter().any(|place| finds_place_anywhere(pool, now, place, ask, replicas))
}

/// The fleet without all nodes but those of one place that would do.
pub(crate) fn places(fleet: &Fleet, topology: Topology) -> Vec<Fleet> {
    let mut names: Vec<&str> = match topology {
        Topology::None => return vec![fleet.clone()],
        Topology::SameNode => fleet.nodes().iter().map(|node| node.id().0.as_str()).collect(),
        Topology::SameGroup => fleet.nodes().iter().map(Node::topology_group).collect(),
    };
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    let is_of = |node: &Node, name: &str| node.topology_group() == name || node.id().0 == *name;
    let only = |name: &str| {
        let mut copy = fleet.clone();
        let others = fleet.nodes().iter().filter(|node| !is_of(node, name));
        others.for_each(|node| copy.drain(node.id()));
        copy
    };
    names.into_iter().map(only).collect()
}

pub(crate) fn finds_place_anywhere(
    pool: &Pool,
    now: TimeMs,
    fleet: &Fleet,
    ask: &RequestAllocation,
    replicas: i64,
) -> bool {
    let mut placer = Placer::new(PlacementPolicy::BestFit, &[]);
    let mut fleet = fleet.clone();
    let mut finds = |models: &[GpuModel]| {
        let gang = Gang::new(Shape::of(ask, models), replicas, Topology::None);
        placer.choose_gang(&mut fleet, &gang, 0).is_some()
    };
    if let Some(models) = payable(pool, ask, now) {
        return models.iter().any(|model| finds(std::slice::from_ref(model)));
    }
    let is_any = ask.gpu_count == 0 || ask.gpu_models.is_empty();
    if is_any {
        finds(&[])
    } else {
        ask.gpu_models.iter().any(|model| finds(std::slice::from_ref(model)))
    }
}
