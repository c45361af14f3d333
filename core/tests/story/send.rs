//! What can be sent, with everything that a story does not care about at a usual value.

use conclave_core::command::*;
use conclave_core::units::*;

use super::{HOUR, MINUTE};

pub(crate) fn open_log() -> Payload {
    Payload::OpenLog(OpenLog {
        log_id: LogId::from("story"),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 64,
        duplicate_ids: 5,
        duplicate_window_ms: DurationMs(HOUR),
    })
}

pub(crate) fn node(name: &str, gpu_count: i64, gpu_model: &str) -> Payload {
    Payload::RegisterNode(RegisterNode {
        node: name.into(),
        gpu_model: gpu_model.into(),
        gpu_count,
        cpu_milli: CpuMilli(64_000),
        memory_mib: MemoryMib(262_144),
        topology_group: String::new(),
    })
}

/// The same in a topology group.
pub(crate) fn node_in(group: &str, name: &str, gpu_count: i64, gpu_model: &str) -> Payload {
    let Payload::RegisterNode(node) = node(name, gpu_count, gpu_model) else { unreachable!() };
    Payload::RegisterNode(RegisterNode { topology_group: group.into(), ..node })
}

pub(crate) fn drain(name: &str) -> Payload {
    Payload::DrainNode(DrainNode { node: name.into(), reason: "repair".into() })
}

pub(crate) fn remove(name: &str) -> Payload {
    Payload::RemoveNode(RemoveNode { node: name.into(), reason: "repair".into() })
}

/// A robot's report that a node broke.
pub(crate) fn breaks(name: &str) -> Payload {
    report(name, NodeHealth::Unhealthy)
}

/// A robot's report that a node works.
pub(crate) fn works(name: &str) -> Payload {
    report(name, NodeHealth::Healthy)
}

fn report(name: &str, health: NodeHealth) -> Payload {
    let reason = "as the robot saw it".to_owned();
    Payload::ReportNodeHealth(ReportNodeHealth { node: name.into(), health, reason })
}

/// A tenant with a guarantee and a limit in whole GPUs.
pub(crate) fn quota(tenant: &str, guarantee: i64, limit: i64) -> Payload {
    Payload::SetQuota(share(tenant, guarantee, limit))
}

pub(crate) fn share(tenant: &str, guarantee: i64, limit: i64) -> SetQuota {
    SetQuota {
        tenant: tenant.into(),
        guarantee_gpu_milli: GpuMilli(guarantee * 1_000),
        limit_gpu_milli: GpuMilli(limit * 1_000),
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    }
}

/// Later commands are decided by `version`.
pub(crate) fn activate(version: i64) -> Payload {
    Payload::ActivateDecider(ActivateDecider { version })
}

/// The queue is ordered by fair share: by arrival when none.
pub(crate) fn fair_share(half_life_ms: Option<i64>) -> Payload {
    Payload::SetFairShare(SetFairShare { half_life_ms: half_life_ms.map(DurationMs) })
}

/// Requests are preempted: after a minimum run, with a grace, each so often.
pub(crate) fn preemption(min_run_ms: i64, grace_ms: i64, per_request: i64) -> Payload {
    let (min_run_ms, grace_ms) = (DurationMs(min_run_ms), DurationMs(grace_ms));
    let per_tenant_and_day = 3;
    let rules = PreemptionRules { min_run_ms, grace_ms, per_request, per_tenant_and_day };
    Payload::SetPreemption(SetPreemption { rules: Some(rules) })
}

/// A tenant without a guarantee, with a limit in whole GPUs and a weight.
pub(crate) fn weighted(tenant: &str, limit: i64, weight: i64) -> Payload {
    Payload::SetQuota(SetQuota { weight, ..share(tenant, 0, limit) })
}

/// A tenant with a limit in whole GPUs, and GPU-hours per window.
pub(crate) fn budget(tenant: &str, limit: i64, gpu_hours: i64, window_ms: i64) -> Payload {
    let budget_window_ms = DurationMs(window_ms);
    let gpu_hour_budget = Some(gpu_hours);
    Payload::SetQuota(SetQuota { gpu_hour_budget, budget_window_ms, ..share(tenant, 0, limit) })
}

