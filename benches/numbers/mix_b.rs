//! Mix B: requests and releases on the published fleet of 1,213 nodes, each request placed, in a
//! steady state of about 90 % of all GPUs.

use crate::commands::{HOUR_MS, POOL, Scribe, cancel, open_log, policy, quota, release};
use conclave::demo::{Scale, Source};
use conclave::log::{CommandRecord, StoredCommand};
use conclave::wire::CommandReader;
use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::council::features::{Asked, Features};
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Event};
use conclave_core::limits::QUOTA_GPU_MILLI_MAX;
use conclave_core::placement::draw::Draw;
use conclave_core::placement::{Fleet, GpuSet, Need, Placer, Shape, Spot, seed_of};
use conclave_core::round::{Round, Votes};
use conclave_core::state::State;
use conclave_core::units::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

const FULL_PERCENT: i64 = 90;
/// Shapes are drawn from this many jobs of the calibrated workload.
const JOBS: usize = 8_152;

/// A recorded stream of mix B.
#[derive(Debug)]
pub(crate) struct MixB {
    /// Everything before the steady state.
    pub(crate) setup: Vec<CommandRecord>,
    /// The steady state.
    pub(crate) steady: Vec<CommandRecord>,
    /// Requests of the steady state that were placed at once, of how many.
    pub(crate) placed: (usize, usize),
    placement: PlacementPolicy,
    target: Vec<TargetShape>,
    nodes: Vec<RegisterNode>,
    moves: Vec<Move>,
    /// How many of the moves come before the steady state.
    moves_before: usize,
    /// What may be asked, and the state that the last of it left.
    asks: Vec<RequestAllocation>,
    state: State,
}

/// What happened to the fleet.
#[derive(Debug)]
enum Move {
    Take { request: RequestId, shape: Shape, node: NodeId, gpus: GpuSet },
    GiveBack { need: Need, node: NodeId, gpus: GpuSet },
}

impl MixB {
    /// Decides the stream while writing it: a release quotes what its grant said.
    pub(crate) fn record(placement: PlacementPolicy, round_commands: usize, count: usize) -> Self {
        let source = Source::synthetic(1, JOBS);
        let scale = Scale { nodes_permille: 1_000, time_permille: Some(1_000), placement };
        let workload = scale.apply(&source);
        let mut writer = Writer::new();
        let mut payloads = vec![
            open_log(round_commands),
            // Where the same stream under networks has them put into the seat.
            Payload::Tick,
            Payload::Tick,
            policy(CouncilMode::Off, placement, workload.policy.target_workload.clone()),
        ];
        payloads.extend(workload.nodes.iter().cloned().map(Payload::RegisterNode));
        let limit = GpuMilli(QUOTA_GPU_MILLI_MAX);
        payloads.extend(workload.quotas.iter().map(|share| quota(&share.tenant, limit)));
        payloads.into_iter().for_each(|payload| writer.operator(payload));
        let asks: Vec<RequestAllocation> =
            workload.arrivals.iter().map(|arrival| arrival.ask.clone()).collect();
        while !writer.is_full() {
            writer.ask(&asks);
        }
        let setup = std::mem::take(&mut writer.records);
        let moves_before = writer.moves.len();
        writer.placed = (0, 0);
        while writer.records.len() < count {
            if writer.is_full() { writer.release() } else { writer.ask(&asks) }
        }
        writer.records.truncate(count);
        Self {
            setup,
            steady: writer.records,
            placed: writer.placed,
            placement,
            target: workload.policy.target_workload,
            nodes: workload.nodes,
            moves: writer.moves,
            moves_before,
            asks,
            state: writer.state,
        }
    }

    /// The beginning of the same stream under networks whose verdicts do not count, so that every
    /// later command finds what it found without them.
    pub(crate) fn setup_under(&self, ModelId(digest): ModelId) -> Vec<CommandRecord> {
        let mut setup = self.setup.clone();
        let activate = ActivateCouncil { model: digest.to_string() };
        let advise = policy(CouncilMode::Advise, self.placement, self.target.clone());
        for (at, payload) in [
            Payload::ActivateDecider(ActivateDecider { version: 2 }),
            Payload::ActivateCouncil(activate),
            advise,
        ]
        .into_iter()
        .enumerate()
        {
            setup[at + 1] = Scribe::of_steps(10, at + 1).operator(payload);
        }
        setup
    }

    /// Time of computing what the council would be told of each job, and how many there are.
    pub(crate) fn tell_the_council(&self) -> (Duration, usize) {
        const TIMES: usize = 20;
        let pool = self.state.pool(&PoolId::from(POOL));
        let now = self.state.time_ms;
        let started = Instant::now();
        for ask in self.asks.iter().cycle().take(TIMES * self.asks.len()) {
            let asked = Asked { ask: black_box(ask), attempt: 1, arrived_at_ms: now };
            black_box(Features::of_request(pool, &asked, now));
        }
        (started.elapsed(), TIMES * self.asks.len())
    }

