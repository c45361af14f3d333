//! `conclave tail`: decisions as they are made.

use super::Output;
use super::connection::{ReadArguments, Source, Stored, show};
use super::decided::Decided;
use super::page::say;
use super::values;
use crate::client::{Client, Question};
use crate::error::{Error, ErrorKind, Result};
use crate::report::status::StatusReport;
use crate::report::viewer::Viewer;
use clap::Args;
use conclave_core::partition::home_partition;
use conclave_core::units::{Offset, PoolId, RequestId, TenantId};
use std::time::Duration;

/// Between two looks at a log.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A stream that breaks is taken up again, at most so often without a decision in between.
const ATTEMPTS_MAX: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "Examples:
  conclave tail
  conclave tail --from 0 --pool lab
  conclave tail --partition 3
  conclave tail --from 1000 --count 10 --output json | jq .outcome
  conclave tail --data data/demo --from 0 --request train-1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TailArguments {
    /// First decision to show [default: the next one that is made]
    #[arg(long, value_name = "OFFSET", value_parser = values::offset)]
    from: Option<Offset>,
    /// Of this partition [default: the pool's, or the first]
    #[arg(long, value_name = "NUMBER", value_parser = values::partition)]
    partition: Option<i64>,
    /// Only decisions about this pool
    #[arg(long, value_parser = values::pool)]
    pool: Option<PoolId>,
    /// Only decisions on behalf of this tenant
    #[arg(long, value_parser = values::tenant)]
    tenant: Option<TenantId>,
    /// Only decisions about this request
    #[arg(long, value_parser = values::request)]
    request: Option<RequestId>,
    /// End after so many
    #[arg(long, value_name = "DECISIONS")]
    count: Option<u64>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &TailArguments) -> Result<u8> {
    let source = arguments.read.open()?;
    source.check_partition(arguments.partition)?;
    let partition = match (arguments.partition, &arguments.pool) {
        (None, Some(pool)) => home(&source, pool)?,
        (named, _) => named,
    };
    let from = match arguments.from {
        Some(from) => from.0,
        None => status(&source, partition.or(Some(0)))?.as_of.offset + 1,
    };
    let mut tail = Tail { arguments, partition, next: from, shown: 0, is_known: false };
    match source {
        Source::Service(client, _) => tail.follow_service(&client)?,
        Source::Log(stored) => tail.follow_log(*stored)?,
    }
    Ok(0)
}

/// The partition where a pool lives; none when there is only one partition.
fn home(source: &Source, pool: &PoolId) -> Result<Option<i64>> {
    let count = status(source, None)?.partitions.len();
    let count = i64::try_from(count).expect("a list is shorter than 2^63");
    Ok((count > 1).then(|| home_partition(pool, count)))
}

fn status(source: &Source, partition: Option<i64>) -> Result<StatusReport> {
    let question = Question::of(&["v1", "status"]).with("partition", partition);
    let answer = source.ask(question, |stored| {
        let folded = &stored.folded;
        Ok(StatusReport::of(&folded.state, folded.head, &Viewer::Everything))
    })?;
    Ok(answer.report)
}

/// Where a tail is.
struct Tail<'a> {
    arguments: &'a TailArguments,
    partition: Option<i64>,
    next: i64,
    shown: u64,
    /// Whether the service has answered before.
    is_known: bool,
}

impl Tail<'_> {
    fn is_done(&self) -> bool {
        self.arguments.count.is_some_and(|count| self.shown >= count)
    }

    fn follow_service(&mut self, client: &Client) -> Result<()> {
        let mut failures = 0;
        while !self.is_done() {
            let next = self.next;
            let ended = self.follow_stream(client);
            failures = if self.next > next { 1 } else { failures + 1 };
            match ended {
                Err(error) if error.kind != ErrorKind::Unavailable => return Err(error),
                Err(error) if failures >= ATTEMPTS_MAX || !self.is_known => return Err(error),
                Err(error) => say(&format!("{error}: trying again from {}", self.next)),
                Ok(()) if failures >= ATTEMPTS_MAX => {
                    let address = client.address();
                    return Err(Error::unavailable(format!("{address} closes the stream")));
                }
                Ok(()) => {}
            }
            if !self.is_done() {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn follow_stream(&mut self, client: &Client) -> Result<()> {
        let mut decisions = client.decisions_of(self.partition, self.next)?;
        self.is_known = true;
        while !self.is_done() {
            let Some(json) = decisions.next_decision()? else { return Ok(()) };
            self.show(&json)?;
        }
        Ok(())
    }

    fn follow_log(&mut self, mut stored: Stored) -> Result<()> {
        loop {
            for json in stored.decisions(Offset(self.next))? {
                if self.is_done() {
                    break;
                }
                self.show(&json.to_string())?;
            }
            if self.is_done() {
                return Ok(());
            }
            if let Some(damage) = stored.log.damage() {
                return Err(crate::fold::with_advice(Error::corrupt(damage.to_string())));
            }
            if !stored.has_more(Offset(self.next))? {
                std::thread::sleep(LOOK_EVERY);
                stored.log.refresh()?;
            }
        }
    }

    fn show(&mut self, json: &str) -> Result<()> {
        let decided = Decided::read(json)?;
        self.next = decided.offset().map_or(self.next, |offset| offset + 1);
        if !self.is_wanted(&decided) {
            return Ok(());
        }
        self.shown += 1;
        match self.arguments.read.service.output {
            Output::Json => show(json),
            Output::Text => show(&decided.lines().join("\n")),
        }
    }

    fn is_wanted(&self, decided: &Decided) -> bool {
        let TailArguments { pool, tenant, request, .. } = self.arguments;
        pool.as_ref().is_none_or(|pool| *pool.0 == *decided.text("pool"))
            && tenant.as_ref().is_none_or(|tenant| *tenant.0 == *decided.text("tenant"))
            && request.as_ref().is_none_or(|request| *request.0 == *decided.text("request"))
    }
}
