//! philly: one file of jobs. No node, no CPU, no memory, no name: a fleet is said or derived, and
//! a job is named by its line.

use super::{Draft, Import, SENDER, Settings, check, rows};
use crate::demo::Arrival;
use crate::demo::scale::{fleet_gpu_milli, quota};
use crate::error::{Error, Result};
use crate::trace::philly::{JobRow, job_table};
use crate::trace::table::Damage;
use conclave_core::command::{RegisterNode, RequestAllocation, SetQuota, Topology};
use conclave_core::limits::{GPU_MILLI_WHOLE, NODES_MAX};
use conclave_core::units::{
    CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId, RequestId, TenantId, UserId,
};
use std::collections::BTreeSet;
use std::path::Path;

/// The load for which a fleet is derived that nobody named.
const LOAD_PERMILLE: i128 = 900;
/// Every job is as important as every other one.
const PRIORITY: i64 = 5;

/// Where the jobs of a trace without nodes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// How many nodes; none is as many as give a load of 90 %.
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
        arrivals: jobs.iter().map(|job| arrival(job, fleet)).collect(),
    };
    let files = vec![file];
    Ok(Import { workload: draft.workload(settings, &files)?, files, assumed })
}

/// A job that fits a node is one replica; a larger one is a gang of the fewest equal replicas that
/// do.
fn replicas(gpu_count: i64, gpus_per_node: i64) -> i64 {
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
    Arrival { at_ms: job.submitted_ms, ask, duration_ms: job.duration_ms }
}

fn nodes(fleet: &Fleet, jobs: &[Line]) -> Result<Vec<RegisterNode>> {
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

/// The fewest nodes at which the load is at most [`LOAD_PERMILLE`] and the largest job fits. Of a
/// list that is shorter than its longest job, that job's duration is the time to spread it over.
fn derived_node_count(fleet: &Fleet, jobs: &[Line]) -> Result<usize> {
    let asked: i128 =
        jobs.iter().map(|(_, job)| i128::from(job.gpu_count) * i128::from(job.duration_ms.0)).sum();
    let span_ms = match jobs {
        [(_, first), .., (_, last)] => last.submitted_ms.0 - first.submitted_ms.0,
        [] | [_] => 0,
    };
    let longest_ms = jobs.iter().map(|(_, job)| job.duration_ms.0).max().unwrap_or(1);
    let per_node = i128::from(span_ms.max(longest_ms)) * i128::from(fleet.gpus_per_node);
    let for_load = ceiling(asked * 1_000, per_node * LOAD_PERMILLE);
    let largest = jobs.iter().map(|(_, job)| largest_need(job, fleet)).max().unwrap_or(1);
    let count = usize::try_from(for_load).unwrap_or(usize::MAX).max(largest).max(1);
    if count > NODES_MAX {
        return Err(Error::invalid(format!(
            "a load of {} % needs {count} nodes and a pool has at most {NODES_MAX}: name a fleet \
             with --nodes and --gpus-per-node, or look for damaged durations",
            LOAD_PERMILLE / 10
        )));
    }
    Ok(count)
}

/// Nodes that a job needs for itself.
fn largest_need(job: &JobRow, fleet: &Fleet) -> usize {
    let replicas = replicas(job.gpu_count, fleet.gpus_per_node);
    let on_one_node = fleet.gpus_per_node / (job.gpu_count / replicas);
    usize::try_from(ceiling(replicas.into(), on_one_node.into())).expect("at most 1,024")
}

fn ceiling(a: i128, b: i128) -> i128 {
    (a + b - 1) / b
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
        None => {
            format!("the fewest for a load of {} %, as the trace names none", LOAD_PERMILLE / 10)
        }
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
