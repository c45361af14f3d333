//! The ledger: every millisecond of every GPU is charged once, to whoever held it.

mod common;

use common::{config, streams};
use conclave_core::decision::{
    Decision, Event, LeaseEnded, LeaseGranted, LeasePreempted, LeaseShrunk,
};
use conclave_core::state::State;
use conclave_core::units::{PoolId, RequestId, TenantId};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A live lease as the decisions tell of it.
struct Held {
    tenant: TenantId,
    /// Of one replica.
    gpu_milli: i64,
    replicas: i64,
    since_ms: i64,
    ends_at_ms: i64,
}

type Leases = BTreeMap<(PoolId, RequestId), Held>;
type Charged = BTreeMap<(PoolId, TenantId), i128>;

/// What every tenant is to be charged until `now_ms`, from nothing but the decisions.
fn charged(decisions: &[Decision], now_ms: i64) -> Charged {
    let (mut leases, mut charged) = (Leases::new(), Charged::new());
    let mut asked = BTreeMap::new();
    for decision in decisions {
        for event in &decision.events {
            match event {
                Event::RequestAdmitted(admitted) => {
                    let name = (admitted.pool.clone(), admitted.request.request.clone());
                    asked.insert(name, admitted.request.clone());
                }
                Event::LeaseGranted(LeaseGranted {
                    pool, request, ends_at_ms, replicas, ..
                }) => {
                    let name = (pool.clone(), request.clone());
                    let ask = &asked[&name];
                    let held = Held {
                        tenant: ask.tenant.clone(),
                        gpu_milli: ask.gpu_count * ask.gpu_milli.0,
                        replicas: i64::try_from(replicas.len()).expect("a gang is bounded"),
                        since_ms: decision.time_ms.0,
                        ends_at_ms: ends_at_ms.0,
                    };
                    leases.insert(name, held);
                }
                Event::LeaseRenewed(renewed) => {
                    let name = (renewed.pool.clone(), renewed.request.clone());
                    let lease = leases.get_mut(&name).expect("a live lease");
                    lease.ends_at_ms = renewed.ends_at_ms.0;
                }
                Event::LeaseShrunk(LeaseShrunk { pool, request, replicas, .. }) => {
                    let name = (pool.clone(), request.clone());
                    let lease = leases.get_mut(&name).expect("a live lease");
                    charge(
                        &mut charged,
                        pool,
                        lease,
                        lease.replicas - replicas,
                        decision.time_ms.0,
                    );
                    lease.replicas = *replicas;
                }
                Event::PreemptionNoticed(noticed) => {
                    let name = (noticed.pool.clone(), noticed.request.clone());
                    let lease = leases.get_mut(&name).expect("a live lease");
                    lease.ends_at_ms = noticed.ends_at_ms.0;
                }
                Event::LeasePreempted(LeasePreempted { pool, request, .. })
                | Event::LeaseEnded(LeaseEnded { pool, request, .. }) => {
                    let name = (pool.clone(), request.clone());
                    let lease = leases.remove(&name).expect("a live lease");
                    charge(&mut charged, pool, &lease, lease.replicas, decision.time_ms.0);
                }
                _ => {}
            }
        }
    }
    for ((pool, _), lease) in &leases {
        charge(&mut charged, pool, lease, lease.replicas, now_ms);
    }
    charged
}

fn charge(charged: &mut Charged, pool: &PoolId, lease: &Held, replicas: i64, now_ms: i64) {
    let span = now_ms.min(lease.ends_at_ms) - lease.since_ms;
    let of = charged.entry((pool.clone(), lease.tenant.clone())).or_default();
    *of += i128::from(replicas * lease.gpu_milli) * i128::from(span);
}

/// What the state says of it: what was given back, and live leases up to now.
fn in_the_ledger(state: &State) -> Charged {
    let mut all = Charged::new();
    for (id, pool) in &state.pools {
        let used_by = pool.used_gpu_milli_ms(state.time_ms);
        for (name, tenant) in &pool.tenants {
            let used = used_by[name];
            assert!(used >= tenant.ledger.settled_gpu_milli_ms());
            if used > 0 {
                all.insert((id.clone(), name.clone()), used);
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_ledger_is_the_gpu_time_of_the_log(stream in streams()) {
        let world = stream.run();
        let mut expected = charged(&world.decisions, world.state.time_ms.0);
        expected.retain(|_, charged| *charged > 0);
        prop_assert_eq!(in_the_ledger(&world.state), expected);
    }

    /// But for leases that are past their ends and wait for their timers.
    #[test]
    fn what_is_faded_is_never_more_than_what_was_used(stream in streams()) {
        let world = stream.run();
        prop_assume!(world.state.overdue_timer().is_none());
        for pool in world.state.pools.values() {
            let now = world.state.time_ms;
            let used_by = pool.used_gpu_milli_ms(now);
            for (name, tenant) in &pool.tenants {
                let faded = tenant.ledger.faded_at(now, pool.half_life()).0[0];
                let used = used_by[name];
                prop_assert!((0..=used).contains(&faded), "{} of {} for {}", faded, used, name);
            }
        }
    }
}
