//! What is sent: the commands that make a pool, and those of one client at work.
//!
//! Of 20 commands of a client 11 renew, 1 gives back and 1 asks anew and is granted, 2 ask and are
//! deferred by the council, 2 cancel those, 1 quotes an old fencing number, 1 is denied by the
//! council, and 1 asks for more than its tenant's limit: mix A of the bench `numbers`, with
//! placements.

use crate::commands::{HOUR_MS, POOL, cancel, quota, release};
use crate::serving::Decided;
use conclave_core::command::*;
use conclave_core::units::*;
use std::collections::VecDeque;

/// Commands of a client in a row.
const CYCLE: usize = 20;
const TENANT_LIMIT: GpuMilli = GpuMilli(200_000);

/// Writes commands whose ids are its own.
#[derive(Debug)]
pub(crate) struct Writer {
    name: String,
    written: usize,
}

impl Writer {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), written: 0 }
    }

    /// A command of an operator.
    pub(crate) fn operator(&mut self, payload: Payload) -> Command {
        self.write(TenantId::default(), Role::Administrator, payload)
    }

    /// A command of a tenant.
    pub(crate) fn tenant(&mut self, tenant: &TenantId, payload: Payload) -> Command {
        self.write(tenant.clone(), Role::Tenant, payload)
    }

    fn write(&mut self, tenant: TenantId, role: Role, payload: Payload) -> Command {
        self.written += 1;
        Command {
            command_id: CommandId::from(format!("{}-{:012}", self.name, self.written)),
            pool: PoolId::from(POOL),
            actor: Actor { tenant, user: UserId::from("robot-7"), role },
            submitted_at_ms: TimeMs(0),
            payload,
        }
    }
}

/// A node of 8 GPUs.
pub(crate) fn node(index: usize, model: &str) -> Payload {
    Payload::RegisterNode(RegisterNode {
        node: NodeId::from(format!("node-{index:04}")),
        gpu_model: GpuModel::from(model),
        gpu_count: 8,
        cpu_milli: CpuMilli(128_000),
        memory_mib: MemoryMib(1_048_576),
        topology_group: String::new(),
    })
}

/// A request, a small slice of any model unless said otherwise.
pub(crate) fn ask(request: String, tenant: &TenantId) -> RequestAllocation {
    RequestAllocation {
        request: RequestId::from(request),
        tenant: tenant.clone(),
        user: UserId::from("robot-7"),
        gpu_models: vec![],
        replicas: 1,
        gpu_count: 1,
        gpu_milli: GpuMilli(50),
        cpu_milli: CpuMilli(500),
        memory_mib: MemoryMib(1_024),
        expected_duration_ms: DurationMs(2 * HOUR_MS),
        priority: 10,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    }
}

/// Gets a lease another six hours.
pub(crate) fn renewal(request: &RequestId, fencing: i64) -> Payload {
    let (request, fencing) = (request.clone(), Offset(fencing));
    Payload::RenewLease(RenewLease { request, fencing, extend_ms: DurationMs(6 * HOUR_MS) })
}

/// A client at work: a tenant of its own with leases of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    tenant: TenantId,
    writer: Writer,
    held: VecDeque<(RequestId, i64)>,
    deferred: Vec<RequestId>,
    asked: usize,
    sent: usize,
    /// What the command that is on its way will do.
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Renew(RequestId, i64),
    Ask(RequestId),
    AskToWait(RequestId),
    Release,
    Cancel,
    Refused,
}

impl Worker {
    /// The client number `index`, which begins elsewhere in the row than its neighbours.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            tenant: TenantId::from(format!("tenant-{index:03}")),
            writer: Writer::new(&format!("worker-{index:03}")),
            held: VecDeque::new(),
            deferred: vec![],
            asked: 0,
            sent: index,
            step: Step::Refused,
        }
    }

    pub(crate) fn quota(&self) -> Payload {
        quota(&self.tenant, TENANT_LIMIT)
    }

    pub(crate) fn ask_for_a_lease(&mut self) -> Command {
        let ask = self.ask();
        self.step = Step::Ask(ask.request.clone());
        self.writer.tenant(&self.tenant, Payload::RequestAllocation(ask))
    }

    /// The next command. What became of the one before has to be known.
    pub(crate) fn next(&mut self) -> Command {
        self.sent += 1;
        let (step, payload) = match self.sent % CYCLE {
            0 => {
                let (request, fencing) = self.held.pop_front().expect("a worker holds leases");
                (Step::Release, release(&request, fencing))
            }
            1 => return self.ask_for_a_lease(),
            2 | 9 => {
                let expected_duration_ms = DurationMs(25 * HOUR_MS);
                let ask = RequestAllocation { priority: 5, expected_duration_ms, ..self.ask() };
                (Step::AskToWait(ask.request.clone()), Payload::RequestAllocation(ask))
            }
            5 | 12 if !self.deferred.is_empty() => {
                let request = self.deferred.pop().expect("it is not empty");
                (Step::Cancel, cancel(&request))
            }
            7 => {
                let (request, fencing) = &self.held[0];
                (Step::Refused, renewal(request, fencing - 1))
            }
            14 => (Step::Refused, Payload::RequestAllocation(self.ask_too_much(1))),
            16 => (Step::Refused, Payload::RequestAllocation(self.ask_too_much(26))),
            _ => {
                let (request, fencing) = self.held.pop_front().expect("a worker holds leases");
                (Step::Renew(request.clone(), fencing), renewal(&request, fencing))
            }
        };
        self.step = step;
        self.writer.tenant(&self.tenant, payload)
    }

    /// Learns what became of the command that was on its way.
    pub(crate) fn learn(&mut self, decided: &Decided) {
        let step = std::mem::replace(&mut self.step, Step::Refused);
        let expected = if step == Step::Refused { "rejected" } else { "accepted" };
        assert_eq!(decided.outcome, expected, "the mix is not what it says: {step:?}");
        match step {
            Step::Renew(request, _) | Step::Ask(request) => {
                self.held.push_back((request, decided.offset));
            }
            Step::AskToWait(request) => self.deferred.push(request),
            Step::Release | Step::Cancel | Step::Refused => {}
        }
    }

    fn ask(&mut self) -> RequestAllocation {
        self.asked += 1;
        ask(format!("{}-{:09}", self.tenant, self.asked), &self.tenant)
    }

    fn ask_too_much(&mut self, replicas: i64) -> RequestAllocation {
        let expected_duration_ms = DurationMs(25 * HOUR_MS);
        let (gpu_count, gpu_milli, priority) = (8, GpuMilli(1_000), 1);
        let ask = self.ask();
        RequestAllocation { replicas, gpu_count, gpu_milli, priority, expected_duration_ms, ..ask }
    }
}
