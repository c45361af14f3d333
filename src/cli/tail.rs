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
  conclave tail --from 1000 --count 10 --output json | jq .outcome
  conclave tail --data data/demo --from 0 --request train-1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TailArguments {
    /// First decision to show [default: the next one that is made]
    #[arg(long, value_name = "OFFSET", value_parser = values::offset)]
    from: Option<Offset>,
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
    let from = match arguments.from {
        Some(from) => from.0,
        None => next_decision(&source)?,
    };
    let mut tail = Tail { arguments, next: from, shown: 0 };
    match source {
        Source::Service(client, _) => tail.follow_service(&client)?,
        Source::Log(stored) => tail.follow_log(*stored)?,
    }
    Ok(0)
}

fn next_decision(source: &Source) -> Result<i64> {
    let status = source.ask(Question::of(&["v1", "status"]), |stored| {
        let folded = &stored.folded;
        Ok(StatusReport::of(&folded.state, folded.head, &Viewer::Everything))
    })?;
    Ok(status.report.as_of.offset + 1)
}

/// Where a tail is.
struct Tail<'a> {
    arguments: &'a TailArguments,
    next: i64,
    shown: u64,
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
                Err(error) if failures >= ATTEMPTS_MAX || self.next == 0 => return Err(error),
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
        let mut decisions = client.decisions_from(self.next)?;
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
