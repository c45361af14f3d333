//! What came with `decide_version` 3: weights and fair share, preemption, topology, budgets.

use super::{Scroll, pool_here};
use crate::system_common::*;
use conclave_core::command::*;
use conclave_core::units::*;

/// From `decide_version` 3 on: weights, and a queue that is ordered by fair share.
pub(super) fn fairness(scroll: &mut Scroll) {
    let fair = |half_life_ms: Option<i64>| {
        Payload::SetFairShare(SetFairShare { half_life_ms: half_life_ms.map(DurationMs) })
    };
    let weighted =
        |tenant: &str, weight| Payload::SetQuota(SetQuota { weight, ..share(tenant, 0, 20) });
    // To version 2 an unknown branch, and a field whose rule is not built.
    scroll.send(fair(Some(HOUR)));
    scroll.send(weighted("t", 3));
    scroll.send(Payload::ActivateDecider(ActivateDecider { version: 3 }));
    for payload in [
        set(SetPoolPolicy { queue_max: 99, ..policy() }),
        weighted("t", 3),
        weighted("u", 1),
        fair(Some(1)),
        fair(Some(HOUR)),
        fair(Some(HOUR)),
        end("holder"),
    ] {
        scroll.send(payload);
    }
    let whole = |name: &str, tenant| ask(name, tenant).gpus(8).on(&["A100"]);
    let first = scroll.send(whole("fair-u1", "u"));
    let second = scroll.send(whole("fair-u2", "u"));
    for (name, tenant) in [("fair-u3", "u"), ("fair-u4", "u"), ("fair-t1", "t"), ("fair-t2", "t")] {
        scroll.send(whole(name, tenant));
    }
    scroll.now += MINUTE;
    // To t, which has used nothing of late; then by weight.
    scroll.send(release("fair-u1", first));
    scroll.now += MINUTE;
    scroll.send(release("fair-u2", second));
    scroll.now += 2 * HOUR;
    scroll.send(Payload::Tick);
    scroll.send(fair(None));
    scroll.now += 2 * HOUR;
    scroll.send(Payload::Tick);
}

/// The same version: requests that make room for others.
pub(super) fn preemption(scroll: &mut Scroll) {
    let rules = |grace_ms, per_request| {
        let min_run_ms = DurationMs(10 * MINUTE);
        let (grace_ms, per_tenant_and_day) = (DurationMs(grace_ms), 100);
        let rules = PreemptionRules { min_run_ms, grace_ms, per_request, per_tenant_and_day };
        Payload::SetPreemption(SetPreemption { rules: Some(rules) })
    };
    let wants = |name: &str, tenant| ask(name, tenant).gpus(8).on(&["V100"]);
    let low = |name: &str| wants(name, "low").priority(2).preemptible();
    for payload in [
        node("v1", 8, "V100"),
        node("v2", 8, "V100"),
        node("v3", 8, "V100"),
        quota("low", 0, 99),
        quota("high", 0, 99),
        rules(0, 0),
        rules(MINUTE, 2),
    ] {
        scroll.send(payload);
    }
    // With a notice, after which nobody renews; the other one may.
    let first = scroll.send(low("low-1"));
    let second = scroll.send(low("low-2"));
    scroll.send(low("low-3"));
    scroll.now += MINUTE;
    scroll.send(wants("high-2", "high").priority(9));
    scroll.send(renew("low-1", first, HOUR));
    scroll.send(renew("low-2", second, HOUR));
    scroll.now += 10 * MINUTE;
    scroll.send(Payload::Tick);
    // At once, of one slice, and by nobody any more.
    scroll.send(rules(0, 2));
    scroll.send(end("high-2"));
    scroll.now += 10 * MINUTE;
    scroll.send(ask("high-3", "high").slice(500).on(&["V100"]).priority(8));
    scroll.send(Payload::SetPreemption(SetPreemption { rules: None }));
    scroll.send(wants("high-4", "high").priority(9));
}

