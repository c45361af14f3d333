//! What became of the transactions of one partition, counted for as long as the process lives:
//! through every producer that was made anew and every owner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of a commit's duration, in seconds. The last one is endless.
pub const COMMIT_BUCKETS_S: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, f64::INFINITY];

/// Counts that any thread may read while one writes.
#[derive(Debug, Default)]
pub struct TransactionCounts {
    commits: AtomicU64,
    aborts: AtomicU64,
    unknown: AtomicU64,
    recycled: AtomicU64,
    commit_nanos: AtomicU64,
    commit_buckets: [AtomicU64; COMMIT_BUCKETS_S.len()],
}

/// The counts as of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransactionFigures {
    /// Transactions committed.
    pub commits: u64,
    /// Transactions of which nothing can be read by anybody.
    pub aborts: u64,
    /// Transactions whose end nobody told: the log was asked.
    pub unknown: u64,
    /// Producers made anew after one of those.
    pub recycled: u64,
    /// How long all commits took together, from the first record to the brokers' answer.
    pub commit_time: Duration,
    /// Commits by the bucket of [`COMMIT_BUCKETS_S`] that their duration falls into.
    pub commit_buckets: [u64; COMMIT_BUCKETS_S.len()],
}

impl TransactionCounts {
    /// One more was committed, and took `elapsed`.
    ///
    /// # Panics
    /// Never: the last bucket is endless.
    pub(super) fn committed(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let bucket = COMMIT_BUCKETS_S.iter().position(|bound| seconds <= *bound);
        add(&self.commit_buckets[bucket.expect("the last bucket is endless")], 1);
        add(&self.commit_nanos, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        add(&self.commits, 1);
    }

    /// One more was aborted.
    pub(super) fn aborted(&self) {
        add(&self.aborts, 1);
    }

    /// Of one more nobody knows the end.
    pub(super) fn is_unknown(&self) {
        add(&self.unknown, 1);
    }

    /// One more producer was made anew.
    pub(super) fn recycled(&self) {
        add(&self.recycled, 1);
    }

    /// The counts as of now.
    #[must_use]
    pub fn figures(&self) -> TransactionFigures {
        TransactionFigures {
            commits: read(&self.commits),
            aborts: read(&self.aborts),
            unknown: read(&self.unknown),
            recycled: read(&self.recycled),
            commit_time: Duration::from_nanos(read(&self.commit_nanos)),
            commit_buckets: std::array::from_fn(|bucket| read(&self.commit_buckets[bucket])),
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_falls_into_the_first_bucket_that_holds_it() {
        let counts = TransactionCounts::default();
        let took_ms = [1, 3, 25, 26, 60_000];
        took_ms.iter().for_each(|ms| counts.committed(Duration::from_millis(*ms)));
        counts.aborted();
        let figures = counts.figures();
        assert_eq!((figures.commits, figures.aborts, figures.unknown), (5, 1, 0));
        assert_eq!(figures.commit_time, Duration::from_millis(took_ms.iter().sum()));
        let held: Vec<_> = COMMIT_BUCKETS_S
            .iter()
            .zip(figures.commit_buckets)
            .filter(|(_, count)| *count > 0)
            .collect();
        let bounds = [(&0.001, 1), (&0.005, 1), (&0.025, 1), (&0.05, 1), (&f64::INFINITY, 1)];
        assert_eq!(held, bounds);
    }
}
