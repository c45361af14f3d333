//! The published placement experiment with ten seeds per trace and policy, next to the published
//! means: `cargo bench --bench place [-- TRACE ...]`. Writes one JSON line per run to the file named by
//! `CONCLAVE_BENCH_OUT`. Traces are found as `tests/place.rs` finds them.

use conclave::place::{PlaceExperiment, PlaceReport, run};
use conclave::trace::openb::{read_nodes, read_tasks};
use conclave_core::command::PlacementPolicy;
use std::io::{self, Write};
use std::path::PathBuf;

const SEEDS: std::ops::RangeInclusive<u64> = 42..=51;
const POLICIES: [PlacementPolicy; 3] =
    [PlacementPolicy::Random, PlacementPolicy::BestFit, PlacementPolicy::Fgd];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Some(folder) = traces() else {
        return writeln!(out, "SKIPPED: no openb traces; name their folder in CONCLAVE_TRACES");
    };
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("openb_pod_list_").and_then(|name| name.strip_suffix(".csv"));
        names.extend(
            name.filter(|n| asked.is_empty() || asked.iter().any(|a| a == n)).map(str::to_owned),
        );
    }
    names.sort_unstable();
    let mut lines = match std::env::var_os("CONCLAVE_BENCH_OUT") {
        Some(path) => Some(std::fs::File::create(path)?),
        None => None,
    };
    let nodes =
        read_nodes(&folder.join("openb_node_list_gpu_node.csv")).map_err(io::Error::other)?;
    writeln!(out, "allocated GPU %, mean ± sd of {} seeds", SEEDS.count())?;
    writeln!(
        out,
        "{:14}{:10}{:>16}{:>16}{:>18}",
        "trace", "policy", "at 100 %", "at 130 %", "µs / placement"
    )?;
    for name in names {
        let tasks = read_tasks(&folder.join(format!("openb_pod_list_{name}.csv")));
        let tasks = tasks.map_err(io::Error::other)?;
        for policy in POLICIES {
            let mut reports = Vec::new();
            for seed in SEEDS {
                let experiment = PlaceExperiment { nodes: &nodes, tasks: &tasks, policy, seed };
                let report = run(&experiment).map_err(io::Error::other)?;
                if let Some(lines) = &mut lines {
                    let report = serde_json::json!({ "trace": name, "report": report });
                    writeln!(lines, "{report}")?;
                }
                reports.push(report);
            }
            let column = |value: fn(&PlaceReport) -> f64| {
                let (mean, sd) = mean_and_sd(&reports.iter().map(value).collect::<Vec<_>>());
                format!("{mean:.2} ± {sd:.2}")
            };
            let at_100 = column(|r| r.allocated_pct_at_100);
            let at_130 = column(|r| r.allocated_pct_at_130);
            let us = column(|r| r.us_per_placement);
            let policy = format!("{policy:?}");
            writeln!(out, "{name:14}{policy:10}{at_100:>16}{at_130:>16}{us:>18}")?;
        }
    }
    Ok(())
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
