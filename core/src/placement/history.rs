//! Which nodes of a fleet changed lately: what lets a cache refresh only those.
//!
//! A history is no part of a fleet's value: two fleets are equal when their nodes are.

use super::draw::scrambled;
use std::collections::VecDeque;

/// Changes that a fleet remembers. A cache that missed more starts afresh.
const TOUCHES_MAX: usize = 4_096;

/// A point in the life of a fleet: how many changes, and a digest of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    clock: u64,
    digest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    node: usize,
    digest: u64,
}

/// The latest changes, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    now: Moment,
    /// The moment before the oldest remembered change.
    oldest: Moment,
    touches: VecDeque<Touch>,
    /// Per node, the clock of its latest change.
    touched_at: Vec<u64>,
}

impl PartialEq for History {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for History {}

impl History {
    /// Notes that `node` changed; `change` digests how. A node one past the last is a new one.
    pub(super) fn touch(&mut self, node: usize, change: u64) {
        self.step(scrambled(change).wrapping_add(node as u64));
        if self.touches.len() == TOUCHES_MAX {
            let touch = self.touches.pop_front().expect("the list is full, so it is not empty");
            self.oldest = Moment { clock: self.oldest.clock + 1, digest: touch.digest };
        }
        self.touches.push_back(Touch { node, digest: self.now.digest });
        if node == self.touched_at.len() {
            self.touched_at.push(self.now.clock);
        } else {
            self.touched_at[node] = self.now.clock;
        }
    }

    /// Notes that node `node` left and those behind it moved up: nothing before counts any more.
    pub(super) fn node_left(&mut self, node: usize) {
        self.step(scrambled(!0).wrapping_add(node as u64));
        self.touches.clear();
        self.oldest = self.now;
        self.touched_at.remove(node);
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Whether this fleet was at `then`, and remembers every change since. False for a moment of
    /// another fleet, be it a copy that went its own way.
    pub(super) fn remembers(&self, then: Moment) -> bool {
        if then.clock < self.oldest.clock || then.clock > self.now.clock {
            return false;
        }
        let passed = usize::try_from(then.clock - self.oldest.clock)
            .expect("as many touches as are remembered fit a length");
        let digest = match passed {
            0 => self.oldest.digest,
            passed => self.touches[passed - 1].digest,
        };
        digest == then.digest
    }

    /// The nodes that changed after `then`, each once.
    pub(super) fn touched_since(&self, then: Moment) -> impl Iterator<Item = usize> {
        assert!(self.remembers(then), "asked for changes that are not remembered");
        let passed = usize::try_from(then.clock - self.oldest.clock)
            .expect("as many touches as are remembered fit a length");
        let clocks = then.clock + 1..;
        let touches = clocks.zip(self.touches.range(passed..));
        // A node's earlier changes are skipped: the latest one tells the same.
        touches.filter(|(at, touch)| self.touched_at[touch.node] == *at).map(|(_, t)| t.node)
    }

    fn step(&mut self, change: u64) {
        let digest = scrambled(self.now.digest.rotate_left(1) ^ change);
        self.now = Moment { clock: self.now.clock + 1, digest };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(nodes: usize) -> History {
        let mut history = History::default();
        (0..nodes).for_each(|node| history.touch(node, 0));
        history
    }

    #[test]
    fn each_changed_node_is_named_once() {
        let mut history = grown(4);
        let then = history.now();
        [2, 0, 2, 0, 0].iter().for_each(|&node| history.touch(node, 9));
        assert_eq!(history.touched_since(then).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(history.touched_since(history.now()).count(), 0);
    }

    #[test]
    fn a_moment_of_another_life_is_not_remembered() {
        let mut history = grown(4);
        let mut copy = history.clone();
        assert!(copy.remembers(history.now()));
        history.touch(1, 5);
        copy.touch(1, 6);
        assert!(!copy.remembers(history.now()));
        assert!(!copy.remembers(Moment { clock: 99, ..copy.now() }));
    }

    #[test]
    fn what_lies_too_far_back_or_before_a_removal_is_forgotten() {
        let mut history = grown(2);
        let then = history.now();
        (0..TOUCHES_MAX).for_each(|_| history.touch(1, 1));
        assert!(history.remembers(then));
        assert_eq!(history.touched_since(then).collect::<Vec<_>>(), [1]);
        history.touch(1, 1);
        assert!(!history.remembers(then));
        let then = history.now();
        history.node_left(0);
        assert!(!history.remembers(then) && history.remembers(history.now()));
    }
}
