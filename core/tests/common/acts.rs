//! What may happen in a random stream.

use super::send::{borrowing, parent, quota};
use conclave_core::command::{Payload, Topology};
use proptest::prelude::*;

/// A tenant of the first pool, where tenants stand in a tree, so far down that nobody with children
/// fits below it.
pub(super) const DEEP: u8 = 12;
/// What is reserved: from so long ahead, for so long.
#[derive(Clone, Debug)]
pub(crate) struct Booking {
    pub(crate) reservation: u8,
    pub(crate) tenant: u8,
    pub(crate) ahead_ms: i64,
    pub(crate) length_ms: i64,
    pub(crate) replicas: i64,
    /// GPUs of a replica, and milli of each.
    pub(crate) gpus: (i64, i64),
    pub(crate) cpu_milli: i64,
    pub(crate) model: Option<u8>,
}

/// One step of a random stream: how much log time passes, what is sent, by whom and to which pool.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) gap_ms: i64,
    /// Of [`super::POOLS`], or one more for a pool that nobody has set up.
    pub(crate) pool: usize,
    /// Which tenant sends it; the administrator when none.
    pub(crate) sender: Option<u8>,
    pub(crate) act: Act,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Tick,
    Garbage,
    Open,
    Activate {
        version: i64,
    },
    /// Networks, other ones, the rules, or what is no model.
    Seat {
        model: u8,
    },
    Register {
        node: u8,
        gpus: i64,
        model: u8,
        /// None when 0.
        group: u8,
    },
    Drain {
        node: u8,
    },
    Remove {
        node: u8,
    },
    Health {
        node: u8,
        is_healthy: bool,
    },
    Quota {
        tenant: u8,
        guarantee: i64,
        limit: i64,
        rate: i64,
        weight: i64,
    },
    /// Other windows, more or fewer GPU-hours, or no budget.
    Reserve(Booking),
    GiveUp {
        reservation: u8,
    },
    Budget {
        tenant: u8,
        gpu_hours: Option<i64>,
        window: u8,
    },
    TopUp {
        tenant: u8,
        gpu_hours: i64,
        ahead_ms: Option<i64>,
    },
    /// Per span a model, the hour from which it holds, for how many, and US dollars.
    Tariff {
        spans: Vec<(u8, i64, i64, i64)>,
    },
    /// Where a tenant stands in the tree, or what it is guaranteed and may borrow.
    InTree(Box<Payload>),
    /// By arrival when none.
    FairShare {
        half_life_ms: Option<i64>,
    },
    /// Nobody is preempted when none.
    Preemption {
        rules: Option<(i64, i64, i64, i64)>,
    },
    Policy {
        council: u8,
        placement: u8,
        queue_max: i64,
        wait_ms: i64,
        /// Per model, in US dollars; 0 for none.
        prices: [u8; 3],
    },
    Request(Ask),
    Cancel {
        request: u8,
    },
    Renew {
        request: u8,
        stale: bool,
        extend_ms: i64,
    },
    Shrink {
        request: u8,
        stale: bool,
        replicas: i64,
    },
    Release {
        request: u8,
        stale: bool,
    },
    Override {
        request: u8,
        approve: bool,
        ask: Option<Ask>,
    },
    Appeal {
        request: u8,
        ask: Option<Ask>,
    },
    Repeat {
        back: usize,
        other_payload: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) request: u8,
    pub(crate) tenant: u8,
    pub(crate) replicas: i64,
    pub(crate) gpu_count: i64,
    pub(crate) gpu_milli: i64,
    pub(crate) models: Vec<u8>,
    pub(crate) hours: i64,
    pub(crate) priority: i64,
    pub(crate) topology: Topology,
    pub(crate) preemptible: bool,
    pub(crate) deadline_in_ms: Option<i64>,
    /// In US dollars.
    pub(crate) cap: Option<i64>,
}

pub(super) fn steps(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![5 => 0..2_000_i64, 3 => 0..3_600_000_i64, 1 => 0..40_000_000_i64];
    let pool = prop_oneof![15 => 0..3_usize, 1 => Just(3)];
    let sender = proptest::option::weighted(0.1, 2..4_u8);
    let step = (gap, pool, sender, act());
    let step = step.prop_map(|(gap_ms, pool, sender, act)| Step { gap_ms, pool, sender, act });
    proptest::collection::vec(step, count)
}

