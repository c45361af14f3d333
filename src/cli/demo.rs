//! `conclave demo`.

mod progress;

use super::engine::{EngineArguments, EngineVotes};
use super::page::say;
use super::{Output, print};
use crate::council::{keep, keep_released};
use crate::demo::{JOBS_DEFAULT, Scale, Source, Summary, Workload, run_on, run_on_kafka};
use crate::error::{Error, ErrorKind, Result};
use crate::log::kafka::settings::{KafkaSettings, TopicNames};
use crate::log::rocks::{Durability, OpenOptions};
use clap::{Args, ValueEnum};
use conclave_core::command::PlacementPolicy;
use conclave_core::council::ModelId;
use conclave_core::units::{Hash32, Offset};
use indicatif::{ProgressBar, ProgressStyle};
use progress::Progress;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Part of the fleet in thousandths: 60 nodes for the calibrated workload, 12 for the real trace,
/// whose jobs never fill more than a hundredth of its GPUs at once.
const NODES_PERMILLE: i64 = 50;
const NODES_PERMILLE_OPENB: i64 = 10;

/// Requests of the calibrated workload: about a gigabyte of them.
const REQUESTS_MAX: usize = 1_000_000;

/// A million: nobody compresses time further.
const PERMILLE_MAX: i64 = 1_000_000_000;

/// Runs the whole pipeline on the embedded log.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArguments {
    /// Directory of the log; an existing one goes on where it ends
    #[arg(long, default_value = "data/demo")]
    data: PathBuf,
    /// The log on Kafka instead, HOST:PORT with commas between; --data then keeps snapshots only
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["durability", "accept_loss_at"])]
    brokers: Option<String>,
    /// What the names of the topics begin with; they are made when they are missing
    #[arg(long, default_value = "demo", requires = "brokers")]
    prefix: String,
    /// A real trace instead of the calibrated workload
    #[arg(long, num_args = 3, value_names = ["FORMAT", "NODES", "PODS"])]
    #[arg(conflicts_with_all = ["seed", "requests"])]
    trace: Option<Vec<String>>,
    /// Seed of the calibrated workload
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Requests of the calibrated workload
    #[arg(long, default_value_t = JOBS_DEFAULT, value_parser = requests)]
    requests: usize,
    /// Part of the fleet, 0.001 to 1 [default: 0.05, or 0.01 with --trace openb]
    #[arg(long, value_parser = fraction)]
    nodes_fraction: Option<i64>,
    /// Divides the gaps between arrivals [default: whatever gives a load of 105 %]
    #[arg(long, value_parser = permille)]
    time_scale: Option<i64>,
    /// How nodes are chosen
    #[arg(long, value_enum, default_value_t = PolicyName::Fgd)]
    policy: PolicyName,
    /// The file of the council in the seat, kept beside the log [default: the released one]
    #[arg(long, value_name = "FILE")]
    council_file: Option<PathBuf>,
    /// The rule score in the seat, and no networks
    #[arg(long, conflicts_with_all = ["council_file", "council"])]
    rules: bool,
    #[command(flatten)]
    engine: EngineArguments,
    /// What an acknowledged write outlives: kill -9, or a power cut as well
    #[arg(long, value_enum, default_value_t = DurabilityName::Os)]
    durability: DurabilityName,
    /// Accept that everything from this offset on is lost, as an error message asked
    #[arg(long, value_name = "OFFSET")]
    accept_loss_at: Option<i64>,
    /// No progress bar; a run that lasts says every 10 s how far it is
    #[arg(long)]
    headless: bool,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "Examples:
  conclave demo
  conclave demo --headless --data /tmp/one --output json
  conclave demo --trace openb NODES.csv PODS.csv --data /tmp/two --nodes-fraction 0.02";

/// A placement policy as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyName {
    /// A feasible node drawn at random
    Random,
    /// The node with least left
    BestFit,
    /// Fragmentation gradient descent
    Fgd,
    /// FGD with rests of GPUs, CPU and scarce models priced
    Default,
}