/// From `decide_version` 3 on: topology groups, and gangs that wish for one or for one node.
pub(super) fn topology(scroll: &mut Scroll) {
    let grouped = |name: &str, group: &str| {
        let Payload::RegisterNode(node) = node(name, 4, "T4") else { unreachable!() };
        Payload::RegisterNode(RegisterNode { topology_group: group.to_owned(), ..node })
    };
    let gang = |name: &str, replicas, topology| {
        let Ask(ask) = ask(name, "v").gpus(2).replicas(replicas).on(&["T4"]);
        Payload::RequestAllocation(RequestAllocation { topology, ..ask })
    };
    scroll.send(quota("v", 0, 99));
    for (name, group) in [("w1", "west"), ("w2", "west"), ("e1", "east"), ("x", "")] {
        scroll.send(grouped(name, group));
    }
    scroll.send(grouped("y", &"x".repeat(200)));
    let whole = scroll.send(gang("near-1", 1, Topology::SameGroup));
    scroll.send(gang("near-2", 2, Topology::SameNode));
    scroll.send(gang("near-3", 3, Topology::SameGroup));
    scroll.send(gang("near-4", 2, Topology::SameNode));
    scroll.send(gang("near-5", 3, Topology::SameNode));
    scroll.send(gang("near-6", 5, Topology::SameGroup));
    scroll.now += MINUTE;
    scroll.send(release("near-1", whole));
    scroll.now += 2 * HOUR;
    scroll.send(Payload::Tick);
}

/// From `decide_version` 3 on, too: GPU-hour budgets, prices and caps.
pub(super) fn budgets(scroll: &mut Scroll) {
    let budget = |gpu_hours, window_ms| {
        let (gpu_hour_budget, budget_window_ms) = (Some(gpu_hours), DurationMs(window_ms));
        Payload::SetQuota(SetQuota { gpu_hour_budget, budget_window_ms, ..share("b", 0, 20) })
    };
    let top_up = |gpu_hours, window_at_ms: Option<i64>| {
        let (window_at_ms, reason) = (window_at_ms.map(TimeMs), "a deadline".to_owned());
        Payload::TopUpBudget(TopUpBudget { tenant: "b".into(), gpu_hours, window_at_ms, reason })
    };
    let price = |gpu_model: &str, price| GpuPrice {
        gpu_model: gpu_model.into(),
        micro_usd_per_hour: MicroUsd(price),
    };
    let prices = vec![price("A100", 2_500_000), price("H100", 4_000_000)];
    // Beside what others hold by now, in windows that begin with this day.
    scroll.now = (scroll.now / (24 * HOUR) + 1) * 24 * HOUR;
    let start = scroll.now;
    let capped = |name: &str, cap| {
        let mut capped = ask(name, "b").on(&["A100"]);
        capped.0.budget_cap_micro_usd = Some(MicroUsd(cap));
        capped
    };
    for payload in [
        set(SetPoolPolicy { prices: vec![price("A100", 0)], ..policy() }),
        set(SetPoolPolicy { prices, ..policy() }),
        quota("b", 0, 20),
        top_up(1, None),
        budget(-1, HOUR),
        budget(4, 2 * HOUR),
    ] {
        scroll.send(payload);
    }
    let first = scroll.send(ask("budget-1", "b").gpus(2));
    scroll.send(ask("budget-2", "b").hours(2));
    scroll.send(ask("budget-3", "b").gpus(2));
    scroll.send(ask("budget-never", "b").gpus(8).hours(9));
    scroll.send(capped("budget-cap", 2_000_000));
    scroll.send(capped("budget-paid", 3_000_000));
    scroll.now += 10 * MINUTE;
    let renewed = scroll.send(renew("budget-1", first, HOUR));
    scroll.send(renew("budget-1", renewed, 9 * HOUR));
    scroll.send(top_up(1, Some(start + 5 * HOUR)));
    scroll.send(top_up(3, Some(start - 1)));
    scroll.send(release("budget-1", renewed));
    scroll.now += 50 * MINUTE;
    scroll.send(Payload::Tick);
    // However many windows go by.
    scroll.now = start + 2 * HOUR;
    scroll.send(Payload::Tick);
    scroll.send(budget(1, 2 * HOUR));
    scroll.send(ask("budget-4", "b"));
    scroll.send(top_up(9, None));
    scroll.now += 99 * HOUR;
    scroll.send(Payload::Tick);
    scroll.send(quota("b", 0, 20));
}

