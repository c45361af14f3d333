//! What one look at a service or a log finds.

use crate::cli::connection::{ReadArguments, Source};
use crate::cli::decided::Decided;
use crate::client::Question;
use crate::error::{Error, Result};
use crate::report::queue::QueueReport;
use crate::report::status::StatusReport;
use crate::report::viewer::Viewer;
use conclave_core::units::{Offset, PoolId};
use serde_json::Value;

/// Rows of the queue, and decisions, that a screen could have room for.
const QUEUE_ROWS: usize = 50;
const DECISIONS: i64 = 50;

/// What a frame shows.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: StatusReport,
    /// Place of the chosen pool among the pools.
    pub(super) chosen: usize,
    /// Its queue; none when there are no pools.
    pub(super) queue: Option<QueueReport>,
    /// The last decisions in a line each, newest first.
    pub(super) decisions: Vec<String>,
}

impl Seen {
    pub(super) fn look(read: &ReadArguments, chosen: usize) -> Result<Self> {
        let source = read.open()?;
        let status = source.ask(Question::of(&["v1", "status"]), |stored| {
            let folded = &stored.folded;
            Ok(StatusReport::of(&folded.state, folded.head, &Viewer::Everything))
        })?;
        let status = status.report;
        let chosen = chosen.min(status.pools.len().saturating_sub(1));
        let queue = match status.pools.get(chosen) {
            Some(pool) => Some(queue(&source, &PoolId::from(pool.pool.as_str()))?),
            None => None,
        };
        let decisions = decisions(&source, status.as_of.offset)?;
        Ok(Self { status, chosen, queue, decisions })
    }
}

fn queue(source: &Source, pool: &PoolId) -> Result<QueueReport> {
    let question = Question::of_pool(&pool.0, &["queue"]).with("limit", Some(QUEUE_ROWS));
    let answer = source.ask(question, |stored| {
        QueueReport::of(&stored.folded.state, pool, &Viewer::Everything, QUEUE_ROWS)
    })?;
    Ok(answer.report)
}

fn decisions(source: &Source, last: i64) -> Result<Vec<String>> {
    let from = (last + 1 - DECISIONS).max(0);
    let found = match source {
        Source::Log(stored) => stored.decisions(Offset(from))?,
        Source::Service(client, _) => {
            let question = Question::of(&["v1", "decisions"]);
            let question = question.with("from", Some(from)).with("limit", Some(DECISIONS));
            let answer: Value = serde_json::from_str(&client.get(&question)?)
                .map_err(|error| Error::invalid("the service sends no JSON").caused_by(error))?;
            answer["decisions"].as_array().cloned().unwrap_or_default()
        }
    };
    let shown = found.into_iter().map(Decided::of);
    let shown = shown.filter(|decided| decided.offset().is_some_and(|offset| offset <= last));
    let mut lines: Vec<String> = shown.map(|decided| decided.line()).collect();
    lines.reverse();
    Ok(lines)
}
