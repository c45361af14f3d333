//! Two pools of a small lab, and the program that is asked about them.

use crate::system_common::{
    HOUR, MINUTE, ask, command, drain, node, open_log, policy, quota, record, set,
};
use conclave::engine::Engine;
use conclave::fold::{Folded, fold};
use conclave::log::CommandRecord;
use conclave::log::EventLog;
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave_core::command::{Command, CouncilMode, Payload, SetPoolPolicy};
use conclave_core::seat::RuleSeat;
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The last decision of the tale.
pub(crate) const LAST: i64 = 20;

/// `p` runs train-1 of vision and sweep of batch; gang-1 waits so long that nobody overtakes it,
/// vision-2 is over its tenant's limit, and both late ones stand behind gang-1. In `q` the council
/// puts c-1 off.
fn tale() -> Vec<CommandRecord> {
    let council = CouncilMode::Enforce;
    let train = ask("train-1", "vision").gpus(4).on(&["A100"]).hours(4);
    let sweep = ask("sweep", "batch").replicas(2).on(&["A100"]).hours(4);
    let gang = ask("gang-1", "batch").gpus(4).on(&["A100"]).priority(7);
    let late = |name, tenant| ask(name, tenant).on(&["A100"]).into();
    let told: Vec<(i64, &str, Payload)> = vec![
        (0, "p", open_log()),
        (0, "p", set(policy())),
        (0, "q", set(SetPoolPolicy { council, ..policy() })),
        (0, "p", node("a", 4, "A100")),
        (0, "p", node("b", 4, "A100")),
        (0, "p", node("c", 2, "H100")),
        (0, "q", node("a", 2, "A100")),
        (0, "p", quota("vision", 2, 6)),
        (0, "p", quota("batch", 0, 10)),
        (0, "q", quota("batch", 0, 1)),
        (1_000, "p", train.into()),
        (2_000, "p", sweep.into()),
        (3_000, "p", gang.into()),
        (4_000, "p", ask("vision-2", "vision").gpus(4).into()),
        (5_000, "p", ask("tiny", "batch").slice(500).on(&["H100"]).hours(8).into()),
        (6_000, "p", drain("c")),
        (2 * HOUR, "p", late("late-1", "batch")),
        (2 * HOUR + MINUTE, "p", late("late-2", "vision")),
        (2 * HOUR + 2 * MINUTE, "q", ask("c-1", "batch").priority(1).hours(2).into()),
        (2 * HOUR + 3 * MINUTE, "q", ask("c-2", "nobody").into()),
        (2 * HOUR + 3 * MINUTE, "p", Payload::Tick),
    ];
    let sent = told.into_iter().zip(0..).map(|((at, pool, payload), index)| {
        let usual = command(&format!("c-{index}"), payload);
        let pool = if usual.pool.0.is_empty() { usual.pool.clone() } else { pool.into() };
        record(at, &Command { pool, ..usual })
    });
    sent.collect()
}

static TOLD: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let log = RocksLog::open(directory.path(), &OpenOptions::default()).unwrap();
    drop(decide_all(log, &tale()));
    directory
});

fn decide_all<L: EventLog>(log: L, commands: &[CommandRecord]) -> L {
    let (mut engine, _) = Engine::open(log, RuleSeat, 1_000_000).unwrap();
    engine.accept(commands).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    engine.close().unwrap()
}

/// The data directory of the tale.
pub(crate) fn told() -> &'static Path {
    TOLD.path()
}

/// What its log comes to.
pub(crate) fn folded() -> Folded {
    let log = conclave::log::rocks::RocksReader::open(told()).unwrap();
    fold(&log, 0, None).unwrap().0
}

/// What the program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect(&self.out)
    }
}

/// Runs `conclave`; an argument with spaces in it stands between single quotes.
pub(crate) fn conclave(arguments: &str, data: Option<&Path>) -> Answer {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_conclave"));
    program.args(words(arguments)).stdin(Stdio::null());
    if let Some(data) = data {
        program.arg("--data").arg(data);
    }
    // Nothing of whoever runs the tests: help is wrapped at the width of whoever asks.
    for name in ["COLUMNS", "CONCLAVE_SERVER", "CONCLAVE_TOKEN", "CONCLAVE_LOG"] {
        program.env_remove(name);
    }
    let output = program.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Answer { code, out: text(output.stdout), err: text(output.stderr) }
}

fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').zip([false, true].into_iter().cycle());
    let words = parts.flat_map(|(part, is_quoted)| match is_quoted {
        true => vec![part.to_owned()],
        false => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}
