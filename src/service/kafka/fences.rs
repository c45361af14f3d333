//! What a fence of this instance's name means. Brokers give a name to one member at a time, and
//! whoever had it before is fenced for good. That is right when another instance has the same
//! name. It also happens to one that is alone with its name: brokers that come back give it to a
//! new member, which is this very instance, and their answer is lost.

use std::time::{Duration, Instant};

/// A fence so long after an absence, besides a session, may still come from it: members that are
/// gone hold the group's answers back until their sessions have ended.
const EXCUSED_FOR: Duration = Duration::from_secs(10);

/// Tells the two apart: each absence excuses one fence soon after it.
#[derive(Debug)]
pub(super) struct Fences {
    session: Duration,
    /// When a fence was last excused.
    excused_at: Option<Instant>,
}

impl Fences {
    /// Nobody was fenced yet; sessions last `session`.
    pub(super) fn new(session: Duration) -> Self {
        Self { session, excused_at: None }
    }

    /// Whether whoever is fenced at `now` may join once more. `away_at` is when the brokers could
    /// last not be reached, or a session was over. Otherwise somebody else has the name: two that
    /// both came back would fence each other for ever.
    pub(super) fn excuse(&mut self, now: Instant, away_at: Option<Instant>) -> bool {
        let excuse = away_at.filter(|at| {
            let is_recent = now.saturating_duration_since(*at) <= self.session + EXCUSED_FOR;
            is_recent && self.excused_at.is_none_or(|excused| excused < *at)
        });
        if excuse.is_some() {
            self.excused_at = Some(now);
        }
        excuse.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fences by second, each with the second of the last absence, and whether it is excused.
    #[track_caller]
    fn check(fences: &[(u64, Option<u64>, bool)]) {
        let mut machine = Fences::new(Duration::from_secs(6));
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        for (now, away, excused) in fences {
            let is_excused = machine.excuse(at(*now), away.map(at));
            assert_eq!(is_excused, *excused, "at {now} of {fences:?}");
        }
    }

    #[test]
    fn a_fence_without_an_absence_is_a_namesake() {
        check(&[(100, None, false)]);
        check(&[(100, Some(83), false)]);
        check(&[(1, None, false), (2, None, false)]);
    }

    #[test]
    fn a_fence_soon_after_an_absence_is_excused() {
        check(&[(100, Some(100), true)]);
        check(&[(100, Some(84), true)]);
        check(&[(100, None, false), (102, Some(101), true)]);
    }

    #[test]
    fn an_absence_excuses_one_fence() {
        check(&[(100, Some(98), true), (103, Some(98), false), (104, Some(98), false)]);
        check(&[(100, Some(100), true), (101, Some(100), false)]);
    }

    #[test]
    fn another_absence_excuses_another_fence() {
        check(&[(100, Some(98), true), (105, Some(104), true), (106, Some(104), false)]);
        check(&[(100, Some(98), true), (900, Some(890), true), (999, Some(890), false)]);
    }
}
