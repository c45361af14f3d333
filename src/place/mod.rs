//! The published placement experiment: how much of a fleet can be allocated when tasks arrive one
//! by one, stay for ever, and are thrown away when nothing fits them ("Monte-Carlo workload
//! inflation" of the FGD paper).

mod contender;
mod published;
mod table;
pub mod waits;

pub use contender::{Contender, Field};
pub use published::published;
pub use table::{Allocated, Line, Table};

use crate::error::{Error, Result};
use crate::trace::openb::{NodeRow, TaskRow};
use conclave_core::command::TargetShape;
use conclave_core::placement::draw::Draw;
use conclave_core::placement::target::most_frequent;
use conclave_core::placement::{Fleet, Need, Shape};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// Tasks that one run may offer: a hundred times the largest published trace.
const OFFERS_MAX: usize = 1_000_000;
/// Tasks are offered until this share of the fleet's GPUs was asked for, in percent.
const ASKED_PCT: i64 = 130;

/// One run of the experiment.
#[derive(Clone, Copy, Debug)]
pub struct PlaceExperiment<'a> {
    /// The fleet.
    pub nodes: &'a [NodeRow],
    /// The trace.
    pub tasks: &'a [TaskRow],
    /// How nodes are chosen.
    pub policy: Contender,
    /// Decides the order of arrivals, the repeated tasks, and which of equal nodes comes first.
    pub seed: u64,
}

/// What one run found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceReport {
    /// How nodes were chosen.
    pub policy: Contender,
    /// The run's seed.
    pub seed: u64,
    /// Allocated share of all GPUs when 100 % of them were asked for.
    pub allocated_pct_at_100: f64,
    /// The same when 130 % of them were asked for.
    pub allocated_pct_at_130: f64,
    /// Mean wall time to place or refuse one task.
    pub us_per_placement: f64,
}

/// Runs the experiment; everything but the time it takes is a function of its arguments.
///
/// # Errors
/// [`crate::error::ErrorKind::Invalid`] when the fleet has no GPUs, the trace asks for none, or the
/// tasks are so large that no arrival falls on 100 % or 130 %.
///
/// # Panics
/// When a row is out of the ranges that [`crate::trace::openb`] checks, or two nodes share a name.
pub fn run(experiment: &PlaceExperiment) -> Result<PlaceReport> {
    let PlaceExperiment { nodes, tasks, policy, seed } = *experiment;
    let mut draw = Draw::new(seed);
    let fleet = shuffled_fleet(nodes, &mut draw);
    let total_milli = fleet.gpus().total_milli.0;
    if total_milli == 0 || tasks.iter().all(|task| task.gpu_count == 0) {
        return Err(Error::invalid(
            "the experiment needs a fleet with GPUs and tasks that want some",
        ));
    }
    let offers = inflated(tasks, total_milli * ASKED_PCT / 100, &mut draw)?;
    let shapes: Vec<Shape> = tasks.iter().map(shape).collect();
    let mut field = policy.on(fleet, &target_workload(tasks));
    let mut curve = Curve::new(total_milli);
    let began = Instant::now();
    for offer in &offers {
        let shape = &shapes[*offer];
        if let Some(spot) = field.choose(shape, draw.next_bits()) {
            field.place(shape, spot);
        }
        curve.note(shape.gpu_milli_total(), field.fleet().gpus().used_milli.0);
    }
    let seconds = began.elapsed().as_secs_f64();
    let offered = u32::try_from(offers.len()).expect("offers are bounded");
    Ok(PlaceReport {
        policy,
        seed,
        allocated_pct_at_100: curve.allocated_pct(100)?,
        allocated_pct_at_130: curve.allocated_pct(ASKED_PCT)?,
        us_per_placement: seconds * 1e6 / f64::from(offered),
    })
}

