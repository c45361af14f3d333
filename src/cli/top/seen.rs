//! What one look at a service or a log finds.

use crate::cli::connection::Source;
use crate::cli::decided::Decided;
use crate::client::Question;
use crate::error::{Error, Result};
use crate::report::queue::QueueReport;
use crate::report::status::{AsOf, StatusReport};
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
    /// The last decisions of its partition in a line each, newest first.
    pub(super) decisions: Vec<String>,
    /// The partition that they are of, when there are several.
    pub(super) partition: Option<i64>,
}

impl Seen {
    pub(super) fn look(source: &Source, chosen: usize) -> Result<Self> {
        let status = source.ask(Question::of(&["v1", "status"]), |stored| {
            let folded = &stored.folded;
            Ok(StatusReport::of(&folded.state, folded.head, &Viewer::Everything))
        })?;
        let status = status.report;
        let chosen = chosen.min(status.pools.len().saturating_sub(1));
        let queue = match status.pools.get(chosen) {
            Some(pool) => Some(queue(source, &PoolId::from(pool.pool.as_str()))?),
            None => None,
        };
        let moment = queue.as_ref().map_or(status.as_of, |queue| queue.as_of);
        let partition = (!status.partitions.is_empty()).then_some(moment.partition);
        let decisions = decisions(source, moment)?;
        Ok(Self { status, chosen, queue, decisions, partition })
    }
}

fn queue(source: &Source, pool: &PoolId) -> Result<QueueReport> {
    let question = Question::of_pool(&pool.0, &["queue"]).with("limit", Some(QUEUE_ROWS));
    let answer = source.ask(question, |stored| {
        QueueReport::of(&stored.folded.state, pool, &Viewer::Everything, QUEUE_ROWS)
    })?;
    Ok(answer.report)
}

/// The last decisions at `moment`, of its partition: no other one's offsets mean the same.
fn decisions(source: &Source, moment: AsOf) -> Result<Vec<String>> {
    let AsOf { offset: last, partition, .. } = moment;
    let from = (last + 1 - DECISIONS).max(0);
    let found = match source {
        Source::Log(stored) => stored.decisions(Offset(from))?,
        Source::Service(client, _) => {
            let question = Question::of(&["v1", "decisions"]);
            let question = question.with("from", Some(from)).with("limit", Some(DECISIONS));
            let question = question.with("partition", (partition > 0).then_some(partition));
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
