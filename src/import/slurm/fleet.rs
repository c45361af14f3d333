//! Where the jobs run: the nodes that they name, each with as many GPUs as jobs held on it at once;
//! or a fleet that is said or derived.

use super::Job;
use crate::error::{Error, Result};
use crate::import::philly::{Fleet, nodes as uniform};
use crate::trace::philly::JobRow as PlainJob;
use conclave_core::command::RegisterNode;
use conclave_core::limits::{NODE_GPUS_MAX, NODES_MAX};
use conclave_core::units::{CpuMilli, GpuModel, MemoryMib, NodeId, TenantId, TimeMs};
use std::collections::BTreeMap;

/// GPUs of each node of a fleet that has to be derived.
const GPUS_PER_NODE: i64 = 8;

/// What is said of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmFleet {
    /// So many equal nodes, whatever nodes the jobs name.
    pub nodes: Option<usize>,
    /// GPUs of each node.
    pub gpus_per_node: Option<i64>,
    /// The model of GPUs of which no job says it.
    pub gpu_model: GpuModel,
}

/// What jobs held on one node.
#[derive(Default)]
struct Held {
    /// By time: more, or less.
    changes: BTreeMap<TimeMs, i64>,
    models: BTreeMap<GpuModel, i64>,
}

impl SlurmFleet {
    /// The nodes, and what was assumed about them.
    pub(super) fn nodes(&self, jobs: &[Job]) -> Result<(Vec<RegisterNode>, String)> {
        let held = held_by_node(jobs);
        if self.nodes.is_some() || held.is_empty() {
            return self.uniform(jobs);
        }
        if held.len() > NODES_MAX {
            let count = held.len();
            return Err(Error::invalid(format!(
                "the jobs name {count} nodes and a pool has at most {NODES_MAX}: cut the list"
            )));
        }
        let nodes = held.iter().map(|(name, held)| self.node(name, held));
        let nodes: Vec<RegisterNode> = nodes.collect();
        let how = match self.gpus_per_node {
            Some(gpus) => format!("{gpus} GPUs each, as asked"),
            None => "each with as many GPUs as jobs held on it at once".to_owned(),
        };
        let count = nodes.len();
        Ok((nodes, format!("fleet: the {count} nodes on which jobs held GPUs, {how}")))
    }

    fn node(&self, name: &str, held: &Held) -> RegisterNode {
        let mut now = 0;
        let at_once = held.changes.values().map(|change| {
            now += change;
            now
        });
        let most = at_once.max().unwrap_or(1).clamp(1, NODE_GPUS_MAX);
        let model = held.models.iter().max_by_key(|(_, count)| **count);
        RegisterNode {
            node: NodeId::from(name),
            gpu_model: model.map_or_else(|| self.gpu_model.clone(), |(model, _)| model.clone()),
            gpu_count: self.gpus_per_node.unwrap_or(most),
            cpu_milli: CpuMilli(0),
            memory_mib: MemoryMib(0),
            topology_group: String::new(),
        }
    }

    fn uniform(&self, jobs: &[Job]) -> Result<(Vec<RegisterNode>, String)> {
        let gpus_per_node = self.gpus_per_node.unwrap_or(GPUS_PER_NODE);
        let gpu_model = jobs.iter().flat_map(|job| &job.row.gpus.models).min();
        let gpu_model = gpu_model.unwrap_or(&self.gpu_model).clone();
        let fleet = Fleet { nodes: self.nodes, gpus_per_node, gpu_model };
        let plain = |job: &Job| PlainJob {
            submitted_ms: job.row.eligible_ms,
            duration_ms: job.duration_ms,
            gpu_count: job.gpu_count(),
            cluster: TenantId::default(),
        };
        let jobs: Vec<(u64, PlainJob)> = jobs.iter().map(|job| (job.line, plain(job))).collect();
        let nodes = uniform(&fleet, &jobs)?;
        let (count, model) = (nodes.len(), &fleet.gpu_model);
        let how = match self.nodes {
            Some(_) => "as asked",
            None => "enough for everyone in 99 % of the time, as the jobs name no nodes",
        };
        Ok((nodes, format!("fleet: {count} nodes of {gpus_per_node} x {model}, {how}")))
    }
}

fn held_by_node(jobs: &[Job]) -> BTreeMap<&str, Held> {
    let mut nodes: BTreeMap<&str, Held> = BTreeMap::new();
    for job in jobs {
        let gpus = job.gpus_per_node();
        let ends_at_ms = job.started_ms.plus(job.duration_ms);
        let models = match job.row.held.models.as_slice() {
            [] => &job.row.gpus.models,
            models => models,
        };
        for host in &job.row.hosts {
            let held = nodes.entry(host).or_default();
            *held.changes.entry(job.started_ms).or_default() += gpus;
            *held.changes.entry(ends_at_ms).or_default() -= gpus;
            if let [model] = models {
                *held.models.entry(model.clone()).or_default() += 1;
            }
        }
    }
    nodes
}
