//! `conclave status`.

use super::connection::ReadArguments;
use super::values;
use crate::client::Question;
use crate::council::{CouncilSeat, Models};
use crate::error::Result;
use crate::report::awaiting::Awaiting;
use crate::report::pools::PoolReport;
use crate::report::status::StatusReport;
use crate::report::viewer::Viewer;
use clap::Args;
use conclave_core::units::PoolId;

const EXAMPLES: &str = "Examples:
  conclave status
  conclave status lab --output json | jq .policy.wait_bound_ms
  conclave status --data data/demo --at 1200";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArguments {
    /// Only this pool, with its rules
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    /// Only this partition [default: all of them]
    #[arg(long, value_name = "NUMBER", value_parser = values::partition)]
    #[arg(conflicts_with = "pool")]
    partition: Option<i64>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &StatusArguments) -> Result<u8> {
    let StatusArguments { pool, partition, read } = arguments;
    let source = read.open()?;
    source.check_partition(*partition)?;
    let output = read.service.output;
    match pool {
        None => {
            let question = Question::of(&["v1", "status"]).with("partition", *partition);
            let answer = source.ask(question, |stored| {
                let folded = &stored.folded;
                let mut report = StatusReport::of(&folded.state, folded.head, &Viewer::Everything);
                let seat = CouncilSeat::new(Models::beside(&stored.data));
                report.name_members(|model| seat.labels(model));
                if stored.is_at_its_end() {
                    let awaiting = Awaiting::of_log(&stored.log, &stored.folded, &seat)?;
                    report.awaiting = awaiting.into_iter().collect();
                }
                Ok(report)
            })?;
            answer.show(output, StatusReport::text)?;
        }
        Some(pool) => {
            let answer = source.ask(Question::of_pool(&pool.0, &[]), |stored| {
                PoolReport::of(&stored.folded.state, pool, &Viewer::Everything)
            })?;
            answer.show(output, PoolReport::text)?;
        }
    }
    source.end()
}
