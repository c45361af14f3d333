//! `conclave budget`: what is left of tenants' GPU-hour budgets, and GPU-hours on top of one.

use super::connection::ReadArguments;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::report::budgets::BudgetsReport;
use crate::report::viewer::Viewer;
use clap::{Args, Subcommand};
use conclave_core::units::{PoolId, TenantId};
use serde_json::{Value, json};

const EXAMPLES: &str = "Examples:
  conclave budget
  conclave budget lab --tenant vision
  conclave budget lab --output json | jq '.budgets[] | {tenant, left_gpu_milli_seconds, sentence}'
  conclave budget lab top-up vision --gpu-hours 200 --reason 'the paper is due'
  conclave budget lab tariff A100@08:00-20:00=4.50 A100@20:00-24:00=1.20
  conclave quota lab set vision --limit 16 --gpu-hours 500 --window 7d";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BudgetArguments {
    /// Of which pool [default: the only one]
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT", value_parser = values::tenant)]
    tenant: Option<TenantId>,
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Approves GPU-hours on top of a tenant's budget, for one window
    TopUp(TopUpArguments),
    /// Sets what GPUs cost at which time of day; without spans prices do not depend on it
    Tariff(TariffArguments),
}

#[derive(Debug, Args)]
struct TariffArguments {
    /// A price from one time of day (UTC) to another: A100@08:00-20:00=4.50
    #[arg(value_name = "MODEL@FROM-UNTIL=USD", value_parser = super::tariff::span)]
    spans: Vec<Value>,
    #[command(flatten)]
    id: IdArguments,
}

#[derive(Debug, Args)]
struct TopUpArguments {
    /// Whose budget
    #[arg(value_parser = values::tenant)]
    tenant: TenantId,
    /// How many GPU-hours more
    #[arg(long, value_name = "HOURS")]
    gpu_hours: i64,
    /// A log time in the window that they are for, in milliseconds [default: the current one]
    #[arg(long, value_name = "MS")]
    window_at: Option<i64>,
    /// Why; it stands in the decision
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    id: IdArguments,
}

pub(super) fn run(arguments: &BudgetArguments) -> Result<u8> {
    let BudgetArguments { pool, act, read, .. } = arguments;
    let Some(act) = act else { return show(arguments) };
    let (Act::TopUp(TopUpArguments { id, .. }) | Act::Tariff(TariffArguments { id, .. })) = act;
    let sending = Sending { pool: pool.as_ref(), id, service: read.to_send()? };
    match act {
        Act::TopUp(top_up) => send(&sending, "TopUpBudget", |_, _| {
            Ok(json!({"tenant": top_up.tenant, "gpu_hours": top_up.gpu_hours,
                      "window_at_ms": top_up.window_at, "reason": top_up.reason}))
        }),
        Act::Tariff(tariff) => {
            send(&sending, "SetTariff", |_, _| Ok(json!({"spans": tariff.spans})))
        }
    }
}

fn show(arguments: &BudgetArguments) -> Result<u8> {
    let BudgetArguments { pool, tenant, read, .. } = arguments;
    let source = read.open()?;
    let pool = source.pool(pool.as_ref())?;
    let question = Question::of_pool(&pool.0, &["budgets"]).with("tenant", tenant.as_ref());
    let answer = source.ask(question, |stored| {
        BudgetsReport::of(&stored.folded.state, &pool, tenant.as_ref(), &Viewer::Everything)
    })?;
    answer.show(read.service.output, BudgetsReport::text)?;
    source.end()
}
