//! A partition that waits for the file of its council says so wherever people look.

use crate::council::{untrained_id, write};
use crate::members::advised;
use crate::served::{Served, request, write_private};
use conclave::council::keep;
use serde_json::Value;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What `conclave` does with these arguments.
pub(crate) fn conclave(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.env_remove("CONCLAVE_SERVER").env_remove("CONCLAVE_TOKEN");
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is said of the partition.
#[track_caller]
fn check_says(said: &str) {
    let file = format!("its file {}.council is not in", untrained_id().0);
    for words in ["partition 0 waits with ", &file, "put it there", "council-missing.md"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// The findings of `conclave check` where the service runs, by what was looked at.
fn checked(served: &Served) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("check.toml");
    let (data, listen) = (served.data(), &served.address);
    write_private(&config, &format!("data = '{}'\nlisten = '{listen}'\n", data.display()));
    let said = conclave(&["check", "--output", "json", "--config", config.to_str().unwrap()]);
    let findings: Value = serde_json::from_slice(&said.stdout).unwrap();
    let named = findings["findings"].as_array().unwrap().iter();
    let named = named.map(|one| (one["part"].as_str().unwrap().to_owned(), one.clone()));
    (said.status.code(), Value::Object(named.collect()))
}

#[test]
fn a_partition_that_waits_for_its_council_says_so_wherever_people_look() {
    let mut served = advised("[http]\nrequest_timeout_ms = 3000\n");
    let (code, findings) = checked(&served);
    assert_eq!(code, Some(0), "{findings}");
    assert_eq!(findings["service"]["detail"], "it accepts and decides", "{findings}");
    served.signal("TERM");
    assert!(served.ended());
    std::fs::remove_dir_all(served.data().join("models")).unwrap();
    served.start_again();
    let server = format!("http://{}", served.address);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("request.json");
    std::fs::write(&file, request("train-1", "vision", 1, "1h").to_string()).unwrap();
    let sent = conclave(&["submit", file.to_str().unwrap(), "--wait", "--server", &server]);
    assert_eq!(sent.status.code(), Some(3), "{sent:?}");
    let err = text(&sent.stderr);
    let (meanwhile, at_last): (Vec<_>, Vec<_>) =
        err.lines().partition(|line| line.contains("not decided yet"));
    // Once each time that there is something new to say.
    check_says(meanwhile.first().expect("it is said while it waits"));
    check_says(at_last.iter().find(|line| line.contains("it was not decided within")).unwrap());

    let status = served.get_json("/v1/status");
    check_says(&format!("partition 0 waits with {} council-missing.md", status["awaiting"][0]));
    let data = served.data();
    let beside = ["status", "--data", data.to_str().unwrap()];
    for arguments in [&["status", "--server", &server], &beside] {
        let said = conclave(arguments);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        check_says(&text(&said.stdout));
    }
    check_says(&text(&served.get("/readyz").body.into_bytes()));
    let (code, findings) = checked(&served);
    assert_eq!(code, Some(1), "{findings}");
    for part in ["service", "council"] {
        assert_eq!(findings[part]["ok"], false, "{findings}");
        check_says(findings[part]["detail"].as_str().unwrap());
    }

    // Once it is there, nothing is said any more.
    keep(&write(directory.path()), &served.data()).unwrap();
    let since = Instant::now();
    while !served.get_json("/v1/status")["awaiting"].is_null() {
        assert!(since.elapsed() < Duration::from_secs(20), "it still waits");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, findings) = checked(&served);
    assert_eq!(code, Some(0), "{findings}");
}
