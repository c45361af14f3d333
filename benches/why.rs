//! What it costs to explain one of 10,000 waiting requests, and to plan a command beside them, on
//! 1,213 nodes: `cargo bench --bench why`. Prints a table.

#[path = "../core/tests/story/send.rs"]
#[allow(dead_code, reason = "this file uses a part of the vocabulary")]
mod words;

use conclave::engine::Engine;
use conclave::explain::{Follower, explain, explain_live, follow, plan};
use conclave::fold::fold;
use conclave::log::memory::MemoryLog;
use conclave::log::{CommandRecord, EventLog, Headers};
use conclave::report::viewer::Viewer;
use conclave::snapshot;
use conclave::wire::encode_command;
use conclave_core::command::{
    Actor, Command, Payload, PlacementPolicy, Role, SetPoolPolicy, TargetShape,
};
use conclave_core::seat::RuleSeat;
use conclave_core::state::State;
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, Offset, PoolId, RequestId, TenantId, TimeMs,
};
use std::time::Instant;
use words::{Ask, ask, node, open_log, policy, quota, set};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const NODES: usize = 1_213;
const WAITERS: usize = 10_000;
/// How often each figure is taken; the middle one is shown.
const TIMES: usize = 5;
/// Until then nobody is protected.
const W_MS: i64 = 10 * HOUR;
/// Commands that are decided at once.
const BATCH: usize = 64;
const MIDDLE: &str = "w05000";

fn main() {
    println!(
        "| 10,000 wait, ms | log | explain, from its beginning | explain, from a snapshot | \
              explain, follower kept | per decision, us | plan ask | plan release | plan quota |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (name, count) in [("100 shapes", 100), ("10,000 shapes", 10_000)] {
        for (when, at_ms) in [("", MINUTE), (", after W", W_MS + MINUTE)] {
            for decisions in [20_000, 200_000] {
                let churn = Churn { at_ms, decisions, is_limited: false };
                measure(&format!("{name}{when}"), churn, |n| of_cpu(1 + n % count));
            }
        }
    }
    let churn = Churn { at_ms: MINUTE, decisions: 20_000, is_limited: true };
    measure("100 shapes, at the tenant's limit", churn, |n| of_cpu(1 + n % 100));
}

/// What happens while they wait.
#[derive(Clone, Copy)]
struct Churn {
    at_ms: i64,
    /// Until the log has so many.
    decisions: i64,
    is_limited: bool,
}

fn int(number: usize) -> i64 {
    i64::try_from(number).expect("a small number")
}

fn of_cpu(cpu_milli: usize) -> Ask {
    let mut ask = ask("", "t").hours(48);
    ask.0.cpu_milli = CpuMilli(int(cpu_milli));
    ask
}

struct Told {
    engine: Engine<MemoryLog, RuleSeat>,
    batch: Vec<CommandRecord>,
    sent: i64,
}

impl Told {
    fn send(&mut self, at_ms: i64, payload: impl Into<Payload>) -> i64 {
        let command = command(self.sent, payload.into());
        self.batch.push(CommandRecord {
            time_ms: TimeMs(at_ms),
            key: command.pool.0.as_bytes().to_vec(),
            value: encode_command(&command),
            headers: Headers::default(),
        });
        self.sent += 1;
        if self.batch.len() == BATCH {
            self.decide();
        }
        self.sent - 1
    }

    fn decide(&mut self) {
        self.engine.accept(&std::mem::take(&mut self.batch)).expect("a log in memory");
        self.engine.run_to_end(|_| {}).expect("a log in memory");
    }
}

fn command(id: i64, payload: Payload) -> Command {
    let actor = Actor { tenant: TenantId::default(), user: "op".into(), role: Role::Administrator };
    let pool = PoolId::from(if payload.is_log_command() { "" } else { "p" });
    Command {
        command_id: format!("c{id}").as_str().into(),
        pool,
        actor,
        submitted_at_ms: TimeMs(0),
        payload,
    }
}

