//! The node and task lists of Alibaba's cluster-trace-gpu-v2023 ("openb"), which the FGD paper is
//! measured on.

use super::table::{self, Cells, Format, Table};
use crate::error::Result;
use conclave_core::limits::{
    CPU_MILLI_MAX, DURATION_MS_MAX, GPU_MILLI_WHOLE, GPU_MODELS_MAX, ID_BYTES_MAX, MEMORY_MIB_MAX,
    NODE_GPUS_MAX, NODES_MAX,
};
use conclave_core::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib, NodeId};
use std::collections::BTreeMap;
use std::path::Path;

const NODES: Format = Format {
    what: "an openb node list",
    required: &["sn", "cpu_milli", "memory_mib", "gpu", "model"],
    optional: &[],
    separator: ',',
};
const TASKS: Format = Format {
    what: "an openb pod list",
    required: &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"],
    optional: &["gpu_spec", "qos", "pod_phase", "creation_time", "deletion_time", "scheduled_time"],
    separator: ',',
};
const TIMED_TASKS: Format = Format {
    what: "an openb pod list with times",
    required: &[
        "name",
        "cpu_milli",
        "memory_mib",
        "num_gpu",
        "gpu_milli",
        "creation_time",
        "deletion_time",
    ],
    optional: &["gpu_spec", "qos", "pod_phase", "scheduled_time"],
    separator: ',',
};
const QOS: [(&str, Qos); 4] = [
    ("LS", Qos::LatencySensitive),
    ("BE", Qos::BestEffort),
    ("Burstable", Qos::Burstable),
    ("Guaranteed", Qos::Guaranteed),
];
const PHASES: [(&str, Phase); 4] = [
    ("Pending", Phase::Pending),
    ("Running", Phase::Running),
    ("Succeeded", Phase::Succeeded),
    ("Failed", Phase::Failed),
];
/// Seconds that a trace may span.
const SECONDS_MAX: i64 = DURATION_MS_MAX.0 / 1_000;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its name.
    pub node: NodeId,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
    /// Its GPUs.
    pub gpu_count: i64,
    /// Their model; some are named by a code, as published.
    pub gpu_model: GpuModel,
}

/// One task. Lists of the multi-GPU family end after the first five columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its name.
    pub name: String,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
    /// Its GPUs.
    pub gpu_count: i64,
    /// Milli of each GPU: 1000 is whole, less only with one GPU, 0 without.
    pub gpu_milli: GpuMilli,
    /// Acceptable models; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// Its class of service.
    pub qos: Option<Qos>,
    /// The last that was seen of it.
    pub phase: Option<Phase>,
    /// When it was asked for, in seconds since the trace began.
    pub created_s: Option<i64>,
    /// When it was gone.
    pub deleted_s: Option<i64>,
    /// When it got its place; absent when it never did.
    pub scheduled_s: Option<i64>,
}

/// Class of service of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// Latency sensitive.
    LatencySensitive,
    /// Best effort.
    BestEffort,
    /// May use more than it was promised.
    Burstable,
    /// Has what it was promised.
    Guaranteed,
}

/// The last that was seen of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Whether a task list has to say when its tasks came and went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The multi-GPU family does not.
    Optional,
    /// Whoever follows the trace's time needs them, in every row.
    Needed,
}

/// Reads a node list, in the order of the file.
///
/// # Errors
/// As [`table::read`].
pub fn node_table(path: &Path) -> Result<Table<NodeRow>> {
    let mut names = Names::default();
    table::read(path, &NODES, |cells| node(cells, &mut names))
}

/// Reads a task list, in the order of the file.
///
/// # Errors
/// As [`table::read`].
pub fn task_table(path: &Path, times: Times) -> Result<Table<TaskRow>> {
    let mut names = Names::default();
    let format = match times {
        Times::Optional => &TASKS,
        Times::Needed => &TIMED_TASKS,
    };
    table::read(path, format, |cells| task(cells, &mut names, times))
}

/// Reads a node list in which every row is sound.
///
/// # Errors
/// [`crate::error::ErrorKind::Invalid`] naming file, line and column when something in it is not as
/// published; `Unavailable` when the file cannot be read.
pub fn read_nodes(path: &Path) -> Result<Vec<NodeRow>> {
    node_table(path)?.whole()
}

/// Reads a task list in which every row is sound.
///
/// # Errors
/// As [`read_nodes`].
pub fn read_tasks(path: &Path) -> Result<Vec<TaskRow>> {
    task_table(path, Times::Optional)?.whole()
}

/// The line that took each name.
#[derive(Default)]
struct Names(BTreeMap<String, u64>);

impl Names {
    /// The name of a line that is the first to bear it.
    fn take(&mut self, cells: &mut Cells<'_>, column: &'static str) -> Option<String> {
        let name = cells.name(column)?;
        if let Some(first) = self.0.get(&name) {
            let what = format!("'{name}' stands on line {first} already");
            cells.damage(column, what, "give each row a name of its own");
            return None;
        }
        self.0.insert(name.clone(), cells.line());
        Some(name)
    }
}

