//! Gangs that wish to sit together, and are said to sit apart.

use crate::stored::Stored;
use crate::system_common::{Ask, Partition, activate, ask, node, node_in, quota};
use conclave::validate::Rule;
use conclave_core::decision::Event;
use conclave_core::units::NodeId;

/// A partition in which one gang was granted on two nodes of a group, or twice on one.
fn granted(wish: impl FnOnce(Ask) -> Ask, gpus: i64) -> Stored {
    let mut partition = Partition::with_a_pool();
    for payload in [
        activate(3),
        node_in("west", "w1", 4, "H100"),
        node_in("west", "w2", 4, "H100"),
        node_in("east", "e", 4, "H100"),
        node("x", 4, "H100"),
        node("y", 4, "H100"),
        quota("far", 0, 20),
        wish(ask("gang", "far").gpus(gpus).replicas(2).on(&["H100"])).into(),
    ] {
        partition.send(0, payload);
    }
    Stored::of(&partition)
}

/// How often `capacity` is broken once the gang is said to sit on these nodes.
fn broken(stored: &Stored, nodes: [&str; 2]) -> u64 {
    let mut stored = stored.clone();
    let index = stored.find_event(|event| matches!(event, Event::LeaseGranted(_)));
    stored.change(index, |decision| {
        for event in &mut decision.events {
            if let Event::LeaseGranted(granted) = event {
                for (replica, node) in granted.replicas.iter_mut().zip(nodes) {
                    replica.node = NodeId::from(node);
                }
            }
        }
    });
    stored.report(64, &[]).count(Rule::Capacity)
}

#[test]
fn a_gang_that_wishes_for_one_node_sits_on_two() {
    let stored = granted(Ask::on_one_node, 1);
    assert_eq!(stored.report(64, &[]).finding_count(), 0);
    assert_eq!(broken(&stored, ["e", "e"]), 0);
    assert_eq!(broken(&stored, ["w1", "w2"]), 1);
}

#[test]
fn a_gang_that_wishes_for_one_group_sits_in_two_or_in_none() {
    let stored = granted(Ask::in_one_group, 4);
    assert_eq!(stored.report(64, &[]).finding_count(), 0);
    assert_eq!(broken(&stored, ["w2", "w1"]), 0);
    assert_eq!(broken(&stored, ["w1", "e"]), 1);
    assert_eq!(broken(&stored, ["w1", "x"]), 1);
    assert_eq!(broken(&stored, ["x", "y"]), 1);
}

#[test]
fn whoever_wishes_for_nothing_may_sit_anywhere() {
    let stored = granted(|ask| ask, 4);
    assert_eq!(broken(&stored, ["w1", "x"]), 0);
}
