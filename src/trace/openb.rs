//! The node and task lists of Alibaba's cluster-trace-gpu-v2023 ("openb"), which the FGD paper is
//! measured on.

use crate::error::{Error, Result};
use conclave_core::limits::{
    CPU_MILLI_MAX, DURATION_MS_MAX, GPU_MILLI_WHOLE, GPU_MODELS_MAX, ID_BYTES_MAX, MEMORY_MIB_MAX,
    NODE_GPUS_MAX, NODES_MAX,
};
use conclave_core::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of one file: a hundred times the largest published one.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of a name: an id of ours less what a feed puts before it.
pub const NAME_BYTES_MAX: usize = ID_BYTES_MAX - 16;
/// Seconds that a trace may span.
const SECONDS_MAX: i64 = DURATION_MS_MAX.0 / 1_000;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeRow {
    /// Its name.
    #[serde(rename = "sn")]
    pub node: NodeId,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
    /// Its GPUs.
    #[serde(rename = "gpu")]
    pub gpu_count: i64,
    /// Their model; some are named by a code, as published.
    #[serde(rename = "model")]
    pub gpu_model: GpuModel,
}

/// One task. Lists of the multi-GPU family end after the first five columns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaskRow {
    /// Its name.
    pub name: String,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
    /// Its GPUs.
    #[serde(rename = "num_gpu")]
    pub gpu_count: i64,
    /// Milli of each GPU: 1000 is whole, less only with one GPU, 0 without.
    pub gpu_milli: GpuMilli,
    /// Acceptable models; empty is any.
    #[serde(rename = "gpu_spec", default, deserialize_with = "models")]
    pub gpu_models: Vec<GpuModel>,
    /// Its class of service.
    #[serde(default)]
    pub qos: Option<Qos>,
    /// The last that was seen of it.
    #[serde(rename = "pod_phase", default)]
    pub phase: Option<Phase>,
    /// When it was asked for, in seconds since the trace began.
    #[serde(rename = "creation_time", default)]
    pub created_s: Option<i64>,
    /// When it was gone.
    #[serde(rename = "deletion_time", default)]
    pub deleted_s: Option<i64>,
    /// When it got its place; absent when it never did.
    #[serde(rename = "scheduled_time", default)]
    pub scheduled_s: Option<i64>,
}

/// Class of service of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Qos {
    /// Latency sensitive.
    #[serde(rename = "LS")]
    LatencySensitive,
    /// Best effort.
    #[serde(rename = "BE")]
    BestEffort,
    /// May use more than it was promised.
    Burstable,
    /// Has what it was promised.
    Guaranteed,
}

/// The last that was seen of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// It waited.
    Pending,
    /// It ran; most were deleted while running.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
}

/// Reads a node list, in the order of the file.
///
/// # Errors
/// [`crate::error::ErrorKind::Invalid`] naming file and line when something in it is not as
/// published; `Unavailable` when the file cannot be read.
pub fn read_nodes(path: &Path) -> Result<Vec<NodeRow>> {
    let mut names = BTreeSet::new();
    let nodes = read(path, |node: &NodeRow| {
        is_name("sn", &node.node.0)?;
        is_model(&node.gpu_model)?;
        if !names.insert(node.node.clone()) {
            return Err(format!("node {} is listed a second time", node.node));
        }
        if names.len() > NODES_MAX {
            return Err(format!("more than {NODES_MAX} nodes"));
        }
        in_range("gpu", node.gpu_count, NODE_GPUS_MAX)?;
        in_range("cpu_milli", node.cpu_milli.0, CPU_MILLI_MAX)?;
        in_range("memory_mib", node.memory_mib.0, MEMORY_MIB_MAX)
    })?;
    not_empty(path, nodes)
}

