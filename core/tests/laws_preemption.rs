//! Preemption: by right, as few as possible, and not for ever.

mod common;
mod promised;

use common::{config, streams_of_trees, walk, wanting};
use conclave_core::decision::{
    Decision, Event, LeasePreempted, PreemptionNoticed, PreemptionRight,
};
use conclave_core::evolve::evolve;
use conclave_core::limits::PREEMPTIONS_PER_REQUEST_MAX;
use conclave_core::placement::{Fleet, Gang, GpuSet, Need};
use conclave_core::state::{Claim, Pool, Request, Stage, State};
use conclave_core::units::{GpuModel, Offset, RequestId, TimeMs};
use promised::{covered_by, path, promised, used};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

/// Asserts that one lease may end for another request.
fn check_right(state: &State, noticed: &PreemptionNoticed, now: TimeMs) {
    let pool = &state.pools[&noticed.pool];
    let rules = pool.preemption.rules.expect("nobody is preempted without rules");
    let (by, victim) = (&pool.requests[&noticed.by], &pool.requests[&noticed.request]);
    let lease = victim.lease().expect("whoever gets notice runs");
    assert!(victim.ask.preemptible && lease.notice.is_none(), "{noticed:?} of {victim:?}");
    let is_own = by.ask.tenant == victim.ask.tenant;
    let (own, others) = (victim.preemptions_by_own, victim.preemptions_by_others());
    let so_often = if is_own { own } else { others };
    assert!(so_often < rules.per_request, "{noticed:?} once too often");
    let is_too_late = by.ask.deadline_ms.is_some_and(|deadline| deadline <= noticed.ends_at_ms);
    assert!(!is_too_late, "{noticed:?} for {by:?}");
    check_limits(pool, by);
    assert!(matches!(by.stage, Stage::Waiting { .. }), "{noticed:?} for {by:?}");
    let earliest = lease.granted_at_ms.plus(rules.min_run_ms).max(now.plus(rules.grace_ms));
    let is_in_time = noticed.ends_at_ms >= earliest || noticed.ends_at_ms == lease.ends_at_ms;
    assert!(is_in_time && noticed.ends_at_ms <= lease.ends_at_ms, "{noticed:?} at {now}");
    assert_eq!(noticed.by_tenant, by.ask.tenant);
    // Somebody whose own, or whose family's, guarantee would be short of it then.
    let goes = victim.held_gpu_milli().0;
    let own = path(pool, &by.ask.tenant);
    let others: Vec<_> = path(pool, &victim.ask.tenant);
    let others = others.into_iter().take_while(|above| !own.contains(above));
    let kept = without_those_who_go(pool);
    let is_promised = others.into_iter().any(|above| {
        let without = (&victim.ask.tenant, -goes);
        promised(&kept, above, Some(without)) > promised(&kept, above, None)
    });
    let is_lent = noticed.right == PreemptionRight::Guarantee && !lease.loans.is_empty();
    assert!(is_lent || !is_promised, "{noticed:?} takes what {} is guaranteed", victim.ask.tenant);
    match noticed.right {
        PreemptionRight::Priority => assert!(by.ask.priority > victim.ask.priority),
        PreemptionRight::Guarantee => {
            let covering = covered_by(pool, &by.ask).expect("its guarantee covers it");
            let is_for_both = path(pool, &victim.ask.tenant).contains(&covering);
            assert!(!is_for_both, "{noticed:?} is of the same family");
        }
    }
}

/// The pool without the leases that have notice, but for those that a guarantee calls back.
fn without_those_who_go(pool: &Pool) -> Pool {
    let mut kept = pool.clone();
    kept.requests.retain(|_, request| {
        let lease = request.lease();
        let called_back = |right| {
            right == PreemptionRight::Guarantee && lease.is_some_and(|one| !one.loans.is_empty())
        };
        let notice = lease.and_then(|lease| lease.notice.as_ref());
        notice.is_none_or(|notice| called_back(notice.right))
    });
    kept
}

/// Asserts that `by` stays within all limits beside the others for whom leases end.
fn check_limits(pool: &Pool, by: &Request) {
    let comes = |(name, claim): (&RequestId, &Claim)| {
        let request = pool.requests.get(name)?;
        let is_other = request.arrival == claim.arrival && request.arrival != by.arrival;
        (is_other && request.lease().is_none()).then_some(request)
    };
    let come: Vec<&Request> = pool.preemption.claims.iter().filter_map(comes).collect();
    for above in path(pool, &by.ask.tenant).into_iter().filter(|_| by.ask.gpu_count > 0) {
        let within = come.iter().filter(|one| path(pool, &one.ask.tenant).contains(&above));
        let come: i64 = within.map(|one| one.ask.total_gpu_milli().0).sum();
        let all = used(pool, above) + come + by.ask.total_gpu_milli().0;
        let limit = pool.tenants[above].quota.limit_gpu_milli.0;
        assert!(all <= limit, "{} is over the limit of {above}: {come} come", by.ask.request);
    }
}

/// The nodes once the leases of `victims` have ended.
fn without(pool: &Pool, victims: &BTreeSet<&RequestId>) -> Fleet {
    let mut fleet = pool.fleet.clone();
    for victim in victims {
        let request = &pool.requests[*victim];
        for at in &request.lease().expect("a victim runs").replicas {
            let node = fleet.index_of(&at.node).expect("a lease sits on a known node");
            fleet.give_back(node, &Need::of(&request.ask), GpuSet::of(&at.gpus));
        }
    }
    fleet
}

