//! The embedded engine under the same load, and what people ask about it.

use crate::deciding::count;
use crate::pace::{Answered, RATE, paced};
use crate::site::{POOL, Site, Size};
use crate::tables::pace_row;
use conclave::engine::Engine;
use conclave::explain::{Follower, explain, explain_live, follow, plan};
use conclave::log::rocks::{Durability, OpenOptions, RocksLog};
use conclave::log::{CommandRecord, Headers};
use conclave::report::budgets::BudgetsReport;
use conclave::report::fairness::FairnessReport;
use conclave::report::queue::{QueueReport, ROWS_DEFAULT};
use conclave::report::quotas::QuotasReport;
use conclave::report::viewer::Viewer;
use conclave::wire::encode_command;
use conclave_core::command::Command;
use conclave_core::decision::Decision;
use conclave_core::seat::RuleSeat;
use conclave_core::state::{Pool, State};
use conclave_core::units::{PoolId, RequestId, TimeMs};
use std::path::Path;
use std::time::Instant;

/// How often each question is asked; the middle time is shown, and the longest.
const TIMES: usize = 9;
/// Commands that are accepted at once while the pool is filled.
const BATCH: usize = 64;

/// The heads of the columns of [`Served::questions`].
pub(crate) const QUESTIONS: &str = "\
| asked with | groups | waiting | rules | log | ms p50 | longest |
|---|---:|---:|---|---:|---:|---:|";

/// A partition on the embedded log.
pub(crate) struct Served {
    engine: Engine<RocksLog, RuleSeat>,
    site: Site,
    now_ms: i64,
}

impl Served {
    /// A full pool before which many wait.
    pub(crate) fn full(size: Size, dir: &Path) -> Self {
        let options = OpenOptions { durability: Durability::Os, ..OpenOptions::default() };
        let log = RocksLog::open(dir, &options).expect("an empty directory can be opened");
        let (engine, _) = Engine::open(log, RuleSeat, 250_000).expect("it holds no log yet");
        let mut it = Self { engine, site: Site::new(size), now_ms: 0 };
        let opening = it.site.opening();
        opening.chunks(BATCH).for_each(|commands| drop(it.send(commands.to_vec())));
        it.now_ms = 1;
        let total = it.pool().fleet.gpus().total_milli.0;
        while it.pool().fleet.gpus().used_milli.0 < total / 1_000 * 999 {
            let asked = (0..BATCH).map(|_| it.site.filler()).collect();
            let decisions = it.send(asked);
            let waits = |decision: &Decision| {
                let request = it.pool().request(&decision.request);
                request.is_some_and(|request| request.lease().is_none())
            };
            let waiting: Vec<RequestId> = decisions
                .iter()
                .filter(|decision| waits(decision))
                .map(|decision| decision.request.clone())
                .collect();
            let cancels = waiting.iter().map(|request| it.site.cancel(request)).collect();
            it.send(cancels);
        }
        while it.pool().queue.len() < count(size.waiting) {
            let asked = (0..BATCH).map(|_| it.site.waiter()).collect();
            it.now_ms = 1 + it.pool().queue.len() * 3_600_000 / count(size.waiting).max(1);
            it.send(asked);
        }
        it
    }

    fn pool(&self) -> &Pool {
        self.state().pool(&PoolId::from(POOL))
    }

    fn state(&self) -> &State {
        &self.engine.folded().state
    }

    fn send(&mut self, commands: Vec<Command>) -> Vec<Decision> {
        if commands.is_empty() {
            return vec![];
        }
        let record = |command: &Command| CommandRecord {
            time_ms: TimeMs(self.now_ms),
            key: command.pool.0.as_bytes().to_vec(),
            value: encode_command(command),
            headers: Headers::default(),
        };
        let records: Vec<CommandRecord> = commands.iter().map(record).collect();
        self.engine.accept(&records).expect("there is room on the disk");
        let (site, mut decided) = (&mut self.site, vec![]);
        let seen = |decisions: &[Decision]| {
            decisions.iter().for_each(|decision| site.see(decision));
            decided.extend_from_slice(decisions);
        };
        self.engine.run_to_end(seen).expect("the log can be written");
        decided
    }

    /// The engine at 2,000 commands per second, every round accepted and committed.
    pub(crate) fn at_a_pace(&mut self, seconds: usize) -> String {
        self.site.granted = 0;
        let paced = paced(self, seconds * RATE);
        let (groups, waiting) = (self.pool().queue.groups().len(), self.pool().queue.len());
        let size = self.site.size;
        pace_row("engine", "less than W", size, groups, waiting, &paced)
            + &format!(" {} |", self.site.granted)
    }

    /// What each question takes, as whoever serves it asks it: of the newest state, at once.
    pub(crate) fn questions(self) -> Vec<String> {
        let state = self.state().clone();
        let (pool, all) = (PoolId::from(POOL), Viewer::Everything);
        let queue = state.pool(&pool).queue.groups();
        let waiter =
            queue.values().nth(queue.len() / 2).and_then(|waiters| waiters.values().last());
        let id = waiter.expect("many wait").request.clone();
        let (rows, groups) = (state.pool(&pool).queue.len(), queue.len());
        let rules = if self.site.size.has_rules { "all" } else { "none" };
        let Self { engine, mut site, now_ms } = self;
        let log = engine.close().expect("the log can be closed");
        let (asks, now) = (site.waiter(), TimeMs(now_ms));
        let arrival = state.pool(&pool).requests[&id].arrival;
        let mut follower = Follower::new(id.clone(), Some(pool.clone()));
        follow(&log, arrival, state.covered, &mut follower).expect("a sound log");
        let mut lines = vec![];
        let mut line = |name: &str, (p50, longest): (f64, f64)| {
            let log = state.covered.0 + 1;
            lines.push(format!(
                "| {name} | {groups} | {rows} | {rules} | {log} | {p50:.1} | {longest:.1} |"
            ));
        };
        line("queue", times(|| QueueReport::of(&state, &pool, &all, ROWS_DEFAULT)));
        line("fairness", times(|| FairnessReport::of(&state, &pool, &all)));
        line("quota", times(|| QuotasReport::of(&state, &pool, &all)));
        line("budget", times(|| BudgetsReport::of(&state, &pool, None, &all)));
        line("plan", times(|| plan(&state, asks.clone(), now, &mut RuleSeat, &all)));
        line("explain, its life known", times(|| explain(&log, &follower, &state, &all)));
        line("explain, from the log", times(|| explain_live(&log, &state, &pool, &id, &all)));
        lines
    }
}

impl Answered for Served {
    fn next(&mut self) -> Command {
        self.site.next()
    }

    fn answer(&mut self, commands: Vec<Command>) {
        self.now_ms += i64::try_from(commands.len() * 1_000 / RATE).unwrap_or(0).max(1);
        self.send(commands);
    }
}

/// The middle one of several times in milliseconds, and the longest.
fn times<T, E: std::fmt::Debug>(mut ask: impl FnMut() -> Result<T, E>) -> (f64, f64) {
    let mut all: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            let answer = ask();
            let took = started.elapsed().as_secs_f64() * 1e3;
            answer.expect("whoever asks is answered");
            took
        })
        .collect();
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() - 1])
}
