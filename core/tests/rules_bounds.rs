//! One decision is bounded. What does not fit is carried over and worked off by the next commands,
//! and meanwhile the pool grants nothing out of turn.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{Command, Payload, RegisterNode, SetPoolPolicy};
use conclave_core::decision::{Decision, Event};
use conclave_core::invariants::check as check_invariants;
use conclave_core::units::{CpuMilli, DurationMs, MemoryMib};
use story::{
    Ask, HOUR, MINUTE, Story, ask, cancel, node, policy, quota, release, renew, set, shrink,
};

const LEASES: usize = 5_000;
const WAITERS: usize = 3_000;
const END: i64 = HOUR + MINUTE;

/// A hundredth of one GPU.
fn tiny(name: &str) -> Ask {
    ask(name, "t").slice(10).no_cpu()
}

fn send(pool: &mut Story, at_ms: i64, payload: Payload) -> Decision {
    let command = pool.command(payload);
    pool.decide_unchecked(at_ms, vec![command]).remove(0)
}

fn count(decision: &Decision, what: impl Fn(&Event) -> bool) -> usize {
    decision.events.iter().filter(|event| what(event)).count()
}

fn ends(decision: &Decision) -> usize {
    count(decision, |event| matches!(event, Event::LeaseEnded(_)))
}

fn grants(decision: &Decision) -> usize {
    count(decision, |event| matches!(event, Event::LeaseGranted(_)))
}

/// 5,000 leases that end at [`END`] on 64 GPUs, 50 of which they fill.
fn many_leases() -> Story {
    let nodes = (0..4).map(|index| node(&format!("n{index}"), 16, "A100"));
    let mut pool = Story::given(nodes.chain([quota("t", 0, 999), quota("u", 0, 999)]));
    for index in 0..LEASES {
        send(&mut pool, 0, tiny(&format!("r{index:04}")).into());
    }
    check_invariants(&pool.state);
    pool
}

#[test]
fn five_thousand_leases_that_end_at_once_end_over_several_decisions() {
    let mut pool = many_leases();
    let mut ended = 0;
    let mut ticks = 0;
    while ended < LEASES {
        ticks += 1;
        assert!(ticks <= 50, "{ended} of {LEASES} leases ended in {ticks} ticks");
        let decision = send(&mut pool, END, Payload::Tick);
        ended += ends(&decision);
        assert_eq!(pool.state.needs_a_tick(), ended < LEASES);
    }
    check_invariants(&pool.state);
    assert_eq!(pool.state.pools["p"].requests.len(), 0);
}

#[test]
fn while_ends_are_carried_over_newcomers_wait_even_when_there_is_room() {
    let mut pool = many_leases();
    let decision = send(&mut pool, END, ask("new", "u").into());
    assert_eq!((grants(&decision), ends(&decision) > 0), (0, true));
    assert_eq!(pool.blocker("new"), Some(Blocker::CarriedOver));
    let decision = send(&mut pool, END, ask("newer", "u").priority(9).into());
    assert_eq!(grants(&decision), 0);
    let mut last = decision;
    while pool.state.needs_a_tick() {
        assert_eq!(grants(&last), 0, "nobody starts before all ends have happened");
        last = send(&mut pool, END, Payload::Tick);
    }
    let told = story::tell(&last);
    let starts: Vec<_> = told.iter().filter(|line| line.contains("runs on")).collect();
    assert_eq!(starts, ["newer runs on n0", "new runs on n0"], "in the order");
    assert_eq!(told.last().unwrap(), "the queue has caught up");
}

#[test]
fn a_lease_whose_end_is_carried_over_has_ended_all_the_same() {
    let last = format!("r{:04}", LEASES - 1);
    let fencing = many_leases().fencing(&last);
    for payload in [renew(&last, fencing, HOUR), release(&last, fencing), shrink(&last, fencing, 1)]
    {
        let mut pool = many_leases();
        let told = story::tell(&send(&mut pool, END, payload.clone()));
        assert_eq!(told[0], "refused: unknown_request", "{payload:?}");
    }
}

