//! The timeline page, opened in a real browser: what is on it, what keys and filters do, and that
//! it asks nobody for anything. Without a browser on the machine the tests say SKIPPED.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../../tests/system_common/council.rs"]
mod council;
mod service;
mod votes;

use browser::{Browser, browser};
use common::{asks, decide_all, open, replay, story};
use conclave::demo::{self, Scale, Source};
use conclave::log::rocks::OpenOptions;
use conclave_core::command::PlacementPolicy;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A name that would be a program, one that is read from right to left, one that is very long.
const SCRIPT: &str = "<script>window.broken=1</script>\"'&";
const HEBREW: &str = "\u{202e}\u{5d0}\u{5d1}\u{5d2}";

/// The story of the other tests, and requests with names that nobody should choose.
fn nasty_log() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut tale = story();
    let long = "x".repeat(120);
    for (name, at) in [SCRIPT, HEBREW, &long].into_iter().zip(34 * 60_000..) {
        tale.push(asks(at, "team-a", name, 1, 5));
    }
    drop(decide_all(open(&directory.path().join("log")), &tale));
    directory
}

/// Writes the page of the log in `folder/log` and returns where it is.
pub(crate) fn page_of(folder: &Path) -> PathBuf {
    let html = folder.join("page.html");
    let answer = replay(&folder.join("log"), &format!("timeline --html {}", html.display()));
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.out.contains(" request"), "{answer:?}");
    html
}

/// A number that the page's own script works out.
fn number(browser: &mut Browser, expression: &str) -> i64 {
    browser.ask(expression).as_i64().expect(expression)
}

const ROWS_IN_SIGHT: &str = "document.querySelectorAll('.row:not([hidden])').length";

#[test]
fn it_shows_what_happened_and_asks_nobody() {
    let Some(mut browser) = browser("it_shows_what_happened_and_asks_nobody") else { return };
    let log = nasty_log();
    browser.open_file(&page_of(log.path()));
    // Ten were asked for in the story, three after it.
    let all = number(&mut browser, "Conclave.page.model.rows");
    assert_eq!(number(&mut browser, ROWS_IN_SIGHT), all);
    assert!(all >= 10, "{all}");
    assert!(number(&mut browser, "document.querySelectorAll('#legend span').length") >= 5);
    assert_eq!(number(&mut browser, "Conclave.page.model.data.heat.node.length"), 2);
    let heat = browser.ask("document.getElementById('heat').getAttribute('aria-label')");
    assert!(heat.as_str().unwrap().contains("each of 2 nodes"), "{heat}");

    filter(&mut browser, all);
    details(&mut browser);
    nodes(&mut browser);
    names_are_text(&mut browser);
    assert_eq!(browser.complaints, Vec::<String>::new());
    let outside: Vec<_> = browser.asked_for.iter().filter(|url| !is_local(url)).collect();
    assert!(outside.is_empty(), "{outside:?}");
    pictures(&mut browser);
}

fn is_local(url: &str) -> bool {
    ["file:", "data:", "about:", "chrome:"].iter().any(|scheme| url.starts_with(scheme))
}

/// Typing leaves fewer rows, in the document as well; Esc brings all of them back.
fn filter(browser: &mut Browser, all: i64) {
    for text in ["tenant:team-b", "state:refused", "blocker:quota", "node:n1", "a-1"] {
        browser.press("/");
        browser.type_text(text);
        let left = number(browser, ROWS_IN_SIGHT);
        assert!(0 < left && left < all, "{text} leaves {left} of {all}");
        browser.press("Escape");
        assert_eq!(number(browser, ROWS_IN_SIGHT), all, "after {text}");
    }
    browser.press("/");
    browser.type_text("nobody is called so");
    assert_eq!(number(browser, ROWS_IN_SIGHT), 0);
    assert_eq!(browser.ask("document.getElementById('nothing').hidden"), false);
    browser.press("Escape");
}

/// Arrows choose a request, Enter opens it, with what happened and the decision as JSON.
fn details(browser: &mut Browser) {
    browser.press("/");
    browser.type_text("request:a-2");
    browser.press("Enter");
    browser.press("ArrowDown");
    browser.press("Enter");
    let chosen = "document.querySelector('.row[aria-selected=true]').getAttribute('aria-label')";
    let chosen = browser.ask(chosen);
    assert!(chosen.as_str().unwrap().starts_with("a-2 of team-a"), "{chosen}");
    let story = browser.ask("document.querySelector('.story').textContent");
    for word in ["approved", "running", "n2[0,1]", "renewed"] {
        assert!(story.as_str().unwrap().contains(word), "{word} in {story}");
    }
    let decision = browser.ask("JSON.parse(document.querySelector('.details pre').textContent)");
    assert_eq!(decision["kind"], "RequestAllocation");
    assert_eq!(decision["events"][0]["event"], "RequestAdmitted");
    browser.press("Escape");
    assert_eq!(browser.ask("document.getElementById('details').hidden"), true);
    browser.press("Escape");
}

