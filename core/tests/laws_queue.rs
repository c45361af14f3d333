//! Laws about who starts and who waits, counted anew from leases and nodes at every single grant
//! and for everybody who waits.

mod common;
mod kept;
mod paid;
mod places;
mod promised;

use common::{
    config, fold, streams, streams_of_groups, streams_of_passing, streams_of_reservations, walk,
};
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::{RequestAllocation, Topology};
use conclave_core::decision::{Event, LeaseGranted};
use conclave_core::evolve::evolve;
use conclave_core::overtaking::Barriers;
use conclave_core::placement::Need;
use conclave_core::quota::{Demand, may_grant};
use conclave_core::state::{Pool, Request, Stage, State};
use conclave_core::units::{GpuModel, PoolId, RequestId, TenantId, TimeMs};
use paid::{lease_end, over_budget, payable, wanted};
use places::{as_new, emptied, finds_place, finds_place_anywhere, places};
use promised::{all_promised, borrowed, lendable, path, promised_to_others, reach, used};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeSet;

fn free(pool: &Pool) -> i64 {
    let nodes = pool.fleet.nodes().iter().filter(|node| node.accepts_work());
    nodes.map(|node| node.gpu_left().iter().map(|left| i64::from(*left)).sum::<i64>()).sum()
}

fn check_grant(pool: &Pool, granted: &LeaseGranted, now: TimeMs) {
    let ask = &pool.requests[&granted.request].ask;
    let (wanted, tenant) = (wanted(ask), &ask.tenant);
    for above in path(pool, tenant) {
        let (used, limit) = (used(pool, above), pool.tenants[above].quota.limit_gpu_milli.0);
        assert!(wanted == 0 || used + wanted <= limit, "{granted:?} is over {limit} of {above}");
    }
    let beside_others = free(pool) - promised_to_others(pool, tenant);
    let is_own = wanted <= reach(pool, tenant);
    let is_free = is_own
        || wanted <= beside_others
        || borrows(pool, granted)
        || kept::is_inside(pool, granted);
    assert!(is_free, "{granted:?} takes what is promised to others");
    assert_eq!(i64::try_from(granted.replicas.len()), Ok(ask.replicas), "{granted:?} is a part");
    let mut models = granted.replicas.iter().map(|replica| {
        let node = pool.fleet.node(pool.fleet.index_of(&replica.node).expect("a node of the pool"));
        assert!(node.accepts_work(), "{granted:?} sits on a draining node");
        pool.fleet.model_of(node)
    });
    if let Some(payable) = payable(pool, ask, now) {
        let models: BTreeSet<&GpuModel> = models.by_ref().collect();
        let is_one = models.len() == 1 && models.iter().all(|model| payable.contains(model));
        assert!(is_one, "{granted:?} is on {models:?} and can pay for {payable:?}");
    }
    assert!(over_budget(pool, ask, now).is_none(), "{granted:?} is over its tenant's budget");
    let wishes = &ask.gpu_models;
    if ask.gpu_count > 0 && !wishes.is_empty() {
        let is_wish = |model: &GpuModel| *model == granted.gpu_model && wishes.contains(model);
        assert!(models.all(is_wish), "{granted:?} mixes models or has a wrong one");
    }
}

/// Whether what is granted of others' idle guarantees is within all that may be borrowed.
fn borrows(pool: &Pool, granted: &LeaseGranted) -> bool {
    let request = &pool.requests[&granted.request];
    let (tenant, free) = (&request.ask.tenant, free(pool));
    let of_nobody = (free - all_promised(pool)).max(0);
    let needed = wanted(&request.ask) - reach(pool, tenant) - of_nobody;
    let others = pool.tenants.keys().filter(|name| !path(pool, tenant).contains(name));
    let lendable: i64 = others.map(|name| lendable(pool, name)).sum();
    let may = path(pool, tenant).into_iter().all(|above| {
        let limit = pool.tenants[above].quota.borrow_gpu_milli.0;
        (above != tenant && limit == 0) || borrowed(pool, above) + needed <= limit
    });
    let can_be_had_back = request.ask.preemptible
        && pool
            .preemption
            .rules
            .is_some_and(|rules| request.preemptions_by_others() < rules.per_request);
    may && can_be_had_back && wanted(&request.ask) <= free && needed <= lendable
}