#[test]
fn one_node_that_feeds_three_thousand_waiters_does_so_over_several_decisions() {
    let mut pool = Story::given([node("full", 16, "A100"), quota("t", 0, 999)]);
    pool.check(0, ask("all", "t").gpus(16).hours(9).no_cpu(), &["all runs on full"]);
    for index in 0..WAITERS {
        send(&mut pool, 0, ask(&format!("w{index:04}"), "t").slice(5).no_cpu().into());
    }
    let joins = Payload::RegisterNode(RegisterNode {
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        ..match node("new", 16, "A100") {
            Payload::RegisterNode(register) => register,
            _ => unreachable!(),
        }
    });
    let first = send(&mut pool, 1, joins);
    let mut started = grants(&first);
    assert!((1..WAITERS).contains(&started), "{started} started at once");
    assert!(pool.state.needs_a_tick());
    let last = format!("w{:04}", WAITERS - 1);
    assert_eq!(pool.blocker(&last), Some(Blocker::CarriedOver));
    // A newcomer stands at the end of the line, though there is room for it now.
    let decision = send(&mut pool, 1, ask("new", "t").slice(5).no_cpu().into());
    started += grants(&decision);
    assert!(pool.request("new").lease().is_none());
    let mut ticks = 0;
    while pool.state.needs_a_tick() {
        ticks += 1;
        assert!(ticks <= 10, "{started} of {WAITERS} waiters started in {ticks} ticks");
        started += grants(&send(&mut pool, 1, Payload::Tick));
    }
    check_invariants(&pool.state);
    assert_eq!(started, WAITERS + 1);
    assert!(pool.request("new").lease().is_some());
}

#[test]
fn what_is_carried_over_is_worked_off_by_any_command() {
    let mut pool = many_leases();
    let mut ended = ends(&send(&mut pool, END, cancel("nobody")));
    ended += ends(&send(&mut pool, END, quota("v", 0, 1)));
    ended += ends(&send(&mut pool, END, ask("new", "u").gpus(17).into()));
    assert!(ended >= 300, "{ended}");
}

#[test]
fn the_largest_gang_fits_one_decision() {
    let nodes = (0..64).map(|index| node(&format!("n{index:02}"), 16, "A100"));
    let mut pool = Story::given(nodes.chain([quota("t", 0, 9_999)]));
    let told = pool.send(0, ask("gang", "t").replicas(1_024).no_cpu().into());
    assert!(told[0].starts_with("gang runs on"), "{told:?}");
}

/// Sends `payload` to `pool` and tells what followed.
fn send_to(log: &mut Story, pool: &str, at_ms: i64, payload: Payload) -> Vec<String> {
    let command = Command { pool: pool.into(), ..log.command(payload) };
    story::tell(&log.decide_unchecked(at_ms, vec![command])[0])
}

/// 70 pools where a request waits for the end of a lease, not yet protected by W, and in the first
/// of them so many other leases that their ends do not fit one decision. All end at [`END`].
fn many_pools() -> Story {
    let mut log = Story::of_a_log();
    let patient = SetPoolPolicy { wait_bound_ms: DurationMs(9 * HOUR), ..policy() };
    for n in 0..70 {
        let pool = format!("p{n:02}");
        let gpus = if n == 0 { 4 } else { 1 };
        let begin = [set(patient.clone()), node("a", gpus, "A100"), quota("t", 0, 99)];
        begin.into_iter().for_each(|payload| drop(send_to(&mut log, &pool, 0, payload)));
        let told = send_to(&mut log, &pool, 0, ask("lease", "t").no_cpu().into());
        assert_eq!(told, ["lease runs on a"]);
        let told = send_to(&mut log, &pool, 0, ask("first", "t").gpus(gpus).into());
        assert_eq!(told, ["first waits"]);
    }
    (0..200).for_each(|n| drop(send_to(&mut log, "p00", 0, tiny(&format!("tiny{n:03}")).into())));
    log
}

#[test]
fn in_a_pool_whose_turn_has_not_come_a_newcomer_does_not_pass_those_who_wait() {
    let mut log = many_pools();
    let told = send_to(&mut log, "", END, Payload::Tick);
    assert_eq!(told.iter().filter(|line| line.ends_with("expires")).count(), 250);
    assert_eq!(log.state.carried_over.len(), 70);
    // The last ends happen, and the first 64 pools are looked at: not the newcomer's.
    let told = send_to(&mut log, "p69", END, ask("new", "t").into());
    assert!(log.state.overdue_timer().is_none());
    assert!(told.contains(&"new waits".to_owned()), "{told:?}");
    let told = send_to(&mut log, "", END, Payload::Tick);
    assert_eq!(told[told.len() - 2..], ["first runs on a", "the queue has caught up"]);
    check_invariants(&log.state);
}