/// GPU-hours on top of a budget, for the window of a time or the current one.
pub(crate) fn top_up(tenant: &str, gpu_hours: i64, window_at_ms: Option<i64>) -> Payload {
    let (window_at_ms, reason) = (window_at_ms.map(TimeMs), "a deadline".to_owned());
    Payload::TopUpBudget(TopUpBudget { tenant: tenant.into(), gpu_hours, window_at_ms, reason })
}

/// A tenant with a guarantee and a limit in whole GPUs, and how many it may borrow.
pub(crate) fn borrower(tenant: &str, guarantee: i64, limit: i64, borrow: i64) -> Payload {
    let borrow_gpu_milli = GpuMilli(borrow * 1_000);
    Payload::SetQuota(SetQuota { borrow_gpu_milli, ..share(tenant, guarantee, limit) })
}

/// Below a parent, or at the top when that is empty; it lends all of its idle guarantee.
pub(crate) fn below(tenant: &str, parent: &str) -> Payload {
    lending(tenant, parent, None)
}

/// The same for a tenant that lends at most so many whole GPUs.
pub(crate) fn lending(tenant: &str, parent: &str, lend: Option<i64>) -> Payload {
    let (tenant, parent) = (tenant.into(), parent.into());
    let lend_gpu_milli = lend.map(|lend| GpuMilli(lend * 1_000));
    Payload::SetTenantParent(SetTenantParent { tenant, parent, lend_gpu_milli })
}

/// Room for so many whole GPUs of any model on one node, without CPU and memory.
pub(crate) fn reserve(name: &str, tenant: &str, gpus: i64, from: i64, until: i64) -> Reserve {
    Reserve {
        reservation: name.into(),
        tenant: tenant.into(),
        start_ms: TimeMs(from),
        end_ms: TimeMs(until),
        gpu_models: vec![],
        replicas: 1,
        gpu_count: gpus,
        gpu_milli: GpuMilli(1_000 * gpus.min(1)),
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        topology: Topology::None,
        reason: "a demonstration".to_owned(),
    }
}

/// The reservation, as a payload.
pub(crate) fn reserving(reserve: Reserve) -> Payload {
    Payload::Reserve(Box::new(reserve))
}

pub(crate) fn give_up(reservation: &str) -> Payload {
    let (reservation, reason) = (reservation.into(), "not needed".to_owned());
    Payload::CancelReservation(CancelReservation { reservation, reason })
}

/// Prices of a GPU-hour in micro-USD, per model.
pub(crate) fn priced(prices: &[(&str, i64)]) -> Payload {
    let price = |(model, price): &(&str, i64)| GpuPrice {
        gpu_model: GpuModel::from(*model),
        micro_usd_per_hour: MicroUsd(*price),
    };
    set(SetPoolPolicy { prices: prices.iter().map(price).collect(), ..policy() })
}

/// Prices of a GPU-hour in micro-USD, per model and hours of the day.
pub(crate) fn tariff(spans: &[(&str, i64, i64, i64)]) -> Payload {
    let span = |(model, from, until, price): &(&str, i64, i64, i64)| TariffSpan {
        gpu_model: GpuModel::from(*model),
        from_minute: from * 60,
        until_minute: until * 60,
        micro_usd_per_hour: MicroUsd(*price),
    };
    Payload::SetTariff(SetTariff { spans: spans.iter().map(span).collect() })
}

pub(crate) fn policy() -> SetPoolPolicy {
    SetPoolPolicy {
        council: CouncilMode::Off,
        lease_max_ms: DurationMs(48 * HOUR),
        lease_grace_ms: DurationMs(MINUTE),
        wait_bound_ms: DurationMs(HOUR),
        defer_retry_ms: DurationMs(30 * MINUTE),
        queue_max: 5_000,
        placement: PlacementPolicy::BestFit,
        target_workload: vec![],
        prices: vec![],
    }
}

/// The pool's rules, as a payload.
pub(crate) fn set(policy: SetPoolPolicy) -> Payload {
    Payload::SetPoolPolicy(policy)
}

/// A request, one whole GPU of any model for an hour unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Ask(pub(crate) RequestAllocation);

pub(crate) fn ask(name: &str, tenant: &str) -> Ask {
    Ask(RequestAllocation {
        request: name.into(),
        tenant: tenant.into(),
        user: UserId::from("somebody"),
        gpu_models: vec![],
        replicas: 1,
        gpu_count: 1,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(1_000),
        memory_mib: MemoryMib(1_024),
        expected_duration_ms: DurationMs(HOUR),
        priority: 5,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    })
}

