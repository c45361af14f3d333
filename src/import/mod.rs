//! Published traces as logs: their own times, every row a request, nothing scaled or left out
//! unless somebody asks for it. What a format does not say is assumed, and every import says what
//! it assumed. The rules stand in `docs/import.md`.
//!
//! An import is fed as a demo is: killed at any moment and started again it goes on where its log
//! ends, and arrives at the same chain head.

mod openb;
mod philly;
mod slurm;
mod waits;

pub use philly::Fleet;
pub use slurm::{SlurmFiles, SlurmFleet, SlurmForm};
pub use waits::Waits;

use crate::demo::scale::target;
use crate::demo::{Arrival, FeedEnd, Summary, Workload, run_watched};
use crate::error::{Error, Result};
use crate::log::rocks::OpenOptions;
use crate::trace::table::{Damage, FileRead, Table};
use conclave_core::command::{
    CouncilMode, PlacementPolicy, RegisterNode, SetPoolPolicy, SetQuota, SetTenantParent,
};
use conclave_core::limits::{DURATION_MS_MAX, QUEUE_MAX};
use conclave_core::units::{DurationMs, Hash32, LogId, PoolId, TimeMs, UserId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HOUR_MS: i64 = 3_600_000;
/// W, and how long after its deletion a job that never started is withdrawn.
const WAIT_BOUND_MS: DurationMs = DurationMs(6 * HOUR_MS);
const LEASE_GRACE_MS: DurationMs = DurationMs(HOUR_MS);
const DEFER_RETRY_MS: DurationMs = DurationMs(HOUR_MS / 2);
/// The pool of an import, and the name in which commands are sent.
const POOL: &str = "import";
const SENDER: &str = "import";

/// A trace, and what its format leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Alibaba's cluster-trace-gpu-v2023.
    Openb {
        /// The node list.
        nodes: PathBuf,
        /// The pod list, with times.
        pods: PathBuf,
        /// Part of the nodes, in thousandths.
        nodes_permille: i64,
    },
    /// Microsoft's Philly trace, which names no nodes.
    Philly {
        /// The job list.
        jobs: PathBuf,
        /// Where the jobs run.
        fleet: Fleet,
    },
    /// Slurm's accounting.
    Slurm {
        /// What is read.
        files: SlurmFiles,
        /// Where the jobs run.
        fleet: SlurmFleet,
    },
}

/// How a trace is imported, whatever its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Gaps between arrivals are divided by this many thousandths; 1000 leaves them as they are.
    pub time_permille: i64,
    /// How nodes are chosen.
    pub placement: PlacementPolicy,
    /// What the council's verdict does.
    pub council: CouncilMode,
    /// When nothing more is sent.
    pub until: FeedEnd,
    /// Whether damaged rows are left out; otherwise nothing is imported.
    pub skip_damaged: bool,
}

/// A trace that was read, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What is sent.
    pub workload: Workload,
    /// The files that it was read from.
    pub files: Vec<FileRead>,
    /// What was assumed because the files do not say it, as sentences.
    pub assumed: Vec<String>,
    /// What the files hold and the import does not.
    pub left_out: LeftOut,
}

/// What the files hold and is not sent, by why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LeftOut(BTreeMap<&'static str, usize>);

impl LeftOut {
    fn count(&mut self, what: &'static str, more: usize) {
        *self.0.entry(what).or_default() += more;
    }

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `jobs without GPUs (3), steps of jobs (12)`.
    #[must_use]
    pub fn words(&self) -> String {
        let each = self.0.iter().map(|(what, many)| format!("{what} ({many})"));
        let each: Vec<String> = each.collect();
        if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
    }
}

/// Reads a trace, telling `tell` of the first damages of each file.
///
/// # Errors
/// `Unavailable` when a file cannot be read. `Invalid` when it is not of the format, when rows are
/// damaged and nobody asked to skip them, or when nothing is left.
pub fn read(trace: &Trace, settings: &Settings, tell: &mut dyn FnMut(&Damage)) -> Result<Import> {
    let mut import = match trace {
        Trace::Openb { nodes, pods, nodes_permille } => {
            openb::read(nodes, pods, *nodes_permille, settings, tell)
        }
        Trace::Philly { jobs, fleet } => philly::read(jobs, fleet, settings, tell),
        Trace::Slurm { files, fleet } => slurm::read(files, fleet, settings, tell),
    }?;
    import.assumed.extend(common_assumptions(settings));
    Ok(import)
}

/// Sends an import into the log in `dir`, telling `progress` how many requests were sent.
///
/// # Errors
/// `Invalid` when the log in `dir` is of something else; otherwise as the log's.
pub fn run(
    workload: &Workload,
    dir: &Path,
    options: &OpenOptions,
    progress: impl FnMut(usize, usize),
) -> Result<(Summary, Waits)> {
    let mut waits = Waits::default();
    let summary = run_watched(workload, dir, options, progress, |decision| waits.see(decision))?;
    Ok((summary, waits))
}

