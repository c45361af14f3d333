//! Gangs whose replicas want to sit on one node, or in one group of nodes.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{PlacementPolicy, SetPoolPolicy, Topology};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::explain::{By, Field, Value, smallest_changes};
use conclave_core::units::{PoolId, RequestId};
use story::{
    Ask, HOUR, MINUTE, POOL, Story, activate, appeal, approve, ask, breaks, drain, node, node_in,
    policy, preemption, quota, remove, set, shrink, works,
};

/// Two groups of two nodes with four GPUs each, and a node of no group.
fn racks() -> Story {
    Story::given([
        activate(3),
        node_in("west", "w1", 4, "A100"),
        node_in("west", "w2", 4, "A100"),
        node_in("east", "e1", 4, "A100"),
        node_in("east", "e2", 4, "A100"),
        node("x", 4, "A100"),
        quota("t", 0, 99),
    ])
}

fn gang(name: &str, replicas: i64, gpus: i64) -> Ask {
    ask(name, "t").replicas(replicas).gpus(gpus)
}

/// What a command is refused for.
fn refusal(decision: &Decision) -> &str {
    let Outcome::Rejected(refused) = &decision.outcome else { panic!("{decision:?}") };
    &refused.detail
}

fn not_together(topology: Topology, (fit, of): (i64, i64), nodes: i64) -> Option<Blocker> {
    let (replicas_fit, replicas, nodes_with_room) = (fit, of, nodes);
    Some(Blocker::Topology { topology, replicas_fit, replicas, nodes_with_room })
}

// Where they start.

#[test]
fn a_gang_that_wishes_for_one_node_sits_on_one() {
    let mut pool = racks();
    pool.check(0, gang("one", 1, 3), &["one runs on w1"]);
    // Best fit alone would begin on w1, which has least left.
    pool.check(0, gang("two", 2, 1).on_one_node(), &["two runs on w2+w2"]);
    pool.check(0, gang("four", 4, 1).on_one_node(), &["four runs on e1+e1+e1+e1"]);
    pool.check(0, gang("any", 4, 1), &["any runs on w1+w2+w2+e2"]);
}

#[test]
fn of_the_nodes_that_can_hold_all_it_is_the_one_that_the_policy_prefers() {
    let mut pool = racks();
    pool.check(0, gang("one", 1, 1), &["one runs on w1"]);
    pool.check(0, gang("gang", 3, 1).on_one_node(), &["gang runs on w1+w1+w1"]);
}

#[test]
fn a_gang_that_wishes_for_one_group_goes_to_the_one_with_least_free_gpus() {
    let mut pool = racks();
    pool.check(0, gang("w", 1, 2).on_one_node(), &["w runs on w1"]);
    pool.check(0, gang("six", 3, 2).in_one_group(), &["six runs on w1+w2+w2"]);
    // west is full, and so x, which is of no group, and has as many GPUs, is no place for it.
    pool.check(0, gang("four", 2, 2).in_one_group(), &["four runs on e1+e1"]);
    pool.check(0, gang("eight", 2, 4), &["eight runs on e2+x"]);
}

#[test]
fn among_equal_groups_the_one_whose_first_node_joined_first_is_taken() {
    let mut pool = racks();
    pool.check(0, gang("gang", 2, 3).in_one_group(), &["gang runs on w1+w2"]);
}

#[test]
fn free_gpus_of_other_models_do_not_make_a_group_larger() {
    let mut pool = racks();
    pool.check(0, node_in("west", "h", 4, "H100"), &["h joins"]);
    pool.check(0, gang("a", 2, 4).on(&["A100"]).in_one_group(), &["a runs on w1+w2"]);
}

#[test]
fn one_preferred_model_is_tried_after_the_other_each_with_the_wish() {
    let mut pool = racks();
    pool.check(0, node("h", 8, "H100"), &["h joins"]);
    let either = ["A100", "H100"];
    pool.check(0, gang("six", 6, 1).on(&either).on_one_node(), &["six runs on h+h+h+h+h+h"]);
    let nowhere = gang("eight", 8, 1).on(&either).on_one_node();
    pool.check(0, nowhere, &["eight waits"]);
    pool.check(
        0,
        gang("group", 2, 2).on(&["H100", "A100"]).in_one_group(),
        &["group runs on w1+w1"],
    );
}

