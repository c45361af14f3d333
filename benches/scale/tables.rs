//! The figures of the deciding core, as the rows of two tables.

use crate::deciding::Deciding;
use crate::pace::{Answered, Paced, RATE, paced};
use crate::site::{Size, W_MS};
use conclave_core::command::Command;
use std::time::Duration;

/// Commands that are decided before anything is measured.
const WARM: usize = 500;
/// Log time between two commands of the tables.
const GAP_MS: i64 = 1;

/// The heads of the columns of [`one_by_one`].
pub(crate) const ONE_BY_ONE: &str = "\
| groups | waiting | rules | waited | core µs mean | µs p50 | p99 | max | release p50 | p99 | \
 grants | notices |
|---:|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|";

/// What each command takes by itself, before anybody has waited W and after most have.
pub(crate) fn one_by_one(size: Size, commands: usize) -> Vec<String> {
    let mut pool = Deciding::full(size);
    let rules = if size.has_rules { "all" } else { "none" };
    let phases = [("less than W", 0), ("W", 2 * W_MS)];
    let row = |(name, jump_ms): (&str, i64)| {
        pool.now_ms += jump_ms;
        let (mut spent, mut began) = (Spent::default(), core_time());
        for done in 0..WARM + commands {
            let command = pool.site.next();
            let is_release = command.payload.name() == "ReleaseLease";
            pool.now_ms += GAP_MS;
            if done == WARM {
                (spent, pool.site.granted, pool.site.preempted) = (Spent::default(), 0, 0);
                began = core_time();
            }
            let (time, _) = pool.timed(command);
            spent.all.push(time);
            if is_release {
                spent.releases.push(time);
            }
        }
        let core = (core_time() - began).as_secs_f64() * 1e6 / commands as f64;
        let (groups, waiting) = (pool.groups(), pool.pool().queue.len());
        let (granted, preempted) = (pool.site.granted, pool.site.preempted);
        let (all, releases) = (Percentiles::of(spent.all), Percentiles::of(spent.releases));
        format!(
            "| {groups} | {waiting} | {rules} | {name} | {core:.0} | {:.0} | {:.0} | {:.0} | {:.0} \
             | {:.0} | {granted} | {preempted} |",
            all.p50, all.p99, all.max, releases.p50, releases.p99
        )
    };
    phases.into_iter().map(row).collect()
}

/// How long this thread has run, as the scheduler counts it: the machine may have other work. What
/// makes the commands counts with it.
fn core_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = counted.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

#[derive(Debug, Default)]
struct Spent {
    all: Vec<Duration>,
    releases: Vec<Duration>,
}

/// In microseconds.
struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// The heads of the columns of [`at_a_pace`].
pub(crate) const AT_A_PACE: &str = "\
| through | groups | waiting | rules | waited | commands/s | ms p50 | p99 | max | busy | grants |
|---|---:|---:|---|---|---:|---:|---:|---:|---:|---:|";

/// The core at 2,000 commands per second, before anybody has waited W and after most have.
pub(crate) fn core_at_a_pace(size: Size, seconds: usize) -> Vec<String> {
    let mut pool = CoreAtPace { pool: Deciding::full(size) };
    let row = |(name, jump_ms): (&'static str, i64)| {
        pool.pool.now_ms += jump_ms;
        pool.pool.site.granted = 0;
        let paced = paced(&mut pool, seconds * RATE);
        let pool = &pool.pool;
        pace_row("core", name, size, pool.groups(), pool.pool().queue.len(), &paced)
            + &format!(" {} |", pool.site.granted)
    };
    [("less than W", 0), ("W", 2 * W_MS)].into_iter().map(row).collect()
}

/// All but the grants.
pub(crate) fn pace_row(
    through: &str,
    waited: &str,
    size: Size,
    groups: usize,
    waiting: i64,
    paced: &Paced,
) -> String {
    let rules = if size.has_rules { "all" } else { "none" };
    let at = |share| paced.late.value_at_quantile(share) as f64 / 1e3;
    format!(
        "| {through} | {groups} | {waiting} | {rules} | {waited} | {RATE} | {:.2} | {:.2} | {:.1} \
         | {:.0} % |",
        at(0.5),
        at(0.99),
        at(1.0),
        paced.busy * 100.0
    )
}

struct CoreAtPace {
    pool: Deciding,
}

impl Answered for CoreAtPace {
    fn next(&mut self) -> Command {
        self.pool.site.next()
    }

    fn answer(&mut self, commands: Vec<Command>) {
        self.pool.now_ms += i64::try_from(commands.len() * 1_000 / RATE).unwrap_or(0).max(1);
        self.pool.decide(commands);
    }
}
