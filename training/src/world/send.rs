//! The commands of a scenario.

use super::{GRACE_MS, LEASE_MAX_MS};
use crate::job::{Job, Scenario};
use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::decision::Remembered;
use conclave_core::input::{Content, Input};
use conclave_core::limits::QUEUE_MAX;
use conclave_core::units::*;

/// The one pool of a scenario.
pub(super) const POOL: &str = "pool";
/// What sets a pool up: the log, who sits in its seat, its rules, nodes and tenants.
pub(super) fn log_commands(
    scenario: &Scenario,
    mode: CouncilMode,
    model: Option<ModelId>,
) -> Vec<Command> {
    let mut all = vec![Payload::OpenLog(OpenLog {
        log_id: LogId::from("training"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 1,
        duplicate_ids: 1,
        duplicate_window_ms: DurationMs(1),
    })];
    if let Some(model) = model {
        all.push(Payload::ActivateDecider(ActivateDecider { version: 2 }));
        all.push(Payload::ActivateCouncil(ActivateCouncil { model: model.0.to_string() }));
    }
    all.push(policy(scenario, mode));
    all.extend(scenario.nodes.iter().enumerate().map(|(index, node)| {
        Payload::RegisterNode(RegisterNode {
            node: NodeId::from(format!("n{index}")),
            gpu_model: GpuModel::from(node.gpu_model.as_str()),
            gpu_count: node.gpu_count,
            cpu_milli: CpuMilli(node.cpu_milli),
            memory_mib: MemoryMib(node.memory_mib),
            topology_group: String::new(),
        })
    }));
    all.extend(scenario.tenants.iter().enumerate().map(|(index, share)| {
        Payload::SetQuota(SetQuota {
            tenant: tenant(index),
            guarantee_gpu_milli: GpuMilli(share.guarantee_gpu_milli),
            limit_gpu_milli: GpuMilli(share.limit_gpu_milli),
            rate_per_minute: 0,
            borrow_gpu_milli: GpuMilli(0),
            weight: 1,
            gpu_hour_budget: None,
            budget_window_ms: DurationMs(0),
        })
    }));
    let numbered = all.into_iter().zip(0..);
    numbered.map(|(payload, number)| sent(POOL, payload, number)).collect()
}

fn policy(scenario: &Scenario, council: CouncilMode) -> Payload {
    Payload::SetPoolPolicy(SetPoolPolicy {
        council,
        lease_max_ms: DurationMs(LEASE_MAX_MS),
        lease_grace_ms: DurationMs(GRACE_MS),
        wait_bound_ms: DurationMs(scenario.wait_bound_ms),
        defer_retry_ms: DurationMs(600_000),
        queue_max: QUEUE_MAX,
        placement: PlacementPolicy::BestFit,
        target_workload: vec![],
        prices: vec![],
    })
}

/// `payload` as the administrator sends it.
pub(super) fn sent(pool: &str, payload: Payload, number: i64) -> Command {
    let pool = if payload.is_log_command() { "" } else { pool };
    Command {
        command_id: CommandId::from(format!("c{number}")),
        pool: PoolId::from(pool),
        actor: Actor {
            tenant: TenantId::default(),
            user: UserId::from("trainer"),
            role: Role::Administrator,
        },
        submitted_at_ms: TimeMs(0),
        payload,
    }
}

/// `command` as the log holds it.
pub(super) fn input(offset: i64, at_ms: i64, command: Command) -> Input {
    // Only equality counts: numbers are as good as digests.
    let mut id = [0; 16];
    id[..8].copy_from_slice(&offset.to_le_bytes());
    let digests = Remembered { id_hash: Hash16(id), payload_hash: Hash16(id) };
    Input {
        offset: Offset(offset),
        time_ms: TimeMs(at_ms),
        key: command.pool.0.as_bytes().to_vec(),
        input_hash: Hash32::default(),
        content: Content::Readable { command: Box::new(command), digests },
    }
}

/// The name of a job's request.
pub(super) fn name(job: usize) -> RequestId {
    RequestId::from(format!("r{job}"))
}

fn tenant(index: usize) -> TenantId {
    TenantId::from(format!("t{index}"))
}

/// What `job` asks.
pub(super) fn request_of(job: &Job, number: usize) -> RequestAllocation {
    RequestAllocation {
        request: name(number),
        tenant: tenant(job.tenant),
        user: UserId::from("trainer"),
        gpu_models: job.gpu_models.iter().map(|model| GpuModel::from(model.as_str())).collect(),
        replicas: job.replicas,
        gpu_count: job.gpu_count,
        gpu_milli: GpuMilli(job.gpu_milli),
        cpu_milli: CpuMilli(job.cpu_milli),
        memory_mib: MemoryMib(job.memory_mib),
        expected_duration_ms: DurationMs(job.expected_ms),
        priority: job.priority,
        preemptible: job.preemptible,
        deadline_ms: job.patience_ms.map(|patience| TimeMs(job.at_ms + patience)),
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    }
}

pub(super) fn release(
    request: RequestId,
    fencing: Offset,
    outcome: WorkOutcome,
    utilisation_bp: Option<i64>,
    number: i64,
) -> Command {
    let release = ReleaseLease { request, fencing, outcome, utilisation_bp };
    sent(POOL, Payload::ReleaseLease(release), number)
}

pub(super) fn renew(
    request: RequestId,
    fencing: Offset,
    extend_ms: DurationMs,
    number: i64,
) -> Command {
    sent(POOL, Payload::RenewLease(RenewLease { request, fencing, extend_ms }), number)
}
