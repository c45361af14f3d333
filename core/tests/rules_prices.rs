//! What GPUs cost, and what a request may cost.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::budget::GPU_HOUR;
use conclave_core::command::{GpuPrice, SetPoolPolicy};
use conclave_core::explain::{By, Field, Value, smallest_changes};
use conclave_core::limits::{BUDGET_CAP_MICRO_USD_MAX, PRICE_MICRO_USD_MAX, PRICES_MAX};
use conclave_core::units::{GpuModel, MicroUsd, PoolId, RequestId};
use story::{
    Ask, HOUR, MINUTE, POOL, Story, activate, ask, budget, node, policy, priced, quota, remove,
    renew, set, shrink,
};

/// A cheap model and a dear one: 1 and 4 dollars an hour.
fn pool() -> Story {
    let nodes = [node("a", 4, "A100"), node("h", 4, "H100")];
    let prices = priced(&[("A100", 1_000_000), ("H100", 4_000_000)]);
    Story::given([activate(3), prices, quota("t", 0, 99)].into_iter().chain(nodes))
}

/// An hour, with its minute of grace.
fn hour(name: &str) -> Ask {
    ask(name, "t").lease_minutes(60)
}

/// What t's leases cost in the window of time 0, in micro-USD.
fn cost(story: &Story) -> i128 {
    story.state.pools[POOL].tenants["t"].budget.as_ref().expect("a budget").window(0).cost
        / GPU_HOUR
}

#[test]
fn a_model_that_would_cost_more_than_the_cap_is_not_acceptable() {
    let mut pool = pool();
    pool.check(0, hour("any").on(&["H100", "A100"]), &["any runs on h"]);
    let capped = |name: &str, cap| hour(name).on(&["H100", "A100"]).cap(cap);
    pool.check(0, capped("exact", 4_000_000), &["exact runs on h"]);
    pool.check(0, capped("less", 3_999_999), &["less runs on a"]);
    pool.check(0, capped("gang", 8_000_000).replicas(2), &["gang runs on h+h"]);
    pool.check(0, capped("none", 999_999), &["refused: exceeds_cap"]);
    pool.check(0, hour("cpu").cpu_only(1_000).cap(0), &["cpu runs on h"]);
}

#[test]
fn whoever_accepts_any_model_takes_the_cheapest_that_has_room() {
    let mut pool = pool();
    pool.check(0, hour("r1").gpus(3).cap(99_000_000), &["r1 runs on a"]);
    pool.check(0, hour("r2").gpus(3).cap(99_000_000), &["r2 runs on h"]);
    // One model for the whole gang, which nobody without a cap needs.
    pool.check(0, hour("g1").replicas(2).cap(99_000_000), &["g1 waits"]);
    pool.check(0, hour("g2").replicas(2), &["g2 runs on a+h"]);
    pool.check(0, hour("none").cap(999_999), &["refused: exceeds_cap"]);
}

#[test]
fn a_model_without_a_price_costs_nothing() {
    let mut pool = pool();
    pool.check(0, node("f", 1, "T4"), &["f joins"]);
    pool.check(0, hour("free").cap(0), &["free runs on f"]);
    pool.check(0, hour("named").cap(0).on(&["A100"]), &["refused: exceeds_cap"]);
}

/// Others that want as much find room on the dear model.
#[test]
fn whoever_cannot_pay_keeps_nobody_from_what_is_too_dear_for_it() {
    let mut pool = pool();
    pool.check(0, hour("all").gpus(4).on(&["A100"]), &["all runs on a"]);
    pool.check(0, hour("rest").gpus(4).on(&["H100"]), &["rest runs on h"]);
    pool.check(0, hour("poor").cap(1_000_000), &["poor waits"]);
    pool.check(0, hour("rich").cap(4_000_000), &["rich waits"]);
    pool.check(0, ask("free", "t"), &["free waits"]);
    let released = pool.release("rest");
    pool.check(0, released, &["rest is released", "rich runs on h", "free runs on h"]);
    assert_eq!(pool.blocker("poor"), Some(Blocker::NoRoom { replicas_fit: 0, replicas: 1 }));
}

