//! The fields of commands about the log, quotas and a pool's rules. The defaults stand in
//! `docs/json.md`.

use super::object::Object;
use super::payload::Form;
use super::quantity::{DayTime, Gpus, Span, gpus, span, whole_gpu};
use conclave_core::command::{
    ActivateCouncil, ActivateDecider, CouncilMode, GpuPrice, OpenLog, Payload, PlacementPolicy,
    PreemptionRules, SetFairShare, SetPoolPolicy, SetPreemption, SetQuota, SetTariff,
    SetTenantParent, TargetShape, TariffSpan, TimeSource, TopUpBudget,
};
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, ROUND_COMMANDS_DEFAULT};
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, LogId, MicroUsd, TenantId, TimeMs,
};
use serde::Deserialize;

const MINUTE_MS: i64 = 60_000;
/// Longest lease: a week.
const LEASE_MAX_MS: DurationMs = DurationMs(7 * 24 * 60 * MINUTE_MS);
/// What a lease gets beyond what was expected.
const LEASE_GRACE_MS: DurationMs = DurationMs(5 * MINUTE_MS);
/// How long the first in the order waits before nobody may overtake it.
const WAIT_BOUND_MS: DurationMs = DurationMs(60 * MINUTE_MS);
/// How long a deferred request rests.
const DEFER_RETRY_MS: DurationMs = DurationMs(10 * MINUTE_MS);
/// How long every lease runs before it may be preempted.
const MIN_RUN_MS: DurationMs = DurationMs(10 * MINUTE_MS);
/// From the notice to the end.
const GRACE_MS: DurationMs = DurationMs(2 * MINUTE_MS);
/// How often one request is preempted.
const PREEMPTIONS_PER_REQUEST: i64 = 3;
/// How many leases of one tenant are, in a day.
const PREEMPTIONS_PER_DAY: i64 = 100;
/// Requests that may wait at once.
const QUEUE_MAX: i64 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenLogForm {
    log_id: LogId,
    time_source: Option<TimeSource>,
    partition_count: Option<i64>,
    round_commands: Option<i64>,
    duplicate_ids: Option<i64>,
    duplicate_window_ms: Option<DurationMs>,
    duplicate_window: Option<Span>,
}

