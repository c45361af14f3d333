//! The recent waits of one class, and what they say of the next one.

use super::class::Level;
use std::collections::VecDeque;

/// Waits that a class remembers: the newest ones.
pub const WAITS_MAX: usize = 200;
/// Waits without which nothing is said.
pub const WAITS_MIN: usize = 20;

/// The newest waits of a class, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// By when they ended.
    recent: VecDeque<i64>,
    /// The same, by length.
    sorted: Vec<i64>,
}

/// What is said of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// In half of the cases it is no longer than that.
    pub p50_ms: i64,
    /// In nine of ten cases it is no longer than that.
    pub p90_ms: i64,
    /// From how many waits.
    pub waits: usize,
    /// How much like the request's these are.
    pub level: Level,
}

impl Window {
    /// How many waits are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// A wait ended; the oldest one is forgotten for it.
    ///
    /// # Panics
    /// Never: what is forgotten was remembered.
    pub fn add(&mut self, waited_ms: i64) {
        if self.recent.len() == WAITS_MAX {
            let oldest = self.recent.pop_front().expect("a full window has an oldest wait");
            let at = self.sorted.binary_search(&oldest).expect("both hold the same waits");
            self.sorted.remove(at);
        }
        self.recent.push_back(waited_ms);
        let at = self.sorted.partition_point(|wait| *wait < waited_ms);
        self.sorted.insert(at, waited_ms);
    }

    /// What they say of the next wait; nothing when they are too few.
    #[must_use]
    pub fn quantiles(&self, level: Level) -> Option<Quantiles> {
        (self.sorted.len() >= WAITS_MIN).then(|| Quantiles {
            p50_ms: self.at_tenths(5),
            p90_ms: self.at_tenths(9),
            waits: self.sorted.len(),
            level,
        })
    }

    /// The shortest wait within which so many tenths of n + 1 waits are: the next one is one of
    /// them, and could stand anywhere among them.
    fn at_tenths(&self, tenths: usize) -> i64 {
        let count = self.sorted.len();
        let rank = ((count + 1) * tenths).div_ceil(10).min(count);
        self.sorted[rank - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(waits: impl IntoIterator<Item = i64>) -> Window {
        let mut window = Window::default();
        waits.into_iter().for_each(|wait| window.add(wait));
        window
    }

    fn said(window: &Window) -> Option<(i64, i64)> {
        window.quantiles(Level::Pool).map(|said| (said.p50_ms, said.p90_ms))
    }

    #[test]
    fn quantiles_by_hand() {
        // 19 are too few; of 20 the next one is the 11th or less in half of 21 cases.
        assert_eq!(said(&of(1..=19)), None);
        assert_eq!(said(&of(1..=20)), Some((11, 19)));
        assert_eq!(said(&of((1..=20).rev())), Some((11, 19)));
        assert_eq!(said(&of(1..=99)), Some((50, 90)));
        assert_eq!(said(&of(std::iter::repeat_n(0, 30))), Some((0, 0)));
        assert_eq!(said(&of((0..18).map(|_| 0).chain([7, 9]))), Some((0, 7)));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let full = i64::try_from(WAITS_MAX).unwrap_or(i64::MAX);
        let window = of((0..full).map(|_| 1_000_000).chain((0..full).map(|wait| wait + 1)));
        assert_eq!(window.len(), WAITS_MAX);
        assert_eq!(said(&window), Some((101, 181)));
    }

    proptest! {
        #[test]
        fn it_is_the_quantile_of_the_newest(waits in prop::collection::vec(0..50_i64, 0..500)) {
            let window = of(waits.iter().copied());
            let mut newest = waits[waits.len().saturating_sub(WAITS_MAX)..].to_vec();
            newest.sort_unstable();
            prop_assert_eq!(window.len(), newest.len());
            let Some((p50, p90)) = said(&window) else {
                prop_assert!(newest.len() < WAITS_MIN);
                return Ok(());
            };
            for (limit, tenths) in [(p50, 5), (p90, 9)] {
                let within = newest.iter().filter(|wait| **wait <= limit).count();
                let below = newest.iter().filter(|wait| **wait < limit).count();
                let all = newest.len() + 1;
                prop_assert!(within * 10 >= (all * tenths).min(newest.len() * 10));
                prop_assert!(below * 10 < all * tenths);
            }
        }
    }
}
