//! GPU-hour budgets, window by window: who waits for one, until when, and what is reserved.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::budget::GPU_HOUR;
use conclave_core::command::{Payload, Role, SetPoolPolicy, SetQuota};
use conclave_core::explain::{By, Field, Value, smallest_changes};
use conclave_core::limits::{BUDGET_WINDOWS_MAX, GPU_HOURS_MAX};
use conclave_core::units::{DurationMs, GpuMilliSeconds, PoolId, RequestId, TenantId, TimeMs};
use story::{
    Ask, HOUR, MINUTE, POOL, Story, activate, ask, budget, end, node, policy, quota, renew, set,
    share, shrink, top_up,
};

const DAY: i64 = 24 * HOUR;
const TICK: Payload = Payload::Tick;

/// What is reserved of a window of t's budget, in GPU-minutes; none when it has no budget.
fn reserved(story: &Story, index: i64) -> Option<i128> {
    let tenant = &story.state.pools[&PoolId::from(POOL)].tenants[&TenantId::from("t")];
    let window = tenant.allowance()?.budget.window(index);
    assert_eq!(window.reserved % (GPU_HOUR / 60), 0, "whole GPU-minutes: {window:?}");
    Some(window.reserved / (GPU_HOUR / 60))
}

/// Eight GPUs; t has a budget of so many GPU-hours per window, hours long.
fn pool(gpu_hours: i64, window_hours: i64) -> Story {
    let budget = budget("t", 99, gpu_hours, window_hours * HOUR);
    Story::given([activate(3), node("a", 8, "A100"), budget, quota("free", 0, 99)])
}

/// A request of t whose lease lasts for so many minutes.
fn lease(name: &str, minutes: i64) -> Ask {
    ask(name, "t").lease_minutes(minutes)
}

#[test]
fn whoever_has_no_room_in_a_window_waits_for_the_next_one() {
    let mut pool = pool(2, 1);
    pool.check(0, lease("r1", 60).gpus(2), &["r1 runs on a"]);
    assert_eq!(reserved(&pool, 0), Some(120));
    let waits = ["r2 waits", "the queue is looked at again at 3600000"];
    pool.check(MINUTE, lease("r2", 30), &waits);
    let blocker = Blocker::BudgetUsedUp {
        window_start_ms: TimeMs(0),
        next_window_ms: TimeMs(HOUR),
        budget_gpu_milli_seconds: GpuMilliSeconds(7_200_000),
        reserved_gpu_milli_seconds: GpuMilliSeconds(7_200_000),
        wanted_gpu_milli_seconds: GpuMilliSeconds(1_800_000),
        fits_at_ms: Some(TimeMs(HOUR)),
    };
    assert_eq!(pool.blocker("r2"), Some(blocker));
    pool.check(HOUR - 2, ask("other", "free"), &["other runs on a"]);
    pool.check(HOUR - 1, ask("cpu", "t").cpu_only(1_000), &["cpu runs on a"]);
    pool.check(HOUR, TICK, &["nobody waits for a budget", "r1 expires", "r2 runs on a"]);
    assert_eq!(reserved(&pool, 1), Some(30));
}

#[test]
fn a_lease_starts_as_soon_as_its_part_of_each_window_fits() {
    let mut pool = pool(2, 4);
    pool.check(0, lease("r1", 90), &["r1 runs on a"]);
    // Half an hour is left of this window, so r2 may start half an hour before its end.
    let start = 4 * HOUR - 30 * MINUTE;
    let waits = ["r2 waits", &format!("the queue is looked at again at {start}")];
    pool.check(0, lease("r2", 120), &waits);
    pool.check(start - 1, TICK, &["r1 expires"]);
    pool.check(start, TICK, &["nobody waits for a budget", "r2 runs on a"]);
    assert_eq!([0, 1, 2].map(|index| reserved(&pool, index)), [Some(120), Some(90), Some(0)]);
}

