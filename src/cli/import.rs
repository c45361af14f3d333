//! `conclave import`.

use super::demo::{DurabilityName, PolicyName, fraction, permille, progress_bar};
use super::page::say;
use super::{Output, print};
use crate::demo::FeedEnd;
use crate::error::Result;
use crate::import::{
    Fleet, Settings, SlurmFiles, SlurmFleet, SlurmForm, Trace, read, run as run_import,
};
use crate::log::rocks::OpenOptions;
use clap::{Args, Subcommand, ValueEnum, value_parser};
use conclave_core::command::CouncilMode;
use conclave_core::limits::{NODE_GPUS_MAX, NODES_MAX};
use conclave_core::units::{GpuModel, Offset};
use std::path::PathBuf;

mod summary;

/// Makes a log of a published trace, with the trace's own times.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// Alibaba's cluster-trace-gpu-v2023: a list of nodes, and one of pods with their times
    #[command(after_help = EXAMPLES)]
    Openb(OpenbArguments),
    /// Microsoft's Philly trace, flattened: one list of jobs, for which a fleet is said or derived
    #[command(after_help = EXAMPLES)]
    Philly(PhillyArguments),
    /// Slurm's accounting: what `sacct -P` prints, or an export of slurmdbd's job table
    #[command(after_help = EXAMPLES)]
    Slurm(SlurmArguments),
}

#[derive(Debug, Args)]
struct OpenbArguments {
    #[arg(value_name = "NODES.csv", help = "Node list: sn, cpu_milli, memory_mib, gpu, model")]
    nodes: PathBuf,
    /// Pod list with the times of creation and deletion
    #[arg(value_name = "PODS.csv")]
    pods: PathBuf,
    /// Part of the nodes, 0.001 to 1, taken evenly
    #[arg(long, value_parser = fraction, default_value = "1")]
    nodes_fraction: i64,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Args)]
struct PhillyArguments {
    #[arg(value_name = "JOBS.csv", help = "Job list: timestamp, duration, num_gpus, cluster")]
    jobs: PathBuf,
    /// Nodes of the fleet [default: enough for every job in 99 % of the time]
    #[arg(long, value_parser = node_count)]
    nodes: Option<usize>,
    /// GPUs of each node
    #[arg(long, default_value_t = 8, value_parser = value_parser!(i64).range(1..=NODE_GPUS_MAX))]
    gpus_per_node: i64,
    /// Model of all GPUs, for people: jobs accept any
    #[arg(long, default_value = "GPU", value_parser = gpu_model)]
    gpu_model: String,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Args)]
struct SlurmArguments {
    /// The jobs
    #[arg(value_name = "FILE")]
    jobs: PathBuf,
    /// In which form
    #[arg(long, value_enum)]
    format: SlurmFormat,
    /// What `sacctmgr -P show assoc` prints: who belongs to whom, and limits of accounts
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Of slurmdbd: which number of a resource counts GPUs, and of which model (`gpu`: of every
    /// one) [default: each from 1001 on, of the model gres-NUMBER]
    #[arg(long, value_name = "NUMBER=MODEL", value_parser = gres)]
    gres: Vec<(i64, String)>,
    /// So many equal nodes, instead of those that the jobs name
    #[arg(long, value_parser = node_count)]
    nodes: Option<usize>,
    /// GPUs of each node [default: as many as jobs held on it at once; 8 where they name none]
    #[arg(long, value_parser = value_parser!(i64).range(1..=NODE_GPUS_MAX))]
    gpus_per_node: Option<i64>,
    /// Model of GPUs of which no job says it
    #[arg(long, default_value = "GPU", value_parser = gpu_model)]
    gpu_model: String,
    #[command(flatten)]
    common: CommonArguments,
}

/// The forms of Slurm's accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SlurmFormat {
    /// What `sacct -a -X -D -P -o ...` prints (docs/import.md has the columns)
    Sacct,
    /// An export of the job table of slurmdbd's database, comma-separated
    Slurmdbd,
}

