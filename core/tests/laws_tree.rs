//! Trees of tenants: sums that hold at every level, loans within their bounds, and whoever lent has
//! it back.

mod common;
mod promised;

use common::{config, streams_of_trees, walk};
use conclave_core::command::Topology;
use conclave_core::decision::{Decision, Event, LeaseGranted, PreemptionRight};
use conclave_core::evolve::evolve;
use conclave_core::overtaking::Barriers;
use conclave_core::placement::{Fleet, Gang, GpuSet, Need};
use conclave_core::state::{Loan, Pool, Request, Stage, State};
use conclave_core::units::{Offset, RequestId, TimeMs};
use promised::{all_promised, borrowed, covered_by, lendable, path, reach, used};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

fn after(state: &State, decision: &Decision, event: &Event) -> State {
    let mut after = state.clone();
    let (offset, covered_before) = (Offset(state.covered.0 + 1), state.covered);
    let events = vec![event.clone()];
    let one = Decision { offset, covered_before, events, remembered: None, ..decision.clone() };
    evolve(&mut after, &one);
    after
}

fn loans(pool: &Pool, request: &RequestId) -> Vec<Loan> {
    pool.requests[request].lease().expect("it was just granted").loans.clone()
}

/// What a grant takes of what is promised to others is what its lease borrowed, of those who had it
/// to lend.
fn check_loans(before: &Pool, after: &Pool, granted: &LeaseGranted) {
    let request = &before.requests[&granted.request];
    let (tenant, wanted) = (&request.ask.tenant, request.ask.total_gpu_milli().0);
    let loans = loans(after, &granted.request);
    let taken: i64 = loans.iter().map(|loan| loan.gpu_milli.0).sum();
    let free = before.free_gpu_milli().0;
    let to_nobody = (free - all_promised(before)).max(0);
    let needed = (wanted - reach(before, tenant) - to_nobody).max(0);
    assert_eq!(taken, needed, "{granted:?} borrowed otherwise");
    let mut lenders = BTreeSet::new();
    for Loan { lender, gpu_milli } in &loans {
        assert!(gpu_milli.0 <= lendable(before, lender), "{lender} lent too much to {granted:?}");
        assert!(!path(before, tenant).contains(&lender), "{granted:?} borrowed of its family");
        assert!(lenders.insert(lender), "{lender} lent twice to {granted:?}");
    }
    if taken > 0 {
        assert!(request.ask.preemptible, "{granted:?} borrowed for good");
        for above in path(after, tenant) {
            let limit = after.tenants[above].quota.borrow_gpu_milli.0;
            let is_within = borrowed(after, above) <= limit || (above != tenant && limit == 0);
            assert!(is_within, "{above} borrowed more than {limit} with {granted:?}");
        }
    }
}

/// The nodes once every lease that `by` may call back has ended.
fn without_borrowed(pool: &Pool, by: &Request, now: TimeMs) -> Fleet {
    let mut fleet = pool.fleet.clone();
    let rules = pool.preemption.rules.expect("a pool that lends preempts");
    let covering = covered_by(pool, &by.ask).expect("whoever calls back is covered");
    for request in pool.requests.values() {
        let Some(lease) = request.lease() else { continue };
        let tenant = &pool.tenants[&request.ask.tenant];
        let is_called_back = !lease.loans.is_empty()
            && lease.notice.is_none()
            && request.preemptions_by_others() < rules.per_request
            && tenant.preempted.on(now) < rules.per_tenant_and_day
            && !path(pool, &request.ask.tenant).contains(&covering);
        if is_called_back {
            for at in &lease.replicas {
                let node = fleet.index_of(&at.node).expect("a lease sits on a known node");
                fleet.give_back(node, &Need::of(&request.ask), GpuSet::of(&at.gpus));
            }
        }
    }
    fleet
}

