//! kill -9 at random moments of the demo: after each of them the log is sound and nothing that
//! stood in it is gone, and the run that goes on arrives at the head of the run that was never
//! killed.
//!
//! `CONCLAVE_KILLS` kills, 50 by default; `CONCLAVE_SEED` chooses other moments.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::council::{CouncilSeat, Models};
use conclave::error::ErrorKind;
use conclave::log::rocks::RocksReader;
use conclave::log::{LogReader, heads};
use conclave::verify::verify;
use conclave_core::placement::draw::Draw;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KILLS_DEFAULT: usize = 50;
const REQUESTS: &str = "4000";

fn from_environment(name: &str, default: usize) -> usize {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn demo(directory: &Path, durability: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["demo", "--headless", "--output", "json", "--requests", REQUESTS]);
    command.args(["--durability", durability, "--data"]);
    command.arg(directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn head(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    summary["chain_head"].as_str().unwrap().to_owned()
}

/// How many commands were accepted and decided; `None` when the run was killed before its log was
/// there: then nothing was acknowledged yet.
fn check_log(directory: &Path) -> Option<(i64, i64)> {
    if !directory.join("VERSION").exists() {
        return None;
    }
    let reader = match RocksReader::open(directory) {
        Err(error) if error.kind == ErrorKind::Unavailable => {
            assert!(error.message.contains("no log yet"), "{error}");
            return None;
        }
        reader => reader.unwrap_or_else(|error| panic!("{error}")),
    };
    // The demo's council lies beside its log.
    let mut seat = CouncilSeat::new(Models::beside(directory));
    let report = verify(&reader, 0, &mut seat).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let ends = reader.ends().unwrap();
    let named = heads::read(directory).unwrap().expect("it is there before the store is");
    let is_there =
        named.commands_next <= ends.commands_next && named.decisions_next <= ends.decisions_next;
    assert!(is_there, "{named:?} is named, and {ends:?} is there");
    Some((ends.commands_next.0, ends.decisions_next.0))
}

/// A run that is killed again and again until it ends by itself.
struct Run {
    directory: TempDir,
    durability: &'static str,
    stood: (i64, i64),
}

impl Run {
    fn new(durability: &'static str) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), durability, stood: (0, 0) }
    }

    /// Lives for `span`; the head when it ended by itself before.
    fn live(&mut self, span: Duration) -> Option<String> {
        let mut child = demo(self.directory.path(), self.durability);
        let started = Instant::now();
        while started.elapsed() < span {
            if child.try_wait().unwrap().is_some() {
                return Some(head(&child.wait_with_output().unwrap()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // No log yet is an answer only while nothing stood in it.
        let stands = check_log(self.directory.path()).unwrap_or((0, 0));
        let (commands, decisions) = self.stood;
        let stood = self.stood;
        assert!(stands.0 >= commands && stands.1 >= decisions, "{stands:?} of {stood:?}");
        self.stood = stands;
        None
    }
}

#[test]
fn a_killed_demo_goes_on_where_its_log_ends_and_arrives_at_the_same_head() {
    let kills_wanted = from_environment("CONCLAVE_KILLS", KILLS_DEFAULT);
    // Short enough that most runs are killed several times before they end.
    kill("os", kills_wanted, |calm_ms| calm_ms / 2 + 20);
}

/// A kill takes what was not flushed yet, and never anything in the middle: what has been read once
/// after a kill is there after the next one.
#[test]
fn without_a_write_ahead_log_a_kill_takes_the_newest_and_nothing_else() {
    let kills_wanted = from_environment("CONCLAVE_KILLS", KILLS_DEFAULT) / 4 + 1;
    kill("none", kills_wanted, |calm_ms| calm_ms * 2 + 20);
}

fn kill(durability: &'static str, kills_wanted: usize, span_ms_max: fn(usize) -> usize) {
    let seed = from_environment("CONCLAVE_SEED", 1);
    let mut draw = Draw::new(u64::try_from(seed).unwrap());
    let started = Instant::now();
    let calm = tempfile::tempdir().unwrap();
    let expected = head(&demo(calm.path(), durability).wait_with_output().unwrap());
    let span_ms_max = span_ms_max(usize::try_from(started.elapsed().as_millis()).unwrap());
    let (mut kills, mut endings) = (0, 0);
    let mut run = Run::new(durability);
    while kills < kills_wanted {
        let span_ms = 5 + draw.below(span_ms_max);
        match run.live(Duration::from_millis(u64::try_from(span_ms).unwrap())) {
            None => kills += 1,
            Some(head) => {
                assert_eq!(head, expected, "seed {seed}, after {kills} kills");
                endings += 1;
                run = Run::new(durability);
            }
        }
    }
    let last = head(&demo(run.directory.path(), durability).wait_with_output().unwrap());
    assert_eq!(last, expected, "seed {seed}, after {kills} kills");
    check_log(run.directory.path()).expect("it ended");
    println!("{durability}: {kills} kills, {} runs to the end, seed {seed}", endings + 1);
}
