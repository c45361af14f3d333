//! Which command ids a pool has seen lately, and what they asked.
//!
//! A ring of the ids in arrival order, with an index from id to place in the ring. Measured at
//! 1,000,000 ids (`benches/duplicates.rs`): see `docs/decisions/0002-state-machine.md`.

use crate::decision::Remembered;
use crate::units::{DurationMs, Hash16, Offset, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

/// What a pool remembers of recent commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Ring", into = "Ring")]
pub struct DuplicateWindow {
    ring: Ring,
    index: Index,
}

/// What is stored: the index follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ring {
    ids_max: usize,
    window_ms: DurationMs,
    /// How many entries ever left at the front: entry `sequence` stands at `sequence - dropped`.
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

// The order of a hash map is never looked at: entries are only found, added and removed by key, and
// equality and storage go by the ring. An ordered map took six times as long at a million ids.
#[expect(clippy::disallowed_types, reason = "keyed access only; iteration order is never observed")]
type Index = std::collections::HashMap<Hash16, u64, BuildHasherDefault<DigestHasher>>;

/// Ids are digests already: their first 8 bytes are as good a hash as any, and the same everywhere.
#[derive(Clone, Debug, Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8) {
            self.0 ^= u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        }
    }

    fn write_usize(&mut self, _length: usize) {
        // All digests have one length: mixing it in would add nothing.
    }
}

impl std::hash::Hash for Hash16 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl PartialEq for DuplicateWindow {
    fn eq(&self, other: &Self) -> bool {
        self.ring == other.ring
    }
}

impl Eq for DuplicateWindow {}

impl From<Ring> for DuplicateWindow {
    fn from(ring: Ring) -> Self {
        let index = (ring.dropped..).zip(&ring.entries);
        let index = index.map(|(sequence, seen)| (seen.digests.id_hash, sequence)).collect();
        Self { ring, index }
    }
}

impl From<DuplicateWindow> for Ring {
    fn from(window: DuplicateWindow) -> Self {
        window.ring
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
    /// Never: the index names places of the ring only.
    #[must_use]
    pub fn find(&self, id_hash: Hash16, now: TimeMs) -> Option<Seen> {
        let sequence = *self.index.get(&id_hash)?;
        let place = usize::try_from(sequence - self.ring.dropped).expect("a place in memory");
        let seen = self.ring.entries[place];
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
        let sequence = self.ring.dropped + self.ring.entries.len() as u64;
        let previous = self.index.insert(seen.digests.id_hash, sequence);
        assert!(previous.is_none(), "{seen:?} remembered twice: decide missed a duplicate");
        self.ring.entries.push_back(seen);
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

    fn forget_old(&mut self, now: TimeMs) {
        while let Some(&oldest) = self.ring.entries.front() {
            if self.ring.entries.len() < self.ring.ids_max && !self.is_too_old(&oldest, now) {
                break;
            }
            self.ring.entries.pop_front();
            self.ring.dropped += 1;
            self.index.remove(&oldest.digests.id_hash);
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
    fn the_index_follows_from_the_ring() {
        let mut window = DuplicateWindow::new(2, DurationMs(1_000));
        for id in 1..=9 {
            window.remember(seen(id, i64::from(id)));
        }
        let restored = DuplicateWindow::from(window.ring.clone());
        assert_eq!(restored, window);
        check(&restored, 9, &[8, 9]);
    }
}
