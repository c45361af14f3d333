//! `conclave override` and `appeal`: when people disagree with a verdict.

use super::connection::ServiceArguments;
use super::input::read;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::error::{Error, Result};
use clap::{Args, ValueEnum};
use conclave_core::units::{PoolId, RequestId};
use serde_json::{Value, json};

const OVERRIDE_EXAMPLES: &str = "Examples:
  conclave override train-1 approve --reason 'the deadline of the paper is tomorrow'
  conclave override train-1 end --reason 'it mines coins'
  conclave override train-1 approve --ask train-1.json --reason 'denied by mistake'";

const APPEAL_EXAMPLES: &str = "Examples:
  conclave appeal train-1 --reason 'the priority was a slip, see the ticket'
  conclave appeal train-1 --ask train-1.json --reason 'half of the GPUs are enough'";

#[derive(Debug, Args)]
#[command(after_help = OVERRIDE_EXAMPLES)]
pub(super) struct OverrideArguments {
    /// Which request
    #[arg(value_parser = values::request)]
    request: RequestId,
    /// What is done with it
    #[arg(value_enum)]
    action: ActionName,
    #[command(flatten)]
    plea: Plea,
}

/// What an operator does, as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActionName {
    /// It joins the queue, whatever the council says; hard rules stay
    Approve,
    /// It ends: its waiting, or its lease
    End,
}

#[derive(Debug, Args)]
#[command(after_help = APPEAL_EXAMPLES)]
pub(super) struct AppealArguments {
    /// Which request: one that was put off, or denied
    #[arg(value_parser = values::request)]
    request: RequestId,
    #[command(flatten)]
    plea: Plea,
}

/// Why, and how it is sent.
#[derive(Debug, Args)]
struct Plea {
    /// Why; it stands in the decision
    #[arg(long)]
    reason: String,
    /// For a request that was denied: file with what it asks for, as in `RequestAllocation`
    #[arg(long, value_name = "FILE")]
    ask: Option<String>,
    /// Its pool [default: the only one]
    #[arg(long, value_parser = values::pool)]
    pool: Option<PoolId>,
    #[command(flatten)]
    id: IdArguments,
    #[command(flatten)]
    service: ServiceArguments,
}

pub(super) fn decide(arguments: &OverrideArguments) -> Result<u8> {
    let OverrideArguments { request, action, plea } = arguments;
    let action = match action {
        ActionName::Approve => "approve",
        ActionName::End => "end",
    };
    plea.send("OverrideDecision", json!({"request": request, "action": action}))
}

pub(super) fn appeal(arguments: &AppealArguments) -> Result<u8> {
    let AppealArguments { request, plea } = arguments;
    plea.send("Appeal", json!({"request": request}))
}

impl Plea {
    fn send(&self, kind: &str, mut fields: Value) -> Result<u8> {
        fields["reason"] = self.reason.as_str().into();
        if let Some(file) = &self.ask {
            fields["ask"] = serde_json::from_slice(&read(file)?).map_err(|error| {
                Error::invalid(format!("{file} is no JSON object of a request")).caused_by(error)
            })?;
        }
        let sending = Sending { pool: self.pool.as_ref(), id: &self.id, service: &self.service };
        send(&sending, kind, |_, _| Ok(fields))
    }
}
