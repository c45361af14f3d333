//! Where a demo's requests come from: the published figures, or a real trace.

use crate::error::{Error, Result};
use crate::trace::openb::{self, Qos};
use conclave_core::command::RegisterNode;
use conclave_core::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};
use std::path::Path;

/// A fleet, and jobs with times of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The whole fleet.
    pub nodes: Vec<RegisterNode>,
    /// All jobs, by creation time.
    pub jobs: Vec<Job>,
}

/// One job of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name, unique in the trace.
    pub name: String,
    /// CPU.
    pub cpu_milli: CpuMilli,
    /// Memory.
    pub memory_mib: MemoryMib,
    /// GPUs; 0 for CPU only.
    pub gpu_count: i64,
    /// Milli of each GPU.
    pub gpu_milli: GpuMilli,
    /// Acceptable models; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// How it is treated.
    pub class: JobClass,
    /// Seconds from the trace's start to its creation.
    pub created_s: i64,
    /// Seconds from its creation to its deletion.
    pub duration_s: i64,
}

/// The trace's quality-of-service classes; each is a tenant of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobClass {
    /// Somebody waits for it.
    LatencySensitive,
    /// Promised.
    Guaranteed,
    /// In between.
    Burstable,
    /// Whatever is left over.
    BestEffort,
}

impl JobClass {
    /// Every class.
    pub const ALL: [Self; 4] =
        [Self::LatencySensitive, Self::Guaranteed, Self::Burstable, Self::BestEffort];

    /// The tenant that its jobs belong to.
    #[must_use]
    pub fn tenant(self) -> &'static str {
        match self {
            Self::LatencySensitive => "latency-sensitive",
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "best-effort",
        }
    }

    /// The priority of its jobs.
    #[must_use]
    pub fn priority(self) -> i64 {
        match self {
            Self::LatencySensitive | Self::Guaranteed => 7,
            Self::Burstable => 5,
            Self::BestEffort => 3,
        }
    }

    fn of(qos: Option<Qos>) -> Self {
        match qos {
            Some(Qos::LatencySensitive) | None => Self::LatencySensitive,
            Some(Qos::Guaranteed) => Self::Guaranteed,
            Some(Qos::Burstable) => Self::Burstable,
            Some(Qos::BestEffort) => Self::BestEffort,
        }
    }
}

impl Source {
    /// Reads the openb trace: one file of nodes and one of pods that has their times.
    ///
    /// # Errors
    /// `Invalid` when a file cannot be read, a row is damaged (the line is named), or times are
    /// missing.
    pub fn openb(nodes: &Path, pods: &Path) -> Result<Self> {
        Self::of(openb::read_nodes(nodes)?, openb::read_tasks(pods)?, pods)
    }

    /// The same, of rows that were read from `pods`.
    pub(crate) fn of(
        rows: Vec<openb::NodeRow>,
        tasks: Vec<openb::TaskRow>,
        pods: &Path,
    ) -> Result<Self> {
        let to_node = |row: openb::NodeRow| RegisterNode {
            node: row.node,
            gpu_model: row.gpu_model,
            gpu_count: row.gpu_count,
            cpu_milli: row.cpu_milli,
            memory_mib: row.memory_mib,
            topology_group: String::new(),
        };
        let jobs = tasks.into_iter().map(|task| job(task, pods));
        let mut jobs = jobs.collect::<Result<Vec<Job>>>()?;
        jobs.sort_by(|a, b| (a.created_s, &a.name).cmp(&(b.created_s, &b.name)));
        Ok(Self { nodes: rows.into_iter().map(to_node).collect(), jobs })
    }
}

fn job(task: openb::TaskRow, file: &Path) -> Result<Job> {
    let (Some(created_s), Some(deleted_s)) = (task.created_s, task.deleted_s) else {
        return Err(Error::invalid(format!(
            "{}: '{}' has no times: this file serves `conclave place`, not a demo",
            file.display(),
            task.name
        )));
    };
    Ok(Job {
        name: task.name,
        cpu_milli: task.cpu_milli,
        memory_mib: task.memory_mib,
        gpu_count: task.gpu_count,
        gpu_milli: task.gpu_milli,
        gpu_models: task.gpu_models,
        class: JobClass::of(task.qos),
        created_s,
        duration_s: (deleted_s - created_s).max(1),
    })
}

/// A node as a command.
pub(super) fn node(name: String, model: &str, gpus: i64, cpu: i64, memory: i64) -> RegisterNode {
    RegisterNode {
        node: NodeId::from(name),
        gpu_model: GpuModel::from(model),
        gpu_count: gpus,
        cpu_milli: CpuMilli(cpu),
        memory_mib: MemoryMib(memory),
        topology_group: String::new(),
    }
}
