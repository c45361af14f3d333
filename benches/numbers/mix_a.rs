//! Mix A: renew, cancel, refuse, release with an empty queue. Nothing is placed while it is
//! measured.
//!
//! Of 100 commands 60 renew, 5 release, 9 ask and are deferred by the council, 9 cancel those, 5
//! are denied by the council, 6 ask for more than their tenant's limit, and 6 quote an old fencing
//! number.

use crate::commands::{HOUR_MS, POOL, Scribe, cancel, policy, quota, release};
use conclave::log::CommandRecord;
use conclave_core::command::*;
use conclave_core::decision::{Decision, Outcome};
use conclave_core::placement::draw::Draw;
use conclave_core::rejection::RejectionCode;
use conclave_core::units::*;

const TENANTS: usize = 200;
const NODES: usize = 160;
const TENANT_LIMIT: GpuMilli = GpuMilli(200_000);

/// A stream of mix A, and what each of its commands should be answered.
#[derive(Debug)]
pub(crate) struct MixA {
    scribe: Scribe,
    draw: Draw,
    tenants: Vec<TenantId>,
    leases: Vec<Held>,
    lease_count: usize,
    deferred: Vec<(RequestId, usize)>,
    requests: usize,
}

#[derive(Clone, Debug)]
struct Held {
    request: RequestId,
    tenant: usize,
    fencing: i64,
}

/// Records and their expected rejections; none where a command should be accepted.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<CommandRecord>,
    expected: Vec<Option<RejectionCode>>,
}

impl Batch {
    /// Records whose answers nobody checks one by one.
    #[allow(dead_code, reason = "the bench `kafka` sends other mixes as well")]
    pub(crate) fn unchecked(records: Vec<CommandRecord>) -> Self {
        Self { records, expected: vec![] }
    }

    fn push(&mut self, record: CommandRecord, expected: Option<RejectionCode>) {
        self.records.push(record);
        self.expected.push(expected);
    }

    /// Panics unless `decisions`, in order from the batch's place `from`, are what was meant.
    pub(crate) fn check(&self, from: usize, decisions: &[Decision]) {
        for (decision, expected) in decisions.iter().zip(self.expected.iter().skip(from)) {
            let answered = match &decision.outcome {
                Outcome::Accepted => None,
                Outcome::Rejected(rejected) => Some(rejected.code),
                Outcome::Duplicate(_) => panic!("no command of the mix is sent twice"),
                Outcome::Failed(_) => panic!("nobody has a command of the mix skipped"),
            };
            assert_eq!(answered, *expected, "the mix is not what it says: {decision:?}");
        }
    }
}

impl MixA {
    pub(crate) fn new(lease_count: usize) -> Self {
        Self::of_pool(PoolId::from(POOL), lease_count)
    }

    /// The same for another pool.
    pub(crate) fn of_pool(pool: PoolId, lease_count: usize) -> Self {
        Self {
            scribe: Scribe::of_pool(pool, 1),
            draw: Draw::new(1),
            tenants: (0..TENANTS)
                .map(|index| TenantId::from(format!("tenant-{index:03}")))
                .collect(),
            leases: vec![],
            lease_count,
            deferred: vec![],
            requests: 0,
        }
    }

    /// The log as `open` opens it, the fleet, the tenants and the leases that there are before
    /// anything is measured.
    pub(crate) fn setup(&mut self, open: Payload) -> Batch {
        let mut batch = Batch::default();
        let mut payloads =
            vec![open, policy(CouncilMode::Enforce, PlacementPolicy::Random, vec![])];
        payloads.extend((0..NODES).map(node));
        payloads.extend(self.tenants.iter().map(|tenant| quota(tenant, TENANT_LIMIT)));
        for payload in payloads {
            batch.push(self.scribe.operator(payload), None);
        }
        self.fill(&mut batch);
        batch
    }

    /// New leases for those that were released.
    pub(crate) fn refill(&mut self) -> Batch {
        let mut batch = Batch::default();
        self.fill(&mut batch);
        batch
    }

    /// The next `count` commands.
    pub(crate) fn next(&mut self, count: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..count {
            let (record, expected) = match self.draw.below(100) {
                0..60 => self.renew(),
                60..65 => self.release(),
                65..74 => self.ask_in_vain(asked_to_wait(), None),
                74..83 => self.cancel(),
                83..88 => self.ask_in_vain(asked_too_much(), Some(RejectionCode::CouncilDenied)),
                88..94 => self.ask_in_vain(beyond_limit(), Some(RejectionCode::ExceedsLimit)),
                _ => self.quote_an_old_number(),
            };
            batch.push(record, expected);
        }
        batch
    }

