//! Where requests find a place, looked for anew.

use crate::paid::payable;
use conclave_core::command::{PlacementPolicy, RequestAllocation, Topology};
use conclave_core::placement::{Fleet, Gang, GpuSet, Need, Node, NodeClass, Placer, Shape};
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

/// The nodes as if nothing ran.
pub(crate) fn emptied(pool: &Pool) -> Fleet {
    let mut pool = pool.clone();
    for request in pool.requests.values() {
        for replica in request.lease().map_or([].as_slice(), |lease| &lease.replicas) {
            let node = pool.fleet.index_of(&replica.node).expect("a node of the pool");
            let gpus = GpuSet::of(&replica.gpus);
            pool.fleet.give_back(node, &Need::of(&request.ask), gpus);
        }
    }
    pool.fleet
}

/// The pool's nodes as if they had just been registered.
pub(crate) fn as_new(pool: &Pool) -> Fleet {
    let mut fleet = Fleet::default();
    for node in pool.fleet.nodes() {
        let (class, model) = (node.class(), pool.fleet.model_of(node));
        let NodeClass { gpu_count, cpu_milli, memory_mib, model: _ } = *class;
        fleet.add_node(node.id().clone(), model, gpu_count, cpu_milli, memory_mib);
        if !node.topology_group().is_empty() {
            fleet.join_group(node.id(), node.topology_group());
        }
    }
    fleet
}
