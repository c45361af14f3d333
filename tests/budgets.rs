//! What is said of budgets: the numbers of `docs/budgets.md`, in JSON and for people.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/story/mod.rs"]
mod story;

use conclave::report::budgets::BudgetsReport;
use conclave::report::sentence;
use conclave::report::viewer::Viewer;
use conclave_core::command::Payload;
use conclave_core::units::{PoolId, TenantId, TimeMs};
use serde_json::{Value, json};
use story::{HOUR, MINUTE, Story, activate, ask, budget, node, priced, quota, top_up};

const HOUR_GPU_MILLI_SECONDS: i64 = 3_600_000;

fn report(story: &Story, viewer: &Viewer) -> BudgetsReport {
    BudgetsReport::of(&story.state, &PoolId::from("p"), None, viewer).unwrap()
}

fn json_of(report: &BudgetsReport) -> Value {
    let json = serde_json::to_string(report).unwrap();
    assert_eq!(serde_json::from_str::<BudgetsReport>(&json).unwrap(), *report);
    serde_json::from_str(&json).unwrap()
}

/// Two hours of a four-hour window have passed: t holds two GPUs until an hour after its end, and
/// has held a third one for an hour.
fn two_hours() -> Story {
    let mut pool = Story::given([
        activate(3),
        priced(&[("A100", 3_000_000)]),
        node("a", 8, "A100"),
        budget("t", 9, 8, 4 * HOUR),
        budget("u", 9, 1, HOUR),
        quota("free", 0, 9),
        top_up("t", 2, None),
        top_up("t", 5, Some(9 * HOUR)),
    ]);
    pool.check(0, ask("short", "t").lease_minutes(60), &["short runs on a"]);
    pool.check(
        HOUR,
        ask("long", "t").gpus(2).lease_minutes(240),
        &["short expires", "long runs on a"],
    );
    let waits = format!("the queue is looked at again at {}", 3 * HOUR + 30 * MINUTE);
    pool.check(HOUR, ask("more", "t").gpus(6).lease_minutes(60), &["more waits", &waits]);
    pool.send(2 * HOUR, Payload::Tick);
    pool
}

#[test]
fn every_number_can_be_computed_from_the_leases() {
    let pool = two_hours();
    let json = json_of(&report(&pool, &Viewer::Everything));
    let hours = |hours: i64| json!(hours * HOUR_GPU_MILLI_SECONDS);
    let expected = [
        ("/prices/0", json!({"gpu_model": "A100", "micro_usd_per_hour": 3_000_000})),
        ("/budgets/0/tenant", json!("t")),
        ("/budgets/0/window_start_ms", json!(0)),
        ("/budgets/0/window_end_ms", json!(4 * HOUR)),
        ("/budgets/0/gpu_hour_budget", json!(8)),
        ("/budgets/0/top_up_gpu_hours", json!(2)),
        // One for an hour, and two for another.
        ("/budgets/0/spent_gpu_milli_seconds", hours(3)),
        ("/budgets/0/reserved_gpu_milli_seconds", hours(4)),
        ("/budgets/0/left_gpu_milli_seconds", hours(3)),
        ("/budgets/0/spent_micro_usd", json!(9_000_000)),
        ("/budgets/0/reserved_micro_usd", json!(21_000_000)),
        ("/budgets/0/held_gpu_milli", json!(2_000)),
        // Seven GPU-hours at two GPUs would last for three and a half hours.
        ("/budgets/0/used_up_at_ms", Value::Null),
        ("/budgets/0/waiting", json!(1)),
        ("/budgets/0/later/0/window_start_ms", json!(4 * HOUR)),
        ("/budgets/0/later/0/reserved_gpu_milli_seconds", hours(2)),
        ("/budgets/0/later/0/reserved_micro_usd", json!(6_000_000)),
        ("/budgets/0/later/0/left_gpu_milli_seconds", hours(6)),
        ("/budgets/0/later/1/window_start_ms", json!(8 * HOUR)),
        ("/budgets/0/later/1/top_up_gpu_hours", json!(5)),
        ("/budgets/1/tenant", json!("u")),
        ("/budgets/1/left_gpu_milli_seconds", hours(1)),
        ("/budgets/2", Value::Null),
        ("/others", json!(0)),
    ];
    for (pointer, expected) in expected {
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(*found, expected, "{pointer} of {json:#}");
    }
}

#[test]
fn the_forecast_is_what_is_unspent_at_the_present_rate() {
    let mut pool = two_hours();
    let of = |pool: &Story| report(pool, &Viewer::Everything).budgets.remove(0);
    pool.send(2 * HOUR, budget("t", 9, 3, 4 * HOUR));
    // Two of five GPU-hours are unspent, and two GPUs are held.
    let row = of(&pool);
    assert_eq!((row.used_up_at_ms, row.left_gpu_milli_seconds), (Some(3 * HOUR), 0));
    let said = "t has 3 GPU-hours and 2 approved on top until +4h00m: 3 are spent for 9.00 USD, 4 \
                reserved and 0 left; at the present rate it is used up +3h00m";
    assert_eq!(row.sentence, said);
    pool.send(2 * HOUR + 30 * MINUTE, budget("t", 9, 0, 4 * HOUR));
    assert_eq!(of(&pool).used_up_at_ms, Some(2 * HOUR + 30 * MINUTE), "all of it is spent");
    let released = pool.release("long");
    pool.send(2 * HOUR + 30 * MINUTE, released);
    assert_eq!(of(&pool).reserved_gpu_milli_seconds, 0);
    pool.send(4 * HOUR, Payload::Tick);
    let row = of(&pool);
    assert_eq!((row.window_start_ms, row.spent_gpu_milli_seconds), (4 * HOUR, 0));
}

#[test]
fn a_tenant_sees_its_own_budget_only() {
    let pool = two_hours();
    let seen = report(&pool, &Viewer::Tenant(TenantId::from("u")));
    let names: Vec<&str> = seen.budgets.iter().map(|row| row.tenant.as_str()).collect();
    assert_eq!((names, seen.others), (vec!["u"], 1));
    assert!(seen.text().ends_with("another tenant has one\n"), "{}", seen.text());
    let (id, t) = (PoolId::from("p"), TenantId::from("t"));
    let one = BudgetsReport::of(&pool.state, &id, Some(&t), &Viewer::Everything).unwrap();
    assert_eq!(one.budgets.len(), 1);
    let text = one.text();
    assert!(text.contains("an hour of one GPU costs: A100 3.00 USD"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("t ") && line.contains("9.00 USD")), "{text}");
}

#[test]
fn what_keeps_a_request_waiting_is_said_in_gpu_hours() {
    let pool = two_hours();
    let blocker = pool.blocker("more").unwrap();
    let said = "of the 10 GPU-hours of its tenant's budget from +0s to +4h00m, 7 are reserved, and \
                it wants 6: it fits at +3h30m (in 1h30m00.000s)";
    assert_eq!(sentence::blocker(&blocker, TimeMs(2 * HOUR)), said);
}
