//! A registry as a source of schemas.

use crate::registry_common::{Fault, StandIn};
use conclave::registry::{Credentials, Registry, RegistrySettings};
use conclave::resilience::BreakerState;
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMA_1};
use conclave::wire::{SchemaAnswer, SchemaSource};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const SUBJECT: &str = "conclave.commands-value";
const FIRST_ID: u32 = 700;
/// Shorter than in real life, so that a slow registry costs the test little.
const TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) fn settings(stand_in: &StandIn) -> RegistrySettings {
    RegistrySettings { timeout: TIMEOUT, ..RegistrySettings::new(&stand_in.url()).unwrap() }
}

pub(crate) fn registry(stand_in: &StandIn, directory: &Path) -> Arc<Registry> {
    Registry::new(&settings(stand_in), directory).unwrap()
}

/// A registry that knows our two schemas, and an empty directory.
pub(crate) fn known() -> (StandIn, tempfile::TempDir) {
    let stand_in = StandIn::start(FIRST_ID);
    for text in [COMMAND_SCHEMA_1, COMMAND_SCHEMA] {
        stand_in.register(SUBJECT, text);
    }
    (stand_in, tempfile::tempdir().unwrap())
}

fn ask(source: &mut dyn SchemaSource, id: u32) -> SchemaAnswer {
    source.schema(id)
}

