//! `conclave place waits`.

use super::table::{progress_bar, seeds, tell_progress};
use crate::cli::Output;
use crate::cli::page::{Page, say};
use crate::demo::{FeedEnd, Workload};
use crate::error::{Error, Result};
use crate::import::{Fleet, Settings, Trace, read};
use crate::place::waits::{MeanSd, WaitsLine, WaitsTable};
use clap::Args;
use conclave_core::command::{CouncilMode, PlacementPolicy};
use conclave_core::units::{DurationMs, GpuModel};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// openb asks for a twentieth of its fleet at the most: so many of its 1,213 nodes are left here.
const OPENB_NODES_PERMILLE: i64 = 50;
/// Longer jobs of openb are left out, one in 25: they run for up to months, and the others come
/// within hours, so that a fleet would fill up with them and nothing would ever end.
const OPENB_LONGEST: DurationMs = DurationMs(20_000_000);
/// Philly's fleet is not published with the trace: 440 GPUs.
const PHILLY_NODES: usize = 55;
const PHILLY_NODE_GPUS: i64 = 8;

#[derive(Debug, Args)]
pub(super) struct WaitsArguments {
    /// Folder of the traces: openb's node list and default pod list, Philly's job list
    #[arg(long)]
    traces: PathBuf,
    /// Only these of openb and philly
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// What is asked for, in % of the fleet's GPU time until the last arrival
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "90,100,110",
          value_parser = clap::value_parser!(i64).range(1..=1_000))]
    load: Vec<i64>,
    /// First and last seed
    #[arg(long, default_value = "42..51", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// How the result is printed; json is one line per trace, load and rules
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &WaitsArguments) -> Result<()> {
    let traces = traces(&arguments.traces, &arguments.only)?;
    let table = WaitsTable {
        traces: &traces,
        loads_pct: &arguments.load,
        seeds: arguments.seeds.clone(),
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let runs = table.runs();
    let bar = progress_bar(runs);
    let lines = table.lines(|ran| tell_progress(&bar, ran, runs))?;
    bar.finish_and_clear();
    let mut page = Page::open();
    match arguments.output {
        Output::Json => lines.iter().try_for_each(|line| page.json(line))?,
        Output::Text => show(&traces, &lines, &mut page)?,
    }
    page.flush()
}

fn traces(folder: &Path, only: &[String]) -> Result<Vec<(String, Workload)>> {
    let openb = Trace::Openb {
        nodes: folder.join("openb_node_list_gpu_node.csv"),
        pods: folder.join("openb_pod_list_default.csv"),
        nodes_permille: OPENB_NODES_PERMILLE,
    };
    let fleet = Fleet {
        nodes: Some(PHILLY_NODES),
        gpus_per_node: PHILLY_NODE_GPUS,
        gpu_model: GpuModel::from("P100"),
    };
    let philly = Trace::Philly { jobs: folder.join("philly_jobs_before_2017-11-20.csv"), fleet };
    let settings = Settings {
        time_permille: 1_000,
        placement: PlacementPolicy::Default,
        council: CouncilMode::Off,
        until: FeedEnd::LastArrival,
        skip_damaged: false,
    };
    let all = [("openb", openb), ("philly", philly)];
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|(known, _)| known != name)) {
        return Err(Error::invalid(format!("`{unknown}` is neither openb nor philly")));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let chosen = all.into_iter().filter(|(name, _)| wanted(name));
    let read = |(name, trace): (&str, Trace)| {
        let import = read(&trace, &settings, &mut |damage| say(&damage.to_string()))?;
        let mut workload = import.workload;
        if name == "openb" {
            workload.arrivals.retain(|job| job.duration_ms <= OPENB_LONGEST);
        }
        Ok((name.to_owned(), workload))
    };
    chosen.map(read).collect()
}

fn show(traces: &[(String, Workload)], lines: &[WaitsLine], page: &mut Page) -> Result<()> {
    for (name, workload) in traces {
        let Workload { nodes, arrivals, quotas, .. } = workload;
        let gpus: i64 = nodes.iter().map(|node| node.gpu_count).sum();
        page.line(&format!(
            "{name}: {} jobs of {} tenants on {} nodes with {gpus} GPUs",
            arrivals.len(),
            quotas.len(),
            nodes.len()
        ))?;
    }
    let seeds = lines.first().map_or(0, |line| line.seeds);
    page.line(&format!(
        "mean ± sd of {seeds} seeds; minutes of waiting; fairness is Jain's index"
    ))?;
    page.line(&format!(
        "{:8}{:>5}  {:16}{:>18}{:>18}{:>18}{:>18}{:>13}{:>15}{:>16}{:>12}",
        "trace",
        "load",
        "rules",
        "wait mean",
        "p50",
        "p90",
        "p99",
        "GPUs used %",
        "fairness",
        "preemptions",
        "refused"
    ))?;
    for line in lines {
        let WaitsLine { trace, load_pct, rules, figures, .. } = line;
        let [mean, p50, p90, p99] = figures.wait_min.map(|wait| tenths(&wait));
        let (used, fairness) = (tenths(&figures.used_pct), thousandths(&figures.fairness));
        let (preemptions, refused) = (tenths(&figures.preemptions), tenths(&figures.refused));
        let name = rules.name();
        page.line(&format!(
            "{trace:8}{load_pct:>4}%  {name:16}{mean:>18}{p50:>18}{p90:>18}{p99:>18}{used:>13}\
             {fairness:>15}{preemptions:>16}{refused:>12}"
        ))?;
    }
    Ok(())
}

fn tenths(MeanSd { mean, sd }: &MeanSd) -> String {
    format!("{mean:.1} ± {sd:.1}")
}

fn thousandths(MeanSd { mean, sd }: &MeanSd) -> String {
    format!("{mean:.3} ± {sd:.3}")
}
