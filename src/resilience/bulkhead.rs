//! A bulkhead: so many calls under way, so many that wait, and nobody else. A dependency that hangs
//! then costs a bounded number of threads.

use std::collections::VecDeque;

/// How many may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadSettings {
    /// Calls under way.
    pub running_max: usize,
    /// Calls that wait for one of them to end.
    pub queued_max: usize,
}

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self { running_max: 4, queued_max: 32 }
    }
}

/// What became of somebody who wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The call may begin.
    Running,
    /// It waits under this number until [`Bulkhead::claim`] says yes.
    Queued(u64),
    /// There is no room to wait.
    Full,
}

/// The state machine. First come, first served.
#[derive(Debug)]
pub struct Bulkhead {
    settings: BulkheadSettings,
    running: usize,
    queue: VecDeque<u64>,
    next: u64,
}

impl Bulkhead {
    /// An empty one.
    #[must_use]
    pub fn new(settings: BulkheadSettings) -> Self {
        Self { settings, running: 0, queue: VecDeque::new(), next: 0 }
    }

    /// Somebody wants in.
    pub fn enter(&mut self) -> Entry {
        if self.running < self.settings.running_max.max(1) && self.queue.is_empty() {
            self.running += 1;
            return Entry::Running;
        }
        if self.queue.len() >= self.settings.queued_max {
            return Entry::Full;
        }
        self.next += 1;
        self.queue.push_back(self.next);
        Entry::Queued(self.next)
    }

    /// Whether it is this one's turn; then its call may begin.
    pub fn claim(&mut self, number: u64) -> bool {
        let has_room = self.running < self.settings.running_max.max(1);
        if !has_room || self.queue.front() != Some(&number) {
            return false;
        }
        self.queue.pop_front();
        self.running += 1;
        true
    }

    /// This one waits no longer.
    pub fn give_up(&mut self, number: u64) {
        self.queue.retain(|queued| *queued != number);
    }

    /// A call has ended.
    ///
    /// # Panics
    /// When none was under way.
    pub fn leave(&mut self) {
        self.running = self.running.checked_sub(1).expect("whoever leaves was in");
    }

    /// Calls under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Calls that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }
}