    /// Time of the steady state's placements alone, and how many there are. Every choice is
    /// compared with the recorded one.
    pub(crate) fn place_again(&self) -> (Duration, usize) {
        let mut fleet = Fleet::default();
        for node in &self.nodes {
            let RegisterNode { node, gpu_model, gpu_count, cpu_milli, memory_mib, .. } = node;
            fleet.add_node(node.clone(), gpu_model, *gpu_count, *cpu_milli, *memory_mib);
        }
        let mut placer = Placer::new(self.placement, &self.target);
        let (mut spent, mut count) = (Duration::ZERO, 0);
        for (index, step) in self.moves.iter().enumerate() {
            match step {
                Move::Take { request, shape, node, gpus } => {
                    let seed = seed_of(&request.0);
                    let started = Instant::now();
                    let spot = placer.choose(&fleet, shape, seed);
                    if index >= self.moves_before {
                        spent += started.elapsed();
                        count += 1;
                    }
                    let node = fleet.index_of(node).expect("a node of the fleet");
                    assert_eq!(spot, Some(Spot { node, gpus: *gpus }), "another choice");
                    fleet.take(node, shape.need(), *gpus);
                }
                Move::GiveBack { need, node, gpus } => {
                    let node = fleet.index_of(node).expect("a node of the fleet");
                    fleet.give_back(node, need, *gpus);
                }
            }
        }
        (spent, count)
    }
}

struct Writer {
    scribe: Scribe,
    draw: Draw,
    reader: CommandReader,
    state: State,
    records: Vec<CommandRecord>,
    live: Vec<(RequestAllocation, Offset)>,
    moves: Vec<Move>,
    requests: usize,
    placed: (usize, usize),
}

impl Writer {
    fn new() -> Self {
        Self {
            scribe: Scribe::new(10),
            draw: Draw::new(2),
            reader: CommandReader::new(),
            state: State::new(0),
            records: vec![],
            live: vec![],
            moves: vec![],
            requests: 0,
            placed: (0, 0),
        }
    }

    fn operator(&mut self, payload: Payload) {
        let record = self.scribe.operator(payload);
        self.decide(record);
    }

    fn is_full(&self) -> bool {
        let gpus = self.state.pool(&PoolId::from(POOL)).fleet.gpus();
        gpus.used_milli.0 * 100 >= gpus.total_milli.0 * FULL_PERCENT
    }

    fn ask(&mut self, asks: &[RequestAllocation]) {
        self.requests += 1;
        let request = RequestId::from(format!("job-{:09}", self.requests));
        let like = &asks[self.draw.below(asks.len())];
        let expected_duration_ms = DurationMs(24 * HOUR_MS);
        let ask = RequestAllocation { request, expected_duration_ms, ..like.clone() };
        let payload = Payload::RequestAllocation(ask.clone());
        let record = self.scribe.tenant(&ask.tenant, payload);
        let decision = self.decide(record);
        let granted = decision.events.iter().find_map(|event| match event {
            Event::LeaseGranted(granted) => Some(granted.clone()),
            _ => None,
        });
        self.placed.1 += 1;
        let Some(granted) = granted else {
            let record = self.scribe.tenant(&ask.tenant, cancel(&ask.request));
            self.decide(record);
            return;
        };
        self.placed.0 += 1;
        for replica in granted.replicas {
            self.moves.push(Move::Take {
                request: ask.request.clone(),
                shape: Shape::of(&ask, &ask.gpu_models),
                node: replica.node,
                gpus: GpuSet::of(&replica.gpus),
            });
        }
        self.live.push((ask, granted.fencing));
    }

    fn release(&mut self) {
        let (ask, fencing) = self.live.swap_remove(self.draw.below(self.live.len()));
        let pool = self.state.pool(&PoolId::from(POOL));
        let lease = pool.requests[&ask.request].lease().expect("it was granted");
        let (need, replicas) = (Need::of(&ask), lease.replicas.clone());
        self.moves.extend(replicas.into_iter().map(|replica| Move::GiveBack {
            need,
            node: replica.node,
            gpus: GpuSet::of(&replica.gpus),
        }));
        let record = self.scribe.tenant(&ask.tenant, release(&ask.request, fencing.0));
        self.decide(record);
    }

    /// Without a council a decision does not depend on where rounds are cut.
    fn decide(&mut self, record: CommandRecord) -> Decision {
        let offset = Offset(self.state.covered.0 + 1);
        let input = {
            let stored = StoredCommand { offset, record: record.clone() };
            self.reader.read(0, &stored, self.state.decide_version)
        };
        let decisions = decide(&mut self.state, &Round { inputs: vec![input] }, &Votes::default());
        self.records.push(record);
        decisions.into_iter().next().expect("one decision for one command")
    }
}
