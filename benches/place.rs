//! How long one choice takes on a full fleet, of openb's 1,213 nodes and of 10,000 like them,
//! beside a choice by whoever remembers none: `cargo bench --bench place [-- TRACE ...]`.
//!
//! What each policy allocates is another table, `conclave place table`. `tests/place.rs` finds the
//! traces the same way.

use conclave::place::{Contender, Field, target_workload};
use conclave::trace::openb::{NodeRow, TaskRow, read_nodes, read_tasks};
use conclave_core::placement::draw::Draw;
use conclave_core::placement::{Fleet, Need, Shape, Spot};
use conclave_core::units::NodeId;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Choices timed on a full fleet.
const CHOICES: usize = 50_000;

/// How many of them are made again without memory.
const CHOICES_AFRESH: usize = 500;

/// Nodes of the larger fleet.
const NODES_LARGE: usize = 10_000;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Some(folder) = traces() else {
        return writeln!(out, "SKIPPED: no openb traces; name their folder in CONCLAVE_TRACES");
    };
    let nodes =
        read_nodes(&folder.join("openb_node_list_gpu_node.csv")).map_err(io::Error::other)?;
    let fleets = [nodes.clone(), repeated(&nodes, NODES_LARGE)];
    writeln!(out, "µs of one choice on a full fleet, one task leaving before each; the median of")?;
    writeln!(out, "those without memory of earlier ones, and how many times longer they take")?;
    writeln!(
        out,
        "{:14}{:12}{:>7}{:>8}{:>8}{:>8}{:>10}{:>8}",
        "trace", "policy", "nodes", "p50", "p99", "max", "afresh", "ratio"
    )?;
    for name in trace_names(&folder)? {
        let tasks = read_tasks(&folder.join(format!("openb_pod_list_{name}.csv")));
        let tasks = tasks.map_err(io::Error::other)?;
        for policy in Contender::ALL {
            for nodes in &fleets {
                let Times { p50, p99, max, afresh } = Times::of(policy, nodes, &tasks);
                write!(out, "{name:14}{:12}{:>7}", policy.name(), nodes.len())?;
                write!(out, "{p50:>8.1}{p99:>8.1}{max:>8.1}{afresh:>10.1}")?;
                writeln!(out, "{:>8.0}", afresh / p50)?;
            }
        }
    }
    Ok(())
}

/// The traces in `folder`, or those of them that the command line names.
fn trace_names(folder: &Path) -> io::Result<Vec<String>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("openb_pod_list_").and_then(|name| name.strip_suffix(".csv"));
        let wanted = |name: &&str| asked.is_empty() || asked.iter().any(|asked| asked == name);
        names.extend(name.filter(wanted).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

/// So many nodes, each of `nodes` in turn.
fn repeated(nodes: &[NodeRow], count: usize) -> Vec<NodeRow> {
    let named = |(index, row): (usize, &NodeRow)| {
        let node = NodeId::from(format!("{}-{}", row.node, index / nodes.len()));
        NodeRow { node, ..row.clone() }
    };
    nodes.iter().cycle().take(count).enumerate().map(named).collect()
}

/// Microseconds of a choice.
struct Times {
    p50: f64,
    p99: f64,
    max: f64,
    /// Median of those without memory of an earlier one.
    afresh: f64,
}

impl Times {
    /// On a fleet that tasks filled until one was refused. Before each choice a random task leaves;
    /// every choice, fitting or not, is timed.
    fn of(policy: Contender, nodes: &[NodeRow], tasks: &[TaskRow]) -> Self {
        let mut fleet = Fleet::default();
        for NodeRow { node, cpu_milli, memory_mib, gpu_count, gpu_model } in nodes {
            fleet.add_node(node.clone(), gpu_model, *gpu_count, *cpu_milli, *memory_mib);
        }
        let shapes: Vec<Shape> = tasks.iter().map(shape).collect();
        let mut field = policy.on(fleet, &target_workload(tasks));
        let mut draw = Draw::new(7);
        let mut placed: Vec<(Spot, usize)> = Vec::new();
        let (mut times, mut afresh) = (Vec::new(), Vec::new());
        let mut full = false;
        while times.len() < CHOICES {
            if full {
                let (spot, task) = placed.swap_remove(draw.below(placed.len()));
                field.remove(&shapes[task], spot);
            }
            let (task, seed) = (draw.below(shapes.len()), draw.next_bits());
            let (us, spot) = timed(&mut field, &shapes[task], seed);
            if full {
                times.push(us);
                if times.len() % (CHOICES / CHOICES_AFRESH) == 0 {
                    let (us, other) = timed(&mut without_memory(&field), &shapes[task], seed);
                    assert_eq!(spot, other, "memory changed a choice");
                    afresh.push(us);
                }
            }
            match spot {
                Some(spot) => {
                    field.place(&shapes[task], spot);
                    placed.push((spot, task));
                }
                None => full = true,
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        afresh.sort_unstable_by(f64::total_cmp);
        Self {
            p50: times[CHOICES / 2],
            p99: times[CHOICES / 100 * 99],
            max: times[CHOICES - 1],
            afresh: afresh[CHOICES_AFRESH / 2],
        }
    }
}

fn timed(field: &mut Field, shape: &Shape, seed: u64) -> (f64, Option<Spot>) {
    let began = Instant::now();
    let spot = field.choose(shape, seed);
    (began.elapsed().as_secs_f64() * 1e6, spot)
}

/// The same choices to come, and every score worked out anew.
fn without_memory(field: &Field) -> Field {
    let mut field = field.clone();
    field.forget();
    field
}

fn shape(task: &TaskRow) -> Shape {
    let TaskRow { gpu_milli, cpu_milli, memory_mib, .. } = *task;
    Shape::new(task.gpu_count, Need { gpu_milli, cpu_milli, memory_mib }, &task.gpu_models)
}

fn traces() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("CONCLAVE_TRACES").map_or_else(beside, PathBuf::from);
    folder.join("openb_node_list_gpu_node.csv").exists().then_some(folder)
}
