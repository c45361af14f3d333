//! How long a partition is ours: from its assignment until it is taken away, and not a commit
//! longer.

use crate::log::kafka::Hold;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// One assignment of one partition. Another one, even of the same partition, is another tenure.
#[derive(Debug)]
pub(super) struct Tenure {
    /// Held while a transaction is committed, and to end the tenure: so whoever takes the partition
    /// away waits for a commit under way, and none begins afterwards.
    lock: Mutex<()>,
    is_ours: AtomicBool,
    /// Whether its owner is to begin another round.
    is_wanted: AtomicBool,
    /// Whether its owner has nothing under way and will not begin anything.
    is_done: AtomicBool,
}

impl Tenure {
    pub(super) fn new() -> Self {
        Self {
            lock: Mutex::new(()),
            is_ours: AtomicBool::new(true),
            is_wanted: AtomicBool::new(true),
            is_done: AtomicBool::new(false),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.is_ours.load(Ordering::Acquire)
    }

    /// Whether its owner is to go on: it is ours, and nobody asked for an end.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_ours() && self.is_wanted.load(Ordering::Acquire)
    }

    /// Asks its owner to finish the round under way and to begin no other.
    pub(super) fn let_finish(&self) {
        self.is_wanted.store(false, Ordering::Release);
    }

    /// Whether its owner has finished.
    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// Says that its owner has finished.
    pub(super) fn finish(&self) {
        self.is_done.store(true, Ordering::Release);
    }

    /// Keeps it from ending; none when it has ended.
    pub(super) fn hold(&self) -> Option<Hold<'_>> {
        let hold = Hold::locked(&self.lock);
        self.is_ours().then_some(hold)
    }

    /// Ends it, once a commit under way has ended.
    pub(super) fn end(&self) {
        let _committing = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_ours.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_tenure_ends_after_the_commit_under_way_and_before_the_next() {
        let tenure = Arc::new(Tenure::new());
        let hold = tenure.hold().expect("it is ours");
        let ending = Arc::clone(&tenure);
        let ended = std::thread::spawn(move || ending.end());
        std::thread::sleep(Duration::from_millis(30));
        assert!(tenure.is_ours() && !ended.is_finished(), "a commit is under way");
        drop(hold);
        ended.join().expect("ending does not panic");
        assert!(tenure.hold().is_none());
    }
}