#[test]
fn whoever_fits_passes_whoever_does_not() {
    let mut pool = pool(2, 24);
    pool.check(0, lease("r1", 90), &["r1 runs on a"]);
    let waits = ["long waits", &format!("the queue is looked at again at {}", DAY - 30 * MINUTE)];
    pool.check(0, lease("long", 60), &waits);
    pool.check(0, lease("short", 30), &["short runs on a"]);
    // What was left for long is gone, which is seen when it would have started.
    let waits = ["nobody waits for a budget", "r1 expires", "short expires"];
    let told = pool.send(DAY - 30 * MINUTE, TICK);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(waits.iter().all(|line| told.contains(&(*line).to_owned())), "{told:?}");
    assert_eq!(told[3], format!("the queue is looked at again at {DAY}"));
}

#[test]
fn what_is_given_back_early_is_there_for_others_at_once() {
    let mut pool = pool(4, 24);
    pool.check(0, lease("g", 60).replicas(4), &["g runs on a+a+a+a"]);
    let waits = ["r2 waits", &format!("the queue is looked at again at {DAY}")];
    pool.check(0, lease("r2", 60).slice(500), &waits);
    let starts = ["g keeps 3", "r2 runs on a", "nobody waits for a budget"];
    pool.check(30 * MINUTE, shrink("g", pool.fencing("g"), 3), &starts);
    assert_eq!(reserved(&pool, 0), Some(240));
    let released = pool.release("g");
    pool.check(40 * MINUTE, released, &["g is released"]);
    // Four for half an hour, three for ten minutes, and a half for an hour.
    assert_eq!(reserved(&pool, 0), Some(4 * 30 + 3 * 10 + 30));
    pool.check(50 * MINUTE, end("r2"), &["somebody says End r2: on call", "r2 is revoked"]);
    assert_eq!(reserved(&pool, 0), Some(4 * 30 + 3 * 10 + 10));
}

#[test]
fn a_lease_that_ends_by_itself_is_charged_to_its_end_however_late_that_is_noticed() {
    let mut pool = pool(2, 1);
    pool.check(0, lease("r1", 90), &["r1 runs on a"]);
    assert_eq!([0, 1, 2].map(|index| reserved(&pool, index)), [Some(60), Some(30), Some(0)]);
    // Its end is noticed before the window's, and its half-hour stays used.
    pool.check(HOUR + 59 * MINUTE, TICK, &["r1 expires"]);
    assert_eq!(reserved(&pool, 1), Some(30));
    pool.check(2 * HOUR, lease("r2", 60).gpus(2), &["r2 runs on a"]);
    let waits = ["r3 waits", &format!("the queue is looked at again at {}", 3 * HOUR)];
    pool.check(2 * HOUR, lease("r3", 30), &waits);
    // Ten thousand windows later.
    let late = ["nobody waits for a budget", "r2 expires", "r3 runs on a"];
    pool.check(10_002 * HOUR, TICK, &late);
    assert_eq!(reserved(&pool, 10_002), Some(30));
    assert_eq!(reserved(&pool, 2), Some(0), "windows that are over are forgotten");
}

#[test]
fn a_renewal_reserves_what_it_adds_or_is_refused() {
    let mut pool = pool(2, 2);
    pool.check(0, lease("r1", 60), &["r1 runs on a"]);
    pool.check(0, lease("r2", 30), &["r2 runs on a"]);
    let fencing = pool.fencing("r1");
    let over = renew("r1", fencing, 91 * MINUTE);
    pool.check(0, over, &["refused: exceeds_budget"]);
    assert_eq!(reserved(&pool, 0), Some(90));
    let until = format!("r1 runs until {}", 90 * MINUTE);
    pool.check(0, renew("r1", fencing, 90 * MINUTE), &[&until]);
    assert_eq!(reserved(&pool, 0), Some(120));
    // An end before the old one gives back.
    let until = format!("r1 runs until {}", 50 * MINUTE);
    pool.check(10 * MINUTE, renew("r1", pool.fencing("r1"), 40 * MINUTE), &[&until]);
    assert_eq!(reserved(&pool, 0), Some(80));
    // One that reaches into the next window is asked about both.
    let until = format!("r1 runs until {}", 50 * MINUTE + 40 * MINUTE);
    pool.check(40 * MINUTE, renew("r1", pool.fencing("r1"), 50 * MINUTE), &["r2 expires", &until]);
    pool.check(
        80 * MINUTE,
        renew("r1", pool.fencing("r1"), 80 * MINUTE),
        &["refused: exceeds_budget"],
    );
}