/// Asserts of who waits for a budget that it is used up, and that somebody looks again in time.
fn is_over_budget(state: &State, id: &PoolId, request: &Request, blocker: &Blocker) -> bool {
    let (pool, ask, now) = (&state.pools[id], &request.ask, state.time_ms);
    let Blocker::BudgetUsedUp {
        window_start_ms,
        next_window_ms,
        budget_gpu_milli_seconds: budget,
        reserved_gpu_milli_seconds: reserved,
        wanted_gpu_milli_seconds: wanted,
        fits_at_ms,
    } = blocker
    else {
        return false;
    };
    let Some((index, allowed, taken, more)) = over_budget(pool, ask, now) else { return false };
    let width = pool.tenants[&ask.tenant].quota.budget_window_ms.0;
    let rounded = |amount: i128| i64::try_from((amount + 999) / 1_000).expect("small amounts");
    assert_eq!((window_start_ms.0, next_window_ms.0), (index * width, (index + 1) * width));
    assert_eq!([budget.0, reserved.0, wanted.0], [allowed, taken, more].map(rounded));
    assert!(reserved.0 + wanted.0 > budget.0, "{blocker:?}");
    let Some(fits_at) = *fits_at_ms else { return true };
    assert!(fits_at > now && over_budget(pool, ask, fits_at).is_none(), "{blocker:?}");
    assert!(over_budget(pool, ask, TimeMs(fits_at.0 - 1)).is_some(), "{blocker:?}");
    let barriers = Barriers::of(pool, now);
    let waits_for_nothing_else = barriers.before(pool, request).is_none()
        && may_grant(pool, &Demand::of(request)).is_ok()
        && finds_place(pool, now, &pool.fleet, ask, ask.replicas)
        && state.overdue_timer().is_none();
    let is_looked_at = pool.budget_look_ms.is_some_and(|look| look <= fits_at);
    assert!(is_looked_at || !waits_for_nothing_else, "nobody looks again for {blocker:?}");
    true
}

fn can_start(pool: &Pool, barriers: &Barriers, request: &Request, now: TimeMs) -> bool {
    let ask = &request.ask;
    barriers.before(pool, request).is_none()
        && over_budget(pool, ask, now).is_none()
        && may_grant(pool, &Demand::of(request)).is_ok()
        && finds_place(pool, now, &kept::left_for(pool, ask, now), ask, ask.replicas)
}

/// When a waiting request has room first, as leases end and reservations are over.
fn room_from(pool: &Pool, request: &RequestId, now: TimeMs) -> TimeMs {
    let ask = &pool.requests[request].ask;
    let ends = pool.requests.values().filter_map(|other| other.lease()).map(|l| l.ends_at_ms);
    let over = pool.reservations.all().map(|one| one.reserve.end_ms);
    let times: BTreeSet<TimeMs> = ends.chain(over).chain([now]).map(|at| at.max(now)).collect();
    let has_room = |at: &TimeMs| {
        let mut then = pool.clone();
        for other in pool.requests.values() {
            let lease = other.lease().filter(|lease| lease.ends_at_ms <= *at);
            for place in lease.map_or([].as_slice(), |lease| &lease.replicas) {
                let node = then.fleet.index_of(&place.node).expect("a node of the pool");
                let gpus = conclave_core::placement::GpuSet::of(&place.gpus);
                then.fleet.give_back(node, &Need::of(&other.ask), gpus);
            }
            if lease.is_some() {
                then.requests.remove(&other.ask.request);
            }
        }
        finds_place(&then, *at, &kept::left_for(&then, ask, *at), ask, ask.replicas)
    };
    times.into_iter().find(has_room).unwrap_or(now)
}

