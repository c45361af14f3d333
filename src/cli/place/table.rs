//! `conclave place table`.

use super::ContenderName;
use crate::cli::Output;
use crate::cli::page::{Page, say};
use crate::error::{Error, Result};
use crate::place::{Allocated, Contender, Line, Table};
use crate::trace::openb::{TaskRow, read_nodes, read_tasks};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Runs of one table: a hundred seeds of all published traces and policies.
const RUNS_MAX: usize = 20_000;

/// What the files of a folder are called around the name of a trace.
const PODS: (&str, &str) = ("openb_pod_list_", ".csv");

/// The fleet of every published run.
const NODES: &str = "openb_node_list_gpu_node.csv";

#[derive(Debug, Args)]
pub(super) struct TableArguments {
    /// Folder of the node list and the pod lists, called as openb publishes them
    #[arg(long)]
    traces: PathBuf,
    /// Only these traces, by what their files have for NAME, as in `default`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these policies
    #[arg(long, value_enum, value_delimiter = ',')]
    policy: Vec<ContenderName>,
    /// First and last seed
    #[arg(long, default_value = "42..51", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// How the result is printed; json is one line per trace and policy
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &TableArguments) -> Result<()> {
    let nodes = read_nodes(&arguments.traces.join(NODES))?;
    let traces = read_traces(&arguments.traces, &arguments.only)?;
    let contenders: Vec<Contender> = if arguments.policy.is_empty() {
        Contender::ALL.to_vec()
    } else {
        arguments.policy.iter().map(|name| (*name).into()).collect()
    };
    let table = Table {
        nodes: &nodes,
        traces: &traces,
        contenders: &contenders,
        seeds: arguments.seeds.clone(),
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let runs = table.runs();
    if runs > RUNS_MAX {
        let message = format!("{runs} runs are more than the {RUNS_MAX} of one table: name fewer");
        return Err(Error::invalid(message));
    }
    let bar = progress_bar(runs);
    let lines = table.lines(|ran| tell_progress(&bar, ran, runs))?;
    bar.finish_and_clear();
    let mut page = Page::open();
    match arguments.output {
        Output::Json => lines.iter().try_for_each(|line| page.json(line))?,
        Output::Text => show(&lines, &mut page)?,
    }
    page.flush()
}

/// Those of `only`, or all that lie in `folder`, by name.
fn read_traces(folder: &Path, only: &[String]) -> Result<Vec<(String, Vec<TaskRow>)>> {
    let unreadable = || format!("{} is no folder of traces", folder.display());
    let mut names = only.to_vec();
    if names.is_empty() {
        let entries = std::fs::read_dir(folder);
        for entry in entries.map_err(|error| Error::invalid(unreadable()).caused_by(error))? {
            let entry = entry.map_err(|error| Error::invalid(unreadable()).caused_by(error))?;
            let file = entry.file_name();
            let name = file.to_str().and_then(|file| file.strip_prefix(PODS.0));
            names.extend(name.and_then(|name| name.strip_suffix(PODS.1)).map(str::to_owned));
        }
    }
    if names.is_empty() {
        let message =
            format!("{}: none of its files is called {}NAME{}", unreadable(), PODS.0, PODS.1);
        return Err(Error::invalid(message));
    }
    names.sort_unstable();
    let read = |name: String| {
        let tasks = read_tasks(&folder.join(format!("{}{name}{}", PODS.0, PODS.1)))?;
        Ok((name, tasks))
    };
    names.into_iter().map(read).collect()
}

fn show(lines: &[Line], page: &mut Page) -> Result<()> {
    let seeds = lines.first().map_or(0, |line| line.seeds);
    page.line(&format!(
        "allocated GPU %, mean and sd of {seeds} seeds, published mean and difference; then the \
         mean above fgd here"
    ))?;
    let half = format!("{:>14}{:>8}{:>8}{:>8}", "mean ± sd", "publ.", "diff.", "> fgd");
    page.line(&format!("{:26}{:>38}{:>38}", "", "at 100 % asked", "at 130 % asked"))?;
    page.line(&format!("{:14}{:12}{half}{half}{:>8}", "trace", "policy", "mean us"))?;
    for line in lines {
        let fgd = lines.iter().find(|o| o.trace == line.trace && o.policy == Contender::Fgd);
        let at_100 = columns(&line.at_100, fgd.map(|fgd| &fgd.at_100));
        let at_130 = columns(&line.at_130, fgd.map(|fgd| &fgd.at_130));
        let (trace, policy, us) = (&line.trace, line.policy.name(), line.us_per_placement);
        page.line(&format!("{trace:14}{policy:12}{at_100}{at_130}{us:>8.1}"))?;
    }
    Ok(())
}

fn columns(allocated: &Allocated, fgd: Option<&Allocated>) -> String {
    let Allocated { mean_pct, sd_pct, published_pct, difference_pct } = allocated;
    let published = published_pct.map_or_else(String::new, |pct| format!("{pct:.2}"));
    let difference = difference_pct.map_or_else(String::new, |pct| format!("{pct:+.2}"));
    let above = fgd.map_or_else(String::new, |fgd| format!("{:+.2}", mean_pct - fgd.mean_pct));
    let mean = format!("{mean_pct:.2} ± {sd_pct:.2}");
    format!("{mean:>14}{published:>8}{difference:>8}{above:>8}")
}

/// Moves the bar on; where none is shown, says every tenth of the runs.
pub(super) fn tell_progress(bar: &ProgressBar, ran: usize, runs: usize) {
    bar.set_position(u64::try_from(ran).unwrap_or(u64::MAX));
    if bar.is_hidden() && (ran * 10 / runs > (ran - 1) * 10 / runs) {
        say(&format!("{ran} of {runs} runs"));
    }
}

pub(super) fn progress_bar(runs: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(u64::try_from(runs).unwrap_or(u64::MAX)).with_style(style)
}

/// FIRST..LAST, both of them run.
pub(super) fn seeds(text: &str) -> std::result::Result<RangeInclusive<u64>, String> {
    let both = text.split_once("..").and_then(|(first, last)| {
        let seeds = first.parse().ok()?..=last.parse().ok()?;
        (!seeds.is_empty()).then_some(seeds)
    });
    both.ok_or_else(|| format!("`{text}` is not FIRST..LAST, as in 42..51"))
}
