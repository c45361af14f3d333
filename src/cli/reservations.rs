//! `conclave reservations`: what is kept free for whom, and when.

use super::connection::ReadArguments;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::report::reservations::ReservationsReport;
use crate::report::viewer::Viewer;
use clap::{Args, Subcommand, ValueEnum};
use conclave_core::units::{DurationMs, PoolId, TenantId};
use serde_json::{Value, json};

const EXAMPLES: &str = "Examples:
  conclave reservations
  conclave reservations lab --output json | jq '.reservations[] | {reservation, start_ms, nodes}'
  conclave reservations lab add demo --tenant vision --start 1700000000000 --for 4h --gpus 8 \\
    --replicas 2 --model A100 --cpu-milli 64000 --reason 'the fair'
  conclave reservations lab cancel demo --reason 'put off'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReservationsArguments {
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
    /// Keeps room free for a tenant from some time on
    Add(AddArguments),
    /// Gives a reservation up; leases live on
    Cancel(CancelArguments),
}

#[derive(Debug, Args)]
struct AddArguments {
    /// Its name
    reservation: String,
    /// For whom
    #[arg(long, value_parser = values::tenant)]
    tenant: TenantId,
    /// From which log time on, in milliseconds
    #[arg(long, value_name = "MS")]
    start: i64,
    /// For how long
    #[arg(long = "for", value_name = "SPAN", value_parser = values::duration)]
    length: DurationMs,
    /// GPUs per replica, 0 for CPU only
    #[arg(long)]
    gpus: i64,
    /// How many replicas
    #[arg(long, default_value_t = 1)]
    replicas: i64,
    /// Milli of each GPU: less than 1000 is a slice [default: 1000]
    #[arg(long, value_name = "MILLI")]
    gpu_milli: Option<i64>,
    /// Acceptable GPU models, preferred first [default: any]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// CPU per replica; without it, its requests take what is left beside it
    #[arg(long, default_value_t = 0)]
    cpu_milli: i64,
    /// Memory per replica; without it, its requests take what is left beside it
    #[arg(long, default_value_t = 0)]
    memory_mib: i64,
    /// Where replicas have to be near each other
    #[arg(long, value_enum, default_value_t = Near::None)]
    topology: Near,
    /// Why; it stands in the decision
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    id: IdArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Near {
    /// No wish
    None,
    /// All on one node
    SameNode,
    /// All in one topology group
    SameGroup,
}

#[derive(Debug, Args)]
struct CancelArguments {
    /// Which one
    reservation: String,
    /// Why; it stands in the decision
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    id: IdArguments,
}

pub(super) fn run(arguments: &ReservationsArguments) -> Result<u8> {
    let ReservationsArguments { pool, act, read } = arguments;
    let Some(act) = act else { return show(arguments) };
    let (Act::Add(AddArguments { id, .. }) | Act::Cancel(CancelArguments { id, .. })) = act;
    let sending = Sending { pool: pool.as_ref(), id, service: read.to_send()? };
    match act {
        Act::Add(add) => send(&sending, "Reserve", |_, _| Ok(add.payload())),
        Act::Cancel(cancel) => send(&sending, "CancelReservation", |_, _| {
            Ok(json!({"reservation": cancel.reservation, "reason": cancel.reason}))
        }),
    }
}

impl AddArguments {
    fn payload(&self) -> Value {
        let topology = match self.topology {
            Near::None => "none",
            Near::SameNode => "same_node",
            Near::SameGroup => "same_group",
        };
        json!({
            "reservation": self.reservation, "tenant": self.tenant, "start_ms": self.start,
            "duration_ms": self.length, "gpu_models": self.models, "replicas": self.replicas,
            "gpu_count": self.gpus, "gpu_milli": self.gpu_milli, "cpu_milli": self.cpu_milli,
            "memory_mib": self.memory_mib, "topology": topology, "reason": self.reason
        })
    }
}

fn show(arguments: &ReservationsArguments) -> Result<u8> {
    let ReservationsArguments { pool, read, .. } = arguments;
    let source = read.open()?;
    let pool = source.pool(pool.as_ref())?;
    let question = Question::of_pool(&pool.0, &["reservations"]);
    let answer = source.ask(question, |stored| {
        ReservationsReport::of(&stored.folded.state, &pool, &Viewer::Everything)
    })?;
    answer.show(read.service.output, ReservationsReport::text)?;
    source.end()
}
