//! Where a demo's requests come from: the published figures, or a real trace.

use crate::error::Result;
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

    fn of(qos: Option<&str>) -> Self {
        match qos {
            Some("LS") | None => Self::LatencySensitive,
            Some("Guaranteed") => Self::Guaranteed,
            Some("Burstable") => Self::Burstable,
            Some(_) => Self::BestEffort,
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
        let _ = (nodes, pods); Err(crate::error::Error::bug("later"))
    }
}

/// A node as a command.
pub(super) fn node(name: String, model: &str, gpus: i64, cpu: i64, memory: i64) -> RegisterNode {
    RegisterNode {
        node: NodeId(name),
        gpu_model: GpuModel::from(model),
        gpu_count: gpus,
        cpu_milli: CpuMilli(cpu),
        memory_mib: MemoryMib(memory),
        topology_group: String::new(),
    }
}