/// The pool without nodes of which something is reserved for others when a lease of `by` might run:
/// nobody ends there for it.
fn within_reach(pool: &Pool, by: &RequestId, now: TimeMs) -> Pool {
    let (ask, mut left) = (&pool.requests[by].ask, pool.clone());
    let rules = pool.preemption.rules.expect("nobody is preempted without rules");
    let latest = now.plus(rules.min_run_ms.max(rules.grace_ms));
    let until = latest.plus(pool.lease_length(ask));
    for one in pool.reservations.all().map(|one| (&one.reserve, &one.replicas)) {
        let (reserve, places) = one;
        let is_in_time = reserve.start_ms < until && now < reserve.end_ms;
        if is_in_time && reserve.tenant != ask.tenant {
            places.iter().for_each(|at| left.fleet.drain(&at.node));
        }
    }
    left
}

fn fits(fleet: &Fleet, request: &Request) -> bool {
    let ask = &request.ask;
    let holds = |models: &[GpuModel]| fleet.can_hold(&Gang::of(ask, models));
    let is_any = ask.gpu_count == 0 || ask.gpu_models.is_empty();
    if is_any { holds(&[]) } else { ask.gpu_models.iter().any(|m| holds(std::slice::from_ref(m))) }
}

/// What every request may still be preempted, by its own tenant and by others, all together: what
/// falls.
fn potential(state: &State) -> i64 {
    let of = |request: &Request| 2 * PREEMPTIONS_PER_REQUEST_MAX - request.preemptions;
    state.pools.values().flat_map(|pool| pool.requests.values()).map(of).sum()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whoever_gets_notice_may_get_it(
        stream in prop_oneof![wanting(), streams_of_trees()],
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            if let Event::PreemptionNoticed(noticed) = event {
                check_right(state, noticed, decision.time_ms);
            }
        });
    }

    /// All who go make room, and without any one of them there would be none.
    #[test]
    fn no_victim_could_be_spared(stream in prop_oneof![wanting(), streams_of_trees()]) {
        let world = stream.run();
        // What stood before the first notice for a request, and who got one.
        let mut first: BTreeMap<(i64, RequestId), (Pool, BTreeSet<RequestId>)> = BTreeMap::new();
        walk(&world.decisions, world.begun, |state, decision, event| {
            if let Event::PreemptionNoticed(noticed) = event {
                let pool = &state.pools[&noticed.pool];
                let key = (decision.offset.0, noticed.by.clone());
                let before = || within_reach(pool, &noticed.by, decision.time_ms);
                let entry = first.entry(key).or_insert_with(|| (before(), BTreeSet::new()));
                entry.1.insert(noticed.request.clone());
            }
        });
        for ((offset, by), (pool, victims)) in &first {
            let by = &pool.requests[by];
            let all: BTreeSet<_> = victims.iter().collect();
            prop_assert!(!fits(&pool.fleet, by), "{:?} at {}: nobody had to go", by, offset);
            prop_assert!(fits(&without(pool, &all), by), "{:?} at {}: {:?}", by, offset, victims);
            for spared in victims {
                let others: BTreeSet<_> = victims.iter().filter(|one| *one != spared).collect();
                let fits = fits(&without(pool, &others), by);
                prop_assert!(!fits, "{:?} at {}: {} could stay", by, offset, spared);
            }
        }
    }

    /// The argument of `docs/preemption.md`: every preemption lowers by one a sum that is never
    /// below zero and that only commands raise. And nothing is lost by it: whoever was preempted
    /// waits at the place of its arrival.
    #[test]
    fn every_preemption_uses_up_one_of_few_and_loses_nothing(
        stream in prop_oneof![wanting(), streams_of_trees()],
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let Event::LeasePreempted(preempted) = event else { return };
            let LeasePreempted { pool, request, count, .. } = preempted;
            let after = after(state, decision, event);
            assert_eq!(potential(&after), potential(state) - 1);
            let before = &state.pools[pool].requests[request];
            let now = &after.pools[pool].requests[request];
            assert_eq!((now.arrival, &now.ask), (before.arrival, &before.ask));
            assert_eq!((now.preemptions, before.preemptions + 1), (*count, *count));
            assert!(matches!(now.stage, Stage::Waiting { .. }), "{now:?}");
        });
    }
}

fn after(state: &State, decision: &Decision, event: &Event) -> State {
    let mut after = state.clone();
    let (offset, covered_before) = (Offset(state.covered.0 + 1), state.covered);
    let events = vec![event.clone()];
    let one = Decision { offset, covered_before, events, remembered: None, ..decision.clone() };
    evolve(&mut after, &one);
    after
}

/// The laws above are about something: the same streams each time, and what happens in them.
#[test]
fn streams_preempt_by_both_rights_at_once_and_later() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut rights, mut ended, mut gave_back, mut later) = ([0, 0], 0, 0, 0);
    for _ in 0..600 {
        let world = wanting().new_tree(&mut runner).expect("a stream").current().run();
        walk(&world.decisions, world.begun, |state, decision, event| match event {
            Event::PreemptionNoticed(noticed) => {
                rights[noticed.right as usize] += 1;
                later += i32::from(noticed.ends_at_ms > decision.time_ms);
            }
            Event::LeasePreempted(_) => ended += 1,
            Event::LeaseEnded(end) => {
                let request = &state.pools[&end.pool].requests[&end.request];
                gave_back += i32::from(request.lease().is_some_and(|l| l.notice.is_some()));
            }
            _ => {}
        });
    }
    let counts = [rights[0], rights[1], ended, gave_back, later];
    assert!(counts.iter().all(|count| *count >= 3), "{counts:?}");
}
