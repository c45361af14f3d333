//! Choosing leases to end node by node, where fewest have to go for one replica more.

use super::nodes::{Chosen, give_back, room};
use super::{Candidates, Ground, Owner, Shift, Victim, Victims};
use crate::limits::VICTIMS_MAX;
use crate::placement::{Fleet, Shape};
use crate::state::Request;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The search for one request on one set of models. Victims are named by their places among the
/// candidates.
pub(super) struct Search<'s, 'a> {
    victims: &'s Victims<'a>,
    by: &'s Request,
    candidates: &'s Candidates<'a>,
    shape: &'s Shape,
    /// How many replicas fit already.
    fit: i64,
    /// The nodes of the ground, and whose replicas sit there.
    by_node: BTreeMap<usize, Vec<usize>>,
    chosen: Chosen,
}

/// The fewest leases on a node without whom one replica more fits there.
struct Fewest {
    cost: Cost,
    /// The most replicas more that any of those that were compared would make room for.
    gain_max: i64,
    leases: Vec<usize>,
}

/// What it costs to have some leases end: less is better, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    count: usize,
    /// How many replicas more fit then.
    gain: Reverse<i64>,
    /// The highest of their priorities.
    priority: Option<i64>,
    /// GPU milli times milliseconds of their runs.
    lost: i128,
    node: usize,
}

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn of(
        victims: &'s Victims<'a>,
        by: &'s Request,
        candidates: &'s Candidates<'a>,
        ground: &'s Ground,
    ) -> Self {
        let mut by_node: BTreeMap<usize, Vec<usize>> =
            ground.nodes.iter().map(|node| (*node, vec![])).collect();
        for (index, victim) in candidates.leases.iter().enumerate() {
            for (node, _) in &victim.seats {
                let sitting = by_node.get_mut(node);
                if let Some(sitting) = sitting.filter(|sitting| sitting.last() != Some(&index)) {
                    sitting.push(index);
                }
            }
        }
        let chosen = Chosen::default();
        Self { victims, by, candidates, shape: &ground.shape, fit: ground.fit, by_node, chosen }
    }

    fn fleet(&self) -> &'a Fleet {
        &self.victims.pool.fleet
    }

    fn victim(&self, index: usize) -> &'s Victim<'a> {
        &self.candidates.leases[index]
    }

    /// Node by node, where fewest have to go for one replica more, until all fit; then whoever can
    /// be spared is.
    pub(super) fn chosen(mut self) -> Option<Vec<Victim<'a>>> {
        let mut missing = self.by.ask.replicas - self.fit;
        let mut gain_of_all = 0_i64;
        self.by_node.retain(|node, sitting| {
            let gain = gain_without(self.victims, self.candidates, self.shape, *node, sitting);
            gain_of_all = gain_of_all.saturating_add(gain);
            gain > 0
        });
        // No choice of them makes more room than all of them.
        if missing > gain_of_all {
            return None;
        }
        let mut order = Vec::new();
        let mut known: BTreeMap<usize, Option<Fewest>> = BTreeMap::new();
        while missing > 0 {
            for (node, sitting) in &self.by_node {
                known.entry(*node).or_insert_with(|| self.fewest((*node, missing), sitting));
            }
            let best = known.iter().filter_map(|(node, some)| Some((some.as_ref()?.cost, *node)));
            let (_, node) = best.min()?;
            let next = known.remove(&node).flatten().expect("it was just found");
            missing -= self.gain(&next.leases);
            for index in &next.leases {
                self.chosen.add(*index, self.victim(*index));
            }
            self.forget(&mut known, &next.leases, missing);
            order.extend(next.leases);
            if order.len() > VICTIMS_MAX {
                return None;
            }
        }
        let kept = self.spare(order);
        Some(kept.into_iter().map(|index| self.victim(index).clone()).collect())
    }

    /// Forgets what is known of nodes where it may be otherwise now that `gone` are chosen.
    fn forget(&self, known: &mut BTreeMap<usize, Option<Fewest>>, gone: &[usize], missing: i64) {
        let gone = || gone.iter().map(|index| self.victim(*index));
        let owners: BTreeSet<usize> = gone().map(|victim| victim.tenant).collect();
        let top = |owner: usize| self.candidates.owners[owner].top;
        let tops: BTreeSet<_> = owners.iter().filter_map(|owner| top(*owner)).collect();
        let nodes = gone().flat_map(|victim| &victim.seats).map(|(node, _)| *node);
        let nodes: BTreeSet<usize> = nodes.collect();
        let is_touched = |index: &usize| {
            let victim = self.victim(*index);
            owners.contains(&victim.tenant)
                || top(victim.tenant).is_some_and(|top| tops.contains(top))
                || victim.seats.iter().any(|(node, _)| nodes.contains(node))
        };
        known.retain(|node, some| {
            let is_clamped = some.as_ref().is_some_and(|some| some.gain_max > missing);
            !is_clamped && !nodes.contains(node) && !self.by_node[node].iter().any(is_touched)
        });
    }

    /// The fewest of those on `node` without whom one replica more fits there, and what that costs.
    /// Replicas beyond those that are `missing` are worth nothing.
    fn fewest(&self, (node, missing): (usize, i64), sitting: &[usize]) -> Option<Fewest> {
        let mut by_size = sitting.to_vec();
        by_size.sort_by_key(|index| Reverse(self.victim(*index).request.held_gpu_milli()));
        let mut fewest: Option<Fewest> = None;
        for order in [sitting, &by_size] {
            let Some(leases) = self.enough(node, order) else { continue };
            let gain = self.gain(&leases);
            let cost = self.cost(node, gain.min(missing), &leases);
            let gain_max = fewest.as_ref().map_or(gain, |other| other.gain_max.max(gain));
            match &mut fewest {
                Some(other) if other.cost <= cost => other.gain_max = gain_max,
                _ => fewest = Some(Fewest { cost, gain_max, leases }),
            }
        }
        fewest
    }

    /// The first of `order` that make room for one replica more on `node`, without whom of them
    /// could stay.
    fn enough(&self, node: usize, order: &[usize]) -> Option<Vec<usize>> {
        let mut at = self.chosen.node(self.fleet(), node);
        let before = room(self.fleet(), &at, self.shape);
        let (mut taken, mut has_room) = (vec![], false);
        for index in order {
            if has_room {
                break;
            }
            if self.may_still_go(*index, &taken) {
                give_back(&mut at, node, self.victim(*index));
                taken.push(*index);
                has_room = room(self.fleet(), &at, self.shape) > before;
            }
        }
        if !has_room {
            return None;
        }
        // The last one made the room; some before it may have gone for nothing.
        let is_enough = |others: &mut dyn Iterator<Item = usize>| {
            let mut at = self.chosen.node(self.fleet(), node);
            others.for_each(|index| give_back(&mut at, node, self.victim(index)));
            room(self.fleet(), &at, self.shape) > before
        };
        Some(needed(taken, is_enough))
    }

    /// Whoever can stay while all replicas still fit does, whose work would be lost the most first.
    fn spare(&self, mut order: Vec<usize>) -> Vec<usize> {
        order.sort_by_key(|index| {
            let victim = self.victim(*index);
            (Reverse(victim.request.ask.priority), victim.lease.granted_at_ms)
        });
        let is_enough = |others: &mut dyn Iterator<Item = usize>| {
            let mut with = Chosen::default();
            others.for_each(|index| with.add(index, self.victim(index)));
            let gain = with.nodes().map(|node| self.gain_on(node, &Chosen::default(), &with));
            self.fit.saturating_add(gain.sum::<i64>()) >= self.by.ask.replicas
        };
        needed(order, is_enough)
    }

    /// Whether a lease may go beside those chosen and those `taken` with them: its tenant's day
    /// allows it, and what its tenant keeps is no less than what it is guaranteed.
    fn may_still_go(&self, index: usize, taken: &[usize]) -> bool {
        let victim = self.victim(index);
        let owner = &self.candidates.owners[victim.tenant];
        let (mut milli, mut leases) = self.chosen.of(victim.tenant);
        for other in taken.iter().map(|other| self.victim(*other)) {
            if other.tenant == victim.tenant {
                milli += other.request.held_gpu_milli().0;
                leases += 1;
            }
        }
        let goes = victim.request.held_gpu_milli().0;
        !self.chosen.leases.contains(&index)
            && leases < owner.notices_left
            && (victim.is_called_back()
                || self.victims.may_lose(self.by, owner, (milli, goes), &self.shift(owner, taken)))
    }

    /// What is promised without those chosen and those `taken` with them; asked for in trees only.
    fn shift(&self, owner: &Owner<'_>, taken: &[usize]) -> Shift {
        let mut shift = self.victims.pending.gone.clone();
        if owner.top.is_some() {
            for index in self.chosen.leases.iter().chain(taken) {
                let request = self.victim(*index).request;
                let gone = -request.held_gpu_milli().0;
                shift.move_use(self.victims.pool, &request.ask.tenant, gone);
            }
        }
        shift
    }

    /// How many replicas more fit when `more` go beside those chosen.
    fn gain(&self, more: &[usize]) -> i64 {
        let seats = more.iter().flat_map(|index| &self.victim(*index).seats);
        let nodes: BTreeSet<usize> = seats.map(|(node, _)| *node).collect();
        let gain = |node: usize| {
            let mut at = self.chosen.node(self.fleet(), node);
            let before = room(self.fleet(), &at, self.shape);
            more.iter().for_each(|index| give_back(&mut at, node, self.victim(*index)));
            room(self.fleet(), &at, self.shape) - before
        };
        nodes.into_iter().map(gain).sum()
    }

    fn gain_on(&self, node: usize, before: &Chosen, after: &Chosen) -> i64 {
        let room =
            |chosen: &Chosen| room(self.fleet(), &chosen.node(self.fleet(), node), self.shape);
        room(after) - room(before)
    }

    fn cost(&self, node: usize, gain: i64, leases: &[usize]) -> Cost {
        let victims = || leases.iter().map(|index| self.victim(*index));
        let priority = victims().map(|victim| victim.request.ask.priority).max();
        let lost = victims().map(|victim| {
            let milli = i128::from(victim.request.held_gpu_milli().0);
            milli * i128::from(victim.lease.held_until(self.victims.now).0)
        });
        let (count, gain) = (leases.len(), Reverse(gain));
        Cost { count, gain, priority, lost: lost.sum(), node }
    }
}

/// How many replicas more would fit on a node if all candidates that sit there went.
fn gain_without(
    victims: &Victims<'_>,
    candidates: &Candidates<'_>,
    shape: &Shape,
    node: usize,
    sitting: &[usize],
) -> i64 {
    let fleet = &victims.pool.fleet;
    let mut at = fleet.node(node).clone();
    let before = room(fleet, &at, shape);
    sitting.iter().for_each(|index| give_back(&mut at, node, &candidates.leases[*index]));
    room(fleet, &at, shape) - before
}

/// Those of `some` without whom it would not be enough: the first is the first who may stay.
fn needed(
    mut some: Vec<usize>,
    is_enough: impl Fn(&mut dyn Iterator<Item = usize>) -> bool,
) -> Vec<usize> {
    let mut at = 0;
    while at < some.len() {
        let others = some.iter().enumerate().filter(|(other, _)| *other != at);
        if is_enough(&mut others.map(|(_, index)| *index)) {
            some.remove(at);
        } else {
            at += 1;
        }
    }
    some
}