#[test]
fn whoever_waits_beside_a_lease_with_an_earlier_end_starts() {
    let mut pool = pool(2, 24);
    pool.check(0, lease("r1", 120), &["r1 runs on a"]);
    let waits = ["r2 waits", &format!("the queue is looked at again at {DAY}")];
    pool.check(0, lease("r2", 60), &waits);
    let earlier = [&format!("r1 runs until {HOUR}"), "r2 runs on a", "nobody waits for a budget"];
    pool.check(0, renew("r1", pool.fencing("r1"), HOUR), &earlier);
}

#[test]
fn what_no_window_can_ever_hold_is_refused_at_once() {
    let mut pool = pool(2, 4);
    // Over two windows it would fit, an hour and a half in each.
    let waits = ["r1 waits", &format!("the queue is looked at again at {}", 4 * HOUR - 2 * HOUR)];
    pool.check(0, lease("r1", 180), &waits);
    pool.check(0, lease("r2", 241), &["refused: exceeds_budget"]);
    pool.check(0, lease("r3", 16 * 60).slice(500), &["r3 runs on a"]);
    pool.check(0, lease("r4", 16 * 60).slice(501), &["refused: exceeds_budget"]);
    // r3 left nothing of four windows, and r1 would wait longer.
    let fits_with_more =
        ["t has 3 GPU-hours more from 14400000", "the queue is looked at again at 14400000"];
    pool.check(0, top_up("t", 3, Some(5 * HOUR)), &fits_with_more);
    let found = pool.send(0, lease("r2", 241).into());
    assert_eq!(found[0], "r2 waits", "what was approved for a window to come counts: {found:?}");
}

#[test]
fn a_lowered_budget_takes_nothing_away_and_grants_nothing_until_it_fits() {
    let mut pool = pool(8, 24);
    pool.check(0, lease("r1", 240), &["r1 runs on a"]);
    pool.check(0, budget("t", 99, 1, DAY), &["t has a quota"]);
    let tenant = |pool: &Story| {
        let tenant = &pool.state.pools[POOL].tenants["t"];
        tenant.allowance().map(|allowance| allowance.left(0))
    };
    assert_eq!((reserved(&pool, 0), tenant(&pool)), (Some(240), Some(0)));
    let waits = ["r2 waits", &format!("the queue is looked at again at {DAY}")];
    pool.check(0, lease("r2", 30), &waits);
    pool.check(0, renew("r1", pool.fencing("r1"), 241 * MINUTE), &["refused: exceeds_budget"]);
    let released = pool.release("r1");
    let starts = ["r1 is released", "r2 runs on a", "nobody waits for a budget"];
    pool.check(20 * MINUTE, released, &starts);
    assert_eq!((reserved(&pool, 0), tenant(&pool)), (Some(50), Some(GPU_HOUR / 6)));
    pool.check(HOUR, budget("t", 99, 0, DAY), &["r2 expires", "t has a quota"]);
    pool.check(HOUR, lease("r3", 30), &["refused: exceeds_budget"]);
}

#[test]
fn a_raised_budget_lets_whoever_waits_start() {
    let mut pool = pool(1, 24);
    pool.check(0, lease("r1", 60), &["r1 runs on a"]);
    pool.check(0, lease("r2", 60), &["r2 waits", "the queue is looked at again at 86400000"]);
    let starts = ["t has a quota", "r2 runs on a", "nobody waits for a budget"];
    pool.check(0, budget("t", 99, 2, DAY), &starts);
}