impl Form for OpenLogForm {
    fn payload(self) -> Result<Payload, String> {
        let window = span("duplicate_window", self.duplicate_window_ms, self.duplicate_window)?;
        Ok(Payload::OpenLog(OpenLog {
            log_id: self.log_id,
            time_source: self.time_source.unwrap_or(TimeSource::LogAppend),
            partition_count: self.partition_count.unwrap_or(1),
            round_commands: self.round_commands.unwrap_or(ROUND_COMMANDS_DEFAULT),
            duplicate_ids: self.duplicate_ids.unwrap_or(DUPLICATE_IDS_MAX),
            duplicate_window_ms: window.unwrap_or(DUPLICATE_WINDOW_MS_MAX),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivateDeciderForm {
    version: i64,
}

impl Form for ActivateDeciderForm {
    fn payload(self) -> Result<Payload, String> {
        Ok(Payload::ActivateDecider(ActivateDecider { version: self.version }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivateCouncilForm {
    model: String,
}

impl Form for ActivateCouncilForm {
    fn payload(self) -> Result<Payload, String> {
        Ok(Payload::ActivateCouncil(ActivateCouncil { model: self.model }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetFairShareForm {
    half_life_ms: Option<DurationMs>,
    half_life: Option<Span>,
}

impl Form for SetFairShareForm {
    fn payload(self) -> Result<Payload, String> {
        let half_life_ms = span("half_life", self.half_life_ms, self.half_life)?;
        Ok(Payload::SetFairShare(SetFairShare { half_life_ms }))
    }
}

/// Without rules nobody is preempted any more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPreemptionForm {
    rules: Option<Object<PreemptionRulesForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreemptionRulesForm {
    min_run_ms: Option<DurationMs>,
    min_run: Option<Span>,
    grace_ms: Option<DurationMs>,
    grace: Option<Span>,
    per_request: Option<i64>,
    per_tenant_and_day: Option<i64>,
}

impl Form for SetPreemptionForm {
    fn payload(self) -> Result<Payload, String> {
        let rules = self.rules.map(|Object(rules)| rules.rules()).transpose()?;
        Ok(Payload::SetPreemption(SetPreemption { rules }))
    }
}

impl PreemptionRulesForm {
    fn rules(self) -> Result<PreemptionRules, String> {
        let min_run = span("min_run", self.min_run_ms, self.min_run)?;
        let grace = span("grace", self.grace_ms, self.grace)?;
        Ok(PreemptionRules {
            min_run_ms: min_run.unwrap_or(MIN_RUN_MS),
            grace_ms: grace.unwrap_or(GRACE_MS),
            per_request: self.per_request.unwrap_or(PREEMPTIONS_PER_REQUEST),
            per_tenant_and_day: self.per_tenant_and_day.unwrap_or(PREEMPTIONS_PER_DAY),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopUpBudgetForm {
    tenant: TenantId,
    gpu_hours: i64,
    window_at_ms: Option<TimeMs>,
    #[serde(default)]
    reason: String,
}

/// Without spans prices do not depend on the time of day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTariffForm {
    #[serde(default)]
    spans: Vec<Object<TariffSpanForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TariffSpanForm {
    gpu_model: GpuModel,
    from_minute: Option<i64>,
    from: Option<DayTime>,
    until_minute: Option<i64>,
    until: Option<DayTime>,
    micro_usd_per_hour: MicroUsd,
}

impl Form for SetTariffForm {
    fn payload(self) -> Result<Payload, String> {
        let spans = self.spans.into_iter().map(|Object(form)| form.span());
        Ok(Payload::SetTariff(SetTariff { spans: spans.collect::<Result<_, _>>()? }))
    }
}

impl TariffSpanForm {
    fn span(self) -> Result<TariffSpan, String> {
        let Self { gpu_model, from_minute, from, until_minute, until, micro_usd_per_hour } = self;
        let from_minute = day_minute("from", from_minute, from)?;
        let until_minute = day_minute("until", until_minute, until)?;
        Ok(TariffSpan { gpu_model, from_minute, until_minute, micro_usd_per_hour })
    }
}

fn day_minute(name: &str, minute: Option<i64>, time: Option<DayTime>) -> Result<i64, String> {
    match (minute, time) {
        (Some(minute), None) => Ok(minute),
        (None, Some(DayTime(minute))) => Ok(minute),
        _ => Err(format!("say either {name} (as 22:30) or {name}_minute")),
    }
}

impl Form for TopUpBudgetForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { tenant, gpu_hours, window_at_ms, reason } = self;
        Ok(Payload::TopUpBudget(TopUpBudget { tenant, gpu_hours, window_at_ms, reason }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTenantParentForm {
    tenant: TenantId,
    parent: Option<TenantId>,
    lend_gpu_milli: Option<GpuMilli>,
    lend_gpus: Option<Gpus>,
}

impl Form for SetTenantParentForm {
    fn payload(self) -> Result<Payload, String> {
        Ok(Payload::SetTenantParent(SetTenantParent {
            tenant: self.tenant,
            parent: self.parent.unwrap_or_default(),
            lend_gpu_milli: gpus("lend", self.lend_gpu_milli, self.lend_gpus)?,
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TickForm {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetQuotaForm {
    tenant: TenantId,
    guarantee_gpu_milli: Option<GpuMilli>,
    guarantee_gpus: Option<Gpus>,
    limit_gpu_milli: Option<GpuMilli>,
    limit_gpus: Option<Gpus>,
    rate_per_minute: Option<i64>,
    borrow_gpu_milli: Option<GpuMilli>,
    borrow_gpus: Option<Gpus>,
    weight: Option<i64>,
    gpu_hour_budget: Option<i64>,
    budget_window_ms: Option<DurationMs>,
    budget_window: Option<Span>,
}

impl Form for SetQuotaForm {
    fn payload(self) -> Result<Payload, String> {
        let guarantee = gpus("guarantee", self.guarantee_gpu_milli, self.guarantee_gpus)?;
        let limit = gpus("limit", self.limit_gpu_milli, self.limit_gpus)?;
        let borrow = gpus("borrow", self.borrow_gpu_milli, self.borrow_gpus)?;
        let window = span("budget_window", self.budget_window_ms, self.budget_window)?;
        Ok(Payload::SetQuota(SetQuota {
            tenant: self.tenant,
            guarantee_gpu_milli: guarantee.unwrap_or_default(),
            limit_gpu_milli: limit.ok_or("missing field `limit_gpus` (or `limit_gpu_milli`)")?,
            rate_per_minute: self.rate_per_minute.unwrap_or_default(),
            borrow_gpu_milli: borrow.unwrap_or_default(),
            weight: self.weight.unwrap_or(1),
            gpu_hour_budget: self.gpu_hour_budget,
            budget_window_ms: window.unwrap_or_default(),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPoolPolicyForm {
    council: Option<CouncilMode>,
    lease_max_ms: Option<DurationMs>,
    lease_max: Option<Span>,
    lease_grace_ms: Option<DurationMs>,
    lease_grace: Option<Span>,
    wait_bound_ms: Option<DurationMs>,
    wait_bound: Option<Span>,
    defer_retry_ms: Option<DurationMs>,
    defer_retry: Option<Span>,
    queue_max: Option<i64>,
    placement: Option<PlacementPolicy>,
    #[serde(default)]
    target_workload: Vec<Object<TargetShapeForm>>,
    #[serde(default)]
    prices: Vec<Object<GpuPriceForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetShapeForm {
    #[serde(default)]
    cpu_milli: CpuMilli,
    gpu_count: i64,
    gpu_milli: Option<GpuMilli>,
    #[serde(default)]
    gpu_models: Vec<GpuModel>,
    count: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuPriceForm {
    gpu_model: GpuModel,
    micro_usd_per_hour: MicroUsd,
}

impl Form for SetPoolPolicyForm {
    fn payload(self) -> Result<Payload, String> {
        let lease_max = span("lease_max", self.lease_max_ms, self.lease_max)?;
        let lease_grace = span("lease_grace", self.lease_grace_ms, self.lease_grace)?;
        let wait_bound = span("wait_bound", self.wait_bound_ms, self.wait_bound)?;
        let defer_retry = span("defer_retry", self.defer_retry_ms, self.defer_retry)?;
        Ok(Payload::SetPoolPolicy(SetPoolPolicy {
            council: self.council.unwrap_or(CouncilMode::Advise),
            lease_max_ms: lease_max.unwrap_or(LEASE_MAX_MS),
            lease_grace_ms: lease_grace.unwrap_or(LEASE_GRACE_MS),
            wait_bound_ms: wait_bound.unwrap_or(WAIT_BOUND_MS),
            defer_retry_ms: defer_retry.unwrap_or(DEFER_RETRY_MS),
            queue_max: self.queue_max.unwrap_or(QUEUE_MAX),
            placement: self.placement.unwrap_or(PlacementPolicy::Fgd),
            target_workload: self
                .target_workload
                .into_iter()
                .map(|Object(form)| form.shape())
                .collect(),
            prices: self.prices.into_iter().map(|Object(form)| form.price()).collect(),
        }))
    }
}

impl TargetShapeForm {
    fn shape(self) -> TargetShape {
        let Self { cpu_milli, gpu_count, gpu_milli, gpu_models, count } = self;
        let gpu_milli = gpu_milli.unwrap_or_else(|| whole_gpu(gpu_count));
        TargetShape { cpu_milli, gpu_count, gpu_milli, gpu_models, count }
    }
}

impl GpuPriceForm {
    fn price(self) -> GpuPrice {
        let Self { gpu_model, micro_usd_per_hour } = self;
        GpuPrice { gpu_model, micro_usd_per_hour }
    }
}
