//! Random command streams over a small world, so that ids, nodes and fencing numbers meet often.
#![allow(dead_code, reason = "each test file uses its own part of the world")]

use conclave_core::command::*;
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::{RejectionCode, refuse};
use conclave_core::round::{Round, fixed_round_length, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::state::State;
use conclave_core::units::*;
use proptest::prelude::*;

pub(crate) const POOL: &str = "p";

/// One step of a random stream: what is sent, and how much log time passes before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) gap_ms: i64,
    pub(crate) act: Act,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Tick,
    Garbage,
    Register { node: u8, gpus: i64, model: u8 },
    Drain { node: u8 },
    Remove { node: u8 },
    Quota { tenant: u8, guarantee: i64, limit: i64, rate: i64 },
    Policy { council: u8, placement: u8, queue_max: i64, wait_ms: i64 },
    Request(Ask),
    Cancel { request: u8 },
    Renew { request: u8, stale: bool, extend_ms: i64 },
    Shrink { request: u8, replicas: i64 },
    Release { request: u8, foreign: bool },
    Repeat { back: usize, other_payload: bool },
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) request: u8,
    pub(crate) tenant: u8,
    pub(crate) replicas: i64,
    pub(crate) gpu_count: i64,
    pub(crate) gpu_milli: i64,
    pub(crate) models: Vec<u8>,
    pub(crate) hours: i64,
    pub(crate) priority: i64,
    pub(crate) preemptible: bool,
    pub(crate) deadline_in_ms: Option<i64>,
}

pub(crate) fn steps(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![5 => 0..2_000_i64, 3 => 0..3_600_000_i64, 1 => 0..40_000_000_i64];
    let step = (gap, act()).prop_map(|(gap_ms, act)| Step { gap_ms, act });
    proptest::collection::vec(step, count)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Tick),
        1 => Just(Act::Garbage),
        2 => (0..6_u8, 0..=8_i64, 0..3_u8)
            .prop_map(|(node, gpus, model)| Act::Register { node, gpus, model }),
        1 => (0..6_u8).prop_map(|node| Act::Drain { node }),
        1 => (0..6_u8).prop_map(|node| Act::Remove { node }),
        2 => (0..3_u8, 0..6_000_i64, 0..30_000_i64, prop_oneof![4 => Just(0), 1 => 1..100_i64])
            .prop_map(|(tenant, guarantee, limit, rate)| {
                Act::Quota { tenant, guarantee, limit, rate }
            }),
        1 => (0..3_u8, 0..3_u8, 0..20_i64, 0..7_200_000_i64).prop_map(
            |(council, placement, queue_max, wait_ms)| Act::Policy {
                council, placement, queue_max, wait_ms
            }
        ),
        24 => ask().prop_map(Act::Request),
        2 => (0..24_u8).prop_map(|request| Act::Cancel { request }),
        4 => (0..24_u8, any::<bool>(), 1..10_000_000_i64)
            .prop_map(|(request, stale, extend_ms)| Act::Renew { request, stale, extend_ms }),
        2 => (0..24_u8, 0..4_i64).prop_map(|(request, replicas)| Act::Shrink { request, replicas }),
        6 => (0..24_u8, prop_oneof![8 => Just(false), 1 => Just(true)])
            .prop_map(|(request, foreign)| Act::Release { request, foreign }),
        2 => (0..8_usize, any::<bool>())
            .prop_map(|(back, other_payload)| Act::Repeat { back, other_payload }),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let gpus = prop_oneof![
        1 => Just((0, 0)),
        4 => (1..=1000_i64).prop_map(|milli| (1, milli)),
        4 => (1..=8_i64).prop_map(|count| (count, 1_000)),
        1 => (0..20_i64, -5..1_100_i64),
    ];
    (
        (0..24_u8, 0..4_u8, prop_oneof![6 => Just(1), 3 => 2..5_i64, 1 => -1..2_000_i64], gpus),
        proptest::collection::vec(0..3_u8, 0..3),
        (1..40_i64, 0..12_i64, any::<bool>()),
        proptest::option::weighted(0.2, 0..20_000_000_i64),
    )
        .prop_map(
            |((request, tenant, replicas, (gpu_count, gpu_milli)), models, rest, deadline)| {
                let (hours, priority, preemptible) = rest;
                Ask {
                    request,
                    tenant,
                    replicas,
                    gpu_count,
                    gpu_milli,
                    models,
                    hours,
                    priority,
                    preemptible,
                    deadline_in_ms: deadline,
                }
            },
        )
}

/// A partition that is fed step by step.
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) inputs: Vec<Input>,
    pub(crate) decisions: Vec<Decision>,
    now: i64,
    sent: Vec<Command>,
}