/// Asserts that what is said to keep a request waiting really does.
fn check_blocker(state: &State, id: &PoolId, request: &Request, blocker: &Blocker) {
    let (pool, ask, now) = (&state.pools[id], &request.ask, state.time_ms);
    let (tenant, want) = (&ask.tenant, wanted(ask));
    let is_so = match blocker {
        Blocker::Deferred { attempts, retry_at_ms } => {
            request.attempts == *attempts
                && request.stage == (Stage::Deferred { retry_at_ms: *retry_at_ms })
        }
        Blocker::VoteDue => state.due.iter().any(|due| due.request == ask.request),
        Blocker::CarriedOver => state.carried_over.contains(id),
        Blocker::TenantLimit { tenant: of, used_gpu_milli, limit_gpu_milli, wanted_gpu_milli } => {
            let limit = pool.tenants[of].quota.limit_gpu_milli;
            let said = (used_gpu_milli.0, *limit_gpu_milli, wanted_gpu_milli.0);
            let is_above = path(pool, tenant).contains(&of);
            said == (used(pool, of), limit, want) && used(pool, of) + want > limit.0 && is_above
        }
        Blocker::BorrowLimit { tenant: of, .. } => is_over_what_it_may_borrow(pool, of, blocker),
        Blocker::HeldForOthers { free_gpu_milli, held_gpu_milli, wanted_gpu_milli } => {
            let (free, held) = (free(pool), promised_to_others(pool, tenant));
            let said = (free_gpu_milli.0, held_gpu_milli.0, wanted_gpu_milli.0);
            said == (free, held, want) && want > free - held && want > reach(pool, tenant)
        }
        Blocker::BehindProtected { protected } => is_behind(state, pool, request, protected),
        Blocker::Reserved { .. } => is_reserved(state, pool, ask, blocker),
        Blocker::RoomIsMade { .. } => is_room_made(pool, ask, blocker),
        Blocker::PoolTooSmall => {
            !finds_place(pool, now, &as_new(pool), ask, ask.replicas)
                && !finds_place_anywhere(pool, now, &emptied(pool), ask, ask.replicas)
        }
        Blocker::TopologyTooSmall { topology, replicas } => {
            (*topology, *replicas) == (ask.topology, ask.replicas)
                && !finds_place(pool, now, &as_new(pool), ask, ask.replicas)
                && finds_place_anywhere(pool, now, &emptied(pool), ask, ask.replicas)
        }
        Blocker::NodesOutOfService { draining_nodes, unhealthy_nodes } => {
            let nodes = || pool.fleet.nodes().iter().filter(|node| !node.accepts_work());
            let drain = nodes().filter(|node| node.is_draining()).count();
            let counts = (usize::try_from(*draining_nodes), usize::try_from(*unhealthy_nodes));
            counts == (Ok(drain), Ok(nodes().count() - drain))
                && !finds_place(pool, now, &emptied(pool), ask, ask.replicas)
                && finds_place(pool, now, &as_new(pool), ask, ask.replicas)
        }
        Blocker::BudgetUsedUp { .. } => is_over_budget(state, id, request, blocker),
        Blocker::TooManyWindows { windows, windows_max } => {
            let width = pool.tenants[tenant].quota.budget_window_ms.0;
            let length = lease_end(pool, ask, TimeMs(0));
            *windows == (length + width - 1) / width + 1 && windows > windows_max
        }
        Blocker::OverCap { least_micro_usd, cap_micro_usd, cheaper_at_ms } => {
            Some(*cap_micro_usd) == ask.budget_cap_micro_usd
                && least_micro_usd > cap_micro_usd
                && payable(pool, ask, now) == Some(vec![])
                && is_first_to_pay(state, id, ask, *cheaper_at_ms)
        }
        Blocker::NoRoom { replicas_fit: fit, replicas } => {
            is_most(pool, now, ask, *fit)
                && *replicas == ask.replicas
                && !finds_place_anywhere(pool, now, &pool.fleet, ask, ask.replicas)
        }
        Blocker::Topology { topology, replicas_fit, replicas, nodes_with_room } => {
            is_most(pool, now, ask, *replicas_fit)
                && (*topology, *replicas) == (ask.topology, ask.replicas)
                && *nodes_with_room == nodes_that_share(pool, now, ask)
        }
    };
    assert!(is_so, "{request:?} waits for {blocker:?} at {}", state.covered);
}

/// Whether a request can pay at that time and at no minute before it, and somebody looks again by
/// then.
fn is_first_to_pay(
    state: &State,
    id: &PoolId,
    ask: &RequestAllocation,
    cheaper_at: Option<TimeMs>,
) -> bool {
    let (pool, now) = (&state.pools[id], state.time_ms);
    let minutes = (1..=24 * 60).map(|minute| TimeMs((now.0 / 60_000 + minute) * 60_000));
    let first = minutes.into_iter().find(|at| payable(pool, ask, *at) != Some(vec![]));
    let is_looked_at = pool.budget_look_ms.is_some_and(|look| Some(look) <= cheaper_at);
    // While timers or a queue are worked off, nobody is looked at.
    let is_late = state.overdue_timer().is_some() || state.carried_over.contains(id);
    first == cheaper_at && (cheaper_at.is_none() || is_looked_at || is_late)
}

