//! `conclave requests`.

use super::connection::{ReadArguments, Source};
use super::values;
use crate::client::Question;
use crate::error::{Error, Result};
use crate::report::requests::{RequestReport, RequestsReport, StageName};
use crate::report::viewer::Viewer;
use clap::Args;
use conclave_core::units::{PoolId, RequestId};

const ROWS_DEFAULT: usize = 100;

const EXAMPLES: &str = "Examples:
  conclave requests
  conclave requests lab --stage waiting
  conclave requests lab --request train-1
  conclave requests lab --request train-1 --output json | jq .request.lease.fencing";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RequestsArguments {
    /// Whose requests [default: the only pool's]
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    /// Only those of this stage
    #[arg(long, value_enum)]
    stage: Option<StageName>,
    /// Only this one, with all that is known of it
    #[arg(long, value_name = "NAME", conflicts_with = "stage", value_parser = values::request)]
    request: Option<RequestId>,
    /// How many are shown, by name
    #[arg(long, value_name = "ROWS", default_value_t = ROWS_DEFAULT)]
    limit: usize,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &RequestsArguments) -> Result<u8> {
    let source = arguments.read.open()?;
    let pool = source.pool(arguments.pool.as_ref())?;
    match &arguments.request {
        Some(request) => one(&source, &pool, request, arguments)?,
        None => all(&source, &pool, arguments)?,
    }
    source.end()
}

fn all(source: &Source, pool: &PoolId, arguments: &RequestsArguments) -> Result<()> {
    let RequestsArguments { stage, limit, read, .. } = arguments;
    let question = Question::of_pool(&pool.0, &["requests"])
        .with("stage", stage.map(StageName::as_str))
        .with("limit", Some(limit));
    let answer = source.ask(question, |stored| {
        RequestsReport::of(&stored.folded.state, pool, &Viewer::Everything, *stage, *limit)
    })?;
    answer.show(read.service.output, RequestsReport::text)
}

fn one(
    source: &Source,
    pool: &PoolId,
    request: &RequestId,
    arguments: &RequestsArguments,
) -> Result<()> {
    let question = Question::of_pool(&pool.0, &["requests", &request.0]);
    let answer = source.ask(question, |stored| {
        let found = RequestReport::of(&stored.folded.state, pool, request, &Viewer::Everything)?;
        found.ok_or_else(|| {
            Error::invalid(format!(
                "no request '{request}' waits or runs in pool {pool}: it may have ended (`conclave \
                 explain {request}` tells), or the name is another one"
            ))
        })
    })?;
    answer.show(arguments.read.service.output, RequestReport::text)
}