#[test]
fn every_policy_obeys_the_wish() {
    for placement in [PlacementPolicy::Random, PlacementPolicy::BestFit, PlacementPolicy::Fgd] {
        for number in 0..20 {
            let mut pool = racks();
            pool.check(0, set(SetPoolPolicy { placement, ..policy() }), &["the rules are set"]);
            let told = pool.send(0, gang(&format!("n{number}"), 3, 1).on_one_node().into());
            let nodes: Vec<&str> =
                told[0].split(" on ").nth(1).expect("it runs").split('+').collect();
            assert!(nodes.iter().all(|node| *node == nodes[0]), "{placement:?}: {told:?}");
            let told = pool.send(0, gang(&format!("g{number}"), 5, 1).in_one_group().into());
            let nodes = told[0].split(" on ").nth(1).expect("it runs").split('+');
            let groups: Vec<char> = nodes.filter_map(|node| node.chars().next()).collect();
            assert!(groups.iter().all(|group| *group == groups[0] && *group != 'x'), "{told:?}");
        }
    }
}

#[test]
fn one_replica_alone_is_near_itself_wherever_it_sits() {
    let mut pool = Story::given([activate(3), node("x", 4, "A100"), quota("t", 0, 99)]);
    pool.check(0, gang("node", 1, 2).on_one_node(), &["node runs on x"]);
    pool.check(0, gang("group", 1, 2).in_one_group(), &["group runs on x"]);
    pool.check(0, gang("more", 1, 2).in_one_group(), &["more waits"]);
    let no_room = Blocker::NoRoom { replicas_fit: 0, replicas: 1 };
    assert_eq!(pool.blocker("more"), Some(no_room));
}

#[test]
fn a_gang_without_gpus_may_wish_too() {
    let mut pool = racks();
    // 64 CPUs per node.
    let wants = |name, replicas, cpu| ask(name, "t").replicas(replicas).cpu_only(cpu);
    pool.check(0, wants("node", 2, 30_000).on_one_node(), &["node runs on w1+w1"]);
    pool.check(0, wants("group", 4, 30_000).in_one_group(), &["group runs on e1+e1+e2+e2"]);
}

#[test]
fn what_is_shrunk_stays_where_it_is() {
    let mut pool = racks();
    pool.check(0, gang("gang", 4, 1).on_one_node(), &["gang runs on w1+w1+w1+w1"]);
    pool.check(1, shrink("gang", pool.fencing("gang"), 2), &["gang keeps 2"]);
    pool.check(2, gang("next", 2, 1).on_one_node(), &["next runs on w1+w1"]);
}

// Who waits, and why.

#[test]
fn whoever_finds_no_room_together_is_told_so() {
    let mut pool = racks();
    for (name, node) in [("a", "w1"), ("b", "w2"), ("c", "e1"), ("d", "e2"), ("e", "x")] {
        pool.check(0, gang(name, 1, 3), &[&format!("{name} runs on {node}")]);
    }
    pool.check(0, gang("node", 2, 1).on_one_node(), &["node waits"]);
    assert_eq!(pool.blocker("node"), not_together(Topology::SameNode, (1, 2), 5));
    pool.check(0, gang("group", 3, 1).in_one_group(), &["group waits"]);
    assert_eq!(pool.blocker("group"), not_together(Topology::SameGroup, (2, 3), 5));
    // Without the wish there is no room either: the wish is not to blame.
    pool.check(0, gang("large", 4, 2).in_one_group(), &["large waits"]);
    let no_room = Blocker::NoRoom { replicas_fit: 0, replicas: 4 };
    assert_eq!(pool.blocker("large"), Some(no_room));
    // Others with the same wish, or without it, are not kept back.
    pool.check(0, gang("pair", 2, 1).in_one_group(), &["pair runs on w1+w2"]);
    let released = pool.release("c");
    let told = ["c is released", "node runs on e1+e1", "group runs on e2+e1+e1"];
    pool.check(1, released, &told);
}

