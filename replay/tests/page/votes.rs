//! Votes of networks on the page: what each member said and its first reason, in a file that is
//! kept and beside a service.

use crate::browser::{Browser, browser};
use crate::common::{asks, open, operator, story};
use crate::{council, page_of, service, sign_in};
use conclave::engine::Engine;
use conclave_core::command::{ActivateCouncil, ActivateDecider, Payload};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The story as networks decide it.
fn voted_log() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("log");
    let log = open(&data);
    let seat = council::seat(&data);
    let version = Payload::ActivateDecider(ActivateDecider { version: 2 });
    let model = council::untrained_id().0.to_string();
    let model = Payload::ActivateCouncil(ActivateCouncil { model });
    let mut tale = story();
    let seated = [operator(0, "version", version), operator(0, "council", model)];
    tale.splice(1..1, seated);
    tale.push(asks(34 * 60_000, "team-a", "last", 2, 7));
    let (mut engine, _) = Engine::open(log, seat, 1_000_000).unwrap();
    engine.accept(&tale).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    drop(engine.close().unwrap());
    directory
}

const MEMBERS: &str = "[...document.querySelectorAll('.council li')].map(li => li.textContent)";

/// Opens the details of the last request and returns what its members said.
fn said_of_the_last(browser: &mut Browser) -> Vec<String> {
    browser.press("/");
    browser.type_text("request:last");
    browser.press("Enter");
    browser.press("ArrowDown");
    browser.press("Enter");
    browser.wait_for("document.querySelectorAll('.council li').length === 5");
    let said = browser.ask(MEMBERS);
    let said = said.as_array().unwrap().iter();
    said.map(|member| member.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_page_to_keep_says_who_voted_how_and_why() {
    let Some(mut browser) = browser("a_page_to_keep_says_who_voted_how_and_why") else { return };
    let log = voted_log();
    browser.open_file(&page_of(log.path()));
    let kept = said_of_the_last(&mut browser);
    for (said, label) in kept.iter().zip(["efficiency", "cost", "fairness", "risk", "service"]) {
        assert!(said.contains(label) && said.contains("\u{2030} sure"), "{kept:?}");
    }
    assert!(kept.iter().any(|said| said.contains(": ") && said.contains('+')), "{kept:?}");
    picture(&mut browser);
    assert_eq!(browser.complaints, Vec::<String>::new());

    // Beside a service it says the same.
    let address = service::start(&[log.path().join("log")]);
    sign_in(&mut browser, &address);
    assert_eq!(said_of_the_last(&mut browser), kept);
    browser.complaints.retain(|complaint| !complaint.contains("401"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_page_without_the_council_says_which_file_is_missing() {
    let Some(mut browser) = browser("a_page_without_the_council_says_which_file_is_missing") else {
        return;
    };
    let log = voted_log();
    fs::remove_dir_all(log.path().join("log/models")).unwrap();
    browser.open_file(&page_of(log.path()));
    let said = said_of_the_last(&mut browser);
    assert!(said[4].contains("member 5"), "{said:?}");
    let all = browser.ask("document.getElementById('details').textContent");
    assert!(all.as_str().unwrap().contains("put it there"), "{all}");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// For people, in the folder of the other pictures.
fn picture(browser: &mut Browser) {
    let folder = std::env::temp_dir().join("conclave-timeline-page");
    fs::create_dir_all(&folder).unwrap();
    write(&folder, &browser.picture("light"));
}

fn write(folder: &Path, picture: &str) {
    let html = format!("<img src=\"data:image/png;base64,{picture}\">");
    fs::write(folder.join("votes.html"), html).unwrap();
}