#[test]
fn prices_at_the_grant_count() {
    let mut pool = pool();
    pool.check(0, budget("t", 99, 999, 24 * HOUR), &["t has a quota"]);
    pool.check(0, hour("g").replicas(5), &["g runs on a+a+a+a+h"]);
    assert_eq!(cost(&pool), 4_000_000 + 4_000_000);
    pool.check(0, priced(&[("A100", 7_000_000)]), &["the rules are set"]);
    pool.check(30 * MINUTE, shrink("g", pool.fencing("g"), 4), &["g keeps 4"]);
    assert_eq!(cost(&pool), 4_000_000 + 2_000_000);
    let until = format!("g runs until {}", 90 * MINUTE);
    pool.check(30 * MINUTE, renew("g", pool.fencing("g"), HOUR), &[&until]);
    assert_eq!(cost(&pool), 6_000_000 + 2_000_000);
    let released = pool.release("g");
    pool.check(HOUR, released, &["g is released"]);
    assert_eq!(cost(&pool), 4_000_000 + 2_000_000);
    pool.check(HOUR, hour("now").on(&["A100"]), &["now runs on a"]);
    assert_eq!(cost(&pool), 6_000_000 + 7_000_000);
}

#[test]
fn a_price_that_rises_over_a_cap_keeps_the_request_waiting() {
    let mut pool = pool();
    pool.check(0, hour("all").gpus(4).on(&["A100"]), &["all runs on a"]);
    pool.check(0, hour("r").cap(1_000_000).on(&["A100"]), &["r waits"]);
    pool.check(0, priced(&[("A100", 1_000_001)]), &["the rules are set"]);
    let blocker = Blocker::OverCap {
        least_micro_usd: MicroUsd(1_000_001),
        cap_micro_usd: MicroUsd(1_000_000),
    };
    assert_eq!(pool.blocker("r"), Some(blocker));
    let released = pool.release("all");
    pool.check(0, released, &["all is released"]);
    let (id, request) = (PoolId::from(POOL), RequestId::from("r"));
    let changes = smallest_changes(&pool.state, &id, &request);
    let cap = changes.iter().find(|change| change.field == Field::BudgetCapMicroUsd);
    let cap = cap.map(|change| (change.by, change.to.clone()));
    assert_eq!(cap, Some((By::Sender, Value::Number(1_000_001))), "{changes:?}");
    pool.check(0, priced(&[("A100", 1_000_000)]), &["the rules are set", "r runs on a"]);
}

#[test]
fn a_model_that_leaves_the_pool_takes_nothing_from_who_cannot_pay_for_it() {
    let mut pool = pool();
    pool.check(0, hour("all").gpus(4).on(&["A100"]), &["all runs on a"]);
    pool.check(0, hour("r").cap(1_000_000), &["r waits"]);
    pool.check(0, remove("h"), &["h leaves"]);
    assert_eq!(pool.blocker("r"), Some(Blocker::NoRoom { replicas_fit: 0, replicas: 1 }));
}

#[test]
fn prices_come_with_version_3_and_have_bounds() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("t", 0, 9)]);
    pool.check(0, priced(&[("A100", 1)]), &["refused: unsupported"]);
    pool.check(0, hour("r").cap(1), &["refused: unsupported"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    for price in [0, -1, PRICE_MICRO_USD_MAX + 1] {
        pool.check(0, priced(&[("A100", price)]), &["refused: out_of_range"]);
    }
    pool.check(0, priced(&[("A100", 1), ("A100", 1)]), &["refused: out_of_range"]);
    pool.check(0, priced(&[("", 1)]), &["refused: out_of_range"]);
    let many = |count: usize| {
        let prices = (0..count).map(|index| GpuPrice {
            gpu_model: GpuModel::from(format!("m{index}")),
            micro_usd_per_hour: MicroUsd(PRICE_MICRO_USD_MAX),
        });
        set(SetPoolPolicy { prices: prices.collect(), ..policy() })
    };
    pool.check(0, many(PRICES_MAX + 1), &["refused: out_of_range"]);
    pool.check(0, many(PRICES_MAX), &["the rules are set"]);
    pool.check(0, hour("r").cap(-1), &["refused: out_of_range"]);
    pool.check(0, hour("r").cap(BUDGET_CAP_MICRO_USD_MAX + 1), &["refused: out_of_range"]);
    pool.check(0, hour("r").cap(BUDGET_CAP_MICRO_USD_MAX), &["r runs on a"]);
}
