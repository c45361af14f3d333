//! What a tenant's budget leaves for a lease: now, and when.
//!
//! In each window of log time the GPU time that its leases reserve stays within the budget and what
//! was approved on top of it. What was reserved before the budget was set or lowered stays as it
//! is: then nothing is left of the window, and never less than nothing.

use crate::command::RequestAllocation;
use crate::limits::{BUDGET_WINDOWS_MAX, TIME_MS_MAX};
use crate::state::budget::{Budget, BudgetWindow, parts, window_of};
use crate::state::{Pool, Tenant};
use crate::units::{DurationMs, GpuMilliSeconds, TimeMs};

/// An amount of GPU milli times milliseconds in GPU milli seconds, rounded up: then a sum that is
/// over a budget of whole GPU-hours still is.
#[must_use]
pub fn in_milli_seconds(amount: i128) -> GpuMilliSeconds {
    let rounded = (amount + 999).div_euclid(1_000);
    GpuMilliSeconds(i64::try_from(rounded).unwrap_or(i64::MAX))
}

/// GPU milli times milliseconds of one GPU-hour.
pub const GPU_HOUR: i128 = 3_600_000_000;

/// A tenant's budget as its quota says and its leases have left it.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<'a> {
    /// GPU-hours per window.
    pub gpu_hours: i64,
    /// Length of a window.
    pub width: DurationMs,
    /// What is reserved and approved.
    pub budget: &'a Budget,
}

/// What is over a tenant's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A window has no room for its part of the lease.
    Window(Short),
    /// The lease may touch more windows than are kept: so many.
    Windows(i64),
}

/// A window in which a lease does not fit. Amounts are GPU milli times milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// When the window begins.
    pub start_ms: TimeMs,
    /// When the next one does.
    pub next_ms: TimeMs,
    /// The window's budget, with what was approved on top.
    pub allowed: i128,
    /// What leases reserve of it.
    pub reserved: i128,
    /// What the lease would add.
    pub wanted: i128,
}

/// What a lease would take: so many GPUs for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// GPUs, in milli.
    pub gpu_milli: i64,
    /// For how long.
    pub length: DurationMs,
}

impl Want {
    /// GPU milli times milliseconds of all of it.
    #[must_use]
    pub fn total(self) -> i128 {
        i128::from(self.gpu_milli) * i128::from(self.length.0)
    }

    /// Windows that it touches at the most, whenever it starts.
    fn windows_max(self, width: DurationMs) -> i64 {
        self.length.0.div_euclid(width.0) + i64::from(self.length.0 % width.0 > 0) + 1
    }
}

impl Pool {
    /// The end of a lease on `ask` that is granted at `now`.
    #[must_use]
    pub fn lease_end(&self, ask: &RequestAllocation, now: TimeMs) -> TimeMs {
        now.plus(self.lease_length(ask)).min(TIME_MS_MAX)
    }

    /// How long a lease on `ask` runs by itself.
    #[must_use]
    pub fn lease_length(&self, ask: &RequestAllocation) -> DurationMs {
        let term_ms = ask.expected_duration_ms.min(self.policy.lease_max_ms);
        DurationMs(term_ms.0 + self.policy.lease_grace_ms.0)
    }

    /// What a lease on `ask` would take.
    #[must_use]
    pub fn want(&self, ask: &RequestAllocation) -> Want {
        Want { gpu_milli: ask.total_gpu_milli().0, length: self.lease_length(ask) }
    }

    /// What of a lease on `ask` that is granted at `now` is over its tenant's budget; none when it
    /// fits, or there is no budget.
    ///
    /// # Panics
    /// When the tenant has no quota: decide has checked it.
    #[must_use]
    pub fn over_budget(&self, ask: &RequestAllocation, now: TimeMs) -> Option<Over> {
        let allowance = self.tenants[&ask.tenant].allowance()?;
        allowance.over(self.want(ask), now)
    }

    /// When a lease on `ask` fits its tenant's budget first, from `now` on and as far as is known;
    /// none when it never does.
    ///
    /// # Panics
    /// As [`Pool::over_budget`].
    #[must_use]
    pub fn fits_budget_at(&self, ask: &RequestAllocation, now: TimeMs) -> Option<TimeMs> {
        match self.tenants[&ask.tenant].allowance() {
            Some(allowance) => allowance.earliest(self.want(ask), now),
            None => Some(now),
        }
    }

    /// Whether a lease on `ask` would fit its tenant's budget whenever it started from `now` on,
    /// beside others of which so much may fall into any one window (GPU milli times milliseconds).
    pub(crate) fn always_fits_budget(
        &self,
        ask: &RequestAllocation,
        beside: i128,
        now: TimeMs,
    ) -> bool {
        let allowance = self.tenants[&ask.tenant].allowance();
        let fits_from =
            |allowance: Allowance<'_>| allowance.always_fits_from(self.want(ask), beside, now);
        allowance.is_none_or(|allowance| fits_from(allowance) == Some(now))
    }

