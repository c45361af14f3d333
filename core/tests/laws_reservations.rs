//! Laws of reservations over random streams: what is reserved is nobody else's, and is there.

mod common;

use common::{World, config, streams, streams_of_passing, streams_of_reservations};
use conclave_core::command::{CouncilMode, Payload, RequestAllocation};
use conclave_core::decision::Event;
use conclave_core::invariants;
use conclave_core::state::{Pool, Request, Reservation};
use conclave_core::units::{DurationMs, RequestId, UserId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Milli of a GPU that leases of others than `one`'s tenant hold in its time.
fn held_by_others(pool: &Pool, one: &Reservation, node: &str, gpu: i64) -> i64 {
    let of_others = pool.requests.values().filter(|other| other.ask.tenant != one.reserve.tenant);
    let milli = |request: &Request| {
        let Some(lease) = request.lease() else { return 0 };
        let is_in_time = lease.ends_at_ms > one.reserve.start_ms;
        let here = |at: &&conclave_core::decision::Placement| {
            at.node.0.as_str() == node && at.gpus.contains(&gpu)
        };
        let count = lease.replicas.iter().filter(here).count();
        if is_in_time {
            i64::try_from(count).expect("a gang is bounded") * request.ask.gpu_milli.0
        } else {
            0
        }
    };
    of_others.map(milli).sum()
}

fn check_pool(pool: &Pool, is_settled: bool) {
    for one in pool.reservations.all() {
        // A lease whose end has come, and is carried over, holds its GPUs a little longer.
        for at in one.replicas.iter().filter(|_| is_settled) {
            for gpu in &at.gpus {
                let others = held_by_others(pool, one, &at.node.0, *gpu);
                let own = one.reserve.gpu_milli.0;
                assert!(others + own <= 1_000, "{others} milli of GPU {gpu} of {one:?}");
            }
        }
    }
}

/// The request that uses all of a reservation until its end.
fn user_of(pool: &Pool, one: &Reservation, now: i64) -> RequestAllocation {
    let reserve = &one.reserve;
    let left = reserve.end_ms.0 - now - pool.policy.lease_grace_ms.0;
    RequestAllocation {
        request: RequestId::from("user".to_owned()),
        tenant: reserve.tenant.clone(),
        user: UserId::default(),
        gpu_models: reserve.gpu_models.clone(),
        replicas: reserve.replicas,
        gpu_count: reserve.gpu_count,
        gpu_milli: reserve.gpu_milli,
        cpu_milli: reserve.cpu_milli,
        memory_mib: reserve.memory_mib,
        expected_duration_ms: DurationMs(left.max(1)),
        priority: 1,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: reserve.topology,
        labels: vec![],
    }
}

/// Whether nothing but its reservation decides whether a tenant's request starts.
fn is_free_to_use(pool: &Pool, one: &Reservation, ask: &RequestAllocation, now: i64) -> bool {
    let tenant = &pool.tenants[&one.reserve.tenant];
    let places = &one.replicas;
    let on = |node| pool.fleet.node(pool.fleet.index_of(node).expect("it does not leave"));
    let own_sit_there = pool.requests.values().any(|request| {
        let replicas = request.lease().map_or([].as_slice(), |lease| &lease.replicas);
        let mut nodes = replicas.iter().map(|at| &at.node);
        request.ask.tenant == one.reserve.tenant
            && nodes.any(|node| places.iter().any(|place| place.node == *node))
    });
    let waiting = pool.queue.len() + pool.deferred_count;
    one.has_started
        && one.reserve.gpu_count > 0
        && one.reserve.end_ms.0 > now + pool.policy.lease_grace_ms.0
        && places.iter().all(|at| on(&at.node).accepts_work())
        && !own_sit_there
        && tenant.queued_count() == 0
        && tenant.quota.rate_per_minute == 0
        && tenant.quota.gpu_hour_budget.is_none()
        && tenant.used_gpu_milli.0 + ask.total_gpu_milli().0 <= tenant.quota.limit_gpu_milli.0
        && pool.policy.council == CouncilMode::Off
        && waiting < pool.policy.queue_max
}

/// Tries to use every reservation in full; returns how many.
fn use_all(world: &World) -> usize {
    let (state, mut tried) = (&world.state, 0);
    if state.needs_a_tick() {
        return 0;
    }
    for (id, pool) in &state.pools {
        for one in pool.reservations.all() {
            let ask = user_of(pool, one, state.time_ms.0);
            if !is_free_to_use(pool, one, &ask, state.time_ms.0) {
                continue;
            }
            tried += 1;
            let mut copy = world.clone();
            let decision = copy.send(&id.0, Payload::RequestAllocation(ask));
            let starts = |event: &Event| match event {
                Event::LeaseGranted(granted) => {
                    granted.request == RequestId::from("user".to_owned())
                }
                _ => false,
            };
            assert!(decision.events.iter().any(starts), "{one:?} is not there: {decision:?}");
        }
    }
    tried
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_lease_holds_what_is_reserved_for_somebody_else(
        stream in prop_oneof![1 => streams(), 3 => streams_of_reservations()],
    ) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            invariants::check(&world.state);
            let is_settled = world.state.overdue_timer().is_none();
            world.state.pools.values().for_each(|pool| check_pool(pool, is_settled));
        }
    }

    #[test]
    fn every_reservation_can_be_used_in_full_from_its_start(stream in streams_of_reservations()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            use_all(&world);
        }
    }
}

/// The laws above say something: reservations are made, start, end, and can be tried.
#[test]
fn streams_make_and_use_reservations() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut made, mut ended, mut tried, mut let_past) = (0, 0, 0, 0);
    for _ in 0..40 {
        let stream = streams_of_reservations().new_tree(&mut runner).expect("a stream").current();
        let mut world = stream.begin();
        for step in &stream.steps {
            for event in &world.step(step).events {
                made += usize::from(matches!(event, Event::ReservationMade(_)));
                ended += usize::from(matches!(event, Event::ReservationEnded(_)));
            }
            tried += use_all(&world);
        }
        let stream = streams_of_passing().new_tree(&mut runner).expect("a stream").current();
        for decision in &stream.run().decisions {
            let is_past = |event: &&Event| matches!(event, Event::LeaseLetPast(_));
            let_past += decision.events.iter().filter(is_past).count();
        }
    }
    let (counts, least) = ([made, ended, tried, let_past], [40, 20, 40, 40]);
    assert!(counts.iter().zip(least).all(|(count, least)| *count >= least), "{counts:?}");
}
