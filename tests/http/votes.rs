//! Why networks voted as they did, asked through HTTP: by whom it concerns, and nobody else.

use crate::council;
use crate::served::{POOL, request};
use crate::tokens::{acting, guarded};
use conclave::council::keep;
use serde_json::{Value, json};

/// Every member has a label and reasons that add up.
#[track_caller]
fn check_reasons(networks: &Value) {
    assert_eq!(networks["unexplained"], Value::Null, "{networks}");
    assert_eq!(networks["told"].as_array().unwrap().len(), 32);
    let members = networks["members"].as_array().unwrap();
    assert_eq!(members.len(), 5);
    for member in members {
        assert!(member["label"].is_string(), "{member}");
        let why = &member["why"];
        let number = |name: &str| why[name].as_i64().unwrap();
        let pushes = why["groups"].as_array().unwrap().iter();
        let sum: i64 = pushes.map(|group| group["push_sixtieths"].as_i64().unwrap()).sum();
        assert_eq!(sum, 60 * (number("lead") - number("baseline_lead")), "{member}");
    }
}

#[test]
fn whoever_asked_is_told_why_and_nobody_else() {
    let mut served = guarded();
    let dir = tempfile::tempdir().unwrap();
    let model = keep(&council::write(dir.path()), &served.data()).unwrap().0.to_string();
    let policy = json!({"council": "advise", "lease_max": "48h", "lease_grace": "0ms",
        "wait_bound": "1h", "defer_retry": "30m", "queue_max": 5000});
    for (id, pool, payload) in [
        ("advise", POOL, json!({"SetPoolPolicy": policy})),
        ("version", "", json!({"ActivateDecider": {"version": 2}})),
        ("seat", "", json!({"ActivateCouncil": {"model": model}})),
    ] {
        let sent = json!({"command_id": id, "pool": pool, "payload": payload});
        let decision = acting(&mut served, "admin").decide(&sent);
        assert_eq!(decision["outcome"], "accepted", "{decision}");
    }
    for (tenant, id) in [("speech", "hidden-1"), ("vision", "own-1")] {
        let mut asked = request(id, tenant, 2, "3h");
        asked.as_object_mut().unwrap().remove("actor");
        acting(&mut served, tenant).decide(&asked);
    }

    let path = format!("/v1/pools/{POOL}/requests/own-1/explain");
    let said = acting(&mut served, "vision").get_json(&path);
    check_reasons(&said["networks"]);
    assert!(!said.to_string().contains("hidden-1"), "{said}");
    let at = said["networks"]["at"]["offset"].as_i64().unwrap();
    let then = acting(&mut served, "vision").get_json(&format!("{path}?at={at}"));
    assert_eq!(then["networks"], said["networks"], "the vote is the same at any time after it");
    assert_eq!(acting(&mut served, "speech").get(&path).status, 404);
    assert_eq!(acting(&mut served, "reader").get_json(&path)["networks"], said["networks"]);

    let planned = json!({"pool": POOL, "payload": {"RequestAllocation":
        {"request": "own-2", "gpu_count": 4, "expected_duration": "9h"}}});
    let body = planned.to_string();
    let plan = acting(&mut served, "vision").ask("POST", "/v1/plan", "", body.as_bytes());
    assert_eq!(plan.status, 200, "{plan:?}");
    check_reasons(&plan.json()["networks"]);

    // Without its file the votes stand, and a sentence says what is missing.
    let model = format!("{model}.council");
    std::fs::remove_dir_all(served.data().join("models")).unwrap();
    let again = acting(&mut served, "vision").get_json(&path);
    check_reasons(&again["networks"]);
    served.signal("TERM");
    assert!(served.ended());
    served.start_again();
    let said = acting(&mut served, "vision").get_json(&path);
    let unexplained = &said["networks"]["unexplained"];
    assert_eq!(unexplained["kind"], "unavailable", "{said}");
    assert!(unexplained["sentence"].as_str().unwrap().contains(&model), "{said}");
    assert_eq!(said["networks"]["members"][0]["why"], Value::Null);
}