    /// From when on it would, as far as is known; none when it never does.
    pub(crate) fn always_fits_budget_from(
        &self,
        ask: &RequestAllocation,
        now: TimeMs,
    ) -> Option<TimeMs> {
        match self.tenants[&ask.tenant].allowance() {
            Some(allowance) => allowance.always_fits_from(self.want(ask), 0, now),
            None => Some(now),
        }
    }
}

impl Tenant {
    /// Whether something that its leases give back may let one that waits start.
    pub(crate) fn may_wait_for_budget(&self) -> bool {
        self.budget.is_some() && self.queued_count() > 0
    }

    /// Its budget, when it has one.
    #[must_use]
    pub fn allowance(&self) -> Option<Allowance<'_>> {
        let (gpu_hours, budget) = (self.quota.gpu_hour_budget?, self.budget.as_deref()?);
        Some(Allowance { gpu_hours, width: self.quota.budget_window_ms, budget })
    }
}

impl Allowance<'_> {
    /// When a window begins.
    #[must_use]
    pub fn start_of(&self, index: i64) -> TimeMs {
        TimeMs(index * self.width.0)
    }

    /// What may be reserved of a window at the most.
    #[must_use]
    pub fn allowed(&self, window: &BudgetWindow) -> i128 {
        (i128::from(self.gpu_hours) + i128::from(window.top_up_gpu_hours)) * GPU_HOUR
    }

    /// What is left of a window.
    #[must_use]
    pub fn left(&self, index: i64) -> i128 {
        let window = self.budget.window(index);
        (self.allowed(&window) - window.reserved).max(0)
    }

    /// The first window in which what is held at so many GPUs during `span` does not fit.
    #[must_use]
    pub fn short_in(&self, gpu_milli: i64, span: (TimeMs, TimeMs)) -> Option<Short> {
        if gpu_milli == 0 {
            return None;
        }
        parts(span, self.width).find_map(|(index, ms)| {
            let window = self.budget.window(index);
            let (allowed, reserved) = (self.allowed(&window), window.reserved);
            let wanted = i128::from(gpu_milli) * i128::from(ms);
            let (start_ms, next_ms) = (self.start_of(index), self.start_of(index + 1));
            let short = Short { start_ms, next_ms, allowed, reserved, wanted };
            (reserved + wanted > allowed).then_some(short)
        })
    }

    /// What of a lease that starts at `now` does not fit: its length, or the first such window.
    #[must_use]
    pub fn over(&self, want: Want, now: TimeMs) -> Option<Over> {
        let windows = want.windows_max(self.width);
        if want.gpu_milli > 0 && windows > BUDGET_WINDOWS_MAX {
            return Some(Over::Windows(windows));
        }
        let until = now.plus(want.length).min(TIME_MS_MAX);
        self.short_in(want.gpu_milli, (now, until)).map(Over::Window)
    }

    /// Whether a lease could fit an untouched budget, or what was approved on top of it for the
    /// windows from `now` on.
    #[must_use]
    pub fn could_ever_fit(&self, want: Want, now: TimeMs) -> bool {
        self.search(want, now, |window| self.allowed(window)).is_some()
    }

    /// The first time from `now` on at which a lease fits what is left, were nothing to change.
    #[must_use]
    pub fn earliest(&self, want: Want, now: TimeMs) -> Option<TimeMs> {
        self.search(want, now, |window| (self.allowed(window) - window.reserved).max(0))
    }

    /// The most of a lease that may fall into one window, in GPU milli times milliseconds.
    pub(crate) fn in_one_window(&self, want: Want) -> i128 {
        i128::from(want.gpu_milli) * i128::from(want.length.min(self.width).0)
    }

    /// From when on a lease would fit whenever it started: as much of it as one window can hold is
    /// left in each one, `beside` what else is to come. Once that is so, time alone does not change
    /// it. None when it never is.
    pub(crate) fn always_fits_from(&self, want: Want, beside: i128, now: TimeMs) -> Option<TimeMs> {
        if want.gpu_milli == 0 {
            return Some(now);
        }
        let in_one = self.in_one_window(want) + beside;
        let fits_empty = want.windows_max(self.width) <= BUDGET_WINDOWS_MAX
            && in_one <= i128::from(self.gpu_hours) * GPU_HOUR;
        if !fits_empty {
            return None;
        }
        let kept = self.budget.windows().range(window_of(now, self.width)..).rev();
        let too_full = |window: &BudgetWindow| window.reserved + in_one > self.allowed(window);
        let mut too_full = kept.filter(|(_, window)| too_full(window)).map(|(index, _)| index + 1);
        Some(too_full.next().map_or(now, |index| self.start_of(index)))
    }

    /// The first start from `now` on with which each window has room for its part of a lease.
    ///
    /// From the last window that is kept on all are alike, so one that starts in none of these
    /// never does.
    fn search(
        &self,
        want: Want,
        now: TimeMs,
        room: impl Fn(&BudgetWindow) -> i128,
    ) -> Option<TimeMs> {
        if want.gpu_milli == 0 {
            return Some(now);
        }
        let (length, width) = (want.length.0, self.width.0);
        if want.windows_max(self.width) > BUDGET_WINDOWS_MAX {
            return None;
        }
        let current = window_of(now, self.width);
        let last_kept = self.budget.windows().last_key_value().map_or(current, |(last, _)| *last);
        let last = last_kept.max(current) + 1;
        // How long the lease may run in each of them, and from the start of the one after it on.
        let ms_in = |index| milliseconds(room(&self.budget.window(index)), want.gpu_milli);
        let whole_windows = ms_in(last) >= width;
        let mut after_last = if whole_windows { length } else { ms_in(last).min(length) };
        let mut found = None;
        for index in (current..=last).rev() {
            let (end, here) = ((index + 1) * width, ms_in(index));
            // It starts so long before the window's end.
            let most = end - now.0.max(index * width);
            let start = if length <= most && length <= here {
                Some(end - most)
            } else {
                let before_end = most.min(here).min(length - 1);
                let fits = before_end >= 1 && before_end >= length - after_last;
                fits.then_some(end - before_end)
            };
            found = start.or(found);
            after_last =
                if here >= width { (width + after_last).min(length) } else { here.min(length) };
        }
        found.map(TimeMs)
    }
}

