//! Proving a log: every decision is computed again from its command and compared byte for byte.
//!
//! Verify evolves with the *recorded* decisions, so one divergence does not spread. Rounds are
//! taken as they were recorded: they are input, like the commands. What cannot be checked is
//! reported as such and never as clean.
//!
//! Votes of networks are proved in two passes ([`verify_by_councils`]): the first one decides every
//! round with the votes that it records, the second one, beside it, computes those votes again in
//! large batches. Nothing is believed: a round in which the first pass finds anything else than the
//! recorded bytes is decided once more with votes that are computed, and each word that it took is
//! compared by the second pass (`conclave_core::council::recount`).

mod again;
mod difference;
mod last;
mod reading;
mod record_seat;
mod recorded;
mod recount;
mod report;
mod snapshots;
mod verifier;

pub use last::check_last_command;
pub(crate) use reading::Reading;
pub use report::{Divergence, Report, Verdict};

use crate::council::{CouncilSeat, Models};
use crate::error::{Error, ErrorKind, Result};
use crate::fold::FOLD_BYTES_MAX;
use crate::log::{LogEnds, LogReader};
use conclave_core::seat::Seat;
use conclave_core::units::{Hash32, Offset};
use recount::Recount;
use verifier::Verifier;

/// How much of a log is verified, and against what; by default all of it, against itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The last decision to look at; none is the end of the log.
    pub until: Option<Offset>,
    /// The chain head that was kept elsewhere.
    pub expected_head: Option<Hash32>,
    /// The texts of writers' schemas that are kept beside the log; none where no registry was asked
    /// and the local table answers.
    pub schemas: Option<&'a [String]>,
}

/// Verifies the whole log of one partition with the votes of `seat`, which is asked round by round:
/// for a seat that is not the council's.
///
/// # Errors
/// When the log cannot be read at all. Damage in the middle ends the report, which says so.
pub fn verify(log: &dyn LogReader, partition: i64, seat: &mut dyn Seat) -> Result<Report> {
    verify_with_progress(log, partition, seat, &Scope::default(), |_| {})
}

/// The same within `scope`, telling `progress` the next offset now and then.
///
/// # Errors
/// As [`verify`].
pub fn verify_with_progress(
    log: &dyn LogReader,
    partition: i64,
    seat: &mut dyn Seat,
    scope: &Scope<'_>,
    progress: impl FnMut(Offset),
) -> Result<Report> {
    walk(log, partition, seat, None, scope, progress)
}

/// The same with the votes of the rules and of the councils in `models`, whose engines compute them
/// in large batches.
///
/// # Errors
/// As [`verify`]; and `Unavailable` when there is no thread to be had.
pub fn verify_by_councils(
    log: &dyn LogReader,
    partition: i64,
    models: &Models,
    scope: &Scope<'_>,
    progress: impl FnMut(Offset),
) -> Result<Report> {
    let mut seat = CouncilSeat::new(models.clone());
    let recount = Recount::begin(models)?;
    walk(log, partition, &mut seat, Some(recount), scope, progress)
}

fn walk(
    log: &dyn LogReader,
    partition: i64,
    seat: &mut dyn Seat,
    recount: Option<Recount>,
    scope: &Scope<'_>,
    mut progress: impl FnMut(Offset),
) -> Result<Report> {
    let LogEnds { commands_next, decisions_next, head: _ } = log.ends()?;
    let end = scope.until.map_or(decisions_next, |last| after(last).min(decisions_next));
    let mut verifier = Verifier::new(log, partition, seat, recount, scope, end)?;
    let mut from = Offset(0);
    'log: while from < end {
        let records = match log.decisions(from, FOLD_BYTES_MAX) {
            Ok(records) => records,
            Err(error) => {
                verifier.stop_reading(&error);
                break;
            }
        };
        if records.is_empty() {
            verifier.stop_reading(&Error::corrupt(format!("there is no decision {from}")));
            break;
        }
        for record in records {
            if record.offset >= end {
                if verifier.misses_one_before(&record) {
                    verifier.stop_reading(&Error::corrupt(format!("there is no decision {from}")));
                    break 'log;
                }
                from = end;
                break;
            }
            from = from.max(after(record.offset));
            if verifier.take(record).is_err() {
                let undecided = commands_next.0 - verifier.next().0;
                return Ok(verifier.finish(from, undecided));
            }
        }
        progress(from);
    }
    let mut undecided = commands_next.0 - verifier.next().0;
    if end == decisions_next && !verifier.is_stopped() {
        take_second_answers(log, &mut verifier, end);
    }
    if end == decisions_next && !verifier.is_stopped() {
        match read_what_proves_nothing(log, end) {
            Ok(commands) => undecided = commands,
            Err(error) => verifier.stop_reading(&error),
        }
    }
    Ok(verifier.finish(from, undecided))
}

/// On Kafka somebody may have answered commands once more behind the last decision.
fn take_second_answers(log: &dyn LogReader, verifier: &mut Verifier<'_>, end: Offset) {
    match log.decisions(end, FOLD_BYTES_MAX) {
        Ok(records) => {
            let second = records.into_iter().filter(|record| record.offset < end);
            // The first one stops it.
            let _stopped =
                second.map(|record| verifier.take(record)).find(std::result::Result::is_err);
        }
        Err(error) => verifier.stop_reading(&error),
    }
}

/// Dead letters and undecided commands cannot be verified, but they can be damaged. Counts the
/// latter.
fn read_what_proves_nothing(log: &dyn LogReader, decided: Offset) -> Result<i64> {
    let mut next = Offset(0);
    while let Some(last) = log.dead_letters(next, FOLD_BYTES_MAX)?.last() {
        next = after(last.offset);
    }
    let (mut next, mut count) = (decided, 0);
    loop {
        let commands = log.commands(next, FOLD_BYTES_MAX)?;
        let Some(last) = commands.last() else { return Ok(count) };
        next = after(last.offset);
        count += i64::try_from(commands.len()).expect("a list is shorter than 2^63");
    }
}

fn after(offset: Offset) -> Offset {
    Offset(offset.0.saturating_add(1))
}

fn is_corrupt(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Corrupt => true,
        ErrorKind::Unavailable | ErrorKind::Invalid | ErrorKind::Bug => false,
    }
}

/// Digest over the heads of all partitions in order: what two runs compare.
#[must_use]
pub fn chain_head(heads: &[Hash32]) -> Hash32 {
    let mut hasher = blake3::Hasher::new();
    for head in heads {
        hasher.update(&head.0);
    }
    Hash32(*hasher.finalize().as_bytes())
}