#[test]
fn what_would_help_is_a_smaller_wish_or_none() {
    let mut pool = racks();
    for (name, node) in [("a", "w1"), ("b", "w2"), ("c", "e1"), ("d", "e2"), ("e", "x")] {
        pool.check(0, gang(name, 1, 3), &[&format!("{name} runs on {node}")]);
    }
    pool.check(0, gang("node", 2, 1).on_one_node(), &["node waits"]);
    pool.check(0, gang("group", 3, 1).in_one_group(), &["group waits"]);
    let helps = |pool: &Story, name: &str| {
        let changes = smallest_changes(&pool.state, &PoolId::from(POOL), &RequestId::from(name));
        let change = changes.into_iter().find(|change| change.field == Field::Topology);
        let change = change.expect("another wish helps");
        assert_eq!(change.by, By::Sender);
        let replicas = change.granted.expect("it starts").replicas;
        let nodes: Vec<String> = replicas.into_iter().map(|at| at.node.to_string()).collect();
        (change.to, nodes.join("+"))
    };
    let word = |word: &str| Value::Word(word.to_owned());
    assert_eq!(helps(&pool, "node"), (word("same_group"), "w1+w2".to_owned()));
    assert_eq!(helps(&pool, "group"), (word("none"), "w1+w2+e1".to_owned()));
}

#[test]
fn whoever_waited_for_one_place_is_passed_by_nobody_after_w() {
    let mut pool = racks();
    pool.check(0, gang("fill", 5, 3), &["fill runs on w1+w2+e1+e2+x"]);
    pool.check(0, gang("node", 4, 1).on_one_node(), &["node waits"]);
    pool.check(MINUTE, gang("small", 1, 1), &["small runs on w1"]);
    // W is an hour.
    pool.check(HOUR, gang("late", 1, 1), &["late waits"]);
    let behind = Blocker::BehindProtected { protected: "node".into() };
    assert_eq!(pool.blocker("late"), Some(behind));
    let released = pool.release("fill");
    let told = ["fill is released", "node runs on w2+w2+w2+w2", "late runs on w1"];
    pool.check(HOUR, released, &told);
}

#[test]
fn nobody_is_preempted_for_a_gang_that_has_to_sit_together() {
    let mut pool = racks();
    pool.check(0, preemption(0, 0, 3), &["the rules of preemption are set"]);
    for (name, node) in [("a", "w1"), ("b", "w2"), ("c", "e1"), ("d", "e2"), ("e", "x")] {
        let low = gang(name, 1, 4).priority(1).preemptible();
        pool.check(0, low, &[&format!("{name} runs on {node}")]);
    }
    pool.check(1, gang("node", 2, 1).priority(9).on_one_node(), &["node waits"]);
    pool.check(1, gang("group", 2, 1).priority(9).in_one_group(), &["group waits"]);
    // Alone it is no gang.
    let told = pool.send(1, gang("one", 1, 1).priority(9).on_one_node().into());
    assert!(told.len() > 1 && told.iter().any(|line| line.starts_with("one runs on")), "{told:?}");
}

// What can never be.

#[test]
fn what_no_empty_node_or_group_could_hold_is_refused_with_the_numbers() {
    let mut pool = racks();
    pool.check(0, gang("all", 4, 1).on_one_node(), &["all runs on w1+w1+w1+w1"]);
    for (asked, most) in [
        (gang("r", 5, 1).on_one_node(), "most is 4; without that wish it is 5"),
        (gang("r", 3, 4).in_one_group(), "most is 2; without that wish it is 3"),
        (gang("r", 6, 4).in_one_group(), "most is 2; without that wish it is 5"),
        (gang("r", 2, 5).in_one_group(), "most is 0; without that wish it is 0"),
    ] {
        let command = pool.command(asked.into());
        let decision = pool.decide(0, vec![command]).remove(0);
        let detail = refusal(&decision);
        assert!(detail.ends_with(most), "{detail}");
    }
    // That all of them are in use is no reason to be refused.
    pool.check(0, gang("w", 2, 4).in_one_group(), &["w runs on e1+e2"]);
    pool.check(0, gang("r", 4, 1).on_one_node(), &["r runs on w2+w2+w2+w2"]);
    pool.check(0, gang("s", 2, 4).in_one_group(), &["s waits"]);
}

