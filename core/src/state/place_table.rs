//! From a digest to its number in a ring: open addressing with linear probing, eight bytes a slot.
//!
//! The digests themselves stay in the ring. A slot holds the first 32 bits of one, which say where
//! it belongs and tell most others apart, and its number. Nothing is ever listed, so that the order
//! of the slots cannot be seen.

use crate::units::Hash16;

/// Slots that a table has at least.
const SLOTS_MIN: usize = 16;
/// Numbers go round below this; the one above marks an empty slot.
const NUMBERS: u64 = 1 << 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    tag: u32,
    number: u32,
}

const EMPTY: Slot = Slot { tag: 0, number: u32::MAX };

/// Numbers by digest. At most half of its slots are in use.
#[derive(Clone, Debug)]
pub(super) struct PlaceTable {
    /// As many as a power of two.
    slots: Vec<Slot>,
}

/// The `sequence`th entry's number: what stays the same while the ring moves on.
pub(super) fn number_of(sequence: u64) -> u32 {
    u32::try_from(sequence % NUMBERS).expect("it is below 2^31")
}

/// How far `number` is behind the number of the ring's first entry.
pub(super) fn place_of(number: u32, first: u32) -> usize {
    let ahead = (u64::from(number) + NUMBERS - u64::from(first)) % NUMBERS;
    usize::try_from(ahead).expect("a place in memory")
}

impl PlaceTable {
    /// An empty table with room for `count` digests.
    pub(super) fn for_count(count: usize) -> Self {
        let slots = (count * 2).next_power_of_two().max(SLOTS_MIN);
        Self { slots: vec![EMPTY; slots] }
    }

    /// Whether `count` digests need a larger table.
    pub(super) fn is_crowded_by(&self, count: usize) -> bool {
        count * 2 > self.slots.len()
    }

    /// The number of `digest`, among those that `is_it` accepts: tags of different digests may be
    /// the same.
    pub(super) fn find(&self, digest: Hash16, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag_of(digest);
        let mut at = self.home(tag);
        while self.slots[at] != EMPTY {
            let slot = self.slots[at];
            if slot.tag == tag && is_it(slot.number) {
                return Some(slot.number);
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a digest that is not in the table yet.
    pub(super) fn add(&mut self, digest: Hash16, number: u32) {
        let tag = tag_of(digest);
        let mut at = self.home(tag);
        while self.slots[at] != EMPTY {
            at = self.after(at);
        }
        self.slots[at] = Slot { tag, number };
    }

    /// Removes a digest, and closes the gap so that those behind it are still found.
    ///
    /// # Panics
    /// When it is not in the table under that number.
    pub(super) fn remove(&mut self, digest: Hash16, number: u32) {
        let wanted = Slot { tag: tag_of(digest), number };
        let mut gap = self.home(wanted.tag);
        while self.slots[gap] != wanted {
            assert!(self.slots[gap] != EMPTY, "number {number} is in the ring, not in the table");
            gap = self.after(gap);
        }
        let mut at = self.after(gap);
        while self.slots[at] != EMPTY {
            // Whoever is at least as far from home as from the gap may move into it.
            let home = self.home(self.slots[at].tag);
            if self.distance(home, at) >= self.distance(gap, at) {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.slots[gap] = EMPTY;
    }

    fn home(&self, tag: u32) -> usize {
        usize::try_from(tag).expect("a word has 32 bits or more") & (self.slots.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        (to + self.slots.len() - from) & (self.slots.len() - 1)
    }
}

fn tag_of(digest: Hash16) -> u32 {
    let [a, b, c, d, ..] = digest.0;
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::draw::Draw;
    use std::collections::VecDeque;

    /// Few different tags, so that digests meet, also around the end of the table.
    fn digest(draw: &mut Draw) -> Hash16 {
        let mut bytes = [0; 16];
        bytes[0] = [0, 1, 14, 15, 255][draw.below(5)];
        bytes[8..].copy_from_slice(&draw.next_bits().to_le_bytes());
        Hash16(bytes)
    }

    #[test]
    fn what_was_added_and_not_removed_is_found_however_tags_meet() {
        let mut draw = Draw::new(5);
        let mut table = PlaceTable::for_count(24);
        let mut held: VecDeque<(Hash16, u32)> = VecDeque::new();
        for sequence in NUMBERS - 500..NUMBERS + 500 {
            if held.len() == 24 {
                let (digest, number) = held.pop_front().expect("24 are held");
                table.remove(digest, number);
                assert_eq!(table.find(digest, |found| found == number), None);
            }
            let (digest, number) = (digest(&mut draw), number_of(sequence));
            table.add(digest, number);
            held.push_back((digest, number));
            let first = held[0].1;
            for (place, (digest, number)) in held.iter().enumerate() {
                assert_eq!(table.find(*digest, |found| found == *number), Some(*number));
                assert_eq!(place_of(*number, first), place);
            }
        }
        assert!(!table.is_crowded_by(32) && table.is_crowded_by(33));
    }
}
