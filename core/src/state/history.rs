//! What a pool remembers of a tenant: counts that fade, for the council.
//!
//! No rule reads a history; a decision depends on one through votes at the most. It is a fold of
//! the decisions like everything else here. Counts are halved whenever log time passes a whole day:
//! a halving is a shift, so it makes no difference whether days pass one by one or all at once, nor
//! how many events lie between them.

use crate::command::WorkOutcome;
use crate::decision::LeaseEnd;
use crate::units::{DurationMs, GpuMilliSeconds, TimeMs};
use serde::{Deserialize, Serialize};

/// Counts are halved at every whole multiple of this.
pub const DAY_MS: DurationMs = DurationMs(24 * 3_600_000);

/// All of something, in basis points.
const WHOLE_BP: i64 = 10_000;

/// How often something happened, in [`Faded::ONCE`]ths, halved once a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faded(pub i64);

/// What is counted of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It asked: the request was admitted, or the council denied it at once.
    Asked,
    /// A request got its GPUs.
    Granted,
    /// The council denied a request.
    Denied,
    /// A request was withdrawn by its sender, or was not worth starting any more.
    Withdrawn,
    /// A lease ended and the work had succeeded.
    Succeeded,
    /// A lease ended because the work had failed.
    Failed,
    /// A lease ended because its holder or an operator stopped the work.
    Stopped,
    /// A lease was given back and nobody said how the work had ended.
    Unknown,
    /// A lease ended by its timer.
    Expired,
    /// A lease ended and its holder said how well its GPUs had been used.
    Measured,
}

const COUNTED: usize = Counted::ALL.len();

/// The ways a lease ends.
const ENDINGS: [Counted; 5] =
    [Counted::Succeeded, Counted::Failed, Counted::Stopped, Counted::Unknown, Counted::Expired];

/// What a pool remembers of a tenant, as it stands on the day of its latest change; ask
/// [`History::at`] for another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Whole days of log time until the latest change.
    day: i64,
    counts: [Faded; COUNTED],
    /// Sum over the measured leases of their mean utilisation in basis points, each times
    /// [`Faded::ONCE`].
    utilisation_sum: i64,
    /// What that sum would be had all of them used their GPUs wholly. It fades like the sum, so
    /// that their ratio stays; the count of measured leases is too coarse for that: of one and a
    /// half leases it leaves one on the last day.
    utilisation_whole: i64,
    expected: GpuMilliSeconds,
    held: GpuMilliSeconds,
}

impl Faded {
    /// What a single occurrence counts today: it is forgotten after a week, and not at midnight.
    pub const ONCE: i64 = 64;

    fn after(self, days: u32) -> Self {
        Self(self.0 >> days)
    }
}

impl Counted {
    /// All of them, in the order in which they are kept.
    pub const ALL: [Self; 10] = [
        Self::Asked,
        Self::Granted,
        Self::Denied,
        Self::Withdrawn,
        Self::Succeeded,
        Self::Failed,
        Self::Stopped,
        Self::Unknown,
        Self::Expired,
        Self::Measured,
    ];

    /// How a lease ended. An operator who revokes one stops the work.
    #[must_use]
    pub fn ending(reason: LeaseEnd, outcome: WorkOutcome) -> Self {
        match (reason, outcome) {
            (LeaseEnd::Expired, _) => Self::Expired,
            (LeaseEnd::Revoked, _) | (LeaseEnd::Released, WorkOutcome::Stopped) => Self::Stopped,
            (LeaseEnd::Released, WorkOutcome::Succeeded) => Self::Succeeded,
            (LeaseEnd::Released, WorkOutcome::Failed) => Self::Failed,
            (LeaseEnd::Released, WorkOutcome::Unknown) => Self::Unknown,
        }
    }
}

impl History {
    /// The same, faded to `now`.
    #[must_use]
    pub fn at(&self, now: TimeMs) -> Self {
        let day = now.0.div_euclid(DAY_MS.0);
        let passed = day.saturating_sub(self.day).max(0);
        // By then nothing is left.
        let days = u32::try_from(passed).map_or(63, |days| days.min(63));
        Self {
            day: day.max(self.day),
            counts: self.counts.map(|count| count.after(days)),
            utilisation_sum: self.utilisation_sum >> days,
            utilisation_whole: self.utilisation_whole >> days,
            expected: GpuMilliSeconds(self.expected.0 >> days),
            held: GpuMilliSeconds(self.held.0 >> days),
        }
    }