/// The same version: prices by the time of day.
pub(super) fn tariffs(scroll: &mut Scroll) {
    let tariff = |spans: &[(i64, i64, i64)]| {
        let span = |(from, until, price): &(i64, i64, i64)| TariffSpan {
            gpu_model: "A100".into(),
            from_minute: from * 60,
            until_minute: until * 60,
            micro_usd_per_hour: MicroUsd(*price),
        };
        Payload::SetTariff(SetTariff { spans: spans.iter().map(span).collect() })
    };
    let capped = |name: &str, cap| {
        let mut capped = ask(name, "b").on(&["A100"]);
        capped.0.budget_cap_micro_usd = Some(MicroUsd(cap));
        capped
    };
    scroll.now = (scroll.now / (24 * HOUR) + 1) * 24 * HOUR;
    scroll.send(tariff(&[(8, 20, 0)]));
    scroll.send(tariff(&[(8, 20, 5_000_000), (19, 21, 6_000_000)]));
    scroll.send(tariff(&[(8, 20, 5_000_000)]));
    scroll.now += 9 * HOUR;
    scroll.send(capped("tariff-never", 1_000_000));
    scroll.send(capped("tariff-night", 3_000_000));
    scroll.now += 11 * HOUR;
    scroll.send(Payload::Tick);
    scroll.send(tariff(&[]));
}

/// The same version, in a pool of its own: a tree of tenants, and guarantees that are lent.
pub(super) fn trees(scroll: &mut Scroll) {
    scroll.pool = pool_here("tree");
    let place = |tenant: &str, parent: &str, lend: Option<i64>| {
        let (tenant, parent) = (tenant.into(), parent.into());
        let lend_gpu_milli = lend.map(GpuMilli);
        Payload::SetTenantParent(SetTenantParent { tenant, parent, lend_gpu_milli })
    };
    let borrows = |borrow: i64| {
        let borrow_gpu_milli = GpuMilli(borrow);
        Payload::SetQuota(SetQuota { borrow_gpu_milli, ..share("guest", 0, 8) })
    };
    let rules = PreemptionRules {
        min_run_ms: DurationMs(0),
        grace_ms: DurationMs(MINUTE),
        per_request: 2,
        per_tenant_and_day: 100,
    };
    for payload in [
        set(policy()),
        node("n1", 4, "A100"),
        node("n2", 4, "A100"),
        Payload::SetPreemption(SetPreemption { rules: Some(rules) }),
        Payload::SetFairShare(SetFairShare { half_life_ms: Some(DurationMs(HOUR)) }),
        quota("lab", 7, 8),
        quota("nlp", 0, 8),
        quota("cv", 0, 8),
        borrows(-1),
        borrows(3_000),
        place("nlp", "lab", None),
        place("nlp", "lab", None),
        place("lab", "nlp", None),
        place("cv", "nobody", None),
        place("cv", "lab", Some(1_000)),
        quota("cv", 2, 8),
        quota("cv", 8, 8),
        quota("lab", 1, 8),
        quota("lab", 9, 9),
        place("cv", "", None),
        place("lab", "", Some(2_000)),
    ] {
        scroll.send(payload);
    }
    for level in 1..8 {
        scroll.send(quota(&format!("level-{level}"), 0, 8));
        let above = if level == 1 { "nlp".to_owned() } else { format!("level-{}", level - 1) };
        scroll.send(place(&format!("level-{level}"), &above, None));
    }
    let low = |name: &str, gpus| ask(name, "guest").gpus(gpus).priority(2).preemptible();
    scroll.now += MINUTE;
    // One is nobody's; of the next three, one is cv's, and two the lab's.
    scroll.send(low("guest-1", 1));
    scroll.send(ask("guest-2", "guest").gpus(1));
    scroll.send(low("guest-3", 3));
    scroll.send(low("guest-4", 1));
    let first = scroll.send(ask("nlp-1", "nlp").gpus(2));
    scroll.send(ask("nlp-2", "nlp").gpus(2));
    scroll.now += MINUTE;
    scroll.send(Payload::Tick);
    scroll.send(ask("cv-1", "cv").gpus(2));
    scroll.send(ask("lab-1", "lab").gpus(3));
    scroll.now += MINUTE;
    scroll.send(Payload::Tick);
    // Whoever moves takes what it holds along.
    scroll.send(place("nlp", "guest", Some(0)));
    scroll.now += MINUTE;
    scroll.send(release("nlp-1", first));
    scroll.send(borrows(0));
    scroll.now += 2 * HOUR;
    scroll.send(Payload::Tick);
    scroll.send(place("nlp", "", None));
    scroll.now += 2 * HOUR;
}