/// Arrows walk over the heat map and say what is there; zooming changes the time that is shown.
fn nodes(browser: &mut Browser) {
    browser.press("n");
    browser.press("ArrowDown");
    let said = browser.ask("document.getElementById('tip').textContent");
    assert!(said.as_str().unwrap().contains("% allocated"), "{said}");
    browser.ask("document.getElementById('rows').focus()");
    let span = "Math.round(Conclave.page.view.until - Conclave.page.view.from)";
    let whole = number(browser, span);
    browser.press("+");
    assert!(number(browser, span) < whole);
    browser.press("0");
    assert_eq!(number(browser, span), whole);
}

fn names_are_text(browser: &mut Browser) {
    assert_eq!(browser.ask("typeof window.broken"), "undefined");
    let names = browser.ask(
        "[...document.querySelectorAll('.row:not([hidden]) .row-name')].map(n => n.textContent)",
    );
    for name in [SCRIPT, HEBREW] {
        assert!(names.as_array().unwrap().iter().any(|shown| shown == name), "{names}");
    }
    let rows = number(
        browser,
        "(dispatchEvent(new Event('beforeprint')), \
         document.querySelectorAll('#paper tbody tr').length)",
    );
    assert_eq!(rows, number(browser, "Conclave.page.rows.shown.length"));
    browser.ask("dispatchEvent(new Event('afterprint'))");
    assert_eq!(browser.ask("typeof window.broken"), "undefined");
}

/// Pictures for people, in a folder that stays; two schemes give two pictures.
fn pictures(browser: &mut Browser) {
    let folder = std::env::temp_dir().join("conclave-timeline-page");
    fs::create_dir_all(&folder).unwrap();
    let [light, dark] = ["light", "dark"].map(|scheme| {
        let picture = browser.picture(scheme);
        let html = format!("<img src=\"data:image/png;base64,{picture}\">");
        fs::write(folder.join(format!("{scheme}.html")), html).unwrap();
        picture
    });
    assert_ne!(light, dark, "a dark page looks different");
}

#[test]
fn ten_thousand_requests_open_and_scroll() {
    let Some(mut browser) = browser("ten_thousand_requests_open_and_scroll") else { return };
    let log = tempfile::tempdir().unwrap();
    let placement = PlacementPolicy::Fgd;
    let scale = Scale { nodes_permille: 50, time_permille: None, placement };
    let workload = scale.apply(&Source::synthetic(42, 10_000));
    demo::run(&workload, &log.path().join("log"), &OpenOptions::default(), |_, _| {}).unwrap();
    browser.open_file(&page_of(log.path()));
    assert_eq!(number(&mut browser, "Conclave.page.model.rows"), 10_000);
    // Only what is in sight is in the document, wherever one scrolls.
    assert!(number(&mut browser, ROWS_IN_SIGHT) < 100);
    let opened = number(&mut browser, "Math.round(Conclave.page.opened_ms)");
    let scrolled = browser.ask(SCROLL);
    assert!(number(&mut browser, ROWS_IN_SIGHT) < 100);
    let typed = number(
        &mut browser,
        "(() => { const began = performance.now(); \
         Conclave.page.filterBy('blocker:room'); \
         return Math.round(performance.now() - began); })()",
    );
    let mut stderr = std::io::stderr();
    writeln!(
        stderr,
        "10,000 requests: open after {opened} ms, filtered in {typed} ms, frames \
         while scrolling {scrolled}"
    )
    .unwrap();
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Scrolls 200 frames by two rows each and says how long frames were.
const SCROLL: &str = "new Promise(done => {
    const box = document.getElementById('rows'), frames = [];
    let last = performance.now();
    const step = now => {
        frames.push(now - last);
        last = now;
        box.scrollTop += 44;
        if (frames.length < 200) return requestAnimationFrame(step);
        frames.sort((one, other) => one - other);
        done({ median_ms: Math.round(frames[100]), p95_ms: Math.round(frames[190]) });
    };
    requestAnimationFrame(step);
})";