/// What a policy should expect, given a trace: its shapes by frequency, cut at 95 % of its tasks.
#[must_use]
pub fn target_workload(tasks: &[TaskRow]) -> Vec<TargetShape> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        let key = (task.cpu_milli, task.gpu_count, task.gpu_milli, &task.gpu_models);
        *counts.entry(key).or_insert(0) += 1;
    }
    let shapes = counts.into_iter().map(|((cpu_milli, gpu_count, gpu_milli, models), count)| {
        TargetShape { cpu_milli, gpu_count, gpu_milli, gpu_models: models.clone(), count }
    });
    most_frequent(shapes.collect())
}

fn shape(task: &TaskRow) -> Shape {
    let TaskRow { gpu_milli, cpu_milli, memory_mib, .. } = *task;
    Shape::new(task.gpu_count, Need { gpu_milli, cpu_milli, memory_mib }, &task.gpu_models)
}

/// The nodes in a drawn order, because the first of equals is chosen.
fn shuffled_fleet(nodes: &[NodeRow], draw: &mut Draw) -> Fleet {
    let mut order: Vec<&NodeRow> = nodes.iter().collect();
    order.sort_by(|a, b| a.node.cmp(&b.node));
    draw.shuffle(&mut order);
    let mut fleet = Fleet::default();
    for NodeRow { node, cpu_milli, memory_mib, gpu_count, gpu_model } in order {
        fleet.add_node(node.clone(), gpu_model, *gpu_count, *cpu_milli, *memory_mib);
    }
    fleet
}

/// The order of arrivals, as indices of tasks: the trace shuffled, then tasks drawn from it again
/// until just below `goal_milli`; or fewer of them when the trace alone asks for more.
fn inflated(tasks: &[TaskRow], goal_milli: i64, draw: &mut Draw) -> Result<Vec<usize>> {
    let asked = |task: usize| tasks[task].gpu_count * tasks[task].gpu_milli.0;
    let mut offers: Vec<usize> = (0..tasks.len()).collect();
    offers.sort_by(|a, b| tasks[*a].name.cmp(&tasks[*b].name));
    draw.shuffle(&mut offers);
    let mut sum: i64 = offers.iter().map(|task| asked(*task)).sum();
    // Dropping the last of a shuffled list is dropping any of them.
    while sum > goal_milli {
        sum -= offers.pop().map_or(0, asked);
    }
    while offers.len() < OFFERS_MAX {
        let task = draw.below(tasks.len());
        // As published: the draw that ends it is measured by one of its GPUs, not by all.
        if sum + tasks[task].gpu_milli.0 > goal_milli {
            return Ok(offers);
        }
        sum += asked(task);
        offers.push(task);
    }
    Err(Error::invalid(format!("{OFFERS_MAX} tasks ask for less than {goal_milli} GPU milli")))
}

/// Allocation over arrivals: every arrival is a sample of the whole percent that was asked for by
/// then.
struct Curve {
    total_milli: i64,
    asked_milli: i64,
    /// Per percent, samples and the sum of what was allocated.
    samples: BTreeMap<i64, (i32, i64)>,
}

impl Curve {
    fn new(total_milli: i64) -> Self {
        Self { total_milli, asked_milli: 0, samples: BTreeMap::new() }
    }

    fn note(&mut self, asked_milli: i64, allocated_milli: i64) {
        self.asked_milli += asked_milli;
        let pct = (self.asked_milli * 200 + self.total_milli) / (2 * self.total_milli);
        let (count, sum) = self.samples.entry(pct).or_insert((0, 0));
        *count += 1;
        *sum += allocated_milli;
    }

    #[allow(clippy::cast_precision_loss, reason = "a percentage for people")]
    fn allocated_pct(&self, asked_pct: i64) -> Result<f64> {
        let sample = self.samples.get(&asked_pct);
        let (count, sum) = sample
            .ok_or_else(|| Error::invalid(format!("no arrival falls on {asked_pct} % asked")))?;
        Ok(*sum as f64 * 100.0 / (f64::from(*count) * self.total_milli as f64))
    }
}
