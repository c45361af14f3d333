//! A pool in which every GPU is taken and 10,000 requests wait, as at the end of the openb trace.

use crate::client::Client;
use crate::commands::{HOUR_MS, POOL, policy, quota};
use crate::sent::{Writer, ask, node, renewal};
use crate::serving::{Decided, Serving, send_lines};
use conclave::log::rocks::Durability;
use conclave::wire::json::write_command;
use conclave_core::command::*;
use conclave_core::units::*;
use std::path::Path;
use tokio::runtime::Runtime;

pub(crate) const WAITERS: usize = 10_000;
const NODES: usize = 1_213;
const TENANTS: usize = 64;
/// Leases that one client renews.
const RENEWED: usize = 500;
const BATCH: usize = 1_000;

/// A service with a crowd before it.
pub(crate) struct Crowd {
    pub(crate) serving: Serving,
    pub(crate) writer: Writer,
    /// Requests that run, with their fencing numbers.
    held: Vec<(RequestId, i64)>,
}

/// The name of a waiting request: the first arrived first.
pub(crate) fn waiter(index: usize) -> String {
    format!("w{index:05}")
}

fn int(number: usize) -> i64 {
    i64::try_from(number).expect("a small number")
}

fn tenant(index: usize) -> TenantId {
    TenantId::from(format!("tenant-{:02}", index % TENANTS))
}

/// The pool's rules, when nobody is overtaken for longer than `wait_bound`.
pub(crate) fn rules(wait_bound_ms: DurationMs) -> Payload {
    let shape = |n: i64| TargetShape {
        cpu_milli: CpuMilli(n * 1_000),
        gpu_count: 1,
        gpu_milli: GpuMilli(if n % 2 == 0 { 1_000 } else { n * 27 }),
        gpu_models: vec![],
        count: 100 - n,
    };
    let target_workload = (1..=35).map(shape).collect();
    let Payload::SetPoolPolicy(rules) =
        policy(CouncilMode::Off, PlacementPolicy::Fgd, target_workload)
    else {
        unreachable!("a policy is a policy")
    };
    Payload::SetPoolPolicy(SetPoolPolicy { wait_bound_ms, ..rules })
}

/// One whole GPU for whoever comes as the `index`th, in one of so many shapes.
pub(crate) fn wanted(request: String, index: usize, shapes: usize) -> RequestAllocation {
    let ask = ask(request, &tenant(index));
    let (gpu_milli, priority) = (GpuMilli(1_000), 1 + int(index % 4));
    RequestAllocation { gpu_milli, priority, cpu_milli: CpuMilli(1 + int(index % shapes)), ..ask }
}

impl Crowd {
    pub(crate) fn gather(parent: &Path, clients: &Runtime, shapes: usize) -> Self {
        let serving = Serving::start(parent, Durability::Os);
        let writer = Writer::new("crowd");
        let mut crowd = Self { serving, writer, held: vec![] };
        clients.block_on(crowd.fill(shapes));
        crowd
    }

    async fn fill(&mut self, shapes: usize) {
        let models = ["A100", "H100", "L40S", "V100"];
        let nodes = (0..NODES).map(|n| node(n, models[n % 4]));
        let quotas = (0..TENANTS).map(|n| quota(&tenant(n), GpuMilli(9_000_000)));
        let setup = [rules(DurationMs(6 * HOUR_MS))].into_iter().chain(nodes).chain(quotas);
        let commands: Vec<_> = setup.map(|payload| self.writer.operator(payload)).collect();
        self.serving.tell(&commands).await;
        let full = |n: usize| RequestAllocation {
            gpu_milli: GpuMilli(810),
            cpu_milli: CpuMilli(0),
            memory_mib: MemoryMib(0),
            expected_duration_ms: DurationMs(40 * HOUR_MS),
            ..ask(format!("full{n:05}"), &tenant(n))
        };
        self.ask_all((0..NODES * 8).map(full)).await;
        self.held.truncate(RENEWED);
        self.ask_all((0..WAITERS).map(|n| wanted(waiter(n), n, shapes))).await;
        self.held.truncate(RENEWED);
    }

    async fn ask_all(&mut self, asks: impl Iterator<Item = RequestAllocation>) {
        let asks: Vec<_> = asks.collect();
        let mut client = Client::connect(self.serving.address).await;
        for asks in asks.chunks(BATCH) {
            let command = |ask: &RequestAllocation| {
                self.writer.tenant(&ask.tenant, Payload::RequestAllocation(ask.clone()))
            };
            let commands: Vec<_> = asks.iter().map(command).collect();
            for (ask, decided) in asks.iter().zip(send_lines(&mut client, &commands).await) {
                assert_eq!(decided.outcome, "accepted", "the bench is not what it says");
                self.held.push((ask.request.clone(), decided.offset));
            }
        }
    }

    /// Renews the next of those leases.
    pub(crate) async fn renew(&mut self, client: &mut Client, nth: usize) {
        let (request, fencing) = &mut self.held[nth % RENEWED];
        let command = self.writer.operator(renewal(request, *fencing));
        let json = write_command(&command);
        let reply = client.post("/v1/commands", "application/json", &json).await;
        let said = String::from_utf8_lossy(reply.body);
        assert_eq!(reply.status, 200, "{said}");
        let decided: Decided = serde_json::from_slice(reply.body).expect("a decision");
        assert_eq!(decided.outcome, "accepted", "{said}");
        *fencing = decided.offset;
    }

    /// A running request and its fencing number.
    pub(crate) fn running(&self) -> (&RequestId, i64) {
        let (request, fencing) = &self.held[0];
        (request, *fencing)
    }

    /// Where questions about the pool are asked.
    pub(crate) fn path(rest: &str) -> String {
        format!("/v1/pools/{POOL}{rest}")
    }
}
