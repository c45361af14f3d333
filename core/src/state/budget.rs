//! What a tenant's leases reserve of its budget, window by window.
//!
//! A lease reserves its GPU time from its grant to its end, in each window the part that falls into
//! it. What is given back early is taken off from that moment on; a lease that ends by itself
//! changes nothing, whichever command notices it: it has reserved exactly what it held.

use crate::units::{DurationMs, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The windows of one tenant's budget, by their index: window k is [k·w, (k+1)·w) of log time.
/// There is none for one that nothing was reserved in or approved for, nor for those that had
/// ended when the budget last changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    windows: BTreeMap<i64, BudgetWindow>,
}

/// One window of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetWindow {
    /// GPU milli times milliseconds that leases have used, or will have by their ends.
    pub reserved: i128,
    /// The same times the price of a GPU-hour in micro-USD at the grant.
    pub cost: i128,
    /// GPU-hours that were approved on top of the budget.
    pub top_up_gpu_hours: i64,
}

/// What a lease, or a part of it, takes of a budget each millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// GPUs that it holds, in milli.
    pub gpu_milli: i64,
    /// The sum over them of milli times the price of a GPU-hour in micro-USD.
    pub cost: i128,
}

impl Budget {
    /// The windows that are kept, by index.
    #[must_use]
    pub fn windows(&self) -> &BTreeMap<i64, BudgetWindow> {
        &self.windows
    }

    /// One of them; an empty one where none is kept.
    #[must_use]
    pub fn window(&self, index: i64) -> BudgetWindow {
        self.windows.get(&index).copied().unwrap_or_default()
    }

    /// Reserves what is held at `rate` from one time to the other; nothing when that is no time.
    pub(crate) fn reserve(&mut self, rate: Rate, span: (TimeMs, TimeMs), width: DurationMs) {
        self.change(rate, span, width, 1);
    }

    /// Takes it off again.
    pub(crate) fn refund(&mut self, rate: Rate, span: (TimeMs, TimeMs), width: DurationMs) {
        self.change(rate, span, width, -1);
    }

    /// Adds to what was approved for a window.
    pub(crate) fn top_up(&mut self, index: i64, gpu_hours: i64) {
        self.windows.entry(index).or_default().top_up_gpu_hours += gpu_hours;
    }

    /// Forgets the windows that ended before `now`.
    pub(crate) fn forget_before(&mut self, now: TimeMs, width: DurationMs) {
        let current = window_of(now, width);
        while self.windows.first_key_value().is_some_and(|(index, _)| *index < current) {
            self.windows.pop_first();
        }
    }

    fn change(&mut self, rate: Rate, span: (TimeMs, TimeMs), width: DurationMs, sign: i128) {
        if rate.gpu_milli == 0 {
            return;
        }
        for (index, ms) in parts(span, width) {
            let window = self.windows.entry(index).or_default();
            window.reserved += sign * i128::from(rate.gpu_milli) * i128::from(ms);
            window.cost += sign * rate.cost * i128::from(ms);
            assert!(window.reserved >= 0, "window {index} gives back what was not reserved");
            if *window == BudgetWindow::default() {
                self.windows.remove(&index);
            }
        }
    }
}

/// The window that a time lies in.
#[must_use]
pub fn window_of(time: TimeMs, width: DurationMs) -> i64 {
    time.0.div_euclid(width.0)
}

/// The windows that a span touches, with the milliseconds of it in each.
pub fn parts(
    (from, until): (TimeMs, TimeMs),
    width: DurationMs,
) -> impl Iterator<Item = (i64, i64)> {
    let (first, last) = (window_of(from, width), window_of(TimeMs(until.0 - 1), width));
    let is_any = from < until;
    let touched = (first..=last).filter(move |_| is_any);
    touched.map(move |index| {
        let (start, end) = (index * width.0, (index + 1) * width.0);
        (index, until.0.min(end) - from.0.max(start))
    })
}