/// The same version, in a pool of its own: reservations, and short leases past one that is
/// protected.
pub(super) fn reservations(scroll: &mut Scroll) {
    scroll.pool = pool_here("reserved");
    let reserve = |name: &str, gpu_count, start: i64, end: i64| {
        Payload::Reserve(Box::new(Reserve {
            reservation: name.into(),
            tenant: "r".into(),
            start_ms: TimeMs(start),
            end_ms: TimeMs(end),
            gpu_models: vec!["R100".into()],
            replicas: 1,
            gpu_count,
            gpu_milli: GpuMilli(1_000),
            cpu_milli: CpuMilli(0),
            memory_mib: MemoryMib(0),
            topology: Topology::None,
            reason: "the fair".to_owned(),
        }))
    };
    let cancel = |name: &str| {
        let (reservation, reason) = (name.into(), "put off".to_owned());
        Payload::CancelReservation(CancelReservation { reservation, reason })
    };
    let on = |name: &str, tenant, gpus| ask(name, tenant).gpus(gpus).on(&["R100"]);
    for payload in [set(policy()), node("r1", 8, "R100"), quota("r", 0, 20), quota("s", 0, 20)] {
        scroll.send(payload);
    }
    let now = scroll.now;
    scroll.send(reserve("past", 8, now - 1, now + HOUR));
    scroll.send(reserve("large", 9, now + 2 * HOUR, now + 4 * HOUR));
    scroll.send(reserve("fair", 6, now + 4 * HOUR, now + 6 * HOUR));
    scroll.send(reserve("fair", 6, now + 4 * HOUR, now + 6 * HOUR));
    scroll.send(reserve("second", 4, now + 5 * HOUR, now + 7 * HOUR));
    scroll.send(reserve("second", 2, now + 5 * HOUR, now + 7 * HOUR));
    scroll.send(cancel("second"));
    scroll.send(cancel("second"));
    scroll.send(remove("r1"));
    let short = scroll.send(on("reserve-short", "s", 6));
    scroll.send(on("reserve-long", "s", 4).hours(9));
    scroll.send(renew("reserve-short", short, 5 * HOUR));
    scroll.send(remove("r1"));
    scroll.now += 4 * HOUR;
    scroll.send(on("reserve-own", "r", 6).hours(1));
    scroll.now += 2 * HOUR;
    scroll.send(Payload::Tick);
    // The long one runs now: a whole node waits for its end, and is protected after W.
    scroll.send(on("backfill-head", "s", 8));
    scroll.now += 2 * HOUR;
    scroll.send(on("backfill-long", "r", 2).hours(20));
    let passed = scroll.send(on("backfill-short", "r", 2));
    scroll.send(renew("backfill-short", passed, 20 * HOUR));
    scroll.now += 10 * HOUR;
    scroll.send(Payload::Tick);
}
