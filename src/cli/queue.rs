//! `conclave queue`.

use super::connection::ReadArguments;
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::estimate::Estimates;
use crate::report::queue::QueueReport;
use crate::report::viewer::Viewer;
use clap::Args;
use conclave_core::units::PoolId;

/// Rows that fit a screen.
const ROWS_DEFAULT: usize = 20;

const EXAMPLES: &str = "Examples:
  conclave queue
  conclave queue lab --limit 100
  conclave queue lab --output json | jq '.queue[0].sentence'
  conclave queue lab --data data/demo --at 1200";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QueueArguments {
    /// Whose queue [default: the only pool's]
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    /// How many of those who wait are shown, first come first
    #[arg(long, value_name = "ROWS", default_value_t = ROWS_DEFAULT)]
    limit: usize,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &QueueArguments) -> Result<u8> {
    let QueueArguments { pool, limit, read } = arguments;
    let source = read.open()?;
    let pool = source.pool(pool.as_ref())?;
    let question = Question::of_pool(&pool.0, &["queue"]).with("limit", Some(limit));
    let answer = source.ask(question, |stored| {
        let state = &stored.folded.state;
        let report = QueueReport::of(state, &pool, &Viewer::Everything, *limit)?;
        Ok(report.estimated(&Estimates::of_log(&stored.log, state.covered)?, &pool))
    })?;
    answer.show(read.service.output, QueueReport::text)?;
    source.end()
}
