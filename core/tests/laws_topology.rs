//! Laws about wishes for one node or one topology group, counted from the events alone.

mod common;

use common::{config, streams_of_groups};
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::{RequestAllocation, Topology};
use conclave_core::decision::{Event, LeaseGranted};
use conclave_core::state::{Pool, Request, State};
use conclave_core::units::{NodeId, PoolId, RequestId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

/// What the events said so far.
#[derive(Default)]
struct Book {
    groups: BTreeMap<(PoolId, NodeId), String>,
    asks: BTreeMap<(PoolId, RequestId), RequestAllocation>,
    /// Gangs that were granted with each wish, and on more than one node.
    granted: BTreeMap<(Topology, bool), usize>,
}

impl Book {
    fn add(&mut self, event: &Event) {
        match event {
            Event::NodeRegistered(registered) => {
                let key = (registered.pool.clone(), registered.node.node.clone());
                self.groups.insert(key, registered.node.topology_group.clone());
            }
            Event::RequestAdmitted(admitted) => {
                let key = (admitted.pool.clone(), admitted.request.request.clone());
                self.asks.insert(key, admitted.request.clone());
            }
            Event::LeaseGranted(granted) => self.check(granted),
            _ => {}
        }
    }

    fn check(&mut self, granted: &LeaseGranted) {
        let ask = &self.asks[&(granted.pool.clone(), granted.request.clone())];
        let nodes: BTreeSet<&NodeId> = granted.replicas.iter().map(|at| &at.node).collect();
        let group = |node: &NodeId| &self.groups[&(granted.pool.clone(), node.clone())];
        let groups: BTreeSet<&String> = nodes.iter().map(|node| group(node)).collect();
        let is_near = match ask.topology {
            Topology::SameNode => nodes.len() == 1,
            Topology::SameGroup if ask.replicas > 1 => {
                groups.len() == 1 && groups.iter().all(|group| !group.is_empty())
            }
            Topology::SameGroup | Topology::None => true,
        };
        assert!(is_near, "{granted:?} is not as near as {ask:?} wishes: {groups:?}");
        if ask.replicas > 1 {
            *self.granted.entry((ask.topology, nodes.len() > 1)).or_default() += 1;
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_grant_is_as_near_as_it_wishes(stream in streams_of_groups()) {
        let mut book = Book::default();
        let world = stream.run();
        world.decisions.iter().flat_map(|decision| &decision.events).for_each(|e| book.add(e));
    }
}

/// How many wait for room that is near enough.
fn waiting_for_a_place(state: &State) -> usize {
    let of_pool = |(id, pool): (&PoolId, &Pool)| {
        let blockers = Blockers::of(state, id);
        let of = |request: &&Request| blockers.blocker(request);
        let is_it = |request: &&Request| matches!(of(request), Some(Blocker::Topology { .. }));
        pool.requests.values().filter(is_it).count()
    };
    state.pools.iter().map(of_pool).sum()
}

/// The law above would be kept by streams in which nobody wishes for anything.
#[test]
fn streams_have_gangs_of_every_wish() {
    use Topology::{SameGroup, SameNode};
    let (mut runner, mut granted) = (TestRunner::deterministic(), BTreeMap::new());
    let mut of_wishes = 0;
    for _ in 0..80 {
        let stream = streams_of_groups().new_tree(&mut runner).expect("a stream").current();
        let (mut world, mut book) = (stream.begin(), Book::default());
        for step in &stream.steps {
            world.step(step);
            of_wishes += waiting_for_a_place(&world.state);
        }
        world.decisions.iter().flat_map(|decision| &decision.events).for_each(|e| book.add(e));
        for (kind, count) in book.granted {
            *granted.entry(kind).or_insert(0) += count;
        }
    }
    for kind in [(SameNode, false), (SameGroup, false), (SameGroup, true)] {
        let count = granted.get(&kind).copied().unwrap_or(0);
        assert!(count >= 8, "{count} grants of {kind:?}: {granted:?}");
    }
    assert!(of_wishes >= 8, "{of_wishes} wait for a place that is near enough: {granted:?}");
}