#[test]
fn a_log_without_requests_says_so() {
    let Some(mut browser) = browser("a_log_without_requests_says_so") else { return };
    for commands in [0, 3] {
        let folder = tempfile::tempdir().unwrap();
        drop(decide_all(open(&folder.path().join("log")), &story()[..commands]));
        browser.open_file(&page_of(folder.path()));
        let said = browser.ask("document.getElementById('nothing').textContent");
        assert_eq!(said, "Nobody has asked for anything yet.");
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_live_page_follows_a_service_and_shows_its_past() {
    let Some(mut browser) = browser("a_live_page_follows_a_service_and_shows_its_past") else {
        return;
    };
    let log = nasty_log();
    let address = service::start(&[log.path().join("log")]);
    sign_in(&mut browser, &address);
    let now = number(&mut browser, "Conclave.page.model.rows");
    let said = browser.ask("document.getElementById('moment-text').textContent");
    assert!(said.as_str().unwrap().starts_with("Now: right after decision 23"), "{said}");
    browser.ask(
        "{ const moment = document.getElementById('moment'); moment.value = 8; \
         moment.dispatchEvent(new Event('input')); }",
    );
    browser.wait_for("Conclave.page.model.data.until === 8");
    let said = browser.ask("document.getElementById('moment-text').textContent");
    assert!(said.as_str().unwrap().starts_with("Past: right after decision 8"), "{said}");
    assert!(number(&mut browser, "Conclave.page.model.rows") < now);
    browser.ask("document.getElementById('now').click()");
    browser.wait_for("Conclave.page.model.data.until === 23");
    browser.ask("document.getElementById('rows').focus()");
    browser.press("Enter");
    browser.wait_for("document.querySelector('.details pre').textContent.includes('offset')");
    // One answer of 401 is what the story is about; nothing else went wrong.
    browser.complaints.retain(|complaint| !complaint.contains("401"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_live_page_shows_the_partition_that_is_chosen() {
    let Some(mut browser) = browser("a_live_page_shows_the_partition_that_is_chosen") else {
        return;
    };
    let (folder, mut other) = (nasty_log(), story());
    other.truncate(9);
    let logs = ["log", "other"].map(|name| folder.path().join(name));
    drop(decide_all(open(&logs[1]), &other));
    let address = service::start(&logs);
    sign_in(&mut browser, &address);
    let names = "[...document.getElementById('pool').options].map(o => o.textContent).join()";
    assert_eq!(browser.ask(names), "all of partition 0,all of partition 1,main");
    let chosen = "document.getElementById('pool').selectedIndex";
    assert_eq!(number(&mut browser, chosen), 0);
    let first = number(&mut browser, "Conclave.page.model.rows");

    choose(&mut browser, 1);
    assert_eq!(number(&mut browser, chosen), 1);
    assert!(number(&mut browser, "Conclave.page.model.rows") < first);
    let said = browser.ask("document.getElementById('moment-text').textContent");
    let now = "Now: right after decision 8 of partition 1";
    assert!(said.as_str().unwrap().starts_with(now), "{said}");
    let about = browser.ask("document.getElementById('about').textContent");
    assert!(about.as_str().unwrap().contains("partition 1"), "{about}");
    // A decision and what comes are asked for where they are.
    browser.ask("document.getElementById('rows').focus()");
    browser.press("Enter");
    browser.wait_for("document.querySelector('.details pre').textContent.includes('offset')");
    browser.press("Escape");
    let asked = browser.asked_for.clone();
    let has_asked = |path: &str| asked.iter().any(|url| *url == format!("{address}{path}"));
    assert!(has_asked("v1/decisions/stream?from=9&partition=1"), "{asked:?}");
    let of_a_decision = |url: &String| !url.contains("stream") && url.contains("/decisions/");
    let decisions: Vec<_> = asked.iter().filter(|url| of_a_decision(url)).collect();
    let is_there = |url: &&String| url.ends_with("?partition=1");
    assert!(!decisions.is_empty() && decisions.iter().all(is_there), "{decisions:?}");

    choose(&mut browser, 0);
    assert_eq!(number(&mut browser, "Conclave.page.model.rows"), first);
    browser.complaints.retain(|complaint| !complaint.contains("401"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Opens the page of a service that wants a token, and gives it one.
fn sign_in(browser: &mut Browser, address: &str) {
    browser.open(address);
    browser.wait_for("!document.getElementById('token-form').hidden");
    browser.ask("document.getElementById('token').focus()");
    browser.type_text(service::TOKEN);
    browser.press("Enter");
    browser.wait_for("Conclave.page.model !== null");
}

/// Chooses all of a partition, and waits until that is shown.
fn choose(browser: &mut Browser, partition: i64) {
    browser.ask(&format!(
        "{{ const pool = document.getElementById('pool'); pool.selectedIndex = {partition}; \
         pool.dispatchEvent(new Event('change')); }}"
    ));
    browser.wait_for(&format!("(Conclave.page.model.data.partition || 0) === {partition}"));
    browser.settle();
}

#[test]
fn the_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    drop(decide_all(open(&log), &story()));
    let html = folder.path().join("page.html");
    let ask = |more: &str| replay(&log, &format!("timeline --html {} {more}", html.display()));
    for (more, code) in
        [("--pool nowhere", 2), ("--from 99", 3), ("--from 5 --until 4", 2), ("--from 3", 0)]
    {
        let answer = ask(more);
        assert_eq!(answer.code, code, "{more}: {answer:?}");
        assert_eq!(html.exists(), code == 0, "{more}");
    }
    fs::write(&html, "mine").unwrap();
    let answer = ask("");
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.err.contains("--force"), "{answer:?}");
    assert_eq!(fs::read_to_string(&html).unwrap(), "mine");
    assert_eq!(ask("--force").code, 0);
    assert!(fs::read_to_string(&html).unwrap().ends_with("</html>\n"));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "only the log and the page: {left:?}");
}
