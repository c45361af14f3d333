//! What the council is told: every feature at its edges, and what must never be among them.

mod story;

use conclave_core::command::{Label, Payload, ReleaseLease, RequestAllocation, WorkOutcome};
use conclave_core::council::features::{Asked, Ended, Features};
use conclave_core::decision::Event;
use conclave_core::units::{CpuMilli, DurationMs, MemoryMib, MicroUsd, Offset, TimeMs, UserId};
use story::{Ask, HOUR, MINUTE, POOL, Story, ask, breaks, node, quota, share};

/// 16 A100 and 16 T4; `t` may hold 8 GPUs and is promised 4 of them, `u` is promised 8.
fn pool() -> Story {
    Story::given([
        node("a", 16, "A100"),
        node("b", 16, "T4"),
        quota("t", 4, 8),
        quota("u", 8, 32),
        quota("none", 0, 0),
    ])
}

fn newcomer(story: &Story, ask: &RequestAllocation, now: i64) -> Features {
    let arrived_at_ms = TimeMs(now);
    let asked = Asked { ask, attempt: 1, arrived_at_ms };
    Features::of_request(&story.state.pools[POOL], &asked, TimeMs(now))
}

fn named(features: &Features, name: &str) -> i8 {
    let found = features.iter().find(|(row, _)| row.name == name);
    found.unwrap_or_else(|| panic!("no feature is called {name}")).1
}

#[track_caller]
fn check(features: Features, expected: &[(&str, i8)]) {
    for (name, value) in expected {
        assert_eq!(named(&features, name), *value, "{name} of {features:?}");
    }
}

/// The least that can be asked: one replica of nothing.
fn least() -> Ask {
    Ask(RequestAllocation {
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        expected_duration_ms: DurationMs(1),
        priority: 1,
        ..ask("r", "t").cpu_only(0).0
    })
}

#[test]
fn a_first_request_to_a_free_pool_in_full() {
    let features = newcomer(&pool(), &ask("r", "t").0, 0);
    let expected = [
        // One whole GPU with a CPU and a GiB for an hour.
        39, 0, 64, 39, 40, 47, // priority 5 of 10, and no deadline
        32, 0, 0, 0, 0, 0, // nothing is known of the tenant
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // all free, a quarter promised to u
        64, 64, 0, 16, // an hour on 32 GPUs is 112.5 s of the pool; 7 of 8 GPUs are left
        66, 56, // Thursday at midnight
        0, 9, 0,
    ];
    assert_eq!(*features.values(), expected);
}

#[test]
fn the_size_of_a_request_has_edges() {
    let pool = pool();
    let of = |ask: Ask| newcomer(&pool, &ask.0, 0);
    let zero = ["gpus", "replicas", "slice", "cpu_per_gpu", "memory_per_gpu", "duration"];
    check(of(least()), &zero.map(|name| (name, 0)));
    check(of(least()), &[("pool_time", 0), ("priority", 6), ("free_acceptable", 64)]);
    let most = Ask(RequestAllocation {
        cpu_milli: CpuMilli(16_384_000),
        memory_mib: MemoryMib(64 * 1024 * 1024),
        expected_duration_ms: DurationMs(10 * 365 * 24 * HOUR),
        priority: 10,
        ..ask("r", "t").gpus(16).replicas(1_024).preemptible().0
    });
    check(of(most), &[("gpus", 95), ("replicas", 40), ("slice", 64), ("cpu_per_gpu", 79)]);
    let most = ask("r", "t").priority(10).preemptible();
    check(of(most), &[("priority", 64), ("preemptible", 64)]);
    // Four slices of a quarter: as much as a GPU, with what each has of CPU and memory four times.
    let slices = ask("r", "t").slice(250).replicas(4);
    check(of(slices), &[("gpus", 39), ("replicas", 8), ("slice", 16), ("cpu_per_gpu", 47)]);
    check(of(ask("r", "t").gpus(8)), &[("gpus", 51), ("cpu_per_gpu", 27), ("pool_time", 78)]);
    check(of(ask("r", "t").cpu_only(4_000)), &[("gpus", 0), ("cpu_per_gpu", 47)]);
}

#[test]
fn urgency_counts_votes_age_and_what_is_left() {
    let pool = pool();
    let asks = |deadline: Option<i64>| RequestAllocation {
        deadline_ms: deadline.map(TimeMs),
        ..ask("r", "t").0
    };
    let of = |deadline, attempt, age: i64| {
        let now = 2 * HOUR;
        let arrived_at_ms = TimeMs(now - age);
        let asked = Asked { ask: &asks(deadline), attempt, arrived_at_ms };
        Features::of_request(&pool.state.pools[POOL], &asked, TimeMs(now))
    };
    check(of(None, 1, 0), &[("attempt", 0), ("age", 0), ("has_deadline", 0), ("slack", 0)]);
    check(of(None, 2, 999), &[("attempt", 21), ("age", 0)]);
    check(of(None, 3, HOUR), &[("attempt", 42), ("age", 47)]);
    check(of(None, 4, -HOUR), &[("attempt", 64), ("age", 0)]);
    check(of(None, 9, i64::MAX / 2), &[("attempt", 64), ("age", 127)]);
    check(of(Some(3 * HOUR), 1, 0), &[("has_deadline", 64), ("slack", 47)]);
    check(of(Some(2 * HOUR), 1, 0), &[("has_deadline", 64), ("slack", 0)]);
    check(of(Some(0), 1, 0), &[("has_deadline", 64), ("slack", 0)]);
}