/// For how many whole milliseconds so many GPUs may be held.
fn milliseconds(room: i128, gpu_milli: i64) -> i64 {
    i64::try_from(room.max(0) / i128::from(gpu_milli)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::budget::Rate;
    use proptest::prelude::*;

    /// A budget is whole GPU-hours, so windows of an hour are filled by whole GPUs.
    const WIDTH: DurationMs = DurationMs(3_600_000);

    fn reserved(spans: &[(i64, i64, i64)], top_ups: &[(i64, i64)]) -> Budget {
        let mut budget = Budget::default();
        for (gpu_milli, from, length) in spans {
            let rate = Rate { gpu_milli: *gpu_milli, cost: 0 };
            budget.reserve(rate, (TimeMs(*from), TimeMs(from + length)), WIDTH);
        }
        top_ups.iter().for_each(|(index, hours)| budget.top_up(*index, *hours));
        budget
    }

    proptest! {
        /// Times are whole minutes here, so that every one can be tried.
        #[test]
        fn the_earliest_start_is_the_first_minute_that_fits(
            spans in prop::collection::vec((1..4_i64, 0..300_i64, 1..200_i64), 0..6),
            top_ups in prop::collection::vec((0..6_i64, 1..3_i64), 0..3),
            gpu_hours in 0..4_i64,
            gpus in 1..5_i64,
            length in 1..200_i64,
            now in 0..200_i64,
        ) {
            const MINUTE: i64 = 60_000;
            let spans: Vec<_> = spans
                .into_iter()
                .map(|(gpus, from, length)| (gpus * 1_000, from * MINUTE, length * MINUTE))
                .collect();
            let budget = reserved(&spans, &top_ups);
            let allowance = Allowance { gpu_hours, width: WIDTH, budget: &budget };
            let want = Want { gpu_milli: gpus * 1_000, length: DurationMs(length * MINUTE) };
            let now = TimeMs(now * MINUTE);
            let fits = |at: TimeMs| allowance.over(want, at).is_none();
            let found = allowance.earliest(want, now);
            // Twelve hours: all that is reserved or approved lies before them.
            let minutes = (0..12 * 60).map(|minute| TimeMs(now.0 + minute * MINUTE));
            let first = minutes.clone().find(|at| fits(*at));
            match found {
                None => prop_assert_eq!(first, None),
                Some(at) => {
                    prop_assert!(fits(at), "{:?} does not fit at {}", want, at);
                    prop_assert!(first.is_some_and(|first| at <= first), "{at} is past {first:?}");
                    prop_assert!(at == now || !fits(TimeMs(at.0 - 1)), "{at} is not the first");
                }
            }
            if let Some(from) = allowance.always_fits_from(want, 0, now) {
                let mut minutes = minutes.into_iter().filter(|at| *at >= from);
                prop_assert!(minutes.all(fits), "not always from {from} on");
            }
            let empty = reserved(&[], &top_ups);
            let untouched = Allowance { budget: &empty, ..allowance };
            prop_assert_eq!(
                allowance.could_ever_fit(want, now),
                untouched.earliest(want, now).is_some()
            );
        }
    }

    #[test]
    fn a_lease_is_split_at_the_boundaries_of_windows() {
        let budget = reserved(&[(1_000, WIDTH.0 - 1, WIDTH.0 + 2)], &[]);
        let of = |index| budget.window(index).reserved;
        assert_eq!([of(-1), of(0), of(1), of(2), of(3)], [0, 1_000, GPU_HOUR, 1_000, 0]);
    }
}
