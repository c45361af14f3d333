//! `conclave explain`: why a request waits, or what became of it.

use super::Output;
use super::connection::{ReadArguments, Source, Stored, show};
use super::values;
use crate::client::Question;
use crate::council::Models;
use crate::error::{Error, Result};
use crate::estimate::Estimates;
use crate::explain::{ExplainReport, explain_live, give_reasons, text};
use crate::report::viewer::Viewer;
use clap::Args;
use conclave_core::units::{PoolId, RequestId};
use serde::de::DeserializeOwned;

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
        Source::Log(stored) => {
            let Stored { log, folded, data, .. } = &**stored;
            let all = Viewer::Everything;
            let mut report = explain_live(log, &folded.state, &pool, request, &all)?;
            report.add_estimate(&Estimates::of_log(log, folded.state.covered)?);
            give_reasons(log, &Models::beside(data), &mut report);
            serde_json::to_string(&report)
                .map_err(|error| Error::bug("a report is no JSON").caused_by(error))?
        }
        Source::Service(client, at) => {
            let question = Question::of_pool(&pool.0, &["requests", &request.0, "explain"]);
            client.get(&question.with("at", *at))?
        }
    };
    let report = match read.service.output {
        Output::Json => {
            show(&json)?;
            // Another release may answer with what this one cannot read.
            report_of::<ExplainReport>(&json).ok()
        }
        Output::Text => {
            let report = report_of(&json)?;
            show(&text(&report))?;
            Some(report)
        }
    };
    match report.as_ref().and_then(ExplainReport::corruption) {
        Some(sentence) => Err(Error::corrupt(sentence)),
        None => source.end(),
    }
}

/// A report as the service sent it.
///
/// # Errors
/// `Invalid` when another release answers.
pub(super) fn report_of<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        let message = "the service does not answer as this release does: use its own release of \
                       conclave, or --output json";
        Error::invalid(message).caused_by(error)
    })
}