/// What a fault makes of a question about a known id.
#[track_caller]
fn check_waits(fault: Fault, says: &str) {
    let (stand_in, directory) = known();
    stand_in.set(fault.clone());
    let registry = registry(&stand_in, directory.path());
    match ask(&mut *registry.source(), FIRST_ID) {
        SchemaAnswer::Unavailable(why) => assert!(why.contains(says), "{fault:?}: {why}"),
        answer => panic!("{fault:?}: {answer:?}"),
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{fault:?} is kept");
    stand_in.set(Fault::None);
    let answer = ask(&mut *registry.source(), FIRST_ID);
    assert_eq!(answer, SchemaAnswer::Known(COMMAND_SCHEMA_1.to_owned()), "{fault:?} is over");
}

#[test]
fn errors_silence_and_what_no_registry_says_are_no_answers() {
    check_waits(Fault::Status(500), "answers error_code: 50001");
    check_waits(Fault::Status(503), "answers error_code: 50301");
    check_waits(Fault::Status(429), "answers error_code: 42901");
    check_waits(Fault::SlowMs(2_000), "timed out");
    check_waits(Fault::Stranger, "not as a registry says it");
    check_waits(Fault::Garbage, "no registry's answer");
    check_waits(Fault::Torn, "connection closed");
}

#[test]
fn what_there_is_none_of_is_final_for_a_while_and_then_asked_again() {
    let (stand_in, directory) = known();
    let registry = registry(&stand_in, directory.path());
    let mut source = registry.source();
    for _ in 0..20 {
        assert_eq!(ask(&mut *source, 9_999), SchemaAnswer::NotFound);
    }
    assert_eq!(stand_in.requests(), 1, "a flood of one id asks once");
    assert_eq!(registry.standing().failures, 0, "it is an answer");
}

#[test]
fn a_text_that_is_no_schema_of_commands_is_an_answer() {
    let (stand_in, directory) = known();
    let id = stand_in.register("other-value", r#"{"type": "string"}"#);
    let registry = registry(&stand_in, directory.path());
    let answer = ask(&mut *registry.source(), id);
    assert_eq!(answer, SchemaAnswer::Known(r#"{"type": "string"}"#.to_owned()));
}

#[test]
fn a_known_id_never_needs_its_registry_again() {
    let (mut stand_in, directory) = known();
    let text = SchemaAnswer::Known(COMMAND_SCHEMA.to_owned());
    assert_eq!(ask(&mut *registry(&stand_in, directory.path()).source(), FIRST_ID + 1), text);
    stand_in.stop();
    // Another process, later.
    let registry = registry(&stand_in, directory.path());
    let mut source = registry.source();
    assert_eq!(ask(&mut *source, FIRST_ID + 1), text);
    assert!(matches!(ask(&mut *source, FIRST_ID), SchemaAnswer::Unavailable(_)));
    assert_eq!(ask(&mut *source, FIRST_ID + 1), text, "also while another one waits");
}

#[test]
fn a_kept_text_that_was_changed_is_asked_for_again() {
    let (stand_in, directory) = known();
    let registry = registry(&stand_in, directory.path());
    let text = SchemaAnswer::Known(COMMAND_SCHEMA.to_owned());
    assert_eq!(ask(&mut *registry.source(), FIRST_ID + 1), text);
    let kept = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_some()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    std::fs::write(&kept[0], r#"{"type": "string"}"#).unwrap();
    assert!(conclave::registry::texts(directory.path()).unwrap().is_empty(), "not what it was");
    assert_eq!(ask(&mut *registry.source(), FIRST_ID + 1), text);
    assert_eq!(conclave::registry::texts(directory.path()).unwrap(), [COMMAND_SCHEMA]);
}

#[test]
fn another_registry_means_other_things_by_its_ids() {
    let (stand_in, directory) = known();
    let text = SchemaAnswer::Known(COMMAND_SCHEMA.to_owned());
    assert_eq!(ask(&mut *registry(&stand_in, directory.path()).source(), FIRST_ID + 1), text);
    let other = StandIn::start(1);
    let answer = ask(&mut *registry(&other, directory.path()).source(), FIRST_ID + 1);
    assert_eq!(answer, SchemaAnswer::NotFound);
}

#[test]
fn a_registry_that_is_down_is_left_alone_and_found_again() {
    let (mut stand_in, directory) = known();
    let registry = registry(&stand_in, directory.path());
    let mut source = registry.source();
    stand_in.stop();
    for _ in 0..3 {
        assert!(matches!(ask(&mut *source, FIRST_ID), SchemaAnswer::Unavailable(_)));
    }
    assert_eq!(registry.standing().breaker, BreakerState::Open, "{:?}", registry.standing());
    let started = Instant::now();
    let SchemaAnswer::Unavailable(why) = ask(&mut *source, FIRST_ID) else { panic!() };
    assert!(why.contains("left alone"), "{why}");
    assert!(started.elapsed() < TIMEOUT, "a breaker answers at once");
    stand_in.resume();
    let known = wait_for(|| match ask(&mut *source, FIRST_ID) {
        SchemaAnswer::Known(text) => Some(text),
        SchemaAnswer::Unavailable(_) | SchemaAnswer::NotFound => None,
    });
    assert_eq!(known, COMMAND_SCHEMA_1);
    // A second success closes it.
    assert!(matches!(ask(&mut *source, FIRST_ID + 1), SchemaAnswer::Known(_)));
    assert_eq!(registry.standing().breaker, BreakerState::Closed);
}

#[test]
fn whoever_is_not_let_in_waits_and_is_told_so() {
    let (stand_in, directory) = known();
    // aladdin:opensesame
    stand_in.require("Basic YWxhZGRpbjpvcGVuc2VzYW1l");
    let SchemaAnswer::Unavailable(why) =
        ask(&mut *registry(&stand_in, directory.path()).source(), FIRST_ID)
    else {
        panic!()
    };
    assert!(why.contains("check the credentials"), "{why}");
    let mut settings = settings(&stand_in);
    settings.credentials =
        Credentials::Basic { user: "aladdin".to_owned(), password: "opensesame".to_owned() };
    let registry = Registry::new(&settings, directory.path()).unwrap();
    assert!(matches!(ask(&mut *registry.source(), FIRST_ID), SchemaAnswer::Known(_)));
}

/// Asks until there is an answer; half a minute at most.
pub(crate) fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no answer within 30 s");
}
