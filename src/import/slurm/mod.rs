//! Slurm's accounting: one table of jobs, and where it is at hand one of accounts. Jobs that hold
//! no GPU, did not start or have not ended are left out, and counted.

mod fleet;

use super::{Draft, Import, LeftOut, Settings, check, rows};
use crate::demo::Arrival;
use crate::demo::scale::{fleet_gpu_milli, quota};
use crate::error::{Error, Result};
use crate::trace::slurm::accounts::{Accounts, association_table};
use crate::trace::slurm::{JobRow, JobState, Row, sacct, slurmdbd};
use crate::trace::table::{Damage, FileRead, Table};
use conclave_core::command::{
    Label, RegisterNode, RequestAllocation, SetQuota, SetTenantParent, Topology,
};
use conclave_core::limits::{GPU_MILLI_WHOLE, TENANTS_MAX, TREE_DEPTH_MAX};
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, MemoryMib, RequestId, TenantId, TimeMs, UserId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use fleet::SlurmFleet;

/// Every job is as important as every other one.
const PRIORITY: i64 = 5;
/// The shortest run.
const SECOND: DurationMs = DurationMs(1_000);

/// In which form the jobs come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlurmForm {
    /// What `sacct -P` prints.
    Sacct,
    /// An export of slurmdbd's job table, and which of the site's resources are GPUs, by number;
    /// without any all of them are.
    Slurmdbd(BTreeMap<i64, String>),
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmFiles {
    /// The jobs.
    pub jobs: PathBuf,
    /// Their form.
    pub form: SlurmForm,
    /// What `sacctmgr -P show assoc` prints.
    pub accounts: Option<PathBuf>,
}

/// A job that is sent.
struct Job {
    row: JobRow,
    name: String,
    line: u64,
    started_ms: TimeMs,
    duration_ms: DurationMs,
}

pub(super) fn read(
    files: &SlurmFiles,
    fleet: &SlurmFleet,
    settings: &Settings,
    tell: &mut dyn FnMut(&Damage),
) -> Result<Import> {
    let table = match &files.form {
        SlurmForm::Sacct => sacct::job_table(&files.jobs),
        SlurmForm::Slurmdbd(names) => slurmdbd::job_table(&files.jobs, names),
    }?;
    let associations = files.accounts.as_deref().map(association_table).transpose()?;
    let read: Vec<&FileRead> = std::iter::once(&table.file)
        .chain(associations.as_ref().map(|associations| &associations.file))
        .collect();
    check(&read, settings, tell)?;
    let (jobs, mut left_out, file) = sound(table);
    if jobs.is_empty() {
        return Err(none_left(&files.jobs, &left_out));
    }
    let mut all_files = vec![file];
    let accounts = match associations {
        None => Accounts::default(),
        Some(table) => {
            let (associations, file) = rows(table);
            all_files.push(file);
            Accounts::of(associations.into_iter().map(|(_, association)| association))?
        }
    };
    if accounts.other_limits > 0 {
        left_out.count("limits of users and of single jobs", accounts.other_limits);
    }
    let (nodes, of_fleet) = fleet.nodes(&jobs)?;
    let tenants = Tenants::of(&jobs, &accounts, &nodes)?;
    let mut assumed = vec![of_fleet];
    assumed.extend(assumptions(&jobs, &tenants));
    let draft = Draft {
        format: "slurm",
        starts_at_ms: jobs.iter().map(|job| job.row.eligible_ms).min().unwrap_or_default(),
        quotas: tenants.quotas,
        parents: tenants.parents,
        arrivals: jobs.iter().map(|job| arrival(job, &nodes)).collect(),
        nodes,
    };
    let workload = draft.workload(settings, &all_files)?;
    Ok(Import { workload, files: all_files, assumed, left_out })
}

fn none_left(path: &Path, left_out: &LeftOut) -> Error {
    let (shown, why) = (path.display(), left_out.words());
    Error::invalid(format!("{shown} has no job that held GPUs and ended: left out were {why}"))
}