    fn fill(&mut self, batch: &mut Batch) {
        while self.leases.len() < self.lease_count {
            let tenant = self.draw.below(TENANTS);
            let (request, fencing) = (self.new_request(), self.scribe.next_offset());
            batch.push(self.ask(&request, tenant, granted_at_once()), None);
            self.leases.push(Held { request, tenant, fencing });
        }
    }

    fn renew(&mut self) -> (CommandRecord, Option<RejectionCode>) {
        let at = self.draw.below(self.leases.len());
        let offset = self.scribe.next_offset();
        let Held { request, tenant, fencing } = &mut self.leases[at];
        let record = self.scribe.tenant(&self.tenants[*tenant], renewal(request, *fencing));
        *fencing = offset;
        (record, None)
    }

    fn release(&mut self) -> (CommandRecord, Option<RejectionCode>) {
        let at = self.draw.below(self.leases.len());
        let Held { request, tenant, fencing } = self.leases.swap_remove(at);
        (self.scribe.tenant(&self.tenants[tenant], release(&request, fencing)), None)
    }

    fn quote_an_old_number(&mut self) -> (CommandRecord, Option<RejectionCode>) {
        let at = self.draw.below(self.leases.len());
        let Held { request, tenant, fencing } = &self.leases[at];
        let payload = renewal(request, fencing - 1);
        let record = self.scribe.tenant(&self.tenants[*tenant], payload);
        (record, Some(RejectionCode::StaleFencing))
    }

    fn ask_in_vain(
        &mut self,
        ask: RequestAllocation,
        expected: Option<RejectionCode>,
    ) -> (CommandRecord, Option<RejectionCode>) {
        let tenant = self.draw.below(TENANTS);
        let request = self.new_request();
        let record = self.ask(&request, tenant, ask);
        if expected.is_none() {
            self.deferred.push((request, tenant));
        }
        (record, expected)
    }

    fn cancel(&mut self) -> (CommandRecord, Option<RejectionCode>) {
        let Some((request, tenant)) = self.deferred.pop() else {
            return self.ask_in_vain(asked_to_wait(), None);
        };
        (self.scribe.tenant(&self.tenants[tenant], cancel(&request)), None)
    }

    fn ask(&mut self, request: &RequestId, tenant: usize, ask: RequestAllocation) -> CommandRecord {
        let (request, tenant) = (request.clone(), self.tenants[tenant].clone());
        let ask = RequestAllocation { request, tenant: tenant.clone(), ..ask };
        self.scribe.tenant(&tenant, Payload::RequestAllocation(ask))
    }

    fn new_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId::from(format!("job-{:09}", self.requests))
    }
}

fn node(index: usize) -> Payload {
    Payload::RegisterNode(RegisterNode {
        node: NodeId::from(format!("node-{index:04}")),
        gpu_model: GpuModel::from("A100"),
        gpu_count: 8,
        cpu_milli: CpuMilli(128_000),
        memory_mib: MemoryMib(1_048_576),
        topology_group: String::new(),
    })
}

fn renewal(request: &RequestId, fencing: i64) -> Payload {
    let (request, fencing) = (request.clone(), Offset(fencing));
    Payload::RenewLease(RenewLease { request, fencing, extend_ms: DurationMs(6 * HOUR_MS) })
}

/// A small slice with a high priority: the council approves, and there is room.
fn granted_at_once() -> RequestAllocation {
    RequestAllocation {
        request: RequestId::default(),
        tenant: TenantId::default(),
        user: UserId::from("robot-7"),
        gpu_models: vec![GpuModel::from("A100")],
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
        labels: vec![Label { name: "project".to_owned(), value: POOL.to_owned() }],
    }
}

/// 60 points: the council defers.
fn asked_to_wait() -> RequestAllocation {
    let expected_duration_ms = DurationMs(25 * HOUR_MS);
    RequestAllocation { priority: 5, expected_duration_ms, ..granted_at_once() }
}

/// 24 points: the council denies.
fn asked_too_much() -> RequestAllocation {
    let (gpu_count, gpu_milli) = (8, GpuMilli(1_000));
    RequestAllocation { priority: 1, gpu_count, gpu_milli, ..asked_to_wait() }
}

fn beyond_limit() -> RequestAllocation {
    RequestAllocation { replicas: 26, ..asked_too_much() }
}
