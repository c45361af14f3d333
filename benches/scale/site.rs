//! A pool of 10,000 nodes, its tenants, and what they send: the same commands in every run.

use crate::draw::Draw;
use conclave_core::command::*;
use conclave_core::decision::{Decision, Event};
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::units::*;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const POOL: &str = "main";
const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Until then nobody is protected.
pub(crate) const W_MS: i64 = 6 * HOUR_MS;

const NODE_GPUS: i64 = 8;
/// GPU models, and how many of a hundred nodes have them.
const MODELS: [(usize, &str); 4] = [(40, "A100"), (20, "H100"), (30, "L40S"), (10, "V100")];

/// How large a pool is, and who waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) tenants: usize,
    /// Distinct tenants, classes and shapes among those who wait.
    pub(crate) groups: usize,
    pub(crate) waiting: usize,
    /// Whether there are fair share, guarantees, limits, budgets and preemption.
    pub(crate) has_rules: bool,
}

/// What somebody asks for again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    tenant: usize,
    class: (i64, bool),
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    replicas: i64,
    gpus: i64,
    milli: i64,
    model: &'static str,
}

const fn shape(replicas: i64, gpus: i64, milli: i64, model: &'static str) -> Shape {
    Shape { replicas, gpus, milli, model }
}

/// Of a hundred: slices and single GPUs mostly, some nodes, some gangs; a third name a model.
const SHAPES: [(usize, Shape); 17] = [
    (8, shape(1, 1, 250, "")),
    (8, shape(1, 1, 500, "")),
    (4, shape(1, 1, 500, "V100")),
    (22, shape(1, 1, 1_000, "")),
    (8, shape(1, 1, 1_000, "A100")),
    (6, shape(1, 1, 1_000, "L40S")),
    (10, shape(1, 2, 1_000, "")),
    (4, shape(1, 2, 1_000, "H100")),
    (8, shape(1, 4, 1_000, "")),
    (4, shape(1, 4, 1_000, "A100")),
    (6, shape(1, 8, 1_000, "")),
    (3, shape(1, 8, 1_000, "H100")),
    (3, shape(2, 8, 1_000, "")),
    (2, shape(2, 8, 1_000, "A100")),
    (2, shape(4, 8, 1_000, "")),
    (1, shape(8, 8, 1_000, "H100")),
    (1, shape(16, 4, 1_000, "")),
];

/// Priority, and whether it may be preempted.
const CLASSES: [(usize, (i64, bool)); 4] =
    [(40, (3, true)), (40, (5, false)), (15, (7, false)), (5, (9, false))];

/// Everybody who sends something to the pool.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) size: Size,
    draw: Draw,
    kinds: Vec<Kind>,
    asked: usize,
    sent: usize,
    /// Leases that nobody gave back yet.
    running: Vec<(RequestId, Offset)>,
    place: BTreeMap<RequestId, usize>,
    pub(crate) granted: usize,
    pub(crate) preempted: usize,
}

impl Site {
    pub(crate) fn new(size: Size) -> Self {
        let mut draw = Draw::new(7);
        let mut kinds = BTreeSet::new();
        // A tenant that waits at all waits for two things on average.
        let waiting_tenants = (size.groups / 2).clamp(1, size.tenants);
        while kinds.len() < size.groups {
            let tenant = draw.below(waiting_tenants) * 7 % size.tenants;
            kinds.insert(kind(&mut draw, tenant));
        }
        let (running, place) = (vec![], BTreeMap::new());
        let kinds = kinds.into_iter().collect();
        let (asked, sent, granted, preempted) = (0, 0, 0, 0);
        Self { size, draw, kinds, asked, sent, running, place, granted, preempted }
    }