impl World {
    /// A log with a pool, two nodes and three tenants.
    pub(crate) fn new() -> Self {
        let state = State::new(0);
        let mut world = Self { state, inputs: vec![], decisions: vec![], now: 0, sent: vec![] };
        for payload in [
            open_log(),
            policy(2, 2, 50, 3_600_000),
            register(0, 8, 0),
            register(1, 4, 1),
            quota(0, 2_000, 12_000, 0),
            quota(1, 0, 8_000, 0),
            quota(2, 1_000, 4_000, 0),
        ] {
            world.send(payload);
        }
        world
    }

    /// Takes a step and decides it in a round of its own.
    pub(crate) fn step(&mut self, step: &Step) -> &Decision {
        self.now += step.gap_ms;
        let input = self.input(&step.act);
        self.decide(vec![input]);
        self.decisions.last().expect("it was just decided")
    }

    /// Sends a payload as the operator (or as the request's tenant) and decides it alone.
    pub(crate) fn send(&mut self, payload: Payload) -> &Decision {
        let command = self.command(payload);
        let input = self.readable(command);
        self.decide(vec![input]);
        self.decisions.last().expect("it was just decided")
    }

    pub(crate) fn decide(&mut self, inputs: Vec<Input>) {
        self.inputs.extend(inputs.iter().cloned());
        let round = Round { inputs };
        let votes = RuleSeat.vote(&open_round(&self.state, &round.inputs));
        self.decisions.extend(decide(&mut self.state, &round, &votes));
    }

