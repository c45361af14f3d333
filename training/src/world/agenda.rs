//! What is to be done next, by time and then by when it was planned.

use conclave_core::units::TimeMs;
use std::collections::BTreeMap;

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A timer of the core is due: a tick lets it fire.
    Timer,
    /// A job is asked.
    Ask(usize),
    /// A job is done.
    Release(usize),
    /// A job needs its lease for longer.
    Renew(usize),
}

/// All that is planned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    planned: BTreeMap<(i64, u64), Act>,
    count: u64,
}

impl Agenda {
    /// Plans `act`.
    pub(super) fn add(&mut self, at_ms: i64, act: Act) {
        self.planned.insert((at_ms, self.count), act);
        self.count += 1;
    }

    /// What comes next: what was planned, or the core's next timer when that is due before.
    pub(super) fn next(&mut self, timer: Option<TimeMs>) -> Option<(i64, Act)> {
        let planned = self.planned.first_key_value().map(|((at_ms, _), _)| *at_ms);
        match (planned, timer) {
            (Some(planned), Some(timer)) if timer.0 < planned => Some((timer.0, Act::Timer)),
            (Some(_), _) => self.planned.pop_first().map(|((at_ms, _), act)| (at_ms, act)),
            (None, Some(timer)) => Some((timer.0, Act::Timer)),
            (None, None) => None,
        }
    }
}