#[test]
fn a_pool_without_groups_holds_nobody_who_wishes_for_one() {
    let mut pool = Story::given([activate(3), node("x", 8, "A100"), quota("t", 0, 99)]);
    let command = pool.command(gang("r", 2, 1).in_one_group().into());
    let decision = pool.decide(0, vec![command]).remove(0);
    let said = "2 replicas of 1 x 1000 GPU milli do not fit one topology group of the empty pool, \
                where the most is 1; without that wish it is 2";
    assert_eq!(refusal(&decision), said);
}

#[test]
fn a_wish_that_only_broken_nodes_could_grant_waits_for_them_and_for_no_lost_ones() {
    let mut pool = racks();
    pool.check(0, drain("w1"), &["w1 drains"]);
    pool.check(0, gang("group", 2, 4).in_one_group(), &["group runs on e1+e2"]);
    pool.check(0, gang("next", 2, 4).in_one_group(), &["next waits"]);
    pool.check(1, breaks("e2"), &["e2 is Unhealthy"]);
    let out = Blocker::NodesOutOfService { draining_nodes: 1, unhealthy_nodes: 1 };
    assert_eq!(pool.blocker("next"), Some(out));
    pool.check(2, gang("late", 2, 4).in_one_group(), &["refused: exceeds_pool"]);
    pool.check(3, remove("w1"), &["w1 leaves"]);
    pool.check(4, drain("e2"), &["e2 drains"]);
    let released = pool.release("group");
    pool.check(5, released, &["group is released"]);
    pool.check(6, remove("e2"), &["e2 leaves"]);
    // w2, e1 and x would do together, but for the wish.
    let never = Blocker::TopologyTooSmall { topology: Topology::SameGroup, replicas: 2 };
    assert_eq!(pool.blocker("next"), Some(never));
    pool.check(7, remove("x"), &["x leaves"]);
    pool.check(8, remove("w2"), &["w2 leaves"]);
    assert_eq!(pool.blocker("next"), Some(Blocker::PoolTooSmall));
    pool.check(9, node_in("east", "e3", 4, "A100"), &["e3 joins", "next runs on e1+e3"]);
}

#[test]
fn a_node_that_works_again_belongs_to_its_group_as_before() {
    let mut pool = racks();
    pool.check(0, breaks("w2"), &["w2 is Unhealthy"]);
    pool.check(0, gang("e", 2, 4).in_one_group(), &["e runs on e1+e2"]);
    pool.check(1, gang("w", 2, 4).in_one_group(), &["w waits"]);
    pool.check(2, works("w2"), &["w2 is Healthy", "w runs on w1+w2"]);
}

// What knows of it.

#[test]
fn groups_and_wishes_come_with_version_3() {
    let mut pool = Story::given([activate(2), node("a", 4, "A100"), quota("t", 0, 9)]);
    let wish = || gang("r", 2, 1).on_one_node();
    pool.check(0, node_in("west", "w", 4, "A100"), &["refused: unsupported"]);
    pool.check(0, wish(), &["refused: unsupported"]);
    pool.check(0, gang("r", 1, 1).in_one_group(), &["refused: unsupported"]);
    pool.check(0, approve("r", Some(wish())), &["refused: unsupported"]);
    pool.check(0, appeal("r", Some(wish())), &["refused: unsupported"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    pool.check(0, node_in("west", "w", 4, "A100"), &["w joins"]);
    pool.check(0, wish(), &["r runs on a+a"]);
    pool.check(0, node_in(&"x".repeat(129), "y", 4, "A100"), &["refused: out_of_range"]);
}