/// The jobs that can be sent, by the time at which each could first have started, then by line.
fn sound(table: Table<Row>) -> (Vec<Job>, LeftOut, FileRead) {
    let (lines, file) = rows(table);
    let (mut jobs, mut left_out) = (vec![], LeftOut::default());
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for (line, row) in lines {
        let Row::Job(row) = row else {
            left_out.count("steps of jobs", 1);
            continue;
        };
        let name = match &row.id {
            None => format!("line-{line:06}"),
            Some(id) => {
                let run = runs.entry(id.clone()).or_default();
                *run += 1;
                if *run == 1 { id.clone() } else { format!("{id}~{run}") }
            }
        };
        match why_left_out(&row) {
            Some(why) => left_out.count(why, 1),
            None => jobs.extend(job(*row, name, line)),
        }
    }
    jobs.sort_by_key(|job| (job.row.eligible_ms, job.line));
    (jobs, left_out, file)
}

fn why_left_out(row: &JobRow) -> Option<&'static str> {
    let ran = row.started_ms.zip(row.ended_ms);
    match (row.gpus.count.max(row.held.count), row.state, ran) {
        (0, ..) => Some("jobs without GPUs"),
        (_, state, _) if !state.is_over() => Some("jobs that had not ended"),
        (_, _, None) => Some("jobs that never started"),
        (_, _, Some((started, ended))) if ended < started => {
            Some("jobs that ended before they started")
        }
        (_, JobState::Cancelled, Some((started, ended))) if ended == started => {
            Some("jobs that never started")
        }
        _ => None,
    }
}

fn job(row: JobRow, name: String, line: u64) -> Option<Job> {
    let (started_ms, ended_ms) = row.started_ms.zip(row.ended_ms)?;
    let duration_ms = ended_ms.since(started_ms).max(SECOND);
    Some(Job { row, name, line, started_ms, duration_ms })
}

impl Job {
    /// What it wanted; what it held, where it did not say.
    fn gpu_count(&self) -> i64 {
        match self.row.gpus.count {
            0 => self.row.held.count,
            count => count,
        }
    }

    fn tenant(&self) -> &str {
        self.row.account.as_deref().unwrap_or(&self.row.user)
    }

    /// GPUs on each of its nodes, where they are spread evenly.
    fn gpus_per_node(&self) -> i64 {
        let count = self.row.held.count.max(self.gpu_count());
        (count + self.row.node_count - 1) / self.row.node_count
    }
}

/// As many replicas as it had nodes, where its GPUs are spread evenly over them and a node holds
/// one; otherwise the fewest equal ones that a node holds.
fn replicas(job: &Job, node_gpus_max: i64) -> i64 {
    let (count, nodes) = (job.gpu_count(), job.row.node_count);
    if count % nodes == 0 && count / nodes <= node_gpus_max {
        return nodes;
    }
    super::philly::replicas(count, node_gpus_max)
}

fn arrival(job: &Job, nodes: &[RegisterNode]) -> Arrival {
    let Job { row, name, duration_ms, .. } = job;
    let largest = nodes.iter().map(|node| node.gpu_count).max().unwrap_or(1);
    let replicas = replicas(job, largest);
    let declared = row.limit_ms.unwrap_or(*duration_ms).max(*duration_ms);
    let ask = RequestAllocation {
        request: RequestId::from(name.as_str()),
        tenant: TenantId::from(job.tenant()),
        user: UserId::from(row.user.as_str()),
        gpu_models: row.gpus.models.clone(),
        replicas,
        gpu_count: job.gpu_count() / replicas,
        gpu_milli: GpuMilli(GPU_MILLI_WHOLE),
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        expected_duration_ms: declared,
        priority: PRIORITY,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: labels(row),
    };
    let outcome = row.state.outcome();
    Arrival { at_ms: row.eligible_ms, ask, duration_ms: *duration_ms, outcome }
}

