//! Filters, exit codes, and reading beside a writer: the real binary on small logs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use common::{
    STORY, ask, commit_body, commit_changed, decide_all, one_more, open, replay, story, tell,
};
use conclave::archive::{Archived, Plan, make};
use conclave::log::archive::Origin;
use conclave::log::rocks::RocksReader;
use conclave::log::{EventLog, LogReader};
use conclave_core::units::{Offset, TimeMs};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use tempfile::TempDir;

static TOLD: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    tell(directory.path());
    directory
});

/// The offsets that a timeline shows.
#[track_caller]
fn offsets(directory: &Path, arguments: &str) -> Vec<i64> {
    let answer = replay(directory, &format!("{arguments} --output json"));
    assert_eq!(answer.code, 0, "{answer:?}");
    let offset = |line: &str| -> i64 {
        let decision: serde_json::Value = serde_json::from_str(line).unwrap();
        decision["offset"].as_i64().unwrap()
    };
    answer.out.lines().map(offset).collect()
}

#[test]
fn filters_narrow_what_is_shown() {
    let all: Vec<i64> = (0..STORY).collect();
    for (arguments, expected) in [
        ("--from 0", all.clone()),
        ("--from 18", vec![18, 19, 20]),
        ("--from 3 --until 5", vec![3, 4, 5]),
        ("--from 19 --until 500", vec![19, 20]),
        ("--from 0 --kind openlog", vec![0]),
        ("--from 0 --kind RequestAllocation --tenant team-a", vec![6, 7, 17]),
        ("--from 0 --kind LEASEGRANTED", vec![6, 7, 15]),
        ("--from 0 --kind unreadable", vec![12]),
        // Its admission, the repetition, and its grant in the decision that freed the GPUs.
        ("--from 0 --request b-1", vec![8, 11, 15]),
        ("--from 9 --request b-1 --kind ReleaseLease", vec![15]),
        ("--from 0 --tenant team-b --kind QuotaSet", vec![5]),
        ("--from 0 --pool elsewhere", vec![]),
    ] {
        assert_eq!(offsets(TOLD.path(), arguments), expected, "{arguments}");
    }
    // The tick is about no pool, but the deferral that came due in it is.
    let of_pool: Vec<i64> = all.into_iter().filter(|offset| ![0, 12].contains(offset)).collect();
    assert_eq!(offsets(TOLD.path(), "--from 0 --pool lab"), of_pool);
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (arguments, said) in [
        ("--from 0 --kind Nonsense", "RequestAllocation"),
        ("--from -1", "--from"),
        ("--from x", "whole number"),
        ("--from 5 --until 3", "before --from"),
        ("verify --expect-head abc", "64 hexadecimal"),
        ("state --at 20 --pool nowhere", "pools: lab"),
        ("state", "--at"),
        ("why", "--request"),
        ("why --request nobody", "check the spelling"),
        ("why --request b-1 --pool elsewhere", "in pool 'elsewhere'"),
        ("why --request b-1 --at 7", "up to decision 7"),
    ] {
        let answer = replay(TOLD.path(), arguments);
        assert_eq!(answer.code, 2, "{arguments}: {answer:?}");
        assert!(answer.err.contains(said), "{arguments}: {answer:?}");
        assert_eq!(answer.out, "", "{arguments}");
    }
}

#[test]
fn only_a_data_directory_of_this_format_is_read() {
    let other = tempfile::tempdir().unwrap();
    drop(open(other.path()));
    let version = other.path().join("VERSION");
    let text = fs::read_to_string(&version).unwrap().replace('1', "9");
    fs::write(&version, text).unwrap();
    let empty = tempfile::tempdir().unwrap();
    for (directory, said) in [(other.path(), "format 9"), (empty.path(), "not a data directory")] {
        for arguments in ["--from 0", "verify", "state --at 0"] {
            let answer = replay(directory, arguments);
            assert_eq!(answer.code, 2, "{answer:?}");
            assert!(answer.err.contains(said), "{answer:?}");
        }
    }
}

#[test]
fn what_is_not_there_yet_is_3() {
    for arguments in
        ["--from 21", "state --at 21", "verify --until 21", "why --request b-1 --at 21"]
    {
        let answer = replay(TOLD.path(), arguments);
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.err.contains("the last one is 20"), "{answer:?}");
    }
    let fresh = tempfile::tempdir().unwrap();
    drop(open(fresh.path()));
    assert_eq!(replay(fresh.path(), "--from 0").code, 3);
    assert_eq!(replay(fresh.path(), "verify").code, 0);
}

#[test]
fn the_expected_head_is_the_last_one_or_named_where_it_is() {
    let head = |arguments: &str| {
        let report = replay(TOLD.path(), &format!("verify --output json {arguments}")).json();
        report["chain_head"].as_str().unwrap().to_owned()
    };
    let (last, earlier) = (head(""), head("--until 9"));
    let wrong = "00".repeat(32);
    for (arguments, code, said) in [
        (format!("--expect-head {last}"), 0, "is the expected one"),
        (format!("--expect-head {wrong}"), 1, "nowhere in this log"),
        (format!("--expect-head {earlier}"), 1, "--until 9"),
        (format!("--expect-head {earlier} --until 9"), 0, "is the expected one"),
    ] {
        let answer = replay(TOLD.path(), &format!("verify {arguments}"));
        assert_eq!(answer.code, code, "{answer:?}");
        assert!(answer.out.contains(said), "{answer:?}");
    }
}