fn is_over_what_it_may_borrow(pool: &Pool, of: &TenantId, blocker: &Blocker) -> bool {
    let Blocker::BorrowLimit { borrowed_gpu_milli, limit_gpu_milli, needed_gpu_milli, .. } =
        blocker
    else {
        return false;
    };
    let limit = pool.tenants[of].quota.borrow_gpu_milli;
    (borrowed_gpu_milli.0, *limit_gpu_milli) == (borrowed(pool, of), limit)
        && needed_gpu_milli.0 > 0
        && borrowed_gpu_milli.0 + needed_gpu_milli.0 > limit.0
}

/// Whether a reservation of somebody else keeps from a request what has room for it.
fn is_reserved(state: &State, pool: &Pool, ask: &RequestAllocation, blocker: &Blocker) -> bool {
    let Blocker::Reserved { reservation, start_ms, until_ms } = blocker else { return false };
    let now = state.time_ms;
    let one = &pool.reservations.get(reservation).expect("it is not over").reserve;
    let left = kept::left_for(pool, ask, now);
    (one.start_ms, one.end_ms) == (*start_ms, *until_ms)
        && one.tenant != ask.tenant
        && one.start_ms.0 < lease_end(pool, ask, now)
        && now < one.end_ms
        && finds_place(pool, now, &pool.fleet, ask, ask.replicas)
        && !finds_place(pool, now, &left, ask, ask.replicas)
}

/// Whether so many leases end for a request by then.
fn is_room_made(pool: &Pool, ask: &RequestAllocation, blocker: &Blocker) -> bool {
    let Blocker::RoomIsMade { leases, until_ms } = blocker else { return false };
    let for_it = pool.requests.values().filter_map(|other| {
        let lease = other.lease()?;
        (lease.notice.as_ref()?.by == ask.request).then_some(lease.ends_at_ms)
    });
    let ends: Vec<_> = for_it.collect();
    usize::try_from(*leases) == Ok(ends.len()) && ends.iter().max() == Some(until_ms)
}

/// Whether so many replicas of a request, and no more, find a place where it wishes.
fn is_most(pool: &Pool, now: TimeMs, ask: &RequestAllocation, fit: i64) -> bool {
    let fits = |replicas| finds_place(pool, now, &pool.fleet, ask, replicas);
    fit < ask.replicas && (fit == 0 || fits(fit)) && !fits(fit + 1)
}

/// How many nodes have room for a replica, of the first model on which all of them find a place
/// somewhere.
fn nodes_that_share(pool: &Pool, now: TimeMs, ask: &RequestAllocation) -> i64 {
    let fleet = &pool.fleet;
    let each = |model: &GpuModel| RequestAllocation {
        gpu_models: vec![model.clone()],
        topology: Topology::None,
        ..ask.clone()
    };
    let models = payable(pool, ask, now).unwrap_or_else(|| ask.gpu_models.clone());
    let any = ask.gpu_count == 0 || models.is_empty();
    let asks = if any { vec![ask.clone()] } else { models.iter().map(each).collect() };
    let finds_place =
        |ask: &&RequestAllocation| finds_place_anywhere(pool, now, fleet, ask, ask.replicas);
    let ask = asks.iter().find(finds_place).expect("without the wish it finds a place");
    let nodes = places(fleet, Topology::SameNode);
    nodes.iter().map(|node| i64::from(finds_place_anywhere(pool, now, node, ask, 1))).sum()
}

