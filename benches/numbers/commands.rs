//! Commands as they come from outside: encoded, keyed, with the headers of a traced request.

use conclave::log::{CommandRecord, Headers};
use conclave::wire::encode_command;
use conclave_core::command::*;
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX};
use conclave_core::units::*;

pub(crate) const POOL: &str = "main";
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Writes commands one after the other and knows the offset that each will have.
#[derive(Debug)]
pub(crate) struct Scribe {
    next: i64,
    gap_ms: i64,
    pool: PoolId,
}

impl Scribe {
    /// A scribe of a new log whose commands are `gap_ms` apart.
    pub(crate) fn new(gap_ms: i64) -> Self {
        Self::of_pool(PoolId::from(POOL), gap_ms)
    }

    /// The same for another pool.
    pub(crate) fn of_pool(pool: PoolId, gap_ms: i64) -> Self {
        Self { next: 0, gap_ms, pool }
    }

    /// A scribe that goes on with a log.
    pub(crate) fn at(next: Offset) -> Self {
        Self { next: next.0, ..Self::new(1) }
    }

    /// A scribe of commands `gap_ms` apart whose next one is at the offset `next`.
    pub(crate) fn of_steps(gap_ms: i64, next: usize) -> Self {
        let next = i64::try_from(next).expect("a count in memory");
        Self { next, ..Self::new(gap_ms) }
    }

    /// The offset of the next command.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next
    }

    /// A command of an operator.
    pub(crate) fn operator(&mut self, payload: Payload) -> CommandRecord {
        let role = Role::Administrator;
        let actor = Actor { tenant: TenantId::default(), user: UserId::from("bench"), role };
        self.write(actor, payload)
    }

    /// A command of a tenant.
    pub(crate) fn tenant(&mut self, tenant: &TenantId, payload: Payload) -> CommandRecord {
        let (tenant, user) = (tenant.clone(), UserId::from("robot-7"));
        self.write(Actor { tenant, user, role: Role::Tenant }, payload)
    }

    fn write(&mut self, actor: Actor, payload: Payload) -> CommandRecord {
        let offset = self.next;
        self.next += 1;
        let is_of_log = payload.is_log_command();
        let pool = if is_of_log { PoolId::default() } else { self.pool.clone() };
        let command = Command {
            command_id: CommandId::from(format!("018f3c2a-77aa-7000-8000-{offset:012x}")),
            pool: pool.clone(),
            actor,
            submitted_at_ms: TimeMs(offset),
            payload,
        };
        let trace = format!("00-4bf92f3577b34da6a3ce{offset:012x}-00f067aa0ba902b7-01");
        CommandRecord {
            time_ms: TimeMs(offset * self.gap_ms),
            key: pool.0.as_bytes().to_vec(),
            value: encode_command(&command),
            headers: Headers::from([
                ("traceparent", trace),
                ("correlation_id", format!("batch-{}", offset / 10)),
            ]),
        }
    }
}

/// The first command of a log.
pub(crate) fn open_log(round_commands: usize) -> Payload {
    Payload::OpenLog(OpenLog {
        log_id: LogId::from("bench"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: i64::try_from(round_commands).expect("a small number"),
        duplicate_ids: DUPLICATE_IDS_MAX,
        duplicate_window_ms: DUPLICATE_WINDOW_MS_MAX,
    })
}

/// The pool's rules.
pub(crate) fn policy(
    council: CouncilMode,
    placement: PlacementPolicy,
    target_workload: Vec<TargetShape>,
) -> Payload {
    Payload::SetPoolPolicy(SetPoolPolicy {
        council,
        lease_max_ms: DurationMs(48 * HOUR_MS),
        lease_grace_ms: DurationMs(HOUR_MS),
        wait_bound_ms: DurationMs(6 * HOUR_MS),
        defer_retry_ms: DurationMs(HOUR_MS / 2),
        queue_max: 50_000,
        placement,
        target_workload,
        prices: vec![],
    })
}

/// A tenant's share.
pub(crate) fn quota(tenant: &TenantId, limit: GpuMilli) -> Payload {
    Payload::SetQuota(SetQuota {
        tenant: tenant.clone(),
        guarantee_gpu_milli: GpuMilli(0),
        limit_gpu_milli: limit,
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    })
}

/// Gives a lease back.
pub(crate) fn release(request: &RequestId, fencing: i64) -> Payload {
    Payload::ReleaseLease(ReleaseLease {
        request: request.clone(),
        fencing: Offset(fencing),
        outcome: WorkOutcome::Succeeded,
        utilisation_bp: Some(6_400),
    })
}

/// Withdraws a request.
pub(crate) fn cancel(request: &RequestId) -> Payload {
    let reason = "not needed any more".to_owned();
    Payload::CancelRequest(CancelRequest { request: request.clone(), reason })
}
