//! Random streams, each with the world that it begins in.

use super::acts::{self, Act, DEEP, Step};
use super::crowd::crowd;
use super::send::*;
use super::{POOLS, World, seat};
use conclave_core::command::{ActivateDecider, Payload, Topology};
use proptest::prelude::*;

/// Random steps, in a small world or in the middle of a crowd.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    is_crowded: bool,
    /// Whether networks sit in the seat from the beginning.
    is_seated: bool,
    /// Whether the first two pools are ordered by fair share, requests preempted in the last two,
    /// and nodes in topology groups, from the beginning.
    is_fair: bool,
    /// Whether every tenant has a budget that is soon used up, and no council denies anything.
    is_tight: bool,
    /// Whether tenants stand in a tree, and some may borrow.
    is_tree: bool,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    let of = |is_crowded, is_seated| {
        move |(steps, is_fair)| Stream { is_crowded, is_seated, is_fair, ..Stream::of(steps) }
    };
    let steps = |count| (acts::steps(count), any::<bool>());
    prop_oneof![
        3 => steps(1..120).prop_map(of(false, false)),
        1 => wanting(),
        2 => steps(1..120).prop_map(of(false, true)),
        // What is carried over is worked off within a few commands.
        1 => steps(1..24).prop_map(of(true, false)),
        1 => steps(1..24).prop_map(of(true, true)),
        2 => streams_of_budgets(),
        2 => streams_of_trees(),
    ]
}

/// Streams in pools with preemption and little room.
pub(crate) fn wanting() -> impl Strategy<Value = Stream> {
    let of = |steps| Stream { is_fair: true, ..Stream::of(steps) };
    acts::wanting(1..80).prop_map(of)
}

/// Streams in pools with a tree of tenants, preemption and little room.
pub(crate) fn streams_of_trees() -> impl Strategy<Value = Stream> {
    let of = |steps| Stream { is_fair: true, is_tree: true, ..Stream::of(steps) };
    acts::of_trees(1..100).prop_map(of)
}

/// Streams with topology groups, and gangs that wish for them.
pub(crate) fn streams_of_groups() -> impl Strategy<Value = Stream> {
    streams().prop_map(|mut stream| {
        stream.is_fair = true;
        let asks = stream.steps.iter_mut().filter_map(|step| match &mut step.act {
            Act::Request(ask) if ask.topology != Topology::None => Some(ask),
            _ => None,
        });
        // Larger ones seldom find room.
        asks.filter(|ask| ask.request % 4 > 0).for_each(|ask| {
            let is_wide = ask.request % 2 == 0;
            (ask.replicas, ask.gpu_count) =
                if is_wide { (2, 2) } else { (1 + i64::from(ask.request % 4), 1) };
            ask.gpu_milli = if ask.request % 6 == 5 { 600 } else { 1_000 };
            (ask.priority, ask.preemptible) = (10, true);
            ask.models.truncate(usize::from(ask.request % 2));
        });
        stream
    })
}

/// Streams in which budgets are soon used up and leases are short, so that some wait for windows.
pub(crate) fn streams_of_budgets() -> impl Strategy<Value = Stream> {
    (acts::of_budgets(20..120), any::<bool>()).prop_map(|(steps, is_fair)| Stream {
        is_fair,
        is_tight: true,
        ..Stream::of(steps)
    })
}

/// Streams with reservations in small pools whose nodes and quotas stay, most of them.
pub(crate) fn streams_of_reservations() -> impl Strategy<Value = Stream> {
    let bookings = prop::collection::vec(acts::booking(), 40);
    (acts::steps(20..120), bookings).prop_map(|(mut steps, bookings)| {
        let mut bookings = bookings.into_iter();
        for step in &mut steps {
            let is_in_the_way = matches!(
                step.act,
                Act::Garbage
                    | Act::Open
                    | Act::Seat { .. }
                    | Act::Drain { .. }
                    | Act::Policy { .. }
                    | Act::Budget { .. }
                    | Act::TopUp { .. }
                    | Act::Appeal { .. }
                    | Act::Repeat { .. }
            );
            if let Some(booking) = bookings.next().filter(|_| is_in_the_way) {
                (step.act, step.sender) = (Act::Reserve(booking), None);
            }
        }
        steps.splice(0..0, soon_protected());
        Stream { is_fair: true, ..Stream::of(steps) }
    })
}

/// Streams in which somebody is mostly protected, and others may pass.
pub(crate) fn streams_of_passing() -> impl Strategy<Value = Stream> {
    acts::passing(60..160).prop_map(|mut steps| {
        for (pool, tenant) in [(1, 2), (2, 1)] {
            let (guarantee, limit, rate, weight) = (0, 99_000, 0, 1);
            let nothing_promised = Act::Quota { tenant, guarantee, limit, rate, weight };
            for act in [Act::Preemption { rules: None }, nothing_promised] {
                steps.insert(0, Step { gap_ms: 0, pool, sender: None, act });
            }
        }
        steps.splice(0..0, soon_protected());
        Stream { is_fair: true, ..Stream::of(steps) }
    })
}