fn node(cells: &mut Cells<'_>, names: &mut Names) -> Option<NodeRow> {
    let name = names.take(cells, "sn");
    let cpu_milli = cells.integer("cpu_milli", 0, CPU_MILLI_MAX);
    let memory_mib = cells.integer("memory_mib", 0, MEMORY_MIB_MAX);
    let gpu_count = cells.integer("gpu", 0, NODE_GPUS_MAX);
    let has_no_gpus = gpu_count == Some(0) && cells.text("model").is_empty();
    let model = if has_no_gpus { Some(String::new()) } else { cells.name("model") };
    if names.0.len() > NODES_MAX {
        let what = format!("is one of more than {NODES_MAX} nodes");
        cells.damage("sn", what, "cut the list: a pool has no more");
    }
    Some(NodeRow {
        node: NodeId::from(name?),
        cpu_milli: CpuMilli(cpu_milli?),
        memory_mib: MemoryMib(memory_mib?),
        gpu_count: gpu_count?,
        gpu_model: GpuModel::from(model?),
    })
}

fn task(cells: &mut Cells<'_>, names: &mut Names, times: Times) -> Option<TaskRow> {
    let name = names.take(cells, "name");
    let cpu_milli = cells.integer("cpu_milli", 0, CPU_MILLI_MAX);
    let memory_mib = cells.integer("memory_mib", 0, MEMORY_MIB_MAX);
    let gpu_count = cells.integer("num_gpu", 0, NODE_GPUS_MAX);
    let gpu_milli = cells.integer("gpu_milli", 0, GPU_MILLI_WHOLE);
    check_gpus(cells, gpu_count, gpu_milli);
    let gpu_models = models(cells);
    let qos = one_of(cells, "qos", &QOS);
    let phase = one_of(cells, "pod_phase", &PHASES);
    let mut seconds = |column, times| match times {
        Times::Optional => cells.integer_or_empty(column, 0, SECONDS_MAX),
        Times::Needed => cells.integer(column, 0, SECONDS_MAX).map(Some),
    };
    let created_s = seconds("creation_time", times);
    let deleted_s = seconds("deletion_time", times);
    let scheduled_s = seconds("scheduled_time", Times::Optional);
    if let (Some(Some(created)), Some(Some(deleted))) = (created_s, deleted_s)
        && deleted < created
    {
        let what = format!("{deleted} is before the creation_time {created}");
        cells.damage("deletion_time", what, "one of the two is wrong");
    }
    Some(TaskRow {
        name: name?,
        cpu_milli: CpuMilli(cpu_milli?),
        memory_mib: MemoryMib(memory_mib?),
        gpu_count: gpu_count?,
        gpu_milli: GpuMilli(gpu_milli?),
        gpu_models: gpu_models?,
        qos: qos?,
        phase: phase?,
        created_s: created_s?,
        deleted_s: deleted_s?,
        scheduled_s: scheduled_s?,
    })
}

/// A slice is of one GPU, several GPUs are whole, and no GPU has no part.
fn check_gpus(cells: &mut Cells<'_>, count: Option<i64>, milli: Option<i64>) {
    match (count, milli) {
        (None, _) | (_, None) => {}
        (Some(0), Some(0)) | (Some(1), Some(1..GPU_MILLI_WHOLE)) => {}
        (Some(1..), Some(GPU_MILLI_WHOLE)) => {}
        (Some(count), Some(milli)) => {
            let what = format!("{milli} of each of {count} GPUs is no request");
            let fix = "write 1000 for whole GPUs, less only with one GPU, 0 without any";
            cells.damage("gpu_milli", what, fix);
        }
    }
}

fn models(cells: &mut Cells<'_>) -> Option<Vec<GpuModel>> {
    let joined = cells.text("gpu_spec");
    let models: Vec<&str> = joined.split('|').filter(|model| !model.is_empty()).collect();
    let is_name = |model: &&str| model.len() <= ID_BYTES_MAX && !model.contains(char::is_control);
    if models.len() <= GPU_MODELS_MAX && models.iter().all(is_name) {
        return Some(models.into_iter().map(GpuModel::from).collect());
    }
    let fix = format!("write at most {GPU_MODELS_MAX} names of {ID_BYTES_MAX} bytes");
    cells.wrong("gpu_spec", "a list of models joined by |", &fix);
    None
}

/// The value that a cell names; an empty one or a missing column names none.
fn one_of<T: Copy>(
    cells: &mut Cells<'_>,
    column: &'static str,
    words: &[(&'static str, T)],
) -> Option<Option<T>> {
    let text = cells.text(column);
    if text.is_empty() {
        return Some(None);
    }
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| Some(*value));
    if found.is_none() {
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        cells.wrong(column, "a word of this column", &format!("write {}", names.join(", ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::trace::table::NAME_BYTES_MAX;

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
            "a,1,1,1,1000,,LS,Running,0,5,0",
            "b,1,1,1,1000,,LS,Running,0,9223372036854775807,0",
            "b,1,1,1,1000,,LS,Running,-1,5,0",
            ",1,1,1,1000,,LS,Running,0,5,0",
            &format!("{},1,1,1,1000,,LS,Running,0,5,0", "b".repeat(NAME_BYTES_MAX + 1)),
            &format!("b,1,1,1,1000,{}T4,LS,Running,0,5,0", "T4|".repeat(GPU_MODELS_MAX)),
        ] {
            let error = tasks(&format!("{ALL}{good}{bad}\n")).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{bad}");
            assert!(error.message.contains("tasks.csv:3: "), "{bad}: {}", error.message);
        }
        let error = tasks("name,cpu_milli\na,1\n").unwrap_err();
        assert!(
            error.message.contains("tasks.csv:1: lacks the columns memory_mib, "),
            "{}",
            error.message
        );
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
        assert!(
            error.message.contains("nodes.csv:4: sn 'z' stands on line 2"),
            "{}",
            error.message
        );
    }
}
