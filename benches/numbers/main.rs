//! The numbers that the project set itself, measured in one run:
//! `cargo bench --bench numbers [-- --quick] [--compare] [--save] [--only a,b,c,alone,start]`.
//!
//! Prints a table and writes the same as JSON lines; `--save` makes them the stored baseline that
//! `--compare` compares with. Absolute figures mean little without the machine, which is printed
//! first; other work on it shows in its load.

mod alternatives;
mod commands;
mod figures;
mod machine;
mod mix_a;
mod mix_b;
mod mix_c;
mod pipeline;
mod start;

use clap::Parser;
use conclave::log::rocks::{Durability, RocksLog};
use conclave_core::command::PlacementPolicy;
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use figures::{Figures, Goal};
use mix_a::MixA;
use mix_b::MixB;
use pipeline::{Pipeline, measure_fold, measure_verify};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline/numbers.jsonl");
const LAST_RUN: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/numbers.jsonl");

#[derive(Debug, Parser)]
#[command(about = "Measures the numbers that the project set itself")]
struct Arguments {
    /// A tenth of everything: figures that say whether the bench works.
    #[arg(long)]
    quick: bool,
    /// Print the change against the stored baseline.
    #[arg(long)]
    compare: bool,
    /// Make this run the stored baseline.
    #[arg(long)]
    save: bool,
    /// Parts to run: a, b, c, alone, start (needs a).
    #[arg(long, value_delimiter = ',', default_value = "a,b,c,alone,start")]
    only: Vec<String>,
    /// Where logs are written; by default the system's directory for temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    start_in: Option<PathBuf>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything.
struct Sizes {
    leases: usize,
    snapshot_every: i64,
    /// Mix A goes on to this offset: a long way behind its last snapshot, as a start may be.
    mix_a_until: i64,
    mix_a_long_rounds: i64,
    mix_b: usize,
    alone: usize,
    alone_fsync: usize,
}

const FULL: Sizes = Sizes {
    leases: 10_000,
    snapshot_every: 250_000,
    mix_a_until: 1_240_000,
    mix_a_long_rounds: 400_000,
    mix_b: 200_000,
    alone: 20_000,
    alone_fsync: 500,
};

const QUICK: Sizes = Sizes {
    leases: 10_000,
    snapshot_every: 50_000,
    mix_a_until: 124_000,
    mix_a_long_rounds: 40_000,
    mix_b: 20_000,
    alone: 2_000,
    alone_fsync: 50,
};

/// Commands between two refills of mix A.
const SEGMENT: usize = 20_000;
const ROUND: usize = 64;
const LONG_ROUND: usize = 1_000;

fn main() -> io::Result<()> {
    conclave::wire::init();
    let arguments = Arguments::parse();
    if let Some(dir) = &arguments.start_in {
        println!("{}", serde_json::to_string(&start::child(dir))?);
        return Ok(());
    }
    let sizes = if arguments.quick { QUICK } else { FULL };
    let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let baseline = if arguments.compare { fs::read_to_string(BASELINE)? } else { String::new() };
    let mut figures = Figures::against(&baseline);
    let machine = machine::describe();
    println!("{machine}");
    figures.print_head();
    let wants = |part: &str| arguments.only.iter().any(|only| only == part);
    if wants("a") {
        mix_a(&sizes, &parent, wants("start"), &mut figures)?;
    }
    if wants("b") {
        mix_b(&sizes, &parent, &mut figures)?;
    }
    if wants("c") {
        mix_c::measure(sizes.mix_b, &parent, &mut figures)?;
    }
    if wants("alone") {
        alone(&sizes, &parent, &mut figures)?;
    }
    let lines = figures.to_json_lines(&machine);
    fs::write(LAST_RUN, &lines)?;
    if arguments.save {
        fs::write(BASELINE, &lines)?;
    }
    Ok(())
}

fn mix_a(sizes: &Sizes, parent: &Path, starts: bool, figures: &mut Figures) -> io::Result<()> {
    let goal = Goal::AtLeast(100_000.0);
    let directory = tempfile::tempdir_in(parent)?;
    let log = run_mix_a(sizes, directory.path(), ROUND, sizes.mix_a_until, |pipeline| {
        pipeline.report("mix A, rounds of 64", Some(goal), figures);
    });
    report_reading("mix A", &log, Some(Goal::AtLeast(200_000.0)), figures);
    let setup = Offset(i64::try_from(sizes.leases).expect("a small number") + 1_000);
    alternatives::avro(&log, setup, figures);
    alternatives::store(&log, setup, ROUND, parent, figures);
    drop(log);
    if starts {
        report_start(directory.path(), figures);
    }
    let directory = tempfile::tempdir_in(parent)?;
    run_mix_a(sizes, directory.path(), LONG_ROUND, sizes.mix_a_long_rounds, |pipeline| {
        pipeline.report("mix A, rounds of 1000", Some(goal), figures);
    });
    Ok(())
}

fn run_mix_a(
    sizes: &Sizes,
    directory: &Path,
    round: usize,
    until: i64,
    report: impl FnOnce(&Pipeline),
) -> RocksLog {
    let mut mix = MixA::new(sizes.leases);
    let mut pipeline = Pipeline::open(directory, Durability::Os, round, sizes.snapshot_every);
    let setup = mix.setup(commands::open_log(round));
    let mut from = 0;
    pipeline.prepare(&setup.records, |decisions| {
        setup.check(from, decisions);
        from += decisions.len();
    });
    while pipeline.next_offset() < until {
        let batch = mix.next(SEGMENT);
        pipeline.measure(&batch.records, |from, decisions| batch.check(from, decisions));
        let refill = mix.refill();
        pipeline.prepare(&refill.records, |_| {});
    }
    report(&pipeline);
    pipeline.close()
}

fn report_reading(name: &str, log: &RocksLog, verify_goal: Option<Goal>, figures: &mut Figures) {
    let (spent, count) = measure_verify(log, &mut RuleSeat);
    let rate = spent.core_per_second(count);
    let row = format!("{name}: verify, per second of its core");
    match verify_goal {
        Some(goal) => figures.add_with_goal(&row, rate, "1/s", goal),
        None => figures.add(&row, rate, "1/s"),
    }
    figures.add(&format!("{name}: verify"), spent.wall_per_second(count), "1/s");
    let (spent, count) = measure_fold(log);
    let (row, rate) =
        (format!("{name}: fold, per second of its core"), spent.core_per_second(count));
    figures.add_with_goal(&row, rate, "1/s", Goal::AtLeast(500_000.0));
}

fn report_start(directory: &Path, figures: &mut Figures) {
    let start = start::measure(directory);
    let count = |count: usize| count as f64;
    figures.add("start: live requests", count(start.live_requests), "");
    figures.add("start: ids in the duplicate window", count(start.duplicate_ids), "");
    figures.add("start: decisions after the snapshot", start.tail as f64, "");
    let goal = Goal::AtMost(3_000.0);
    figures.add_with_goal("start: first new decision", start.first_decision_ms, "ms", goal);
    figures.add("start: log opened and folded", start.open_ms, "ms");
    let goal = Goal::AtMost(400.0);
    figures.add_with_goal("start: resident memory then", start.resident_mb, "MB", goal);
    figures.add("start: resident memory at its highest", start.highest_mb, "MB");
    figures.add("snapshot: size", count(start.snapshot_bytes) / 1e6, "MB");
    figures.add("snapshot: pause for the copy", start.copy_ms, "ms");
    figures.add("snapshot: encoding beside the pipeline", start.encode_ms, "ms");
    let highest = start.highest_with_snapshot_mb;
    figures.add("snapshot: resident memory at its highest", highest, "MB");
}

fn mix_b(sizes: &Sizes, parent: &Path, figures: &mut Figures) -> io::Result<()> {
    for (policy, name, round) in [
        (PlacementPolicy::Fgd, "mix B (FGD)", ROUND),
        (PlacementPolicy::Fgd, "mix B (FGD, rounds of 1000)", LONG_ROUND),
        (PlacementPolicy::BestFit, "mix B (best fit)", ROUND),
        (PlacementPolicy::Random, "mix B (random)", ROUND),
    ] {
        let mix = MixB::record(policy, round, sizes.mix_b);
        let directory = tempfile::tempdir_in(parent)?;
        let every = sizes.snapshot_every;
        let mut pipeline = Pipeline::open(directory.path(), Durability::Os, round, every);
        pipeline.prepare(&mix.setup, |_| {});
        pipeline.measure(&mix.steady, |_, _| {});
        let is_fgd = policy == PlacementPolicy::Fgd;
        let goal = is_fgd.then_some(Goal::AtLeast(40_000.0));
        pipeline.report(name, goal, figures);
        let (placing, placements) = mix.place_again();
        let share = placing.as_secs_f64() / pipeline.spent.wall.as_secs_f64() * 100.0;
        figures.add(&format!("{name}: placement, share of the time"), share, "%");
        let each = placing.as_secs_f64() * 1e6 / placements as f64;
        figures.add(&format!("{name}: one placement"), each, "µs");
        let (placed, asked) = mix.placed;
        let at_once = placed as f64 / asked as f64 * 100.0;
        figures.add(&format!("{name}: requests placed at once"), at_once, "%");
        let core_rate = pipeline.spent.core_per_second(pipeline.decided);
        let log = pipeline.close();
        if is_fgd && round == ROUND {
            report_reading(name, &log, Some(Goal::AtLeast(core_rate)), figures);
            report_features(&mix, figures);
        }
    }
    let rate = |name: &str| figures.value(&format!("{name}: decisions")).unwrap_or(f64::NAN);
    let (fgd, best_fit, random) =
        (rate("mix B (FGD)"), rate("mix B (best fit)"), rate("mix B (random)"));
    figures.add("mix B: FGD / best fit", fgd / best_fit, "times");
    figures.add("mix B: FGD / random", fgd / random, "times");
    Ok(())
}

fn report_features(mix: &MixB, figures: &mut Figures) {
    let (spent, count) = mix.tell_the_council();
    let each = spent.as_secs_f64() * 1e6 / count as f64;
    let goal = Goal::AtMost(0.5);
    figures.add_with_goal("council: features of one request", each, "µs", goal);
}

fn alone(sizes: &Sizes, parent: &Path, figures: &mut Figures) -> io::Result<()> {
    for (durability, name, count) in
        [(Durability::Os, "os", sizes.alone), (Durability::Fsync, "fsync", sizes.alone_fsync)]
    {
        let mut mix = MixA::new(sizes.leases);
        let directory = tempfile::tempdir_in(parent)?;
        let every = sizes.snapshot_every;
        let mut pipeline = Pipeline::open(directory.path(), durability, ROUND, every);
        pipeline.prepare(&mix.setup(commands::open_log(ROUND)).records, |_| {});
        let histogram = pipeline.measure_alone(&mix.next(count).records);
        let at = |share| histogram.value_at_quantile(share) as f64 / 1e3;
        figures.add(&format!("one command alone ({name}): p50"), at(0.5), "ms");
        let row = format!("one command alone ({name}): p99");
        match durability {
            Durability::Os => figures.add_with_goal(&row, at(0.99), "ms", Goal::AtMost(2.0)),
            Durability::Fsync | Durability::None => figures.add(&row, at(0.99), "ms"),
        }
        figures.add(&format!("one command alone ({name}): longest"), at(1.0), "ms");
    }
    Ok(())
}