#[test]
fn what_the_tenant_holds_is_told_against_its_share() {
    let mut pool = pool();
    pool.send(0, ask("r1", "t").gpus(3).into());
    let of = |pool: &Story, gpus| newcomer(pool, &ask("r", "t").gpus(gpus).0, 0);
    check(of(&pool, 5), &[("limit_used", 24), ("guarantee_used", 48), ("headroom", 0)]);
    check(of(&pool, 6), &[("running", 4), ("waiting", 0), ("headroom", -8), ("asks", 24)]);
    pool.send(0, ask("r2", "t").gpus(5).into());
    pool.send(0, ask("r3", "t").into());
    check(of(&pool, 1), &[("limit_used", 64), ("guarantee_used", 64), ("headroom", -8)]);
    check(of(&pool, 16), &[("running", 6), ("waiting", 4), ("queue", 4), ("headroom", -64)]);
    // Its limit falls below what it holds.
    pool.send(0, quota("t", 1, 2));
    check(of(&pool, 1), &[("limit_used", 64), ("guarantee_used", 64), ("headroom", -64)]);
}

#[test]
fn nothing_is_divided_by_when_there_is_nothing() {
    let mut pool = pool();
    let nothing = [("limit_used", 64), ("guarantee_used", 64), ("headroom", -64), ("known", 0)];
    check(newcomer(&pool, &ask("r", "none").0, 0), &nothing);
    check(newcomer(&pool, &ask("r", "nobody").0, 0), &nothing);
    let cpu_only = newcomer(&pool, &ask("r", "none").cpu_only(1).0, 0);
    check(cpu_only, &[("limit_used", 64), ("headroom", 0)]);
    // What is promised to both others is promised to others of a tenant without a share.
    check(newcomer(&pool, &ask("r", "nobody").0, 0), &[("held_for_others", 24)]);
    let unknown = newcomer(&pool, &ask("r", "t").on(&["H100"]).0, 0);
    check(unknown, &[("free", 64), ("free_acceptable", 0)]);
    pool.send(1, breaks("a"));
    pool.send(1, breaks("b"));
    let full = [("free", 0), ("free_acceptable", 0), ("held_for_others", 0), ("pool_time", 127)];
    check(newcomer(&pool, &ask("r", "t").0, 1), &full);
    check(newcomer(&pool, &ask("r", "t").cpu_only(1).0, 1), &[("pool_time", 0)]);
}

#[test]
fn the_pool_is_told_as_it_stands_and_by_acceptable_models() {
    let mut pool = pool();
    pool.send(0, ask("r1", "u").gpus(12).on(&["T4"]).into());
    let of = |pool: &Story, models: &[&str]| newcomer(pool, &ask("r", "t").on(models).0, 0);
    check(of(&pool, &[]), &[("free", 40), ("free_acceptable", 40), ("held_for_others", 0)]);
    check(of(&pool, &["A100"]), &[("free", 40), ("free_acceptable", 64)]);
    check(of(&pool, &["T4"]), &[("free", 40), ("free_acceptable", 16)]);
    check(of(&pool, &["T4", "T4"]), &[("free_acceptable", 16)]);
    check(of(&pool, &["T4", "A100", "H100"]), &[("free_acceptable", 40)]);
    let cpu_only = newcomer(&pool, &ask("r", "t").cpu_only(1).on(&["T4"]).0, 0);
    check(cpu_only, &[("free_acceptable", 40)]);
    // What sits on a node that takes no new work is neither free nor used.
    pool.send(1, breaks("b"));
    check(of(&pool, &["T4"]), &[("free", 64), ("free_acceptable", 0)]);
}

