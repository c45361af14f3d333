//! How far deciding is behind, for every partition and whoever decides it: looked at once a second,
//! so that an instance that hangs is seen by the others.

use crate::error::Result;
use crate::log::kafka::TopicEnds;
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
    /// What the group has committed; none when it has nothing.
    pub(super) group: Option<Offset>,
    /// Offsets by which the group and the decisions disagree, for longer than marks take.
    pub(super) gap: i64,
}

impl Look {
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
fn gap(before: Option<&Look>, group: Option<Offset>, decided: Offset) -> i64 {
    let Some((before, group)) = before.zip(group) else { return 0 };
    let missing = before.group.map_or(0, |group| group.0 - decided.0);
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

/// Looks until `closing` ends.
pub(super) fn watch(
    ends: &TopicEnds,
    partitions: &[Arc<Service>],
    looks: &Looks,
    closing: &Receiver<()>,
) {
    let is_open = |wait| closing.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
    while is_open(LOOK_EVERY) {
        let looked = look_at_all(ends, partitions, looks, || is_open(Duration::ZERO));
        if let Err(error) = looked {
            tracing::debug!(%error, "nobody knows how far deciding is behind");
        }
    }
}

fn look_at_all(
    ends: &TopicEnds,
    partitions: &[Arc<Service>],
    looks: &Looks,
    is_open: impl Fn() -> bool,
) -> Result<()> {
    let count = i32::try_from(partitions.len()).expect("partitions are few");
    // Before the decisions: what was decided meanwhile is no gap.
    let groups = ends.group_offsets(count)?;
    for (number, (partition, group)) in (0..count).zip(groups).enumerate() {
        if !is_open() {
            return Ok(());
        }
        let before = looks.latest()[number];
        let decided = partitions[number].watch().borrow().decisions_next;
        // One whose leader is away says nothing of the others.
        match look_at(ends, partition, before, decided, group) {
            Ok(look) => looks.keep(number, look),
            Err(error) => tracing::debug!(%error, partition, "it cannot be looked at"),
        }
    }
    Ok(())
}

fn look_at(
    ends: &TopicEnds,
    partition: i32,
    before: Option<Look>,
    decided: Offset,
    group: Option<Offset>,
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
    let gap = gap(before.as_ref(), group, decided);
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
mod tests {
    use super::*;

    fn look(first: Option<(i64, i64)>) -> Look {
        Look {
            at: TimeMs(10_000),
            decided: Offset(40),
            commands: Offset(50),
            first: first.map(|(offset, time_ms)| (Offset(offset), TimeMs(time_ms))),
            open_records: 0,
            group: Some(Offset(40)),
            gap: 0,
        }
    }

    #[test]
    fn lag_grows_until_the_first_undecided_command_is_decided() {
        let lag = |records, ms| Lag { records, age: Duration::from_millis(ms) };
        let waiting = look(Some((42, 9_700)));
        assert_eq!(waiting.lag(Offset(40), TimeMs(11_000)), lag(8, 1_300), "it still waits");
        assert_eq!(waiting.lag(Offset(42), TimeMs(11_000)), lag(8, 1_300), "those before it");
        assert_eq!(waiting.lag(Offset(43), TimeMs(11_000)), lag(8, 300), "as at the look");
        assert_eq!(look(None).lag(Offset(40), TimeMs(11_000)), lag(0, 0), "marks alone");
        let ahead = look(Some((42, 99_000)));
        assert_eq!(ahead.lag(Offset(40), TimeMs(11_000)), lag(8, 0), "clocks differ");
    }

    #[test]
    fn only_what_lasts_is_a_gap() {
        let before = look(None);
        let check = |group: Option<i64>, decided: i64, expected: i64| {
            let found = gap(Some(&before), group.map(Offset), Offset(decided));
            assert_eq!(found, expected, "{group:?} {decided}");
        };
        check(Some(45), 40, 0); // The mark of the decisions comes a moment later.
        check(Some(40), 47, 0); // Decided between the two questions.
        check(Some(40), 38, 2); // The group counts two commands that have no decision.
        check(Some(31), 47, 9); // Somebody set the group back.
        check(None, 47, 0);
        assert_eq!(gap(None, Some(Offset(9)), Offset(3)), 0, "the first look proves nothing");
    }
}