impl From<PolicyName> for PlacementPolicy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::Random => Self::Random,
            PolicyName::BestFit => Self::BestFit,
            PolicyName::Fgd => Self::Fgd,
            PolicyName::Default => Self::Default,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DurabilityName {
    /// kill -9
    Os,
    /// A power cut as well
    Fsync,
    /// Nothing: a kill takes the newest second or so
    None,
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Self {
        match name {
            DurabilityName::Os => Self::Os,
            DurabilityName::Fsync => Self::Fsync,
            DurabilityName::None => Self::None,
        }
    }
}

pub(super) fn run(arguments: &DemoArguments) -> Result<()> {
    let engines = arguments.engine.engines()?;
    let mut workload = workload(arguments)?;
    if !arguments.rules {
        let released = || keep_released(&arguments.data);
        let named = |file: &PathBuf| keep(file, &arguments.data);
        let council = arguments.council_file.as_ref().map_or_else(released, named)?;
        workload = workload.under_council(council);
    }
    let durability = arguments.durability.into();
    let accept_loss_at = arguments.accept_loss_at.map(Offset);
    let options = OpenOptions { durability, accept_loss_at };
    let bar = progress_bar(arguments.headless, workload.arrivals.len());
    let mut lines = bar.is_hidden().then(|| Progress::began(Instant::now()));
    let progress = |sent: usize, all: usize| {
        bar.set_position(u64::try_from(sent).unwrap_or(u64::MAX));
        let line = lines.as_mut().and_then(|lines| lines.note(Instant::now(), sent, all));
        line.iter().for_each(|line| say(line));
    };
    let summary = match &arguments.brokers {
        None => run_on(&engines, &workload, &arguments.data, &options, progress)?,
        Some(brokers) => {
            let topics = TopicNames::prefixed(&arguments.prefix);
            let settings = KafkaSettings { topics, ..KafkaSettings::plain(brokers) };
            settings.check()?;
            let dir = &arguments.data;
            run_on_kafka(&engines, &workload, &settings, dir, progress).map_err(goes_on)?
        }
    };
    bar.finish_and_clear();
    let votes = workload.council.map(|_| EngineVotes::of(&engines));
    match arguments.output {
        Output::Json => print(&json(&Told { summary: &summary, votes })?),
        Output::Text => print(&text(&summary, votes.as_ref(), &workload, arguments)),
    }
}

/// A demo is not a service: it ends when brokers are away, and nothing is lost.
fn goes_on(error: Error) -> Error {
    if error.kind != ErrorKind::Unavailable {
        return error;
    }
    let message = format!(
        "{}. The demo has ended: start the same line again, and it goes on where its log ends",
        error.message
    );
    Error { message, ..error }
}

fn workload(arguments: &DemoArguments) -> Result<Workload> {
    let source = match &arguments.trace {
        None => Source::synthetic(arguments.seed, arguments.requests),
        Some(trace) => match trace.as_slice() {
            [format, nodes, pods] if format == "openb" => {
                Source::openb(nodes.as_ref(), pods.as_ref())?
            }
            [format, ..] => {
                return Err(Error::invalid(format!("no trace format '{format}': use openb")));
            }
            [] => return Err(Error::invalid("--trace openb NODES PODS")),
        },
    };
    let nodes_permille =
        if arguments.trace.is_some() { NODES_PERMILLE_OPENB } else { NODES_PERMILLE };
    let scale = Scale {
        nodes_permille: arguments.nodes_fraction.unwrap_or(nodes_permille),
        time_permille: arguments.time_scale,
        placement: arguments.policy.into(),
    };
    Ok(scale.apply(&source))
}

fn requests(text: &str) -> std::result::Result<usize, String> {
    let wrong = || format!("has to be a whole number from 1 to {REQUESTS_MAX}");
    let requests = text.parse().map_err(|_| wrong())?;
    if (1..=REQUESTS_MAX).contains(&requests) { Ok(requests) } else { Err(wrong()) }
}

