//! Random command streams over a small world, so that ids, nodes and fencing numbers meet often.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of the world")]

mod acts;
mod crowd;
mod fold;
#[path = "../networks/mod.rs"]
pub(crate) mod networks;
mod send;
mod streams;

pub(crate) use acts::{Act, Ask, Booking, Step};
pub(crate) use crowd::{MOMENT_MS, crowd};
pub(crate) use fold::{fold, walk};
pub(crate) use send::HOUR_MS;
pub(crate) use streams::{
    Stream, streams, streams_of_budgets, streams_of_groups, streams_of_passing,
    streams_of_reservations, streams_of_rules, streams_of_trees, wanting,
};

use conclave_core::command::*;
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::{RejectionCode, refuse};
use conclave_core::round::{Round, Votes, fixed_round_length, open_round};
use conclave_core::seat::Seat;
use conclave_core::state::State;
use conclave_core::units::*;
use networks::{MODEL, Networks, OTHER};
use proptest::prelude::*;
use send::*;

/// The pools of a stream; nobody has set up the last one.
pub(crate) const POOLS: [&str; 3] = ["p0", "p1", "p2"];
const NOWHERE: &str = "p3";

/// Streams per law in the ordinary suite.
const STREAMS: u32 = 300;

/// `PROPTEST_CASES` streams per law, or [`STREAMS`]; `dev/faults` has 20,000.
pub(crate) fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(STREAMS),
    }
}

/// A partition that is fed step by step.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) inputs: Vec<Input>,
    pub(crate) decisions: Vec<Decision>,
    /// How many commands came before the first step.
    pub(crate) begun: usize,
    now: i64,
    sent: Vec<Command>,
}

impl World {
    /// A log with three pools, each with its own placement, two nodes and three tenants.
    fn new() -> Self {
        let (state, inputs, decisions, sent) = (State::new(0), vec![], vec![], vec![]);
        let mut world = Self { state, inputs, decisions, begun: 0, now: 0, sent };
        world.send("", open_log());
        for (pool, placement) in POOLS.into_iter().zip(0..) {
            world.send(pool, policy(2, placement, 200, HOUR_MS));
            world.send(pool, register(0, 8, 0));
            world.send(pool, register(1, 4, 1));
            world.send(pool, quota(0, 2_000, 12_000, 0));
            world.send(pool, quota(1, 0, 8_000, 0));
            world.send(pool, quota(2, 1_000, 4_000, 0));
        }
        world.begin();
        world
    }

    /// What was sent so far is no part of the stream.
    fn begin(&mut self) {
        self.begun = self.inputs.len();
    }

    /// Takes a step and decides it in a round of its own.
    pub(crate) fn step(&mut self, step: &Step) -> &Decision {
        self.now += step.gap_ms;
        let input = self.input(step);
        self.decide(vec![input])
    }

    /// Sends a payload as the administrator and decides it alone.
    pub(crate) fn send(&mut self, pool: &str, payload: Payload) -> &Decision {
        let command = self.command(pool, payload);
        let input = self.readable(command);
        self.decide(vec![input])
    }

    /// Lets the crowd's moment come, with a command that does nothing else.
    pub(crate) fn tick(&mut self, at_ms: i64) -> &Decision {
        self.now = at_ms;
        self.send("", Payload::Tick)
    }

    fn decide(&mut self, inputs: Vec<Input>) -> &Decision {
        self.inputs.extend(inputs.iter().cloned());
        self.decisions.extend(decide_round(&mut self.state, inputs));
        self.decisions.last().expect("it was just decided")
    }

    fn command(&self, pool: &str, payload: Payload) -> Command {
        Command {
            command_id: CommandId::from(format!("c{}", self.inputs.len())),
            pool: PoolId::from(if payload.is_log_command() { "" } else { pool }),
            actor: Actor {
                tenant: TenantId::default(),
                user: UserId::from("op"),
                role: Role::Administrator,
            },
            submitted_at_ms: TimeMs(0),
            payload,
        }
    }

    fn readable(&mut self, command: Command) -> Input {
        self.sent.push(command.clone());
        let key = command.pool.0.as_bytes().to_vec();
        let digests = Remembered {
            id_hash: digest(&command.command_id.0),
            payload_hash: digest(&format!("{:?}", command.payload)),
        };
        self.record(key, Content::Readable { command: Box::new(command), digests })
    }