#[test]
fn the_past_of_a_tenant_is_told_in_shares_and_forgotten_as_a_whole() {
    let mut pool = pool();
    let past = ["known", "failed", "stopped", "expired", "held_by_expected", "utilisation"];
    let of = |pool: &Story, at| {
        let told = newcomer(pool, &ask("r", "t").0, at);
        past.map(|name| named(&told, name))
    };
    let mut end = |at: i64, outcome, utilisation_bp| {
        pool.send(at, ask("r", "t").into());
        let (request, fencing) = ("r".into(), Offset(pool.fencing("r")));
        let release = ReleaseLease { request, fencing, outcome, utilisation_bp };
        pool.send(at + 30 * MINUTE, Payload::ReleaseLease(release));
        of(&pool, at + 30 * MINUTE)
    };
    assert_eq!(end(0, WorkOutcome::Failed, None), [32, 64, 0, 0, 32, 0]);
    assert_eq!(end(HOUR, WorkOutcome::Succeeded, Some(5_000)), [64, 32, 0, 0, 32, 32]);
    assert_eq!(end(2 * HOUR, WorkOutcome::Stopped, Some(10_000)), [64, 21, 21, 0, 32, 48]);
    pool.send(3 * HOUR, ask("r", "t").into());
    pool.check(5 * HOUR, Payload::Tick, &["r expires"]);
    // 30 + 30 + 30 + 61 minutes of 4 hours.
    assert_eq!(of(&pool, 5 * HOUR), [64, 16, 16, 16, 40, 48]);
    // The counts fade away a good deal before GPU time does.
    assert_eq!(of(&pool, 24 * 6 * HOUR), [64, 16, 16, 16, 40, 48]);
    assert_eq!(of(&pool, 24 * 9 * HOUR), [0; 6]);
    assert_ne!(pool.state.pools[POOL].tenants["t"].history.at(TimeMs(24 * 9 * HOUR)).held().0, 0);
}

#[test]
fn an_outcome_has_the_same_layout_and_says_how_this_lease_went() {
    let mut pool = pool();
    pool.send(0, ask("r", "t").gpus(2).deadline(HOUR).into());
    let request = pool.request("r").clone();
    let (id, fencing) = ("r".into(), Offset(pool.fencing("r")));
    let (outcome, utilisation_bp) = (WorkOutcome::Failed, Some(2_500));
    let release = ReleaseLease { request: id, fencing, outcome, utilisation_bp };
    let command = pool.command(Payload::ReleaseLease(release));
    let decisions = pool.decide(15 * MINUTE, vec![command]);
    let Event::LeaseEnded(event) = &decisions[0].events[0] else { panic!("{decisions:?}") };
    let state = &pool.state.pools[POOL];
    let now = TimeMs(15 * MINUTE);
    let ended = Ended::of(&request, event, now).expect("it ran");
    let told = Features::of_outcome(state, &ended, now);
    let of_lease = [
        ("known", 64),
        ("failed", 64),
        ("stopped", 0),
        ("expired", 0),
        ("held_by_expected", 16),
        ("utilisation", 16),
        ("headroom", 64),
        ("has_deadline", 0),
        ("slack", 0),
        ("age", 39),
        ("attempt", 0),
        ("is_outcome", 64),
    ];
    check(told, &of_lease);
    let asked = newcomer(&pool, &request.ask, 15 * MINUTE);
    let own = of_lease.map(|(name, _)| name);
    for ((row, of_outcome), (_, of_request)) in told.iter().zip(asked.iter()) {
        assert!(own.contains(&row.name) || of_outcome == of_request, "{}", row.name);
    }
}

/// Salted digests of names and the sender's clock were among the features of what we replace.
#[test]
fn who_asks_and_how_everything_is_called_is_not_among_the_features() {
    let told = |pool: &mut Story, names: [&str; 5]| {
        let [request, tenant, user, label, model] = names;
        pool.send(0, Payload::SetQuota(share(tenant, 4, 8)));
        pool.send(0, node(user, 4, model));
        pool.send(0, ask("before", tenant).on(&[model]).into());
        let release = pool.release("before");
        pool.send(HOUR, release);
        pool.send(2 * HOUR, ask("running", tenant).on(&[model]).into());
        let ask = RequestAllocation {
            user: UserId::from(user),
            labels: vec![Label { name: label.to_owned(), value: user.to_owned() }],
            budget_cap_micro_usd: (label == "x").then_some(MicroUsd(5)),
            ..ask(request, tenant).on(&[model]).0
        };
        newcomer(pool, &ask, 3 * HOUR)
    };
    let first = told(&mut Story::given([]), ["r", "t", "ada", "x", "A100"]);
    let long = "z".repeat(128);
    let names = ["1e9", long.as_str(), "0", "priority", "Ω"];
    assert_eq!(told(&mut Story::given([]), names), first);
}

#[test]
fn time_is_log_time_of_the_command() {
    let pool = pool();
    // Monday, 14 July 2025, noon UTC.
    let noon = 1_752_494_400_000;
    let of = |at| newcomer(&pool, &ask("r", "t").0, at);
    check(of(noon), &[("day", 64), ("week", 36)]);
    check(of(noon + 12 * HOUR), &[("day", 0), ("week", 27)]);
    check(of(noon + 132 * HOUR), &[("day", 0), ("week", 64)]);
    // The sender's clock is not even an argument; the state's time is not asked either.
    assert_eq!(pool.state.time_ms, TimeMs(0));
}
