//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use conclave::cli::Output;
use conclave::cli::position::{Position, position};
use conclave::cli::source::SourceArguments;
use conclave::council::EngineChoice;
use conclave::report::filter::{Kind, kind};
use conclave_core::units::{Hash32, PoolId, RequestId, TenantId};
use std::path::PathBuf;

/// Shows what was decided and why, proves it, and rebuilds the state at any offset. Reads only,
/// also beside a running writer.
#[derive(Debug, Parser)]
#[command(name = "replay", version, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    timeline: Option<TimelineArguments>,
    #[command(flatten)]
    source: Option<SourceArguments>,
    /// Only this partition [default: all of them, merged by log time]
    #[arg(long, value_name = "P")]
    partition: Option<i64>,
}

const EXAMPLES: &str = "Examples:
  replay --from 0 --until 99 --log data/demo
  replay --from 0 --log data/demo --request job-00042
  replay --from 0 --log data/demo --kind LeaseGranted --output json | jq .offset
  replay verify --log data/demo
  replay state --at 1200 --log data/demo
  replay why --request job-00042 --log data/demo
  replay timeline --html timeline.html --log data/demo

The same on Kafka, where lines are called PARTITION:OFFSET when there are several partitions:
  replay verify --brokers localhost:9092
  replay --from 2:1200 --brokers k1:9093,k2:9093 --prefix lab --config conclave.toml
  replay --from 0 --brokers localhost:9092 --isolation read_uncommitted
  replay state --at 1200 --pool demo --brokers localhost:9092

The same on a file that `conclave archive` made, without brokers or registry:
  replay verify --archive 2026-q3.conclave

Exit codes: 0 done and nothing wrong, 1 differs, 2 wrong usage, 3 unavailable or not checkable,
4 corrupt log: what can be read was printed first, and stderr says where the log should end

Log lines go to stderr: CONCLAVE_LOG sets their level (warn), CONCLAVE_LOG_FORMAT their form (text,
json)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Computes every decision again and compares it byte for byte
    Verify(VerifyArguments),
    /// Shows the state right after a decision, and what keeps each waiting request from running
    State(StateArguments),
    /// Says what became of a request, and what kept it from running, as intervals
    Why(WhyArguments),
    /// Writes a page to look at: what happened to every request, and how full the nodes were
    Timeline(PageArguments),
}

/// What is asked of the log.
pub(crate) enum Question<'a> {
    Timeline(&'a TimelineArguments, LogArguments),
    Page(&'a PageArguments),
    Verify(&'a VerifyArguments),
    State(&'a StateArguments),
    Why(&'a WhyArguments),
}

impl Arguments {
    pub(crate) fn question(&self) -> Question<'_> {
        match (&self.command, &self.timeline, &self.source) {
            (Some(Command::Verify(verify)), ..) => Question::Verify(verify),
            (Some(Command::State(state)), ..) => Question::State(state),
            (Some(Command::Why(why)), ..) => Question::Why(why),
            (Some(Command::Timeline(page)), ..) => Question::Page(page),
            (None, Some(timeline), Some(source)) => {
                let (source, partition) = (source.clone(), self.partition);
                Question::Timeline(timeline, LogArguments { source, partition })
            }
            (None, ..) => unreachable!("clap asks for --from and a log without a subcommand"),
        }
    }
}

/// Which log, and which part of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Only this partition [default: the pool's home; `verify` goes through all]
    #[arg(long, value_name = "P")]
    pub(crate) partition: Option<i64>,
}

/// What a reader is shown of transactions, as Kafka calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// What was committed: the log.
    #[default]
    ReadCommitted,
    /// Also what was aborted or is open, marked as that.
    ReadUncommitted,
}

/// Which decisions are shown; every filter has to match.
#[derive(Clone, Debug, Args)]
pub(crate) struct TimelineArguments {
    /// First decision to show
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) from: Position,
    /// Last decision to show [default: the end of the log]
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) until: Option<Position>,
    /// Only decisions about this pool, or with an event in it
    #[arg(long, value_parser = pool)]
    pub(crate) pool: Option<PoolId>,
    /// Only decisions on behalf of this tenant, or about its quota or requests by name; grants in
    /// others' decisions name no tenant
    #[arg(long, value_parser = tenant)]
    pub(crate) tenant: Option<TenantId>,
    /// Only decisions about this request, or with an event that touches it, such as its grant in
    /// the decision that freed its GPUs
    #[arg(long, value_parser = request)]
    pub(crate) request: Option<RequestId>,
    /// Only decisions about this kind of command, or with an event of this name; `unreadable` for
    /// commands that nobody could read
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<Kind>,
    /// Which records are shown: `read_uncommitted` also shows what transactions left that were
    /// aborted or are open, marked as that; it proves nothing
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, requires = "brokers")]
    #[arg(value_name = "read_committed|read_uncommitted")]
    pub(crate) isolation: Isolation,
    /// Lines for people, or one JSON object per decision and line (docs/replay.md)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    #[arg(value_name = "text|json")]
    pub(crate) output: Output,
}

