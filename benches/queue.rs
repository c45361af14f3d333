//! What one decision costs while 10,000 requests wait on 1,213 nodes:
//! `cargo bench --bench queue`. Prints the tables of `docs/decisions/0002-state-machine.md`.

#[path = "../core/tests/story/mod.rs"]
mod story;

use conclave_core::command::{Payload, PlacementPolicy, SetPoolPolicy, TargetShape};
use conclave_core::units::{CpuMilli, DurationMs, GpuMilli, MemoryMib};
use std::time::Instant;
use story::{Ask, HOUR, Story, ask, cancel, node, policy, quota, set};

const NODES: usize = 1_213;
const WAITERS: usize = 10_000;
/// How often each figure is taken; the middle one is shown.
const TIMES: usize = 9;
/// Until then nobody is protected.
const W_MS: i64 = 10 * HOUR;
/// Leases that end at one moment.
const ENDS: usize = 100_000;
const TENANTS: usize = 5_000;

fn main() {
    use PlacementPolicy::{BestFit, Fgd, Random};
    println!("| 10,000 wait, ms per decision | arrival | release | cancel | ... after W: | | |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for count in [100, 500, 1_000, 10_000] {
        measure(&format!("{count} shapes"), Fgd, |n| of_cpu(1 + n % count));
    }
    measure("10000 shapes, best fit", BestFit, |n| of_cpu(1 + n));
    measure("10000 shapes, random", Random, |n| of_cpu(1 + n));
    measure("10000 shapes, the largest first", Fgd, |n| of_cpu(WAITERS - n));
    measure("10000 shapes, none larger than another", Fgd, |n| {
        let mut ask = of_cpu(1 + n);
        ask.0.memory_mib = MemoryMib(int(WAITERS - n));
        ask
    });
    measure("10000 groups: 64 tenants, 4 priorities, 40 shapes", Fgd, |n| {
        let mut ask = of_cpu(1 + n / 256).priority(1 + int(n % 4));
        ask.0.tenant = format!("u{}", n / 4 % 64).as_str().into();
        ask
    });
    tenants_at_their_limits();
    ends_at_once();
}

fn int(number: usize) -> i64 {
    i64::try_from(number).expect("a small number")
}

/// One whole GPU, with so much CPU.
fn of_cpu(cpu_milli: usize) -> Ask {
    let mut ask = ask("", "t").hours(2);
    ask.0.cpu_milli = CpuMilli(int(cpu_milli));
    ask
}

/// Sends `payload`; returns the milliseconds of its decision.
fn send(pool: &mut Story, at_ms: i64, payload: impl Into<Payload>) -> f64 {
    let command = pool.command(payload.into());
    let started = Instant::now();
    pool.decide_unchecked(at_ms, vec![command]);
    started.elapsed().as_secs_f64() * 1e3
}

fn middle(times: impl IntoIterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.into_iter().collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Nodes of 8 GPUs, and a tenant `t` without bounds.
fn nodes(placement: PlacementPolicy) -> Story {
    let shape = |n: i64| TargetShape {
        cpu_milli: CpuMilli(n * 1_000),
        gpu_count: 1,
        gpu_milli: GpuMilli(if n % 2 == 0 { 1_000 } else { n * 27 }),
        gpu_models: vec![],
        count: 100 - n,
    };
    let (target_workload, wait_bound_ms) = ((1..=35).map(shape).collect(), DurationMs(W_MS));
    let queue_max = 200_000;
    let rules = SetPoolPolicy { placement, target_workload, queue_max, wait_bound_ms, ..policy() };
    let tenants = (0..64).map(|n| quota(&format!("u{n}"), 0, 9_000_000));
    let mut pool = Story::given([set(rules), quota("t", 0, 9_000_000)].into_iter().chain(tenants));
    for n in 0..NODES {
        send(&mut pool, 0, node(&format!("n{n:05}"), 8, ["A", "B", "C", "D"][n % 4]));
    }
    pool
}

/// Every GPU has 190 milli left, as at the end of the openb trace, and waiters want a whole one.
fn measure(name: &str, placement: PlacementPolicy, waiter: impl Fn(usize) -> Ask) {
    let mut pool = nodes(placement);
    for n in 0..NODES * 8 {
        send(&mut pool, 0, ask(&format!("full{n:05}"), "t").slice(810).hours(40).no_cpu());
    }
    let named = |n: usize| {
        let mut ask = waiter(n);
        ask.0.request = format!("w{n:05}").as_str().into();
        ask
    };
    for n in 0..WAITERS - TIMES {
        send(&mut pool, 1, named(n));
    }
    let mut columns = String::new();
    for (at_ms, first) in [(2, 0), (W_MS + 1, TIMES)] {
        let last = WAITERS - TIMES;
        let arrivals = (last..WAITERS).map(|n| send(&mut pool, at_ms, named(n)));
        let arrival = middle(arrivals.collect::<Vec<_>>());
        let releases = (first..first + TIMES).map(|n| {
            let released = pool.release(&format!("full{n:05}"));
            send(&mut pool, at_ms, released)
        });
        let release = middle(releases.collect::<Vec<_>>());
        let cancels = (last..WAITERS).map(|n| send(&mut pool, at_ms, cancel(&format!("w{n:05}"))));
        let cancel = middle(cancels.collect::<Vec<_>>());
        columns += &format!(" {arrival:.3} | {release:.2} | {cancel:.3} |");
    }
    println!("| {name} |{columns}");
}

/// Each tenant holds its limit and has one waiter more.
fn tenants_at_their_limits() {
    let mut pool = nodes(PlacementPolicy::Fgd);
    for n in 0..TENANTS {
        let tenant = format!("v{n}");
        let mut limited = story::share(&tenant, 0, 0);
        limited.limit_gpu_milli = GpuMilli(1);
        send(&mut pool, 0, Payload::SetQuota(limited));
        send(&mut pool, 1, ask(&format!("runs{n}"), &tenant).slice(1).no_cpu());
        send(&mut pool, 1, ask(&format!("waits{n}"), &tenant).slice(1).no_cpu());
    }
    for (when, at_ms) in [("before", 2), ("after", W_MS + 1)] {
        let ask = |n: usize| ask(&format!("new{at_ms}-{n}"), "t").slice(1).no_cpu();
        let newcomer = middle((0..TIMES).map(|n| send(&mut pool, at_ms, ask(n))));
        println!("{TENANTS} tenants at their limits, {when} W: {newcomer:.2} ms per newcomer");
    }
}

fn ends_at_once() {
    let mut pool = nodes(PlacementPolicy::Fgd);
    for n in 0..ENDS {
        send(&mut pool, 1, ask(&format!("x{n:06}"), "t").slice(10).no_cpu());
    }
    let mut times = vec![send(&mut pool, 3 * HOUR, Payload::Tick)];
    while pool.state.needs_a_tick() {
        times.push(send(&mut pool, 3 * HOUR, Payload::Tick));
    }
    let (ticks, all) = (times.len(), times.iter().sum::<f64>());
    let worst = times.into_iter().fold(0.0, f64::max);
    println!("{ENDS} ends at once: {ticks} ticks, {all:.0} ms, worst {worst:.1} ms");
}