impl Ask {
    pub(crate) fn gpus(mut self, gpu_count: i64) -> Self {
        self.0.gpu_count = gpu_count;
        self
    }

    pub(crate) fn slice(mut self, gpu_milli: i64) -> Self {
        (self.0.gpu_count, self.0.gpu_milli) = (1, GpuMilli(gpu_milli));
        self
    }

    pub(crate) fn cpu_only(mut self, cpu_milli: i64) -> Self {
        (self.0.gpu_count, self.0.gpu_milli) = (0, GpuMilli(0));
        self.0.cpu_milli = CpuMilli(cpu_milli);
        self
    }

    pub(crate) fn no_cpu(mut self) -> Self {
        (self.0.cpu_milli, self.0.memory_mib) = (CpuMilli(0), MemoryMib(0));
        self
    }

    pub(crate) fn replicas(mut self, replicas: i64) -> Self {
        self.0.replicas = replicas;
        self
    }

    pub(crate) fn on(mut self, models: &[&str]) -> Self {
        self.0.gpu_models = models.iter().map(|model| GpuModel::from(*model)).collect();
        self
    }

    pub(crate) fn priority(mut self, priority: i64) -> Self {
        self.0.priority = priority;
        self
    }

    /// Most that it may cost, in micro-USD.
    pub(crate) fn cap(mut self, micro_usd: i64) -> Self {
        self.0.budget_cap_micro_usd = Some(MicroUsd(micro_usd));
        self
    }

    /// So long that its lease, with a minute of grace, lasts for so many minutes.
    pub(crate) fn lease_minutes(mut self, minutes: i64) -> Self {
        self.0.expected_duration_ms = DurationMs((minutes - 1) * MINUTE);
        self
    }

    pub(crate) fn hours(mut self, hours: i64) -> Self {
        self.0.expected_duration_ms = DurationMs(hours * HOUR);
        self
    }

    pub(crate) fn preemptible(mut self) -> Self {
        self.0.preemptible = true;
        self
    }

    pub(crate) fn on_one_node(mut self) -> Self {
        self.0.topology = Topology::SameNode;
        self
    }

    pub(crate) fn in_one_group(mut self) -> Self {
        self.0.topology = Topology::SameGroup;
        self
    }

    pub(crate) fn deadline(mut self, at_ms: i64) -> Self {
        self.0.deadline_ms = Some(TimeMs(at_ms));
        self
    }
}

impl From<Ask> for Payload {
    fn from(ask: Ask) -> Self {
        Self::RequestAllocation(ask.0)
    }
}

pub(crate) fn cancel(name: &str) -> Payload {
    Payload::CancelRequest(CancelRequest { request: name.into(), reason: String::new() })
}

/// An operator's word that a request goes on; `ask` for one that is not live.
pub(crate) fn approve(name: &str, ask: Option<Ask>) -> Payload {
    overriding(name, OverrideAction::Approve, ask)
}

/// An operator's word that a request ends.
pub(crate) fn end(name: &str) -> Payload {
    overriding(name, OverrideAction::End, None)
}

pub(crate) fn overriding(name: &str, action: OverrideAction, ask: Option<Ask>) -> Payload {
    let (request, reason) = (name.into(), "on call".to_owned());
    let ask = ask.map(|ask| Box::new(ask.0));
    Payload::OverrideDecision(OverrideDecision { request, action, reason, ask })
}

pub(crate) fn appeal(name: &str, ask: Option<Ask>) -> Payload {
    let (request, reason) = (name.into(), "a deadline".to_owned());
    Payload::Appeal(Appeal { request, reason, ask: ask.map(|ask| Box::new(ask.0)) })
}

pub(crate) fn renew(name: &str, fencing: i64, extend_ms: i64) -> Payload {
    let (fencing, extend_ms) = (Offset(fencing), DurationMs(extend_ms));
    Payload::RenewLease(RenewLease { request: name.into(), fencing, extend_ms })
}

pub(crate) fn shrink(name: &str, fencing: i64, replicas: i64) -> Payload {
    Payload::ShrinkLease(ShrinkLease { request: name.into(), fencing: Offset(fencing), replicas })
}

pub(crate) fn release(name: &str, fencing: i64) -> Payload {
    Payload::ReleaseLease(ReleaseLease {
        request: name.into(),
        fencing: Offset(fencing),
        outcome: WorkOutcome::Succeeded,
        utilisation_bp: Some(5_000),
    })
}
