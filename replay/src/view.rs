//! A partition of the log as it is seen: up to where, since when, and what is wrong with it.

use crate::args::LogArguments;
use crate::position::partition_of;
use conclave::cli::page::say;
use conclave::cli::position::Position;
use conclave::cli::source::{Place, Source};
use conclave::council::Models;
use conclave::error::{Error, ErrorKind, Result};
use conclave::log::{LogEnds, LogReader};
use conclave::wire::{DecisionHead, decode_decision};
use conclave_core::partition::home_partition;
use conclave_core::units::{Offset, PoolId, TimeMs};

pub(crate) struct View {
    pub(crate) log: Source,
    pub(crate) ends: LogEnds,
    pub(crate) place: Place,
    models: Models,
}

impl LogArguments {
    /// Opens the partition that is asked for: by its number, by the pool whose home it is, or
    /// because there is only one.
    pub(crate) fn view(
        &self,
        positions: &[Option<Position>],
        pool: Option<&PoolId>,
    ) -> Result<View> {
        let named = partition_of(self.partition, positions)?;
        let place = self.source.place()?;
        let partition = match (named, &place.partitions()[..], pool) {
            (Some(partition), ..) => partition,
            (None, [only], _) => *only,
            (None, _, Some(pool)) => home_partition(pool, place.partition_count()),
            (None, several, None) => {
                let count = several.len();
                return Err(Error::invalid(format!(
                    "the log has {count} partitions: name one with --partition, or a pool with \
                     --pool"
                )));
            }
        };
        let models = self.source.councils(&place);
        View::open(place, partition, models)
    }

    /// Opens the partition that is asked for, or all of them.
    pub(crate) fn views(&self, positions: &[Option<Position>]) -> Result<Vec<View>> {
        let named = partition_of(self.partition, positions)?;
        let place = self.source.place()?;
        let models = self.source.councils(&place);
        let partitions = named.map_or_else(|| place.partitions(), |partition| vec![partition]);
        let open = |partition| View::open(place.clone(), partition, models.clone());
        partitions.into_iter().map(open).collect()
    }
}

impl View {
    /// Opens a partition and says up to where it is seen: somebody may be writing to it.
    fn open(place: Place, partition: i64, models: Models) -> Result<Self> {
        let log = place.open(partition)?;
        let ends = log.ends()?;
        let LogEnds { commands_next, decisions_next, head: _ } = ends;
        let seen = match decisions_next.0 {
            0 => "no decision yet".to_owned(),
            next => format!("decisions up to offset {}", next - 1),
        };
        let undecided = commands_next.0 - decisions_next.0;
        let waiting = match (undecided > 0, &place) {
            (false, _) | (_, Place::Archive(_)) => String::new(),
            (true, Place::Directory(_)) => format!(", {undecided} commands undecided"),
            // Offsets have holes there.
            (true, Place::Topics(..)) => format!(", up to {undecided} commands undecided"),
        };
        say(&format!("{}: {seen}{waiting}", place.name(partition)));
        Ok(Self { log, ends, place, models })
    }

    /// Who may vote again.
    pub(crate) fn models(&self) -> &Models {
        &self.models
    }

    /// The partition's number, where there are several or could be.
    pub(crate) fn partition(&self) -> Option<i64> {
        self.is_from_topics().then(|| self.log.partition())
    }

    /// Whether it lies on Kafka, or was cut there.
    pub(crate) fn is_from_topics(&self) -> bool {
        self.place.is_from_topics()
    }

    /// What people call the decision at `offset`: by its partition, too, when there are several.
    pub(crate) fn called(&self, offset: Offset) -> String {
        match self.place.partition_count() {
            1 => offset.to_string(),
            _ => format!("{}:{offset}", self.log.partition()),
        }
    }

    /// Log time of the first decision: what durations are counted from.
    pub(crate) fn began_at(&self) -> Result<TimeMs> {
        match self.log.decisions(Offset(0), 0)?.first() {
            Some(first) => Ok(decode_decision(&first.body)?.time_ms),
            None => Ok(TimeMs(0)),
        }
    }

