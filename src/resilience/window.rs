//! The calls that a breaker remembers: the last so many, or those of the last so long.

use super::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// Parts of a window of time: it moves on by one of them.
const SLICES: u32 = 10;

/// How far a breaker looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSize {
    /// The last so many calls.
    Calls(usize),
    /// The calls of the last so long, to a tenth of it.
    Span(Duration),
}

/// How many calls went how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Tally {
    fn one(is_failure: bool, is_slow: bool) -> Self {
        Self { calls: 1, failures: u64::from(is_failure), slow: u64::from(is_slow) }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// Tallies of single calls, or of slices of time with their number.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: WindowSize,
    parts: VecDeque<(u128, Tally)>,
    sum: Tally,
}

impl Window {
    pub(super) fn new(size: WindowSize) -> Self {
        Self { size, parts: VecDeque::new(), sum: Tally::default() }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.size);
    }

    pub(super) fn note(&mut self, now: Moment, is_failure: bool, is_slow: bool) {
        let one = Tally::one(is_failure, is_slow);
        let slice = self.slice(now);
        let is_span = matches!(self.size, WindowSize::Span(_));
        match self.parts.back_mut() {
            Some((last, tally)) if is_span && *last >= slice => tally.add(one),
            _ => self.parts.push_back((slice, one)),
        }
        self.sum.add(one);
        self.forget(slice);
    }

    /// What is in the window now.
    pub(super) fn tally(&mut self, now: Moment) -> Tally {
        self.forget(self.slice(now));
        self.sum
    }

    fn slice(&self, now: Moment) -> u128 {
        match self.size {
            WindowSize::Calls(_) => 0,
            WindowSize::Span(span) => now.0.as_nanos() / (span / SLICES).as_nanos().max(1),
        }
    }

    fn forget(&mut self, slice: u128) {
        let is_old = |parts: &VecDeque<(u128, Tally)>| match self.size {
            WindowSize::Calls(calls) => parts.len() > calls.max(1),
            WindowSize::Span(_) => {
                parts.front().is_some_and(|(first, _)| first + u128::from(SLICES) <= slice)
            }
        };
        while is_old(&self.parts) {
            let (_, tally) = self.parts.pop_front().expect("what is old is there");
            self.sum.subtract(tally);
        }
    }
}