#[test]
fn leases_that_run_when_a_budget_is_set_are_counted_as_they_are() {
    let mut pool = Story::given([activate(3), node("a", 8, "A100"), quota("t", 0, 99)]);
    pool.check(0, lease("early", 30), &["early runs on a"]);
    pool.check(0, lease("g", 180).replicas(2), &["g runs on a+a"]);
    assert_eq!(reserved(&pool, 0), None);
    pool.check(70 * MINUTE, budget("t", 99, 2, HOUR), &["early expires", "t has a quota"]);
    // The whole of the current window, which it has held since its start.
    assert_eq!([1, 2, 3].map(|index| reserved(&pool, index)), [Some(120), Some(120), Some(0)]);
    pool.check(
        70 * MINUTE,
        lease("r", 60),
        &["r waits", "the queue is looked at again at 10800000"],
    );
    // Without a budget nobody waits for one.
    let free = ["t has a quota", "r runs on a", "nobody waits for a budget"];
    pool.check(71 * MINUTE, quota("t", 0, 99), &free);
    assert_eq!(reserved(&pool, 1), None);
}

#[test]
fn other_windows_begin_with_the_leases_that_run() {
    let mut pool = pool(4, 24);
    pool.check(0, lease("r1", 60), &["r1 runs on a"]);
    pool.check(0, lease("r2", 180), &["r2 runs on a"]);
    pool.check(0, top_up("t", 5, None), &["t has 5 GPU-hours more from 0"]);
    let told = pool.send(65 * MINUTE, budget("t", 99, 4, 2 * HOUR));
    assert_eq!(told, ["r1 expires", "t has a quota"]);
    assert_eq!([0, 1].map(|index| reserved(&pool, index)), [Some(120), Some(60)]);
    let window = pool.state.pools[POOL].tenants["t"].budget.as_ref().unwrap().window(0);
    assert_eq!(window.top_up_gpu_hours, 0, "what was approved for another window is no more");
}

#[test]
fn a_top_up_is_for_one_window() {
    let mut pool = pool(1, 1);
    pool.check(0, lease("r1", 60), &["r1 runs on a"]);
    pool.check(0, lease("r2", 60), &["r2 waits", "the queue is looked at again at 3600000"]);
    let more = ["t has 1 GPU-hours more from 0", "r2 runs on a", "nobody waits for a budget"];
    pool.check(0, top_up("t", 1, None), &more);
    let ahead = format!("t has 2 GPU-hours more from {}", 2 * HOUR);
    pool.check(0, top_up("t", 2, Some(2 * HOUR + 5)), &[&ahead]);
    pool.check(HOUR, lease("r3", 60), &["r1 expires", "r2 expires", "r3 runs on a"]);
    pool.check(HOUR, lease("r4", 60), &["r4 waits", "the queue is looked at again at 7200000"]);
    let next = ["nobody waits for a budget", "r3 expires", "r4 runs on a"];
    pool.check(2 * HOUR, TICK, &next);
    pool.check(2 * HOUR, lease("r5", 60).gpus(2), &["r5 runs on a"]);
}

#[test]
fn a_top_up_that_makes_no_sense_is_refused() {
    let mut pool = pool(1, 1);
    pool.check(HOUR, top_up("t", 0, None), &["refused: out_of_range"]);
    pool.check(HOUR, top_up("t", GPU_HOURS_MAX, None), &["refused: out_of_range"]);
    pool.check(HOUR, top_up("t", 1, Some(HOUR - 1)), &["refused: window_not_kept"]);
    let last = HOUR + (BUDGET_WINDOWS_MAX - 1) * HOUR;
    pool.check(HOUR, top_up("t", 1, Some(last + HOUR)), &["refused: window_not_kept"]);
    pool.check(HOUR, top_up("t", 1, Some(last)), &[&format!("t has 1 GPU-hours more from {last}")]);
    pool.check(HOUR, top_up("nobody", 1, None), &["refused: unknown_tenant"]);
    pool.check(HOUR, top_up("free", 1, None), &["refused: no_budget"]);
    let by_tenant = pool.command_of(Role::Tenant, "t", top_up("t", 1, None));
    pool.check_command(HOUR, &by_tenant, &["refused: not_permitted"]);
}

