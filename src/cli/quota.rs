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
  conclave quota lab set vision --limit 16 --gpu-hours 500 --window 7d
  conclave quota lab set batch --limit 16 --borrow 8
  conclave quota lab parent vision research --lend 4
  conclave quota lab parent vision --top";

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
    /// Puts a tenant below another one, or at the top again, with all that stands below it
    Parent(ParentArguments),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Below whom
    #[arg(value_parser = values::tenant)]
    parent: Option<TenantId>,
    /// Below nobody
    #[arg(long)]
    top: bool,
}

#[derive(Debug, Args)]
struct ParentArguments {
    /// Who
    #[arg(value_parser = values::tenant)]
    tenant: TenantId,
    #[command(flatten)]
    place: Place,
    /// GPUs of its idle guarantee that others may borrow at once [default: all of it]
    #[arg(long, value_name = "GPUS", value_parser = values::gpus)]
    lend: Option<GpuMilli>,
    #[command(flatten)]
    id: IdArguments,
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
    /// GPUs of others' idle guarantees that its preemptible requests may hold at once
    #[arg(long, value_name = "GPUS", default_value = "0", value_parser = values::gpus)]
    borrow: GpuMilli,
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
    let set = match act {
        Some(Act::Set(set)) => set,
        Some(Act::Parent(place)) => return put(pool.as_ref(), place, read),
        None => return show(pool.as_ref(), read),
    };
    let sending = Sending { pool: pool.as_ref(), id: &set.id, service: read.to_send()? };
    send(&sending, "SetQuota", |_, _| {
        Ok(json!({"tenant": set.tenant, "guarantee_gpu_milli": set.guarantee,
                  "limit_gpu_milli": set.limit, "rate_per_minute": set.rate_per_minute,
                  "borrow_gpu_milli": set.borrow, "weight": set.weight,
                  "gpu_hour_budget": set.gpu_hours, "budget_window_ms": set.window}))
    })
}

fn put(pool: Option<&PoolId>, put: &ParentArguments, read: &ReadArguments) -> Result<u8> {
    let sending = Sending { pool, id: &put.id, service: read.to_send()? };
    send(&sending, "SetTenantParent", |_, _| {
        Ok(json!({"tenant": put.tenant, "parent": put.place.parent, "lend_gpu_milli": put.lend}))
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
