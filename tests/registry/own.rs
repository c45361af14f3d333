//! Our own schemas in a registry.

use crate::registry_common::StandIn;
use crate::source::{registry, settings};
use conclave::error::ErrorKind;
use conclave::log::kafka::settings::TopicNames;
use conclave::registry::{Finding, OwnIds, Subjects, check, own_ids, register};
use conclave::wire::schemas::COMMAND_SCHEMA;

fn subjects() -> Subjects {
    Subjects::of(&TopicNames::prefixed("conclave"))
}

/// What is not as it should be, as `subject part`.
fn wrong(findings: &[Finding]) -> Vec<String> {
    let wrong = findings.iter().filter(|finding| !finding.ok);
    wrong.map(|finding| format!("{} {}", finding.subject, finding.part)).collect()
}

#[test]
fn what_is_registered_is_found_as_it_should_be_and_registering_twice_changes_nothing() {
    let stand_in = StandIn::start(40);
    let before = check(&settings(&stand_in), &subjects()).unwrap();
    let all = [
        "conclave.commands-value compatibility",
        "conclave.commands-value schema 1",
        "conclave.commands-value schema 2",
        "conclave.commands-value schema 3",
        "conclave.commands-value schema 4",
        "conclave.decisions-value compatibility",
        "conclave.decisions-value schema 1",
    ];
    assert_eq!(wrong(&before), all);
    let first = register(&settings(&stand_in), &subjects()).unwrap();
    assert_eq!(wrong(&first), Vec::<String>::new(), "{first:?}");
    assert_eq!(register(&settings(&stand_in), &subjects()).unwrap(), first);
    let after = check(&settings(&stand_in), &subjects()).unwrap();
    assert_eq!(wrong(&after), Vec::<String>::new(), "{after:?}");
    let ids: Vec<_> = after.iter().filter_map(|finding| finding.id).collect();
    assert_eq!(ids, [40, 41, 42, 43, 44]);
}

#[test]
fn a_schema_of_somebody_else_differs_and_one_that_contradicts_is_refused() {
    let stand_in = StandIn::start(1);
    register(&settings(&stand_in), &subjects()).unwrap();
    let mut newer: serde_json::Value = serde_json::from_str(COMMAND_SCHEMA).unwrap();
    let field = serde_json::json!({ "name": "later", "type": "long", "default": 0 });
    newer["fields"].as_array_mut().unwrap().push(field);
    stand_in.register(&subjects().commands, &newer.to_string());
    let found = check(&settings(&stand_in), &subjects()).unwrap();
    assert_eq!(wrong(&found), ["conclave.commands-value latest"]);

    let taken = StandIn::start(1);
    taken.register(&subjects().decisions, r#"{"type": "string"}"#);
    let refused = register(&settings(&taken), &subjects()).unwrap();
    assert_eq!(wrong(&refused), ["conclave.decisions-value schema 1"]);
    let detail = &refused.last().unwrap().detail;
    assert!(detail.contains("error_code: 409"), "{refused:?}");
    let subject = format!("{}/subjects/{}", taken.url(), subjects().decisions);
    for remedy in [&format!("({subject}/versions/1)"), &format!("curl -X DELETE {subject};")] {
        assert!(detail.contains(remedy.as_str()), "{detail}");
    }
    ureq::delete(&subject).call().unwrap();
    let again = register(&settings(&taken), &subjects()).unwrap();
    assert_eq!(wrong(&again), Vec::<String>::new(), "the remedy helps: {again:?}");
}

#[test]
fn our_newest_schema_alone_keeps_the_older_one_out_and_that_is_said() {
    let stand_in = StandIn::start(1);
    stand_in.register(&subjects().commands, COMMAND_SCHEMA);
    let refused = register(&settings(&stand_in), &subjects()).unwrap();
    let older = [1, 2, 3].map(|version| format!("conclave.commands-value schema {version}"));
    assert_eq!(wrong(&refused), older);
    let first = refused.iter().find(|finding| !finding.ok).unwrap();
    assert!(first.detail.contains("Version 1 came first"), "{first:?}");
}

#[test]
fn our_ids_are_asked_for_once() {
    let mut stand_in = StandIn::start(40);
    let directory = tempfile::tempdir().unwrap();
    let missing = own_ids(&registry(&stand_in, directory.path()), &subjects()).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Invalid);
    assert!(missing.message.contains("conclave schemas register"), "{missing}");
    register(&settings(&stand_in), &subjects()).unwrap();
    let ids = OwnIds { commands: [40, 41, 42, 43], decisions: 44 };
    assert_eq!(own_ids(&registry(&stand_in, directory.path()), &subjects()).unwrap(), ids);
    stand_in.stop();
    assert_eq!(own_ids(&registry(&stand_in, directory.path()), &subjects()).unwrap(), ids);
    let elsewhere = tempfile::tempdir().unwrap();
    let away = own_ids(&registry(&stand_in, elsewhere.path()), &subjects()).unwrap_err();
    assert_eq!(away.kind, ErrorKind::Unavailable, "{away}");
}