pub(super) fn fraction(text: &str) -> std::result::Result<i64, String> {
    match permille(text)? {
        fraction @ ..=1_000 => Ok(fraction),
        _ => Err("has to be at most 1, the whole fleet".to_owned()),
    }
}

/// `0.05` as 50: thousandths, so that no float decides what a demo does.
pub(super) fn permille(text: &str) -> std::result::Result<i64, String> {
    let wrong =
        || "has to be a number above 0 with at most three decimals, such as 0.05".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<3}");
    let is_sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 3;
    let permille: i64 = digits.parse().map_err(|_| wrong())?;
    if is_sound && (1..=PERMILLE_MAX).contains(&permille) { Ok(permille) } else { Err(wrong()) }
}

pub(super) fn progress_bar(is_headless: bool, requests: usize) -> ProgressBar {
    if is_headless {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} requests, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(u64::try_from(requests).unwrap_or(u64::MAX)).with_style(style)
}

/// What a demo tells as JSON.
#[derive(Serialize)]
struct Told<'s> {
    #[serde(flatten)]
    summary: &'s Summary,
    /// Of networks, in this run; none when the rules voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<EngineVotes>,
}

fn json(told: &Told<'_>) -> Result<String> {
    serde_json::to_string(told).map_err(|error| Error::bug("a summary is no JSON").caused_by(error))
}

fn text(
    summary: &Summary,
    votes: Option<&EngineVotes>,
    workload: &Workload,
    arguments: &DemoArguments,
) -> String {
    let Summary { commands, decisions, granted, queued, refused, cancelled, .. } = summary;
    let Summary { put_off, deferred, dead_letters, .. } = summary;
    let gpus: i64 = workload.nodes.iter().map(|node| node.gpu_count).sum();
    let (nodes, load) = (workload.nodes.len(), summary.load_permille / 10);
    let per_second = summary.decisions.unsigned_abs() * 1_000 / summary.elapsed_ms.max(1);
    let data = shell_word(&arguments.data);
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("text grows");
    line(format!("pool          {nodes} nodes, {gpus} GPUs, load {load} %"));
    line(format!("commands      {commands}, each with one decision ({decisions})"));
    let ended = format!("{refused} refused, {cancelled} withdrawn");
    let live = format!("{queued} waiting, {put_off} put off");
    line(format!("requests      {granted} granted, {live}, {ended}"));
    let short = |ModelId(digest)| format!("{:.16}, ", Hash32::to_string(&digest));
    let seat = workload.council.map_or_else(String::new, short);
    line(format!("council       {seat}{deferred} put off at least once"));
    votes.into_iter().for_each(|votes| line(format!("votes         {}", votes.sentence())));
    line(format!("dead letters  {dead_letters}"));
    line(format!("time          {} ms, {per_second} decisions/s", summary.elapsed_ms));
    line(format!("chain head    {}", summary.chain_head));
    line(String::new());
    line("try next:".to_owned());
    let replay = shell_word(&replay_binary());
    let log = match &arguments.brokers {
        None => format!("--log {data}"),
        Some(brokers) => format!("--brokers {brokers} --prefix {}", arguments.prefix),
    };
    line(format!("  {replay} verify {log} --expect-head {}", summary.chain_head));
    line(format!("  {replay} --from {} {log}", (summary.decisions - 10).max(0)));
    text.truncate(text.trim_end().len());
    text
}

/// `replay` where this program lies, so that the line works as it is printed.
pub(super) fn replay_binary() -> PathBuf {
    let Ok(program) = std::env::current_exe() else { return "replay".into() };
    let replay = program.with_file_name("replay");
    let here = std::env::current_dir().unwrap_or_default();
    replay.strip_prefix(here).map(Path::to_path_buf).unwrap_or(replay)
}

/// A path as one word of a shell's line.
pub(super) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
