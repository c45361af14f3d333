//! Folding a log into a state: the newest sound snapshot, then the decisions after it.

use crate::error::{Error, ErrorKind, Result};
use crate::log::{DecisionRecord, LogReader};
use crate::snapshot;
use crate::wire::decode_decision;
use conclave_core::decision::Decision;
use conclave_core::evolve::evolve;
use conclave_core::state::State;
use conclave_core::units::{Hash32, Offset};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of decisions held in memory at once while folding.
pub const FOLD_BYTES_MAX: usize = 256 * 1024;

/// A state, and the digest of the last decision that it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The fold of all decisions so far.
    pub state: State,
    /// Digest of the last one's body; zeros before the first.
    pub head: Hash32,
}

/// How a fold came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldReport {
    /// The snapshot that it started from; none when it started from nothing.
    pub snapshot: Option<Offset>,
    /// Newer snapshots that were damaged, with what was wrong: they were passed over.
    pub damaged: Vec<(Offset, String)>,
    /// Decisions folded after the snapshot.
    pub decisions: u64,
}

impl Folded {
    /// A partition before its first command.
    #[must_use]
    pub fn nothing(partition: i64) -> Self {
        Self { state: State::new(partition), head: Hash32::default() }
    }

    /// Offset of the next decision, or one before it where offsets have a hole.
    #[must_use]
    pub fn next(&self) -> Offset {
        Offset(self.state.covered.0 + 1)
    }

    /// Adds records that continue the fold.
    ///
    /// # Errors
    /// `Corrupt` when a record does not continue the chain, or says what cannot have happened: the
    /// fold is of no further use.
    pub fn add(&mut self, records: &[DecisionRecord]) -> Result<()> {
        records.iter().try_for_each(|record| self.add_one(record).map(|_| ()))
    }

    /// The same for one record, whose decision is handed out.
    ///
    /// # Errors
    /// As [`Folded::add`].
    pub fn add_one(&mut self, record: &DecisionRecord) -> Result<Decision> {
        let decision = self.read_next(record)?;
        evolve_recorded(&mut self.state, &decision)?;
        self.head = record.hash;
        Ok(decision)
    }

    /// Decodes a record and checks that it continues the chain. Its digest was computed when it was
    /// read: see [`DecisionRecord::hash`].
    fn read_next(&self, record: &DecisionRecord) -> Result<Decision> {
        let (at, next) = (record.offset, self.next());
        let broken = |what: &str| {
            Error::corrupt(format!(
                "decision {at} {what}: the log is sound up to offset {next} and should end there"
            ))
        };
        let decision = decode_decision(&record.body)
            .map_err(|error| broken("cannot be read").caused_by(error))?;
        // Offsets may have holes, decisions may not: each names the one before it.
        let is_next = at >= next && decision.covered_before == self.state.covered;
        if decision.offset != at || !is_next {
            return Err(broken(&format!("stands where {next} belongs")));
        }
        if decision.prev_hash != self.head {
            return Err(broken("does not continue the chain"));
        }
        Ok(decision)
    }
}

/// Folds one recorded decision. A record is input: whoever can write the log can write a decision
/// that cannot have happened, and that is an answer here, not the end of the process.
///
/// # Errors
/// `Corrupt` when the decision cannot have happened: the state is of no further use.
pub fn evolve_recorded(state: &mut State, decision: &Decision) -> Result<()> {
    let offset = decision.offset;
    // Only the broken state could be seen half-changed, and the caller drops it.
    caught(|| evolve(state, decision))
        .map_err(|why| Error::corrupt(format!("decision {offset} cannot have happened: {why}")))
}

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would be caught and become an answer about the log, so that a
/// panic hook need not speak of it.
#[must_use]
pub fn is_catching() -> bool {
    IS_CATCHING.get()
}

/// Runs a pure call of the core on what a log says; a panic becomes the sentence that it carries.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> std::result::Result<T, String> {
    let was_catching = IS_CATCHING.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(call));
    IS_CATCHING.set(was_catching);
    answer.map_err(|payload| match payload.downcast::<String>() {
        Ok(sentence) => *sentence,
        Err(payload) => payload.downcast_ref::<&str>().unwrap_or(&"no reason given").to_string(),
    })
}

/// Adds to an error about a log that was to be taken up what its operator does next.
pub(crate) fn with_advice(error: Error) -> Error {
    if error.kind != ErrorKind::Corrupt {
        return error;
    }
    let advice = "run `replay verify`, which names the offset up to which the log is sound, and \
                  restore a copy or go on without the rest with --accept-loss-at (see \
                  docs/runbooks/corrupt-log.md)";
    // The cause belongs to what broke, before what to do.
    Error::corrupt(format!("{error}; {advice}"))
}

/// Folds the log up to and without `until`, or to its end.
///
/// # Errors
/// When the log cannot be read, or is not what was written. A damaged snapshot is no error: an
/// older one is used, and the report says so.
pub fn fold(
    log: &dyn LogReader,
    partition: i64,
    until: Option<Offset>,
) -> Result<(Folded, FoldReport)> {
    let mut report = FoldReport::default();
    let mut folded = newest_snapshot(log, partition, until, &mut report)?;
    let end = log.ends()?.decisions_next;
    let until = until.map_or(end, |until| until.min(end));
    fold_on(log, &mut folded, until, |_, _, _| report.decisions += 1)?;
    Ok((folded, report))
}

/// Adds the log's decisions before `until`, showing `seen` each of them and the state that it left.
///
/// # Errors
/// As [`fold`].
pub fn fold_on(
    log: &dyn LogReader,
    folded: &mut Folded,
    until: Offset,
    mut seen: impl FnMut(&DecisionRecord, &Decision, &State),
) -> Result<()> {
    while folded.next() < until {
        let next = folded.next();
        let records = log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("the log ends before {until}: no decision {next}")));
        }
        for record in &records {
            if record.offset >= until {
                // What lies between is a hole, unless a decision is missing there.
                return folded.read_next(record).map(|_| ());
            }
            let decision = folded.add_one(record)?;
            seen(record, &decision, &folded.state);
        }
    }
    Ok(())
}

fn newest_snapshot(
    log: &dyn LogReader,
    partition: i64,
    until: Option<Offset>,
    report: &mut FoldReport,
) -> Result<Folded> {
    for at in log.snapshots()? {
        if until.is_some_and(|until| at > until) {
            continue;
        }
        match log.snapshot(at).and_then(|bytes| snapshot::decode(&bytes, at)) {
            Ok(folded) => {
                report.snapshot = Some(at);
                return Ok(folded);
            }
            Err(error) => report.damaged.push((at, error.to_string())),
        }
    }
    Ok(Folded::nothing(partition))
}