    /// What makes the pool, before anybody asks for anything.
    pub(crate) fn opening(&mut self) -> Vec<Command> {
        let newest = ActivateDecider { version: DECIDE_VERSION_NEWEST };
        let mut payloads = vec![open_log(), Payload::ActivateDecider(newest), policy()];
        payloads.extend((0..self.size.nodes).map(|n| node(n, &mut self.draw)));
        payloads.extend((0..self.size.tenants).map(|n| quota(n, self.size.has_rules)));
        if self.size.has_rules {
            let half_life_ms = Some(DurationMs(2 * DAY_MS));
            payloads.push(Payload::SetFairShare(SetFairShare { half_life_ms }));
            payloads.push(Payload::SetPreemption(SetPreemption {
                rules: Some(PreemptionRules {
                    min_run_ms: DurationMs(30 * MINUTE_MS),
                    grace_ms: DurationMs(5 * MINUTE_MS),
                    per_request: 2,
                    per_tenant_and_day: 20,
                }),
            }));
        }
        payloads.into_iter().map(|payload| self.command(payload)).collect()
    }

    /// A request of anybody, to fill the pool with.
    pub(crate) fn filler(&mut self) -> Command {
        let tenant = self.draw.below(self.size.tenants);
        let kind = kind(&mut self.draw, tenant);
        self.ask(kind)
    }

    /// A request of those who wait.
    pub(crate) fn waiter(&mut self) -> Command {
        let kind = self.kinds[self.draw.below(self.kinds.len())];
        self.ask(kind)
    }

    pub(crate) fn cancel(&mut self, request: &RequestId) -> Command {
        let (request, reason) = (request.clone(), String::new());
        self.command(Payload::CancelRequest(CancelRequest { request, reason }))
    }

    /// What the running pool is sent: half of it gives back, the rest mostly asks.
    pub(crate) fn next(&mut self) -> Command {
        match self.draw.below(100) {
            0..50 => self.release(),
            50..95 => self.waiter(),
            _ => self.renew(),
        }
    }

    fn ask(&mut self, kind: Kind) -> Command {
        let Kind { tenant, class: (priority, preemptible), shape } = kind;
        let Shape { replicas, gpus, milli, model } = shape;
        self.asked += 1;
        let hours = [1, 4, 12, 24][self.draw.below(4)];
        self.command(Payload::RequestAllocation(RequestAllocation {
            request: format!("r{:07}", self.asked).as_str().into(),
            tenant: name(tenant).as_str().into(),
            user: UserId::from("robot"),
            gpu_models: (!model.is_empty()).then(|| GpuModel::from(model)).into_iter().collect(),
            replicas,
            gpu_count: gpus,
            gpu_milli: GpuMilli(milli),
            cpu_milli: CpuMilli(gpus * milli * 8),
            memory_mib: MemoryMib(gpus * milli * 32),
            // All lie ahead of what is measured: leases end because they are given back.
            expected_duration_ms: DurationMs(DAY_MS + hours * HOUR_MS),
            priority,
            preemptible,
            deadline_ms: None,
            budget_cap_micro_usd: None,
            topology: Topology::None,
            labels: vec![],
        }))
    }

    fn release(&mut self) -> Command {
        let at = self.draw.below(self.running.len());
        let (request, fencing) = self.running[at].clone();
        self.forget(&request);
        let (outcome, utilisation_bp) = (WorkOutcome::Succeeded, Some(6_400));
        let release = ReleaseLease { request, fencing, outcome, utilisation_bp };
        self.command(Payload::ReleaseLease(release))
    }

    fn renew(&mut self) -> Command {
        // Its fencing number is the next one's then: it is not used again.
        let at = self.draw.below(self.running.len());
        let (request, fencing) = self.running[at].clone();
        self.forget(&request);
        let extend_ms = DurationMs(48 * HOUR_MS);
        self.command(Payload::RenewLease(RenewLease { request, fencing, extend_ms }))
    }

    fn forget(&mut self, request: &RequestId) {
        let Some(at) = self.place.remove(request) else { return };
        self.running.swap_remove(at);
        if let Some((moved, _)) = self.running.get(at) {
            self.place.insert(moved.clone(), at);
        }
    }