    fn record(&self, key: Vec<u8>, content: Content) -> Input {
        let offset = Offset(i64::try_from(self.inputs.len()).expect("a short stream"));
        let input_hash = Hash32([u8::try_from(offset.0 % 251).expect("below 251"); 32]);
        Input { offset, time_ms: TimeMs(self.now), key, input_hash, content }
    }

    fn input(&mut self, step: &Step) -> Input {
        let pool = pool_of(step);
        let mut command = match &step.act {
            Act::Garbage => {
                let why = refuse(RejectionCode::Unreadable, "garbage");
                return self.record(vec![], Content::Unreadable(why));
            }
            Act::Repeat { back, other_payload } => {
                let index = self.sent.len().saturating_sub(1 + back);
                let mut command = self.sent[index].clone();
                if *other_payload && !command.payload.is_log_command() {
                    command.payload = cancel(0);
                }
                command
            }
            act => self.command(pool, self.payload(pool, act)),
        };
        if let Some(tenant) = step.sender {
            command.actor.role = Role::Tenant;
            command.actor.tenant = TenantId::from(format!("t{tenant}"));
        }
        self.readable(command)
    }

    fn payload(&self, pool: &str, act: &Act) -> Payload {
        match act {
            Act::Tick => Payload::Tick,
            Act::Open => open_log(),
            Act::Activate { version } => {
                Payload::ActivateDecider(ActivateDecider { version: *version })
            }
            Act::Seat { model } => seat(*model),
            Act::Register { node, gpus, model, group } => grouped(
                register(*node, *gpus, *model),
                if self.knows_topology() { *group } else { 0 },
            ),
            Act::Drain { node } => {
                Payload::DrainNode(DrainNode { node: node_id(*node), reason: String::new() })
            }
            Act::Remove { node } => remove(*node),
            Act::Health { node, is_healthy } => health(*node, *is_healthy),
            Act::Quota { tenant, guarantee, limit, rate, weight } => {
                weighted(quota(*tenant, *guarantee, *limit, *rate), *weight)
            }
            Act::Budget { tenant, gpu_hours, window } => {
                let own = quota(*tenant, 1_000 * i64::from(tenant % 2), 20_000, 0);
                budgeted(own, *gpu_hours, *window)
            }
            Act::TopUp { tenant, gpu_hours, ahead_ms } => {
                top_up(*tenant, *gpu_hours, ahead_ms.map(|ahead| self.now + ahead))
            }
            Act::Tariff { spans } => tariff(spans),
            Act::InTree(payload) => (**payload).clone(),
            Act::Reserve(booking) => reserving(booking, self.now),
            Act::GiveUp { reservation } => giving_up(*reservation),
            Act::FairShare { half_life_ms } => fair_share(*half_life_ms),
            Act::Preemption { rules } => preemption(*rules),
            Act::Policy { council, placement, queue_max, wait_ms, prices } => {
                let policy = policy(*council, *placement, *queue_max, *wait_ms);
                // Versions before refuse prices, and would go on with the old policy.
                if self.state.decide_version < 3 { policy } else { priced(policy, *prices) }
            }
            Act::Request(ask) => Payload::RequestAllocation(self.request(ask)),
            Act::Cancel { request } => cancel(*request),
            Act::Renew { .. } | Act::Shrink { .. } | Act::Release { .. } => {
                self.of_lease(pool, act)
            }
            Act::Override { request, approve, ask } => {
                let ask =
                    ask.as_ref().map(|ask| self.request(&Ask { request: *request, ..ask.clone() }));
                let action = if *approve { OverrideAction::Approve } else { OverrideAction::End };
                overriding(*request, action, ask)
            }
            Act::Appeal { request, ask } => {
                let ask =
                    ask.as_ref().map(|ask| self.request(&Ask { request: *request, ..ask.clone() }));
                appeal(*request, ask.map(|ask| self.as_denied(pool, ask)))
            }
            Act::Garbage | Act::Repeat { .. } => unreachable!("made by `input`"),
        }
    }

    fn of_lease(&self, pool: &str, act: &Act) -> Payload {
        match act {
            Act::Renew { request, stale, extend_ms } => Payload::RenewLease(RenewLease {
                request: request_id(*request),
                fencing: self.fencing(pool, *request, *stale),
                extend_ms: DurationMs(*extend_ms),
            }),
            Act::Shrink { request, stale, replicas } => Payload::ShrinkLease(ShrinkLease {
                request: request_id(*request),
                fencing: self.fencing(pool, *request, *stale),
                replicas: *replicas,
            }),
            Act::Release { request, stale } => Payload::ReleaseLease(ReleaseLease {
                request: request_id(*request),
                fencing: self.fencing(pool, *request, *stale),
                outcome: [
                    WorkOutcome::Succeeded,
                    WorkOutcome::Failed,
                    WorkOutcome::Stopped,
                    WorkOutcome::Unknown,
                ][usize::from(request % 4)],
                utilisation_bp: (request % 5 > 0).then_some(i64::from(*request) * 400),
            }),
            other => unreachable!("{other:?} is about no lease"),
        }
    }