/// Steps in which more is wanted than there is: mostly requests of any model, one soon after the
/// other.
pub(super) fn wanting(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![12 => want().prop_map(Act::Request), 3 => change(), 1 => order()];
    let gap = prop_oneof![6 => 0..60_000_i64, 1 => 0..3_600_000_i64];
    let step = (gap, 1..3_usize, act);
    let step = step.prop_map(|(gap_ms, pool, act)| Step { gap_ms, pool, sender: None, act });
    proptest::collection::vec(step, count)
}

/// Steps in which more is wanted than there is by tenants that move in a tree, and borrow.
pub(super) fn of_trees(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let ask = (want(), proptest::bool::weighted(0.1)).prop_map(|(mut ask, is_parents)| {
        ask.tenant = if is_parents { 4 } else { ask.tenant };
        Act::Request(ask)
    });
    let act = prop_oneof![24 => ask, 8 => change(), 1 => order(), 2 => place_in_tree()];
    let gap = prop_oneof![6 => 0..60_000_i64, 1 => 0..7_200_000_i64];
    let pool = prop_oneof![1 => Just(0_usize), 5 => 1..3_usize];
    let step = (gap, pool, act);
    let step = step.prop_map(|(gap_ms, pool, act)| Step { gap_ms, pool, sender: None, act });
    proptest::collection::vec(step, count)
}

/// Where a tenant stands, what it is guaranteed there, and what it lends and borrows.
fn place_in_tree() -> impl Strategy<Value = Act> {
    let lend = prop::option::of(0..4_000_i64);
    // The last one stands far down, where there is a tree.
    let above = prop_oneof![6 => 0..6_u8, 1 => Just(DEEP)];
    let place = (0..6_u8, prop::option::weighted(0.8, above), lend)
        .prop_map(|(tenant, above, lend)| parent(tenant, above, lend));
    let share = (0..6_u8, 0..4_000_i64, 2_000..9_000_i64, 0..5_000_i64).prop_map(
        |(tenant, guarantee, limit, borrow)| borrowing(quota(tenant, guarantee, limit, 0), borrow),
    );
    prop_oneof![place, share].prop_map(|payload| Act::InTree(Box::new(payload)))
}

/// Many who want all GPUs of a node, and many who want one of them for a while.
pub(super) fn passing(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![12 => want().prop_map(Act::Request), 4 => change(), 1 => order()];
    let step = (0..1_800_000_i64, 1..3_usize, act).prop_map(|(gap_ms, pool, mut act)| {
        if let Act::Request(ask) = &mut act {
            let is_large = ask.request % 4 == 0;
            (ask.gpu_count, ask.gpu_milli) = (if is_large { 3 } else { 1 }, 1_000);
            (ask.priority, ask.replicas, ask.hours) = (5, 1, 1 + 7 * (ask.hours % 2));
        }
        Step { gap_ms, pool, sender: None, act }
    });
    proptest::collection::vec(step, count)
}

/// Short leases that are renewed and shrunk, and budgets of a few GPU-hours.
pub(super) fn of_budgets(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    steps(count).prop_map(|mut steps| {
        for (step, index) in steps.iter_mut().zip(0..) {
            match &mut step.act {
                Act::Request(ask) => {
                    ask.request %= 15;
                    (ask.hours, ask.deadline_in_ms) = (ask.hours % 5 + 1, None);
                    ask.replicas = (index % 2 + 1).max(ask.replicas % 4);
                }
                // Nobody is denied here.
                Act::Appeal { request, .. } => {
                    let (request, stale) = (*request % 15, false);
                    step.act = if index % 2 == 0 {
                        Act::Renew { request, stale, extend_ms: index * 500_000 + 1 }
                    } else {
                        Act::Shrink { request, stale, replicas: 1 }
                    };
                }
                Act::Budget { gpu_hours, .. } => {
                    *gpu_hours = gpu_hours.map(|hours| hours.clamp(-1, 40));
                }
                Act::Policy { council, .. } => *council = 0,
                // Nothing is kept free here.
                Act::Reserve(Booking { tenant, reservation, gpus, .. }) => {
                    let gpu_hours = Some(gpus.0.clamp(-1, 40));
                    step.act = Act::Budget { tenant: *tenant, gpu_hours, window: *reservation };
                }
                Act::GiveUp { .. } => step.act = Act::Tick,
                // Neither leaves anybody without nodes, and time passes.
                Act::Drain { .. } | Act::Remove { .. } | Act::Garbage | Act::Open => {
                    step.act = Act::Tick;
                    step.gap_ms = 1_800_000 + index;
                }
                _ => {}
            }
        }
        steps
    })
}

