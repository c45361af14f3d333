//! How the members of a council stand, where people and Prometheus look.

use crate::awaiting::conclave;
use crate::council::{untrained_id, write};
use crate::served::{POOL, Served, command, request};
use serde_json::{Value, json};

fn log_command(id: &str, payload: &Value) -> Value {
    json!({"command_id": id, "pool": "", "payload": payload})
}

/// A service with settings, whose pool has a council that advises.
pub(crate) fn advised(settings: &str) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path());
    conclave::council::keep(&file, &directory.path().join("data")).unwrap();
    let served = Served::bare(directory, settings, &[]);
    served.furnish();
    let policy = json!({"council": "advise", "lease_max": "48h", "lease_grace": "0ms",
        "wait_bound": "1h", "defer_retry": "30m", "queue_max": 5000});
    served.decide(&command("advise", &json!({"SetPoolPolicy": policy})));
    let model = untrained_id().0.to_string();
    for (id, payload) in [
        ("version", json!({"ActivateDecider": {"version": 2}})),
        ("council", json!({"ActivateCouncil": {"model": model}})),
    ] {
        let decision = served.decide(&log_command(id, &payload));
        assert_eq!(decision["outcome"], "accepted", "{decision}");
    }
    served
}

#[test]
fn status_and_metrics_show_how_members_stand() {
    let served = advised("");
    let granted = served.decide(&request("train-1", "vision", 1, "1h"));
    let release = json!({"request": "train-1", "fencing": granted["offset"],
        "outcome": "succeeded"});
    let mut released = command("release-1", &json!({"ReleaseLease": release}));
    released["pool"] = json!(POOL);
    let events = served.decide(&released)["events"].clone();
    assert_eq!(events[0]["event"], "CouncilWeighed", "{events}");

    let status = served.get_json("/v1/status");
    let [council] = &status["councils"].as_array().unwrap()[..] else { panic!("{status}") };
    assert_eq!(council["model"], untrained_id().0.to_string());
    assert_eq!((&council["votes"], &council["weights_seq"]), (&json!(1), &json!(1)));
    let members = council["members"].as_array().unwrap();
    let weighed = events[0]["members"].as_array().unwrap();
    assert_eq!((members.len(), weighed.len()), (5, 5));
    let body = served.get("/metrics").body;
    for (number, (member, weight)) in (1..).zip(members.iter().zip(weighed)) {
        assert_eq!((&member["member"], &member["factor"]), (&json!(number), &weight["factor"]));
        assert!(member["label"].as_str().is_some_and(|label| !label.is_empty()), "{member}");
        assert_eq!(member["quarantined"], Value::Null);
        let gauge = |what: &str| -> f64 {
            let series = format!("conclave_council_member_{what}{{member=\"{number}\"}} ");
            let value = body.lines().find_map(|line| line.strip_prefix(&series));
            value.unwrap_or_else(|| panic!("{series} in {body}")).parse().unwrap()
        };
        assert_eq!(gauge("quarantined_count"), 0.0);
        let ratio = weight["factor"].as_f64().unwrap() / 65_536.0;
        // The last digit is rounded otherwise there.
        assert!((gauge("weight_ratio") - ratio).abs() < 1e-9, "member {number}: {body}");
    }
}

#[test]
fn a_council_that_is_activated_before_its_rules_is_refused_with_what_to_send_first() {
    let served = Served::plain();
    let early = log_command("early", &json!({"ActivateCouncil": {"model": ""}}));
    let planned = served.ask("POST", "/v1/plan", "", early.to_string().as_bytes()).json();
    let decided = served.decide(&early);
    assert_eq!((&decided["outcome"], &decided["code"]), (&json!("rejected"), &json!("unreadable")));
    let advice = "this partition decides by version 1, which does not know ActivateCouncil; send \
                  ActivateDecider 2 first";
    assert_eq!((&decided["advice"], &planned["advice"]), (&json!(advice), &json!(advice)));
    let server = format!("http://{}", served.address);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("early.json");
    let again = log_command("again", &json!({"ActivateCouncil": {"model": ""}}));
    std::fs::write(&file, again.to_string()).unwrap();
    let sent = conclave(&["submit", file.to_str().unwrap(), "--wait", "--server", &server]);
    assert_eq!(sent.status.code(), Some(1), "{sent:?}");
    assert!(String::from_utf8(sent.stdout).unwrap().contains(advice));
    // What it advises helps, in one go as well.
    let version = log_command("version", &json!({"ActivateDecider": {"version": 2}}));
    let late = log_command("late", &json!({"ActivateCouncil": {"model": ""}}));
    let answers = served.post("application/x-ndjson", &format!("{version}\n{late}"));
    for answer in answers.body.lines() {
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!((&answer["outcome"], &answer["advice"]), (&json!("accepted"), &Value::Null));
    }
}

#[test]
fn where_the_rules_sit_nobody_has_members() {
    let served = Served::plain();
    assert_eq!(served.get_json("/v1/status")["councils"], Value::Null);
    assert!(!served.get("/metrics").body.contains("conclave_council_member_weight_ratio{"));
}