/// What people want to see again.
fn labels(row: &JobRow) -> Vec<Label> {
    let all =
        [("partition", row.partition.as_str()), ("qos", &row.qos), ("state", row.state.name())];
    let said = all.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// Who pays.
struct Tenants {
    quotas: Vec<SetQuota>,
    parents: Vec<SetTenantParent>,
    /// Of these, how many have a limit of their own.
    limited: usize,
    /// Whether they are accounts, and not users.
    are_accounts: bool,
}

impl Tenants {
    /// Everybody who has a job, and all above them. Whoever has no limit may hold the whole pool.
    fn of(jobs: &[Job], accounts: &Accounts, nodes: &[RegisterNode]) -> Result<Self> {
        let mut names: BTreeSet<&str> = jobs.iter().map(Job::tenant).collect();
        for name in names.clone() {
            let above = accounts.above(name).unwrap_or_default();
            if above.len() >= TREE_DEPTH_MAX {
                let deep = above.len() + 1;
                return Err(Error::invalid(format!(
                    "account '{name}' stands on level {deep}, and a pool's tenants on at most \
                     {TREE_DEPTH_MAX}: leave levels out of the list of accounts"
                )));
            }
            names.extend(above);
        }
        if names.len() > TENANTS_MAX {
            let count = names.len();
            return Err(Error::invalid(format!(
                "there are {count} accounts and a pool has at most {TENANTS_MAX} tenants: cut the \
                 list"
            )));
        }
        let whole = fleet_gpu_milli(nodes);
        let own_limit = |name: &str| accounts.by_name.get(name).and_then(|one| one.limit_gpus);
        let limit = |name: &str| {
            own_limit(name).map_or(whole, |gpus| GpuMilli(gpus * GPU_MILLI_WHOLE).min(whole))
        };
        let parent = |name: &&str| {
            let parent = accounts.by_name.get(*name)?.parent.as_deref()?;
            let (tenant, parent) = (TenantId::from(*name), TenantId::from(parent));
            Some(SetTenantParent { tenant, parent, lend_gpu_milli: None })
        };
        let of_name = |name: &&str| quota(TenantId::from(*name), GpuMilli(0), limit(name));
        Ok(Self {
            quotas: names.iter().map(of_name).collect(),
            parents: names.iter().filter_map(parent).collect(),
            limited: names.iter().filter(|name| own_limit(name).is_some()).count(),
            are_accounts: jobs.iter().all(|job| job.row.account.is_some()),
        })
    }
}

fn assumptions(jobs: &[Job], tenants: &Tenants) -> Vec<String> {
    let count = |is_it: &dyn Fn(&Job) -> bool| jobs.iter().filter(|job| is_it(job)).count();
    let who = if tenants.are_accounts { "accounts" } else { "users, where no account is named" };
    let (all, limited, below) = (tenants.quotas.len(), tenants.limited, tenants.parents.len());
    let unlimited = count(&|job| job.row.limit_ms.is_none());
    let late = count(&|job| job.row.limit_ms.is_some_and(|limit| limit < job.duration_ms));
    let mixed = count(&|job| job.row.gpus.models.len() > 1);
    let delayed = count(&|job| job.started_ms > job.row.eligible_ms);
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs {
        *states.entry(job.row.state.name()).or_default() += 1;
    }
    let states = states.iter().map(|(name, count)| format!("{count} {name}"));
    vec![
        format!("states: {}", states.collect::<Vec<_>>().join(", ")),
        format!(
            "tenants: {all} {who}, guarantee 0; {limited} with a limit of their own, the others \
             with the whole pool as limit; {below} below another one"
        ),
        format!(
            "a job asks when it was submitted and what it depends on was there; {delayed} of {} \
             waited where they come from",
            jobs.len()
        ),
        format!(
            "a job is expected to run for its time limit: {unlimited} had none and {late} ran \
             longer, for these it is how long they ran"
        ),
        format!("{mixed} jobs held GPUs of several models at once: any of these will do"),
        format!("whole GPUs, no CPU, no memory; priority {PRIORITY}, not to be interrupted"),
    ]
}
