//! Reservations: room that is kept free for a tenant from some time on.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{Payload, Reserve, SetPoolPolicy, Topology};
use conclave_core::decision::Outcome;
use conclave_core::units::{CpuMilli, DurationMs, GpuModel, TimeMs};
use story::*;

/// A node of eight GPUs, three tenants, and version 3.
fn pool() -> Story {
    let nodes = [activate(3), node("a", 8, "A100")];
    let quotas = [quota("t", 0, 8), quota("u", 0, 8), quota("v", 0, 8)];
    Story::given(nodes.into_iter().chain(quotas))
}

fn reserved(name: &str, from: i64, until: i64) -> Option<Blocker> {
    let (start_ms, until_ms) = (TimeMs(from), TimeMs(until));
    Some(Blocker::Reserved { reservation: name.into(), start_ms, until_ms })
}

/// The code and the detail of a refusal.
fn refusal(pool: &mut Story, at_ms: i64, payload: Payload) -> (String, String) {
    let command = pool.command(payload);
    let decision = pool.decide(at_ms, vec![command]).remove(0);
    let Outcome::Rejected(rejected) = decision.outcome else { panic!("{decision:?}") };
    (rejected.code.as_str().to_owned(), rejected.detail)
}

#[test]
fn who_ends_before_the_start_may_run_where_something_is_reserved() {
    let mut pool = pool();
    let demo = reserve("demo", "t", 6, 4 * HOUR, 6 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    pool.check(0, ask("short", "u").gpus(4).lease_minutes(240), &["short runs on a"]);
    // Two GPUs are not reserved, and two of those that are stand free until then.
    pool.check(0, ask("long", "u").gpus(3).hours(5), &["long waits"]);
    assert_eq!(pool.blocker("long"), reserved("demo", 4 * HOUR, 6 * HOUR));
    pool.check(0, ask("beside", "v").gpus(2).hours(9), &["beside runs on a"]);
    pool.check(0, ask("brief", "v").gpus(2).hours(3), &["brief runs on a"]);
    let told = ["brief expires"];
    pool.check(3 * HOUR + MINUTE, Payload::Tick, &told);
    pool.check(4 * HOUR, Payload::Tick, &["demo starts", "short expires"]);
    pool.check(5 * HOUR, ask("own", "t").gpus(6).hours(1), &["own runs on a"]);
    pool.check(6 * HOUR, Payload::Tick, &["demo is over"]);
    let told = ["own expires", "long runs on a"];
    pool.check(6 * HOUR + MINUTE, Payload::Tick, &told);
}

#[test]
fn what_is_reserved_is_there_for_its_tenant_whoever_waits() {
    let mut pool = pool();
    pool.check(0, quota("v", 2, 8), &["v has a quota"]);
    let demo = reserve("demo", "t", 8, 2 * HOUR, 4 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    pool.check(0, ask("r1", "u").gpus(6).lease_minutes(120), &["r1 runs on a"]);
    // It has waited for longer than W when the reservation starts.
    pool.check(0, ask("old", "u").gpus(8).hours(9), &["old waits"]);
    let own = ask("own", "t").gpus(4);
    pool.check(2 * HOUR - 1, own, &["own waits"]);
    let told = ["demo starts", "r1 expires", "own runs on a"];
    pool.check(2 * HOUR, Payload::Tick, &told);
    // Not what is guaranteed to others, nor who has waited longer.
    pool.check(2 * HOUR, ask("more", "t").gpus(4), &["more runs on a"]);
    pool.check(2 * HOUR, ask("beyond", "t"), &["beyond waits"]);
    pool.check(2 * HOUR, ask("v1", "v"), &["v1 waits"]);
}

#[test]
fn what_its_tenant_does_not_use_stays_free_until_the_end() {
    let mut pool = pool();
    let demo = reserve("demo", "t", 8, 0, 4 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a", "demo starts"]);
    pool.check(0, ask("own", "t").gpus(2).hours(1), &["own runs on a"]);
    pool.check(0, ask("r1", "u"), &["r1 waits"]);
    assert_eq!(pool.blocker("r1"), reserved("demo", 0, 4 * HOUR));
    pool.check(HOUR, give_up("demo"), &["demo is given up", "r1 runs on a"]);
    pool.check(HOUR, give_up("demo"), &["refused: unknown_reservation"]);
}

#[test]
fn no_lease_is_renewed_into_a_reservation() {
    let mut pool = pool();
    pool.check(0, ask("r1", "u").gpus(6).hours(1), &["r1 runs on a"]);
    pool.check(0, ask("own", "t").gpus(2).hours(1), &["own runs on a"]);
    let demo = reserve("demo", "t", 4, 2 * HOUR, 4 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    let fencing = pool.fencing("r1");
    let until_start = renew("r1", fencing, 2 * HOUR);
    pool.check(0, until_start, &["r1 runs until 7200000"]);
    let fencing = pool.fencing("r1");
    let (code, detail) = refusal(&mut pool, HOUR, renew("r1", fencing, 2 * HOUR));
    assert_eq!(code, "reserved");
    assert_eq!(
        detail,
        "until 10800000 it would run into a reservation, which starts at 7200000: extend_ms \
         is 3600000 at the most"
    );
    // Where nothing is reserved, and for the tenant for whom it is, a lease goes on.
    let fencing = pool.fencing("own");
    pool.check(HOUR, renew("own", fencing, 9 * HOUR), &["own runs until 36000000"]);
    // Two replicas fewer, and it stands beside it.
    let mut pool = self::pool();
    pool.check(0, ask("gang", "u").gpus(2).replicas(3).hours(1), &["gang runs on a+a+a"]);
    let demo = reserve("demo", "t", 4, 2 * HOUR, 4 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    let fencing = pool.fencing("gang");
    pool.check(0, renew("gang", fencing, 3 * HOUR), &["refused: reserved"]);
}

#[test]
fn a_reservation_that_makes_no_sense_is_refused_with_the_numbers() {
    let mut pool = pool();
    let of = |gpus, from, until| reserve("demo", "t", gpus, from, until);
    let now = 10 * HOUR;
    pool.check(now, ask("r1", "u").gpus(5).lease_minutes(120), &["r1 runs on a"]);
    let rows = [
        (of(1, now - 1, now + 1), "reservation_time", "it is 36000000: a reservation starts from"),
        (of(1, now + 366 * 24 * HOUR, now + 367 * 24 * HOUR), "reservation_time", "it is 36000000"),
        (of(1, now, now), "out_of_range", "end_ms is 36000000, not within 36000001..="),
        (of(1, now, now - 1), "out_of_range", "end_ms is 35999999, not within"),
        (of(1, now, now + 91 * 24 * HOUR), "out_of_range", "end_ms - start_ms is 7862400000, not"),
        (of(9, now, now + HOUR), "exceeds_limit", "9000 GPU milli beside 0 that are reserved"),
        (
            Reserve { gpu_models: vec![GpuModel::from("T4")], ..of(1, now, now + HOUR) },
            "exceeds_pool",
            "1 replicas of 1 x 1000 GPU milli do not fit even the empty pool",
        ),
        (
            Reserve { tenant: "x".into(), ..of(1, now, now + HOUR) },
            "unknown_tenant",
            "tenant 'x' has no quota in 'p': send SetQuota",
        ),
        (
            Reserve { replicas: 4, gpu_count: 2, ..of(1, now + HOUR, now + 3 * HOUR) },
            "exceeds_capacity",
            "4 replicas of 2 x 1000 GPU milli from 39600000 to 46800000: 1 replicas fit; all of \
             them fit from 43200000 on",
        ),
        (
            Reserve { cpu_milli: CpuMilli(64_001), ..of(1, now, now + HOUR) },
            "exceeds_pool",
            "1 replicas",
        ),
    ];
    for (reserve, code, detail) in rows {
        let (refused, why) = refusal(&mut pool, now, reserving(reserve));
        assert_eq!(refused, code, "{why}");
        assert!(why.starts_with(detail), "{why}");
    }
    pool.check(now, reserving(of(3, now + HOUR, now + 2 * HOUR)), &["demo is reserved on a"]);
    let again = reserving(of(1, now, now + HOUR));
    pool.check(now, again, &["refused: duplicate_reservation"]);
    // Together they would be over the limit, at another time they are not.
    let other = |from| reserving(Reserve { reservation: "b".into(), ..of(6, from, from + HOUR) });
    let (code, detail) = refusal(&mut pool, now, other(now + HOUR + 1));
    let said = "6000 GPU milli beside 3000 that are reserved at the same time are more than the \
                tenant's limit of 8000";
    assert_eq!((code.as_str(), detail.as_str()), ("exceeds_limit", said));
    pool.check(now, other(now + 2 * HOUR), &["b is reserved on a"]);
}

#[test]
fn there_are_no_more_than_so_many() {
    let mut pool = pool();
    for n in 0..64 {
        let from = (1 + n) * HOUR;
        let told = format!("r{n} is reserved on a");
        pool.check(0, reserving(reserve(&format!("r{n}"), "t", 1, from, from + HOUR)), &[&told]);
    }
    let (code, detail) =
        refusal(&mut pool, 0, reserving(reserve("one", "t", 1, 90 * HOUR, 91 * HOUR)));
    assert_eq!(
        (code.as_str(), detail.as_str()),
        ("log_full", "a pool has at most 64 reservations")
    );
}

#[test]
fn there_are_no_reservations_before_version_3() {
    let mut pool = Story::given([node("a", 8, "A100"), quota("t", 0, 8)]);
    let told = ["refused: unknown_version"];
    pool.check(0, reserving(reserve("demo", "t", 1, HOUR, 2 * HOUR)), &told);
    pool.check(0, give_up("demo"), &told);
}

#[test]
fn a_node_of_which_something_is_reserved_does_not_leave() {
    let mut pool = pool();
    let demo = reserve("demo", "t", 8, HOUR, 2 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    let (code, detail) = refusal(&mut pool, 0, remove("a"));
    assert_eq!(code, "node_reserved");
    assert_eq!(
        detail,
        "a part of 'a' is reserved by 'demo' until 7200000: drain it and wait, or cancel the \
         reservation"
    );
    // On a node that drains nothing starts, not even what it was reserved for.
    pool.check(0, drain("a"), &["a drains"]);
    pool.check(0, node("b", 8, "A100"), &["b joins"]);
    pool.check(HOUR, ask("own", "t").gpus(8), &["demo starts", "own runs on b"]);
    pool.check(2 * HOUR, remove("a"), &["demo is over", "a leaves"]);
}

#[test]
fn reservations_of_several_tenants_take_turns() {
    let mut pool = pool();
    let morning = reserve("morning", "t", 8, HOUR, 2 * HOUR);
    let evening = reserve("evening", "u", 8, 2 * HOUR, 3 * HOUR);
    pool.check(0, reserving(morning), &["morning is reserved on a"]);
    pool.check(0, reserving(evening), &["evening is reserved on a"]);
    // A lease of the one must not run into what is reserved for the other.
    let told = ["morning starts", "long waits"];
    pool.check(HOUR, ask("long", "t").gpus(4).hours(1), &told);
    assert_eq!(pool.blocker("long"), reserved("evening", 2 * HOUR, 3 * HOUR));
    pool.check(HOUR, ask("short", "t").gpus(4).lease_minutes(60), &["short runs on a"]);
    let told = ["evening starts", "morning is over", "short expires", "u1 runs on a"];
    pool.check(2 * HOUR, ask("u1", "u").gpus(8).lease_minutes(60), &told);
    pool.check(3 * HOUR, Payload::Tick, &["evening is over", "u1 expires", "long runs on a"]);
}

/// Of requests that are alike but for their length, the next that is short enough starts.
#[test]
fn a_longer_lease_that_waits_does_not_keep_back_a_shorter_one_of_its_kind() {
    let mut pool = pool();
    pool.check(0, quota("v", 0, 99), &["v has a quota"]);
    pool.check(0, ask("r1", "u").gpus(8).hours(1), &["r1 runs on a"]);
    for (name, hours) in [("long", 9), ("longer", 10), ("short", 2), ("shorter", 1)] {
        pool.check(0, ask(name, "v").gpus(4).hours(hours), &[&format!("{name} waits")]);
    }
    let demo = reserve("demo", "t", 8, 5 * HOUR, 6 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    let released = pool.release("r1");
    let told = ["r1 is released", "short runs on a", "shorter runs on a"];
    pool.check(0, released, &told);
    assert_eq!(pool.blocker("long"), Some(Blocker::NoRoom { replicas_fit: 0, replicas: 1 }));
}

#[test]
fn slices_and_cpu_are_reserved_like_whole_gpus() {
    let mut pool = pool();
    let slices = Reserve {
        gpu_milli: conclave_core::units::GpuMilli(500),
        cpu_milli: CpuMilli(60_000),
        ..reserve("slices", "t", 1, HOUR, 2 * HOUR)
    };
    pool.check(0, reserving(slices), &["slices is reserved on a"]);
    pool.check(0, ask("cpu", "u").cpu_only(5_000).hours(1), &["cpu waits"]);
    assert_eq!(pool.blocker("cpu"), reserved("slices", HOUR, 2 * HOUR));
    pool.check(0, ask("half", "u").slice(500).hours(1), &["half runs on a"]);
    pool.check(0, ask("more", "u").slice(600).hours(1), &["more runs on a"]);
    let told = ["slices starts", "own runs on a"];
    pool.check(HOUR, ask("own", "t").slice(500), &told);
}

#[test]
fn a_reservation_may_wish_for_one_topology_group() {
    let nodes = ["w1", "w2", "e1"].map(|name| node_in(&name[..1], name, 4, "A100"));
    let quotas = [activate(3), quota("t", 0, 99), quota("u", 0, 99)];
    let mut pool = Story::given(quotas.into_iter().chain(nodes));
    let near = |name: &str, replicas| Reserve {
        replicas,
        topology: Topology::SameGroup,
        ..reserve(name, "t", 4, HOUR, 2 * HOUR)
    };
    pool.check(0, reserving(near("wide", 3)), &["refused: exceeds_pool"]);
    pool.check(0, reserving(near("near", 2)), &["near is reserved on w1+w2"]);
    pool.check(0, ask("long", "u").gpus(4).hours(1), &["long runs on e1"]);
    pool.check(0, ask("other", "u").gpus(4).hours(1), &["other waits"]);
    let told = ["near starts", "own runs on w1+w2"];
    pool.check(HOUR, ask("own", "t").gpus(4).replicas(2), &told);
}

#[test]
fn nobody_is_preempted_where_something_is_reserved_for_others() {
    let mut pool = pool();
    pool.check(0, preemption(0, 0, 9), &["the rules of preemption are set"]);
    pool.check(0, ask("weak", "u").gpus(8).preemptible().hours(1), &["weak runs on a"]);
    let demo = reserve("demo", "t", 8, 2 * HOUR, 3 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    // Its lease would run into the reservation: it has no use for the room.
    pool.check(0, ask("long", "v").gpus(8).priority(9).hours(5), &["long waits"]);
    let short = ask("short", "v").gpus(8).priority(9).hours(1);
    let told =
        ["weak ends at 0 for short by Priority", "weak makes room for short", "short runs on a"];
    pool.check(0, short, &told);
}

#[test]
fn a_shorter_longest_lease_lets_somebody_start_before_a_reservation() {
    let mut pool = pool();
    let demo = reserve("demo", "t", 8, 5 * HOUR, 6 * HOUR);
    pool.check(0, reserving(demo), &["demo is reserved on a"]);
    pool.check(0, ask("long", "u").gpus(8).hours(9), &["long waits"]);
    let rules = SetPoolPolicy { lease_max_ms: DurationMs(HOUR), ..policy() };
    pool.check(0, set(rules), &["the rules are set", "long runs on a"]);
}
