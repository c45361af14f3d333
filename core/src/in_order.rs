//! Where waiting requests stand in the order of their pool, worked out no further than is asked:
//! groups are put in order, and of those that share a place whoever arrived first comes next.

use crate::fairness::{FairKey, FairOrder};
use crate::state::{Group, Pool, Request, Waiter, Waiters};
use crate::units::{Offset, TimeMs};
use std::cmp::{Ordering, Reverse};
use std::collections::btree_map;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter::Peekable;

impl Pool {
    /// Where each waiting request stands at `now`: priority descending, then in a pool with fair
    /// share whose tenant has used least for its weight, then arrival. A grant moves what else its
    /// tenant waits for behind that of others.
    pub fn in_order(&self, now: TimeMs) -> impl Iterator<Item = (&Group, Offset, &Waiter)> {
        self.in_order_among(now, |_| true)
    }

    /// The same of those groups only for which `is_among` holds.
    pub fn in_order_among(
        &self,
        now: TimeMs,
        is_among: impl Fn(&Group) -> bool,
    ) -> impl Iterator<Item = (&Group, Offset, &Waiter)> {
        let (mut order, mut places) = (FairOrder::of(self, now), BTreeMap::<_, Merged<'_>>::new());
        for (group, waiters) in self.queue.groups().iter().filter(|(group, _)| is_among(group)) {
            places.entry(self.place_of(group, &mut order)).or_default().add(group, waiters);
        }
        places.into_values().flatten()
    }

    /// The groups of which somebody stands before a waiting request at `now`, and how many do.
    #[must_use]
    pub fn groups_before(&self, request: &Request, now: TimeMs) -> Vec<(&Group, usize)> {
        let (mut order, own) = (FairOrder::of(self, now), self.group_of(request));
        let own = self.place_of(&own, &mut order);
        let mut before = |(group, waiters): (&'_ Group, &Waiters)| match self
            .place_of(group, &mut order)
            .cmp(&own)
        {
            Ordering::Less => waiters.len(),
            Ordering::Equal => waiters.range(..request.arrival).count(),
            Ordering::Greater => 0,
        };
        let groups = self.queue.groups().iter().map(|(group, waiters)| (&**group, waiters));
        let counted = groups.map(|(group, waiters)| (group, before((group, waiters))));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// What comes before arrival in the order.
    fn place_of(&self, group: &Group, order: &mut FairOrder) -> (Reverse<i64>, FairKey) {
        (group.priority, order.key(self, &group.tenant))
    }
}

/// Groups that share a place, by arrival.
#[derive(Default)]
struct Merged<'a> {
    lines: Vec<(&'a Group, Peekable<btree_map::Iter<'a, Offset, Waiter>>)>,
    /// The first of each line, by its index.
    firsts: BinaryHeap<Reverse<(Offset, usize)>>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, group: &'a Group, waiters: &'a Waiters) {
        self.lines.push((group, waiters.iter().peekable()));
        self.line_up(self.lines.len() - 1);
    }

    fn line_up(&mut self, line: usize) {
        let first = self.lines[line].1.peek().map(|(arrival, _)| Reverse((**arrival, line)));
        self.firsts.extend(first);
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Group, Offset, &'a Waiter);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, line)) = self.firsts.pop()?;
        let (group, waiters) = &mut self.lines[line];
        let (group, (arrival, waiter)) = (*group, waiters.next()?);
        self.line_up(line);
        Some((group, *arrival, waiter))
    }
}
