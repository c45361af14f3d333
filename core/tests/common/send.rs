//! What can be sent, with what a stream does not vary at a usual value.

use super::Booking;
use conclave_core::command::*;
use conclave_core::units::*;

pub(crate) const HOUR_MS: i64 = 3_600_000;
/// How long a lease outlasts what was expected of it.
pub(crate) const GRACE_MS: i64 = 60_000;
/// How long a deferred request waits for its next vote.
pub(crate) const RETRY_MS: i64 = HOUR_MS / 2;

pub(crate) fn open_log() -> Payload {
    Payload::OpenLog(OpenLog {
        log_id: LogId::from("test"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 64,
        duplicate_ids: 1_000,
        duplicate_window_ms: DurationMs(HOUR_MS),
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
        lease_max_ms: DurationMs(48 * HOUR_MS),
        lease_grace_ms: DurationMs(GRACE_MS),
        wait_bound_ms: DurationMs(wait_ms),
        defer_retry_ms: DurationMs(RETRY_MS),
        queue_max,
        placement: [
            PlacementPolicy::Random,
            PlacementPolicy::BestFit,
            PlacementPolicy::Fgd,
            PlacementPolicy::Default,
        ][usize::from(placement)],
        target_workload: vec![
            shape(1, 1_000, 5),
            shape(1, 500, 3),
            shape(0, 0, 1),
            shape(4, 1_000, 1),
        ],
        prices: vec![],
    })
}

/// In one of two topology groups, or in none.
pub(crate) fn grouped(register: Payload, group: u8) -> Payload {
    let Payload::RegisterNode(node) = register else { panic!("no node: {register:?}") };
    let topology_group = ["", "west", "east"][usize::from(group)].to_owned();
    Payload::RegisterNode(RegisterNode { topology_group, ..node })
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

pub(crate) fn remove(node: u8) -> Payload {
    Payload::RemoveNode(RemoveNode { node: node_id(node), reason: String::new() })
}

pub(crate) fn health(node: u8, is_healthy: bool) -> Payload {
    let health = if is_healthy { NodeHealth::Healthy } else { NodeHealth::Unhealthy };
    let reason = "as the robot saw it".to_owned();
    Payload::ReportNodeHealth(ReportNodeHealth { node: node_id(node), health, reason })
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

pub(crate) fn weighted(quota: Payload, weight: i64) -> Payload {
    let Payload::SetQuota(quota) = quota else { panic!("no quota: {quota:?}") };
    Payload::SetQuota(SetQuota { weight, ..quota })
}

/// So many GPU-hours per window of one of a few widths; none for no budget.
pub(crate) fn budgeted(quota: Payload, gpu_hours: Option<i64>, window: u8) -> Payload {
    let Payload::SetQuota(quota) = quota else { panic!("no quota: {quota:?}") };
    let widths = [60_000, 1_800_000, HOUR_MS, 3 * HOUR_MS, 24 * HOUR_MS, 7 * HOUR_MS + 1];
    let width = widths[usize::from(window) % widths.len()];
    let budget_window_ms = DurationMs(if gpu_hours.is_some() { width } else { 0 });
    Payload::SetQuota(SetQuota { gpu_hour_budget: gpu_hours, budget_window_ms, ..quota })
}

/// So much of others' idle guarantees at once.
pub(crate) fn borrowing(quota: Payload, borrow: i64) -> Payload {
    let Payload::SetQuota(quota) = quota else { panic!("no quota: {quota:?}") };
    Payload::SetQuota(SetQuota { borrow_gpu_milli: GpuMilli(borrow), ..quota })
}

/// Below another tenant, or at the top.
pub(crate) fn parent(tenant: u8, parent: Option<u8>, lend: Option<i64>) -> Payload {
    let name = |tenant: u8| TenantId::from(format!("t{tenant}"));
    Payload::SetTenantParent(SetTenantParent {
        tenant: name(tenant),
        parent: parent.map(name).unwrap_or_default(),
        lend_gpu_milli: lend.map(GpuMilli),
    })
}

pub(crate) fn top_up(tenant: u8, gpu_hours: i64, window_at_ms: Option<i64>) -> Payload {
    let (tenant, reason) = (TenantId::from(format!("t{tenant}")), "a deadline".to_owned());
    let window_at_ms = window_at_ms.map(TimeMs);
    Payload::TopUpBudget(TopUpBudget { tenant, gpu_hours, window_at_ms, reason })
}

pub(crate) fn reserving(booking: &Booking, now: i64) -> Payload {
    let start = now + booking.ahead_ms;
    Payload::Reserve(Box::new(Reserve {
        reservation: ReservationId::from(format!("b{}", booking.reservation)),
        tenant: TenantId::from(format!("t{}", booking.tenant)),
        start_ms: TimeMs(start),
        end_ms: TimeMs(start + booking.length_ms),
        gpu_models: booking.model.into_iter().map(model_id).collect(),
        replicas: booking.replicas,
        gpu_count: booking.gpus.0,
        gpu_milli: GpuMilli(booking.gpus.1),
        cpu_milli: CpuMilli(booking.cpu_milli),
        memory_mib: MemoryMib(booking.cpu_milli),
        topology: Topology::None,
        reason: String::new(),
    }))
}

pub(crate) fn giving_up(reservation: u8) -> Payload {
    let reservation = ReservationId::from(format!("b{reservation}"));
    Payload::CancelReservation(CancelReservation { reservation, reason: String::new() })
}

/// In US dollars per model; 0 for no price.
pub(crate) fn priced(policy: Payload, dollars: [u8; 3]) -> Payload {
    let Payload::SetPoolPolicy(policy) = policy else { panic!("no policy: {policy:?}") };
    let price = |(model, dollars): (u8, u8)| GpuPrice {
        gpu_model: model_id(model),
        micro_usd_per_hour: MicroUsd(i64::from(dollars) * 1_000_000),
    };
    let priced = (0..).zip(dollars).filter(|(_, dollars)| *dollars > 0);
    Payload::SetPoolPolicy(SetPoolPolicy { prices: priced.map(price).collect(), ..policy })
}

/// Per span a model, the hour of the day from which it holds, for how many, and US dollars.
pub(crate) fn tariff(spans: &[(u8, i64, i64, i64)]) -> Payload {
    let span = |(model, from, hours, dollars): &(u8, i64, i64, i64)| TariffSpan {
        gpu_model: model_id(*model),
        from_minute: from * 60,
        until_minute: (from + hours) * 60,
        micro_usd_per_hour: MicroUsd(dollars * 1_000_000),
    };
    Payload::SetTariff(SetTariff { spans: spans.iter().map(span).collect() })
}

pub(crate) fn fair_share(half_life_ms: Option<i64>) -> Payload {
    Payload::SetFairShare(SetFairShare { half_life_ms: half_life_ms.map(DurationMs) })
}

/// Minimum run, grace, how often a request and how many of a tenant; nobody is preempted when none.
pub(crate) fn preemption(rules: Option<(i64, i64, i64, i64)>) -> Payload {
    let rules = rules.map(|(min_run, grace, per_request, per_tenant_and_day)| PreemptionRules {
        min_run_ms: DurationMs(min_run),
        grace_ms: DurationMs(grace),
        per_request,
        per_tenant_and_day,
    });
    Payload::SetPreemption(SetPreemption { rules })
}

/// One whole GPU of any model for an hour, which every council approves.
pub(crate) fn request(name: &str, tenant: u8) -> RequestAllocation {
    RequestAllocation {
        request: RequestId::from(name),
        tenant: TenantId::from(format!("t{tenant}")),
        user: UserId::from("u"),
        gpu_models: vec![],
        replicas: 1,
        gpu_count: 1,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        expected_duration_ms: DurationMs(HOUR_MS),
        priority: 10,
        preemptible: true,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    }
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

/// Each pool has requests of the same names.
pub(crate) fn request_id(request: u8) -> RequestId {
    RequestId::from(format!("r{}", request / 3))
}

pub(crate) fn overriding(
    request: u8,
    action: OverrideAction,
    ask: Option<RequestAllocation>,
) -> Payload {
    let (request, reason) = (request_id(request), "on call".to_owned());
    Payload::OverrideDecision(OverrideDecision { request, action, reason, ask: ask.map(Box::new) })
}

pub(crate) fn appeal(request: u8, ask: Option<RequestAllocation>) -> Payload {
    let (request, reason) = (request_id(request), "the paper is due".to_owned());
    Payload::Appeal(Appeal { request, reason, ask: ask.map(Box::new) })
}