#[test]
fn no_lease_touches_more_windows_than_are_kept() {
    let (minutes, most) = (MINUTE, BUDGET_WINDOWS_MAX - 1);
    let mut pool = Story::given([activate(3), node("a", 8, "A100")]);
    pool.check(0, budget("t", 99, 1_000, minutes), &["t has a quota"]);
    pool.check(0, lease("r1", most + 1), &["refused: exceeds_budget"]);
    pool.check(30_000, lease("r1", most), &["r1 runs on a"]);
    let longer = renew("r1", pool.fencing("r1"), (most + 1) * MINUTE);
    pool.check(30_001, longer, &["refused: exceeds_budget"]);
    pool.check(30_001, quota("t", 0, 99), &["t has a quota"]);
    let longer = renew("r1", pool.fencing("r1"), (most + 1) * MINUTE);
    let until = format!("r1 runs until {}", 30_001 + (most + 1) * MINUTE);
    pool.check(30_001, longer, &[&until]);
    pool.check(30_001, budget("t", 99, 9, minutes), &["refused: exceeds_budget"]);
    pool.check(30_001, budget("t", 99, 9, 2 * minutes), &["t has a quota"]);
}

/// Its tenant's budget may make it wait, and nobody else waits for that.
#[test]
fn whoever_waits_for_a_budget_keeps_nobody_back() {
    let mut pool = pool(2, 4);
    pool.check(0, lease("r1", 120), &["r1 runs on a"]);
    let waits = ["r2 waits", "the queue is looked at again at 14400000"];
    pool.check(0, lease("r2", 60).gpus(2), &waits);
    pool.check(2 * HOUR + 1, ask("x1", "free"), &["r1 expires", "x1 runs on a"]);
}

#[test]
fn whoever_waits_for_gpus_within_a_budget_that_lasts_is_protected() {
    let mut pool = pool(999, 4);
    pool.check(0, ask("all", "free").gpus(8).hours(9), &["all runs on a"]);
    pool.check(0, lease("r2", 60).gpus(2), &["r2 waits"]);
    pool.check(0, ask("x1", "free"), &["x1 waits"]);
    let part = shrink("all", pool.fencing("all"), 1);
    pool.check(2 * HOUR, part, &["refused: not_smaller"]);
    let blocker = Blocker::BehindProtected { protected: RequestId::from("r2") };
    assert_eq!(pool.blocker("x1"), Some(blocker));
}

#[test]
fn the_smallest_change_names_the_budget() {
    let mut pool = pool(3, 4);
    pool.check(0, lease("r1", 150), &["r1 runs on a"]);
    pool.check(0, lease("r2", 91), &["r2 waits", "the queue is looked at again at 12600000"]);
    let (id, request) = (PoolId::from(POOL), RequestId::from("r2"));
    let changes = smallest_changes(&pool.state, &id, &request);
    let of = |field| {
        let change = changes.iter().find(|change| change.field == field);
        change.map(|change| (change.by, change.to.clone()))
    };
    assert_eq!(of(Field::GpuHourBudget), Some((By::Operator, Value::Number(5))), "{changes:?}");
    let sender = Value::Number(29 * MINUTE);
    assert_eq!(of(Field::ExpectedDurationMs), Some((By::Sender, sender)), "{changes:?}");
}