/// Every GPU has 190 milli left, waiters want a whole one, and slices come and go.
fn told(churn: Churn, waiter: impl Fn(usize) -> Ask) -> Told {
    let (engine, _) = Engine::open(MemoryLog::new(), RuleSeat, i64::MAX).expect("a new log");
    let mut told = Told { engine, batch: vec![], sent: 0 };
    let shape = |n: i64| TargetShape {
        cpu_milli: CpuMilli(n * 1_000),
        gpu_count: 1,
        gpu_milli: GpuMilli(if n % 2 == 0 { 1_000 } else { n * 27 }),
        gpu_models: vec![],
        count: 100 - n,
    };
    let rules = SetPoolPolicy {
        placement: PlacementPolicy::Fgd,
        target_workload: (1..=35).map(shape).collect(),
        queue_max: 200_000,
        wait_bound_ms: DurationMs(W_MS),
        ..policy()
    };
    told.send(0, open_log());
    told.send(0, set(rules));
    told.send(0, quota("s", 0, 9_000_000));
    told.send(0, quota("t", 0, if churn.is_limited { 0 } else { 9_000_000 }));
    for n in 0..NODES {
        told.send(0, node(&format!("n{n:05}"), 8, ["A", "B", "C", "D"][n % 4]));
    }
    if churn.is_limited {
        told.send(0, quota("t", 0, 1));
    }
    let full = |n: usize| ask(&format!("full{n:07}"), "s").slice(810).hours(40).no_cpu();
    let mut running: std::collections::VecDeque<(usize, i64)> =
        (0..NODES * 8).map(|n| (n, told.send(0, full(n)))).collect();
    if churn.is_limited {
        // One GPU of t runs, and it may hold no more.
        let (n, fencing) = running.pop_front().expect("many run");
        told.send(0, words::release(&format!("full{n:07}"), fencing));
        told.send(0, of_cpu(1));
    }
    for n in 0..WAITERS {
        let mut ask = waiter(n);
        ask.0.request = format!("w{n:05}").as_str().into();
        told.send(1, ask);
    }
    let mut next = NODES * 8;
    while told.sent < churn.decisions {
        let (n, fencing) = running.pop_front().expect("many run");
        // The slice that comes in the same round takes what the other leaves.
        told.send(churn.at_ms, words::shrink(&format!("full{n:07}"), fencing, 0));
        told.send(churn.at_ms, ask(&format!("small{next:07}"), "s").slice(1).no_cpu());
        told.send(churn.at_ms, words::renew(&format!("full{n:07}"), fencing, 40 * HOUR));
        running.push_back((n, told.sent - 1));
        next += 1;
    }
    told.decide();
    told
}

fn middle<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            let answer = call();
            let took = started.elapsed().as_secs_f64() * 1e3;
            drop(answer);
            took
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn measure(name: &str, churn: Churn, waiter: impl Fn(usize) -> Ask) {
    let told = told(churn, waiter);
    let state = told.engine.folded().state.clone();
    let (pool, request) = (PoolId::from("p"), RequestId::from(MIDDLE));
    let arrival = state.pools[&pool].requests[&request].arrival;
    let mut log = told.engine.close().expect("a log in memory");
    let all = Viewer::Everything;
    let from_start =
        middle(|| explain_live(&log, &state, &pool, &request, &all).expect("it waits"));
    let (folded, _) = fold(&log, 0, Some(arrival)).expect("a sound log");
    log.keep_snapshot(arrival, &snapshot::encode(&folded)).expect("a log in memory");
    let from_snapshot =
        middle(|| explain_live(&log, &state, &pool, &request, &all).expect("it waits"));
    let mut follower = Follower::new(request.clone(), Some(pool.clone()));
    follow(&log, arrival, state.covered, &mut follower).expect("a sound log");
    let kept = middle(|| explain(&log, &follower, &state, &all).expect("it waits"));
    let per_decision = per_decision(&log, &state, arrival, &follower);
    let plans = plans(&state);
    let explained = format!("{from_start:.0} | {from_snapshot:.0} | {kept:.1}");
    println!("| {name} | {} | {explained} | {per_decision:.2} | {plans}", churn.decisions);
}

/// What following adds to folding, in microseconds.
fn per_decision(log: &MemoryLog, state: &State, arrival: Offset, follower: &Follower) -> f64 {
    let end = state.covered;
    let nobody = || Follower::new("nobody".into(), None);
    let fresh = || Follower::new(follower.request().clone(), Some(PoolId::from("p")));
    let with = middle(|| follow(log, arrival, end, &mut fresh()).expect("a sound log"));
    let without = middle(|| follow(log, arrival, end, &mut nobody()).expect("a sound log"));
    let count = u32::try_from(end.0 - arrival.0).expect("a short log");
    (with - without).max(0.0) * 1e3 / f64::from(count)
}

fn plans(state: &State) -> String {
    let now = state.time_ms;
    let all = Viewer::Everything;
    let planned = |payload: Payload| {
        let time = middle(|| plan(state, command(-1, payload.clone()), now, &mut RuleSeat, &all));
        format!("{time:.1} |")
    };
    let fencing = |name: &str| {
        let request = &state.pools["p"].requests[name];
        request.lease().expect("it runs").fencing.0
    };
    let runs = "full0005000";
    let asks = planned(of_cpu_named("new").into());
    let releases = planned(words::release(runs, fencing(runs)));
    let quotas = planned(quota("t", 0, 5));
    format!("{asks} {releases} {quotas}")
}

fn of_cpu_named(name: &str) -> Ask {
    let mut ask = of_cpu(7);
    ask.0.request = name.into();
    ask
}
