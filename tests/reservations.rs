//! What is said of reservations, and of who was let past whom, in JSON and for people.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/story/mod.rs"]
mod story;

use conclave::report::reservations::ReservationsReport;
use conclave::report::sentence;
use conclave::report::viewer::Viewer;
use conclave_core::command::Reserve;
use conclave_core::decision::{Event, LeaseLetPast};
use conclave_core::units::{CpuMilli, PoolId, TenantId, TimeMs};
use serde_json::{Value, json};
use story::{HOUR, MINUTE, Story, activate, ask, drain, node, quota, reserve, reserving};

fn report(story: &Story, viewer: &Viewer) -> ReservationsReport {
    ReservationsReport::of(&story.state, &PoolId::from("p"), viewer).unwrap()
}

/// One reservation over two nodes that is used in part, and one of another tenant to come.
fn pool() -> Story {
    let nodes = [activate(3), node("a", 4, "A100"), node("b", 4, "A100")];
    let mut pool = Story::given(nodes.into_iter().chain([quota("t", 0, 9), quota("u", 0, 9)]));
    let wide = Reserve { cpu_milli: CpuMilli(2_000), ..reserve("wide", "t", 2, 0, 4 * HOUR) };
    let wide = reserving(Reserve { replicas: 3, ..wide });
    pool.check(0, wide, &["wide is reserved on a+a+b", "wide starts"]);
    let other = reserving(reserve("other", "u", 2, 5 * HOUR, 6 * HOUR));
    pool.check(0, other, &["other is reserved on a"]);
    pool.check(0, ask("own", "t").gpus(2).lease_minutes(60), &["own runs on b"]);
    pool.check(MINUTE, drain("a"), &["a drains"]);
    pool
}

#[test]
fn a_report_says_what_is_reserved_where_and_what_of_it_is_used_and_out_of_service() {
    let pool = pool();
    let report = report(&pool, &Viewer::Everything);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ReservationsReport>(&json).unwrap(), report);
    let json: Value = serde_json::from_str(&json).unwrap();
    for (path, value) in [
        ("/reservations/0/reservation", json!("wide")),
        ("/reservations/0/tenant", json!("t")),
        ("/reservations/0/has_started", json!(true)),
        ("/reservations/0/end_ms", json!(4 * HOUR)),
        ("/reservations/0/gpu_model", json!("A100")),
        ("/reservations/0/cpu_milli", json!(2_000)),
        ("/reservations/0/used_gpu_milli", json!(2_000)),
        ("/reservations/0/replicas_out_of_service", json!(2)),
        ("/reservations/0/nodes/0", json!({"node": "a", "replicas": 2, "gpus": [0, 1, 2, 3]})),
        ("/reservations/0/nodes/1", json!({"node": "b", "replicas": 1, "gpus": [0, 1]})),
        ("/reservations/1/reservation", json!("other")),
        ("/reservations/1/has_started", json!(false)),
        ("/of_others", json!(0)),
    ] {
        assert_eq!(json.pointer(path), Some(&value), "{path}");
    }
    let text = report.text();
    assert!(text.contains("a:0,1,2,3 b:0,1") && text.contains("2 of 3"), "{text}");
}

#[test]
fn a_tenant_sees_its_own_and_counts_the_others() {
    let pool = pool();
    let of = |tenant: &str| report(&pool, &Viewer::Tenant(TenantId::from(tenant)));
    let own = of("u");
    let names: Vec<&str> = own.reservations.iter().map(|one| one.reservation.as_str()).collect();
    assert_eq!((names, own.of_others), (vec!["other"], 1));
    assert!(own.text().ends_with("and 1 of other tenants\n"), "{}", own.text());
    assert_eq!(of("nobody").of_others, 2);
}

#[test]
fn whom_a_lease_was_let_past_only_operators_are_told_by_name() {
    let past = Event::LeaseLetPast(LeaseLetPast {
        pool: "p".into(),
        request: "short".into(),
        protected: "head".into(),
        until_ms: TimeMs(2 * HOUR),
    });
    let told = |viewer: &Viewer| sentence::event(&viewer.hide_event(past.clone()), TimeMs(HOUR));
    assert!(told(&Viewer::Everything).starts_with("short ends before head, which is protected"));
    let of_tenant = told(&Viewer::Tenant(TenantId::from("t")));
    assert!(!of_tenant.contains("head"), "{of_tenant}");
}
