//! `conclave place`.

mod table;
mod waits;

use super::{Output, print};
use crate::error::{Error, Result};
use crate::place::{Contender, PlaceExperiment, PlaceReport, run as run_experiment};
use crate::trace::openb;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Runs the published inflation experiment with one placement policy, or a table of all.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
pub(super) struct PlaceArguments {
    #[command(subcommand)]
    table: Option<TableCommand>,
    #[command(flatten)]
    one: Option<OneRun>,
}

#[derive(Debug, Subcommand)]
enum TableCommand {
    /// Every trace of a folder under every policy, ten seeds each, beside the published means
    Table(table::TableArguments),
    /// Waiting, use and fairness of traces with departures, from 90 to 110 % load
    Waits(waits::WaitsArguments),
}

#[derive(Debug, Args)]
struct OneRun {
    /// Node list of the openb trace
    #[arg(long)]
    nodes: PathBuf,
    /// Pod list of the openb trace
    #[arg(long)]
    pods: PathBuf,
    /// How nodes are chosen
    #[arg(long, value_enum)]
    policy: ContenderName,
    /// Order of arrivals, repeated tasks and ties
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  conclave place --nodes NODES.csv --pods PODS.csv --policy default --seed 42 --output json
  conclave place table --traces ../shared/traces
  conclave place waits --traces ../shared/traces";

/// A policy of the experiment as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ContenderName {
    /// A feasible node drawn at random
    Random,
    /// The node whose rest is least like what is asked for
    DotProduct,
    /// Nodes that run tasks of the same GPU count
    Clustering,
    /// Nodes and GPUs in use before free ones
    Packing,
    /// The node with least left
    BestFit,
    /// Fragmentation gradient descent
    Fgd,
    /// FGD with rests of GPUs, CPU and scarce models priced
    Default,
}

impl From<ContenderName> for Contender {
    fn from(name: ContenderName) -> Self {
        match name {
            ContenderName::Random => Self::Random,
            ContenderName::DotProduct => Self::DotProduct,
            ContenderName::Clustering => Self::Clustering,
            ContenderName::Packing => Self::Packing,
            ContenderName::BestFit => Self::BestFit,
            ContenderName::Fgd => Self::Fgd,
            ContenderName::Default => Self::Default,
        }
    }
}

pub(super) fn run(arguments: &PlaceArguments) -> Result<()> {
    match (&arguments.table, &arguments.one) {
        (Some(TableCommand::Table(table)), _) => table::run(table),
        (Some(TableCommand::Waits(waits)), _) => waits::run(waits),
        (None, Some(one)) => run_one(one),
        (None, None) => {
            Err(Error::invalid("nothing to run: name --nodes, --pods and --policy, or a table"))
        }
    }
}

fn run_one(one: &OneRun) -> Result<()> {
    let nodes = openb::read_nodes(&one.nodes)?;
    let tasks = openb::read_tasks(&one.pods)?;
    let (policy, seed) = (one.policy.into(), one.seed);
    let report = run_experiment(&PlaceExperiment { nodes: &nodes, tasks: &tasks, policy, seed })?;
    match one.output {
        Output::Json => print(&json(&report)?),
        Output::Text => print(&text(&report)),
    }
}

fn json(report: &PlaceReport) -> Result<String> {
    serde_json::to_string(report)
        .map_err(|error| Error::bug("a report is no JSON").caused_by(error))
}

fn text(report: &PlaceReport) -> String {
    format!(
        "{}, seed {}: {:.2} % of all GPUs allocated when 100 % were asked for, {:.2} % at 130 %; \
         {:.1} us per placement",
        report.policy.name(),
        report.seed,
        report.allocated_pct_at_100,
        report.allocated_pct_at_130,
        report.us_per_placement
    )
}
