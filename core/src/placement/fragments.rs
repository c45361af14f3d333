//! What of a node is a fragment to the target workload, and what a placement changes about it.
//!
//! A node's GPUs are usable to a task of the target workload when the task can run there: then all
//! those with enough left for it. With `free` the sum of what is left on all GPUs, a node's
//! expected fragmentation is `free` minus what is usable, averaged over the workload. Placing a
//! task changes `free` by what the task takes, whatever the node, so only usable amounts have to be
//! compared.
//!
//! They are sums over the target, but depend on it through few numbers. For given CPU left, a GPU
//! with `left` milli is worth `left` times the count of slices that need at most `left`, and `f`
//! free GPUs are worth 1000 · `f` times the count of tasks of 1 to `f` whole GPUs. A [`Row`] holds
//! these counts.

use super::fleet::Fleet;
use super::node::{Node, WHOLE};
use super::shape::{Kind, NODE_GPUS, Need, Shape};
use crate::command::TargetShape;
use crate::units::{GpuModel, MemoryMib};

/// Rows kept at once; beyond it all are dropped and built again as needed. One row holds at most
/// 530 counts.
const ROWS_MAX: usize = 4_096;

/// The target workload, prepared for the models of a fleet.
#[derive(Clone, Debug)]
pub(super) struct Fragments {
    target: Vec<(Shape, i64)>,
    /// Sum of all counts.
    total: i64,
    /// Per model of the fleet, which of `classes` it belongs to, and the model's name.
    class_of: Vec<(usize, GpuModel)>,
    classes: Vec<Class>,
    row_count: usize,
}

/// Models on which the same part of the target may run.
#[derive(Clone, Debug)]
struct Class {
    /// Its part, by index into the target; without tasks that need no GPU, to which none is usable.
    tasks: Vec<usize>,
    /// The CPU needs of its tasks, ascending.
    cpus: Vec<i64>,
    /// Per milli left, how many of its distinct slice sizes fit.
    level_of: Vec<u16>,
    /// Per number of `cpus` within reach, the counts; built when first needed.
    rows: Vec<Option<Box<Row>>>,
}

/// Counts of the tasks of a class whose CPU need is within reach.
#[derive(Clone, Debug)]
struct Row {
    /// Per level: slices that fit.
    slices: Vec<i64>,
    /// Per number of free GPUs: tasks of 1 to so many whole GPUs.
    wholes: [i64; NODE_GPUS + 1],
}

/// How much less fragmented a node is after a placement, in milli times counts of the target; the
/// part that does not depend on the GPU taken is worked out.
pub(super) struct Change<'a> {
    /// Without what the GPUs taken were worth and are worth then: all of it for a task without any.
    pub(super) kept: i64,
    worth: Worth<'a>,
    free: usize,
}

/// What GPUs are worth to the tasks of one row.
struct Worth<'a> {
    level_of: &'a [u16],
    row: &'a Row,
}

impl Fragments {
    /// What a pool that expects `target` holds for fragments: nothing when that is empty.
    pub(super) fn new(target: &[TargetShape]) -> Self {
        let shape = |t: &TargetShape| {
            let (gpu_milli, cpu_milli) = (t.gpu_milli, t.cpu_milli);
            let need = Need { gpu_milli, cpu_milli, memory_mib: MemoryMib(0) };
            (Shape::new(t.gpu_count, need, &t.gpu_models), t.count)
        };
        let total = target.iter().map(|t| t.count).sum();
        Self {
            target: target.iter().map(shape).collect(),
            total,
            class_of: Vec::new(),
            classes: Vec::new(),
            row_count: 0,
        }
    }

    /// Makes sure that every model of `fleet` has its class; says whether models changed.
    pub(super) fn meet(&mut self, fleet: &Fleet) -> bool {
        let models = fleet.models();
        let same = |((_, known), model): (&(usize, GpuModel), &GpuModel)| known == model;
        let is_known = self.class_of.iter().zip(models).all(same);
        if self.class_of.len() == models.len() && is_known {
            return false;
        }
        if self.class_of.len() > models.len() || !is_known {
            self.class_of.clear();
            self.classes.clear();
            self.row_count = 0;
        }
        for model in &models[self.class_of.len()..] {
            let class = self.class(model);
            self.class_of.push((class, model.clone()));
        }
        true
    }

    /// The target, with how often each shape is asked for.
    pub(super) fn target(&self) -> &[(Shape, i64)] {
        &self.target
    }

    /// The tasks of the target that may run on a model of the fleet and need GPUs.
    pub(super) fn on_model(&self, model: usize) -> impl Iterator<Item = &(Shape, i64)> {
        let class = &self.classes[self.class_of[model].0];
        class.tasks.iter().map(|task| &self.target[*task])
    }

    /// Sum of all counts of the target.
    pub(super) fn total(&self) -> i64 {
        self.total
    }

