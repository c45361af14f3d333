//! One run: arrivals, releases and what happens by itself, in the order of log time, each command a
//! round of its own.

use super::rules::Rules;
use super::tally::{Figures, Tally};
use crate::demo::{Arrival, Workload};
use crate::error::{Error, Result};
use conclave_core::command::{
    ActivateDecider, Actor, Command, OpenLog, Payload, ReleaseLease, Role, TimeSource, WorkOutcome,
};
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Event, Outcome, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::limits::{
    DECIDE_VERSION_NEWEST, DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, ROUND_COMMANDS_DEFAULT,
};
use conclave_core::placement::draw::Draw;
use conclave_core::round::{Round, Votes};
use conclave_core::state::State;
use conclave_core::units::{
    CommandId, DurationMs, Hash16, Hash32, Offset, PoolId, RequestId, TenantId, TimeMs, UserId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Halvings that find a horizon of years to the millisecond.
const HALVINGS: usize = 48;

/// The workload with gaps at which it asks for `load_pct` percent of the fleet's GPU time until the
/// last arrival: for what its jobs would hold until then if each started at once. What lies behind
/// it does not count, as long as a job may be.
pub(super) fn at_load(workload: &Workload, load_pct: i64) -> Result<Workload> {
    let gpus: i64 = workload.nodes.iter().map(|node| node.gpu_count).sum();
    let asks_more = |horizon_ms: i64| {
        let scaled = (0..workload.arrivals.len()).map(|at| scaled(workload, at, horizon_ms));
        let held = |(at_ms, job): (i64, &Arrival)| {
            let ms = job.duration_ms.0.min(horizon_ms - at_ms);
            i128::from(job.ask.total_gpu_milli().0) * i128::from(ms)
        };
        let asked: i128 = scaled.zip(&workload.arrivals).map(held).sum();
        asked * 100 > i128::from(gpus) * 1_000 * i128::from(horizon_ms) * i128::from(load_pct)
    };
    let (mut short, mut long) = (1, workload.horizon_at_load(load_pct * 10).0.max(2));
    if !asks_more(short) {
        return Err(Error::invalid("a trace whose jobs ask for too few GPUs never has this load"));
    }
    for _ in 0..HALVINGS {
        let middle = short + (long - short) / 2;
        if asks_more(middle) { short = middle } else { long = middle }
    }
    let mut compressed = workload.clone();
    for (at, arrival) in compressed.arrivals.iter_mut().enumerate() {
        arrival.at_ms = TimeMs(workload.starts_at_ms.0 + scaled(workload, at, long));
    }
    Ok(compressed)
}

/// When an arrival comes, from the start on, if the last one comes after `horizon_ms`.
fn scaled(workload: &Workload, at: usize, horizon_ms: i64) -> i64 {
    let since = |arrival: &Arrival| arrival.at_ms.0 - workload.starts_at_ms.0;
    let whole = workload.arrivals.last().map_or(1, since).max(1);
    let gap = i128::from(since(&workload.arrivals[at])) * i128::from(horizon_ms);
    i64::try_from(gap / i128::from(whole)).expect("it is within the horizon")
}

/// Runs `workload` until every job has ended; `seed` draws the order of its nodes.
pub(super) fn run(mut workload: Workload, rules: Rules, seed: u64) -> Result<Figures> {
    let more = rules.apply(&mut workload);
    Draw::new(seed).shuffle(&mut workload.nodes);
    let end = workload.arrivals.last().map_or(workload.starts_at_ms, |last| last.at_ms);
    let (start, gpus) = (workload.starts_at_ms, workload.nodes.iter().map(|node| node.gpu_count));
    let capacity = i128::from(gpus.sum::<i64>()) * 1_000 * i128::from(end.0 - start.0);
    let durations = workload.arrivals.iter().map(|one| (&one.ask.request, one.duration_ms));
    let mut world = World {
        state: State::new(0),
        pool: &workload.pool,
        durations: durations.collect(),
        releases: BTreeSet::new(),
        leases: BTreeMap::new(),
        tally: Tally::new(end),
    };
    for payload in opening(&workload).chain(more) {
        let name = payload.name();
        if let Outcome::Rejected(no) = &world.send(start, payload).outcome {
            return Err(Error::invalid(format!("{name} was refused: {}", no.detail)));
        }
    }
    world.run_to_the_end(&workload.arrivals);
    Ok(world.tally.figures(capacity))
}

fn opening(workload: &Workload) -> impl Iterator<Item = Payload> {
    let open = OpenLog {
        log_id: workload.log_id.clone(),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: ROUND_COMMANDS_DEFAULT,
        duplicate_ids: DUPLICATE_IDS_MAX,
        duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
    };
    let newest = ActivateDecider { version: DECIDE_VERSION_NEWEST };
    let first = [Payload::OpenLog(open), Payload::ActivateDecider(newest)];
    let nodes = workload.nodes.iter().cloned().map(Payload::RegisterNode);
    let quotas = workload.quotas.iter().cloned().map(Payload::SetQuota);
    let policy = Payload::SetPoolPolicy(workload.policy.clone());
    first.into_iter().chain([policy]).chain(nodes).chain(quotas)
}

struct World<'a> {
    state: State,
    pool: &'a PoolId,
    durations: BTreeMap<&'a RequestId, DurationMs>,
    /// Leases to give back.
    releases: BTreeSet<(TimeMs, RequestId)>,
    leases: BTreeMap<RequestId, (TimeMs, Offset)>,
    tally: Tally,
}