/// One to three GPUs for one to three replicas, or a slice.
fn want() -> impl Strategy<Value = Ask> {
    let gpus = prop_oneof![3 => (1..=3_i64).prop_map(|count| (count, 1_000)), 1 => Just((1, 400))];
    let replicas = prop_oneof![4 => Just(1), 1 => 2..=3_i64];
    let rest = (1..40_i64, 1..11_i64, proptest::bool::weighted(0.8));
    (0..24_u8, 0..3_u8, replicas, gpus, rest).prop_map(
        |(request, tenant, replicas, (gpu_count, gpu_milli), (hours, priority, preemptible))| Ask {
            request,
            tenant,
            replicas,
            gpu_count,
            gpu_milli,
            models: vec![],
            hours,
            priority,
            topology: Topology::None,
            preemptible,
            deadline_in_ms: None,
            cap: None,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![10 => order(), 24 => ask().prop_map(Act::Request), 30 => change()]
}

/// Nothing, or a while.
fn span() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 3 => 0..7_200_000_i64]
}

/// What an operator sends, and what nobody should.
fn order() -> impl Strategy<Value = Act> {
    let rate = prop_oneof![4 => Just(0), 1 => 1..100_i64];
    let weight = prop_oneof![4 => Just(1), 1 => 0..5_i64];
    let gpu_hours = prop_oneof![1 => -1..9_i64, 1 => 0..200_i64];
    let price = || prop_oneof![2 => Just(0), 3 => 1..9_u8];
    let prices = prop_oneof![1 => Just([0; 3]), 1 => [price(), price(), price()]];
    prop_oneof![
        2 => Just(Act::Tick),
        2 => Just(Act::Garbage),
        1 => Just(Act::Open),
        2 => (0..5_i64).prop_map(|version| Act::Activate { version }),
        2 => prop::option::weighted(0.8, (span(), span(), 0..4_i64, 0..6_i64))
            .prop_map(|rules| Act::Preemption { rules }),
        2 => prop::option::of(30_000..40_000_000_i64)
            .prop_map(|half_life_ms| Act::FairShare { half_life_ms }),
        2 => (0..4_u8).prop_map(|model| Act::Seat { model }),
        4 => (0..6_u8, 0..=8_i64, 0..3_u8, 0..3_u8)
            .prop_map(|(node, gpus, model, group)| Act::Register { node, gpus, model, group }),
        2 => (0..6_u8).prop_map(|node| Act::Drain { node }),
        2 => (0..6_u8).prop_map(|node| Act::Remove { node }),
        4 => (0..4_u8, any::<bool>())
            .prop_map(|(node, is_healthy)| Act::Health { node, is_healthy }),
        4 => (0..3_u8, 0..6_000_i64, 0..30_000_i64, rate, weight).prop_map(
            |(tenant, guarantee, limit, rate, weight)| Act::Quota {
                tenant, guarantee, limit, rate, weight
            }
        ),
        2 => (0..3_u8, 0..4_u8, 0..20_i64, 0..7_200_000_i64, prices).prop_map(
            |(council, placement, queue_max, wait_ms, prices)| Act::Policy {
                council, placement, queue_max, wait_ms, prices
            }
        ),
        3 => place_in_tree(),
        4 => (0..4_u8, prop::option::weighted(0.8, gpu_hours), 0..8_u8)
            .prop_map(|(tenant, gpu_hours, window)| Act::Budget { tenant, gpu_hours, window }),
        4 => (0..4_u8, 0..60_i64, prop::option::of(-9_000_000..200_000_000_i64))
            .prop_map(|(tenant, gpu_hours, ahead_ms)| Act::TopUp { tenant, gpu_hours, ahead_ms }),
        2 => tariff().prop_map(|spans| Act::Tariff { spans }),
        3 => booking().prop_map(Act::Reserve),
        1 => (0..6_u8).prop_map(|reservation| Act::GiveUp { reservation }),
    ]
}

