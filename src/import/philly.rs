//! philly: one file of jobs. No node, no CPU, no memory, no name: a fleet is said or derived, and
//! a job is named by its line.

use super::{Draft, Import, LeftOut, SENDER, Settings, check, rows};
use crate::demo::Arrival;
use crate::demo::scale::{fleet_gpu_milli, quota};
use crate::error::{Error, Result};
use crate::trace::philly::{JobRow, job_table};
use crate::trace::table::Damage;
use conclave_core::command::{RegisterNode, RequestAllocation, SetQuota, Topology, WorkOutcome};
use conclave_core::limits::{GPU_MILLI_WHOLE, NODES_MAX};
use conclave_core::units::{
    CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId, RequestId, TenantId, TimeMs, UserId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Part of the time during which a fleet that nobody named has a GPU for everyone. Measured on the
/// published trace: where 95 % are covered, 310 of 68,063 jobs are withdrawn before they start;
/// where 99 % are, none is and 5,230 wait a while; where all of it is, nobody ever waits.
const COVERED_PERMILLE: i128 = 990;
/// Every job is as important as every other one.
const PRIORITY: i64 = 5;

/// Where the jobs of a trace without nodes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// How many nodes; none is as many as let few jobs wait.
    pub nodes: Option<usize>,
    /// GPUs of each node.
    pub gpus_per_node: i64,
    /// The model of all GPUs.
    pub gpu_model: GpuModel,
}

type Line = (u64, JobRow);

pub(super) fn read(
    path: &Path,
    fleet: &Fleet,
    settings: &Settings,
    tell: &mut dyn FnMut(&Damage),
) -> Result<Import> {
    let table = job_table(path)?;
    check(&[&table.file], settings, tell)?;
    let (mut jobs, file) = rows(table);
    let earlier = jobs.windows(2).filter(|two| two[1].1.submitted_ms < two[0].1.submitted_ms);
    let earlier = earlier.count();
    jobs.sort_by_key(|(line, job)| (job.submitted_ms, *line));
    let nodes = nodes(fleet, &jobs)?;
    let quotas = quotas(&jobs, &nodes);
    let assumed = assumptions(fleet, &jobs, nodes.len(), quotas.len(), earlier);
    let draft = Draft {
        format: "philly",
        starts_at_ms: jobs.first().map(|(_, job)| job.submitted_ms).unwrap_or_default(),
        nodes,
        quotas,
        parents: vec![],
        arrivals: jobs.iter().map(|job| arrival(job, fleet)).collect(),
    };
    let files = vec![file];
    let workload = draft.workload(settings, &files)?;
    Ok(Import { workload, files, assumed, left_out: LeftOut::default() })
}

/// A job that fits a node is one replica; a larger one is a gang of the fewest equal replicas that
/// do.
pub(super) fn replicas(gpu_count: i64, gpus_per_node: i64) -> i64 {
    let least = (gpu_count + gpus_per_node - 1) / gpus_per_node;
    let found = (least..=gpu_count).find(|replicas| gpu_count % replicas == 0);
    found.expect("as many replicas as GPUs divide them")
}

fn arrival((line, job): &Line, fleet: &Fleet) -> Arrival {
    let replicas = replicas(job.gpu_count, fleet.gpus_per_node);
    let ask = RequestAllocation {
        request: RequestId::from(format!("line-{line:06}")),
        tenant: job.cluster.clone(),
        user: UserId::from(SENDER),
        gpu_models: vec![],
        replicas,
        gpu_count: job.gpu_count / replicas,
        gpu_milli: GpuMilli(GPU_MILLI_WHOLE),
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        expected_duration_ms: job.duration_ms,
        priority: PRIORITY,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    };
    let outcome = WorkOutcome::Unknown;
    Arrival { at_ms: job.submitted_ms, ask, duration_ms: job.duration_ms, outcome }
}

pub(super) fn nodes(fleet: &Fleet, jobs: &[Line]) -> Result<Vec<RegisterNode>> {
    let count = fleet.nodes.map_or_else(|| derived_node_count(fleet, jobs), Ok)?;
    let node = |number: usize| RegisterNode {
        node: NodeId::from(format!("node-{number:04}")),
        gpu_model: fleet.gpu_model.clone(),
        gpu_count: fleet.gpus_per_node,
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        topology_group: String::new(),
    };
    Ok((0..count).map(node).collect())
}

/// The fewest nodes that have the GPUs which the jobs would hold at once during
/// [`COVERED_PERMILLE`] of the time until the last submission, did each start when it was
/// submitted; and on which the largest job fits.
fn derived_node_count(fleet: &Fleet, jobs: &[Line]) -> Result<usize> {
    let for_demand = (demand(jobs) + fleet.gpus_per_node - 1) / fleet.gpus_per_node;
    let largest = jobs.iter().map(|(_, job)| nodes_of(job, fleet)).max().unwrap_or(1);
    let count = for_demand.max(largest).max(1);
    usize::try_from(count).ok().filter(|count| *count <= NODES_MAX).ok_or_else(|| {
        Error::invalid(format!(
            "these jobs would need {count} nodes and a pool has at most {NODES_MAX}: name a fleet \
             with --nodes and --gpus-per-node, or look for damaged durations"
        ))
    })
}

