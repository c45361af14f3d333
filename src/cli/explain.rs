//! `conclave explain`: why a request waits, or what became of it.

use super::Output;
use super::connection::{ReadArguments, Source, Stored, show};
use super::values;
use crate::client::Question;
use crate::error::{Error, Result};
use clap::Args;
use conclave_core::units::{PoolId, RequestId};
use serde_json::Value;

const EXAMPLES: &str = "Examples:
  conclave explain train-1
  conclave explain train-1 --pool lab --at 1200
  conclave explain train-1 --output json | jq .blocked_by";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArguments {
    /// Which request
    #[arg(value_parser = values::request)]
    request: RequestId,
    /// Its pool [default: the only one]
    #[arg(long, value_parser = values::pool)]
    pool: Option<PoolId>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<u8> {
    let ExplainArguments { request, pool, read } = arguments;
    let source = read.open()?;
    let pool = source.pool(pool.as_ref())?;
    let json = match &source {
        Source::Log(stored) => explain(stored, &pool, request)?.to_string(),
        Source::Service(client, at) => {
            let question = Question::of_pool(&pool.0, &["requests", &request.0, "explain"]);
            client.get(&question.with("at", *at))?
        }
    };
    match read.service.output {
        Output::Json => show(&json)?,
        Output::Text => show(&text_of(&json)?)?,
    }
    source.end()
}

/// The explanation that the log gives.
fn explain(stored: &Stored, pool: &PoolId, request: &RequestId) -> Result<Value> {
    let _ = (stored, pool);
    Err(Error::invalid(format!(
        "a service explains requests: ask one with --server URL, or the log itself with `replay why \
         --request {request} --log DIR`"
    )))
}

/// An answer for people.
pub(super) fn text_of(json: &str) -> Result<String> {
    let wrong = |error| Error::invalid("the service sends no JSON").caused_by(error);
    let value: Value = serde_json::from_str(json).map_err(wrong)?;
    serde_json::to_string_pretty(&value)
        .map_err(|error| Error::bug("JSON is no JSON").caused_by(error))
}