/// Whether a waiting request is covered by a guarantee and kept back by nothing but room.
fn is_owed(pool: &Pool, barriers: &Barriers, request: &Request, now: TimeMs) -> bool {
    let ask = &request.ask;
    let wanted = ask.total_gpu_milli().0;
    let is_within_limits = path(pool, &ask.tenant)
        .into_iter()
        .all(|above| used(pool, above) + wanted <= pool.tenants[above].quota.limit_gpu_milli.0);
    matches!(request.stage, Stage::Waiting { .. })
        && ask.topology.of_gang(ask.replicas) == Topology::None
        && ask.replicas == 1
        && ask.budget_cap_micro_usd.is_none()
        && covered_by(pool, ask).is_some()
        && is_within_limits
        && barriers.before(pool, request).is_none()
        && pool.over_budget(ask, now).is_none()
        && pool.tenants[&ask.tenant].quota.gpu_hour_budget.is_none()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_borrowed_is_within_what_borrowers_may_and_owners_lend(
        stream in streams_of_trees(),
    ) {
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let Event::LeaseGranted(granted) = event else { return };
            let after = after(state, decision, event);
            check_loans(&state.pools[&granted.pool], &after.pools[&granted.pool], granted);
        });
    }

    /// Whoever is guaranteed what it asks for, and would have room without what others borrowed,
    /// has leases ending for it: nobody who lent waits for its own.
    #[test]
    fn whoever_lent_has_it_called_back(stream in streams_of_trees()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            world.step(step);
            let (state, now) = (&world.state, world.state.time_ms);
            for (id, pool) in &state.pools {
                let is_done = state.overdue_timer().is_none() && !state.carried_over.contains(id);
                // What is on its way to others counts as theirs already: until it has arrived,
                // nobody else has anything called back that would be too much by then. And nobody
                // makes room on nodes of which something is reserved for others.
                let is_settled = is_done
                    && pool.preemption.claims.is_empty()
                    && pool.reservations.all().next().is_none();
                if pool.borrowed.0 == 0 || pool.preemption.rules.is_none() || !is_settled {
                    continue;
                }
                let barriers = Barriers::of(pool, now);
                let owed = |request: &&Request| is_owed(pool, &barriers, request, now);
                for request in pool.requests.values().filter(owed) {
                    let name = &request.ask.request;
                    let fleet = without_borrowed(pool, request, now);
                    let models = request.ask.gpu_models.as_slice();
                    let each = models.iter().map(std::slice::from_ref);
                    let mut sets = each.chain(models.is_empty().then_some(&[][..]));
                    let fits = sets.any(|set| fleet.can_hold(&Gang::of(&request.ask, set)));
                    let is_made = pool.preemption.claims.contains_key(name);
                    prop_assert!(
                        is_made || !fits || !is_first_of_group(pool, request),
                        "{} waits for what others borrowed: {:?}", name, request
                    );
                }
            }
        }
    }

    /// What a parent and all below it have used is charged to it, and fades as theirs does, but for
    /// the rounding of halves.
    #[test]
    fn a_parent_has_used_what_all_below_it_have(stream in streams_of_trees()) {
        let world = stream.run();
        prop_assume!(world.state.overdue_timer().is_none());
        for pool in world.state.pools.values() {
            let now = world.state.time_ms;
            for (name, tenant) in &pool.tenants {
                let within = pool.tenants.iter().filter(|(one, _)| pool.is_within(one, name));
                let ledgers = within.map(|(_, tenant)| &tenant.ledger);
                let faded: [i128; 3] = ledgers.fold([0; 3], |sum, ledger| {
                    let faded = ledger.faded_at(now, pool.half_life());
                    std::array::from_fn(|at| sum[at] + faded.0[at])
                });
                let whole = tenant.ledger_with_below().faded_at(now, pool.half_life());
                for at in 0..3 {
                    let off = (faded[at] - whole.0[at]).abs();
                    prop_assert!(off <= 64, "{}: {:?} and {:?}", name, faded, whole);
                }
            }
        }
    }
}

fn is_first_of_group(pool: &Pool, request: &Request) -> bool {
    let waiters = &pool.queue.groups()[&pool.group_of(request)];
    waiters.first_key_value().is_some_and(|(arrival, _)| *arrival == request.arrival)
}

/// The laws above are about something: the same streams each time, and what happens in them.
#[test]
fn streams_of_trees_lend_and_call_back_and_move() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for _ in 0..300 {
        let world = streams_of_trees().new_tree(&mut runner).expect("a stream").current().run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let mut count = |what, is_so| *counts.entry(what).or_default() += i32::from(is_so);
            match event {
                Event::TenantParentSet(set) => {
                    let tenant = &state.pools[&set.pool].tenants[&set.tenant];
                    count("moves", tenant.branch.parent.as_ref() != Some(&set.parent));
                    count("moves in use", tenant.used_with_below().0 > 0);
                }
                Event::LeaseGranted(granted) => {
                    let after = after(state, decision, event);
                    let loans = loans(&after.pools[&granted.pool], &granted.request);
                    count("loans", !loans.is_empty());
                    count("loans of several", loans.len() > 1);
                }
                Event::PreemptionNoticed(noticed) => {
                    let pool = &state.pools[&noticed.pool];
                    let is_called_back = noticed.right == PreemptionRight::Guarantee
                        && !loans(pool, &noticed.request).is_empty();
                    count("called back", is_called_back);
                    let covering = covered_by(pool, &pool.requests[&noticed.by].ask);
                    let is_above = covering.is_some_and(|above| *above != noticed.by_tenant);
                    count("by a guarantee above", is_above);
                }
                _ => {}
            }
        });
    }
    assert!(counts.len() == 6 && counts.values().all(|count| *count >= 3), "{counts:?}");
}