/// Reads a task list, in the order of the file.
///
/// # Errors
/// As [`read_nodes`].
pub fn read_tasks(path: &Path) -> Result<Vec<TaskRow>> {
    let tasks = read(path, |task: &TaskRow| {
        is_name("name", &task.name)?;
        task.gpu_models.iter().try_for_each(is_model)?;
        if task.gpu_models.len() > GPU_MODELS_MAX {
            let count = task.gpu_models.len();
            return Err(format!("gpu_spec names {count} models, more than {GPU_MODELS_MAX}"));
        }
        for (name, seconds) in [
            ("creation_time", task.created_s),
            ("deletion_time", task.deleted_s),
            ("scheduled_time", task.scheduled_s),
        ] {
            in_range(name, seconds.unwrap_or(0), SECONDS_MAX)?;
        }
        in_range("num_gpu", task.gpu_count, NODE_GPUS_MAX)?;
        in_range("cpu_milli", task.cpu_milli.0, CPU_MILLI_MAX)?;
        in_range("memory_mib", task.memory_mib.0, MEMORY_MIB_MAX)?;
        match (task.gpu_count, task.gpu_milli.0) {
            (0, 0) | (1, 1..GPU_MILLI_WHOLE) | (1.., GPU_MILLI_WHOLE) => {}
            (count, milli) => return Err(format!("{count} GPUs of {milli} milli are no request")),
        }
        match (task.created_s, task.deleted_s) {
            (Some(created), Some(deleted)) if deleted < created => {
                Err(format!("it is deleted at {deleted}, before its creation at {created}"))
            }
            _ => Ok(()),
        }
    })?;
    not_empty(path, tasks)
}

fn not_empty<Row>(path: &Path, rows: Vec<Row>) -> Result<Vec<Row>> {
    if rows.is_empty() {
        return Err(Error::invalid(format!("{} holds no rows", path.display())));
    }
    Ok(rows)
}

fn is_name(column: &str, name: &str) -> std::result::Result<(), String> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        bytes => Err(format!("{column} has {bytes} bytes, not 1 to {NAME_BYTES_MAX}")),
    }
}

fn is_model(model: &GpuModel) -> std::result::Result<(), String> {
    match model.0.len() {
        0..=ID_BYTES_MAX => Ok(()),
        bytes => Err(format!("a model's name has {bytes} bytes, more than {ID_BYTES_MAX}")),
    }
}

fn read<Row: DeserializeOwned>(
    path: &Path,
    mut check: impl FnMut(&Row) -> std::result::Result<(), String>,
) -> Result<Vec<Row>> {
    let shown = path.display();
    let unreadable = |e| Error::unavailable(format!("cannot read {shown}")).caused_by(e);
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX;
        return Err(Error::invalid(format!(
            "{shown} has {bytes} bytes; a trace has at most {limit}"
        )));
    }
    let mut reader = csv::Reader::from_reader(std::fs::File::open(path).map_err(unreadable)?);
    let mut rows = Vec::new();
    let header = reader.headers().map_err(|e| damaged(path, &e, 1))?.clone();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|e| damaged(path, &e, line))? {
            return Ok(rows);
        }
        let line = record.position().map_or(line, csv::Position::line);
        let row = record.deserialize(Some(&header)).map_err(|e| damaged(path, &e, line))?;
        check(&row).map_err(|what| Error::invalid(format!("{shown}:{line}: {what}")))?;
        rows.push(row);
    }
}

fn damaged(path: &Path, error: &csv::Error, line: u64) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(e) => Error::unavailable(format!("cannot read {}: {e}", path.display())),
        _ => Error::invalid(format!("{}:{line}: {error}", path.display())),
    }
}

fn in_range(name: &str, value: i64, max: i64) -> std::result::Result<(), String> {
    if (0..=max).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} {value} is not in 0..={max}"))
    }
}

