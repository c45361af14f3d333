//! `conclave place`.

use super::demo::PolicyName;
use super::{Output, print};
use crate::error::{Error, Result};
use crate::place::{PlaceExperiment, PlaceReport, run as run_experiment};
use crate::trace::openb;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;

/// Runs the published inflation experiment with one placement policy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlaceArguments {
    /// Node list of the openb trace
    #[arg(long)]
    nodes: PathBuf,
    /// Pod list of the openb trace
    #[arg(long)]
    pods: PathBuf,
    /// How nodes are chosen
    #[arg(long, value_enum)]
    policy: PolicyName,
    /// Order of arrivals, repeated tasks and ties
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "Example:
  conclave place --nodes NODES.csv --pods PODS.csv --policy fgd --seed 42 --output json";

#[derive(Serialize)]
struct Row<'a> {
    policy: &'a str,
    seed: u64,
    allocated_pct_at_100: f64,
    allocated_pct_at_130: f64,
    us_per_placement: f64,
}

pub(super) fn run(arguments: &PlaceArguments) -> Result<()> {
    let nodes = openb::read_nodes(&arguments.nodes)?;
    let tasks = openb::read_tasks(&arguments.pods)?;
    let (policy, seed) = (arguments.policy.into(), arguments.seed);
    let report = run_experiment(&PlaceExperiment { nodes: &nodes, tasks: &tasks, policy, seed })?;
    let name = arguments.policy.to_possible_value();
    let name = name.as_ref().map_or("", |name| name.get_name());
    match arguments.output {
        Output::Json => print(&json(&report, name)?),
        Output::Text => print(&text(&report, name)),
    }
}

fn json(report: &PlaceReport, policy: &str) -> Result<String> {
    let row = Row {
        policy,
        seed: report.seed,
        allocated_pct_at_100: report.allocated_pct_at_100,
        allocated_pct_at_130: report.allocated_pct_at_130,
        us_per_placement: report.us_per_placement,
    };
    serde_json::to_string(&row).map_err(|error| Error::bug("a report is no JSON").caused_by(error))
}

fn text(report: &PlaceReport, policy: &str) -> String {
    format!(
        "{policy}, seed {}: {:.2} % of all GPUs allocated when 100 % were asked for, {:.2} % at \
         130 %; {:.1} us per placement",
        report.seed,
        report.allocated_pct_at_100,
        report.allocated_pct_at_130,
        report.us_per_placement
    )
}
