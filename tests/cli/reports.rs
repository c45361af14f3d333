//! Reports as data: what a tenant sees, and what it does not.

use crate::tale::{LAST, folded};
use conclave::error::{ErrorKind, Result};
use conclave::report::nodes::NodesReport;
use conclave::report::pools::{PoolReport, PoolsReport};
use conclave::report::queue::QueueReport;
use conclave::report::quotas::QuotasReport;
use conclave::report::requests::{RequestReport, RequestsReport, StageName};
use conclave::report::status::StatusReport;
use conclave::report::viewer::Viewer;
use conclave_core::state::State;
use conclave_core::units::{PoolId, RequestId, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

const ALL: Viewer = Viewer::Everything;

fn tenant(name: &str) -> Viewer {
    Viewer::Tenant(TenantId::from(name))
}

fn p() -> PoolId {
    PoolId::from("p")
}

/// The report as JSON, after it was read back from it.
#[track_caller]
fn json_of<T: Serialize + DeserializeOwned + Debug + PartialEq>(report: &T) -> Value {
    let json = serde_json::to_string(report).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *report);
    serde_json::from_str(&json).unwrap()
}

#[track_caller]
fn check(json: &Value, pointers: &[(&str, Value)]) {
    for (pointer, expected) in pointers {
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, expected, "{pointer} of {json:#}");
    }
}

#[test]
fn a_status_counts_every_pool() {
    let told = folded();
    let status = json_of(&StatusReport::of(&told.state, told.head, &ALL));
    check(
        &status,
        &[
            ("/as_of/offset", LAST.into()),
            ("/as_of/time_ms", 7_380_000.into()),
            ("/log_id", "story".into()),
            ("/pools/0/gpu_milli_total", 10_000.into()),
            ("/pools/0/gpu_milli_used", 6_500.into()),
            ("/pools/0/gpu_milli_free", 2_000.into()),
            ("/pools/0/draining", 1.into()),
            ("/pools/0/running", 3.into()),
            ("/pools/0/waiting", 4.into()),
            ("/pools/0/deferred", 0.into()),
            ("/pools/0/longest_wait_ms", 7_377_000.into()),
            ("/pools/0/next_timer/request", "train-1".into()),
            ("/pools/0/next_timer/kind", "lease_ends".into()),
            ("/pools/1/council", "enforce".into()),
            ("/pools/1/deferred", 1.into()),
            ("/pools/1/longest_wait_ms", Value::Null),
            ("/pools/1/next_timer/kind", "deferral_is_due".into()),
        ],
    );
    let pools = json_of(&PoolsReport::of(&told.state, &tenant("batch")));
    check(&pools, &[("/pools/0/next_timer/request", Value::Null)]);
    let pool = json_of(&PoolReport::of(&told.state, &p(), &ALL).unwrap());
    check(&pool, &[("/status", status["pools"][0].clone()), ("/policy/queue_max", 5_000.into())]);
}

