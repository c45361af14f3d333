//! Noticing that commands stand in the topic and do not arrive.

use conclave_core::units::Offset;
use std::time::{Duration, Instant};

/// How long the same command is undecided until it is fetched again: the first time, and at the
/// most. Fetching again throws away what is under way, so that brokers that are merely slow have to
/// be given more time after each try.
const AFTER: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(120));

/// What an owner to whom nothing comes has seen of the topic.
#[derive(Debug)]
pub(super) struct Starved {
    /// The first undecided command, and since when it has been that.
    waits: Option<(Offset, Instant)>,
    after: Duration,
}

impl Default for Starved {
    fn default() -> Self {
        Self { waits: None, after: AFTER.0 }
    }
}

impl Starved {
    /// A command has come.
    pub(super) fn fed(&mut self) {
        *self = Self::default();
    }

    /// Nothing has come by `now`, while the topic's first undecided command is `first`; whether it
    /// is time to fetch again.
    pub(super) fn is_to_fetch(&mut self, first: Option<Offset>, now: Instant) -> bool {
        let Some(first) = first else {
            self.waits = None;
            return false;
        };
        let (_, since) = *self.waits.get_or_insert((first, now));
        if self.waits != Some((first, since)) {
            self.waits = Some((first, now));
            return false;
        }
        if now.duration_since(since) < self.after {
            return false;
        }
        self.waits = Some((first, now));
        self.after = AFTER.1.min(2 * self.after);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One look a second, at these first undecided commands; the seconds at which it is fetched.
    #[track_caller]
    fn check(starved: &mut Starved, looks: &[Option<i64>], expected: &[usize]) {
        let began = Instant::now();
        let at = |second: usize| began + Duration::from_secs(second as u64);
        let fetched: Vec<_> = looks
            .iter()
            .enumerate()
            .filter(|(second, first)| starved.is_to_fetch(first.map(Offset), at(*second)))
            .map(|(second, _)| second)
            .collect();
        assert_eq!(fetched, expected);
    }

    #[test]
    fn the_same_command_has_to_wait_longer_each_time() {
        check(&mut Starved::default(), &[Some(7); 400], &[3, 9, 21, 45, 93, 189, 309]);
    }

    #[test]
    fn what_has_just_come_to_the_topic_is_given_its_time() {
        check(&mut Starved::default(), &[None, None, None, None, Some(7), Some(7)], &[]);
        check(&mut Starved::default(), &[Some(7), Some(7), Some(7), Some(8), Some(8)], &[]);
        check(&mut Starved::default(), &[Some(7), Some(7), None, Some(7), Some(7)], &[]);
    }

    #[test]
    fn it_begins_anew_once_a_command_has_come() {
        let mut starved = Starved::default();
        check(&mut starved, &[Some(7); 10], &[3, 9]);
        starved.fed();
        check(&mut starved, &[Some(9); 5], &[3]);
    }
}