    fn command(&self, payload: Payload) -> Command {
        let pool = if payload.is_log_command() { "" } else { POOL };
        Command {
            command_id: CommandId::from(format!("c{}", self.inputs.len())),
            pool: PoolId::from(pool),
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

    fn input(&mut self, act: &Act) -> Input {
        let payload = match act {
            Act::Garbage => {
                let why = refuse(RejectionCode::Unreadable, "garbage");
                return self.record(vec![], Content::Unreadable(why));
            }
            Act::Repeat { back, other_payload } => {
                let index = self.sent.len().saturating_sub(1 + back);
                let mut command = self.sent[index].clone();
                if *other_payload {
                    command.payload = cancel(0);
                    command.pool = PoolId::from(POOL);
                }
                return self.readable(command);
            }
            Act::Release { request, foreign: true } => {
                let payload = self.release(*request);
                let mut command = self.command(payload);
                command.actor.role = Role::Tenant;
                command.actor.tenant = TenantId::from("t2");
                return self.readable(command);
            }
            other => self.payload(other),
        };
        let command = self.command(payload);
        self.readable(command)
    }

    fn payload(&self, act: &Act) -> Payload {
        match act {
            Act::Tick => Payload::Tick,
            Act::Register { node, gpus, model } => register(*node, *gpus, *model),
            Act::Drain { node } => {
                Payload::DrainNode(DrainNode { node: node_id(*node), reason: String::new() })
            }
            Act::Remove { node } => {
                Payload::RemoveNode(RemoveNode { node: node_id(*node), reason: String::new() })
            }
            Act::Quota { tenant, guarantee, limit, rate } => {
                quota(*tenant, *guarantee, *limit, *rate)
            }
            Act::Policy { council, placement, queue_max, wait_ms } => {
                policy(*council, *placement, *queue_max, *wait_ms)
            }
            Act::Request(ask) => Payload::RequestAllocation(self.request(ask)),
            Act::Cancel { request } => cancel(*request),
            Act::Renew { request, stale, extend_ms } => Payload::RenewLease(RenewLease {
                request: request_id(*request),
                fencing: Offset(self.fencing(*request).0 - i64::from(*stale)),
                extend_ms: DurationMs(*extend_ms),
            }),
            Act::Shrink { request, replicas } => Payload::ShrinkLease(ShrinkLease {
                request: request_id(*request),
                fencing: self.fencing(*request),
                replicas: *replicas,
            }),
            Act::Release { request, foreign: _ } => self.release(*request),
            Act::Garbage | Act::Repeat { .. } => unreachable!("made by `input`"),
        }
    }

    fn release(&self, request: u8) -> Payload {
        Payload::ReleaseLease(ReleaseLease {
            request: request_id(request),
            fencing: self.fencing(request),
            outcome: WorkOutcome::Succeeded,
            utilisation_bp: Some(5_000),
        })
    }

    fn fencing(&self, request: u8) -> Offset {
        let pool = self.state.pools.get(POOL);
        let request = pool.and_then(|pool| pool.requests.get(&request_id(request)));
        request.and_then(|request| request.lease()).map_or(Offset(-7), |lease| lease.fencing)
    }

    fn request(&self, ask: &Ask) -> RequestAllocation {
        RequestAllocation {
            request: request_id(ask.request),
            tenant: TenantId::from(format!("t{}", ask.tenant)),
            user: UserId::from("u"),
            gpu_models: ask.models.iter().map(|model| model_id(*model)).collect(),
            replicas: ask.replicas,
            gpu_count: ask.gpu_count,
            gpu_milli: GpuMilli(ask.gpu_milli),
            cpu_milli: CpuMilli(1_000),
            memory_mib: MemoryMib(1_024),
            expected_duration_ms: DurationMs(ask.hours * 3_600_000),
            priority: ask.priority,
            preemptible: ask.preemptible,
            deadline_ms: ask.deadline_in_ms.map(|ms| TimeMs(self.now + ms)),
            budget_cap_micro_usd: None,
            topology: Topology::None,
            labels: vec![],
        }
    }
}

/// The stream of a random list of steps, decided one by one.
pub(crate) fn run(steps: &[Step]) -> World {
    let mut world = World::new();
    for step in steps {
        world.step(step);
    }
    world
}

/// Decides `inputs` again in `fixed` rounds of `commands_max`.
pub(crate) fn run_fixed(inputs: &[Input], commands_max: usize) -> (State, Vec<Decision>) {
    let mut state = State::new(0);
    let mut decisions = vec![];
    let mut left = inputs;
    while !left.is_empty() {
        let (round, rest) = left.split_at(fixed_round_length(left, commands_max));
        let round = Round { inputs: round.to_vec() };
        let votes = RuleSeat.vote(&open_round(&state, &round.inputs));
        decisions.extend(decide(&mut state, &round, &votes));
        left = rest;
    }
    (state, decisions)
}

pub(crate) fn digest(text: &str) -> Hash16 {
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

pub(crate) fn open_log() -> Payload {
    Payload::OpenLog(OpenLog {
        log_id: LogId::from("test"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 64,
        duplicate_ids: 1_000,
        duplicate_window_ms: DurationMs(3_600_000),
    })
}

pub(crate) fn policy(council: u8, placement: u8, queue_max: i64, wait_ms: i64) -> Payload {
    let shape = |gpu_count, gpu_milli, count| TargetShape {
        cpu_milli: CpuMilli(1_000),
        gpu_count,
        gpu_milli: GpuMilli(gpu_milli),
        gpu_models: vec![],
        count,
    };
    Payload::SetPoolPolicy(SetPoolPolicy {
        council: [CouncilMode::Off, CouncilMode::Advise, CouncilMode::Enforce]
            [usize::from(council)],
        lease_max_ms: DurationMs(48 * 3_600_000),
        lease_grace_ms: DurationMs(60_000),
        wait_bound_ms: DurationMs(wait_ms),
        defer_retry_ms: DurationMs(1_800_000),
        queue_max,
        placement: [PlacementPolicy::Random, PlacementPolicy::BestFit, PlacementPolicy::Fgd]
            [usize::from(placement)],
        target_workload: vec![
            shape(1, 1_000, 5),
            shape(1, 500, 3),
            shape(0, 0, 1),
            shape(4, 1_000, 1),
        ],
        prices: vec![],
    })
}

pub(crate) fn register(node: u8, gpus: i64, model: u8) -> Payload {
    Payload::RegisterNode(RegisterNode {
        node: node_id(node),
        gpu_model: model_id(model),
        gpu_count: gpus,
        cpu_milli: CpuMilli(64_000),
        memory_mib: MemoryMib(262_144),
        topology_group: String::new(),
    })
}

pub(crate) fn quota(tenant: u8, guarantee: i64, limit: i64, rate: i64) -> Payload {
    Payload::SetQuota(SetQuota {
        tenant: TenantId::from(format!("t{tenant}")),
        guarantee_gpu_milli: GpuMilli(guarantee),
        limit_gpu_milli: GpuMilli(limit),
        rate_per_minute: rate,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    })
}

pub(crate) fn cancel(request: u8) -> Payload {
    Payload::CancelRequest(CancelRequest { request: request_id(request), reason: String::new() })
}

pub(crate) fn node_id(node: u8) -> NodeId {
    NodeId::from(format!("n{node}"))
}

pub(crate) fn model_id(model: u8) -> GpuModel {
    GpuModel::from(["A100", "H100", "T4"][usize::from(model)])
}

pub(crate) fn request_id(request: u8) -> RequestId {
    RequestId::from(format!("r{request}"))
}