#[test]
fn a_node_names_the_leases_on_it_that_the_viewer_may_see() {
    let state = folded().state;
    let leases = |viewer: &Viewer| {
        let nodes = json_of(&NodesReport::of(&state, &p(), viewer).unwrap());
        let nodes = nodes["nodes"].as_array().unwrap().clone();
        nodes
            .into_iter()
            .map(|node| {
                let names = node["leases"].as_array().unwrap().iter();
                let names: Vec<_> = names.map(|lease| lease["request"].clone()).collect();
                json!([node["node"], names, node["leases_of_others"]])
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        leases(&ALL),
        [json!(["a", ["train-1"], 0]), json!(["b", ["sweep"], 0]), json!(["c", ["tiny"], 0])]
    );
    assert_eq!(
        leases(&tenant("vision")),
        [json!(["a", ["train-1"], 0]), json!(["b", [], 1]), json!(["c", [], 1])]
    );
    let nodes = json_of(&NodesReport::of(&state, &p(), &ALL).unwrap());
    check(
        &nodes["nodes"],
        &[
            ("/1/leases/0/replicas", 2.into()),
            ("/1/leases/0/gpus", json!([0, 1])),
            ("/1/gpu_milli_left", json!([0, 0, 1_000, 1_000])),
            ("/2/gpu_milli_left", json!([500, 1_000])),
            ("/2/is_draining", true.into()),
            ("/2/cpu_milli_left", 63_000.into()),
            ("/2/memory_mib_total", 262_144.into()),
        ],
    );
}

#[test]
fn a_queue_has_its_order_and_a_blocker_for_each_row() {
    let state = folded().state;
    let queue = json_of(&QueueReport::of(&state, &p(), &ALL, 100).unwrap());
    let rows = queue["queue"].as_array().unwrap().iter();
    let rows: Vec<Value> = rows
        .map(|row| json!([row["place"], row["request"], row["blocked_by"]["blocker"]]))
        .collect();
    assert_eq!(
        rows,
        [
            json!([1, "gang-1", "no_room"]),
            json!([2, "vision-2", "tenant_limit"]),
            json!([3, "late-1", "behind_protected"]),
            json!([4, "late-2", "behind_protected"]),
        ]
    );
    check(&queue, &[("/queue/3/blocked_by/protected", "gang-1".into()), ("/waiting", 4.into())]);
    let first = QueueReport::of(&state, &p(), &ALL, 1).unwrap();
    assert_eq!((first.queue.len(), first.waiting), (1, 4));
    assert!(first.text().contains("and 3 more"), "{}", first.text());
    let put_off = json_of(&QueueReport::of(&state, &PoolId::from("q"), &ALL, 9).unwrap());
    check(&put_off, &[("/put_off/0/request", "c-1".into()), ("/put_off/0/place", Value::Null)]);
}

#[test]
fn quotas_sum_what_is_used_and_what_is_wanted() {
    let state = folded().state;
    let all = json_of(&QuotasReport::of(&state, &p(), &ALL).unwrap());
    check(
        &all,
        &[
            ("/quotas/0/tenant", "batch".into()),
            ("/quotas/0/used_gpu_milli", 2_500.into()),
            ("/quotas/0/running", 2.into()),
            ("/quotas/0/waiting", 2.into()),
            ("/quotas/0/waiting_gpu_milli", 5_000.into()),
            ("/quotas/1/guarantee_gpu_milli", 2_000.into()),
            ("/quotas/1/limit_gpu_milli", 6_000.into()),
            ("/others", Value::Null),
        ],
    );
    let own = json_of(&QuotasReport::of(&state, &p(), &tenant("vision")).unwrap());
    check(
        &own,
        &[
            ("/quotas/0/tenant", "vision".into()),
            ("/quotas/1", Value::Null),
            ("/others/tenants", 1.into()),
            ("/others/used_gpu_milli", 2_500.into()),
        ],
    );
}

#[test]
fn a_request_says_where_it_stands() {
    let state = folded().state;
    let one = |name: &str, viewer: &Viewer| {
        RequestReport::of(&state, &p(), &RequestId::from(name), viewer).unwrap()
    };
    let running = json_of(&one("sweep", &ALL).unwrap());
    check(
        &running,
        &[
            ("/request/stage", "running".into()),
            ("/request/lease/fencing", 11.into()),
            ("/request/lease/gpu_model", "A100".into()),
            ("/request/lease/replicas/1/node", "b".into()),
            ("/request/lease/gpu_milli", 2_000.into()),
            ("/request/place", Value::Null),
            ("/blocked_by", Value::Null),
        ],
    );
    let waiting = json_of(&one("vision-2", &tenant("vision")).unwrap());
    check(
        &waiting,
        &[
            ("/request/stage", "waiting".into()),
            ("/request/place", 2.into()),
            ("/request/lease", Value::Null),
            ("/blocked_by/used_gpu_milli", 4_000.into()),
            ("/request/waits_since_ms", 4_000.into()),
        ],
    );
    assert_eq!(one("sweep", &tenant("vision")), None);
    assert_eq!(one("nobody", &ALL), None);
}

#[test]
fn requests_are_counted_by_stage_and_cut_by_name() {
    let state = folded().state;
    for (viewer, stage, rows_max, shown, count, of_others) in [
        (ALL, None, 9, 7, 7, 0),
        (ALL, None, 2, 2, 7, 0),
        (ALL, Some(StageName::Running), 9, 3, 3, 0),
        (ALL, Some(StageName::Deferred), 9, 0, 0, 0),
        (tenant("vision"), None, 9, 3, 3, 4),
        (tenant("vision"), Some(StageName::Waiting), 9, 2, 2, 2),
        (tenant("stranger"), None, 9, 0, 0, 7),
    ] {
        let report = RequestsReport::of(&state, &p(), &viewer, stage, rows_max).unwrap();
        let found = (report.requests.len(), report.count, report.of_others);
        assert_eq!(found, (shown, count, of_others), "{viewer:?} {stage:?}");
    }
}

/// Everything that a viewer can be shown, as JSON and as text.
fn everything(state: &State, viewer: &Viewer) -> String {
    let mut all = String::new();
    let mut add = |json: String, text: String| all.push_str(&(json + "\n" + &text + "\n"));
    macro_rules! report {
        ($report:expr) => {{
            let report = $report;
            add(serde_json::to_string(&report).unwrap(), report.text());
        }};
    }
    report!(StatusReport::of(state, folded().head, viewer));
    report!(PoolsReport::of(state, viewer));
    report!(PoolReport::of(state, &p(), viewer).unwrap());
    report!(NodesReport::of(state, &p(), viewer).unwrap());
    report!(QueueReport::of(state, &p(), viewer, 100).unwrap());
    report!(QuotasReport::of(state, &p(), viewer).unwrap());
    report!(RequestsReport::of(state, &p(), viewer, None, 100).unwrap());
    for request in state.pools["p"].requests.keys() {
        if let Some(one) = RequestReport::of(state, &p(), request, viewer).unwrap() {
            report!(one);
        }
    }
    all
}

#[test]
fn nobody_is_named_to_another_tenant() {
    let state = folded().state;
    for (viewer, own, others) in [
        ("vision", ["train-1", "late-2"], &["batch", "sweep", "gang-1", "late-1", "tiny"][..]),
        ("batch", ["sweep", "gang-1"], &["vision", "train-1", "vision-2", "late-2"][..]),
    ] {
        let shown = everything(&state, &tenant(viewer));
        for name in own {
            assert!(shown.contains(name), "{viewer} does not see {name}");
        }
        for name in others {
            assert!(!shown.contains(name), "{viewer} sees {name}:\n{shown}");
        }
    }
    let shown = everything(&state, &tenant("vision"));
    assert!(shown.contains("a request of another tenant came before it"), "{shown}");
}

#[test]
fn an_unknown_pool_is_answered_with_the_known_ones() {
    #[track_caller]
    fn check<T: Debug>(report: Result<T>, said: &str) {
        let error = report.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Invalid, said));
    }
    let (state, x) = (folded().state, PoolId::from("x"));
    let said = "there is no pool 'x': use one of p, q";
    check(PoolReport::of(&state, &x, &ALL), said);
    check(NodesReport::of(&state, &x, &ALL), said);
    check(QueueReport::of(&state, &x, &ALL, 1), said);
    check(QuotasReport::of(&state, &x, &ALL), said);
    check(RequestsReport::of(&state, &x, &ALL, None, 1), said);
    check(RequestReport::of(&state, &x, &RequestId::from("r"), &ALL), said);
    let said = "there is no pool 'x', nor any other: a SetPoolPolicy creates one";
    check(PoolReport::of(&State::new(0), &x, &ALL), said);
}

#[test]
fn before_the_first_decision_there_is_a_status_too() {
    let status = StatusReport::of(&State::new(0), conclave_core::units::Hash32::default(), &ALL);
    assert!(status.text().starts_with("the log is not opened yet"), "{}", status.text());
    assert_eq!(status.as_of.offset, -1);
}
