//! How far deciding is behind, for every partition and whoever decides it: looked at once a second,
//! so that an instance that hangs is seen by the others.

use crate::error::{Error, Result};
use crate::log::kafka::{PartitionEnds, TopicEnds};
use crate::service::{Service, now};
use conclave_core::units::{Offset, TimeMs};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long a look tells how things are. Looks fail while brokers are away.
const RECENT_MS: i64 = 5_000;

/// How far deciding one partition is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Commands that can be read and have no decision. What stands between the first of them and
    /// the end counts, holes included; without such a command there is no lag.
    pub records: i64,
    /// How long ago the brokers took in the first of them.
    pub age: Duration,
}

/// What one look at a partition found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// When, by this machine's clock.
    at: TimeMs,
    /// Up to where everything was decided, as this instance knew.
    decided: Offset,
    /// Behind the last command that could be read.
    commands: Offset,
    /// The first undecided command, and when the brokers took it in.
    first: Option<(Offset, TimeMs)>,
    /// Decisions of open transactions, and the marks among them.
    pub(super) open_records: i64,
    /// What the group has committed.
    pub(super) group: Committed,
    /// Offsets by which the group and the decisions disagree, for longer than marks take.
    pub(super) gap: i64,
}

/// What the group has committed for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    /// Nobody ever said.
    Unknown,
    /// Nothing.
    Nothing,
    /// Everything before this offset.
    Before(Offset),
}

impl Committed {
    fn of(said: Option<Offset>) -> Self {
        said.map_or(Self::Nothing, Self::Before)
    }

    fn offset(self) -> Option<Offset> {
        match self {
            Self::Unknown | Self::Nothing => None,
            Self::Before(offset) => Some(offset),
        }
    }
}

impl Look {
    /// Whether the brokers ever said what the group has committed.
    pub(super) fn knows_group(&self) -> bool {
        self.group != Committed::Unknown
    }

    /// The lag. It goes on to grow after the look unless a decision came meanwhile: `decided` is
    /// where decisions end by `now`.
    fn lag(&self, decided: Offset, now: TimeMs) -> Lag {
        let Some((first, since)) = self.first else { return Lag::default() };
        let until = if decided > first { self.at } else { now };
        let age = Duration::from_millis((until.0 - since.0).max(0).unsigned_abs());
        Lag { records: self.commands.0 - first.0, age }
    }
}

/// The group's offset and the decisions differ while a transaction ends. What the one has been at
/// the look before, the other has to have reached by now.
fn gap(before: Option<&Look>, group: Committed, decided: Offset) -> i64 {
    let Some((before, group)) = before.zip(group.offset()) else { return 0 };
    let missing = before.group.offset().map_or(0, |group| group.0 - decided.0);
    let behind = before.decided.0 - group.0;
    missing.max(behind).max(0)
}

/// The latest look at every partition.
#[derive(Debug)]
pub(super) struct Looks {
    latest: Mutex<Vec<Option<Look>>>,
}

impl Looks {
    pub(super) fn new(partitions: usize) -> Self {
        Self { latest: Mutex::new(vec![None; partitions]) }
    }

    /// What was last seen of a partition, and its lag by now; none before the first look.
    pub(super) fn of(&self, number: usize, service: &Service) -> Option<(Look, Lag)> {
        let look = self.latest().get(number).copied().flatten()?;
        let decided = service.watch().borrow().decisions_next;
        Some((look, look.lag(decided, now())))
    }

    /// The first undecided command of a partition, if it has one; none as well when nobody has
    /// looked lately, which says nothing.
    pub(super) fn first_undecided(&self, number: usize) -> Option<Option<Offset>> {
        let look = self.latest().get(number).copied().flatten()?;
        let is_recent = now().0 - look.at.0 < RECENT_MS;
        is_recent.then_some(look.first.map(|(first, _)| first))
    }

    fn latest(&self) -> MutexGuard<'_, Vec<Option<Look>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, number: usize, look: Look) {
        self.latest()[number] = Some(look);
    }
}

/// Who is asked how the topics stand.
trait Ends {
    /// What the group has committed, by partition.
    fn group_offsets(&self, partitions: i32) -> Result<Vec<Result<Option<Offset>>>>;
    /// Where a partition ends.
    fn of(&self, partition: i32) -> Result<PartitionEnds>;
    /// Its first command from an offset on.
    fn first_command(&self, partition: i32, from: Offset) -> Result<Option<(Offset, TimeMs)>>;
}

