//! Who takes whose place, how many have to go, and why it ends.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{Payload, SetPreemption};
use conclave_core::units::TimeMs;
use story::{
    Ask, HOUR, MINUTE, SECOND, Story, activate, ask, below, budget, cancel, drain, node,
    preemption, quota, renew,
};

/// Work that may be preempted.
fn low(name: &str, tenant: &str) -> Ask {
    ask(name, tenant).priority(2).preemptible()
}

/// A pool of nodes with so many GPUs each, with preemption.
fn given(gpus: &[i64], min_run_ms: i64, grace_ms: i64, per_request: i64) -> Story {
    let mut pool = Story::given([activate(3), preemption(min_run_ms, grace_ms, per_request)]);
    for (name, gpus) in ["a", "b", "c"].iter().zip(gpus) {
        pool.send(0, node(name, *gpus, "A100"));
    }
    for payload in [quota("s", 0, 99), quota("t", 0, 99)] {
        pool.send(0, payload);
    }
    pool
}

#[test]
fn a_higher_priority_takes_the_place_of_a_lower_one_which_waits_again() {
    let mut pool = given(&[2], 0, 0, 3);
    pool.check(0, low("s1", "s").gpus(2), &["s1 runs on a"]);
    pool.check(
        MINUTE,
        ask("t1", "t").priority(5),
        &["s1 ends at 60000 for t1 by Priority", "s1 makes room for t1", "t1 runs on a"],
    );
    assert_eq!(pool.request("s1").preemptions, 1);
    let released = pool.release("t1");
    pool.check(2 * MINUTE, released, &["t1 is released", "s1 runs on a"]);
}

#[test]
fn nobody_is_preempted_for_an_equal_or_who_may_not_be() {
    let mut pool = given(&[2], 0, 0, 3);
    pool.check(0, ask("fixed", "s").priority(2), &["fixed runs on a"]);
    pool.check(0, low("s1", "s"), &["s1 runs on a"]);
    pool.check(1, low("t1", "t"), &["t1 waits"]);
    pool.check(2, ask("t2", "t").gpus(2).priority(9), &["t2 waits"]);
}

#[test]
fn a_notice_says_when_and_nobody_renews_after_it() {
    let mut pool = given(&[1], 10 * MINUTE, 2 * MINUTE, 3);
    pool.check(0, low("s1", "s"), &["s1 runs on a"]);
    // It has run a minute: it gets the other nine of its minimum.
    let told = ["t1 waits", "s1 ends at 600000 for t1 by Priority"];
    pool.check(MINUTE, ask("t1", "t").priority(5), &told);
    let made = Blocker::RoomIsMade { leases: 1, until_ms: TimeMs(10 * MINUTE) };
    assert_eq!(pool.blocker("t1"), Some(made));
    let fencing = pool.fencing("s1");
    pool.check(2 * MINUTE, renew("s1", fencing, HOUR), &["refused: under_notice"]);
    // Whoever is higher still waits for the same lease; room is made for one only.
    pool.check(3 * MINUTE, ask("t2", "t").priority(4), &["t2 waits"]);
    pool.check(10 * MINUTE, low("s2", "s"), &["s1 makes room for t1", "s2 waits", "t1 runs on a"]);
    // After that the grace is longer than what is left of a minimum run.
    let released = pool.release("t1");
    pool.check(20 * MINUTE, released, &["t1 is released", "t2 runs on a"]);
}

#[test]
fn a_lease_may_be_given_back_before_its_notice_is_over() {
    let mut pool = given(&[1], 0, 10 * MINUTE, 3);
    pool.check(0, low("s1", "s"), &["s1 runs on a"]);
    let told = ["t1 waits", "s1 ends at 660000 for t1 by Priority"];
    pool.check(MINUTE, ask("t1", "t").priority(5), &told);
    let released = pool.release("s1");
    pool.check(2 * MINUTE, released, &["s1 is released", "t1 runs on a"]);
}

#[test]
fn a_lease_that_ends_by_itself_before_its_notice_is_over_just_ends() {
    let mut pool = given(&[1], 0, 2 * HOUR, 3);
    pool.check(0, low("s1", "s"), &["s1 runs on a"]);
    let ends = HOUR + MINUTE;
    let told = ["t1 waits", &format!("s1 ends at {ends} for t1 by Priority")];
    pool.check(MINUTE, ask("t1", "t").priority(5), &told);
    pool.check(ends, cancel("nobody"), &["refused: unknown_request", "s1 expires", "t1 runs on a"]);
}

