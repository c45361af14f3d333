//! Which command ids a pool has seen lately, and what they asked.
//!
//! A ring of the ids in arrival order, and beside it a table from id to place in the ring, which
//! follows from the ring and is no part of the window's value. At 1,000,000 ids they take 48 MB and
//! 16 MB: `docs/decisions/0002-state-machine.md` has the times, and what else was tried.

use super::place_table::{PlaceTable, number_of, place_of};
use crate::decision::Remembered;
use crate::units::{DurationMs, Hash16, Offset, TimeMs};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::VecDeque;

/// What a pool remembers of recent commands.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Ring")]
pub struct DuplicateWindow {
    ring: Ring,
    table: PlaceTable,
}

/// What is stored: the table follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ring {
    ids_max: usize,
    window_ms: DurationMs,
    /// How many entries ever left at the front: an entry's sequence is this and its place.
    dropped: u64,
    entries: VecDeque<Seen>,
}

/// One remembered command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Digest of its id and of what it asked.
    pub digests: Remembered,
    /// The decision that answered it.
    pub offset: Offset,
    /// When it was answered.
    pub time_ms: TimeMs,
}

impl PartialEq for DuplicateWindow {
    fn eq(&self, other: &Self) -> bool {
        self.ring == other.ring
    }
}

impl Eq for DuplicateWindow {}

impl Serialize for DuplicateWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.ring.serialize(to)
    }
}

impl From<Ring> for DuplicateWindow {
    fn from(ring: Ring) -> Self {
        Self { table: ring.table(), ring }
    }
}

impl Ring {
    fn number(&self, place: usize) -> u32 {
        number_of(self.dropped + place as u64)
    }

    fn at(&self, number: u32) -> &Seen {
        &self.entries[place_of(number, self.number(0))]
    }

    fn table(&self) -> PlaceTable {
        let mut table = PlaceTable::for_count(self.entries.len());
        for (place, seen) in self.entries.iter().enumerate() {
            table.add(seen.digests.id_hash, self.number(place));
        }
        table
    }
}

impl DuplicateWindow {
    /// An empty window that holds at most `ids_max` ids for at most `window_ms` of log time.
    #[must_use]
    pub fn new(ids_max: usize, window_ms: DurationMs) -> Self {
        Self::from(Ring { ids_max, window_ms, dropped: 0, entries: VecDeque::new() })
    }

    /// What is remembered of this id at `now`.
    ///
    /// # Panics
    /// Never: the table names places of the ring only.
    #[must_use]
    pub fn find(&self, id_hash: Hash16, now: TimeMs) -> Option<Seen> {
        let seen = *self.ring.at(self.number(id_hash)?);
        (!self.is_too_old(&seen, now)).then_some(seen)
    }

    /// Remembers a command and forgets those that no longer fit.
    ///
    /// # Panics
    /// When the id is still remembered: decide must have answered `Duplicate`.
    pub fn remember(&mut self, seen: Seen) {
        self.forget_old(seen.time_ms);
        if self.ring.ids_max == 0 {
            return;
        }
        let id_hash = seen.digests.id_hash;
        assert!(self.number(id_hash).is_none(), "{seen:?} again: decide missed a duplicate");
        self.ring.entries.push_back(seen);
        let count = self.ring.entries.len();
        if self.table.is_crowded_by(count) {
            self.table = self.ring.table();
        } else {
            self.table.add(id_hash, self.ring.number(count - 1));
        }
    }

    /// How many ids are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.entries.len()
    }

    /// Whether no id is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.entries.is_empty()
    }

    fn number(&self, id_hash: Hash16) -> Option<u32> {
        self.table.find(id_hash, |number| self.ring.at(number).digests.id_hash == id_hash)
    }

    fn forget_old(&mut self, now: TimeMs) {
        while let Some(&oldest) = self.ring.entries.front() {
            if self.ring.entries.len() < self.ring.ids_max && !self.is_too_old(&oldest, now) {
                break;
            }
            self.table.remove(oldest.digests.id_hash, self.ring.number(0));
            self.ring.entries.pop_front();
            self.ring.dropped += 1;
        }
    }

    fn is_too_old(&self, seen: &Seen, now: TimeMs) -> bool {
        seen.time_ms.plus(self.ring.window_ms) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: u8, time_ms: i64) -> Seen {
        let id_hash = Hash16([id; 16]);
        let digests = Remembered { id_hash, payload_hash: Hash16([id ^ 0xff; 16]) };
        Seen { digests, offset: Offset(i64::from(id)), time_ms: TimeMs(time_ms) }
    }

    #[track_caller]
    fn check(window: &DuplicateWindow, now: i64, ids: &[u8]) {
        let held: Vec<u8> =
            (0..=255).filter(|id| window.find(Hash16([*id; 16]), TimeMs(now)).is_some()).collect();
        assert_eq!(held, ids);
    }

    #[test]
    fn an_id_is_forgotten_when_the_window_is_full_or_the_time_is_over() {
        let mut window = DuplicateWindow::new(3, DurationMs(100));
        for (id, time) in [(1, 0), (2, 10), (3, 20)] {
            window.remember(seen(id, time));
        }
        check(&window, 20, &[1, 2, 3]);
        check(&window, 99, &[1, 2, 3]);
        check(&window, 100, &[2, 3]);
        window.remember(seen(4, 30));
        check(&window, 30, &[2, 3, 4]);
        window.remember(seen(1, 125));
        check(&window, 125, &[1, 4]);
        assert_eq!(window.len(), 2);
    }

    #[test]
    fn the_table_follows_from_the_ring() {
        let mut window = DuplicateWindow::new(2, DurationMs(1_000));
        for id in 1..=9 {
            window.remember(seen(id, i64::from(id)));
        }
        let restored = DuplicateWindow::from(window.ring.clone());
        assert_eq!(restored, window);
        check(&restored, 9, &[8, 9]);
    }
}