impl World<'_> {
    /// At one moment what happens by itself comes first, then what is given back, then who asks.
    fn run_to_the_end(&mut self, arrivals: &[Arrival]) {
        let mut arrivals = arrivals.iter().peekable();
        loop {
            if self.state.needs_a_tick() {
                self.send(self.state.time_ms, Payload::Tick);
                continue;
            }
            let timer = self.state.next_timer_ms().map(|at| (at, 0));
            let release = self.releases.first().map(|(at, _)| (*at, 1));
            let arrival = arrivals.peek().map(|one| (one.at_ms, 2));
            match [timer, release, arrival].into_iter().flatten().min() {
                None => return,
                Some((at, 0)) => drop(self.send(at, Payload::Tick)),
                Some((at, 1)) => self.release(at),
                Some(_) => self.ask(arrivals.next().expect("it was peeked at")),
            }
        }
    }

    fn release(&mut self, at: TimeMs) {
        let (_, request) = self.releases.first().cloned().expect("one is to be given back");
        let (_, fencing) = self.leases[&request];
        let (outcome, utilisation_bp) = (WorkOutcome::Unknown, None);
        let release = ReleaseLease { request, fencing, outcome, utilisation_bp };
        self.send(at, Payload::ReleaseLease(release));
    }

    fn ask(&mut self, Arrival { at_ms, ask, duration_ms, .. }: &Arrival) {
        let (who, until) = ((&ask.request, &ask.tenant), at_ms.plus(*duration_ms));
        self.tally.arrives(who, ask.total_gpu_milli(), (*at_ms, until));
        let decision = self.send(*at_ms, Payload::RequestAllocation(ask.clone()));
        if matches!(decision.outcome, Outcome::Rejected(_)) {
            self.tally.refuse(&ask.request);
        }
    }

    fn send(&mut self, at: TimeMs, payload: Payload) -> Decision {
        let offset = Offset(self.state.covered.0 + 1);
        let round = Round { inputs: vec![input(self.pool, offset, at, payload)] };
        // Nobody votes: the council is off.
        let mut decisions = decide(&mut self.state, &round, &Votes::default());
        let decision = decisions.pop().expect("one command, one decision");
        self.tally.see(&decision);
        for event in &decision.events {
            self.see(decision.time_ms, event);
        }
        decision
    }

    fn see(&mut self, now: TimeMs, event: &Event) {
        match event {
            Event::LeaseGranted(granted) => {
                let at = now.plus(self.durations[&granted.request]);
                self.releases.insert((at, granted.request.clone()));
                self.leases.insert(granted.request.clone(), (at, granted.fencing));
            }
            Event::LeaseEnded(ended) => self.forget(&ended.request),
            Event::LeasePreempted(gone) => self.forget(&gone.request),
            _ => {}
        }
    }

    fn forget(&mut self, request: &RequestId) {
        if let Some((at, _)) = self.leases.remove(request) {
            self.releases.remove(&(at, request.clone()));
        }
    }
}

/// A command as it would stand in a log. Digests and ids tell commands apart, and nothing else is
/// asked of them here.
fn input(pool: &PoolId, offset: Offset, time_ms: TimeMs, payload: Payload) -> Input {
    let (role, tenant) = match &payload {
        Payload::RequestAllocation(ask) => (Role::Tenant, ask.tenant.clone()),
        _ => (Role::Administrator, TenantId::default()),
    };
    let pool = if payload.is_log_command() { PoolId::default() } else { pool.clone() };
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&offset.0.to_le_bytes());
    let digests = Remembered { id_hash: Hash16(digest), payload_hash: Hash16(digest) };
    let key = pool.0.as_bytes().to_vec();
    let command = Command {
        command_id: CommandId::from(format!("c{offset}")),
        pool,
        actor: Actor { tenant, user: UserId::from("trace"), role },
        submitted_at_ms: TimeMs(0),
        payload,
    };
    let content = Content::Readable { command: Box::new(command), digests };
    Input { offset, time_ms, key, input_hash: Hash32::default(), content }
}
