//! Where a gang goes, found without counting: replica after replica is tried out on a copy in which
//! all nodes but those of one place drain.

use super::plain;
use conclave_core::command::{PlacementPolicy, TargetShape, Topology};
use conclave_core::placement::{Fleet, Gang, Placer, Shape, Spot};
use std::collections::BTreeMap;

/// Chooses a spot for one replica.
pub(crate) type Choose<'a> = dyn FnMut(&Fleet, &Shape) -> Option<Spot> + 'a;

/// How `policy` chooses, by its plain formula.
pub(crate) fn by(
    policy: PlacementPolicy,
    target: &[TargetShape],
) -> impl FnMut(&Fleet, &Shape) -> Option<Spot> + '_ {
    move |fleet, shape| plain::choose(policy, fleet, shape, target)
}

/// Where `gang` goes when `choose` chooses for each replica; `None` when it fits nowhere.
pub(crate) fn choose_gang(fleet: &Fleet, gang: &Gang, choose: &mut Choose) -> Option<Vec<Spot>> {
    let mut holding: Vec<Vec<usize>> = places(fleet, gang.topology())
        .into_iter()
        .filter(|place| place_all(&only(fleet, place), gang, choose).is_some())
        .collect();
    match gang.topology() {
        Topology::None => {}
        // The policy's own choice among nodes that can hold all.
        Topology::SameNode => {
            let first = choose(&only(fleet, &holding.concat()), gang.shape())?;
            holding = vec![vec![first.node]];
        }
        Topology::SameGroup => holding.sort_by_key(|place| (free(fleet, gang, place), place[0])),
    }
    place_all(&only(fleet, holding.first()?), gang, choose)
}

/// The nodes that would do together, whether they have room or not.
pub(crate) fn places(fleet: &Fleet, topology: Topology) -> Vec<Vec<usize>> {
    let all = 0..fleet.nodes().len();
    match topology {
        Topology::None => vec![all.collect()],
        Topology::SameNode => all.map(|index| vec![index]).collect(),
        Topology::SameGroup => {
            let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for index in all {
                groups.entry(fleet.node(index).topology_group()).or_default().push(index);
            }
            groups.remove("");
            groups.into_values().collect()
        }
    }
}

/// A copy in which no other nodes than these take new work.
pub(crate) fn only(fleet: &Fleet, place: &[usize]) -> Fleet {
    let mut copy = fleet.clone();
    for (index, node) in fleet.nodes().iter().enumerate() {
        if !place.contains(&index) {
            copy.drain(node.id());
        }
    }
    copy
}

fn place_all(fleet: &Fleet, gang: &Gang, choose: &mut Choose) -> Option<Vec<Spot>> {
    let (mut copy, mut spots) = (fleet.clone(), vec![]);
    for _ in 0..gang.replicas() {
        let spot = choose(&copy, gang.shape())?;
        copy.take(spot.node, gang.shape().need(), spot.gpus);
        spots.push(spot);
    }
    Some(spots)
}

/// Free GPUs of a place that a replica of `gang` might sit on.
fn free(fleet: &Fleet, gang: &Gang, place: &[usize]) -> i64 {
    let nodes = place.iter().map(|index| fleet.node(*index));
    let accepted =
        nodes.filter(|node| node.accepts_work() && gang.shape().accepts(fleet.model_of(node)));
    accepted.map(|node| node.gpu_left().iter().map(|left| i64::from(*left)).sum::<i64>()).sum()
}

/// What `placer` chooses for `gang`, once everything about it was found to be right that does not
/// depend on the policy.
pub(crate) fn check(
    placer: &mut Placer,
    fleet: &mut Fleet,
    gang: &Gang,
    seed: u64,
) -> Option<Vec<Spot>> {
    let before = fleet.clone();
    let chosen = placer.choose_gang(fleet, gang, seed);
    assert_eq!(*fleet, before);
    // Trying it out on a copy, one replica after another, agrees with the count.
    let mut alone = Placer::new(PlacementPolicy::BestFit, &[]);
    let tried = &mut |fleet: &Fleet, shape: &Shape| alone.choose(fleet, shape, 0);
    let fits = choose_gang(fleet, gang, tried).is_some();
    assert_eq!(chosen.is_some(), fits, "{gang:?}");
    assert_eq!(fleet.can_hold(gang), fits);
    assert_eq!(fleet.replicas_that_fit(gang) >= gang.replicas(), fits);
    assert!(!fits || fleet.could_ever_hold(gang), "what fits now fits the empty pool");
    let spots = chosen.iter().flatten();
    for spot in spots.clone() {
        assert_eq!(usize::try_from(spot.gpus.count()).unwrap(), gang.shape().gpu_count());
        fleet.take(spot.node, gang.shape().need(), spot.gpus);
    }
    let nodes: Vec<usize> = spots.clone().map(|spot| spot.node).collect();
    let is_near = |place: &Vec<usize>| nodes.iter().all(|node| place.contains(node));
    assert!(!fits || places(fleet, gang.topology()).iter().any(is_near), "{chosen:?}");
    for spot in spots {
        fleet.give_back(spot.node, gang.shape().need(), spot.gpus);
    }
    chosen
}
