//! What holds after every decision. Tests check it after every command; `replay verify` at the end
//! of the log. The cheap part is asserted where state changes, in release too.

mod tree;

use crate::council::factor::{FACTORS_SUM, Factor};
use crate::limits::BUDGET_WINDOWS_MAX;
use crate::state::bench::{Bench, QUARANTINED_MAX};
use crate::state::budget::window_of;
use crate::state::{Budget, DueVote, Pool, Request, Stage, State, Timer, TimerKind};
use crate::units::{GpuMilli, PoolId, RequestId, TenantId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// Checks everything that can be derived twice.
///
/// # Panics
/// With the sentence that does not hold.
pub fn check(state: &State) {
    let mut timers = 0;
    let mut due = 0;
    for (id, pool) in &state.pools {
        check_capacity(id, pool);
        check_quota(id, pool);
        tree::check(id, pool);
        check_queue(id, pool);
        check_preemption(id, pool);
        check_budgets(state, id, pool);
        timers += usize::from(pool.budget_look_ms.is_some());
        timers += check_reservations(state, id, pool);
        assert!(pool.denials.is_sound(), "pool {id}: denials are lost or too many");
        let ends = |request: &Request| {
            let lease = request.lease()?;
            Some((lease.ends_at_ms, request.ask.request.clone()))
        };
        let ends: BTreeSet<_> = pool.requests.values().filter_map(ends).collect();
        assert_eq!(pool.lease_ends, ends, "pool {id}: leases end at other times");
        for request in pool.requests.values() {
            timers += check_timers(state, id, request);
            due += usize::from(matches!(request.stage, Stage::Due { .. }));
        }
    }
    assert_eq!(state.timers.len(), timers, "a timer belongs to no live request");
    assert_eq!(state.due.len(), due, "a due vote belongs to no due request");
    check_bench(&state.bench);
}

/// No member carries a decision or is lost for good, and a quorum is left.
fn check_bench(bench: &Bench) {
    let factors = bench.members.each_ref().map(|member| member.factor);
    let sum: i64 = factors.iter().map(|factor| factor.0).sum();
    assert_eq!(sum, FACTORS_SUM, "what members' words count is not what it was in sum");
    for (member, factor) in factors.iter().enumerate() {
        let is_within = (Factor::MIN..=Factor::MAX).contains(factor);
        assert!(is_within, "member {member} counts {factor:?}");
    }
    let gone = bench.members.iter().filter(|member| member.quarantined.is_some()).count();
    assert!(gone <= QUARANTINED_MAX, "{gone} members are in quarantine");
    assert_eq!(bench.changes(), [], "a member is to go or to come back");
}

/// Leases are what is taken from the nodes, device by device.
fn check_capacity(id: &PoolId, pool: &Pool) {
    let mut again = pool.clone();
    for request in pool.requests.values() {
        let replicas = request.lease().map_or([].as_slice(), |lease| &lease.replicas);
        replicas.iter().for_each(|replica| again.give_back(replica, &request.ask));
    }
    let is_empty = again.fleet.nodes().iter().all(crate::placement::Node::is_empty);
    assert!(is_empty, "pool {id}: more is taken from the nodes than leases hold");
    assert_eq!(again.fleet.gpus().used_milli.0, 0, "pool {id}: the sum of used GPUs is off");
}

fn check_quota(id: &PoolId, pool: &Pool) {
    let mut used: BTreeMap<&TenantId, i64> = BTreeMap::new();
    let mut ledgers: BTreeMap<&TenantId, [i128; 3]> = BTreeMap::new();
    let mut live: BTreeMap<&TenantId, (i64, i64, i64)> = BTreeMap::new();
    for request in pool.requests.values() {
        *used.entry(&request.ask.tenant).or_default() += request.held_gpu_milli().0;
        let amounts = ledgers.entry(&request.ask.tenant).or_default();
        *amounts = std::array::from_fn(|at| amounts[at] + request.held_amounts().0[at]);
        let (waiting, deferred, running) = live.entry(&request.ask.tenant).or_default();
        *if request.lease().is_some() { running } else { waiting } += 1;
        let is_put_off = matches!(request.stage, Stage::Deferred { .. } | Stage::Due { .. });
        *deferred += i64::from(is_put_off);
    }
    for (name, tenant) in &pool.tenants {
        let held = GpuMilli(used.get(name).copied().unwrap_or(0));
        assert_eq!(tenant.used_gpu_milli, held, "pool {id}: {name} uses what no lease of it holds");
        let amounts = ledgers.get(name).copied().unwrap_or_default();
        assert_eq!(tenant.ledger.held().0, amounts, "pool {id}: the ledger of {name} is off");
        let live = live.get(name).copied().unwrap_or_default();
        let counted = (tenant.waiting_count, tenant.deferred_count, tenant.running_count);
        assert_eq!(counted, live, "pool {id}: live requests of {name} are miscounted");
    }
}

/// What windows to come reserve is what live leases will have held by their ends. The current one
/// has what was used besides.
fn check_budgets(state: &State, id: &PoolId, pool: &Pool) {
    let now = state.time_ms;
    if let Some(at_ms) = pool.budget_look_ms {
        let (request, pool) = (RequestId::default(), id.clone());
        let timer = Timer { at_ms, request, pool, kind: TimerKind::BudgetFits };
        assert!(state.timers.contains(&timer), "pool {id}: nobody looks again at {at_ms}");
    }
    for (name, tenant) in &pool.tenants {
        let budgets = (tenant.quota.gpu_hour_budget.is_some(), tenant.budget.is_some());
        assert_eq!(budgets.0, budgets.1, "pool {id}: the budget of {name} is none of its quota");
        let Some(allowance) = tenant.allowance() else { continue };
        let (width, mut live) = (allowance.width, Budget::default());
        for request in pool.requests.values().filter(|request| request.ask.tenant == *name) {
            if let Some(lease) = request.lease() {
                live.reserve(request.rate_from(0), (now, lease.ends_at_ms), width);
            }
        }
        let current = window_of(now, width);
        let kept = allowance.budget.windows().range(current..);
        let indices = kept.clone().map(|(index, _)| *index).chain(live.windows().keys().copied());
        for index in indices {
            let (kept, live) = (allowance.budget.window(index), live.window(index));
            let is_so = if index == current {
                kept.reserved >= live.reserved && kept.cost >= live.cost
            } else {
                kept.reserved == live.reserved && kept.cost == live.cost
            };
            assert!(is_so, "pool {id}: window {index} of {name} is {kept:?} with {live:?} to come");
        }
        let count = i64::try_from(kept.count()).expect("windows are bounded");
        assert!(count <= BUDGET_WINDOWS_MAX, "pool {id}: {name} has {count} windows");
    }
}

fn check_queue(id: &PoolId, pool: &Pool) {
    let mut waiting = 0;
    let mut deferred = 0;
    for (name, request) in pool.requests.iter() {
        assert_eq!(*name, request.ask.request, "pool {id}: a request under another's name");
        match &request.stage {
            Stage::Admitted => panic!("pool {id}: {name} was admitted and then forgotten"),
            Stage::Waiting { since_ms } => {
                waiting += 1;
                let waiters = pool.queue.groups().get(&pool.group_of(request));
                let waiter = waiters.and_then(|waiters| waiters.get(&request.arrival));
                let waiter = waiter.unwrap_or_else(|| panic!("pool {id}: {name} waits nowhere"));
                assert_eq!((&waiter.request, waiter.since_ms), (name, *since_ms));
            }
            Stage::Deferred { .. } | Stage::Due { .. } => deferred += 1,
            Stage::Running(lease) => {
                let held = i64::try_from(lease.replicas.len()).expect("a gang is bounded");
                assert!(
                    (1..=request.ask.replicas).contains(&held),
                    "pool {id}: {name} holds {held}"
                );
            }
        }
    }
    assert_eq!(pool.queue.len(), waiting, "pool {id}: somebody in the queue is not waiting");
    assert_eq!(pool.deferred_count, deferred, "pool {id}: deferred requests are miscounted");
}

/// Whoever has notice has it for a claim, and whoever was made room for waits.
fn check_preemption(id: &PoolId, pool: &Pool) {
    assert!(
        pool.preemptible.is_of(&pool.fleet, &pool.requests),
        "pool {id}: leases to end are miscounted"
    );
    let mut noticed = 0;
    for request in pool.requests.values() {
        let Some(notice) = request.lease().and_then(|lease| lease.notice.as_ref()) else {
            continue;
        };
        let claim = pool.preemption.claims.get(&notice.by);
        let is_claimed = claim.is_some_and(|claim| claim.victims.contains(&request.ask.request));
        assert!(is_claimed, "pool {id}: {} has notice for nobody", request.ask.request);
        noticed += 1;
    }
    let claims = pool.preemption.claims.values();
    assert!(claims.clone().all(|claim| !claim.victims.is_empty()), "pool {id}: an empty claim");
    let claimed: usize = claims.map(|claim| claim.victims.len()).sum();
    assert_eq!(claimed, noticed, "pool {id}: a claim on a lease without notice");
    for served in &pool.preemption.served {
        let stage = pool.request(served).map(|request| &request.stage);
        assert!(matches!(stage, Some(Stage::Waiting { .. })), "pool {id}: {served} is {stage:?}");
    }
}

/// What is reserved is there whenever it begins, and each reservation has its timers; returns how
/// many.
fn check_reservations(state: &State, id: &PoolId, pool: &Pool) -> usize {
    let (reservations, mut timers) = (&pool.reservations, 0);
    for one in reservations.all() {
        let name = &one.reserve.reservation;
        let mut has = |at_ms: TimeMs, kind| {
            let (request, pool) = (RequestId(name.0.clone()), id.clone());
            let found = state.timers.contains(&Timer { at_ms, request, pool, kind });
            assert!(found, "pool {id}: reservation {name} lacks its {kind:?} timer");
            timers += 1;
        };
        has(one.reserve.end_ms, TimerKind::ReservationEnds);
        if !one.has_started {
            has(one.reserve.start_ms, TimerKind::ReservationStarts);
        }
    }
    let starts = reservations.all().map(|one| one.reserve.start_ms.max(state.time_ms));
    let starts: BTreeSet<TimeMs> = starts.collect();
    for (node, sitting) in reservations.nodes() {
        let sits = |request: &Request| {
            let replicas = request.lease().map_or([].as_slice(), |lease| &lease.replicas);
            replicas.iter().any(|at| at.node == *node)
        };
        let sit = pool.requests.values().filter(|request| sits(request));
        let sit: BTreeSet<&RequestId> = sit.map(|request| &request.ask.request).collect();
        assert!(sit == sitting.iter().collect(), "pool {id}: not {sitting:?} sit on {node}");
        for at_ms in &starts {
            let has_room = pool.has_room_at(node, *at_ms, None);
            assert!(has_room, "pool {id}: {node} has less at {at_ms} than is reserved there");
        }
    }
    timers
}

/// Every live request has exactly the timers that its stage needs; returns how many.
fn check_timers(state: &State, pool: &PoolId, request: &Request) -> usize {
    let id = &request.ask.request;
    let has = |at_ms: TimeMs, kind| {
        let (request, pool) = (id.clone(), pool.clone());
        let found = state.timers.contains(&Timer { at_ms, request, pool, kind });
        assert!(found, "{id} lacks its {kind:?} timer at {at_ms}");
        1
    };
    let deadline = || request.ask.deadline_ms.map_or(0, |at| has(at, TimerKind::DeadlinePasses));
    match &request.stage {
        Stage::Admitted | Stage::Waiting { .. } => deadline(),
        Stage::Deferred { retry_at_ms } => deadline() + has(*retry_at_ms, TimerKind::DeferralIsDue),
        Stage::Due { retry_at_ms } => {
            let (retry_at_ms, request, pool) = (*retry_at_ms, id.clone(), pool.clone());
            assert!(state.due.contains(&DueVote { retry_at_ms, request, pool }), "{id} is not due");
            deadline()
        }
        Stage::Running(lease) => has(lease.ends_at_ms, TimerKind::LeaseEnds),
    }
}
