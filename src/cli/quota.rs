//! `conclave quota`: who may use how much of a pool.

use super::connection::ReadArguments;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::report::quotas::QuotasReport;
use crate::report::viewer::Viewer;
use clap::{Args, Subcommand};
use conclave_core::units::{DurationMs, GpuMilli, PoolId, TenantId};
use serde_json::json;

const EXAMPLES: &str = "Examples:
  conclave quota
  conclave quota lab --output json | jq '.quotas[] | {tenant, used_gpu_milli}'
  conclave quota lab set vision --guarantee 8 --limit 16
  conclave quota lab set batch --limit 4.5 --rate-per-minute 60
  conclave quota lab set vision --limit 16 --gpu-hours 500 --window 7d";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QuotaArguments {
    /// Of which pool [default: the only one]
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Sets a tenant's whole share; its first one admits the tenant
    Set(SetArguments),
}

#[derive(Debug, Args)]
struct SetArguments {
    /// Whose share
    #[arg(value_parser = values::tenant)]
    tenant: TenantId,
    /// GPUs kept free for it
    #[arg(long, value_name = "GPUS", default_value = "0", value_parser = values::gpus)]
    guarantee: GpuMilli,
    /// GPUs that it never holds more than
    #[arg(long, value_name = "GPUS", value_parser = values::gpus)]
    limit: GpuMilli,
    /// Commands per minute; 0 is unlimited
    #[arg(long, value_name = "COMMANDS", default_value_t = 0)]
    rate_per_minute: i64,
    /// What it may use beside others, where the queue is ordered by fair share
    #[arg(long, value_name = "WEIGHT", default_value_t = 1)]
    weight: i64,
    /// GPU-hours that its leases may take in each window; without it there is no budget
    #[arg(long, value_name = "HOURS", requires = "window")]
    gpu_hours: Option<i64>,
    /// Length of a window of the budget
    #[arg(long, value_name = "SPAN", value_parser = values::duration, requires = "gpu_hours")]
    window: Option<DurationMs>,
    #[command(flatten)]
    id: IdArguments,
}

pub(super) fn run(arguments: &QuotaArguments) -> Result<u8> {
    let QuotaArguments { pool, act, read } = arguments;
    let Some(Act::Set(set)) = act else { return show(pool.as_ref(), read) };
    let sending = Sending { pool: pool.as_ref(), id: &set.id, service: read.to_send()? };
    send(&sending, "SetQuota", |_, _| {
        Ok(json!({"tenant": set.tenant, "guarantee_gpu_milli": set.guarantee,
                  "limit_gpu_milli": set.limit, "rate_per_minute": set.rate_per_minute,
                  "weight": set.weight, "gpu_hour_budget": set.gpu_hours,
                  "budget_window_ms": set.window}))
    })
}

fn show(pool: Option<&PoolId>, read: &ReadArguments) -> Result<u8> {
    let source = read.open()?;
    let pool = source.pool(pool)?;
    let answer = source.ask(Question::of_pool(&pool.0, &["quotas"]), |stored| {
        QuotasReport::of(&stored.folded.state, &pool, &Viewer::Everything)
    })?;
    answer.show(read.service.output, QuotasReport::text)?;
    source.end()
}
