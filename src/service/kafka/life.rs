//! How the membership in the group goes: what the client library says of it, and how often
//! partitions came or went.

use serde::Deserialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How this instance stands in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// It joins, or the group shares the partitions out anew.
    #[default]
    Joining,
    /// It has what the group gave it, which may be nothing.
    Steady,
    /// Whoever coordinates the group cannot be reached.
    Away,
    /// It is over: nothing is decided here any more.
    Ended,
}

impl Membership {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Joining, Self::Steady, Self::Away, Self::Ended];

    /// As metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Steady => "steady",
            Self::Away => "away",
            Self::Ended => "ended",
        }
    }
}

/// What is known of one membership.
#[derive(Debug, Default)]
pub(super) struct Life {
    rebalances: AtomicU64,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    membership: Membership,
    rebalanced_at: Option<Instant>,
    steady_at: Option<Instant>,
    /// Whether this consumer has found the group: before that it looks for it, which is no absence.
    was_up: bool,
    away_at: Option<Instant>,
}

/// The part of the library's statistics that is looked at.
#[derive(Debug, Deserialize)]
struct Told {
    cgrp: Option<GroupTold>,
}

#[derive(Debug, Deserialize)]
struct GroupTold {
    state: String,
    join_state: String,
}

impl Life {
    /// The group gave partitions, or took some, or none this time.
    pub(super) fn rebalanced(&self) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.now().rebalanced_at = Some(Instant::now());
    }

    /// The library's statistics, as JSON. What cannot be read changes nothing.
    pub(super) fn told(&self, statistics: &[u8]) {
        let told: Option<Told> = serde_json::from_slice(statistics).ok();
        let Some(told) = told.and_then(|told| told.cgrp) else { return };
        let mut now = self.now();
        if now.membership != Membership::Ended {
            let membership = match (told.state.as_str(), told.join_state.as_str()) {
                ("up", "steady") => Membership::Steady,
                ("up", _) => Membership::Joining,
                _ => Membership::Away,
            };
            now.membership = membership;
            now.was_up |= membership != Membership::Away;
            if membership == Membership::Away && now.was_up {
                now.away_at = Some(Instant::now());
            }
            if membership == Membership::Steady {
                now.steady_at = Some(Instant::now());
            }
        }
    }

    /// When the library said last that the membership stands; none before the first time.
    pub(super) fn steady_at(&self) -> Option<Instant> {
        self.now().steady_at
    }

    /// The brokers cannot be reached, or a session is over.
    pub(super) fn was_away(&self) {
        self.now().away_at = Some(Instant::now());
    }

    /// When that was so last; none when it never was.
    pub(super) fn away_at(&self) -> Option<Instant> {
        self.now().away_at
    }

    /// A new consumer joins in this one's place.
    pub(super) fn joins_anew(&self) {
        let mut now = self.now();
        (now.membership, now.steady_at, now.was_up) = (Membership::Joining, None, false);
    }

    /// It is over.
    pub(super) fn ended(&self) {
        self.now().membership = Membership::Ended;
    }

    pub(super) fn membership(&self) -> Membership {
        self.now().membership
    }

    /// How often partitions came or went.
    pub(super) fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Relaxed)
    }

    /// How long ago they did so last; none before the first time.
    pub(super) fn rebalance_age(&self) -> Option<Duration> {
        self.now().rebalanced_at.map(|at| at.elapsed())
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statistics: &str, expected: Membership) {
        let life = Life::default();
        life.told(br#"{"cgrp": {"state": "up", "join_state": "steady"}}"#);
        assert_eq!(life.membership(), Membership::Steady);
        life.told(statistics.as_bytes());
        assert_eq!(life.membership(), expected, "{statistics}");
    }

    #[test]
    fn the_library_says_how_the_membership_stands() {
        let lost = r#"{"cgrp": {"state": "wait-broker-transport", "join_state": "steady"}}"#;
        check(lost, Membership::Away);
        check(r#"{"cgrp": {"state": "up", "join_state": "wait-join"}}"#, Membership::Joining);
        check(r#"{"brokers": {}}"#, Membership::Steady);
        check("no statistics", Membership::Steady);
    }

    #[test]
    fn looking_for_the_group_at_first_is_no_absence() {
        let (life, looking) =
            (Life::default(), br#"{"cgrp": {"state": "wait-coord", "join_state": "init"}}"#);
        life.told(looking);
        assert_eq!(life.away_at(), None);
        life.told(br#"{"cgrp": {"state": "up", "join_state": "steady"}}"#);
        assert_eq!(life.away_at(), None);
        life.told(looking);
        let away_at = life.away_at();
        assert!(away_at.is_some() && life.steady_at().is_some());
        life.joins_anew();
        life.told(looking);
        assert_eq!((life.away_at(), life.steady_at()), (away_at, None));
    }

    #[test]
    fn a_membership_that_has_ended_does_not_begin_again() {
        let life = Life::default();
        assert_eq!((life.membership(), life.rebalance_age()), (Membership::Joining, None));
        life.rebalanced();
        life.ended();
        life.told(br#"{"cgrp": {"state": "up", "join_state": "steady"}}"#);
        assert_eq!((life.membership(), life.rebalances()), (Membership::Ended, 1));
        assert!(life.rebalance_age().is_some_and(|age| age < Duration::from_secs(60)));
    }
}