#[test]
fn the_fewest_have_to_go() {
    let mut pool = given(&[4, 4], 0, 0, 3);
    for name in ["s1", "s2", "s3", "s4"] {
        pool.check(0, low(name, "s"), &[&format!("{name} runs on a")]);
    }
    pool.check(0, low("big", "s").gpus(4), &["big runs on b"]);
    pool.check(
        MINUTE,
        ask("t1", "t").gpus(4).priority(5),
        &["big ends at 60000 for t1 by Priority", "big makes room for t1", "t1 runs on b"],
    );
    // One of the four is enough, and it is the one that ran for the shortest time.
    let released = pool.release("s4");
    pool.check(2 * MINUTE, released, &["s4 is released"]);
    pool.check(3 * MINUTE, low("s5", "s"), &["s5 runs on a"]);
    let told = pool.send(4 * MINUTE, ask("t2", "t").priority(5).into());
    assert_eq!(told[0], format!("s5 ends at {} for t2 by Priority", 4 * MINUTE));
}

#[test]
fn a_gang_has_room_made_on_several_nodes_and_spares_whom_it_can() {
    let mut pool = given(&[2, 2, 2], 0, 0, 3);
    for (name, at) in [("s1", "a"), ("s2", "a"), ("s3", "b"), ("s4", "b")] {
        pool.check(0, low(name, "s"), &[&format!("{name} runs on {at}")]);
    }
    pool.check(0, low("gang", "s").replicas(2), &["gang runs on c+c"]);
    // Ends of the gang make room for two at once.
    let told = pool.send(MINUTE, ask("t1", "t").replicas(2).priority(5).into());
    let ends = ["gang ends at 60000 for t1 by Priority", "gang makes room for t1"];
    assert_eq!(told[..2], ends);
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn what_is_guaranteed_is_taken_back_from_whoever_is_beyond_his() {
    let mut pool = given(&[4, 4], 0, 0, 3);
    pool.check(0, low("s1", "s").gpus(3).priority(9), &["s1 runs on a"]);
    pool.check(0, low("s2", "s").gpus(3).priority(9), &["s2 runs on b"]);
    pool.send(0, quota("t", 2, 99));
    // Two GPUs are free, and not on one node. The other's priority is higher, and it would stand
    // first in the queue: room that was made goes to whom it was made for.
    pool.check(
        MINUTE,
        low("t1", "t").gpus(2).priority(1),
        &["s1 ends at 60000 for t1 by Guarantee", "s1 makes room for t1", "t1 runs on a"],
    );
}

#[test]
fn what_a_guarantee_covers_is_nobodys_to_take() {
    let mut pool = given(&[4], 0, 0, 3);
    pool.send(0, quota("s", 2, 99));
    pool.check(0, low("s1", "s").gpus(2), &["s1 runs on a"]);
    pool.check(0, low("s2", "s").gpus(2), &["s2 runs on a"]);
    // One of the two may go, and the other is within what s is guaranteed.
    pool.check(1, ask("t1", "t").gpus(4).priority(9), &["t1 waits"]);
    let told = pool.send(2, ask("t2", "t").gpus(2).priority(8).into());
    assert_eq!(told[0], "s2 ends at 2 for t2 by Priority");
    // Its own tenant's priorities are its own affair.
    let told = pool.send(3, ask("s3", "s").gpus(2).priority(9).into());
    assert_eq!(told[0], "s1 ends at 3 for s3 by Priority");
}

#[test]
fn nobody_is_preempted_more_often_than_he_may_be() {
    let mut pool = given(&[1], 0, 0, 2);
    pool.check(0, low("s1", "s"), &["s1 runs on a"]);
    for (name, at) in [("t1", 1), ("t2", 2)] {
        let told = pool.send(at, ask(name, "t").priority(5).into());
        assert_eq!(told.last(), Some(&format!("{name} runs on a")));
        let released = pool.release(name);
        let told = pool.send(at, released);
        assert_eq!(told.last().map(String::as_str), Some("s1 runs on a"));
    }
    assert_eq!(pool.request("s1").preemptions, 2);
    pool.check(3, ask("t3", "t").priority(5), &["t3 waits"]);
}

#[test]
fn a_tenant_loses_so_many_leases_a_day_and_no_more() {
    let (mut pool, midnight) = (given(&[4], 0, 0, 9), 24 * HOUR);
    for index in 0..4 {
        pool.send(0, low(&format!("s{index}"), "s").hours(48).into());
    }
    let late = midnight - MINUTE;
    for index in 0..3 {
        let told = pool.send(late, ask(&format!("t{index}"), "t").priority(5).into());
        assert_eq!(told.last(), Some(&format!("t{index} runs on a")));
    }
    pool.check(late + 1, ask("t3", "t").priority(5), &["t3 waits"]);
    // Another day: the first in the order is looked at again with whatever happens.
    let told = pool.send(midnight, low("s9", "s").into());
    assert_eq!(told.last().map(String::as_str), Some("t3 runs on a"), "{told:?}");
}

#[test]
fn whoever_missed_his_deadline_does_not_wait_again() {
    let mut pool = given(&[1], 0, 0, 3);
    pool.check(0, low("s1", "s").deadline(SECOND), &["s1 runs on a"]);
    pool.check(
        MINUTE,
        ask("t1", "t").priority(5),
        &[
            "s1 ends at 60000 for t1 by Priority",
            "s1 makes room for t1",
            "s1 missed its deadline",
            "t1 runs on a",
        ],
    );
}

#[test]
fn a_limit_and_a_protected_request_keep_a_preemptor_back() {
    let mut pool = given(&[2], 0, 0, 3);
    pool.send(0, quota("t", 0, 1));
    pool.check(0, low("s1", "s").gpus(2), &["s1 runs on a"]);
    pool.check(0, low("elder", "s").gpus(2), &["elder waits"]);
    let told = pool.send(1, ask("t1", "t").priority(5).into());
    assert_eq!(told.last().map(String::as_str), Some("t1 runs on a"));
    pool.check(2, ask("t2", "t").priority(5), &["t2 waits"]);
    // Elder and s1 wait for an hour: nobody who came later passes them.
    pool.send(0, quota("t", 0, 9));
    let told = pool.send(2 * HOUR, ask("t3", "t").priority(9).into());
    assert!(told.iter().all(|line| !line.contains("t3 runs")), "{told:?}");
}

#[test]
fn preemption_comes_with_version_3_and_ends_when_it_is_unset() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("s", 0, 9)]);
    pool.check(0, preemption(0, 0, 3), &["refused: unknown_version"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    pool.check(0, preemption(0, 0, 0), &["refused: out_of_range"]);
    pool.check(0, preemption(0, -1, 1), &["refused: out_of_range"]);
    pool.check(0, preemption(0, 0, 1), &["the rules of preemption are set"]);
    pool.check(0, preemption(0, 0, 1), &[]);
}

/// A notice of an hour, and a pool where s and t may have what they like.
fn slow(gpus: &[i64]) -> Story {
    given(gpus, 0, HOUR, 3)
}

/// Work that may be preempted and is not over before a notice is.
fn long(name: &str, tenant: &str) -> Ask {
    low(name, tenant).hours(40)
}

#[test]
fn what_has_notice_is_gone_for_whoever_comes_next() {
    let mut pool = slow(&[4]);
    pool.send(0, quota("s", 2, 99));
    pool.check(0, long("s1", "s").gpus(2), &["s1 runs on a"]);
    pool.check(0, long("s2", "s").gpus(2), &["s2 runs on a"]);
    let end = HOUR + 1;
    let told = ["t1 waits", &format!("s2 ends at {end} for t1 by Priority")];
    pool.check(1, ask("t1", "t").gpus(2).priority(8), &told);
    // What s keeps is guaranteed to it.
    pool.check(2, ask("t2", "t").gpus(2).priority(9), &["t2 waits"]);
    pool.check(end, Payload::Tick, &["s2 makes room for t1", "t1 runs on a"]);
}

#[test]
fn one_guarantee_calls_back_once() {
    let mut pool = slow(&[4]);
    for name in ["s1", "s2"] {
        pool.send(0, long(name, "s").gpus(2).priority(9).into());
    }
    pool.send(0, quota("t", 2, 99));
    let told = ["t1 waits", &format!("s2 ends at {} for t1 by Guarantee", HOUR + 1)];
    pool.check(1, ask("t1", "t").gpus(2).priority(1), &told);
    pool.check(2, ask("t2", "t").gpus(2).priority(1), &["t2 waits"]);
}

#[test]
fn limits_on_the_way_up_count_those_for_whom_leases_end() {
    for limited in ["t", "above"] {
        let mut pool = slow(&[4]);
        pool.send(0, quota("above", 0, 99));
        pool.send(0, below("t", "above"));
        pool.send(0, quota(limited, 0, 2));
        for name in ["s1", "s2"] {
            pool.send(0, long(name, "s").gpus(2).into());
        }
        let told = ["t1 waits", &format!("s2 ends at {} for t1 by Priority", HOUR + 1)];
        pool.check(1, ask("t1", "t").gpus(2).priority(9), &told);
        pool.check(2, ask("t2", "t").gpus(2).priority(8), &["t2 waits"]);
    }
}

#[test]
fn a_budget_counts_those_for_whom_leases_end() {
    for (hours, room) in [(3, false), (99, true)] {
        let mut pool = slow(&[4]);
        for name in ["s1", "s2"] {
            pool.send(0, long(name, "s").gpus(2).into());
        }
        pool.send(0, budget("t", 99, hours, 24 * HOUR));
        let told = pool.send(1, ask("t1", "t").gpus(2).priority(9).into());
        assert_eq!(told.len(), 2, "{told:?}");
        let told = pool.send(2, ask("t2", "t").gpus(2).priority(8).into());
        assert_eq!(told.len() == 2, room, "{hours} hours: {told:?}");
    }
}

#[test]
fn what_one_lacks_beside_free_room_is_not_counted_for_two() {
    let mut pool = slow(&[3]);
    for name in ["s1", "s2"] {
        pool.send(0, long(name, "s").into());
    }
    let told = pool.send(1, ask("t1", "t").replicas(2).priority(9).into());
    assert_eq!(told.len(), 2, "{told:?}");
    pool.check(2, ask("t2", "t").replicas(2).priority(8), &["t2 waits"]);
}

#[test]
fn what_ends_on_a_node_that_drains_is_no_room() {
    let mut pool = given(&[2, 2], 0, 0, 3);
    pool.check(0, low("s1", "s").replicas(2).gpus(2), &["s1 runs on a+b"]);
    pool.send(0, quota("u", 1, 99));
    pool.send(0, drain("b"));
    // Two GPUs take work, and one of them is promised to u.
    pool.check(1, ask("t1", "t").gpus(2).priority(9), &["t1 waits"]);
}

#[test]
fn nobody_goes_while_a_model_that_is_wanted_has_room() {
    let mut pool = given(&[1], 0, 0, 3);
    pool.send(0, node("h", 1, "H100"));
    pool.check(0, low("s1", "s").on(&["H100"]), &["s1 runs on h"]);
    pool.send(0, quota("u", 1, 99));
    // It is u's guarantee that keeps it from the A100.
    pool.check(1, ask("t1", "t").on(&["A100", "H100"]).priority(9), &["t1 waits"]);
}

#[test]
fn nobody_goes_for_whom_the_room_comes_too_late() {
    let mut pool = slow(&[1]);
    pool.check(0, long("s1", "s"), &["s1 runs on a"]);
    pool.check(1, ask("t1", "t").priority(9).deadline(HOUR + 1), &["t1 waits"]);
    let told = ["t2 waits", &format!("s1 ends at {} for t2 by Priority", HOUR + 2)];
    pool.check(2, ask("t2", "t").priority(8).deadline(HOUR + 3), &told);
}

#[test]
fn whoever_was_made_room_for_in_vain_waits_like_everybody_else() {
    let mut pool = given(&[2, 2], 0, MINUTE, 3);
    pool.check(0, long("s1", "s").priority(1), &["s1 runs on a"]);
    pool.check(0, ask("fixed", "s").gpus(2).hours(40), &["fixed runs on b"]);
    // It lacks one of two, and the other is taken meanwhile.
    pool.send(1, ask("t1", "t").gpus(2).priority(2).into());
    pool.check(2, ask("taker", "s").hours(40), &["taker runs on a"]);
    let end = ["s1 makes room for t1", "s1 runs on a"];
    pool.check(MINUTE + 1, Payload::Tick, &end);
    assert!(pool.state.pools["p"].preemption.served.is_empty());
    pool.send(0, quota("s", 0, 3));
    pool.check(2 * MINUTE, ask("urgent", "s").gpus(1).priority(9), &["urgent waits"]);
    let told = pool.send(3 * MINUTE, ask("first", "t").gpus(2).priority(10).into());
    assert_eq!(told, ["first waits"]);
    let released = pool.release("fixed");
    let told = pool.send(4 * MINUTE, released);
    assert!(told.contains(&"first runs on b".to_owned()), "{told:?}");
}

/// Four who cannot be helped stand before it.
#[test]
fn a_newcomer_is_looked_at_also_when_a_lease_ends_in_its_decision() {
    for minutes in [9, 10] {
        let mut pool = given(&[4], 0, 0, 3);
        pool.send(0, node("b", 1, "T4"));
        pool.check(0, ask("fixed", "s").gpus(3).hours(40), &["fixed runs on a"]);
        pool.check(0, long("s1", "s").on(&["A100"]), &["s1 runs on a"]);
        pool.check(0, ask("short", "s").on(&["T4"]).lease_minutes(10), &["short runs on b"]);
        for (name, gpus, priority) in [("w1", 4, 10), ("w2", 3, 10), ("w3", 4, 9), ("w4", 3, 9)] {
            pool.send(1, ask(name, "t").gpus(gpus).priority(priority).into());
        }
        let new = ask("new", "t").on(&["A100"]).priority(6);
        let told = pool.send(minutes * MINUTE, new.into());
        assert_eq!(told.last().map(String::as_str), Some("new runs on a"), "{told:?}");
    }
}

#[test]
fn the_first_are_looked_at_also_when_a_newcomer_starts() {
    let mut pool = given(&[3, 3], 0, 0, 3);
    pool.send(0, quota("u", 3, 99));
    pool.check(0, low("s1", "s").gpus(2).priority(1), &["s1 runs on a"]);
    // There is room on b, and u's guarantee keeps it.
    pool.check(0, ask("t1", "t").gpus(2).priority(2), &["t1 waits"]);
    let told = pool.send(0, ask("u1", "u").gpus(2).priority(2).into());
    assert!(told.contains(&"t1 runs on a".to_owned()), "{told:?}");
}

#[test]
fn those_who_are_alike_are_looked_at_one_after_the_other() {
    let mut pool = slow(&[2]);
    pool.send(0, Payload::SetPreemption(SetPreemption { rules: None }));
    for name in ["s1", "s2"] {
        pool.send(0, long(name, "s").into());
    }
    for name in ["t1", "t2"] {
        pool.send(1, ask(name, "t").priority(9).into());
    }
    let told = pool.send(2, preemption(0, HOUR, 3));
    let end = HOUR + 2;
    let notices = [
        format!("s2 ends at {end} for t1 by Priority"),
        format!("s1 ends at {end} for t2 by Priority"),
    ];
    assert_eq!(told[1..], notices);
}

#[test]
fn what_a_tenant_does_to_itself_shields_it_from_nobody() {
    let mut pool = given(&[4], 0, 0, 3);
    pool.check(0, long("s1", "s").gpus(3).priority(1), &["s1 runs on a"]);
    pool.check(0, ask("fixed", "s").hours(40), &["fixed runs on a"]);
    for index in 1..=4 {
        let name = format!("s1{index}");
        let told = pool.send(index, ask(&name, "s").gpus(3).priority(2).into());
        // By itself, too, no more than three times.
        assert_eq!(told.len() > 1, index <= 3, "{told:?}");
        if index <= 3 {
            let released = pool.release(&name);
            pool.send(index, released);
        }
    }
    let request = pool.request("s1");
    assert_eq!((request.preemptions, request.preemptions_by_others()), (3, 0));
    pool.send(MINUTE, quota("t", 3, 99));
    let told = pool.send(2 * MINUTE, ask("t1", "t").gpus(3).into());
    assert_eq!(told.last().map(String::as_str), Some("t1 runs on a"), "{told:?}");
}