/// Most tariffs are none that overlaps, and prices are such that caps matter.
fn tariff() -> impl Strategy<Value = Vec<(u8, i64, i64, i64)>> {
    let span = (0..3_u8, 0..22_i64, 1..9_i64, 1..8_i64);
    proptest::collection::vec(span, 0..4)
}

/// Mostly what makes sense, with little CPU, so that GPUs are what is short.
pub(crate) fn booking() -> impl Strategy<Value = Booking> {
    let gpus = prop_oneof![
        1 => Just((0, 0)),
        2 => (1..=1000_i64).prop_map(|milli| (1, milli)),
        5 => (1..=4_i64).prop_map(|count| (count, 1_000)),
        1 => (0..20_i64, -5..1_100_i64),
    ];
    let ahead = prop_oneof![1 => Just(0), 8 => 0..20_000_000_i64, 1 => -9_i64..40_000_000_000];
    let length = prop_oneof![10 => 1..40_000_000_i64, 1 => -9_i64..9_000_000_000];
    let replicas = prop_oneof![6 => 1..3_i64, 1 => -1..1_100_i64];
    let beside = prop_oneof![1 => Just(0), 1 => 0..2_000_i64];
    (0..6_u8, 0..4_u8, ahead, length, (replicas, gpus, beside), prop::option::of(0..3_u8)).prop_map(
        |(reservation, tenant, ahead_ms, length_ms, (replicas, gpus, cpu_milli), model)| Booking {
            reservation,
            tenant,
            ahead_ms,
            length_ms,
            replicas,
            gpus,
            cpu_milli,
            model,
        },
    )
}

/// What is sent about a request that may be live, or about a command that was sent before.
fn change() -> impl Strategy<Value = Act> {
    let extension = prop_oneof![8 => 1..10_000_000_i64, 2 => 1..400_000_000_i64];
    prop_oneof![
        2 => (0..24_u8).prop_map(|request| Act::Cancel { request }),
        4 => (0..24_u8, stale(), extension)
            .prop_map(|(request, stale, extend_ms)| Act::Renew { request, stale, extend_ms }),
        5 => (0..24_u8, stale(), 0..4_i64)
            .prop_map(|(request, stale, replicas)| Act::Shrink { request, stale, replicas }),
        6 => (0..24_u8, stale()).prop_map(|(request, stale)| Act::Release { request, stale }),
        3 => (0..24_u8, any::<bool>(), proptest::option::of(ask()))
            .prop_map(|(request, approve, ask)| Act::Override { request, approve, ask }),
        9 => (0..24_u8, proptest::option::of(ask()))
            .prop_map(|(request, ask)| Act::Appeal { request, ask }),
        2 => (0..8_usize, any::<bool>())
            .prop_map(|(back, other_payload)| Act::Repeat { back, other_payload }),
    ]
}

/// Whether another fencing number than the current one is sent.
fn stale() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.2)
}

fn topology() -> impl Strategy<Value = Topology> {
    prop_oneof![
        2 => Just(Topology::None),
        1 => Just(Topology::SameNode),
        1 => Just(Topology::SameGroup),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let gpus = prop_oneof![
        1 => Just((0, 0)),
        4 => (1..=1000_i64).prop_map(|milli| (1, milli)),
        4 => (1..=8_i64).prop_map(|count| (count, 1_000)),
        1 => (0..20_i64, -5..1_100_i64),
    ];
    (
        (0..24_u8, 0..4_u8, prop_oneof![6 => Just(1), 3 => 2..5_i64, 1 => -1..2_000_i64], gpus),
        proptest::collection::vec(0..3_u8, 0..3),
        (1..40_i64, 0..12_i64, any::<bool>(), topology()),
        proptest::option::weighted(0.2, prop_oneof![1 => -9..=0_i64, 4 => 0..20_000_000_i64]),
        proptest::option::weighted(0.15, 0..300_i64),
    )
        .prop_map(
            |((request, tenant, replicas, (gpu_count, gpu_milli)), models, rest, deadline, cap)| {
                let (hours, priority, preemptible, topology) = rest;
                Ask {
                    request,
                    tenant,
                    replicas,
                    gpu_count,
                    gpu_milli,
                    models,
                    hours,
                    priority,
                    topology,
                    preemptible,
                    deadline_in_ms: deadline,
                    cap,
                }
            },
        )
}
