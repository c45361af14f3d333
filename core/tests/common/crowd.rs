//! A world in which so much happens at one moment that one decision cannot hold it.

use super::send::*;
use super::{POOLS, World};
use conclave_core::command::{Payload, RequestAllocation};
use conclave_core::units::{DurationMs, GpuMilli};
use std::sync::LazyLock;

/// When all leases of the crowd end and all its deferred requests are due.
pub(crate) const MOMENT_MS: i64 = HOUR_MS + GRACE_MS;
/// How long before that moment a crowded stream begins.
const BEFORE_MS: i64 = 1_000;

/// Pools with a lease and somebody who waits for it: more than one decision goes on with, all of
/// them before those of the streams.
const SMALL_POOLS: usize = 70;
/// Per pool of the streams: tiny leases, so that there are more ends than one decision holds.
const TINY_LEASES: usize = 160;
/// Per pool of the streams: deferred requests, so that more votes are due than one round takes.
const DEFERRED: usize = 30;
/// Gangs so large that a decision has no room for three of them, on one GPU each.
const GANGS: i64 = 4;
const GANG_REPLICAS: i64 = 1_000;

/// Nobody has a part of its own in what the crowd holds.
const CROWD: u8 = 9;

/// The crowd, shortly before the moment.
pub(crate) fn crowd() -> World {
    // Building it takes longer than most streams.
    static BUILT: LazyLock<World> = LazyLock::new(build);
    BUILT.clone()
}

fn build() -> World {
    let mut world = World::new();
    POOLS.into_iter().for_each(|pool| {
        world.send(pool, quota(CROWD, 0, 100_000, 0));
    });
    add_gangs(&mut world, POOLS[0]);
    for pool in &POOLS[..2] {
        (0..24).step_by(3).for_each(|n| ask(&mut world, pool, named(&request_id(n).0)));
        (0..TINY_LEASES).for_each(|n| ask(&mut world, pool, slices(&format!("tiny{n:03}"), 10)));
    }
    // Ends come in the order of names: nothing is freed in this pool before its turn.
    (0..TINY_LEASES).for_each(|n| ask(&mut world, POOLS[2], slices(&format!("z{n:03}"), 10)));
    (0..SMALL_POOLS).for_each(|n| add_small_pool(&mut world, &format!("a{n:02}")));
    world.now = MOMENT_MS - RETRY_MS;
    for pool in POOLS {
        (0..DEFERRED).for_each(|n| ask(&mut world, pool, put_off(&format!("d{n:02}"))));
    }
    world.now = MOMENT_MS - BEFORE_MS;
    world.begin();
    world
}

fn add_small_pool(world: &mut World, pool: &str) {
    world.send(pool, policy(0, 1, 50, HOUR_MS));
    world.send(pool, register(0, 1, 0));
    world.send(pool, quota(CROWD, 0, 8_000, 0));
    ask(world, pool, named("lease"));
    ask(world, pool, named("waiter"));
}

/// Gangs that wait for one lease to end.
fn add_gangs(world: &mut World, pool: &str) {
    world.send(pool, register(9, GANGS, 2));
    let on_t4 = |ask: RequestAllocation| RequestAllocation { gpu_models: vec![model_id(2)], ..ask };
    ask(world, pool, RequestAllocation { gpu_count: GANGS, ..on_t4(named("holder")) });
    for n in 0..GANGS {
        let gang = on_t4(slices(&format!("gang{n}"), 1));
        ask(world, pool, RequestAllocation { replicas: GANG_REPLICAS, ..gang });
    }
}

fn ask(world: &mut World, pool: &str, ask: RequestAllocation) {
    world.send(pool, Payload::RequestAllocation(ask));
}

fn named(name: &str) -> RequestAllocation {
    request(name, CROWD)
}

fn slices(name: &str, milli: i64) -> RequestAllocation {
    RequestAllocation { gpu_milli: GpuMilli(milli), ..named(name) }
}

/// 60 points: the council defers it.
fn put_off(name: &str) -> RequestAllocation {
    let expected_duration_ms = DurationMs(25 * HOUR_MS);
    RequestAllocation { priority: 5, preemptible: false, expected_duration_ms, ..named(name) }
}
