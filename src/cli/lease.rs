//! `conclave cancel`, `release`, `renew` and `shrink`: what a request's owner does with it.

use super::connection::ServiceArguments;
use super::send::{IdArguments, Sending, fencing, send};
use super::values;
use crate::error::Result;
use clap::{Args, ValueEnum};
use conclave_core::command::WorkOutcome;
use conclave_core::units::{DurationMs, PoolId, RequestId};
use serde_json::json;

const CANCEL_EXAMPLES: &str = "Examples:
  conclave cancel train-1 --reason 'wrong data set'
  conclave cancel train-1 --pool lab --server http://gpus:7070";

const RELEASE_EXAMPLES: &str = "Examples:
  conclave release train-1
  conclave release train-1 --outcome succeeded --utilisation-bp 8700
  conclave release train-1 --fencing 1042   # only if nobody changed the lease since";

const RENEW_EXAMPLES: &str = "Examples:
  conclave renew train-1 --for 2h
  conclave renew train-1 --for 90m --fencing 1042 --output json | jq .offset";

const SHRINK_EXAMPLES: &str = "Examples:
  conclave shrink train-1 --replicas 2";

/// Which request, and how it is sent.
#[derive(Debug, Args)]
struct About {
    /// Which request
    #[arg(value_parser = values::request)]
    request: RequestId,
    /// Its pool [default: the only one]
    #[arg(long, value_parser = values::pool)]
    pool: Option<PoolId>,
    #[command(flatten)]
    id: IdArguments,
    #[command(flatten)]
    service: ServiceArguments,
}

impl About {
    fn sending(&self) -> Sending<'_> {
        Sending { pool: self.pool.as_ref(), id: &self.id, service: &self.service }
    }
}

#[derive(Debug, Args)]
#[command(after_help = CANCEL_EXAMPLES)]
pub(super) struct CancelArguments {
    #[command(flatten)]
    about: About,
    /// Why, for people
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
#[command(after_help = RELEASE_EXAMPLES)]
pub(super) struct ReleaseArguments {
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    lease: LeaseArguments,
    /// How the work ended
    #[arg(long, value_enum, default_value_t)]
    outcome: OutcomeName,
    /// Mean GPU utilisation in hundredths of a percent
    #[arg(long, value_name = "0..10000")]
    utilisation_bp: Option<i64>,
}

#[derive(Debug, Args)]
#[command(after_help = RENEW_EXAMPLES)]
pub(super) struct RenewArguments {
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    lease: LeaseArguments,
    /// How long from now, such as 2h or 90m
    #[arg(long = "for", value_name = "SPAN", value_parser = values::duration)]
    extend: DurationMs,
}

#[derive(Debug, Args)]
#[command(after_help = SHRINK_EXAMPLES)]
pub(super) struct ShrinkArguments {
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    lease: LeaseArguments,
    /// How many replicas to keep
    #[arg(long)]
    replicas: i64,
}

#[derive(Debug, Args)]
struct LeaseArguments {
    /// The lease's fencing number [default: as it is now]
    #[arg(long, value_name = "OFFSET")]
    fencing: Option<i64>,
}

/// How work ended, as people type it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OutcomeName {
    /// Not said
    #[default]
    Unknown,
    /// It did what it should
    Succeeded,
    /// It broke
    Failed,
    /// Somebody stopped it
    Stopped,
}

impl From<OutcomeName> for WorkOutcome {
    fn from(name: OutcomeName) -> Self {
        match name {
            OutcomeName::Unknown => Self::Unknown,
            OutcomeName::Succeeded => Self::Succeeded,
            OutcomeName::Failed => Self::Failed,
            OutcomeName::Stopped => Self::Stopped,
        }
    }
}

pub(super) fn cancel(arguments: &CancelArguments) -> Result<u8> {
    let CancelArguments { about, reason } = arguments;
    send(&about.sending(), "CancelRequest", |_, _| {
        Ok(json!({"request": about.request, "reason": reason}))
    })
}

pub(super) fn release(arguments: &ReleaseArguments) -> Result<u8> {
    let ReleaseArguments { about, lease, outcome, utilisation_bp } = arguments;
    let outcome = WorkOutcome::from(*outcome);
    send(&about.sending(), "ReleaseLease", |client, pool| {
        let fencing = fencing(client, pool, &about.request.0, lease.fencing)?;
        Ok(json!({"request": about.request, "fencing": fencing, "outcome": outcome,
                  "utilisation_bp": utilisation_bp}))
    })
}

pub(super) fn renew(arguments: &RenewArguments) -> Result<u8> {
    let RenewArguments { about, lease, extend } = arguments;
    send(&about.sending(), "RenewLease", |client, pool| {
        let fencing = fencing(client, pool, &about.request.0, lease.fencing)?;
        Ok(json!({"request": about.request, "fencing": fencing, "extend_ms": extend}))
    })
}

pub(super) fn shrink(arguments: &ShrinkArguments) -> Result<u8> {
    let ShrinkArguments { about, lease, replicas } = arguments;
    send(&about.sending(), "ShrinkLease", |client, pool| {
        let fencing = fencing(client, pool, &about.request.0, lease.fencing)?;
        Ok(json!({"request": about.request, "fencing": fencing, "replicas": replicas}))
    })
}
