//! What people and programs read, word for word. `UPDATE_GOLDEN=1` writes the files anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use common::{replay, tell};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static TOLD: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    tell(directory.path());
    directory
});

/// Runs the binary on the story and compares what it prints with the stored file.
#[track_caller]
fn check(file: &str, arguments: &str) {
    let answer = replay(TOLD.path(), arguments);
    assert_eq!(answer.code, 0, "{answer:?}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &answer.out).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(answer.out, golden, "replay {arguments}");
}

#[test]
fn the_timeline() {
    check("timeline.txt", "--from 0");
    check("timeline.jsonl", "--from 0 --output json");
}

#[test]
fn the_verification() {
    check("verify.txt", "verify");
    check("verify.json", "verify --output json");
}

#[test]
fn states() {
    check("state-0.txt", "state --at 0");
    check("state-15.txt", "state --at 15");
    check("state-17.json", "state --at 17 --output json");
    check("state-18.txt", "state --at 18 --pool lab");
    check("state-20.txt", "state --at 20");
}

#[test]
fn why() {
    // Waited, granted by another's release, running.
    check("why-b-1.txt", "why --request b-1");
    check("why-b-1-at-14.txt", "why --request b-1 --at 14");
    // Waits for its tenant's limit, then is cancelled.
    check("why-b-2-at-18.txt", "why --request b-2 --at 18");
    check("why-b-2.json", "why --request b-2 --output json");
    // Put off by the council; refused at once; granted at once.
    check("why-c-1-at-17.txt", "why --request c-1 --at 17");
    check("why-x-1.txt", "why --request x-1");
    check("why-a-2.txt", "why --request a-2");
}

#[test]
fn help_has_examples_and_exit_codes() {
    for (file, arguments) in [
        ("help.txt", "--help"),
        ("help-verify.txt", "verify --help"),
        ("help-state.txt", "state --help"),
        ("help-why.txt", "why --help"),
        ("help-timeline.txt", "timeline --help"),
    ] {
        check(file, arguments);
    }
}