/// Whether `protected` came before, has waited W, and could want one of the same models.
fn is_behind(state: &State, pool: &Pool, request: &Request, protected: &RequestId) -> bool {
    let elder = &pool.requests[protected];
    let Stage::Waiting { since_ms } = elder.stage else { return false };
    let shares = pool.group_of(elder).need.shares_a_model_with(&pool.group_of(request).need);
    elder.arrival < request.arrival
        && since_ms.plus(pool.policy.wait_bound_ms) <= state.time_ms
        && shares
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_grant_obeys_limit_guarantee_and_gang(
        stream in prop_oneof![streams(), streams_of_reservations()],
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let Event::LeaseGranted(granted) = event else { return };
            check_grant(&state.pools[&granted.pool], granted, decision.time_ms);
        });
    }

    /// In particular nobody waits who could start.
    #[test]
    fn whoever_waits_has_a_blocker_that_is_so(
        stream in prop_oneof![streams(), streams_of_groups(), streams_of_reservations()],
    ) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            for (id, pool) in &world.state.pools {
                let blockers = Blockers::of(&world.state, id);
                for request in pool.requests.values() {
                    let Some(blocker) = blockers.blocker(request) else {
                        prop_assert!(request.lease().is_some(), "nothing blocks {:?}", request);
                        continue;
                    };
                    prop_assert!(request.lease().is_none(), "{:?} runs", request);
                    check_blocker(&world.state, id, request, &blocker);
                }
            }
        }
    }

    #[test]
    fn whoever_starts_is_the_first_in_the_order_who_can(
        stream in prop_oneof![streams(), streams_of_reservations()],
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let Event::LeaseGranted(granted) = event else { return };
            let ends_are_left = state.timers.first().is_some_and(|t| t.at_ms <= decision.time_ms);
            assert!(!ends_are_left, "{granted:?} starts before all ends have happened");
            let pool = &state.pools[&granted.pool];
            let place = |request: &Request| {
                let is_served = pool.preemption.served.contains(&request.ask.request);
                let is_fair = pool.half_life_ms.is_some() && !is_served;
                let key = is_fair.then(|| pool.fair_key(&request.ask.tenant, decision.time_ms));
                (Reverse(is_served), Reverse(request.ask.priority), key, request.arrival)
            };
            let own = place(&pool.requests[&granted.request]);
            let barriers = Barriers::of(pool, decision.time_ms);
            for (_, _, waiter) in pool.in_order(decision.time_ms) {
                let request = &pool.requests[&waiter.request];
                let can_start = can_start(pool, &barriers, request, decision.time_ms);
                let is_passed = place(request) < own && can_start;
                assert!(!is_passed, "{granted:?} passes {request:?}, who could start");
            }
        });
    }

    /// But whose lease is over before any of them has room, by the ends that leases declared.
    #[test]
    fn nobody_who_came_later_delays_a_protected_request(
        stream in prop_oneof![streams(), streams_of_reservations(), streams_of_passing()],
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let Event::LeaseGranted(granted) = event else { return };
            let pool = &state.pools[&granted.pool];
            let barriers = Barriers::of(pool, decision.time_ms);
            let let_past = decision.events.iter().find_map(|event| match event {
                Event::LeaseLetPast(past)
                    if (&past.pool, &past.request) == (&granted.pool, &granted.request) =>
                {
                    Some(past)
                }
                _ => None,
            });
            let mut passed = barriers.all_before(pool, &pool.requests[&granted.request]).peekable();
            assert_eq!(passed.peek().is_some(), let_past.is_some(), "{granted:?}: {let_past:?}");
            assert!(let_past.is_none() || decision.decide_version >= 3, "{granted:?} is let past");
            for barrier in passed {
                let ends_at = granted.ends_at_ms;
                let room_from = room_from(pool, &barrier.request, decision.time_ms);
                assert!(ends_at <= room_from, "{granted:?} delays {barrier:?} from {room_from}");
            }
        });
    }

    #[test]
    fn whoever_joins_takes_no_protection_away(stream in streams()) {
        let world = stream.run();
        let mut state = fold(&world.decisions[..world.begun]);
        for decision in &world.decisions[world.begun..] {
            let protected_before = protected(&state, decision.time_ms);
            evolve(&mut state, decision);
            let is_joining = |event: &Event| {
                use Event::{RequestAdmitted, RequestQueued, RequestVoted};
                matches!(event, RequestAdmitted(_) | RequestVoted(_) | RequestQueued(_))
            };
            if decision.events.iter().all(is_joining) {
                let protected = protected(&state, decision.time_ms);
                let is_subset = protected_before.is_subset(&protected);
                prop_assert!(is_subset, "{protected_before:?} became {protected:?}");
            }
        }
    }
}

/// Pools and names of those whom nobody who comes later may pass.
fn protected(state: &State, now: TimeMs) -> BTreeSet<(PoolId, RequestId)> {
    let mut all = BTreeSet::new();
    for (id, pool) in &state.pools {
        let barriers = Barriers::of(pool, now);
        let protected = pool.requests.keys().filter(|request| barriers.protect(request));
        all.extend(protected.map(|request| (id.clone(), request.clone())));
    }
    all
}
