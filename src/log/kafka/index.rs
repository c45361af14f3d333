//! Where decisions stand in their topic. Offsets of commands name them, Kafka's own offsets find
//! them, and both only grow: a few known pairs are enough to look between them.

use conclave_core::units::Offset;
use std::collections::BTreeMap;

/// Records between two pairs that are kept: as many are read and passed over at the most, about.
const STRIDE: i64 = 1_024;

/// Pairs of a command's offset and the position of what answers it.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    positions: BTreeMap<Offset, i64>,
}

/// Where a record is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Read from this position on, passing over what comes before.
    Read(i64),
    /// It is far from what is known: look what stands at this position first.
    Probe(i64),
}

impl Index {
    /// Takes note that what answers the command at `offset` stands at `position`.
    pub(super) fn note(&mut self, offset: Offset, position: i64) {
        let is_near = |other: Option<(&Offset, &i64)>| {
            other.is_some_and(|(_, known)| (position - known).abs() < STRIDE / 2)
        };
        let before = self.positions.range(..=offset).next_back();
        let after = self.positions.range(offset..).next();
        if !is_near(before) && !is_near(after) {
            self.positions.insert(offset, position);
        }
    }

    /// The same for what a search looked at: it has to come nearer.
    pub(super) fn note_probe(&mut self, offset: Offset, position: i64) {
        self.positions.insert(offset, position);
    }

    /// Where to look for the first record at or behind `offset`, in a topic that holds positions
    /// `low` up to and without `end`. `probed` is the position probed last in vain.
    pub(super) fn search(&self, offset: Offset, low: i64, end: i64) -> Search {
        let before = self.positions.range(..=offset).next_back();
        let after = self.positions.range(offset..).next();
        let from = before.map_or(low, |(_, position)| (*position).max(low));
        let until = after.map_or(end, |(_, position)| (*position).min(end));
        if until - from <= 2 * STRIDE {
            Search::Read(from)
        } else {
            Search::Probe(from.midpoint(until))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_found_between_a_few_probes() {
        // Every tenth position is a marker, and every seventh offset a hole.
        let records: Vec<(Offset, i64)> =
            (0..200_000).map(|number| (Offset(number + number / 6), number + number / 9)).collect();
        let end = records.last().expect("there are some").1 + 1;
        for wanted in [0, 1, 5_000, 5_001, 120_000, 232_000, 233_332, 10] {
            let mut index = Index::default();
            for (offset, position) in records.iter().take(3_000) {
                index.note(*offset, *position);
            }
            let mut probes = 0;
            let from = loop {
                match index.search(Offset(wanted), 0, end) {
                    Search::Read(from) => break from,
                    Search::Probe(at) => {
                        let next = records.partition_point(|(_, position)| *position < at);
                        index.note_probe(records[next].0, records[next].1);
                        probes += 1;
                    }
                }
            };
            assert!(probes < 12, "{probes} probes for {wanted}");
            let first = records.partition_point(|(offset, _)| *offset < Offset(wanted));
            let distance = records[first].1 - from;
            assert!((0..=3 * STRIDE).contains(&distance), "{wanted} is {distance} away");
        }
    }
}
