//! The waiting requests of one group: by arrival, by when they joined the queue, and by how long
//! their work takes. The second is mostly the order of the first, but for late approvals and for
//! those who were preempted.

use super::queue::Waiter;
use crate::units::{DurationMs, Offset, TimeMs};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Deref;
use std::sync::Arc;

/// Requests that are alike, in order of arrival. Their value is who they are: when they joined is
/// kept beside it, so that nobody has to go through all of them. Copies share them until one of the
/// two changes.
#[derive(Clone, Debug, Default)]
pub struct Waiters(Arc<Lines>);

#[derive(Clone, Debug, Default)]
struct Lines {
    by_arrival: BTreeMap<Offset, Waiter>,
    joined: BTreeSet<(TimeMs, Offset)>,
    lengths: BTreeSet<(DurationMs, Offset)>,
}

impl Waiters {
    /// When the first of them joined the queue; none when there is nobody.
    #[must_use]
    pub fn first_joined(&self) -> Option<TimeMs> {
        self.0.joined.first().map(|(since_ms, _)| *since_ms)
    }

    /// The first who arrived after `last` and joined before it; the first of all after nobody.
    pub(crate) fn next_elder(&self, last: Option<(Offset, TimeMs)>) -> Option<(Offset, &Waiter)> {
        let Some((arrival, since_ms)) = last else {
            return self.0.by_arrival.first_key_value().map(|(arrival, waiter)| (*arrival, waiter));
        };
        if self.first_joined()? >= since_ms {
            return None;
        }
        let behind = self.0.by_arrival.range((Excluded(arrival), Unbounded));
        let mut behind = behind.map(|(arrival, waiter)| (*arrival, waiter));
        behind.find(|(_, waiter)| waiter.since_ms < since_ms)
    }

    /// The one whose work takes least, the first among equals; none when there is nobody.
    #[must_use]
    pub fn shortest(&self) -> Option<&Waiter> {
        self.0.lengths.first().map(|(_, arrival)| &self.0.by_arrival[arrival])
    }

    /// The first who arrived after `arrival` and whose work takes less than `length`. Goes through
    /// them only when there is one of that length.
    pub(crate) fn next_shorter(
        &self,
        arrival: Offset,
        length: DurationMs,
    ) -> Option<(Offset, &Waiter)> {
        self.shortest().filter(|shortest| shortest.expected_duration_ms < length)?;
        let behind = self.0.by_arrival.range((Excluded(arrival), Unbounded));
        let mut behind = behind.map(|(arrival, waiter)| (*arrival, waiter));
        behind.find(|(_, waiter)| waiter.expected_duration_ms < length)
    }

    /// Adds one; returns whoever had that arrival.
    pub(super) fn insert(&mut self, arrival: Offset, waiter: Waiter) -> Option<Waiter> {
        let lines = Arc::make_mut(&mut self.0);
        lines.joined.insert((waiter.since_ms, arrival));
        lines.lengths.insert((waiter.expected_duration_ms, arrival));
        lines.by_arrival.insert(arrival, waiter)
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, arrival: Offset) -> Option<Waiter> {
        let lines = Arc::make_mut(&mut self.0);
        let waiter = lines.by_arrival.remove(&arrival)?;
        lines.joined.remove(&(waiter.since_ms, arrival));
        lines.lengths.remove(&(waiter.expected_duration_ms, arrival));
        Some(waiter)
    }

    /// All of them, by arrival.
    pub(super) fn into_map(self) -> BTreeMap<Offset, Waiter> {
        Arc::unwrap_or_clone(self.0).by_arrival
    }
}

impl Deref for Waiters {
    type Target = BTreeMap<Offset, Waiter>;

    fn deref(&self) -> &Self::Target {
        &self.0.by_arrival
    }
}

impl PartialEq for Waiters {
    fn eq(&self, other: &Self) -> bool {
        self.0.by_arrival == other.0.by_arrival
    }
}

impl Eq for Waiters {}

impl Serialize for Waiters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.by_arrival.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Waiters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_arrival = BTreeMap::<Offset, Waiter>::deserialize(deserializer)?;
        let joined = by_arrival.iter().map(|(arrival, waiter)| (waiter.since_ms, *arrival));
        let joined = joined.collect();
        let lengths = by_arrival.iter();
        let lengths = lengths.map(|(arrival, waiter)| (waiter.expected_duration_ms, *arrival));
        let lengths = lengths.collect();
        Ok(Self(Arc::new(Lines { by_arrival, joined, lengths })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::RequestId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn elders_are_those_before_whom_nobody_joined(
            joined in prop::collection::btree_map(0..50_i64, 0..20_i64, 0..40),
            gone in prop::collection::vec(0..50_i64, 0..20),
        ) {
            let mut waiters = Waiters::default();
            for (arrival, since_ms) in &joined {
                let request = RequestId::from(format!("r{arrival}"));
                let expected_duration_ms = DurationMs(20 - since_ms);
                let since_ms = TimeMs(*since_ms);
                let waiter = Waiter { request, since_ms, expected_duration_ms };
                prop_assert_eq!(waiters.insert(Offset(*arrival), waiter), None);
            }
            for arrival in gone {
                waiters.remove(Offset(arrival));
            }
            let mut expected: Vec<(Offset, TimeMs)> = vec![];
            for (arrival, waiter) in waiters.iter() {
                if expected.last().is_none_or(|(_, first)| waiter.since_ms < *first) {
                    expected.push((*arrival, waiter.since_ms));
                }
            }
            let (mut found, mut last) = (vec![], None);
            while let Some((arrival, waiter)) = waiters.next_elder(last) {
                last = Some((arrival, waiter.since_ms));
                found.extend(last);
            }
            prop_assert_eq!(waiters.first_joined(), expected.last().map(|(_, since_ms)| *since_ms));
            prop_assert_eq!(found, expected);
            for (length, after) in [(5, -1), (15, 10), (40, 20)].map(|(l, a)| (DurationMs(l), a)) {
                let is_one = |(arrival, waiter): &(&Offset, &Waiter)| {
                    arrival.0 > after && waiter.expected_duration_ms < length
                };
                let first = waiters.iter().find(is_one).map(|(arrival, waiter)| (*arrival, waiter));
                prop_assert_eq!(waiters.next_shorter(Offset(after), length), first);
            }
        }
    }
}