impl Ends for TopicEnds {
    fn group_offsets(&self, partitions: i32) -> Result<Vec<Result<Option<Offset>>>> {
        self.group_offsets(partitions)
    }

    fn of(&self, partition: i32) -> Result<PartitionEnds> {
        self.of(partition)
    }

    fn first_command(&self, partition: i32, from: Offset) -> Result<Option<(Offset, TimeMs)>> {
        self.first_command(partition, from)
    }
}

/// Looks until `closing` ends.
pub(super) fn watch(
    ends: &TopicEnds,
    partitions: &[Arc<Service>],
    looks: &Looks,
    closing: &Receiver<()>,
) {
    let is_open = |wait| closing.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
    let decided = |number: usize| partitions[number].watch().borrow().decisions_next;
    let mut is_failing = false;
    while is_open(LOOK_EVERY) {
        let failed = look_at_all(ends, decided, looks, || is_open(Duration::ZERO));
        match (&failed, is_failing) {
            (Some(error), false) => tracing::warn!(
                %error,
                "how far deciding is behind is not known of everything; what was known stands"
            ),
            (Some(error), true) => tracing::debug!(%error, "not everything can be looked at"),
            (None, true) => tracing::warn!("how far deciding is behind is known of everything"),
            (None, false) => {}
        }
        is_failing = failed.is_some();
    }
}

/// Looks at every partition of which the brokers say how it stands; what was seen before stands for
/// the others, and for what is not said. The first question that failed, if one did.
fn look_at_all(
    ends: &impl Ends,
    decided: impl Fn(usize) -> Offset,
    looks: &Looks,
    is_open: impl Fn() -> bool,
) -> Option<Error> {
    let latest = looks.latest().clone();
    let count = i32::try_from(latest.len()).expect("partitions are few");
    let mut failed = None;
    // Before the decisions: what was decided meanwhile is no gap.
    let groups = ends.group_offsets(count);
    let mut is_nobody_there = groups.is_err();
    let mut groups = groups.unwrap_or_else(|error| note(&mut failed, error, vec![])).into_iter();
    for ((number, before), partition) in latest.into_iter().enumerate().zip(0..count) {
        if !is_open() {
            break;
        }
        let group = match groups.next() {
            Some(Ok(said)) => Committed::of(said),
            Some(Err(error)) => note(&mut failed, error, Committed::Unknown),
            None => Committed::Unknown,
        };
        match look_at(ends, partition, before, decided(number), group) {
            Ok(look) => {
                is_nobody_there = false;
                looks.keep(number, look);
            }
            Err(error) => {
                note(&mut failed, error, ());
                // Each further question would wait for its answer as long as this one.
                if is_nobody_there {
                    break;
                }
            }
        }
    }
    failed
}

/// Keeps the first error; what is known in its place is `instead`.
fn note<T>(failed: &mut Option<Error>, error: Error, instead: T) -> T {
    failed.get_or_insert(error);
    instead
}

/// One look. What nobody says of the group now is what was said before.
fn look_at(
    ends: &impl Ends,
    partition: i32,
    before: Option<Look>,
    decided: Offset,
    group: Committed,
) -> Result<Look> {
    let found = ends.of(partition)?;
    let at = now();
    let known = before.as_ref().and_then(|before| before.first);
    let first = match known.filter(|(first, _)| *first >= decided) {
        Some(first) => Some(first),
        None if is_same_end(before.as_ref(), decided, found.commands) => None,
        None if decided < found.commands => ends.first_command(partition, decided)?,
        None => None,
    };
    let (group, gap) = match (group, before) {
        (Committed::Unknown, Some(before)) => (before.group, before.gap),
        (group, before) => (group, gap(before.as_ref(), group, decided)),
    };
    let (commands, open_records) = (found.commands, found.open_records);
    Ok(Look { at, decided, commands, first, open_records, group, gap })
}

/// Whether only marks stand behind the decisions, as the look before found out.
fn is_same_end(before: Option<&Look>, decided: Offset, commands: Offset) -> bool {
    before.is_some_and(|before| {
        before.first.is_none() && before.decided == decided && before.commands == commands
    })
}

#[cfg(test)]
mod tests;