/// GPUs held at once during [`COVERED_PERMILLE`] of the time until the last submission; at the
/// highest moment when no time passes until then.
fn demand(jobs: &[Line]) -> i64 {
    let mut changes: BTreeMap<TimeMs, i64> = BTreeMap::new();
    for (_, job) in jobs {
        *changes.entry(job.submitted_ms).or_default() += job.gpu_count;
        *changes.entry(job.submitted_ms.plus(job.duration_ms)).or_default() -= job.gpu_count;
    }
    let last_ms = jobs.last().map(|(_, job)| job.submitted_ms).unwrap_or_default();
    let moments: Vec<(TimeMs, i64)> =
        changes.into_iter().take_while(|(at_ms, _)| *at_ms <= last_ms).collect();
    let mut held = 0;
    let mut spans: BTreeMap<i64, i64> = BTreeMap::new();
    for (index, (at_ms, change)) in moments.iter().enumerate() {
        held += change;
        let next_ms = moments.get(index + 1).map_or(last_ms, |(next_ms, _)| *next_ms);
        *spans.entry(held).or_default() += next_ms.0 - at_ms.0;
    }
    let all_ms: i64 = spans.values().sum();
    let covered = i128::from(all_ms) * COVERED_PERMILLE;
    let mut below_ms = 0;
    let found = spans.iter().find(|(_, span_ms)| {
        below_ms += i128::from(**span_ms) * 1_000;
        all_ms > 0 && below_ms >= covered
    });
    found.or_else(|| spans.last_key_value()).map_or(1, |(held, _)| *held)
}

/// Nodes that a job needs for itself.
fn nodes_of(job: &JobRow, fleet: &Fleet) -> i64 {
    let replicas = replicas(job.gpu_count, fleet.gpus_per_node);
    let on_one_node = fleet.gpus_per_node / (job.gpu_count / replicas);
    (replicas + on_one_node - 1) / on_one_node
}

/// Every cluster may take the whole pool, and nothing is kept free for anyone.
fn quotas(jobs: &[Line], nodes: &[RegisterNode]) -> Vec<SetQuota> {
    let tenants: BTreeSet<&TenantId> = jobs.iter().map(|(_, job)| &job.cluster).collect();
    let limit = fleet_gpu_milli(nodes);
    tenants.into_iter().map(|tenant| quota(tenant.clone(), GpuMilli(0), limit)).collect()
}

fn assumptions(
    fleet: &Fleet,
    jobs: &[Line],
    nodes: usize,
    tenants: usize,
    earlier: usize,
) -> Vec<String> {
    let Fleet { nodes: named, gpus_per_node, gpu_model } = fleet;
    let why = match named {
        Some(_) => "as asked".to_owned(),
        None => format!(
            "enough for everyone in {} % of the time, as the trace names none",
            COVERED_PERMILLE / 10
        ),
    };
    let gangs = jobs.iter().filter(|(_, job)| job.gpu_count > *gpus_per_node).count();
    vec![
        format!("fleet: {nodes} nodes of {gpus_per_node} x {gpu_model}, {why}"),
        "times are local wall times, read as written: no time zone, no change of clocks".to_owned(),
        format!("{earlier} rows stood before an earlier one: sorted by time, then by line"),
        format!("tenants: {tenants} clusters, each with guarantee 0 and the whole pool as limit"),
        format!("{gangs} jobs above {gpus_per_node} GPUs are gangs of the fewest equal replicas"),
        format!("no CPU, no memory, any GPU; priority {PRIORITY}, not to be interrupted"),
    ]
}

#[cfg(test)]
mod tests {
    use super::replicas;

    #[test]
    fn a_large_job_is_the_fewest_equal_replicas_that_fit_a_node() {
        let split = |gpus, per_node| (replicas(gpus, per_node), gpus / replicas(gpus, per_node));
        let table = [
            ((1, 8), (1, 1)),
            ((8, 8), (1, 8)),
            ((16, 8), (2, 8)),
            ((12, 8), (2, 6)),
            ((24, 8), (3, 8)),
            ((13, 8), (13, 1)),
            ((14, 8), (2, 7)),
            ((4, 1), (4, 1)),
            ((1_024, 16), (64, 16)),
        ];
        for ((gpus, per_node), wanted) in table {
            assert_eq!(split(gpus, per_node), wanted, "{gpus} GPUs on nodes of {per_node}");
        }
    }
}
