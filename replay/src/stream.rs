//! Decisions one by one, of one partition or of several in the order of their times.

use crate::view::View;
use conclave::cli::page::say;
use conclave::error::{Error, Result};
use conclave::fold::FOLD_BYTES_MAX;
use conclave::log::kafka::{Fate, Uncommitted};
use conclave::log::{DecisionRecord, LogReader as _};
use conclave::wire::decode_decision;
use conclave_core::decision::Decision;
use conclave_core::units::{Hash32, Offset};
use std::collections::VecDeque;

/// What is shown.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: Offset,
    /// None for the end of the log.
    pub(crate) until: Option<Offset>,
}

/// A decision, or what looks like one.
pub(crate) struct Shown {
    pub(crate) hash: Hash32,
    pub(crate) decision: Decision,
    pub(crate) fate: Fate,
}

/// The decisions of one partition.
pub(crate) struct Stream<'v> {
    pub(crate) view: &'v View,
    range: Range,
    /// Last decision to show; those that transactions left undone may be beyond it.
    last: Offset,
    next: Offset,
    /// What stands in the topic besides decisions, when that is asked for.
    uncommitted: Option<Uncommitted>,
    held: VecDeque<(Fate, Result<DecisionRecord>)>,
    /// The one decoded already.
    front: Option<Shown>,
    /// The decision shown last.
    before: Option<Offset>,
}

impl<'v> Stream<'v> {
    pub(crate) fn of(view: &'v View, range: Range, with_uncommitted: bool) -> Result<Self> {
        let end = Offset(view.ends.decisions_next.0 - 1);
        let partition = view.log.partition();
        let open = || view.place.open_uncommitted(partition);
        Ok(Self {
            view,
            range,
            last: range.until.map_or(end, |until| until.min(end)),
            next: range.from,
            uncommitted: with_uncommitted.then(open).transpose()?,
            held: VecDeque::new(),
            front: None,
            before: None,
        })
    }

    /// The next one, which stays the next one until it is taken.
    fn peek(&mut self) -> Result<Option<&Shown>> {
        while self.front.is_none() {
            if self.held.is_empty() {
                self.fill()?;
            }
            let Some((fate, record)) = self.held.pop_front() else { return Ok(None) };
            self.front = self.decoded(fate, record)?;
        }
        Ok(self.front.as_ref())
    }

    /// None when it is no decision and need not be one.
    fn decoded(&mut self, fate: Fate, record: Result<DecisionRecord>) -> Result<Option<Shown>> {
        let decoded = record.and_then(|record| {
            let (hash, decision) = (record.hash, decode_decision(&record.body)?);
            Ok(Shown { hash, decision, fate })
        });
        match (decoded, fate) {
            (Ok(shown), Fate::Committed) => {
                self.check_follows(&shown.decision).map(|()| Some(shown))
            }
            (Ok(shown), Fate::Aborted | Fate::Open) => Ok(Some(shown)),
            (Err(error), Fate::Committed) => Err(error),
            (Err(error), Fate::Aborted | Fate::Open) => {
                let (name, fate) = (self.view.place.name(self.view.log.partition()), fate.as_str());
                say(&format!("{name}: an {fate} record is no decision: {error}"));
                Ok(None)
            }
        }
    }

    /// A hole in Kafka's offsets is no gap between decisions: each names the one before it.
    fn check_follows(&mut self, decision: &Decision) -> Result<()> {
        let before = self.before.replace(decision.offset);
        let is_gap = before.is_some_and(|before| decision.covered_before > before);
        if !is_gap || !self.view.is_from_topics() {
            return Ok(());
        }
        let (at, missing) = (decision.offset, decision.covered_before);
        Err(Error::corrupt(format!("decision {missing}, which {at} follows, is not in the topic")))
    }

    fn fill(&mut self) -> Result<()> {
        match &mut self.uncommitted {
            Some(_) => self.fill_with_everything(),
            None => self.fill_with_decisions(),
        }
    }

    fn fill_with_decisions(&mut self) -> Result<()> {
        if self.next > self.last {
            return Ok(());
        }
        let records = self.view.log.decisions(self.next, FOLD_BYTES_MAX)?;
        let Some(last) = records.iter().map(|record| record.offset).max() else {
            return Err(Error::corrupt(format!("there is no decision {}", self.next)));
        };
        self.next = self.next.max(Offset(last.0 + 1));
        let shown = records.into_iter().filter(|record| record.offset <= self.last);
        self.held.extend(shown.map(|record| (Fate::Committed, Ok(record))));
        Ok(())
    }

    /// Reads the topic as it stands, from its beginning: what was aborted has no place of its own.
    fn fill_with_everything(&mut self) -> Result<()> {
        while self.held.is_empty() {
            let Some(topic) = &mut self.uncommitted else { return Ok(()) };
            let records = topic.read(FOLD_BYTES_MAX)?;
            if records.is_empty() {
                return Ok(());
            }
            for (fate, record) in records {
                let offset = record.as_ref().ok().map(|record| record.offset);
                if self.is_in_range(fate, offset) {
                    self.held.push_back((fate, record));
                }
            }
        }
        Ok(())
    }

    /// Without an offset, it is what it stands beside.
    fn is_in_range(&mut self, fate: Fate, offset: Option<Offset>) -> bool {
        let last = match fate {
            Fate::Committed => Some(self.last),
            // What was about to come next may lie beyond the end of the log.
            Fate::Aborted | Fate::Open => self.range.until,
        };
        let Some(offset) = offset else { return self.next > self.range.from };
        if fate == Fate::Committed && offset >= self.range.from {
            self.next = Offset(offset.0 + 1);
        }
        offset >= self.range.from && last.is_none_or(|last| offset <= last)
    }
}

/// The decisions of several partitions, by log time; those of the same time by partition.
pub(crate) struct Merged<'v>(Vec<Stream<'v>>);

impl<'v> Merged<'v> {
    pub(crate) fn new(streams: Vec<Stream<'v>>) -> Self {
        Self(streams)
    }

    /// The next decision, and where it is from.
    ///
    /// # Errors
    /// What a partition cannot be read for, with what to do.
    pub(crate) fn next(&mut self) -> Result<Option<(&'v View, Shown)>> {
        let mut first = None;
        for (index, stream) in self.0.iter_mut().enumerate() {
            let view = stream.view;
            let Some(shown) = stream.peek().map_err(|error| view.explain(error))? else { continue };
            let time_ms = shown.decision.time_ms;
            if first.is_none_or(|(earliest, _)| time_ms < earliest) {
                first = Some((time_ms, index));
            }
        }
        let Some((_, index)) = first else { return Ok(None) };
        let stream = &mut self.0[index];
        Ok(stream.front.take().map(|shown| (stream.view, shown)))
    }
}