    /// How often something happened.
    #[must_use]
    pub fn count(&self, what: Counted) -> Faded {
        self.counts[what as usize]
    }

    /// How many leases ended, in whatever way.
    #[must_use]
    pub fn ended(&self) -> Faded {
        Faded(ENDINGS.iter().fold(0, |sum: i64, way| sum.saturating_add(self.count(*way).0)))
    }

    /// Sum of the mean utilisations that were reported, in basis points, in [`Faded::ONCE`]ths.
    #[must_use]
    pub fn utilisation_sum_bp(&self) -> Faded {
        Faded(self.utilisation_sum)
    }

    /// What [`History::utilisation_sum_bp`] would be had the GPUs been used wholly: the mean
    /// utilisation is the one by the other. 0 when nobody reported any lately.
    #[must_use]
    pub fn utilisation_whole_bp(&self) -> Faded {
        Faded(self.utilisation_whole)
    }

    /// GPU time that ended leases were expected to take. What a lease gave back early counts as a
    /// lease of its own.
    #[must_use]
    pub fn expected(&self) -> GpuMilliSeconds {
        self.expected
    }

    /// GPU time that they held.
    #[must_use]
    pub fn held(&self) -> GpuMilliSeconds {
        self.held
    }

    /// It asked and was admitted.
    pub(crate) fn note_admitted(&mut self, now: TimeMs) {
        self.note(now, Counted::Asked);
    }

    /// It asked and the council denied it at once.
    pub(crate) fn note_turned_away(&mut self, now: TimeMs) {
        self.note_admitted(now);
        self.note(now, Counted::Denied);
    }

    /// Something that has no time or amount of its own happened.
    pub(crate) fn note(&mut self, now: TimeMs, what: Counted) {
        *self = self.at(now);
        let count = &mut self.counts[what as usize].0;
        *count = count.saturating_add(Faded::ONCE);
    }

    /// GPUs of a lease were given back that were expected to be held for the one time and were held
    /// for the other.
    pub(crate) fn note_given_back(
        &mut self,
        now: TimeMs,
        expected: GpuMilliSeconds,
        held: GpuMilliSeconds,
    ) {
        *self = self.at(now);
        self.expected = self.expected.plus(expected);
        self.held = self.held.plus(held);
    }

