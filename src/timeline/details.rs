//! The decisions behind a timeline, as JSON lines for a page that has no service to ask.

use super::data::Timeline;
use super::{Options, began_at, for_each_record};
use crate::council::Models;
use crate::error::{Error, Result};
use crate::explain::brief::{Brief, RecordedVote, briefs};
use crate::log::LogReader;
use crate::report::decision::DecisionJson;
use crate::report::event::Subject;
use crate::wire::decode_decision;
use conclave_core::decision::Decision;
use conclave_core::units::Offset;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};

/// Fields of a decision that prove it and say nothing of what happened: the page leaves them out,
/// and `replay` shows them.
const LEFT_OUT: &[&str] = &[
    "decide_version",
    "partition",
    "covered_before",
    "round_index",
    "round_count",
    "id_hash",
    "payload_hash",
    "input_hash",
    "prev_hash",
];

/// The newest decisions that touch requests of a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// One JSON object each, in order.
    pub lines: VecDeque<String>,
    /// Older ones that there was no room for.
    pub left_out: u64,
    /// The newest votes of networks on the requests, with each member's first reason: one JSON
    /// object each, in order, once they are explained.
    pub votes: Vec<String>,
    /// Arguments by which `replay` finds the log, each after a space: the page names them where it
    /// leaves a decision out.
    pub source: String,
    recorded_votes: VecDeque<RecordedVote>,
}

impl Details {
    /// The decisions that touch the requests of `timeline`, which `options` gave.
    ///
    /// # Errors
    /// When the log cannot be read, or is not what was written.
    pub fn of(log: &dyn LogReader, timeline: &Timeline, options: &Options) -> Result<Self> {
        let began_at = began_at(log)?;
        let shown: BTreeSet<&str> =
            timeline.requests.name.iter().map(|name| timeline.name(*name)).collect();
        let (mut details, mut bytes) = (Self::default(), 0);
        for_each_record(log, options.from, Offset(timeline.until), |record| {
            let decision = decode_decision(&record.body)?;
            if !touches(&decision, options, &shown) {
                return Ok(());
            }
            details.note_votes(&decision, options, &shown);
            let line = line(&DecisionJson::of(record.hash, &decision, began_at))?;
            bytes += line.len();
            details.lines.push_back(line);
            while bytes > options.details_bytes_max {
                let Some(oldest) = details.lines.pop_front() else { break };
                bytes -= oldest.len();
                details.left_out += 1;
            }
            Ok(())
        })?;
        Ok(details)
    }

    fn note_votes(&mut self, decision: &Decision, options: &Options, shown: &BTreeSet<&str>) {
        let is_shown = |vote: &RecordedVote| {
            let voted = vote.voted();
            options.shows(&voted.pool) && shown.contains(&*voted.request.0)
        };
        self.recorded_votes.extend(RecordedVote::all_of(decision).filter(is_shown));
        let beyond = self.recorded_votes.len().saturating_sub(options.votes_max);
        self.recorded_votes.drain(..beyond);
    }

    /// Computes the votes again, with the councils of `models`.
    ///
    /// # Errors
    /// When the log cannot be folded.
    pub fn explain_votes(&mut self, log: &dyn LogReader, models: &Models) -> Result<()> {
        let recorded = self.recorded_votes.make_contiguous();
        let bug = |error| Error::bug("a vote is no JSON").caused_by(error);
        let json = |vote: &Brief| serde_json::to_string(vote).map_err(bug);
        self.votes = briefs(log, models, recorded)?.iter().map(json).collect::<Result<_>>()?;
        Ok(())
    }
}

fn touches(decision: &Decision, options: &Options, shown: &BTreeSet<&str>) -> bool {
    let is_shown = |request: &str| shown.contains(request);
    let mut subjects = decision.events.iter().map(Subject::of);
    let is_touched = subjects.any(|of| {
        of.pool.is_some_and(|pool| options.shows(pool))
            && of.request.is_some_and(|request| is_shown(&request.0))
    });
    is_touched || (options.shows(&decision.pool) && is_shown(&decision.request.0))
}

fn line(decision: &DecisionJson<'_>) -> Result<String> {
    let bug = |error| Error::bug("a decision is no JSON").caused_by(error);
    let mut value = serde_json::to_value(decision).map_err(bug)?;
    leave_out_nulls(&mut value);
    if let Value::Object(fields) = &mut value {
        for field in LEFT_OUT {
            fields.remove(*field);
        }
    }
    serde_json::to_string(&value).map_err(bug)
}

fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Timeline {
    /// The text at a place of `names`.
    fn name(&self, place: u32) -> &str {
        &self.names[place as usize]
    }
}
