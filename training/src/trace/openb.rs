//! openb: the tasks of Alibaba's cluster-trace-gpu-v2023, run on a part of its nodes.
//!
//! With its own times and nodes nothing of it ever waits, so one node of a hundred is taken and
//! arrivals are brought closer to each other until the mean load is [`LOAD`], tenth by tenth: the
//! trace's own rate grows a hundredfold. Waits are those of conclave's queue, not the trace's. The
//! trace names no tenants: tasks of one class of service and one shape are taken for one
//! application, and applications for tenants.

use super::{Row, Rows};
use crate::error::{Error, Result};
use crate::job::{Ending, Job, NodeSpec, Scenario, TenantSpec};
use crate::number::nearest;
use conclave_core::command::WorkOutcome;
use std::collections::BTreeMap;

/// The nodes, as published.
pub const NODES_FILE: &str = "openb_node_list_gpu_node.csv";
/// The tasks, as published.
pub const TASKS_FILE: &str = "openb_pod_list_default.csv";
/// The source's name.
pub const NAME: &str = "openb";
/// Whoever waits for so long holds up everybody behind, and a fleet stands idle for whole nodes.
const WAIT_BOUND_MS: i64 = 100 * 3_600_000;
/// Offered GPU time by what the taken nodes have in the time of the arrivals.
pub const LOAD: f64 = 1.0;
/// One node of so many is taken.
const NODE_EVERY: usize = 100;
/// Parts of the jobs that have the same mean load. Within each, bursts are the trace's own.
const TENTHS: usize = 10;
/// Nobody runs longer: some tasks last as long as the trace, and would be all there is to wait for.
const RUN_MS_MAX: i64 = 24 * 3_600_000;
/// Nobody waits longer than it takes, but so long everybody does. Without this the queue of an
/// overloaded fleet only grows, and every later request waits for ever.
const PATIENCE_MS_MIN: i64 = 30 * 60_000;
/// What people ask for when they are asked how long: minutes.
const EXPECTED_MIN: [i64; 9] = [5, 15, 60, 240, 720, 1_440, 2_880, 4_320, 10_080];

/// The trace as a scenario.
///
/// # Errors
/// [`Error::Invalid`] naming row and column when a cell is not as published.
pub fn scenario(nodes: &Rows, tasks: &Rows) -> Result<Scenario> {
    let nodes = nodes.iter().step_by(NODE_EVERY).map(node).collect::<Result<Vec<_>>>()?;
    let mut applications = BTreeMap::new();
    let rows = tasks.iter().map(|row| job(row, &mut applications)).collect::<Result<Vec<_>>>()?;
    let mut jobs: Vec<_> = rows.into_iter().flatten().collect();
    jobs.sort_by_key(|job| job.at_ms);
    bring_closer(&nodes, &mut jobs)?;
    let whole = 1_000 * nodes.iter().map(|node| node.gpu_count).sum::<i64>();
    let share = TenantSpec { guarantee_gpu_milli: 0, limit_gpu_milli: whole };
    let tenants = vec![share; applications.len()];
    Ok(Scenario { name: NAME, nodes, tenants, wait_bound_ms: WAIT_BOUND_MS, jobs })
}

/// Scales arrivals so that the mean load of every tenth of the jobs is [`LOAD`].
fn bring_closer(nodes: &[NodeSpec], jobs: &mut [Job]) -> Result<()> {
    if jobs.is_empty() {
        return Err(Error::Invalid("the task list is empty: take it as published".to_owned()));
    }
    let gpus = 1_000 * nodes.iter().map(|node| node.gpu_count).sum::<i64>();
    let mut begin = 0.0;
    for tenth in jobs.chunks_mut(jobs.len().div_ceil(TENTHS)) {
        let work: f64 =
            tenth.iter().map(|job| job.total_gpu_milli() as f64 * job.run_ms as f64).sum();
        let (first, last) = (tenth[0].at_ms, tenth[tenth.len() - 1].at_ms);
        let wanted = work / (LOAD * gpus as f64);
        let factor = wanted / ((last - first) as f64).max(1.0);
        for job in tenth {
            job.at_ms = nearest(begin + (job.at_ms - first) as f64 * factor);
        }
        begin += wanted;
    }
    Ok(())
}

fn node(row: Row<'_>) -> Result<NodeSpec> {
    Ok(NodeSpec {
        gpu_model: row.text("model")?.to_owned(),
        gpu_count: nearest(row.needed("gpu")?),
        cpu_milli: nearest(row.needed("cpu_milli")?),
        memory_mib: nearest(row.needed("memory_mib")?),
    })
}

/// None for a task that never ran: how long it would have taken is not known.
fn job(row: Row<'_>, applications: &mut BTreeMap<[String; 6], usize>) -> Result<Option<Job>> {
    const SHAPE: [&str; 6] = ["qos", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec"];
    let (Some(started), Some(ended)) =
        (row.number("scheduled_time")?, row.number("deletion_time")?)
    else {
        return Ok(None);
    };
    let mut shape = SHAPE.map(|_| String::new());
    for (cell, column) in shape.iter_mut().zip(SHAPE) {
        row.text(column)?.clone_into(cell);
    }
    let count = applications.len();
    let tenant = *applications.entry(shape).or_insert(count);
    let run_ms = nearest(1_000.0 * (ended - started)).clamp(1_000, RUN_MS_MAX);
    let asked = EXPECTED_MIN.into_iter().map(|minutes| minutes * 60_000);
    let expected_ms = asked.into_iter().find(|asked| run_ms <= *asked).unwrap_or(RUN_MS_MAX);
    let (priority, preemptible) = match row.text("qos")? {
        "BE" => (3, true),
        "Burstable" => (5, false),
        _ => (7, false),
    };
    let ending = match row.text("pod_phase")? {
        "Failed" => WorkOutcome::Failed,
        "Succeeded" => WorkOutcome::Succeeded,
        // Most were deleted while they ran, and nobody knows why.
        _ => WorkOutcome::Unknown,
    };
    let models = row.text("gpu_spec")?.split('|').filter(|model| !model.is_empty());
    Ok(Some(Job {
        tenant,
        at_ms: nearest(1_000.0 * row.needed("creation_time")?),
        replicas: 1,
        gpu_count: nearest(row.needed("num_gpu")?),
        gpu_milli: nearest(row.needed("gpu_milli")?),
        cpu_milli: nearest(row.needed("cpu_milli")?),
        memory_mib: nearest(row.needed("memory_mib")?),
        gpu_models: models.map(str::to_owned).collect(),
        expected_ms,
        priority,
        preemptible,
        patience_ms: Some(expected_ms.max(PATIENCE_MS_MIN)),
        run_ms,
        ending: Ending::Released(ending),
        utilisation_bp: None,
    }))
}
