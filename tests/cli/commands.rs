//! The program against a data directory: golden outputs, exit codes, papers.

use crate::tale::{LAST, conclave, go_on, program, tell, told};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares an output with a golden file. `UPDATE_GOLDEN=1` writes the files anew.
#[track_caller]
fn golden(file: &str, arguments: &str) {
    let answer = conclave(arguments, Some(told()));
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer:?}");
    compare(file, &answer.out, arguments);
}

#[track_caller]
pub(crate) fn compare(file: &str, out: &str, arguments: &str) {
    let path = root().join("tests/cli/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, out).unwrap();
    }
    assert_eq!(out, fs::read_to_string(&path).unwrap(), "conclave {arguments}");
}

#[test]
fn people_read_tables() {
    for (file, arguments) in [
        ("status.txt", "status"),
        ("status-p.txt", "status p"),
        ("status-at-4.txt", "status --at 4"),
        ("queue.txt", "queue p"),
        ("queue-first.txt", "queue p --limit 1"),
        ("queue-put-off.txt", "queue q"),
        ("nodes.txt", "nodes p"),
        ("quota.txt", "quota p"),
        ("requests.txt", "requests p"),
        ("requests-waiting.txt", "requests p --stage waiting"),
        ("request-running.txt", "requests p --request sweep"),
        ("request-waiting.txt", "requests p --request late-2"),
        ("tail.txt", "tail --from 17 --count 3"),
        ("top.txt", "top --once"),
    ] {
        golden(file, arguments);
    }
}

#[test]
fn programs_read_json() {
    for (file, arguments) in [
        ("status.json", "status --output json"),
        ("queue.json", "queue p --limit 2 --output json"),
        ("nodes.json", "nodes p --output json"),
        ("quota.json", "quota p --output json"),
        ("request.json", "requests p --request train-1 --output json"),
    ] {
        golden(file, arguments);
    }
}

#[test]
fn every_help_has_examples_that_can_be_parsed() {
    let help = conclave("--help", None);
    let names = help.out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<&str> = names
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for name in names {
        let is_described =
            page.contains(&format!("| `{name}")) || ["demo", "place"].contains(&name);
        assert!(is_described, "docs/cli.md lacks {name}");
        let answer = conclave(&format!("{name} --help"), None);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(
            answer.out.contains(&format!("\n  conclave {name}")),
            "{name} --help shows no example of it: {}",
            answer.out
        );
    }
}

#[test]
fn a_data_directory_is_called_alike_in_every_help() {
    for name in ["archive", "council shadow", "council keep", "validate"] {
        let help = conclave(&format!("{name} --help"), None);
        let out = &help.out;
        assert!(out.contains("--data <DIR>") && !out.contains("--log"), "{name}: {out}");
    }
}

/// The names of all fields of `json`, but those that are a command's own.
fn names_in(json: &serde_json::Value, names: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                if !["policy", "ask", "blocked_by"].contains(&name.as_str()) {
                    names_in(value, names);
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|it| names_in(it, names)),
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let mut names = BTreeSet::new();
    for arguments in [
        "status",
        "status p",
        "queue q",
        "queue p",
        "nodes p",
        "quota p",
        "requests p",
        "requests p --request sweep",
    ] {
        let answer = conclave(&format!("{arguments} --output json"), Some(told()));
        names_in(&answer.json(), &mut names);
    }
    assert!(names.len() > 50, "{names:?}");
    let is_missing = |name: &&String| {
        !page.contains(&format!("`{name}`")) && !page.contains(&format!("`{name}[]`"))
    };
    let missing: Vec<&String> = names.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/cli.md lacks {missing:?}");
}

#[test]
fn papers_come_from_the_same_description() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = conclave(&format!("completions {shell}"), None);
        assert_eq!(script.code, 0, "{script:?}");
        assert!(script.out.contains("submit"), "{shell}");
    }
    let page = conclave("man", None);
    assert!(page.out.contains(".TH conclave 1"), "{page:?}");
    let directory = tempfile::tempdir().unwrap();
    let written = conclave(&format!("man --dir '{}'", directory.path().display()), None);
    assert_eq!(written.code, 0, "{written:?}");
    assert!(directory.path().join("conclave-submit.1").exists());
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (arguments, said) in [
        ("queue", "name the pool: one of p, q"),
        ("queue x", "there is no pool 'x': use one of p, q"),
        ("requests p --request nobody", "conclave explain nobody"),
        ("requests p --stage asleep", "waiting, deferred, running"),
        ("status --at x", "whole number, 0 or more"),
        ("status --server http://localhost:1", "cannot be used with"),
        ("nodes p drain a", "commands go to a service"),
        ("quota p set x --limit 2 --at 3", "commands go to a service"),
        ("top", "--once"),
        ("explain nobody --pool p", "nobody asked for request 'nobody'"),
    ] {
        let answer = conclave(arguments, Some(told()));
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments}: {answer:?}");
        assert!(answer.err.contains(said), "{arguments}: {answer:?}");
    }
    for (arguments, said) in [
        ("status --server localhost:7070", "write it as http://127.0.0.1:7070"),
        ("renew x --for soon", "2h30m"),
        ("quota set x --limit 1.2345", "three decimals"),
        ("submit no-such-file", "no-such-file cannot be read"),
        ("submit -", "holds no command"),
        ("status --token-file no-such-file", "no-such-file"),
    ] {
        let answer = conclave(arguments, None);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments}: {answer:?}");
        assert!(answer.err.contains(said), "{arguments}: {answer:?}");
    }
}

#[test]
fn a_log_is_followed_while_somebody_writes_to_it() {
    let directory = tell();
    let arguments = format!("tail --from {LAST} --count 2 --output json");
    let mut tail = program(&arguments, Some(directory.path()));
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut offset = || -> i64 {
        let decision: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        decision["offset"].as_i64().unwrap()
    };
    assert_eq!(offset(), LAST);
    go_on(directory.path());
    assert_eq!(offset(), LAST + 1);
    assert!(tail.wait().unwrap().success());
}

#[test]
fn what_is_not_there_is_3() {
    let answer = conclave(&format!("status --at {}", LAST + 1), Some(told()));
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.err.contains("the last one is 22"), "{answer:?}");
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for arguments in ["status", "cancel x --pool p", "tail", "top --once"] {
        let answer = conclave(&format!("{arguments} --server {nowhere}"), None);
        assert_eq!((answer.code, answer.out.as_str()), (3, ""), "{arguments}: {answer:?}");
        assert!(answer.err.contains("conclave serve --data DIR"), "{arguments}: {answer:?}");
    }
}