    /// Learns what was decided.
    pub(crate) fn see(&mut self, decision: &Decision) {
        for event in &decision.events {
            match event {
                Event::LeaseGranted(granted) => self.runs(&granted.request, granted.fencing),
                Event::LeaseRenewed(renewed) => self.runs(&renewed.request, renewed.fencing),
                Event::LeaseEnded(ended) => self.forget(&ended.request),
                Event::LeasePreempted(gone) => self.forget(&gone.request),
                _ => {}
            }
            self.granted += usize::from(matches!(event, Event::LeaseGranted(_)));
            self.preempted += usize::from(matches!(event, Event::PreemptionNoticed(_)));
        }
    }

    fn runs(&mut self, request: &RequestId, fencing: Offset) {
        self.place.insert(request.clone(), self.running.len());
        self.running.push((request.clone(), fencing));
    }

    fn command(&mut self, payload: Payload) -> Command {
        self.sent += 1;
        let (role, tenant) = match &payload {
            Payload::RequestAllocation(ask) => (Role::Tenant, ask.tenant.clone()),
            _ => (Role::Administrator, TenantId::default()),
        };
        Command {
            command_id: format!("c{:08}", self.sent).as_str().into(),
            pool: PoolId::from(if payload.is_log_command() { "" } else { POOL }),
            actor: Actor { tenant, user: UserId::from("robot"), role },
            submitted_at_ms: TimeMs(0),
            payload,
        }
    }
}

fn name(tenant: usize) -> String {
    format!("tenant-{tenant:04}")
}

fn kind(draw: &mut Draw, tenant: usize) -> Kind {
    Kind { tenant, class: *draw.weighted(&CLASSES), shape: *draw.weighted(&SHAPES) }
}

fn open_log() -> Payload {
    Payload::OpenLog(OpenLog {
        log_id: LogId::from("scale"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 64,
        duplicate_ids: 1_000_000,
        duplicate_window_ms: DurationMs(DAY_MS),
    })
}

fn policy() -> Payload {
    let target = |(weight, shape): &(usize, Shape)| TargetShape {
        cpu_milli: CpuMilli(shape.gpus * shape.milli * 8),
        gpu_count: shape.gpus,
        gpu_milli: GpuMilli(shape.milli),
        gpu_models: match shape.model {
            "" => vec![],
            model => vec![GpuModel::from(model)],
        },
        count: i64::try_from(*weight).expect("a small number"),
    };
    Payload::SetPoolPolicy(SetPoolPolicy {
        council: CouncilMode::Off,
        lease_max_ms: DurationMs(7 * DAY_MS),
        lease_grace_ms: DurationMs(HOUR_MS),
        wait_bound_ms: DurationMs(W_MS),
        defer_retry_ms: DurationMs(HOUR_MS),
        queue_max: 200_000,
        placement: PlacementPolicy::Default,
        target_workload: SHAPES.iter().map(target).collect(),
        prices: vec![],
    })
}

fn node(n: usize, draw: &mut Draw) -> Payload {
    Payload::RegisterNode(RegisterNode {
        node: format!("node-{n:05}").as_str().into(),
        gpu_model: GpuModel::from(*draw.weighted(&MODELS)),
        gpu_count: NODE_GPUS,
        cpu_milli: CpuMilli(96_000),
        memory_mib: MemoryMib(512 * 1_024),
        topology_group: String::new(),
    })
}

/// With rules half of the tenants have a guarantee, all a limit and a weight, each tenth a budget.
fn quota(tenant: usize, has_rules: bool) -> Payload {
    let plain = SetQuota {
        tenant: name(tenant).as_str().into(),
        guarantee_gpu_milli: GpuMilli(0),
        limit_gpu_milli: GpuMilli(80_000_000),
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    };
    let number = i64::try_from(tenant).expect("a small number");
    let has_budget = tenant % 10 == 3;
    let with_rules = SetQuota {
        guarantee_gpu_milli: GpuMilli(number % 2 * 32_000),
        limit_gpu_milli: GpuMilli(400_000),
        weight: 1 + number % 4,
        gpu_hour_budget: has_budget.then_some(400 * 24),
        budget_window_ms: DurationMs(if has_budget { DAY_MS } else { 0 }),
        ..plain.clone()
    };
    Payload::SetQuota(if has_rules { with_rules } else { plain })
}