    fn fencing(&self, pool: &str, request: u8, is_stale: bool) -> Offset {
        let pool = self.state.pools.get(pool);
        let request = pool.and_then(|pool| pool.requests.get(&request_id(request)));
        let lease = request.and_then(|request| request.lease());
        lease.map_or(Offset(-7), |lease| Offset(lease.fencing.0 - i64::from(is_stale)))
    }

    /// Before that nobody who wishes for it would be heard.
    fn knows_topology(&self) -> bool {
        self.state.decide_version >= 3
    }

    /// Mostly, whoever appeals is the tenant that was denied.
    fn as_denied(&self, pool: &str, ask: RequestAllocation) -> RequestAllocation {
        let pool = self.state.pools.get(pool).filter(|_| ask.priority % 4 > 0);
        let denial = pool.and_then(|pool| pool.denials.find(&ask.request, self.state.time_ms));
        let tenant = denial.map_or_else(|| ask.tenant.clone(), |denial| denial.tenant.clone());
        RequestAllocation { tenant, ..ask }
    }

    fn request(&self, ask: &Ask) -> RequestAllocation {
        RequestAllocation {
            gpu_models: ask.models.iter().map(|model| model_id(*model)).collect(),
            replicas: ask.replicas,
            gpu_count: ask.gpu_count,
            gpu_milli: GpuMilli(ask.gpu_milli),
            cpu_milli: CpuMilli(1_000),
            memory_mib: MemoryMib(1_024),
            expected_duration_ms: DurationMs(ask.hours * HOUR_MS),
            priority: ask.priority,
            topology: if self.knows_topology() { ask.topology } else { Topology::None },
            preemptible: ask.preemptible,
            deadline_ms: ask.deadline_in_ms.map(|ms| TimeMs(self.now + ms)),
            budget_cap_micro_usd: ask.cap.map(|cap| MicroUsd(cap * 1_000_000)),
            ..request(&request_id(ask.request).0, ask.tenant)
        }
    }
}

/// A request has a pool that it belongs to; whatever else is sent goes where the step says.
fn pool_of(step: &Step) -> &'static str {
    let of_request = match &step.act {
        Act::Request(Ask { request, .. })
        | Act::Cancel { request }
        | Act::Renew { request, .. }
        | Act::Shrink { request, .. }
        | Act::Release { request, .. }
        | Act::Override { request, .. }
        | Act::Appeal { request, .. } => Some(usize::from(*request) % POOLS.len()),
        _ => None,
    };
    POOLS.get(step.pool).map_or(NOWHERE, |pool| of_request.map_or(pool, |n| POOLS[n]))
}

/// Asks whoever sits in the seat, and decides.
pub(crate) fn decide_round(state: &mut State, inputs: Vec<Input>) -> Vec<Decision> {
    decide_voted(state, inputs).0
}

/// The same with the votes.
pub(crate) fn decide_voted(state: &mut State, inputs: Vec<Input>) -> (Vec<Decision>, Votes) {
    let round = Round { inputs };
    let votes = Networks.vote(&open_round(state, &round.inputs)).expect("networks are here");
    (decide(state, &round, &votes), votes)
}

fn seat(model: u8) -> Payload {
    let models = [MODEL, OTHER, "", "none"];
    let model = models[usize::from(model) % models.len()].to_owned();
    Payload::ActivateCouncil(ActivateCouncil { model })
}

/// Decides `inputs` again in rounds of up to `lengths` commands, over and over.
pub(crate) fn run_rounds(inputs: &[Input], lengths: &[usize]) -> (State, Vec<Decision>) {
    let (mut state, mut decisions) = (State::new(0), vec![]);
    let mut left = inputs;
    for length in lengths.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (round, rest) = left.split_at(fixed_round_length(left, *length));
        decisions.extend(decide_round(&mut state, round.to_vec()));
        left = rest;
    }
    (state, decisions)
}

fn digest(text: &str) -> Hash16 {
    let spread = |seed: u64| {
        text.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
        })
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread(0xcbf2_9ce4_8422_2325).to_le_bytes());
    bytes[8..].copy_from_slice(&spread(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Hash16(bytes)
}
