//! What GPUs cost, and what a request may cost.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::budget::GPU_HOUR;
use conclave_core::command::{GpuPrice, Payload, SetPoolPolicy};
use conclave_core::explain::{By, Field, Value, smallest_changes};
use conclave_core::limits::{
    BUDGET_CAP_MICRO_USD_MAX, PRICE_MICRO_USD_MAX, PRICES_MAX, TARIFF_SPANS_MAX,
};
use conclave_core::units::{GpuModel, MicroUsd, PoolId, RequestId, TimeMs};
use story::{
    Ask, HOUR, MINUTE, POOL, Story, activate, ask, budget, node, policy, priced, quota, remove,
    renew, set, shrink, tariff,
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
        cheaper_at_ms: None,
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

/// A GPU for 5 dollars by day, from 8 to 20, and for 1 at other times.
fn by_day() -> Story {
    let mut pool = pool();
    let tariff = tariff(&[("A100", 8, 20, 5_000_000)]);
    pool.check(0, tariff, &["the tariff is set"]);
    pool
}

#[test]
fn what_is_too_dear_by_day_starts_at_night() {
    let mut pool = by_day();
    let night = 20 * HOUR;
    pool.check(9 * HOUR, hour("dear").on(&["A100"]).cap(5_000_000), &["dear runs on a"]);
    let look = format!("the queue is looked at again at {night}");
    pool.check(9 * HOUR, hour("r").on(&["A100"]).cap(1_000_000), &["r waits", &look]);
    let (least_micro_usd, cap_micro_usd) = (MicroUsd(5_000_000), MicroUsd(1_000_000));
    let cheaper_at_ms = Some(TimeMs(night));
    let blocker = Blocker::OverCap { least_micro_usd, cap_micro_usd, cheaper_at_ms };
    assert_eq!(pool.blocker("r"), Some(blocker));
    let released = pool.release("dear");
    pool.check(9 * HOUR + MINUTE, released, &["dear is released"]);
    pool.check(night, Payload::Tick, &["nobody waits for a budget", "r runs on a"]);
}

#[test]
fn a_lease_costs_what_was_the_price_at_its_grant_to_its_end() {
    let mut pool = by_day();
    pool.check(0, budget("t", 99, 999, 24 * HOUR), &["t has a quota"]);
    pool.check(
        7 * HOUR,
        hour("night").gpus(2).on(&["A100"]).lease_minutes(120),
        &["night runs on a"],
    );
    assert_eq!(cost(&pool), 2 * 2 * 1_000_000);
    pool.check(8 * HOUR, hour("day").on(&["A100"]).lease_minutes(60), &["day runs on a"]);
    assert_eq!(cost(&pool), 4_000_000 + 5_000_000);
}

/// By night a hundred would be too dear as well.
#[test]
fn what_no_hour_of_the_day_makes_cheap_enough_is_refused() {
    let mut pool = by_day();
    let asked = || hour("r").on(&["A100"]);
    pool.check(9 * HOUR, asked().cap(999_999), &["refused: exceeds_cap"]);
    pool.check(
        9 * HOUR,
        asked().cap(1_000_000),
        &["r waits", "the queue is looked at again at 72000000"],
    );
    let dearer = tariff(&[("A100", 0, 24, 2_000_000)]);
    pool.check(
        9 * HOUR,
        dearer,
        &["the tariff is set", "the queue is looked at again at 86400000"],
    );
    let cheaper_at_ms = None;
    let (least_micro_usd, cap_micro_usd) = (MicroUsd(2_000_000), MicroUsd(1_000_000));
    let blocker = Blocker::OverCap { least_micro_usd, cap_micro_usd, cheaper_at_ms };
    assert_eq!(pool.blocker("r"), Some(blocker));
    pool.check(
        9 * HOUR,
        tariff(&[]),
        &["the tariff is set", "r runs on a", "nobody waits for a budget"],
    );
}

/// Who waits for a cheaper hour waits for no lease: nobody is kept from what it cannot pay for.
#[test]
fn who_waits_for_a_cheaper_hour_keeps_nobody_back() {
    let mut pool = by_day();
    let look = "the queue is looked at again at 72000000";
    pool.check(9 * HOUR, hour("all").gpus(4).on(&["A100"]).lease_minutes(900), &["all runs on a"]);
    pool.check(9 * HOUR, hour("r").on(&["A100"]).cap(1_000_000), &["r waits", look]);
    // It has waited its hour, and whoever comes later is tried.
    pool.check(11 * HOUR, hour("any").cap(4_000_000), &["any runs on h"]);
    let released = pool.release("all");
    pool.check(11 * HOUR, released, &["all is released"]);
    pool.check(
        11 * HOUR,
        hour("later").gpus(4).on(&["A100"]).lease_minutes(900),
        &["later runs on a"],
    );
}

#[test]
fn spans_of_a_tariff_have_bounds_and_do_not_overlap() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("t", 0, 9)]);
    pool.check(0, tariff(&[]), &["refused: unknown_version"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    for (from, until) in [(-1, 2), (2, 2), (3, 2), (0, 25)] {
        pool.check(0, tariff(&[("A100", from, until, 1)]), &["refused: out_of_range"]);
    }
    for price in [0, -1, PRICE_MICRO_USD_MAX + 1] {
        pool.check(0, tariff(&[("A100", 0, 1, price)]), &["refused: out_of_range"]);
    }
    let overlap = tariff(&[("A100", 5, 8, 1), ("H100", 0, 24, 1), ("A100", 7, 9, 1)]);
    pool.check(0, overlap, &["refused: out_of_range"]);
    let both = || tariff(&[("A100", 5, 8, 1), ("A100", 8, 9, 1)]);
    pool.check(0, both(), &["the tariff is set"]);
    pool.check(0, both(), &[]);
    let many: Vec<_> =
        (0..=TARIFF_SPANS_MAX).map(|model| (format!("m{model}"), 0, 24, 1)).collect();
    let many: Vec<_> = many
        .iter()
        .map(|(model, from, until, price)| (model.as_str(), *from, *until, *price))
        .collect();
    pool.check(0, tariff(&many), &["refused: out_of_range"]);
    pool.check(0, tariff(&many[1..]), &["the tariff is set"]);
}

#[test]
fn a_renewal_passes_no_cap() {
    let mut pool = pool();
    pool.check(0, hour("r").on(&["A100"]).cap(1_500_000), &["r runs on a"]);
    let fencing = pool.fencing("r");
    pool.check(MINUTE, renew("r", fencing, 2 * HOUR), &["refused: exceeds_cap"]);
    let until = format!("r runs until {}", 90 * MINUTE);
    pool.check(30 * MINUTE, renew("r", fencing, HOUR), &[&until]);
    let until = format!("r runs until {}", 80 * MINUTE);
    // An earlier end is nobody's harm.
    let fencing = pool.fencing("r");
    pool.check(40 * MINUTE, renew("r", fencing, 40 * MINUTE), &[&until]);
}