#[test]
fn budgets_come_with_version_3_and_have_bounds() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("t", 0, 9)]);
    let of = |gpu_hour_budget, window_ms| {
        let budget_window_ms = DurationMs(window_ms);
        Payload::SetQuota(SetQuota { gpu_hour_budget, budget_window_ms, ..share("t", 0, 9) })
    };
    pool.check(0, of(Some(1), HOUR), &["refused: unsupported"]);
    pool.check(0, of(None, HOUR), &["refused: unsupported"]);
    pool.check(0, top_up("t", 1, None), &["refused: unknown_version"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    let nonsense = [(Some(1), 0), (None, HOUR), (Some(-1), HOUR), (Some(1), MINUTE - 1)];
    let too_much = [(Some(GPU_HOURS_MAX + 1), HOUR), (Some(1), 365 * DAY + 1), (Some(1), -HOUR)];
    for (gpu_hours, window_ms) in nonsense.into_iter().chain(too_much) {
        pool.check(0, of(gpu_hours, window_ms), &["refused: out_of_range"]);
    }
    pool.check(0, of(Some(GPU_HOURS_MAX), 365 * DAY), &["t has a quota"]);
    pool.check(0, of(Some(0), MINUTE), &["t has a quota"]);
}

/// The lease maximum counts, and the grace.
#[test]
fn a_lease_is_no_longer_than_the_pool_lets_it_be() {
    let mut pool = pool(2, 24);
    let short = SetPoolPolicy { lease_max_ms: DurationMs(59 * MINUTE), ..policy() };
    pool.check(0, set(short), &["the rules are set"]);
    pool.check(0, ask("r1", "t").gpus(2).hours(500), &["r1 runs on a"]);
    assert_eq!(reserved(&pool, 0), Some(120));
}

/// The windows are counted before they are gone through, of which there would be five million.
#[test]
fn a_renewal_over_too_many_windows_is_refused() {
    const YEARS: i64 = 10 * 365 * DAY;
    let long = SetPoolPolicy { lease_max_ms: DurationMs(YEARS), ..policy() };
    let budget = budget("t", 99, 1_000_000, MINUTE);
    let mut pool = Story::given([activate(3), set(long), node("a", 1, "A100"), budget]);
    pool.check(0, ask("r", "t"), &["r runs on a"]);
    let fencing = pool.fencing("r");
    pool.check(MINUTE, renew("r", fencing, YEARS), &["refused: exceeds_budget"]);
}

#[test]
fn a_quota_and_what_was_approved_on_top_have_one_bound() {
    let mut pool = pool(1, 1);
    let more = format!("t has {} GPU-hours more from 0", GPU_HOURS_MAX - 1);
    pool.check(0, top_up("t", GPU_HOURS_MAX - 1, None), &[&more]);
    pool.check(0, budget("t", 99, 2, HOUR), &["refused: out_of_range"]);
    // Top-ups of windows of another length are gone with them.
    pool.check(0, budget("t", 99, 2, 2 * HOUR), &["t has a quota"]);
}

/// An elder that comes to fit whenever it starts takes somebody else's protection away, and whoever
/// that kept back can start: before those who come later.
#[test]
fn a_window_that_passes_is_looked_at_when_it_changes_who_is_protected() {
    let mut pool = Story::given([
        activate(3),
        set(SetPoolPolicy { wait_bound_ms: DurationMs(10 * MINUTE), ..policy() }),
        node("h", 1, "H100"),
        node("a", 2, "A100"),
        node("x", 2, "T4"),
        node("z", 2, "Z"),
        quota("free", 0, 99),
        budget("t", 99, 2, HOUR),
    ]);
    pool.check(0, ask("f1", "free").on(&["H100"]).hours(40), &["f1 runs on h"]);
    pool.check(0, ask("f2", "free").gpus(2).on(&["A100"]).hours(40), &["f2 runs on a"]);
    pool.check(0, ask("f3", "free").on(&["T4"]).hours(40), &["f3 runs on x"]);
    pool.check(0, ask("u1", "t").gpus(2).on(&["Z"]).lease_minutes(45), &["u1 runs on z"]);
    // Fits its budget from 30:00 on, and whenever it starts from 60:00 on.
    let elder = ask("elder", "t").on(&["H100", "A100"]).lease_minutes(60);
    assert_eq!(pool.send(MINUTE, elder.into())[0], "elder waits");
    pool.check(2 * MINUTE, ask("big", "free").gpus(2).on(&["A100", "T4"]), &["big waits"]);
    // Protected since 12:00.
    // Too long to be let past.
    let small = ask("small", "free").on(&["T4"]).hours(45);
    pool.check(20 * MINUTE, small, &["small waits"]);
    pool.send(50 * MINUTE, TICK);
    let told = pool.send(61 * MINUTE, TICK);
    assert!(told.contains(&"small runs on x".to_owned()), "{told:?}");
    pool.check(62 * MINUTE, ask("late", "free").on(&["T4"]), &["late waits"]);
}