#[derive(Debug, Args)]
struct CommonArguments {
    /// Directory of the log: a new one, or one with the same import, which then goes on
    #[arg(long)]
    data: PathBuf,
    /// Leave damaged rows out; otherwise nothing is imported while there is one
    #[arg(long)]
    skip_damaged: bool,
    /// Go on after the last job's arrival until every job has ended
    #[arg(long)]
    to_end: bool,
    /// Divides the gaps between arrivals
    #[arg(long, value_parser = permille, default_value = "1")]
    time_scale: i64,
    /// How nodes are chosen
    #[arg(long, value_enum, default_value_t = PolicyName::Fgd)]
    policy: PolicyName,
    /// What the council's verdict does
    #[arg(long, value_enum, default_value_t = CouncilName::Advise)]
    council: CouncilName,
    /// What an acknowledged write outlives: kill -9, or a power cut as well
    #[arg(long, value_enum, default_value_t = DurabilityName::Os)]
    durability: DurabilityName,
    /// Accept that everything from this offset on is lost, as an error message asked
    #[arg(long, value_name = "OFFSET")]
    accept_loss_at: Option<i64>,
    /// No progress bar
    #[arg(long)]
    headless: bool,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  conclave import openb NODES.csv PODS.csv --data data/openb
  conclave import openb NODES.csv PODS.csv --data data/small --nodes-fraction 0.01 --time-scale 4
  conclave import philly JOBS.csv --data data/philly
  conclave import philly JOBS.csv --data data/busy --nodes 50 --skip-damaged --output json
  conclave import slurm --format sacct JOBS.txt --accounts ASSOC.txt --data data/slurm
  conclave import slurm --format slurmdbd JOBS.csv --gres 1002=volta --data data/slurm

Formats, assumptions and damaged rows: docs/import.md";

/// A council mode as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CouncilName {
    /// Nobody votes
    Off,
    /// Votes are recorded and change nothing: every job of the trace was let in
    Advise,
    /// The verdict is followed
    Enforce,
}

impl From<CouncilName> for CouncilMode {
    fn from(name: CouncilName) -> Self {
        match name {
            CouncilName::Off => Self::Off,
            CouncilName::Advise => Self::Advise,
            CouncilName::Enforce => Self::Enforce,
        }
    }
}

pub(super) fn run(arguments: &ImportArguments) -> Result<()> {
    let (trace, common) = match &arguments.format {
        Format::Openb(openb) => (openb_trace(openb), &openb.common),
        Format::Philly(philly) => (philly_trace(philly), &philly.common),
        Format::Slurm(slurm) => (slurm_trace(slurm), &slurm.common),
    };
    let import = read(&trace, &settings(common), &mut |damage| say(&damage.to_string()))?;
    let accept_loss_at = common.accept_loss_at.map(Offset);
    let options = OpenOptions { durability: common.durability.into(), accept_loss_at };
    let bar = progress_bar(common.headless, import.workload.arrivals.len());
    let done = run_import(&import.workload, &common.data, &options, |sent, _| {
        bar.set_position(u64::try_from(sent).unwrap_or(u64::MAX));
    });
    bar.finish_and_clear();
    let (fed, waits) = done?;
    let summary = summary::ImportSummary::new(&import, &fed, &waits);
    match common.output {
        Output::Json => print(&summary.json()?),
        Output::Text => print(&summary.text(&common.data)),
    }
}

fn openb_trace(arguments: &OpenbArguments) -> Trace {
    let OpenbArguments { nodes, pods, nodes_fraction, common: _ } = arguments;
    Trace::Openb { nodes: nodes.clone(), pods: pods.clone(), nodes_permille: *nodes_fraction }
}

fn philly_trace(arguments: &PhillyArguments) -> Trace {
    let PhillyArguments { jobs, nodes, gpus_per_node, gpu_model, common: _ } = arguments;
    let gpu_model = GpuModel::from(gpu_model.as_str());
    let fleet = Fleet { nodes: *nodes, gpus_per_node: *gpus_per_node, gpu_model };
    Trace::Philly { jobs: jobs.clone(), fleet }
}

fn slurm_trace(arguments: &SlurmArguments) -> Trace {
    let SlurmArguments { jobs, format, accounts, gres, nodes, gpus_per_node, gpu_model, .. } =
        arguments;
    let form = match format {
        SlurmFormat::Sacct => SlurmForm::Sacct,
        SlurmFormat::Slurmdbd => SlurmForm::Slurmdbd(gres.iter().cloned().collect()),
    };
    let files = SlurmFiles { jobs: jobs.clone(), form, accounts: accounts.clone() };
    let gpu_model = GpuModel::from(gpu_model.as_str());
    let fleet = SlurmFleet { nodes: *nodes, gpus_per_node: *gpus_per_node, gpu_model };
    Trace::Slurm { files, fleet }
}

fn settings(common: &CommonArguments) -> Settings {
    Settings {
        time_permille: common.time_scale,
        placement: common.policy.into(),
        council: common.council.into(),
        until: if common.to_end { FeedEnd::LastLease } else { FeedEnd::LastArrival },
        skip_damaged: common.skip_damaged,
    }
}

fn gres(text: &str) -> std::result::Result<(i64, String), String> {
    let parsed = text.split_once('=').and_then(|(number, model)| {
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some((number, gpu_model(model).ok()?))
    });
    parsed.ok_or_else(|| "has to be a number and a model, such as 1002=volta".to_owned())
}

fn node_count(text: &str) -> std::result::Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=NODES_MAX).contains(count));
    count.ok_or_else(|| format!("has to be a whole number from 1 to {NODES_MAX}"))
}

fn gpu_model(text: &str) -> std::result::Result<String, String> {
    let is_name = (1..=64).contains(&text.len()) && !text.contains(char::is_control);
    if is_name { Ok(text.to_owned()) } else { Err("has to be a name of up to 64 bytes".to_owned()) }
}