fn models<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Vec<GpuModel>, D::Error> {
    let joined = String::deserialize(from)?;
    Ok(joined.split('|').filter(|model| !model.is_empty()).map(GpuModel::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const FIVE: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n";
    const ALL: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,\
        creation_time,deletion_time,scheduled_time\n";

    fn tasks(text: &str) -> Result<Vec<TaskRow>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.csv");
        std::fs::write(&path, text).unwrap();
        read_tasks(&path)
    }

    #[test]
    fn a_row_says_what_its_columns_say() {
        let read = tasks(&format!("{ALL}a,6000,12288,1,460,T4|P100,LS,Running,427061,12902960,\n"));
        let task = TaskRow {
            name: "a".to_owned(),
            cpu_milli: CpuMilli(6_000),
            memory_mib: MemoryMib(12_288),
            gpu_count: 1,
            gpu_milli: GpuMilli(460),
            gpu_models: vec![GpuModel::from("T4"), GpuModel::from("P100")],
            qos: Some(Qos::LatencySensitive),
            phase: Some(Phase::Running),
            created_s: Some(427_061),
            deleted_s: Some(12_902_960),
            scheduled_s: None,
        };
        assert_eq!(read.unwrap(), std::slice::from_ref(&task));
        let short = TaskRow {
            gpu_models: vec![],
            qos: None,
            phase: None,
            created_s: None,
            deleted_s: None,
            ..task
        };
        assert_eq!(tasks(&format!("{FIVE}a,6000,12288,1,460\n")).unwrap(), [short]);
        for empty in [FIVE, "", "\0\0\0"] {
            assert_eq!(tasks(empty).unwrap_err().kind, ErrorKind::Invalid, "{empty:?}");
        }
    }

    #[test]
    fn a_damaged_row_is_named_by_file_and_line() {
        let good = "a,1,1,1,1000,,LS,Running,0,5,0\n";
        for bad in [
            "b,1,1,1",
            "b,x,1,1,1000,,LS,Running,0,5,0",
            "b,-1,1,1,1000,,LS,Running,0,5,0",
            "b,1,1,2,500,,LS,Running,0,5,0",
            "b,1,1,17,1000,,LS,Running,0,5,0",
            "b,1,1,1,1000,,XX,Running,0,5,0",
            "b,1,1,1,1000,,LS,Dreaming,0,5,0",
            "b,1,1,1,1000,,LS,Running,9,5,0",
            "b,1,1,1,1000,,LS,Running,,,0,0",
            "b,1,1,1,1000,,LS,Running,0,9223372036854775807,0",
            "b,1,1,1,1000,,LS,Running,-1,5,0",
            ",1,1,1,1000,,LS,Running,0,5,0",
            &format!("{},1,1,1,1000,,LS,Running,0,5,0", "b".repeat(NAME_BYTES_MAX + 1)),
            &format!("b,1,1,1,1000,{}T4,LS,Running,0,5,0", "T4|".repeat(GPU_MODELS_MAX)),
        ] {
            let error = tasks(&format!("{ALL}{good}{bad}\n{good}")).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{bad}");
            assert!(error.message.contains("tasks.csv:3: "), "{bad}: {}", error.message);
        }
        let error = tasks("name,cpu_milli\na,1\n").unwrap_err();
        assert!(error.message.contains("tasks.csv:2: "), "{}", error.message);
    }

    #[test]
    fn a_missing_file_is_not_a_damaged_one() {
        let error = read_nodes(Path::new("no/such/nodes.csv")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("no/such/nodes.csv"), "{}", error.message);
    }

    #[test]
    fn a_node_list_is_read_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.csv");
        let text = "sn,cpu_milli,memory_mib,gpu,model\nz,64000,262144,2,P100\na,8000,61440,1,T4\n";
        std::fs::write(&path, text).unwrap();
        let nodes = read_nodes(&path).unwrap();
        let names: Vec<&str> = nodes.iter().map(|node| node.node.0.as_str()).collect();
        assert_eq!((names, nodes[0].gpu_count), (vec!["z", "a"], 2));
        std::fs::write(&path, format!("{text}b,1,1,99,T4\n")).unwrap();
        let error = read_nodes(&path).unwrap_err();
        assert!(error.message.contains("nodes.csv:4: "), "{}", error.message);
        std::fs::write(&path, format!("{text}z,1,1,1,T4\n")).unwrap();
        let error = read_nodes(&path).unwrap_err();
        assert!(error.message.contains("nodes.csv:4: node z"), "{}", error.message);
    }
}