    /// What `shape` on `node`, which fits it, does to fragmentation.
    pub(super) fn change(&mut self, node: &Node, shape: &Shape) -> Change<'_> {
        let class = self.class_of[node.class().model].0;
        let (cpu_now, cpu_then) = (node.cpu_left().0, node.cpu_left().0 - shape.need().cpu_milli.0);
        let [now, then] = self.prepare(class, [cpu_now, cpu_then]);
        let (worth_now, worth) = (self.worth(class, now), self.worth(class, then));
        let gpu_left = node.gpu_left();
        let free = gpu_left.iter().filter(|left| **left == WHOLE).count();
        // Fragmentation before minus after, in counts: what is free shrinks by what is taken.
        let gone = self.total * shape.gpu_milli_total() - worth_now.of_all(gpu_left, free);
        Change { kept: gone + worth.of_all(gpu_left, free), worth, free }
    }

    fn class(&mut self, model: &GpuModel) -> usize {
        let runs = |(shape, _): &(Shape, i64)| shape.gpu_count() > 0 && shape.accepts(model);
        let tasks: Vec<usize> =
            (0..self.target.len()).filter(|task| runs(&self.target[*task])).collect();
        self.classes.iter().position(|class| class.tasks == tasks).unwrap_or_else(|| {
            self.classes.push(Class::new(tasks, &self.target));
            self.classes.len() - 1
        })
    }

    fn worth(&self, class: usize, row: usize) -> Worth<'_> {
        let class = &self.classes[class];
        let row = class.rows[row].as_ref().expect("a row is prepared before it is read");
        Worth { level_of: &class.level_of, row }
    }

    /// Builds the rows for amounts of CPU left where need be; says which they are.
    fn prepare(&mut self, class: usize, cpus_left: [i64; 2]) -> [usize; 2] {
        if self.row_count + cpus_left.len() > ROWS_MAX {
            self.classes.iter_mut().for_each(|class| class.rows.fill(None));
            self.row_count = 0;
        }
        let class = &mut self.classes[class];
        cpus_left.map(|cpu_left| {
            let reached = class.cpus.partition_point(|cpu| *cpu <= cpu_left);
            if class.rows[reached].is_none() {
                class.rows[reached] = Some(Box::new(class.row(cpu_left, &self.target)));
                self.row_count += 1;
            }
            reached
        })
    }
}

impl Class {
    fn new(tasks: Vec<usize>, target: &[(Shape, i64)]) -> Self {
        let mut cpus: Vec<i64> = tasks.iter().map(|t| target[*t].0.need().cpu_milli.0).collect();
        cpus.sort_unstable();
        cpus.dedup();
        let slices = tasks.iter().map(|t| &target[*t].0).filter(|s| s.kind() == Kind::Slice);
        let mut sizes: Vec<i64> = slices.map(|slice| slice.need().gpu_milli.0).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let level = |left: u16| sizes.partition_point(|size| *size <= i64::from(left));
        let level_of = (0..=WHOLE)
            .map(|left| u16::try_from(level(left)).expect("fewer sizes than milli in a GPU"))
            .collect();
        let rows = vec![None; cpus.len() + 1];
        Self { tasks, cpus, level_of, rows }
    }

    fn row(&self, cpu_left: i64, target: &[(Shape, i64)]) -> Row {
        let levels = usize::from(self.level_of[usize::from(WHOLE)]);
        let mut row = Row { slices: vec![0; levels + 1], wholes: [0; NODE_GPUS + 1] };
        for (shape, count) in self.tasks.iter().map(|task| &target[*task]) {
            if shape.need().cpu_milli.0 > cpu_left {
                continue;
            }
            if shape.kind() == Kind::Slice {
                let size = usize::try_from(shape.need().gpu_milli.0).expect("a slice is positive");
                row.slices[usize::from(self.level_of[size])..].iter_mut().for_each(|c| *c += count);
            } else {
                let needed = shape.gpu_count().min(row.wholes.len());
                row.wholes[needed..].iter_mut().for_each(|c| *c += count);
            }
        }
        row
    }
}

impl Change<'_> {
    /// With so many free GPUs taken.
    pub(super) fn on_free(&self, count: usize) -> i64 {
        self.kept + self.worth.change_of_free(self.free, self.free - count)
    }

    /// With a slice of `wanted` milli on a GPU that has `left`; `None` where it does not fit.
    pub(super) fn on(&self, left: u16, wanted: i64) -> Option<i64> {
        let rest = u16::try_from(i64::from(left) - wanted).ok()?;
        Some(self.kept + self.worth.change(left, rest, self.free))
    }
}

impl Worth<'_> {
    /// Of all GPUs of a node, `free` of which are fully free.
    fn of_all(&self, gpu_left: &[u16], free: usize) -> i64 {
        gpu_left.iter().map(|left| self.to_slices(*left)).sum::<i64>() + self.to_wholes(free)
    }

    /// What changes when a GPU with `left` has `rest` left instead.
    fn change(&self, left: u16, rest: u16, free: usize) -> i64 {
        let free_lost =
            if left == WHOLE { self.to_wholes(free - 1) - self.to_wholes(free) } else { 0 };
        self.to_slices(rest) - self.to_slices(left) + free_lost
    }

    /// What changes when `then` instead of `now` GPUs are fully free and the others are used up.
    fn change_of_free(&self, now: usize, then: usize) -> i64 {
        let gone = i64::try_from(now - then).expect("at most 16 GPUs");
        self.to_wholes(then) - self.to_wholes(now) - gone * self.to_slices(WHOLE)
    }

    fn to_slices(&self, left: u16) -> i64 {
        i64::from(left) * self.row.slices[usize::from(self.level_of[usize::from(left)])]
    }

    fn to_wholes(&self, free: usize) -> i64 {
        let milli = i64::from(WHOLE) * i64::try_from(free).expect("at most 16 GPUs");
        milli * self.row.wholes[free]
    }
}
