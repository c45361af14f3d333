//! `conclave fairness`: who has used how much of a pool for its weight, and how the queue is
//! ordered.

use super::connection::ReadArguments;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::report::fairness::FairnessReport;
use crate::report::viewer::Viewer;
use clap::{Args, Subcommand};
use conclave_core::units::PoolId;
use serde_json::json;

const EXAMPLES: &str = "Examples:
  conclave fairness
  conclave fairness lab --output json | jq '.tenants[] | {tenant, stands, sentence}'
  conclave fairness lab set --half-life 7d
  conclave fairness lab set --by-arrival
  conclave quota lab set vision --limit 16 --weight 3";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FairnessArguments {
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
    /// Orders the queue by fair share, or by arrival again
    Set(SetArguments),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Order {
    /// By fair share; what was used so long ago counts half
    #[arg(long, value_name = "SPAN")]
    half_life: Option<String>,
    /// By arrival
    #[arg(long)]
    by_arrival: bool,
}

#[derive(Debug, Args)]
struct SetArguments {
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    id: IdArguments,
}

pub(super) fn run(arguments: &FairnessArguments) -> Result<u8> {
    let FairnessArguments { pool, act, read } = arguments;
    let Some(Act::Set(set)) = act else { return show(pool.as_ref(), read) };
    let sending = Sending { pool: pool.as_ref(), id: &set.id, service: read.to_send()? };
    send(&sending, "SetFairShare", |_, _| Ok(json!({ "half_life": set.order.half_life })))
}

fn show(pool: Option<&PoolId>, read: &ReadArguments) -> Result<u8> {
    let source = read.open()?;
    let pool = source.pool(pool)?;
    let answer = source.ask(Question::of_pool(&pool.0, &["fairness"]), |stored| {
        FairnessReport::of(&stored.folded.state, &pool, &Viewer::Everything)
    })?;
    answer.show(read.service.output, FairnessReport::text)?;
    source.end()
}