const VERIFY_EXAMPLES: &str = "Examples:
  replay verify --log data/demo
  replay verify --log data/demo --expect-head HEAD
  replay verify --log data/demo --until 5000 --output json
  replay verify --brokers localhost:9092

Exit codes: 0 every decision is verified, and the chain head is the expected one;
1 something differs (a decision, the head, coverage, a snapshot that is not the fold);
2 wrong usage; 3 a part could not be checked (commands or another release missing, a damaged
snapshot: a start passes it over, nothing is lost); 4 corrupt log. The worst one wins: 4, 1, 3";

#[derive(Clone, Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The chain head that was kept elsewhere: 64 hexadecimal digits
    #[arg(long, value_name = "HEAD", value_parser = head)]
    pub(crate) expect_head: Option<Hash32>,
    /// Last decision to verify, for example the one that the expected head was kept at
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) until: Option<Position>,
    /// Which machine computes the votes of networks again: each finds the same ones
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto, hide_possible_values = true)]
    #[arg(value_name = "cpu|gpu|auto")]
    pub(crate) council: EngineChoice,
    /// Let a driver that plays a GPU on the processor (lavapipe) count as one: for tests
    #[arg(long)]
    pub(crate) software_gpu: bool,
    /// Lines for people, or one JSON object (docs/replay.md)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    #[arg(value_name = "text|json")]
    pub(crate) output: Output,
}

const STATE_EXAMPLES: &str = "Examples:
  replay state --at 1200 --log data/demo
  replay state --at 1200 --log data/demo --pool demo --output json | jq '.pools[0].queue[0]'
  replay state --at 2:1200 --brokers localhost:9092

Exit codes: 0 done, 2 wrong usage or no such pool, 3 the log does not go that far, 4 corrupt log";

#[derive(Clone, Debug, Args)]
#[command(after_help = STATE_EXAMPLES)]
pub(crate) struct StateArguments {
    /// The decision after which the state is shown
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) at: Position,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Only this pool
    #[arg(long, value_parser = pool)]
    pub(crate) pool: Option<PoolId>,
    /// Lines for people, bounded; or one JSON object with everything (docs/replay.md)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    #[arg(value_name = "text|json")]
    pub(crate) output: Output,
}

const WHY_EXAMPLES: &str = "Examples:
  replay why --request job-00042 --log data/demo
  replay why --request job-00042 --at 1200 --log data/demo --output json | jq .waited
  replay why --request job-00042 --pool demo --brokers localhost:9092

Exit codes: 0 done, 2 wrong usage or nobody asked for such a request, 3 the log does not go that
far, 4 corrupt log";

#[derive(Clone, Debug, Args)]
#[command(after_help = WHY_EXAMPLES)]
pub(crate) struct WhyArguments {
    /// The request; of several that bore this name, the last
    #[arg(long, value_parser = request)]
    pub(crate) request: RequestId,
    /// In this pool [default: wherever it was asked for last]
    #[arg(long, value_parser = pool)]
    pub(crate) pool: Option<PoolId>,
    /// The decision after which the answer holds [default: the last one]
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) at: Option<Position>,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Lines for people, or one JSON object (docs/replay.md)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    #[arg(value_name = "text|json")]
    pub(crate) output: Output,
}

const PAGE_EXAMPLES: &str = "Examples:
  replay timeline --html timeline.html --log data/demo
  replay timeline --html noon.html --from 4000 --until 6000 --pool demo --force --log data/demo
  replay timeline --html timeline.html --pool demo --brokers localhost:9092

Exit codes: 0 done, 2 wrong usage, no such pool or the file is there already, 3 the log does not go
that far or the file cannot be written, 4 corrupt log: nothing is written";

#[derive(Debug, Args)]
#[command(after_help = PAGE_EXAMPLES)]
pub(crate) struct PageArguments {
    /// File to write: one page that needs no network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: PathBuf,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// First decision to show; requests that live by then are shown, too
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position, default_value = "0")]
    pub(crate) from: Position,
    /// Last decision to show [default: the end of the log]
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    pub(crate) until: Option<Position>,
    /// Only this pool
    #[arg(long, value_parser = pool)]
    pub(crate) pool: Option<PoolId>,
    /// Replaces the file when it is there already
    #[arg(long)]
    pub(crate) force: bool,
}

type Parsed<T> = Result<T, String>;

fn head(text: &str) -> Parsed<Hash32> {
    let wrong = || "has to be 64 hexadecimal digits, as `conclave demo` prints them".to_owned();
    let digit = |index: usize| text.get(2 * index..2 * index + 2);
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let pair = digit(index).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        *byte = u8::from_str_radix(pair.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
    }
    if text.len() == 64 { Ok(Hash32(bytes)) } else { Err(wrong()) }
}

fn pool(text: &str) -> Parsed<PoolId> {
    Ok(PoolId::from(text))
}

fn tenant(text: &str) -> Parsed<TenantId> {
    Ok(TenantId::from(text))
}

fn request(text: &str) -> Parsed<RequestId> {
    Ok(RequestId::from(text))
}