/// Goes on when all rows are sound, or damaged ones may be left out.
fn check(files: &[&FileRead], settings: &Settings, tell: &mut dyn FnMut(&Damage)) -> Result<()> {
    files.iter().flat_map(|file| &file.damages).for_each(tell);
    let damages: usize = files.iter().map(|file| file.damage_count).sum();
    if damages > 0 && !settings.skip_damaged {
        let listed: usize = files.iter().map(|file| file.damages.len()).sum();
        let rows: usize = files.iter().map(|file| file.damaged_rows).sum();
        let counts = format!("{} in {}", counted(damages, "damage"), counted(rows, "row"));
        let which =
            if listed < damages { format!(", {listed} of them listed") } else { String::new() };
        return Err(Error::invalid(format!(
            "{counts}{which}: nothing was imported. Repair them, or leave those rows out with \
             --skip-damaged"
        )));
    }
    let empty = files.iter().find(|file| file.rows == file.damaged_rows);
    match empty {
        Some(file) => {
            let shown = file.path.display();
            Err(Error::invalid(format!("{shown} has no sound row: is it the right file?")))
        }
        None => Ok(()),
    }
}

/// `1 row`, `2 rows`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn rows<Row>(table: Table<Row>) -> (Vec<(u64, Row)>, FileRead) {
    (table.rows.into_iter().map(|numbered| (numbered.line, numbered.row)).collect(), table.file)
}

/// A trace whose arrivals still have their own times.
struct Draft {
    format: &'static str,
    starts_at_ms: TimeMs,
    nodes: Vec<RegisterNode>,
    quotas: Vec<SetQuota>,
    parents: Vec<SetTenantParent>,
    arrivals: Vec<Arrival>,
}

impl Draft {
    fn workload(self, settings: &Settings, files: &[FileRead]) -> Result<Workload> {
        let Self { format, starts_at_ms, nodes, quotas, parents, mut arrivals } = self;
        for arrival in &mut arrivals {
            arrival.at_ms = scaled(starts_at_ms, arrival.at_ms, settings.time_permille);
        }
        let last_ms = arrivals.last().map_or(starts_at_ms, |last| last.at_ms);
        if last_ms.0 - starts_at_ms.0 > DURATION_MS_MAX.0 {
            let [first, last] = [arrivals.first(), arrivals.last()]
                .map(|arrival| arrival.map_or("", |arrival| &arrival.ask.request.0));
            return Err(Error::invalid(format!(
                "'{last}' comes more than ten years after '{first}': is the time of one of them \
                 damaged? Repair or remove its row, or choose a larger --time-scale"
            )));
        }
        let mut workload = Workload {
            log_id: LogId::default(),
            sender: UserId::from(SENDER),
            starts_at_ms,
            until: settings.until,
            pool: PoolId::from(POOL),
            council: None,
            policy: policy(settings, &arrivals),
            nodes,
            quotas,
            parents,
            arrivals,
        };
        let digests: Vec<Hash32> = files.iter().map(|file| file.digest).collect();
        workload.log_id = workload.identity(&format!("import-{format}"), &digests);
        Ok(workload)
    }
}

fn scaled(start: TimeMs, at: TimeMs, permille: i64) -> TimeMs {
    let gap = i128::from(at.0 - start.0) * 1_000 / i128::from(permille.max(1));
    let gap = i64::try_from(gap).unwrap_or(i64::MAX).min(i64::MAX / 2);
    TimeMs(start.0 + gap)
}

fn policy(settings: &Settings, arrivals: &[Arrival]) -> SetPoolPolicy {
    let longest = |arrival: &Arrival| arrival.duration_ms.max(arrival.ask.expected_duration_ms);
    let longest = arrivals.iter().map(longest).max().unwrap_or_default();
    SetPoolPolicy {
        council: settings.council,
        // No lease ends before its job.
        lease_max_ms: longest,
        lease_grace_ms: LEASE_GRACE_MS,
        wait_bound_ms: WAIT_BOUND_MS,
        defer_retry_ms: DEFER_RETRY_MS,
        queue_max: QUEUE_MAX,
        placement: settings.placement,
        target_workload: target(arrivals),
        prices: vec![],
    }
}

fn common_assumptions(settings: &Settings) -> Vec<String> {
    let council = match settings.council {
        CouncilMode::Off => "nobody votes",
        CouncilMode::Advise => "votes are recorded and change nothing",
        CouncilMode::Enforce => "verdicts are followed",
    };
    let time = match settings.time_permille {
        1_000 => "the gaps between jobs are the trace's".to_owned(),
        permille => {
            let (whole, part) = (permille / 1_000, permille % 1_000);
            format!("the gaps between jobs are divided by {whole}.{part:03}")
        }
    };
    let hours = WAIT_BOUND_MS.0 / HOUR_MS;
    vec![
        time,
        format!(
            "a job gives its GPUs back after its original duration; one that has not started \
             {hours} h after the moment at which it would have ended is withdrawn"
        ),
        format!("council: {council}"),
    ]
}