    /// That nothing is missing before `from`; none is the whole history.
    ///
    /// # Errors
    /// `Corrupt`, naming the oldest decision that is kept.
    pub(crate) fn check_begins(&self, from: Option<Offset>) -> Result<()> {
        let Some(oldest) = self.log.decisions_from() else { return Ok(()) };
        if from.is_some_and(|from| from >= oldest) {
            return Ok(());
        }
        let (name, called) = (self.place.name(self.log.partition()), self.called(oldest));
        Err(Error::corrupt(format!(
            "{name} keeps decisions from offset {oldest} on, and those before it are deleted: \
             nothing can be folded or proved without them. `replay --from {called}` shows what is \
             left; decisions need a topic with retention.ms = -1 (docs/runbooks/corrupt-log.md)"
        )))
    }

    /// That `offset` is within the log.
    ///
    /// # Errors
    /// `Corrupt` when the log is damaged before it, `Unavailable` when it is not there yet.
    pub(crate) fn check_reaches(&self, offset: Offset) -> Result<()> {
        if offset < self.ends.decisions_next {
            return Ok(());
        }
        if self.log.damage().is_some() {
            return self.end(0).map(|_| ());
        }
        let called = self.called(offset);
        Err(Error::unavailable(match self.ends.decisions_next.0 {
            0 => "the log has no decisions yet".to_owned(),
            next => format!("there is no decision {called} yet: the last one is {}", next - 1),
        }))
    }

    /// `offset`, or the decision before it when nothing stands there, which is said: offsets have
    /// holes on Kafka. The log has to reach it.
    pub(crate) fn at_or_before(&self, offset: Offset) -> Result<Offset> {
        let records = self.log.decisions(offset, 0)?;
        let next = records.iter().find(|record| record.offset >= offset);
        let head = next.filter(|next| next.offset > offset);
        let Some(head) = head.and_then(|next| DecisionHead::read(&next.body)) else {
            return Ok(offset);
        };
        let (asked, found) = (self.called(offset), self.called(head.covered_before));
        say(&format!("there is no decision {asked}: {found} is the one before it"));
        Ok(head.covered_before)
    }

    /// The exit code of an answer, unless the log is damaged: then everything before the damage was
    /// answered, and the damage is the last word.
    pub(crate) fn end(&self, code: u8) -> Result<u8> {
        match self.log.damage() {
            None => Ok(code),
            Some(damage) => Err(self.explain(Error::corrupt(damage.to_string()))),
        }
    }

    /// Adds to an error about stored bytes where the log should end.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if error.kind != ErrorKind::Corrupt || matches!(self.place, Place::Archive(_)) {
            return error; // What is wrong with an archive says what to do by itself.
        }
        let advice = match self.log.lost_from() {
            Ok(Some(offset)) if self.is_from_topics() => {
                format!("decisions before offset {} can be read", self.called(offset))
            }
            Ok(None) if self.is_from_topics() => {
                "every record can be read: `replay verify` says what differs".to_owned()
            }
            Ok(lost_from) => advice(lost_from),
            Err(other) => format!("from which offset on is not known: {other}"),
        };
        // The cause belongs to what broke, before what to do.
        Error::corrupt(format!("{error}; {advice}"))
    }
}

/// That at least one of the partitions reaches `offset`.
///
/// # Errors
/// As [`View::check_reaches`], about the first of them.
pub(crate) fn check_any_reaches(views: &[View], offset: Offset) -> Result<()> {
    let checks: Vec<_> = views.iter().map(|view| view.check_reaches(offset)).collect();
    if checks.iter().any(Result::is_ok) {
        return Ok(());
    }
    checks.into_iter().collect()
}

fn advice(lost_from: Option<Offset>) -> String {
    match lost_from {
        Some(offset) => format!(
            "the log should end before offset {offset}: restore a copy, or drop every lease with a \
             fencing number of {offset} or more (docs/runbooks/corrupt-log.md) and go on without \
             everything from there with --accept-loss-at {offset}"
        ),
        None => {
            "nothing acknowledged is missing: restore a copy, or open it to see more".to_owned()
        }
    }
}
