//! The published placement experiment with ten seeds per trace and policy, and the latency of one
//! choice on a full fleet: `cargo bench --bench place [-- TRACE ...]`. `tests/place.rs` has the
//! published means and finds traces the same way. With `CONCLAVE_BENCH_OUT`, every run of the
//! experiment is written there as a JSON line.

use conclave::place::{PlaceExperiment, PlaceReport, run, target_workload};
use conclave::trace::openb::{NodeRow, TaskRow, read_nodes, read_tasks};
use conclave_core::command::PlacementPolicy;
use conclave_core::placement::draw::Draw;
use conclave_core::placement::{Fleet, Need, Placer, Shape, Spot};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const SEEDS: std::ops::RangeInclusive<u64> = 42..=51;
const POLICIES: [PlacementPolicy; 3] =
    [PlacementPolicy::Random, PlacementPolicy::BestFit, PlacementPolicy::Fgd];

/// Choices timed on a full fleet.
const CHOICES: usize = 100_000;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Some(folder) = traces() else {
        return writeln!(out, "SKIPPED: no openb traces; name their folder in CONCLAVE_TRACES");
    };
    let mut lines = match std::env::var_os("CONCLAVE_BENCH_OUT") {
        Some(path) => Some(std::fs::File::create(path)?),
        None => None,
    };
    let nodes =
        read_nodes(&folder.join("openb_node_list_gpu_node.csv")).map_err(io::Error::other)?;
    writeln!(
        out,
        "allocated GPU % (mean ± sd of {} seeds), µs per placement in these runs,",
        SEEDS.count()
    )?;
    writeln!(out, "and µs of one choice on a full fleet, one task leaving before each")?;
    let [at_100, at_130, us] = ["at 100 %", "at 130 %", "mean µs"];
    writeln!(
        out,
        "{:14}{:10}{at_100:>16}{at_130:>16}{us:>16}{:>8}{:>8}{:>8}",
        "trace", "policy", "p50", "p99", "max"
    )?;
    for name in trace_names(&folder)? {
        let tasks = read_tasks(&folder.join(format!("openb_pod_list_{name}.csv")));
        let tasks = tasks.map_err(io::Error::other)?;
        for policy in POLICIES {
            let reports = runs(&nodes, &tasks, policy)?;
            if let Some(lines) = &mut lines {
                for report in &reports {
                    let line = serde_json::json!({ "trace": name, "report": report });
                    writeln!(lines, "{line}")?;
                }
            }
            let column = |value: fn(&PlaceReport) -> f64| {
                let (mean, sd) = mean_and_sd(&reports.iter().map(value).collect::<Vec<_>>());
                format!("{mean:.2} ± {sd:.2}")
            };
            let at_100 = column(|r| r.allocated_pct_at_100);
            let at_130 = column(|r| r.allocated_pct_at_130);
            let us = column(|r| r.us_per_placement);
            let [p50, p99, max] = full_fleet_us(&nodes, &tasks, policy);
            let policy = format!("{policy:?}");
            write!(out, "{name:14}{policy:10}{at_100:>16}{at_130:>16}{us:>16}")?;
            writeln!(out, "{p50:>8.1}{p99:>8.1}{max:>8.1}")?;
        }
    }
    Ok(())
}

/// The traces in `folder`, or those of them that the command line names.
fn trace_names(folder: &Path) -> io::Result<Vec<String>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("openb_pod_list_").and_then(|name| name.strip_suffix(".csv"));
        let wanted = |name: &&str| asked.is_empty() || asked.iter().any(|asked| asked == name);
        names.extend(name.filter(wanted).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

fn runs(
    nodes: &[NodeRow],
    tasks: &[TaskRow],
    policy: PlacementPolicy,
) -> io::Result<Vec<PlaceReport>> {
    let experiment = |seed| PlaceExperiment { nodes, tasks, policy, seed };
    SEEDS.map(|seed| run(&experiment(seed)).map_err(io::Error::other)).collect()
}

/// Median, 99th percentile and maximum of a choice on a fleet that tasks filled until one was
/// refused. Before each choice a random task leaves; every choice, fitting or not, is timed.
fn full_fleet_us(nodes: &[NodeRow], tasks: &[TaskRow], policy: PlacementPolicy) -> [f64; 3] {
    let mut fleet = Fleet::default();
    for NodeRow { node, cpu_milli, memory_mib, gpu_count, gpu_model } in nodes {
        fleet.add_node(node.clone(), gpu_model, *gpu_count, *cpu_milli, *memory_mib);
    }
    let shape = |task: &TaskRow| {
        let TaskRow { gpu_milli, cpu_milli, memory_mib, .. } = *task;
        Shape::new(task.gpu_count, Need { gpu_milli, cpu_milli, memory_mib }, &task.gpu_models)
    };
    let shapes: Vec<Shape> = tasks.iter().map(shape).collect();
    let mut placer = Placer::new(policy, &target_workload(tasks));
    let mut draw = Draw::new(7);
    let mut placed = Vec::new();
    let mut times_us = Vec::new();
    let mut full = false;
    while times_us.len() < CHOICES {
        if full {
            let (spot, task): (Spot, usize) = placed.swap_remove(draw.below(placed.len()));
            fleet.give_back(spot.node, shapes[task].need(), spot.gpus);
        }
        let (task, seed) = (draw.below(shapes.len()), draw.next_bits());
        let began = Instant::now();
        let spot = placer.choose(&fleet, &shapes[task], seed);
        let us = began.elapsed().as_secs_f64() * 1e6;
        if full {
            times_us.push(us);
        }
        match spot {
            Some(spot) => {
                fleet.take(spot.node, shapes[task].need(), spot.gpus);
                placed.push((spot, task));
            }
            None => full = true,
        }
    }
    times_us.sort_unstable_by(f64::total_cmp);
    [times_us[CHOICES / 2], times_us[CHOICES / 100 * 99], times_us[CHOICES - 1]]
}

/// Mean and sample standard deviation.
fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).expect("a handful of seeds"));
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

fn traces() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("CONCLAVE_TRACES").map_or_else(beside, PathBuf::from);
    folder.join("openb_node_list_gpu_node.csv").exists().then_some(folder)
}