    /// A lease ended.
    pub(crate) fn note_ended(&mut self, now: TimeMs, way: Counted, utilisation_bp: Option<i64>) {
        self.note(now, way);
        if let Some(share) = utilisation_bp {
            self.note(now, Counted::Measured);
            let add = |sum: i64, share: i64| sum.saturating_add(share.saturating_mul(Faded::ONCE));
            self.utilisation_sum = add(self.utilisation_sum, share);
            self.utilisation_whole = add(self.utilisation_whole, WHOLE_BP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_day(day: i64) -> TimeMs {
        TimeMs(day * DAY_MS.0)
    }

    #[test]
    fn counts_are_halved_at_whole_days_and_a_single_one_lasts_a_week() {
        let mut history = History::default();
        let evening = TimeMs(on_day(3).0 - 1);
        history.note(evening, Counted::Failed);
        let count = |history: &History, at| history.at(at).count(Counted::Failed).0;
        assert_eq!(count(&history, evening), 64);
        assert_eq!(count(&history, on_day(3)), 32);
        assert_eq!(count(&history, TimeMs(on_day(4).0 - 1)), 32);
        assert_eq!(count(&history, on_day(8)), 1);
        assert_eq!(count(&history, on_day(9)), 0);
        history.note(on_day(3), Counted::Failed);
        assert_eq!(count(&history, on_day(3)), 96);
    }

    /// However far time jumps, and whoever looked in between.
    #[test]
    fn fading_in_steps_is_fading_at_once() {
        let mut history = History::default();
        for n in 0..1_000_i64 {
            history.note(on_day(1), Counted::Asked);
            let (expected, held) = (GpuMilliSeconds(n * 7_919), GpuMilliSeconds(n * 6_007));
            history.note_given_back(on_day(1), expected, held);
            history.note_ended(on_day(1), Counted::Succeeded, Some(n * 10));
        }
        for jump in [1, 2, 5, 9, 62, 63, 64, 65, 1_000, 2_900_000] {
            let (middle, end) = (1 + jump / 2, 1 + jump);
            let at_once = history.at(on_day(end));
            assert_eq!(history.at(on_day(middle)).at(on_day(end)), at_once, "{jump} days");
            assert_eq!((2..=end.min(80)).fold(history, |h, day| h.at(on_day(day))).counts, {
                history.at(on_day(end.min(80))).counts
            });
        }
        let long_after = history.at(on_day(2_900_000));
        assert_eq!((long_after.ended(), long_after.held()), (Faded(0), GpuMilliSeconds(0)));
    }

    /// Its count is 1 from one and a half leases as from one.
    #[test]
    fn the_mean_utilisation_stays_until_it_is_forgotten() {
        let mut history = History::default();
        history.note_ended(on_day(0), Counted::Succeeded, Some(6_000));
        history.note_ended(on_day(1), Counted::Succeeded, Some(6_000));
        for day in 1..=7 {
            let history = history.at(on_day(day));
            let (sum, whole) = (history.utilisation_sum_bp().0, history.utilisation_whole_bp().0);
            let mean = sum * WHOLE_BP / whole;
            assert!(mean.abs_diff(6_000) <= 1, "{mean} on day {day}");
        }
        assert_eq!(history.at(on_day(7)).count(Counted::Measured), Faded(1));
        assert_eq!(history.at(on_day(8)).count(Counted::Measured), Faded(0));
    }

    #[test]
    fn log_time_before_the_latest_change_fades_nothing() {
        let mut history = History::default();
        history.note(on_day(9), Counted::Granted);
        assert_eq!(history.at(on_day(2)), history);
    }

    #[test]
    fn sums_stop_at_their_bound() {
        let most = GpuMilliSeconds::of(
            crate::units::GpuMilli(16_384_000),
            DurationMs(crate::limits::TIME_MS_MAX.0),
        );
        let mut history = History::default();
        (0..9).for_each(|_| history.note_given_back(TimeMs(0), most, most));
        assert_eq!(history.held(), GpuMilliSeconds::MAX);
        history.counts = [Faded(i64::MAX - 1); COUNTED];
        history.utilisation_sum = i64::MAX - 1;
        history.note_ended(TimeMs(0), Counted::Failed, Some(10_000));
        assert_eq!((history.ended(), history.utilisation_sum), (Faded(i64::MAX), i64::MAX));
    }

    #[test]
    fn every_way_a_lease_ends_is_told_apart() {
        use LeaseEnd::{Expired, Released, Revoked};
        use WorkOutcome::{Failed, Stopped, Succeeded, Unknown};
        let way = Counted::ending;
        let released = [Succeeded, Failed, Stopped, Unknown].map(|said| way(Released, said));
        let expected = [Counted::Succeeded, Counted::Failed, Counted::Stopped, Counted::Unknown];
        assert_eq!(released, expected);
        assert_eq!(way(Expired, Unknown), Counted::Expired);
        assert_eq!(way(Revoked, Unknown), Counted::Stopped);
    }

    /// Ten thousand tenants of a pool have one each.
    #[test]
    fn a_history_takes_a_few_dozen_bytes_of_a_snapshot() {
        let mut history = History::default();
        assert_eq!(postcard::to_stdvec(&history).expect("plain data").len(), 15);
        for n in 0..500 {
            let now = TimeMs(1_700_000_000_000 + n * 60_000);
            history.note_admitted(now);
            history.note(now, Counted::Granted);
            let time = GpuMilliSeconds(8_000 * 3_600);
            history.note_given_back(now, time, time);
            history.note_ended(now, Counted::Succeeded, Some(7_000));
        }
        let bytes = postcard::to_stdvec(&history).expect("plain data").len();
        assert!(bytes <= 72, "{bytes} bytes");
    }
}