/// In the small pools whoever waits is protected after ten minutes, and no council is asked.
fn soon_protected() -> impl Iterator<Item = Step> {
    (1..3).map(|pool| {
        let (placement, queue_max, wait_ms) = (1, 200, 600_000);
        let rules = Act::Policy { council: 0, placement, queue_max, wait_ms, prices: [0; 3] };
        Step { gap_ms: 0, pool, sender: None, act: rules }
    })
}

/// Streams in which the rules keep the council seat, for whoever asks nobody else.
pub(crate) fn streams_of_rules() -> impl Strategy<Value = Stream> {
    streams().prop_map(|mut stream| {
        stream.is_seated = false;
        stream.steps.retain(|step| !matches!(step.act, Act::Seat { .. }));
        stream
    })
}

impl Stream {
    /// In the world as it is without more ado.
    fn of(steps: Vec<Step>) -> Self {
        let (is_crowded, is_seated, is_fair) = (false, false, false);
        Self { is_crowded, is_seated, is_fair, is_tight: false, is_tree: false, steps }
    }

    /// The world before the first step.
    pub(crate) fn begin(&self) -> World {
        let mut world = if self.is_crowded { crowd() } else { World::new() };
        if self.is_seated || self.is_fair || self.is_tight {
            let version = if self.is_fair || self.is_tight { 3 } else { 2 };
            world.send("", Payload::ActivateDecider(ActivateDecider { version }));
        }
        if self.is_seated {
            world.send("", seat(0));
        }
        if self.is_fair {
            world.send("p0", fair_share(Some(HOUR_MS)));
            // Little room, and nothing else keeps anybody back.
            for (pool, placement) in [("p1", 1), ("p2", 2)] {
                world.send(pool, policy(0, placement, 200, 48 * HOUR_MS));
                for node in 0..2 {
                    world.send(pool, remove(node));
                    // In one group, or each in its own.
                    let group = 1 + node * (placement - 1);
                    world.send(pool, grouped(register(node, 3, 0), group));
                }
                for tenant in 0..3 {
                    world.send(pool, quota(tenant, 0, 99_000, 0));
                }
            }
            world.send("p1", fair_share(Some(48 * HOUR_MS)));
            world.send("p1", weighted(quota(2, 3_000, 99_000, 0), 3));
            world.send("p2", quota(1, 2_000, 99_000, 0));
            // In one of the two by arrival, too.
            world.send("p1", preemption(Some((0, 0, 3, 9))));
            world.send("p2", preemption(Some((2 * HOUR_MS, HOUR_MS / 60, 2, 9))));
            for (node, gpus, model, group) in [(6, 2, 0, 1), (7, 2, 1, 1), (8, 3, 0, 2)] {
                world.send("p0", grouped(register(node, gpus, model), group));
            }
        }
        if self.is_tree {
            for pool in POOLS {
                // Of six GPUs at least, four for t4 and its children, and one for t5 and its child.
                world.send(pool, quota(2, 0, 99_000, 0));
                for (tenant, guarantee) in [(4, 4_000), (5, 1_000)] {
                    world.send(pool, quota(tenant, guarantee, 5_000, 0));
                }
                for (tenant, above) in [(0, 4), (1, 4), (2, 5)] {
                    world.send(pool, quota(tenant, 0, 99_000, 0));
                    world.send(pool, parent(tenant, Some(above), None));
                }
                world.send(pool, quota(0, 2_000, 99_000, 0));
                world.send(pool, borrowing(quota(1, 1_000, 99_000, 0), 2_000));
                world.send(pool, borrowing(quota(2, 0, 99_000, 0), 4_000));
                world.send(pool, preemption(Some((0, HOUR_MS / 60, 4, 30))));
            }
            world.send("p1", preemption(Some((0, 0, 3, 30))));
            // Time enough to try and renew after a notice.
            world.send("p2", preemption(Some((0, HOUR_MS, 4, 30))));
            for tenant in 6..=DEEP {
                world.send("p0", quota(tenant, 0, 9_000, 0));
                world.send("p0", parent(tenant, (tenant > 6).then(|| tenant - 1), None));
            }
        }
        if self.is_tight {
            for (pool, placement) in POOLS.into_iter().zip(0..) {
                world.send(pool, priced(policy(0, placement, 200, HOUR_MS), [1, placement, 0]));
                world.send(pool, budgeted(quota(0, 0, 12_000, 0), Some(6), 2 + placement));
                world.send(pool, budgeted(quota(1, 0, 8_000, 0), Some(12), 3));
                world.send(pool, budgeted(quota(2, 1_000, 12_000, 0), Some(40), 4));
            }
        }
        world.begin();
        world
    }

    /// The stream, decided one by one.
    pub(crate) fn run(&self) -> World {
        let mut world = self.begin();
        for step in &self.steps {
            world.step(step);
        }
        world
    }
}