#[test]
fn a_replaced_decision_in_an_unbroken_chain_is_1_and_does_not_spread() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = decide_all(open(directory.path()), &story());
    commit_changed(&mut log, one_more(0), |decision| decision.events.clear());
    drop(decide_all(log, &[one_more(1), one_more(2)]));
    let answer = replay(directory.path(), "verify --output json");
    assert_eq!(answer.code, 1, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["divergences"], 1);
    assert_eq!(report["verified"], STORY + 2);
    assert_eq!(report["first_divergences"][0]["offset"], STORY);
    assert_eq!(report["verdict"], "differs");
    let text = replay(directory.path(), "verify");
    assert!(text.out.contains(&format!("decision {STORY}: event 0: recorded none")), "{text:?}");
    assert!(!text.err.contains("panicked"), "{text:?}");
}

#[test]
fn a_decision_of_another_release_is_3() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = decide_all(open(directory.path()), &story());
    let offset = log.accept(&[one_more(0)]).unwrap();
    let mut body = log.decisions(Offset(0), 0).unwrap()[0].body.clone();
    body[0] = 8; // Avro's 4: the version is the first field.
    commit_body(&mut log, offset, body);
    drop(log);
    let answer = replay(directory.path(), "verify");
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.out.contains("decide_version 4"), "{answer:?}");
    // What came before it is still shown.
    let answer = replay(directory.path(), "--from 20");
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.out.contains("RenewLease"), "{answer:?}");
}

#[test]
fn a_running_writer_is_read_beside_and_followed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = decide_all(open(directory.path()), &story());
    for index in 0..3 {
        let last = STORY - 1 + index;
        let answer = replay(directory.path(), "verify");
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.err.contains(&format!("decisions up to offset {last}")), "{answer:?}");
        assert_eq!(offsets(directory.path(), &format!("--from {last}")), [last]);
        log = decide_all(log, &[one_more(index)]);
    }
    log.accept(&[one_more(10), one_more(11)]).unwrap();
    let answer = replay(directory.path(), "verify --output json");
    assert!(answer.err.contains("2 commands undecided"), "{answer:?}");
    assert_eq!((answer.code, &answer.json()["undecided"]), (0, &2.into()));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(["--from", "0", "--log"]).arg(TOLD.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn the_line_that_a_page_suggests_works_as_it_is_pasted() {
    let directory = tempfile::tempdir().unwrap();
    let (data, html) = (directory.path().join("our log"), directory.path().join("page.html"));
    drop(decide_all(open(&data), &story()));
    let answer = replay(&data, &format!("timeline --html {}", html.display()));
    assert_eq!(answer.code, 0, "{answer:?}");
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("replay --from ${offset} --until ${offset}${embedded.source}`"));
    let (_, rest) = page.split_once("\"source\":").unwrap();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let source = values.next().unwrap().unwrap();
    let line = format!("{} --from 3 --until 3{source}", env!("CARGO_BIN_EXE_replay"));
    let shown = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(shown.status.success(), "{line}: {shown:?}");
    assert!(String::from_utf8(shown.stdout).unwrap().trim_start().starts_with("3  "), "{line}");
}

#[test]
fn an_archive_answers_as_the_log_does() {
    let to = TOLD.path().with_extension("archive");
    let file = to.to_str().unwrap();
    let plan = Plan {
        models: conclave::council::Models::in_dirs([]),
        to: &to,
        origin: Origin::Directory,
        partition_count: 1,
        partitions: vec![(0, None)],
        schemas: vec![],
        made_at: TimeMs(0),
    };
    let made = make(&plan, |_| RocksReader::open(TOLD.path())).unwrap();
    assert!(matches!(made, Archived::Made { .. }));
    for arguments in [
        "--from 0",
        "--from 3 --output json",
        "state --at 20",
        "state --at 15 --output json",
        "why --request b-1",
        "why --request b-2 --output json",
    ] {
        let (here, there) = (replay(TOLD.path(), arguments), ask(arguments, &["--archive", file]));
        assert_eq!((here.code, there.code), (0, 0), "{arguments}: {here:?} {there:?}");
        assert_eq!(here.out, there.out, "{arguments}");
    }
    let html = to.with_extension("html");
    let page = format!("timeline --html {}", html.display());
    assert_eq!(ask(&page, &["--archive", file]).code, 0);
    let head = replay(TOLD.path(), "verify --output json").json()["chain_head"].clone();
    let verify = format!("verify --output json --expect-head {}", head.as_str().unwrap());
    let verified = ask(&verify, &["--archive", file]);
    assert_eq!((verified.code, &verified.json()["verified"]), (0, &STORY.into()), "{verified:?}");
    for (arguments, said) in [
        ("state --at 30", "there is no decision 30 yet"),
        ("verify --partition 1", "there is no partition 1"),
        ("--from 0 --isolation read_uncommitted", "holds what was committed"),
    ] {
        let answer = ask(arguments, &["--archive", file]);
        assert_ne!(answer.code, 0, "{arguments}: {answer:?}");
        assert!(answer.err.contains(said), "{arguments}: {answer:?}");
    }
    let mut bytes = fs::read(&to).unwrap();
    bytes[200] ^= 1;
    fs::write(&to, bytes).unwrap();
    let damaged = ask("--from 0", &["--archive", file]);
    assert_eq!((damaged.code, &*damaged.out), (4, ""), "{damaged:?}");
    assert!(damaged.err.contains("Use another copy"), "{damaged:?}");
    fs::remove_file(&to).unwrap();
    fs::remove_file(&html).unwrap();
}
